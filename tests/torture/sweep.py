"""One call, struck at each of its system calls in turn: SIGKILL before it, or an error instead of it."""

from __future__ import annotations

from pathlib import Path

from tests.torture import trace
from tests.torture.judge import heal, judge
from tests.torture.scenes import SCENES, Stage
from tests.torture.victims import Served, Standalone

CHANGING = {
    "mkdir", "write", "fsetxattr", "fremovexattr", "renameat", "unlink", "unlinkat", "symlink", "symlinkat",
    "utimensat", "ftruncate", "pwrite64", "sendmsg", "sendto", "exit_group",
}  # fmt: skip
"""Between two of these, and the openat(2) that makes a file, nothing changes that anybody else sees."""

FAULTS = {
    "mkdir": ("ENOSPC", "EROFS", "EACCES"),
    "openat": ("ENOSPC", "EROFS", "EACCES", "EMFILE", "EIO"),
    "write": ("ENOSPC", "EDQUOT", "EIO"),
    "pwrite64": ("ENOSPC", "EIO"),
    "ftruncate": ("ENOSPC", "EIO"),
    "fsetxattr": ("ENOSPC", "EROFS", "EOPNOTSUPP"),
    "renameat": ("ENOSPC", "EROFS", "EACCES", "EIO"),
    "unlink": ("EROFS", "EACCES"),
    "unlinkat": ("EROFS", "EACCES", "EIO"),
    "symlink": ("ENOSPC", "EROFS"),
    "symlinkat": ("ENOSPC", "EROFS", "EACCES"),
    "utimensat": ("EROFS", "EACCES"),
    "readlinkat": ("EACCES", "EIO"),
    "getdents64": ("EIO",),
    "read": ("EIO",),
    "flock": ("ENOLCK",),
}
Victim = Standalone | Served


def kills(stage: Stage, victim: Victim, scene: str, is_whole: bool) -> int:
    """How many were killed. AssertionError, with the point, where something is not as it must be."""
    calls = points(stage, victim, scene)
    if not is_whole:
        changing = [call for call in calls if call.name in CHANGING or (call.name == "openat" and call.makes)]
        calls = [some[len(some) // 2] for some in by_name(changing).values()]
    return sum(_strike(stage, victim, scene, call, f"{call.name}:signal=KILL:when={call.number}") for call in calls)


def faults(stage: Stage, victim: Victim, scene: str, is_whole: bool) -> int:
    """How many system calls on the store and on our hints met an error."""
    calls = [call for call in points(stage, victim, scene) if call.name in FAULTS and _is_on(call, stage.node.dir)]
    pairs = [(call, error) for call in calls for error in FAULTS[call.name]]
    if not is_whole:  # of each the last one, where the most is to be undone
        pairs = [(some[-1], FAULTS[name][0]) for name, some in by_name(calls).items()]
    for call, error in pairs:
        _strike(stage, victim, scene, call, f"{call.name}:error={error}:when={call.number}")
    return len(pairs)


def by_name(calls: list[trace.Call]) -> dict[str, list[trace.Call]]:
    found: dict[str, list[trace.Call]] = {}
    for call in calls:
        found.setdefault(call.name, []).append(call)
    return found


def _is_on(call: trace.Call, directory: Path) -> bool:
    """Whether that is what it is done to, and not what it writes."""
    return str(directory) in (call.text.partition(",")[0] if call.name.endswith("write") else call.text)


def points(stage: Stage, victim: Victim, scene: str) -> list[trace.Call]:
    """Every system call from the first one on the store; the scene is to be set anew for each."""
    stage.clear()
    verb = SCENES[scene](stage)
    victim.run(verb)
    calls = trace.read(victim.log, stage.node.dir)
    assert len(calls) > 10, victim.log.read_text()
    return calls


def _strike(stage: Stage, victim: Victim, scene: str, call: trace.Call, inject: str) -> bool:
    stage.clear()
    verb = SCENES[scene](stage)
    before = stage.leases()
    try:
        outcome = victim.run(verb, inject)
        judge(stage, verb, before, outcome, call if "error=" in inject else None)
        if outcome.reply is not None and outcome.reply.code != 0:
            expected = {5} if "error=" in inject else set()
            is_exhausted = scene == "second set exhausted"
            assert outcome.reply.json["code"] in expected | ({102} if is_exhausted else set()), outcome.reply
        heal(stage, verb)
    except AssertionError as error:
        raise AssertionError(f"{scene}, {victim.name}, {inject} at {call.text[:200]}: {error}") from error
    return outcome.was_killed
