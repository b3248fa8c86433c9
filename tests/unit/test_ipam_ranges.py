"""ipam.ranges and the bounds that ipam.conf gives a range, held against the standard library's arithmetic."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cni.errors import InvalidConfig
from ipam.conf import parse
from ipam.ranges import Range, ip_text, parse_ip, range_of
from tests.unit.ipam_call import ipam_request

ipv4 = st.integers(0, 2**32 - 1).map(lambda number: (4, number))
ipv6 = st.one_of(st.integers(0, 2**128 - 1), st.integers(0, 2**34)).map(lambda number: (6, number))


@st.composite
def networks(draw: st.DrawFn) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    family, number = draw(st.one_of(ipv4, ipv6))
    bits = 32 if family == 4 else 128
    kind = ipaddress.IPv4Network if family == 4 else ipaddress.IPv6Network
    return kind((number, draw(st.integers(0, bits))), strict=False)


def is_mapped(ip: tuple[int, int]) -> bool:
    return ip[0] == 6 and ip[1] >> 32 == 0xFFFF


def read(**keys: object) -> Range:
    return parse(ipam_request("CHECK", {"ranges": [[keys]]})).sets[0][0]


@given(st.one_of(ipv4, ipv6).filter(lambda ip: not is_mapped(ip)))
@example((6, 0xFFFF))
@example((6, 0x10000))
@example((6, 0xFFFFFFFF))
@example((6, 0x100000000))
def test_text_is_rfc_5952_and_reads_back(ip: tuple[int, int]) -> None:
    family, number = ip
    expected = str(ipaddress.IPv4Address(number) if family == 4 else ipaddress.IPv6Address(number))
    assert ip_text(ip) == expected
    assert parse_ip(expected) == ip


@given(st.integers(0, 2**32 - 1))
def test_v4_mapped_is_ipv4_as_in_go(number: int) -> None:
    assert parse_ip(f"::ffff:{number >> 16:x}:{number & 0xFFFF:x}") == (4, number)
    assert parse_ip(f"::ffff:{ipaddress.IPv4Address(number)}") == (4, number)


@given(st.text(max_size=45))
def test_no_text_is_an_ip_that_the_standard_library_refuses(text: str) -> None:
    try:
        family, number = parse_ip(text)
    except ValueError:
        return
    assert ipaddress.ip_address(text) in (
        ipaddress.ip_address(ip_text((family, number))),
        ipaddress.IPv6Address(0xFFFF << 32 | number if family == 4 else number),
    )


@pytest.mark.parametrize("text", ["", "10.0.0", "10.0.0.01", "10.0.0.256", "10.0.0.1 ", "fe80::1%eth0", "1::2::3", "ü"])
def test_not_an_ip(text: str) -> None:
    with pytest.raises(ValueError):
        parse_ip(text)


@given(networks())
def test_default_bounds_of_any_subnet(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> None:
    bits = network.max_prefixlen
    if is_mapped((network.version, int(network.network_address))):
        return
    if network.prefixlen > bits - 2:
        with pytest.raises(InvalidConfig, match=r"ranges\[0\]\[0\].subnet: .* too small to allocate from"):
            read(subnet=str(network))
        return
    found = read(subnet=str(network))
    assert found.start == int(network.network_address) + 1
    assert found.end == int(network.broadcast_address) - (1 if network.version == 4 else 0)
    assert found.gateway == (network.version, int(network.network_address) + 1)
    assert found.prefix == network.prefixlen


@given(networks(), st.data())
def test_given_bounds_lie_in_the_subnet_or_are_refused(
    network: ipaddress.IPv4Network | ipaddress.IPv6Network, data: st.DataObject
) -> None:
    if network.prefixlen > network.max_prefixlen - 2 or is_mapped((network.version, int(network.network_address))):
        return
    first, last = int(network.network_address), int(network.broadcast_address)
    number = st.integers(max(first - 2, 0), min(last + 2, 2**network.max_prefixlen - 1))
    start, end = data.draw(number, "start"), data.draw(number, "end")
    usable_end = min(end, last - 1) if network.version == 4 else end
    is_right = first <= start <= last and first <= end <= last and max(start, first + 1) <= usable_end
    keys = {
        "subnet": str(network),
        "rangeStart": ip_text((network.version, start)),
        "rangeEnd": ip_text((network.version, end)),
    }
    if not is_right:
        with pytest.raises(InvalidConfig, match=r"ipam.ranges\[0\]\[0\]\.range(Start|End): "):
            read(**keys)
        return
    found = read(**keys)
    assert (found.start, found.end) == (max(start, first + 1), usable_end)


@given(networks(), st.integers(1, 2**128))
def test_host_bits_are_refused_and_the_network_is_named(
    network: ipaddress.IPv4Network | ipaddress.IPv6Network, bits: int
) -> None:
    host = bits % network.num_addresses
    if not host or network.prefixlen > network.max_prefixlen - 2:
        return
    address = ip_text((network.version, int(network.network_address) + host))
    if is_mapped((network.version, int(network.network_address) + host)):
        return
    with pytest.raises(InvalidConfig) as caught:
        read(subnet=f"{address}/{network.prefixlen}")
    expected = f"ipam.ranges[0][0].subnet: {address}/{network.prefixlen} has host bits set; use {network}"
    assert caught.value.msg == expected


small = st.builds(
    lambda family, start, size: Range(family, start, start + size, 24, (family, 0), "here"),
    st.sampled_from([4, 6]),
    st.integers(0, 40),
    st.integers(0, 20),
)


@given(small, small)
def test_overlap_is_a_common_ip(one: Range, other: Range) -> None:
    ips = {(one.family, number) for number in range(one.start, one.end + 1)}
    expected = any(ip in other for ip in ips)
    assert one.overlaps(other) is expected
    assert other.overlaps(one) is expected


@given(st.lists(small, min_size=1), st.one_of(ipv4, ipv6, st.tuples(st.sampled_from([4, 6]), st.integers(0, 60))))
def test_range_of_is_the_first_that_holds_the_ip(ranges: list[Range], ip: tuple[int, int]) -> None:
    holding = [one for one in ranges if one.family == ip[0] and one.start <= ip[1] <= one.end]
    assert range_of(ranges, ip) is (holding[0] if holding else None)


def test_address_has_the_prefix_of_the_subnet() -> None:
    assert read(subnet="10.0.0.0/22").address(parse_ip("10.0.1.7")) == "10.0.1.7/22"
    assert read(subnet="fd00::/56").address(parse_ip("fd00::7")) == "fd00::7/56"
