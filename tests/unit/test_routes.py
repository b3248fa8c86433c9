"""cni_veth.routes: which gateway a route gets, and one message per destination."""

from __future__ import annotations

import pytest
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from cni.result import IPConfig, Route
from cni_veth import routes

IPS = [
    IPConfig("10.1.0.2/24"),
    IPConfig("10.2.0.2/24", "10.2.0.1"),
    IPConfig("10.3.0.2/24", "10.3.0.1"),
    IPConfig("fd01::2/64", "fd01::1"),
]


@pytest.mark.parametrize(
    ("route", "gateway"),
    [
        (Route("0.0.0.0/0"), "10.2.0.1"),  # the first of the family that has one
        (Route("::/0"), "fd01::1"),
        (Route("10.9.0.0/16", "10.1.0.9"), "10.1.0.9"),
        (Route("10.9.0.0/16", scope=routes.RT_SCOPE_LINK), ""),
        (Route("10.9.0.0/16", "10.1.0.9", scope=routes.RT_SCOPE_LINK), "10.1.0.9"),
        (Route("10.9.0.0/16", scope=0), "10.2.0.1"),
    ],
)
def test_routes_via_the_addresses_gateways(route: Route, gateway: str) -> None:
    """Reference: pkg/ipam ConfigureIface, "routes via address gateways"."""
    assert [found.gw for found in routes.resolve([route], IPS)] == [gateway]


@pytest.mark.parametrize("ips", [[], [IPConfig("10.1.0.2/24")], [IPConfig("fd01::2/64", "fd01::1")]])
def test_a_route_without_any_gateway_of_its_family_stays_so(ips: list[IPConfig]) -> None:
    assert routes.resolve([Route("0.0.0.0/0")], ips)[0].gw == ""


def test_resolving_keeps_everything_else_and_changes_nothing_given() -> None:
    route = Route("10.9.0.0/16", "", 1400, 1360, 100, 0, 0)
    resolved = routes.resolve([route], IPS)[0]
    assert resolved.to_json() == {**route.to_json(), "gw": "10.2.0.1"}
    assert route.gw == ""


def message_of(*wanted: Route) -> rtmsg:
    (message,) = routes.add(7, list(wanted), "eth0")
    decoded = rtmsg(message.encode(1))
    decoded.decode()
    return decoded


def test_several_gateways_of_one_destination_make_one_multipath_route() -> None:
    message = message_of(Route("10.9.0.0/16", "10.1.0.2"), Route("10.9.0.0/16", "10.1.0.3"))
    hops = message.get_attr("RTA_MULTIPATH")
    assert [(hop["oif"], hop.get_attr("RTA_GATEWAY")) for hop in hops] == [(7, "10.1.0.2"), (7, "10.1.0.3")]
    assert message.get_attr("RTA_GATEWAY") is None


def test_the_same_route_twice_is_one() -> None:
    message = message_of(Route("10.9.0.0/16", "10.1.0.2"), Route("10.9.0.0/16", "10.1.0.2"))
    assert message.get_attr("RTA_GATEWAY") == "10.1.0.2"


@pytest.mark.parametrize("other", [{"table": 100}, {"priority": 5}, {"mtu": 1400}, {"advmss": 1360}, {"scope": 253}])
def test_routes_that_differ_in_more_than_the_gateway_are_several(other: dict[str, int]) -> None:
    one, another = Route("10.9.0.0/16", "10.1.0.2"), Route("10.9.0.0/16", "10.1.0.3", **other)
    assert len(routes.add(7, [one, another], "eth0")) == 2


@pytest.mark.parametrize(("table", "byte"), [(None, 254), (0, 254), (100, 100), (255, 255), (256, 0), (2**32 - 1, 0)])
def test_tables_above_255_only_fit_into_the_attribute(table: int | None, byte: int) -> None:
    message = message_of(Route("10.9.0.0/16", "10.1.0.2", table=table))
    assert (message["table"], message.get_attr("RTA_TABLE")) == (byte, table or None)


@pytest.mark.parametrize(
    ("route", "scope"),
    [
        (Route("10.9.0.0/16", "10.1.0.2"), 0),
        (Route("10.9.0.0/16"), 253),  # IPv4 without a gateway is on the link
        (Route("fd09::/16"), 0),  # IPv6 knows no scopes
        (Route("10.9.0.0/16", scope=254), 254),
    ],
)
def test_scope(route: Route, scope: int) -> None:
    assert message_of(route)["scope"] == scope


def test_metrics_and_host_bits() -> None:
    message = message_of(Route("10.9.1.2/16", "10.1.0.2", mtu=1400, advmss=1360, priority=9))
    metrics = message.get_attr("RTA_METRICS")
    assert (metrics.get_attr("RTAX_MTU"), metrics.get_attr("RTAX_ADVMSS")) == (1400, 1360)
    assert (message.get_attr("RTA_DST"), message["dst_len"], message.get_attr("RTA_PRIORITY")) == ("10.9.0.0", 16, 9)
    assert message_of(Route("0.0.0.0/0", "10.1.0.1")).get_attr("RTA_DST") is None
