"""Bytes that no kernel sends and values that fit nowhere: an error, never a value, never a loop."""

from __future__ import annotations

import signal
import struct
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cni_veth import wire
from cni_veth.wire import ADDRESS, LINK, ROUTE, Body, Layout, Reply
from tests.unit import pyroute2_codec

REFUSALS = (ValueError, struct.error)
LAYOUTS = st.sampled_from([LINK, ADDRESS, ROUTE])
HEAD = struct.Struct("=HH")
FRONT = bytes(LINK.struct.size)
PEER = [("VETH_INFO_PEER", {"attrs": [("IFLA_IFNAME", "eth0"), ("IFLA_MTU", 1500)]})]
WHOLE = {
    LINK: [
        ("IFLA_IFNAME", "veth0"),
        ("IFLA_ADDRESS", "02:00:00:00:00:01"),
        ("IFLA_LINKINFO", {"attrs": [("IFLA_INFO_KIND", "veth"), ("IFLA_INFO_DATA", {"attrs": PEER})]}),
        ("IFLA_AF_SPEC", {"attrs": [("IFLA_BRIDGE_VLAN_INFO", {"flags": 6, "vid": 7})]}),
    ],
    ADDRESS: [("IFA_LOCAL", "10.1.0.2"), ("IFA_ADDRESS", "fd01::2"), ("IFA_FLAGS", 2)],
    ROUTE: [
        ("RTA_METRICS", {"attrs": [("RTAX_MTU", 1400)]}),
        ("RTA_MULTIPATH", [{"oif": 3, "hops": 0, "attrs": [("RTA_GATEWAY", ip)]} for ip in ("10.1.0.1", "10.1.0.3")]),
    ],
}


class Endless(BaseException):
    """No Exception, for then hypothesis would try again, for ever."""


@pytest.fixture(autouse=True)
def no_loop() -> Iterator[None]:
    """One that never ends would take all of the machine's memory."""

    def stop(number: int, frame: FrameType | None) -> None:
        if frame is not None and frame.f_code.co_filename == wire.__file__:  # a callback of gc would swallow it
            raise Endless

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, 2, 0.01)  # of its own time: another program may have the machine
    yield
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    signal.signal(signal.SIGVTALRM, before)


def encoded(layout: Layout) -> bytes:
    return Body(layout, WHOLE[layout], family=pyroute2_codec.AF_BRIDGE if layout is LINK else 0).encode()


def read(layout: Layout, body: bytes) -> Any:
    """Every value, or the refusal."""
    try:
        return pyroute2_codec.read(layout, body)[1]
    except REFUSALS as error:
        return error


@given(LAYOUTS, st.binary(max_size=300))
def test_bytes_by_chance_are_read_or_refused(layout: Layout, attributes: bytes) -> None:
    read(layout, bytes(layout.struct.size) + attributes)


@given(LAYOUTS, st.data())
def test_a_message_with_a_few_bytes_changed_is_read_or_refused(layout: Layout, data: st.DataObject) -> None:
    body = bytearray(encoded(layout))
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.sampled_from([0, 1, 3, 4, 255]))
    read(layout, bytes(body))


@pytest.mark.parametrize("layout", WHOLE, ids=["link", "address", "route"])
def test_a_message_that_was_cut_off_never_has_another_value(layout: Layout) -> None:
    body = encoded(layout)
    whole = read(layout, body)
    assert len(whole) == len(WHOLE[layout])
    for length in range(len(body)):
        found = read(layout, body[:length])
        assert isinstance(found, REFUSALS) or all(attribute in whole for attribute in found), length


@pytest.mark.parametrize("length", [0, 1, 3, 9, 65535])
def test_an_attribute_of_an_impossible_length_is_refused(length: int) -> None:
    attribute = HEAD.pack(length, 4) + bytes(4)
    with pytest.raises(ValueError, match=f"of {length} bytes"):
        Reply(LINK, FRONT + attribute).get("IFLA_MTU")
    nested = HEAD.pack(4 + len(attribute), 18) + attribute
    with pytest.raises(ValueError, match=f"of {length} bytes"):
        Reply(LINK, FRONT + nested).get("IFLA_LINKINFO").get("IFLA_INFO_KIND")


@pytest.mark.parametrize("length", [0, 7, 9, 65535])
def test_a_next_hop_of_an_impossible_length_is_refused(length: int) -> None:
    hop = struct.pack("=HBBi", length, 0, 0, 3)
    with pytest.raises(ValueError, match=f"of {length} bytes"):
        Reply(ROUTE, bytes(ROUTE.struct.size) + HEAD.pack(4 + len(hop), 9) + hop).get("RTA_MULTIPATH")


@pytest.mark.parametrize(
    ("layout", "name", "number", "size"),
    [
        (LINK, "IFLA_MTU", 4, 0),
        (LINK, "IFLA_MTU", 4, 3),
        (LINK, "IFLA_MTU", 4, 65531),
        (LINK, "IFLA_OPERSTATE", 16, 0),
        (LINK, "IFLA_OPERSTATE", 16, 2),
        (ADDRESS, "IFA_LOCAL", 2, 0),
        (ADDRESS, "IFA_LOCAL", 2, 5),
    ],
)
def test_a_value_of_the_wrong_size_is_no_value(layout: Layout, name: str, number: int, size: int) -> None:
    body = bytes(layout.struct.size) + HEAD.pack(4 + size, number) + bytes(size + -size % 4)
    with pytest.raises(REFUSALS):
        Reply(layout, body).get(name)


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=40)), max_size=5))
@example([(0x3FFF, bytes(65531))])
def test_attributes_that_we_do_not_know_are_passed_over(unknown: list[tuple[int, bytes]]) -> None:
    known = {number & 0x3FFF for number, _ in LINK.table.values()}
    others = [(number, data) for number, data in unknown if number & 0x3FFF not in known]
    body = FRONT + b"".join(HEAD.pack(4 + len(data), number) + data + bytes(-len(data) % 4) for number, data in others)
    assert read(LINK, body + HEAD.pack(8, 4) + struct.pack("=I", 1500)) == [("IFLA_MTU", 1500)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("IFLA_MTU", 1 << 32),
        ("IFLA_MTU", -1),
        ("IFLA_OPERSTATE", 256),
        ("IFLA_ADDRESS", "02:00:00:00:00:zz"),
        ("IFLA_IFALIAS", "x" * 65531),
    ],
)
def test_a_value_that_does_not_fit_is_not_sent(name: str, value: object) -> None:
    with pytest.raises(REFUSALS):
        Body(LINK, [(name, value)]).encode()


def test_a_field_that_does_not_fit_and_an_ip_that_is_none_are_not_sent() -> None:
    for body in (Body(ADDRESS, [], prefixlen=256), Body(ADDRESS, [("IFA_LOCAL", "10.1.0.256")])):
        with pytest.raises(REFUSALS):
            body.encode()
