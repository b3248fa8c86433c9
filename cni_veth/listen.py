"""The server's socket: passed by systemd or by an older server (sd_listen_fds(3)), or made in a directory of root's."""

from __future__ import annotations

import _socket
import os
import socket
import stat
import struct

KIND = socket.SOCK_SEQPACKET
BACKLOG = 1024  # launchers that wait; beyond them each executes the standalone at once
INHERITED = 3  # SD_LISTEN_FDS_START
_UCRED = struct.Struct("3i")
OWN = "cni-vethd"  # LISTEN_FDNAMES of a socket that this program made when it was another version


class Refused(Exception):
    """Why there is no socket to listen on, for the person who started the server."""


def inherited() -> socket.socket | None:
    """Raises Refused where it is not what a launcher connects to."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or not os.environ.get("LISTEN_FDS"):
        return None
    if os.environ["LISTEN_FDS"] != "1":
        raise Refused(f"one socket is expected, LISTEN_FDS={os.environ['LISTEN_FDS']} were passed")
    found = socket.socket(fileno=INHERITED)
    if (found.family, found.type) != (socket.AF_UNIX, KIND):
        raise Refused("the socket passed is not of the kind ListenSequentialPacket=")
    found.set_inheritable(False)
    return found


def make(path: str) -> socket.socket:
    """Appears at `path` when it can be connected to, in the place of a dead server's. Raises Refused, OSError."""
    directory = os.path.dirname(path) or "."
    try:
        os.makedirs(directory, 0o700)
    except FileExistsError:
        status = os.stat(directory)
        if status.st_uid != 0 or stat.S_IMODE(status.st_mode) & 0o077:
            raise Refused(f"{directory} can be entered by others than root; chmod 700 it or choose another") from None
    pid = _server_at(path)
    if pid:
        raise Refused(f"process {pid} serves {path} already")
    made = socket.socket(socket.AF_UNIX, KIND)
    new = f"{path}.{os.getpid()}"
    made.bind(new)
    made.listen(BACKLOG)
    os.rename(new, path)
    return made


def is_own() -> bool:
    """Whether the socket is this program's to remove, and not systemd's."""
    return os.environ.get("LISTEN_PID") != str(os.getpid()) or os.environ.get("LISTEN_FDNAMES") == OWN


def pass_on(listener: socket.socket) -> dict[str, str]:
    """For the program that this process is about to become: what it must find in its environment."""
    name = OWN if is_own() else ""
    if listener.fileno() == INHERITED:
        listener.set_inheritable(True)
    else:
        os.dup2(listener.fileno(), INHERITED)
    return {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": name}


def remove(path: str) -> None:
    """Unless another server has taken the path meanwhile."""
    if not _server_at(path):
        os.unlink(path)


def _server_at(path: str) -> int:
    with socket.socket(socket.AF_UNIX, KIND) as probe:
        try:
            probe.connect(path)
        except OSError:
            return 0
        return peer(probe)[0]


def peer(connected: _socket.socket) -> tuple[int, int]:
    """(pid, uid) of the process at the other end; pid 0 where it lies in no pid namespace below ours."""
    pid, uid, _ = _UCRED.unpack(connected.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, _UCRED.size))
    return pid, uid
