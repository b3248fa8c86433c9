"""End what a plugin has left running. The caller is a subreaper (prctl(2)), so orphans become its own children."""

import ctypes
import os
import signal
from collections.abc import Collection
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)

spared: set[int] = set()
"""Children of this process that are meant to run: calls under way, daemons of the case."""


def adopt() -> None:
    """From now on this process becomes the parent of the orphans below it."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int) -> None:
    """SIGTERM to this process when its parent, whose id that is, ends in any way."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)


def children(pid: int) -> list[int]:
    """The processes that a process has started and not yet waited for."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def kill(pid: int) -> None:
    """SIGKILL to a process and everything below it. Nobody is waited for."""
    _signal(pid, signal.SIGSTOP)
    below = children(pid)
    _signal(pid, signal.SIGKILL)
    for child in below:
        kill(child)


def kill_children(spare: Collection[int] = ()) -> None:
    """SIGKILL to every child of this process and all below them, and wait for their end; `spare`: left alone."""
    while doomed := [pid for pid in children(os.getpid()) if pid not in spare]:
        for pid in doomed:
            kill(pid)
        for pid in doomed:
            try:
                os.waitpid(pid, 0)
            except ChildProcessError:
                pass


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option}")
