"""A launcher at the other end of a socket, as a worker sees it: the request, and the way back.

The messages are listed in packaging/launcher/launcher.c. The launcher prints, not the worker: so a worker that is
killed has either printed nothing or is not needed any more, and the launcher knows which.
"""

from __future__ import annotations

import _socket as socket  # the Python half makes an enum's member of each number, at every call
import array
import fcntl
import os
import signal
import struct

from cni import signals
from cni.caller import Caller, encoded
from cni.errors import TryAgainLater
from cni_veth import listen

REQUEST_SECONDS = 1.0  # from the connection to the request, which the launcher has ready
LONGEST_REQUEST = 1 << 18  # a socket's default buffer; the launcher executes the standalone for more
LONGEST_REPLY = 1 << 16
DESCRIPTORS = 5
SO_SNDBUFFORCE = 32  # socket(7); Python has no name for it
_buffer = bytearray(LONGEST_REQUEST)
_pid = 0
_watched: Connection | None = None


def prepare() -> None:
    """Of this process: SIGIO tells of the connection that is watched."""
    global _pid
    _pid = os.getpid()
    signal.signal(signal.SIGIO, _on_message)


def _on_message(number: int, frame: object) -> None:
    if _watched is not None:
        _watched.hear()


class Declined(BaseException):
    """This call is better served by a process of its own. Not an Exception: nothing may take it for a failure."""


class Request:
    """What the launcher sent. The descriptors are closed by `close`."""

    def __init__(self, data: bytes, descriptors: list[int]) -> None:
        mask, name, *variables = data.rstrip(b"\0").split(b"\0")
        self.descriptors = descriptors
        self.stdin, self.stderr, self.netns, self.mntns, self.cwd = descriptors
        self.umask = int(mask, 8)
        self.name = os.fsdecode(name)
        self.environ = dict(os.fsdecode(item).partition("=")[::2] for item in variables)

    def close(self) -> None:
        for descriptor in self.descriptors:
            os.close(descriptor)


class Connection(Caller):
    """The caller of one request; EOF says that it is gone."""

    def __init__(self, listener: socket.socket) -> None:
        """Of the next one that waits. Raises OSError."""
        descriptor, _ = listener._accept()  # type: ignore[attr-defined]  # accept() would ask of what kind it is
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, descriptor)
        self._has_begun = self._has_ended = False
        self._ended_by = 0
        self._stdin = -1
        self.is_stranger = False

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def peer(self) -> tuple[int, int]:
        """(pid, uid) of the caller; pid 0 where it lies in no pid namespace below ours."""
        return listen.peer(self._socket)

    @property
    def was_interrupted(self) -> bool:
        return self._ended_by != 0

    def receive(self, build: str) -> Request | None:
        """The request; None where it does not come, or from a launcher of another build."""
        try:
            length, control, flags, _ = self._receive()
        except OSError:
            return None
        data = bytes(memoryview(_buffer)[:length])
        descriptors = array.array("i")
        for _, _, content in control:
            descriptors.frombytes(content[: len(content) - len(content) % descriptors.itemsize])
        theirs, _, rest = data.partition(b"\0")
        self.is_stranger = bool(data) and theirs != build.encode()
        is_whole = not flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC) and len(descriptors) == DESCRIPTORS
        if is_whole and data and not self.is_stranger:
            try:
                return Request(rest, descriptors.tolist())
            except ValueError:
                pass  # of our build and yet no request
        for descriptor in descriptors:
            os.close(descriptor)
        return None

    def take(self, request: Request) -> bool:
        """Whether the call is ours. One of two seals the memfd: this worker, or a launcher tired of waiting."""
        self._stdin = request.stdin
        try:
            fcntl.fcntl(request.stdin, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SEAL)
        except OSError:
            return False
        return True

    def watch(self) -> None:
        """From now on a signal that the launcher passes on, or its end, is a signal to us: SIGIO, see `hear`."""
        global _watched
        _watched = self
        fcntl.fcntl(self._socket, fcntl.F_SETOWN, _pid)
        fcntl.fcntl(self._socket, fcntl.F_SETFL, os.O_RDWR | os.O_ASYNC)
        self.hear()  # it may have come before

    def begin(self) -> None:
        if not self._has_begun:
            if self._ended_by:  # before a signal could interrupt
                raise TryAgainLater(f"interrupted by {signal.Signals(self._ended_by).name}", "nothing was begun")
            os.fchmod(self._stdin, 0)  # what the launcher looks at, should we be killed
            self._has_begun = True

    def expect_delay(self, why: str) -> None:
        if not self._has_begun:
            raise Declined(why)

    def deliver(self, text: str) -> None:
        """Raises OSError unless the launcher says that it is printed; it may take its time, or end."""
        self._stop_watching()
        self._send(b"R0" + encoded(text))
        while True:
            answer = self._socket.recv(1)
            if answer == b"K":
                self._has_ended = True
                return
            if answer in (b"N", b""):
                raise BrokenPipeError("nobody took the result")

    def close(self, code: int, text: str) -> int:
        self._stop_watching()
        if not self._has_ended:
            try:
                self._send(b"E%d" % code + encoded(text))
            except OSError:
                pass  # the caller is gone
        return code

    def decline(self) -> None:
        self._stop_watching()
        try:
            self._socket.send(b"D")
        except OSError:
            pass  # the caller is gone

    def hear(self) -> None:
        """What the launcher was sent is what a plugin of its own would be sent; its end is a hang-up."""
        try:
            data = self._socket.recv(1, socket.MSG_DONTWAIT)
        except OSError:
            return
        number = data[0] if data else signal.SIGHUP
        if number in signals.ENDING:
            self._ended_by = number
            signals.receive(number)

    def _stop_watching(self) -> None:
        global _watched
        if _watched is self:
            _watched = None
            fcntl.fcntl(self._socket, fcntl.F_SETFL, os.O_RDWR)

    def _receive(self) -> tuple[int, list[tuple[int, int, bytes]], int, object]:
        """One message. Raises OSError where none comes."""
        size, flags = socket.CMSG_SPACE(DESCRIPTORS * array.array("i").itemsize), socket.MSG_CMSG_CLOEXEC
        try:  # it comes right behind the connection
            return self._socket.recvmsg_into([_buffer], size, flags | socket.MSG_DONTWAIT)
        except BlockingIOError:
            self._allow(REQUEST_SECONDS)
        try:
            return self._socket.recvmsg_into([_buffer], size, flags)
        finally:
            self._allow(0)

    def _send(self, data: bytes) -> None:
        if len(data) > LONGEST_REPLY:
            self._socket.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 4 * len(data))
        self._socket.send(data)

    def _allow(self, seconds: float) -> None:
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", int(seconds), 0))
