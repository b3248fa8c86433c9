"""Rates into and out of a pod are limited: of a flood of datagrams arrives what the limit lets through."""

import socket
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from conformance import documents, outside
from conformance.expect import Complaint

if TYPE_CHECKING:
    from conformance.steps import Player

_PORT, _SECONDS, _SLACK = 9998, 0.8, 2.0
_WAIT = 5.0  # for the first: neighbour discovery asks again after a second
_PAYLOAD = bytes(1200)


def check(player: "Player", ingress: int, egress: int, burst: int, pod: int = 1) -> Iterator[Complaint]:
    """After an ADD of that pod. ingress, egress: bits per second; burst: bits, the greater one."""
    address = str(documents.addresses(player.results[pod])[0]["address"]).split("/")[0]
    gateway = str(documents.addresses(player.results[pod])[0]["gateway"])
    for name, source, target, to, rate in (
        ("into", 0, pod, address, ingress),
        ("out of", pod, 0, gateway, egress),
    ):
        sender = outside.within(player.world, source, outside.datagram)
        receiver = outside.within(player.world, target, lambda: outside.datagram(_PORT))
        with sender, receiver:
            bits = _flood(sender, receiver, to)
        most = (rate * _SECONDS + burst) * _SLACK
        if not 0 < bits <= most:
            yield Complaint(f"at most {most:.0f} bits in {_SECONDS} s {name} the pod, and some", f"{bits} bits")


def _flood(sender: socket.socket, receiver: socket.socket, address: str) -> int:
    """Bits that arrive, from the first one on."""
    sender.setblocking(False)
    receiver.setblocking(False)
    arrived, end = 0, time.monotonic() + _WAIT
    while (now := time.monotonic()) < end:
        for _ in range(32):
            try:
                sender.sendto(_PAYLOAD, (address, _PORT))
            except BlockingIOError:
                break
        found = _arrived(receiver)
        if found and not arrived:
            end = now + _SECONDS
        arrived += found
    return arrived


def _arrived(receiver: socket.socket) -> int:
    bits = 0
    while True:
        try:
            bits += 8 * len(receiver.recv(2048))
        except BlockingIOError:
            return bits
