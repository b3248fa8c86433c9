"""A host port of SCTP on real packets, made by hand: a kernel without sockets for it (CONFIG_IP_SCTP) maps it."""

from __future__ import annotations

import socket
import struct

import pytest

from tests.netns.test_host_ports import ips, mapping, network
from tests.world import Namespace, Node, Plugin, Pod
from tests.world.node import NODE_IPS

SCTP = 132
HEADER = struct.Struct("!HHI")  # RFC 9260 section 3.1: source and destination port, verification tag; then the checksum
INIT = struct.pack("!BBHIIHHI", 1, 0, 20, 0x01020304, 65535, 1, 1, 7)  # section 3.3.2
SECONDS = 5


def crc32c(data: bytes) -> bytes:
    """RFC 9260 appendix A, bit by bit."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return (crc ^ 0xFFFFFFFF).to_bytes(4, "little")


def packet(source: int, destination: int) -> bytes:
    front = HEADER.pack(source, destination, 0)
    return front + crc32c(front + bytes(4) + INIT) + INIT


def raw(namespace: Namespace, ip: str) -> socket.socket:
    with namespace.entered():
        made = socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_RAW, SCTP)
    made.settimeout(SECONDS)
    return made


@pytest.mark.parametrize("family", [0, 1], ids=["IPv4", "IPv6"])
def test_a_host_port_of_sctp_leads_to_the_pod(node: Node, pod: Pod, plugin: Plugin, family: int) -> None:
    outside = node.outside()
    conf = network(node, mapping(9899, 80, "sctp"))
    own = ips(plugin.add(conf, pod).succeeded())[family]
    with raw(pod, own) as listener, raw(outside, own) as client:
        client.sendto(packet(5000, 9899), (NODE_IPS[family], 0))
        received = listener.recv(200)
        if family == 0:  # an IPv6 socket gets no header
            received = received[(received[0] & 15) * 4 :]
        assert received == packet(5000, 80), "with a checksum that fits the new port"
    plugin.delete(conf, pod).succeeded()
