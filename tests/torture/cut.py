"""Power cuts: the disk as it is when only the first of a call's changes have reached it; then the node boots anew.

The changes are those that strace(1) saw the real program make to its store. Names and attributes reach a disk in the
order that they were made in, by its journal; what was written into files need not have by then, as nothing is flushed
(ipam/directory.py says why). /run and every pod are gone afterwards.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from ipam import facts
from tests.torture import trace
from tests.torture.judge import addresses, is_dead, usable
from tests.torture.scenes import FOREIGN, SCENES, Stage, State, age
from tests.torture.sweep import Victim
from tests.world import Pod

TEARS: dict[str, Callable[[bytes], bytes]] = {
    "whole": lambda data: data,
    "empty": lambda data: b"",  # ext4, XFS and Btrfs: a file gets its blocks seconds later
    "zeros": lambda data: bytes(len(data)),  # its length came first
    "half": lambda data: data[: len(data) // 2],  # nothing that is known to do so, for what does
}


def cuts(stage: Stage, victim: Victim, scene: str, is_whole: bool) -> int:
    """How many there were. AssertionError with the point."""
    stage.clear()
    verb = SCENES[scene](stage)
    image = stage.node.dir / "image"
    shutil.rmtree(image, ignore_errors=True)
    if stage.node.store.exists():
        shutil.copytree(stage.node.store, image)  # attributes and times too
    victim.run(verb)
    changes = [call for call in trace.read(victim.log, stage.node.store) if _change(call, stage.node.store)]
    disks = [(length, tear) for length in range(len(changes) + 1) for tear in TEARS]
    if not is_whole:  # each point with one of them
        disks = [(length, list(TEARS)[length % len(TEARS)]) for length in range(len(changes) + 1)]
    for length, tear in disks:
        stage.clear(stage.conf["ipam"]["ranges"])
        if image.exists():
            shutil.copytree(image, stage.node.store)
        replay(changes[:length], stage.node.store, TEARS[tear])
        point = changes[length].text[:200] if length < len(changes) else "its end"
        try:
            boot(stage)
        except AssertionError as error:
            raise AssertionError(f"{scene}, {victim.name}, cut before {point}, {tear}: {error}") from error
    return len(disks)


def boot(stage: Stage) -> None:
    """Every pod is a new one: each address is given once, but for those that nobody can tell to be free."""
    for path in stage.store.glob("*") if stage.store.exists() else ():
        age(path)
    before = stage.leases()
    unknown = {name for name, state in before.items() if state.content.strip() and not is_dead(state)}
    assert all(before[name].content in FOREIGN.values() for name in unknown), f"no proof of the death of {unknown}"
    free = [usable(one[0]) - unknown for one in stage.conf["ipam"]["ranges"]]
    given: list[str] = []
    for number in range(min(map(len, free))):
        reply = stage.call("ADD", Pod(f"new{number}"))
        given += addresses(reply.succeeded())
        assert len(set(given)) == len(given), f"given twice: {given}"
    assert set(given) <= set().union(*free), f"of {given} somebody has {unknown}"
    stage.call("ADD", Pod("late")).failed(102)
    _collect(stage, unknown, before)


def _collect(stage: Stage, unknown: set[str], before: dict[str, State]) -> None:
    """With GC's list everything else goes, and nothing unfinished is left."""
    after = stage.leases()
    assert all(after.get(name) == before[name] for name in unknown), "what may be somebody's was touched"
    stage.collect(Pod("new0"))
    contents = {state.content for state in stage.leases().values()}
    assert contents <= {b"new0\r\neth0"}, contents
    assert stage.others() == set()
    assert stage.drift() == []


def replay(changes: list[trace.Call], store: Path, tear: Callable[[bytes], bytes]) -> None:
    """Make them below a directory as it was before the first one; what they write is torn."""
    offsets: dict[str, int] = {}
    for call in changes:
        _, paths, words = _parts(call)
        match call.name:
            case "mkdir":
                os.mkdir(paths[0], 0o755)
            case "openat":
                paths[0].touch(0o600)
                offsets[str(paths[0])] = 0
            case "write" | "pwrite64":
                _write(paths[0], tear(words[1]), offsets)
            case "ftruncate":
                os.truncate(paths[0], int(words[1]))
            case "fsetxattr":
                os.setxattr(paths[0], words[1].decode(), words[2])
                known = facts.decode(words[2])
                assert known is not None
                os.utime(paths[0], (known.time, known.time))  # they count only with their file's time
            case "fremovexattr":
                os.removexattr(paths[0], words[1].decode())
            case "renameat":
                os.rename(paths[0], paths[1])
                offsets[str(paths[1])] = offsets.pop(str(paths[0]), 0)
            case "unlink" | "unlinkat":
                os.unlink(paths[0])
            case other:
                raise AssertionError(f"{other} cannot be replayed: {call.text}")


def _write(path: Path, data: bytes, offsets: dict[str, int]) -> None:
    at = offsets.get(str(path), 0)
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)
    offsets[str(path)] = at + len(data)


def _change(call: trace.Call, store: Path) -> bool:
    """Whether it succeeded in changing names, contents or attributes in the store; times alone are none."""
    if not call.is_done or call.name in ("flock", "utimensat"):
        return False
    if call.name == "openat":
        return call.makes and _parts(call)[1][0].is_relative_to(store) and '"lock"' not in call.text
    names = ("mkdir", "write", "pwrite64", "ftruncate", "fsetxattr", "fremovexattr", "renameat", "unlink", "unlinkat")
    return call.name in names and bool(_parts(call)[1]) and _parts(call)[1][0].is_relative_to(store)


def _parts(call: trace.Call) -> tuple[str, list[Path], list[bytes]]:
    """Name, the paths that it names, and its arguments."""
    words = call.arguments()
    if call.name in ("openat", "unlinkat"):
        return call.name, [Path(os.fsdecode(words[0])) / os.fsdecode(words[1])], words
    if call.name == "renameat":
        return call.name, [Path(os.fsdecode(words[at])) / os.fsdecode(words[at + 1]) for at in (0, 2)], words
    return call.name, [Path(os.fsdecode(words[0]))], words
