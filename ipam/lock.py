"""Locks by flock(2). The one of a network's store is on its file `lock`, the very one that host-local takes.

The wait is bounded, and its failure names the process that holds the lock.
"""

from __future__ import annotations

import fcntl
import os

from cni.errors import TryAgainLater

FILE = "lock"
WAIT = 10.0  # seconds; runtimes give a plugin minutes, an operator wants to know sooner


def acquire(dir_fd: int, path: str, wait: float = WAIT) -> int:
    """An open, locked file in the directory; closing it unlocks. Raises TryAgainLater (11), OSError.

    Only a thread that may set signal handlers, the main one, can wait; any can take a free lock.
    """
    while True:
        # host-local's own flags and mode: whoever comes first makes the same file
        fd = os.open(FILE, os.O_CREAT | os.O_RDONLY | os.O_CLOEXEC, 0o750, dir_fd=dir_fd)
        try:
            if not flock(fd, wait):
                what = f"waited {wait:g} s for flock on {os.path.join(path, FILE)}"
                raise TryAgainLater(f"the store {path} is locked by {_holder(fd)}", what)
            if os.fstat(fd).st_nlink:
                return fd
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)  # somebody cleared the directory while we waited: others lock a newer file


def is_free(fd: int) -> bool:
    """Then it is taken. Raises OSError."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def flock(fd: int, wait: float) -> bool:
    """Whether it is taken within these seconds; see `acquire`. Raises OSError."""
    if is_free(fd):
        return True
    import signal

    is_waiting = True

    def give_up(number: int, frame: object) -> None:
        if is_waiting:
            raise TimeoutError

    # asleep in the kernel's queue and not polling: beside waiters that sleep, one that polls starves
    before = signal.signal(signal.SIGALRM, give_up)
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, wait)
            fcntl.flock(fd, fcntl.LOCK_EX)
        finally:
            is_waiting = False  # an alarm that comes from here on must not keep us from the rest
            signal.setitimer(signal.ITIMER_REAL, 0)
    except TimeoutError:
        return False
    finally:
        signal.signal(signal.SIGALRM, before)
    return True


def _holder(fd: int) -> str:
    """Who holds a flock on the file, as "pid N (name)", from proc_locks(5); some filesystems hide it."""
    status = os.fstat(fd)
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    try:
        with open("/proc/locks", encoding="ascii", errors="replace") as locks:
            lines = [line.split() for line in locks]
        # 1: FLOCK ADVISORY WRITE 4711 fe:00:1234 0 EOF; a waiter has "->" in the second place
        pid = next(words[4] for words in lines if len(words) > 5 and words[1] == "FLOCK" and words[5] == device)
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as comm:
            return f"pid {pid} ({comm.read().strip()})"
    except StopIteration:
        return "an unknown process"
    except OSError:
        return "a process that is gone or in another pid namespace"
