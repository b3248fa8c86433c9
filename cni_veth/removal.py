"""Deleting a link without waiting for what the kernel does after it is gone.

RTM_DELLINK is acknowledged after RCU grace periods of 12 to 24 ms. Both ends of a pair leave their namespaces together
at the beginning of it, and the kernel announces each. So the request is sent aside and its end is whichever
comes first: the announcements of both ends, or the ack.
"""

from __future__ import annotations

import errno
import os
import select

from cni.errors import TryAgainLater
from cni_veth import aside, links
from cni_veth.links import Link
from cni_veth.netlink import ANSWER_SECONDS, Message, Socket


def together(doomed: list[Link]) -> tuple[list[Message], Message]:
    """Messages that move links into a group of their own, and the one that deletes it: twenty links deleted so cost
    what one costs, one wait for RCU."""
    group = 0x80000000 | int.from_bytes(os.urandom(4), "big") >> 2
    moves = []
    for link in doomed:
        moves.append(links.change(f"collect link {link.name}", [("IFLA_GROUP", group)], index=link.index))
        moves[-1].tolerated = (errno.ENODEV,)  # its pod went at the same moment
    return moves, links.delete(group=group)


def delete(socket: Socket, message: Message, ends: list[tuple[Socket, int]]) -> bool:
    """Send `links.delete(...)` for a link of the socket's namespace; a missing one is success. Whether all `ends`
    were announced; if not, the ack has come.

    `ends`: for each end that must be gone a socket subscribed to the links of its namespace, and its index.
    Raises KernelRefused (100), TryAgainLater (11).
    """
    answer = socket.begin(message, aside.start)
    poll = select.poll()
    for each in (socket, *(monitor for monitor, _ in ends)):
        poll.register(each.fileno(), select.POLLIN)
    while ends:
        ready = dict(poll.poll(ANSWER_SECONDS * 1000))
        if socket.fileno() in ready and socket.end(answer):
            return False
        if not ready:
            raise TryAgainLater(f"cannot {answer.message.what}", f"the kernel is silent after {ANSWER_SECONDS} s")
        ends = [(monitor, index) for monitor, index in ends if not monitor.announces_end_of(index)]
    return True
