"""Who made a namespace or directory, told by its name, so that none is left behind.

A name is `cniveth-<pid>-<start time of that process>-...`. A run removes its own names at
exit; a run that was killed by SIGKILL cannot, so the next one sweeps the names whose owner
is dead. The start time (proc_pid_stat(5), field 22) keeps a reused pid from passing as alive.
"""

from __future__ import annotations

import atexit
import functools
import itertools
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

NETNS = Path("/run/netns")  # ip-netns(8)
_NAME = re.compile(r"cniveth-(\d+)-(\d+)-.+")
_numbers = itertools.count(1)
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP. A KeyboardInterrupt, because pytest tears down and stops on that alone."""


def new_name() -> str:
    """A name of this process that was never given before."""
    _prepare()
    return f"{_prefix()}{next(_numbers)}"


def own_names() -> list[str]:
    """Namespaces and directories of this process that exist now."""
    return [path.name for path in _named() if path.name.startswith(_prefix())]


def remove(names: Iterable[str]) -> None:
    """Delete the namespaces and directories of these names; processes inside are killed first."""
    names = list(names)
    namespaces = [NETNS / name for name in names if (NETNS / name).exists()]
    if namespaces:
        _kill_inside(namespaces)
        lines = "".join(f"netns del {path.name}\n" for path in namespaces)
        done = subprocess.run(["ip", "-force", "-batch", "-"], input=lines, text=True, capture_output=True)
        left = [path.name for path in namespaces if path.exists()]  # another run may sweep at the same moment
        if left:
            raise RuntimeError(f"cannot remove network namespaces {' '.join(left)}: {done.stderr}")
    for directory in (_directory(name) for name in names):
        if directory.exists():
            shutil.rmtree(directory)


def make_directory(name: str) -> Path:
    _directory(name).mkdir(mode=0o700)
    return _directory(name)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Signals wait meanwhile, so that an impatient second Ctrl-C does not cut a clean-up in two."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@functools.cache
def _prepare() -> None:
    """Once per process: sweep after the dead, and see to it that this process can be swept by nobody."""
    if os.geteuid() != 0:
        raise PermissionError("network namespaces need root")
    remove([path.name for path in _named() if not _owner_lives(path.name)])
    atexit.register(_remove_own)
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, _terminate)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated(signal.Signals(number).name)


def _remove_own() -> None:
    with undisturbed():
        remove(own_names())


def _prefix() -> str:
    return f"cniveth-{os.getpid()}-{_start_time(os.getpid())}-"


def _named() -> list[Path]:
    places = (NETNS, Path(tempfile.gettempdir()))
    return [path for place in places for path in place.glob("cniveth-*") if _NAME.fullmatch(path.name)]


def _directory(name: str) -> Path:
    return Path(tempfile.gettempdir()) / name


def _owner_lives(name: str) -> bool:
    match = _NAME.fullmatch(name)
    assert match
    return _start_time(int(match[1])) == match[2]


def _start_time(pid: int) -> str:
    """In clock ticks since boot; "" where there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return stat.rpartition(")")[2].split()[19]


def _kill_inside(namespaces: list[Path]) -> None:
    """A process keeps its namespace, and the links in it, alive after the name is gone."""
    doomed = {inode(path) for path in namespaces} - {None}
    for entry in Path("/proc").glob("[0-9]*/ns/net"):
        pid = int(entry.parts[2])
        if pid != os.getpid() and inode(entry) in doomed and not _leaves(entry, doomed):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _leaves(entry: Path, doomed: set[tuple[int, int] | None]) -> bool:
    """Whether it is a worker of a server that was here for a call, and goes home now that it has answered."""
    deadline = time.monotonic() + 1
    try:
        is_worker = (entry.parents[1] / "comm").read_text() == "cni-vethd\n"
    except OSError:
        return True
    while is_worker and time.monotonic() < deadline:
        if inode(entry) not in doomed:
            return True
        time.sleep(0.0005)
    return False


def inode(path: str | Path) -> tuple[int, int] | None:
    """What tells one namespace from another (namespaces(7)); None where it is gone or not for us to see."""
    try:
        stat = os.stat(path)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    return stat.st_dev, stat.st_ino
