"""A synchronous netlink socket: many requests in one sendmsg, every answer matched to its request.

One sendmsg is handled by the kernel before the call returns, so no SIGKILL can fall between two
requests of a batch. A failed request does not stop the ones behind it. Source: netlink(7), rtnetlink(7).
"""

from __future__ import annotations

import _socket as socket  # the Python half imports enum and selectors (6 ms)
import errno
import struct
import sys

from cni.errors import KernelRefused, TryAgainLater
from cni_veth.wire import Body, Reply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

NLM_F_REQUEST, NLM_F_MULTI, NLM_F_ACK = 0x1, 0x2, 0x4
NLM_F_CREATE, NLM_F_EXCL, NLM_F_DUMP = 0x400, 0x200, 0x300
NLM_F_DUMP_INTR, NLM_F_CAPPED, NLM_F_ACK_TLVS = 0x10, 0x100, 0x200
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLMSGERR_ATTR_MSG = 1
SOL_NETLINK, NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK = 270, 10, 11, 12
DUMP_TRIES = 8
BATCH = 64  # an ack takes about 700 bytes of a receive buffer of 208 KiB
KERNEL = 0  # nl_pid of what no process sent: one with CAP_NET_ADMIN in the pod's namespace may write to our socket
STRAYS = 1000  # datagrams at once: nobody shall keep us reading
LONGEST = 1 << 16  # the kernel fills 32 KiB; a buffer from 128 KiB on would be mapped and unmapped at each recv(2)
ANSWER_SECONDS = 10  # for the ack of a request that was sent aside, which takes milliseconds
RTM_DELLINK, AF_UNSPEC = 17, 0
_HEADER = struct.Struct("=LHHLL")
_LINK = struct.Struct("=LHHLLB3xi")  # nlmsghdr and ifinfomsg's family and index


class Message:
    """One request: a body, its type and flags, what it does in words, errnos that are no failure."""

    __slots__ = ("body", "flags", "tolerated", "type", "what")

    def __init__(self, body: Body, kind: int, flags: int, what: str, tolerated: tuple[int, ...] = ()) -> None:
        self.body = body
        self.type = kind
        self.flags = flags
        self.what = what
        self.tolerated = tolerated

    @property
    def is_question(self) -> bool:
        """RTM_GET...: the reply, or an error, is the whole answer. (Types of netfilter begin at 0x100.)"""
        return self.type & 3 == 2 and self.type < 0x100

    def encode(self, sequence: int) -> bytes:
        data = self.body.encode()
        return _HEADER.pack(_HEADER.size + len(data), self.type, self.flags | NLM_F_REQUEST, sequence, 0) + data


class Answer:
    """What came back: decoded messages, or the errno (0 for success) with the kernel's own text."""

    __slots__ = ("errno", "is_interrupted", "message", "replies", "text")

    def __init__(self, message: Message) -> None:
        self.message = message
        self.replies: list[Reply] = []
        self.errno = -1
        self.is_interrupted = False
        self.text = ""

    @property
    def failure(self) -> KernelRefused | None:
        if self.errno == 0 or self.errno in self.message.tolerated:
            return None
        return KernelRefused(self.message.what, self.errno, self.text)


