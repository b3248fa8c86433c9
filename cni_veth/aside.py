"""A request whose ack nobody waits for: deleting a link takes the kernel 12 to 24 ms (RCU grace periods) during which
sendmsg(2) does not return, although the link is gone from both namespaces after half a millisecond.

The ack comes to the socket as always, so whoever wants to know can wait for it there.
"""

from __future__ import annotations

import _thread
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Callable


def in_child(netlink: socket, data: bytes) -> None:
    """A child that holds none of the caller's descriptors: a runtime may wait for the end of them. Raises OSError."""
    if os.fork() != 0:
        return
    try:
        own = netlink.fileno()
        os.closerange(0, own)
        os.closerange(own + 1, os.sysconf("SC_OPEN_MAX"))
        os.setsid()  # and belongs to no group that a runtime may kill
        netlink.send(data)
    finally:
        os._exit(0)


def in_thread(netlink: socket, data: bytes) -> None:
    """For a process that stays. Raises RuntimeError where no thread can be made."""
    _thread.start_new_thread(_send, (netlink, data))


def _send(netlink: socket, data: bytes) -> None:
    try:
        netlink.send(data)
    except OSError:
        pass  # no ack will come either, which is told


start: Callable[[socket, bytes], None] = in_child
