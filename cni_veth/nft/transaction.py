"""Several changes of nf_tables in one transaction: all of them, or none (nfnetlink's batch).

The kernel goes on past a refused message, so that every error is told, and then takes the whole back. It has done so,
and has put every answer into the socket's buffer, when send(2) returns.
"""

from __future__ import annotations

import _socket as socket
import errno
import struct

from cni.errors import KernelRefused, TryAgainLater
from cni_veth import aside
from cni_veth.netlink import (
    KERNEL,
    LONGEST,
    NETLINK_CAP_ACK,
    NLM_F_ACK,
    NLMSG_ERROR,
    Answer,
    Message,
    Socket,
    settle,
)
from cni_veth.nft.attributes import BATCH_LAYOUT
from cni_veth.wire import Body

NETLINK_NETFILTER = 12
NFNL_MSG_BATCH_BEGIN, NFNL_MSG_BATCH_END, NFNL_SUBSYS_NFTABLES = 0x10, 0x11, 10
SO_SNDBUFFORCE, SO_RCVBUFFORCE = 32, 33
ANSWER_BYTES = 1024  # of a receive buffer, for one refusal
NO_NFTABLES = (errno.EPROTONOSUPPORT, errno.EOPNOTSUPP, errno.ENOENT, errno.EINVAL)  # in the kernel
USUAL_BYTES = 100_000  # what the kernel's default buffers hold for certain
_HEADER = struct.Struct("=LHHLL")


class Netfilter(Socket):
    """A socket for nf_tables and conntrack."""

    def __init__(self) -> None:
        super().__init__(protocol=NETLINK_NETFILTER)
        self._set(NETLINK_CAP_ACK)  # a refusal brings its request back, and all have to fit into the buffer

    def commit(self, messages: list[Message]) -> list[Answer]:
        """Send them as one transaction. It was done if no answer has an errno; else nothing was.

        Raises KernelRefused (100) for the transaction as a whole, TryAgainLater (11) where answers were lost.
        """
        if not messages:
            return []
        messages[-1].flags |= NLM_F_ACK
        batch = [_bound(NFNL_MSG_BATCH_BEGIN), *messages, _bound(NFNL_MSG_BATCH_END)]
        pending: dict[int, Answer] = {}
        parts = []
        for message in batch:
            self._sequence += 1
            pending[self._sequence] = Answer(message)
            parts.append(message.encode(self._sequence))
        answers = list(pending.values())
        data = b"".join(parts)
        self._make_room(len(data), len(batch) * ANSWER_BYTES)
        self._send(data)
        self._drain(pending, answers[-2])
        if answers[0].errno > 0:
            raise KernelRefused("change nftables", answers[0].errno, answers[0].text or _hint(answers[0].errno))
        if answers[-2].errno < 0:
            raise TryAgainLater("cannot change nftables", "the kernel's answer was lost")
        for answer in answers:
            answer.errno = max(answer.errno, 0)
        return answers[1:-1]

    def remove(self, messages: list[Message]) -> None:
        """Deletions: those of what is not there are left out of a second try. Raises KernelRefused (100)."""
        left = messages
        while left:
            answers = self.commit(left)
            for answer in answers:
                if answer.failure is not None:
                    raise answer.failure
            gone = [answer.message for answer in answers if answer.errno]
            if not gone:
                return
            left = [message for message in left if message not in gone]

    def leave(self) -> None:
        """Close it aside: before the kernel closes one it finishes what transactions have deleted."""
        aside.close(self._socket.detach())

    def _make_room(self, sent: int, answered: int) -> None:
        for size, option in ((sent, SO_SNDBUFFORCE), (answered, SO_RCVBUFFORCE)):
            if size > USUAL_BYTES:
                self._socket.setsockopt(socket.SOL_SOCKET, option, size * 2)

    def _drain(self, pending: dict[int, Answer], last: Answer) -> None:
        """All that was told. The kernel tells of the transaction as a whole first, then of its messages in turn."""
        while last.errno < 0:
            try:
                data, sender = self._socket.recvfrom(LONGEST, socket.MSG_DONTWAIT)
            except OSError as error:
                if error.errno == errno.EAGAIN:
                    return
                raise TryAgainLater("cannot change nftables", f"the kernel's answer was lost: {error}") from None
            offset = 0 if sender[0] == KERNEL else len(data)
            while offset < len(data):
                length, kind, flags, sequence, _ = _HEADER.unpack_from(data, offset)
                if kind == NLMSG_ERROR and sequence in pending:
                    settle(pending[sequence], data[offset : offset + length], kind, flags)
                offset += (length + 3) & ~3


def _bound(kind: int) -> Message:
    return Message(Body(BATCH_LAYOUT, [], resource=NFNL_SUBSYS_NFTABLES), kind, 0, "begin or end a transaction")


def _hint(number: int) -> str:
    return "the kernel has no nf_tables (CONFIG_NF_TABLES)" if number in (errno.EOPNOTSUPP, errno.EINVAL) else ""
