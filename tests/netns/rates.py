"""How fast frames really come from one namespace to another, by the kernel's own time stamps."""

from __future__ import annotations

import socket
import struct
import threading
import time

from tests.world import Namespace

PAYLOAD = 1400
FRAME = PAYLOAD + 42  # with the headers of UDP, IPv4 and Ethernet
SO_RCVBUFFORCE, SO_TIMESTAMPNS = 33, 35
_STAMP = struct.Struct("@qq")


def measured(
    source: Namespace, target: Namespace, ip: str, offered: float, skipped: int = 200, counted: int = 1000
) -> float:
    """Bits per second that `target`, at `ip`, receives of so many that are sent to it: those of `counted` frames after
    the first `skipped`, which a burst may let pass."""
    with target.entered():
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with source.entered():
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with receiver, sender:
        receiver.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        receiver.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24)
        receiver.settimeout(20)
        receiver.bind((ip, 0))
        sender.connect(receiver.getsockname())
        enough = threading.Event()
        sending = threading.Thread(target=_send, args=(sender, offered / 8 / FRAME, enough))
        sending.start()
        try:
            stamps = [_arrival(receiver) for _ in range(skipped + counted)]
        finally:
            enough.set()
            sending.join()
    return (counted - 1) * FRAME * 8 / (stamps[-1] - stamps[skipped])


def _send(sender: socket.socket, per_second: float, enough: threading.Event) -> None:
    data, sent, begun = bytes(PAYLOAD), 0, time.perf_counter()
    while not enough.wait(0.002):
        due = int((time.perf_counter() - begun) * per_second)
        for _ in range(min(due - sent, 1000)):
            sender.send(data)
        sent = due


def _arrival(receiver: socket.socket) -> float:
    _, [(_, _, data)], _, _ = receiver.recvmsg(PAYLOAD, socket.CMSG_SPACE(_STAMP.size))
    seconds, nanoseconds = _STAMP.unpack(data)
    return float(seconds + nanoseconds / 1e9)
