"""Elements, comments and texts of nftables: to the byte as pyroute2 reads and writes them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink.nfnetlink.nftsocket import nft_set_elem_list_msg

from cni_veth.netlink import Message
from cni_veth.nft import elements
from cni_veth.nft.attributes import ELEMENTS_LAYOUT
from cni_veth.nft.elements import Element
from cni_veth.nft.ruleset import Text
from cni_veth.wire import Reply

ADDRESS = Element(("inet", "masquerade-4"), elements.ip("10.1.2.3"), "masquerade of 10.1.2.3")
PORT = Element(
    ("inet", "ports-any4"),
    elements.protocol("udp") + elements.port(53),
    "host port 53/udp",
    elements.ip("10.1.2.3") + elements.port(5353),
)
GUARD = Element(("bridge", "macs"), elements.link("veth0") + elements.mac("02:00:00:00:00:01"), "the guard of veth0")
HEADER = 16
NAMES = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=120)


def as_pyroute2(message: Message) -> Any:
    found = nft_set_elem_list_msg(message.encode(7))
    found.decode()
    return found


@pytest.mark.parametrize("element", [ADDRESS, PORT, GUARD], ids=lambda element: element.set)
def test_an_added_element_is_what_pyroute2_reads(element: Element) -> None:
    message = as_pyroute2(elements.add(element, "net c1 eth0"))
    header = message["header"]
    assert (header["type"], header["flags"]) == (0xA0C, 0x1 | 0x200 | 0x400)
    assert message["nfgen_family"] == {"inet": 1, "bridge": 7}[element.family]
    assert message.get_attr("NFTA_SET_ELEM_LIST_TABLE") == "cni-veth"
    assert message.get_attr("NFTA_SET_ELEM_LIST_SET") == element.set
    [entry] = message.get_attr("NFTA_SET_ELEM_LIST_ELEMENTS")
    assert entry.get_attr("NFTA_SET_ELEM_KEY").get_attr("NFTA_DATA_VALUE") == element.key
    data = entry.get_attr("NFTA_SET_ELEM_DATA")
    assert (data.get_attr("NFTA_DATA_VALUE") if data else b"") == element.data
    assert entry.get_attr("NFTA_SET_ELEM_USERDATA") == [("NFTNL_UDATA_SET_ELEM_COMMENT", b"net c1 eth0")]


@pytest.mark.parametrize("element", [ADDRESS, PORT, GUARD], ids=lambda element: element.set)
def test_what_was_written_is_read_back(element: Element) -> None:
    reply = Reply(ELEMENTS_LAYOUT, elements.add(element, "net c1 eth0").encode(7), HEADER)
    [entry] = elements.entries(reply)
    assert elements.key_of(entry) == element.key
    assert elements.comment_of(entry) == "net c1 eth0"
    assert element.holds(entry)
    assert Element.from_json(json.loads(json.dumps(element.to_json()))).to_json() == element.to_json()


def test_keys_are_as_the_kernel_has_them() -> None:
    assert PORT.key == bytes.fromhex("11000000 00350000")
    assert PORT.data == bytes.fromhex("0a010203 14e90000")
    assert GUARD.key == b"veth0".ljust(16, b"\0") + bytes.fromhex("020000000001 0000")


def test_a_deletion_names_the_key_alone() -> None:
    [entry] = as_pyroute2(elements.delete(PORT)).get_attr("NFTA_SET_ELEM_LIST_ELEMENTS")
    assert [attribute[0] for attribute in entry["attrs"]] == ["NFTA_SET_ELEM_KEY"]


@given(NAMES, NAMES, NAMES.map(lambda name: name[:15]))
def test_a_comment_fits_and_tells_one_attachment_from_another(network: str, container_id: str, ifname: str) -> None:
    text = elements.comment(network, (container_id, ifname))
    assert len(text) <= 127 and text.count(" ") == 2 and text.endswith(f" {ifname}")
    assert elements.is_of_network(text, network) and not elements.is_of_network(text, f"{network}x")
    assert text != elements.comment(network, (f"{container_id}x", ifname))


def test_usual_names_stand_in_a_comment_as_they_are() -> None:
    assert elements.comment("k8s-pod-network", ("f" * 64, "eth0")) == f"k8s-pod-network {'f' * 64} eth0"


TEXT = Text(
    "kind", "inet", ["set $name-4 { type ipv4_addr; }"], {"$name": ["type filter hook input priority 0;", "drop"]}
)


def test_a_text_is_named_by_its_content() -> None:
    same = Text.from_json(json.loads(json.dumps(TEXT.to_json())))
    other = Text("kind", "inet", TEXT.sets, {"$name": [*TEXT.chains["$name"], "accept"]})
    assert same.name == TEXT.name != other.name
    assert same.script(set()) == TEXT.script(set())


def test_a_script_makes_all_of_it() -> None:
    name = TEXT.name
    assert TEXT.script(set()).splitlines() == [
        "add table inet cni-veth",
        f"add set inet cni-veth {name} {{ type mark; elements = {{ 1 }}; }}",
        f"add set inet cni-veth {name}-4 {{ type ipv4_addr; }}",
        f"add chain inet cni-veth {name} {{ type filter hook input priority 0; }}",
        f"flush chain inet cni-veth {name}",
        f"add rule inet cni-veth {name} drop",
    ]


def test_a_frame_replaces_its_older_version_and_nothing_else() -> None:
    frame = Text("kind", "inet", [], {"fixed": ["drop"]}, is_frame=True)
    script = frame.script({"kind-000000000000", "kinds", "other-000000000000", frame.name})
    assert [line for line in script.splitlines() if line.startswith("delete")] == [
        "delete set inet cni-veth kind-000000000000"
    ]
