"""A worker in its caller's place: namespaces, working directory, umask, stdin and stderr; and back home afterwards.

A mount namespace can be entered only by a process that shares its root and working directory with no other
(setns(2)); a thread that still waits for the kernel (aside.py) shares them, so they are unshared first.
"""

from __future__ import annotations

import os

from cni_veth import namespaces
from cni_veth.connection import Declined, Request

CAP_NET_ADMIN, CAP_SYS_ADMIN = 12, 21
NEEDED = 1 << CAP_NET_ADMIN | 1 << CAP_SYS_ADMIN
OWN = "/proc/self/ns/"  # the main thread's, which is the one that moves


_own = {kind: os.stat(OWN + kind).st_ino for kind in ("user", "pid")}


def objection(pid: int) -> str:
    """Why the caller cannot be served as if it had started a process of its own; "" where it can."""
    try:
        for kind, own in _own.items():
            if os.stat(f"/proc/{pid}/ns/{kind}").st_ino != own:
                return f"process {pid} is in another {kind} namespace"
        effective = _status(pid).partition(b"\nCapEff:")[2].split(None, 1)[0]
    except (OSError, IndexError):
        return f"process {pid} is gone or cannot be looked at"
    return "" if int(effective, 16) & NEEDED == NEEDED else f"process {pid} lacks CAP_NET_ADMIN or CAP_SYS_ADMIN"


def _status(pid: int) -> bytes:
    status = os.open(f"/proc/{pid}/status", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(status, 4096)
    finally:
        os.close(status)


def unreachable(request: Request) -> str:
    """What names something of the caller's own process: here it would be the worker's."""
    netns = request.environ.get("CNI_NETNS", "")
    is_own = netns.startswith(("/proc/self/", "/proc/thread-self/", "/dev/fd/"))
    return f"CNI_NETNS {netns} is the caller's own" if is_own else ""


class Home:
    """Where a worker is between two requests: opened once."""

    def __init__(self) -> None:
        self.netns, self.mntns = (os.open(OWN + kind, os.O_RDONLY | os.O_CLOEXEC) for kind in ("net", "mnt"))
        self.mounts = os.fstat(self.mntns).st_ino
        self.cwd = os.open("/", os.O_PATH | os.O_CLOEXEC)
        self.stdin = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        self.stderr = os.dup(2)


class Visit:
    """with Visit(home, request, pid): ... Raises Declined where the caller's place cannot be entered."""

    def __init__(self, home: Home, request: Request, pid: int) -> None:
        self._home = home
        self._request = request
        self._pid = pid
        self._is_elsewhere = os.fstat(request.mntns).st_ino != home.mounts

    def __enter__(self) -> None:
        request = self._request
        os.dup2(request.stdin, 0)
        os.dup2(request.stderr, 2)
        os.umask(request.umask)
        try:
            if self._is_elsewhere:
                namespaces.unshare_root()
                namespaces.enter(request.mntns, namespaces.CLONE_NEWNS)
            namespaces.enter(request.netns, namespaces.CLONE_NEWNET)
            os.fchdir(request.cwd)
            if os.readlink(f"/proc/{self._pid}/root") != "/":
                raise Declined("the caller has another root directory")
        except OSError as error:
            self.__exit__()
            raise Declined(str(error)) from None
        except Declined:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        home = self._home
        os.dup2(home.stdin, 0)
        os.dup2(home.stderr, 2)
        namespaces.enter(home.netns, namespaces.CLONE_NEWNET)
        if self._is_elsewhere:
            namespaces.unshare_root()
            namespaces.enter(home.mntns, namespaces.CLONE_NEWNS)
        os.fchdir(home.cwd)
