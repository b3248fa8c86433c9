"""One call, struck at each of its system calls in turn: SIGKILL before it, or an error instead of it."""

from __future__ import annotations

from collections.abc import Iterator

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
    number = 0
    for call in points(stage, victim, scene):
        if is_whole or call.name in CHANGING or (call.name == "openat" and "O_CREAT" in call.text):
            number += _strike(stage, victim, scene, call, f"inject={call.name}:signal=KILL:when={call.number}")
    return number


def faults(stage: Stage, victim: Victim, scene: str, is_whole: bool) -> int:
    """How many calls met an error. Bounded: each system call meets one of its errors, in turn."""
    number = 0
    for call in points(stage, victim, scene):
        if str(stage.node.dir) not in call.text:
            continue
        errors = FAULTS.get(call.name, ())
        for error in errors if is_whole else errors[number % len(errors) :][:1] if errors else ():
            _strike(stage, victim, scene, call, f"inject={call.name}:error={error}:when={call.number}")
            number += 1
    return number


def points(stage: Stage, victim: Victim, scene: str) -> Iterator[trace.Call]:
    """Every system call from the first one on the store; the scene is to be set anew for each."""
    stage.clear()
    verb = SCENES[scene](stage)
    victim.run(verb)
    calls = trace.read(victim.log, stage.node.dir)
    assert len(calls) > 10, victim.log.read_text()
    yield from calls


def _strike(stage: Stage, victim: Victim, scene: str, call: trace.Call, inject: str) -> bool:
    stage.clear()
    verb = SCENES[scene](stage)
    before = stage.leases()
    try:
        outcome = victim.run(verb, inject.removeprefix("inject="))
        judge(stage, verb, before, outcome)
        if outcome.reply is not None and outcome.reply.code != 0:
            expected = {5} if "error=" in inject else set()
            is_exhausted = scene == "second set exhausted"
            assert outcome.reply.json["code"] in expected | ({102} if is_exhausted else set()), outcome.reply
        heal(stage, verb)
    except AssertionError as error:
        raise AssertionError(f"{scene}, {victim.name}, {inject} at {call.text[:200]}: {error}") from error
    return outcome.was_killed