class Socket:
    """A netlink socket in the network namespace that is current when it is made."""

    def __init__(self, groups: int = 0, protocol: int = socket.NETLINK_ROUTE) -> None:
        self._sequence = 0
        try:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
            if groups:  # else the kernel binds it with the first request
                self._socket.bind((0, groups))
        except OSError as error:
            raise KernelRefused("open a netlink socket", error.errno or 0) from None
        if not groups:  # those that only listen get no errors
            self._set(NETLINK_EXT_ACK)

    def __del__(self) -> None:
        try:
            self._socket.close()  # Python would warn of one left open, which costs more than the close
        except AttributeError:
            pass  # there never was one

    def ask(self, *messages: Message) -> list[Answer]:
        """Send a batch; raise the first failure as KernelRefused (100)."""
        answers = self.batch(*messages)
        for answer in answers:
            if answer.failure is not None:
                raise answer.failure
        return answers

    def batch(self, *messages: Message) -> list[Answer]:
        """Send a batch and collect every answer, failed or not; a long one in parts whose acks fit the buffer."""
        answers: list[Answer] = []
        for start in range(0, len(messages), BATCH):
            pending: dict[int, Answer] = {}
            parts = []
            part = messages[start : start + BATCH]
            if not part[-1].is_question:
                part[-1].flags |= NLM_F_ACK  # those before it need none: an error is told unasked
            for message in part:
                self._sequence += 1
                pending[self._sequence] = Answer(message)
                parts.append(message.encode(self._sequence))
            answers += pending.values()
            self._send(b"".join(parts))
            while pending:
                self._receive(pending)
        return answers

    def begin(self, message: Message, send: Callable[[socket.socket, bytes], None]) -> Answer:
        """A request that `send` puts on its way; once the socket can be read `end` takes its answer."""
        self._sequence += 1
        message.flags |= NLM_F_ACK
        try:
            send(self._socket, message.encode(self._sequence))
        except (OSError, RuntimeError):  # no process, no thread can be made: then it takes its time
            self._send(message.encode(self._sequence))
        return Answer(message)

    def end(self, answer: Answer) -> bool:
        """Whether it was what can be read, which may be from somebody else. Raises KernelRefused (100)."""
        pending = {self._sequence: answer}
        self._receive(pending)
        if not pending and answer.failure is not None:
            raise answer.failure
        return not pending

    def fileno(self) -> int:
        return self._socket.fileno()

    def dump(self, message: Message) -> list[Reply]:
        """All objects of a kind. The kernel flags a dump that a change interrupted; it is asked again."""
        self._set(NETLINK_GET_STRICT_CHK)
        for _ in range(DUMP_TRIES):
            self._sequence += 1
            answer = Answer(message)
            message.flags |= NLM_F_DUMP
            self._send(message.encode(self._sequence))
            pending = {self._sequence: answer}
            while pending:
                self._receive(pending)
            if answer.errno not in (errno.EINTR, 0):
                raise KernelRefused(message.what, answer.errno, answer.text)
            if answer.errno == 0:
                return answer.replies
        raise TryAgainLater(f"cannot {message.what}", "the kernel's tables changed during every attempt")

    def announces_end_of(self, index: int) -> bool:
        """Whether the subscribed group has told that the link is gone. Does not wait."""
        for _ in range(STRAYS):
            try:
                data, sender = self._socket.recvfrom(LONGEST, socket.MSG_DONTWAIT)
            except OSError:  # nothing more; or an overrun: the ack will tell
                return False
            offset = 0 if sender[0] == KERNEL else len(data)
            while offset < len(data):
                length, kind, _, _, _, family, found = _LINK.unpack_from(data, offset)
                # a bridge tells of AF_BRIDGE when it loses a port, which still exists
                if (kind, family, found) == (RTM_DELLINK, AF_UNSPEC, index):
                    return True
                offset += (length + 3) & ~3
        return False

    def wait(self, seconds: float) -> bool:
        """Wait for a notification of the subscribed groups; True when something came."""
        self._socket.settimeout(max(seconds, 0.001))
        try:
            self._socket.recv(LONGEST)
        except TimeoutError:
            return False
        except OSError as error:
            if error.errno != errno.ENOBUFS:  # overrun: something came, and more than fits
                raise
        return True

    def _set(self, option: int) -> None:
        """Better errors and filtered dumps; an older kernel answers without."""
        try:
            self._socket.setsockopt(SOL_NETLINK, option, 1)
        except OSError as error:
            if error.errno != errno.ENOPROTOOPT:
                raise

    def _send(self, data: bytes) -> None:
        try:
            self._socket.send(data)
        except OSError as error:
            raise KernelRefused("send to netlink", error.errno or 0) from None

    def _receive(self, pending: dict[int, Answer]) -> None:
        """Read one datagram and settle the answers that it ends. The kernel has answered when send(2) returns, or, of
        a dump, when the part before was read."""
        try:
            data, sender = self._socket.recvfrom(LONGEST, socket.MSG_DONTWAIT)
        except OSError as error:  # ENOBUFS, EAGAIN
            what = next(iter(pending.values())).message.what
            raise TryAgainLater(f"cannot {what}", f"the kernel's answer was lost: {error.strerror}") from None
        if sender[0] != KERNEL:
            return
        offset = 0
        while offset < len(data):
            length, kind, flags, sequence, _ = _HEADER.unpack_from(data, offset)
            answer = pending.get(sequence)
            if answer is not None:
                part = data[offset : offset + length]
                if flags & NLM_F_DUMP_INTR:
                    answer.is_interrupted = True
                if kind in (NLMSG_ERROR, NLMSG_DONE):
                    settle(answer, part, kind, flags)
                else:
                    answer.replies.append(Reply(answer.message.body.layout, part, _HEADER.size))
                if kind in (NLMSG_ERROR, NLMSG_DONE) or (answer.message.is_question and not flags & NLM_F_MULTI):
                    _end(pending, sequence)
            offset += (length + 3) & ~3


def _end(pending: dict[int, Answer], sequence: int) -> None:
    """This one and all before it: the kernel takes them in turn, and what it does not complain of has succeeded."""
    for earlier in [number for number in pending if number <= sequence]:
        answer = pending.pop(earlier)
        answer.errno = max(answer.errno, 0)


def settle(answer: Answer, part: bytes, kind: int, flags: int) -> None:
    """What NLMSG_ERROR or NLMSG_DONE says of a request; `part` is the message with its header."""
    number = -int.from_bytes(part[16:20], sys.byteorder, signed=True) if len(part) >= 20 else 0
    answer.errno = errno.EINTR if answer.is_interrupted and number == 0 else number
    if kind == NLMSG_ERROR and flags & NLM_F_ACK_TLVS:
        answer.text = _kernel_text(part[36:] if flags & NLM_F_CAPPED else part[20 + _length(part, 20) :])


def _length(part: bytes, offset: int) -> int:
    return (int.from_bytes(part[offset : offset + 4], sys.byteorder) + 3) & ~3


def _kernel_text(attributes: bytes) -> str:
    """NLMSGERR_ATTR_MSG among the extended ack's attributes."""
    while len(attributes) >= 4:
        length, kind = struct.unpack_from("=HH", attributes)
        if kind == NLMSGERR_ATTR_MSG:
            return attributes[4:length].rstrip(b"\0").decode("utf-8", "replace")
        attributes = attributes[(max(length, 4) + 3) & ~3 :]
    return ""
