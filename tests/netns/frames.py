"""Frames as a process in a pod may write them: true ones and false ones.

Of checksums there is only IPv4's, which br_netfilter reads.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address

from tests.world import Namespace

BROADCAST = "ff:ff:ff:ff:ff:ff"
ETH_P_ALL, ETH_P_IP, ETH_P_ARP, ETH_P_IPV6 = 0x0003, 0x0800, 0x0806, 0x86DD
SECONDS = 20


def ethernet(source: str, kind: int, payload: bytes, tag: int = 0) -> bytes:
    """To all; with a VLAN tag where one is given (IEEE 802.1Q)."""
    vlan = struct.pack("!HH", 0x8100, tag) if tag else b""
    return _mac(BROADCAST) + _mac(source) + vlan + struct.pack("!H", kind) + payload


def arp(operation: int, sender: tuple[str, str], target_ip: str) -> bytes:
    """RFC 826; `sender` is MAC and IP."""
    front = struct.pack("!HHBBH", 1, ETH_P_IP, 6, 4, operation)
    return front + _mac(sender[0]) + ip_address(sender[1]).packed + bytes(6) + ip_address(target_ip).packed


def udp(source: str, target: str, ports: tuple[int, int] = (4000, 4000)) -> bytes:
    """An IPv4 or IPv6 packet."""
    return ip(source, target, 17, struct.pack("!HHHH", *ports, 16, 0))


def icmpv6(source: str, target: str, kind: int, about: str = "::") -> bytes:
    """With four bytes of flags and an address behind, as in RFC 4861's NS and NA."""
    return ip(source, target, 58, struct.pack("!BBHI", kind, 0, 0, 0) + ip_address(about).packed)


def ip(source: str, target: str, protocol: int, payload: bytes) -> bytes:
    addresses = ip_address(source).packed + ip_address(target).packed
    length = len(payload) + 8  # the mark
    if len(addresses) == 8:
        header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 0, 0, 64, protocol, 0) + addresses
        return header[:10] + _checksum(header) + header[12:] + payload
    return struct.pack("!IHBB", 0x60000000, length, protocol, 255) + addresses + payload


def arrives(sender: Namespace, receiver: tuple[Namespace, str], frame: bytes, witness: bytes) -> bool:
    """Whether `frame`, sent on the pod's eth0, is seen on that link. `witness`, a frame that must pass, is sent behind
    it: once that is there, the first one is not going to come any more."""
    marks = b"\xfeproven\x01", b"\xfeproven\x02"
    with _packets(*receiver) as listener, _packets(sender, "eth0") as out, _on_one_processor():
        for each, mark in zip((frame, witness), marks, strict=True):
            out.send(each + mark)
        seen: set[bytes] = set()
        while marks[1] not in seen:
            data = listener.recv(2048)
            seen |= {mark for mark in marks if data.endswith(mark)}
    return marks[0] in seen


@contextmanager
def _on_one_processor() -> Iterator[None]:
    """A veth hands frames on where they were sent: two processors might swap them."""
    every = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(every)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, every)


def _packets(namespace: Namespace, ifname: str) -> socket.socket:
    with namespace.entered():
        found = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        found.bind((ifname, 0))
    found.settimeout(SECONDS)
    return found


def _checksum(header: bytes) -> bytes:
    """RFC 1071."""
    total = sum(struct.unpack(f"!{len(header) // 2}H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", total ^ 0xFFFF)


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))
