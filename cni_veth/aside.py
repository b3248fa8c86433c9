"""What the kernel takes its time for and nobody waits for.

Deleting a link takes 12 to 24 ms (RCU grace periods) during which sendmsg(2) does not return, although the link is gone
from both namespaces after half a millisecond. The ack comes to the socket as always, so whoever wants to know can wait
for it there. Closing a socket of nf_tables waits as long for what transactions have deleted, with a lock held that the
end of each link of the node needs: so it is closed when there is nothing to wait for any more.
"""

from __future__ import annotations

import _thread
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Callable


GRACE_SECONDS = 0.05  # more than RCU takes


def in_child(netlink: socket, data: bytes) -> None:
    """A child that holds none of the caller's descriptors: a runtime may wait for the end of them. Raises OSError."""
    if os.fork() != 0:
        return
    try:
        _keep_only(netlink.fileno())
        netlink.send(data)
    finally:
        os._exit(0)


def close_in_child(fd: int) -> None:
    """A child has it for longer than we."""
    try:
        _hold_in_child(fd)
    except OSError:
        pass  # no process can be made: the close takes its time
    os.close(fd)


def _hold_in_child(fd: int) -> None:
    if os.fork() != 0:
        return
    try:
        _keep_only(fd)
        time.sleep(GRACE_SECONDS)
    finally:
        os._exit(0)


def _keep_only(*kept: int) -> None:
    first = 0
    for fd in (*sorted(kept), os.sysconf("SC_OPEN_MAX")):
        os.closerange(first, fd)
        first = fd + 1
    os.setsid()  # and belongs to no group that a runtime may kill


def in_thread(netlink: socket, data: bytes) -> None:
    """For a process that stays. Raises RuntimeError where no thread can be made."""
    _thread.start_new_thread(_send, (netlink, data))


def _send(netlink: socket, data: bytes) -> None:
    try:
        netlink.send(data)
    except OSError:
        pass  # no ack will come either, which is told


def close_in_thread(fd: int) -> None:
    try:
        _thread.start_new_thread(_close, (fd,))
    except RuntimeError:
        os.close(fd)


def _close(fd: int) -> None:
    time.sleep(GRACE_SECONDS)
    os.close(fd)


start: Callable[[socket, bytes], None] = in_child
close: Callable[[int], None] = close_in_child
