"""VLANs as far as a kernel without them can tell: what is read, and that iproute2 would send the same bytes."""

from __future__ import annotations

import json
import re
import struct
from typing import Any

import pytest

from cni.request import Request
from cni_veth import links, vlan
from cni_veth.conf import VethConf
from cni_veth.links import Link
from cni_veth.netlink import NLM_F_ACK, Answer, Message, Socket
from cni_veth.wire import LINK, Reply
from tests.world import Node

_DUMP = re.compile(r"^ \| [0-9a-f]{5}  ((?:[0-9a-f]{2} +)+)", re.MULTILINE)
NATIVE = vlan.PVID | vlan.UNTAGGED


def veth_conf(**keys: Any) -> VethConf:
    config = {"cniVersion": "1.0.0", "name": "net", "type": "cni-veth", **keys}
    return VethConf(Request("ADD", {}, json.dumps(config).encode(), config))


@pytest.fixture
def ports(node: Node) -> dict[str, Link]:
    """A bridge `cni0` with the port `p0`."""
    node.batch("link add name cni0 type bridge", "link add name p0 type veth peer name p1", "link set p0 master cni0")
    with node.entered():
        return {link.name: link for link in links.every(Socket())}


def sent(node: Node, command: str) -> bytes:
    """The last netlink message that the command sent, by strace; the kernel may refuse it."""
    traced = node.run(["strace", "-e", "trace=sendmsg", "-e", "write=3,4", *command.split()], check=False)
    message = traced.stderr.rpartition("sendmsg(")[2]
    data = bytes.fromhex("".join(_DUMP.findall(message)))
    assert len(data) == int.from_bytes(data[:4], "little"), f"not one whole message: {traced.stderr}"
    return data


def encoded(message: Message, like: bytes) -> bytes:
    """Ours, under the other's sequence number."""
    message.flags |= NLM_F_ACK
    return message.encode(int.from_bytes(like[8:12], "little"))


class Recorder(Socket):
    """Takes what is asked and answers nothing; dumps what it is given."""

    def __init__(self, *replies: Reply) -> None:
        self.asked: list[Message] = []
        self._replies = list(replies)

    def ask(self, *messages: Message) -> list[Answer]:
        self.asked += messages
        return []

    def dump(self, message: Message) -> list[Reply]:
        self.asked.append(message)
        return self._replies


@pytest.mark.parametrize(
    ("keys", "commands"),
    [
        ({"vlan": 100}, ["del vid 1 pvid untagged", "add vid 100 pvid untagged"]),
        ({"vlan": 1}, ["add vid 1 pvid untagged"]),
        ({"vlan": 100, "preserveDefaultVlan": True}, ["add vid 100 pvid untagged"]),
        ({"vlanTrunk": [{"id": 101}]}, ["add vid 101", "add vid 1 pvid untagged"]),
        (
            {"vlan": 100, "vlanTrunk": [{"minID": 90, "maxID": 110}]},
            ["del vid 1 pvid untagged", "add vid 90-110", "add vid 100 pvid untagged"],
        ),
    ],
    ids=str,
)
def test_a_port_s_vlans_are_set_as_bridge_8_sets_them(
    node: Node, ports: dict[str, Link], keys: dict[str, Any], commands: list[str]
) -> None:
    recorder = Recorder()
    vlan.assign(recorder, veth_conf(**keys), ports["p0"])
    theirs = []
    for command in commands:
        verb, _, rest = command.partition(" ")
        theirs.append(sent(node, f"bridge vlan {verb} dev p0 {rest}"))
    assert [encoded(ours, like) for ours, like in zip(recorder.asked, theirs, strict=True)] == theirs


def test_vlan_filtering_is_switched_on_as_ip_link_does_it(node: Node, ports: dict[str, Link]) -> None:
    theirs = sent(node, "ip link set cni0 type bridge vlan_filtering 1")
    ours = encoded(vlan.filtering(ports["cni0"]), theirs)
    # pyroute2 ends the kind with a NUL, which ip leaves to the padding
    assert ours.replace(b"\x0b\0\1\0bridge\0\0", b"\x0a\0\1\0bridge\0\0") == theirs


def test_vlans_are_asked_for_in_a_form_that_the_kernel_takes(node: Node, ports: dict[str, Link]) -> None:
    with node.entered():
        kernel = Socket()
    assert set(vlan.of(kernel, ports["p0"])) <= {vlan.DEFAULT}


def listed(port: Link, vids: dict[int, int]) -> Reply:
    """A port's entry in the kernel's list: ifinfomsg, IFLA_AF_SPEC, in it an IFLA_BRIDGE_VLAN_INFO for each VLAN."""
    entries = b"".join(struct.pack("=HHHH", 8, 2, flags, vid) for vid, flags in vids.items())
    body = struct.pack("=BxHiII", vlan.AF_BRIDGE, 0, port.index, 0, 0) + struct.pack("=HH", 4 + len(entries), 26)
    return Reply(LINK, body + entries)


@pytest.mark.parametrize(
    ("keys", "has", "expected"),
    [
        ({"vlan": 100}, {100: NATIVE}, []),
        ({"vlan": 100, "preserveDefaultVlan": True}, {1: vlan.UNTAGGED, 100: NATIVE}, []),
        ({"vlanTrunk": [{"minID": 200, "maxID": 202}]}, {1: NATIVE, 200: 0, 201: 0, 202: 0}, []),
        ({"vlan": 100}, {}, ["p0 is not in VLAN 100"]),
        ({"vlan": 100}, {100: NATIVE, 300: 0}, ["p0 is in VLAN 300, which is not configured"]),
        ({"vlan": 100}, {1: vlan.UNTAGGED, 100: NATIVE}, ["p0 is in VLAN 1, which is not configured"]),
        ({"vlan": 100}, {100: 0}, ["VLAN 100 of p0 is tagged, expected untagged"]),
        ({"vlanTrunk": [{"id": 5}]}, {1: NATIVE}, ["p0 is not in VLAN 5"]),
    ],
    ids=str,
)
def test_check_compares_the_vlans_of_the_port(
    ports: dict[str, Link], keys: dict[str, Any], has: dict[int, int], expected: list[str]
) -> None:
    kernel = Recorder(listed(ports["p0"], has), listed(ports["p1"], {7: NATIVE}))
    assert vlan.differences(kernel, veth_conf(**keys), ports["p0"]) == expected


@pytest.mark.parametrize(
    ("title", "entries", "expected"),
    [
        ("empty", [], []),
        ("both min / max range", [{"minID": 1, "maxID": 4094}], [(1, 4094)]),
        ("id only", [{"id": 101}], [(101, 101)]),
        ("id and range", [{"id": 101}, {"minID": 200, "maxID": 210}], [(101, 101), (200, 210)]),
    ],
)
def test_collect_vlan_trunk_when_provided(
    title: str, entries: list[dict[str, Any]], expected: list[tuple[int, int]]
) -> None:
    assert veth_conf(vlanTrunk=entries).trunk == expected, title
