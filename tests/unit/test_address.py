"""cni.address, held against the standard library's arithmetic."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cni import address

ipv4 = st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address)
# Below 2^48 lie the IPv4-mapped ones, which are IPv4 to us, and the IPv4-compatible ones, which nobody uses.
ipv6 = st.integers(2**48, 2**128 - 1).map(ipaddress.IPv6Address)
ips = st.one_of(ipv4, ipv6)


@given(ips)
def test_bytes_and_text_of_an_ip(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    assert address.pack(str(ip)) == ip.packed
    assert address.pack(ip.exploded.upper()) == ip.packed
    assert address.unpack(ip.packed) == str(ip)
    assert address.family(str(ip)) == ip.version


@given(ips, st.data())
def test_an_address_and_its_network(ip: ipaddress.IPv4Address | ipaddress.IPv6Address, data: st.DataObject) -> None:
    prefix = data.draw(st.integers(0, ip.max_prefixlen))
    assert address.split(f"{ip}/{prefix}") == (ip.packed, prefix)
    network = ipaddress.ip_network((ip.packed, prefix), strict=False)
    assert address.network(ip.packed, prefix) == network.network_address.packed


@given(st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address))
def test_ipv4_mapped_is_ipv4_as_in_go(ip: ipaddress.IPv4Address) -> None:
    assert address.pack(f"::ffff:{ip}") == ip.packed
    assert address.split(f"::ffff:{ip}/24") == (ip.packed, 24)


@pytest.mark.parametrize(
    "text",
    ["", "10.1.0", "10.1.0.256", "10.1.0.01", "10.1.0.1 ", "10.1.0.1/24", "::1::", "fe80::1%lo", "x", "\u0661.1.1.1"],
)
def test_not_an_ip(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not an IP address$"):
        address.pack(text)


@pytest.mark.parametrize(
    "text",
    ["10.1.0.1", "10.1.0.1/", "10.1.0.1/33", "10.1.0.1/-1", "10.1.0.1/ 8", "::1/129", "10.1.0.1/\u0668", "::1/8/8"],
)
def test_not_an_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not an address with a prefix length, such as 10\.1\.0\.2/24$"):
        address.split(text)


@given(st.text(max_size=30))
def test_no_text_raises_anything_but_value_error(text: str) -> None:
    for call in (address.pack, address.split):
        try:
            call(text)
        except ValueError:
            pass


@pytest.mark.parametrize(
    ("text", "subnet", "is_single"),
    [
        ("10.1.2.3/16", "10.1.0.0/16", False),
        ("10.1.2.3/32", "10.1.2.3/32", True),
        ("fd00::5:6/112", "fd00::5:0/112", False),
        ("fd00::5/128", "fd00::5/128", True),
    ],
)
def test_the_subnet_of_an_address(text: str, subnet: str, is_single: bool) -> None:
    assert (address.subnet(text), address.is_single(text)) == (subnet, is_single)
