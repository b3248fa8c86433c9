"""Addresses and routes in the pod: every attribute of the result is the kernel's too (reference-behaviour 2.1, 3.3)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.world import Namespace, Node, Plugin, Pod
from tests.world.scripted import ScriptedIPAM, answer

Conf = dict[str, Any]


def routed(node: Node, *routes: dict[str, Any], **keys: Any) -> Conf:
    """A dual-stack network with these routes."""
    conf = node.network("10.1.2.0/24", "fd00::/64", isGateway=True, **keys)
    conf["ipam"]["routes"] = list(routes)
    return conf


def routes_to(pod: Namespace, dst: str, table: str = "main") -> list[dict[str, Any]]:
    return [route for route in pod.routes(table) if route["dst"] == dst]


def assert_checks(plugin: Plugin, conf: Conf, pod: Pod, result: dict[str, Any]) -> None:
    """CHECK passes, and finds it when the routes to 10.9.0.0/16 go."""
    plugin.check(conf, pod, result).succeeded()
    pod.run(["ip", "route", "flush", "table", "all", "root", "10.9.0.0/16"])
    assert "route 10.9.0.0/16" in plugin.check(conf, pod, result).failed(103)["msg"]


def test_configures_a_link_with_addresses_and_routes(node: Node, pod: Pod, plugin: Plugin) -> None:
    """pkg/ipam ConfigureIface, with its very routes."""
    ranges = [[{"subnet": "1.2.3.0/24", "rangeStart": "1.2.3.30"}]]
    ranges += [[{"subnet": "abcd:1234:ffff::/64", "rangeStart": "abcd:1234:ffff::cdde"}]]
    routes = [
        {"dst": "15.5.6.0/24", "gw": "1.2.3.5"},
        {"dst": "1111:dddd::/80", "gw": "abcd:1234:ffff::10"},
        {"dst": "15.5.6.0/24", "gw": "1.2.3.5", "table": 5000},
        {"dst": "1.2.3.4/32", "scope": 200},
    ]
    conf = node.network(ipam={**node.ipam(), "type": "cni-ipam", "dataDir": str(node.store), "ranges": ranges})
    conf["ipam"]["routes"] = routes
    result = plugin.add(conf, pod).succeeded()
    assert pod.addresses("eth0") == ["1.2.3.30/24", "abcd:1234:ffff::cdde/64"]
    assert [route["gateway"] for route in routes_to(pod, "15.5.6.0/24")] == ["1.2.3.5"]
    assert [route["gateway"] for route in routes_to(pod, "1111:dddd::/80")] == ["abcd:1234:ffff::10"]
    assert [route["gateway"] for route in routes_to(pod, "15.5.6.0/24", "5000")] == ["1.2.3.5"]
    [scoped] = routes_to(pod, "1.2.3.4")
    assert scoped["scope"] == "site", "200, as ip(8) names it"
    assert result["routes"] == routes
    plugin.check(conf, pod, result).succeeded()


def test_configures_a_link_with_routes_using_address_gateways(node: Node, pod: Pod, plugin: Plugin) -> None:
    conf = routed(node, {"dst": "10.9.0.0/16"}, {"dst": "fd09::/64"}, {"dst": "10.9.0.0/16", "table": 5000})
    result = plugin.add(conf, pod).succeeded()
    assert [route["gateway"] for route in routes_to(pod, "10.9.0.0/16")] == ["10.1.2.1"]
    assert [route["gateway"] for route in routes_to(pod, "fd09::/64")] == ["fd00::1"]
    assert [route["gateway"] for route in routes_to(pod, "10.9.0.0/16", "5000")] == ["10.1.2.1"]
    assert_checks(plugin, conf, pod, result)


@pytest.mark.parametrize(
    ("attributes", "shown"),
    [
        ({"mtu": 1300}, {"metrics": [{"mtu": 1300}]}),
        ({"advmss": 1200}, {"metrics": [{"advmss": 1200}]}),
        ({"mtu": 1300, "advmss": 1200}, {"metrics": [{"mtu": 1300, "advmss": 1200}]}),
        ({"priority": 77}, {"metric": 77}),
    ],
    ids=str,
)
@pytest.mark.parametrize("dst", ["10.9.0.0/16", "fd09::/64"])
def test_route_attributes_are_applied_in_the_kernel(
    node: Node, pod: Pod, plugin: Plugin, dst: str, attributes: dict[str, int], shown: dict[str, Any]
) -> None:
    """The reference prints mtu and advmss and sets neither."""
    conf = routed(node, {"dst": dst, **attributes})
    result = plugin.add(conf, pod).succeeded()
    [route] = routes_to(pod, dst)
    assert shown.items() <= route.items()
    assert result["routes"] == [{"dst": dst, **attributes}]
    plugin.check(conf, pod, result).succeeded()


@pytest.mark.parametrize(
    ("dst", "table"),
    [("10.9.0.0/16", 7), ("10.9.0.0/16", 5000), ("fd09::/64", 256), ("0.0.0.0/0", 255), ("::/0", 2**31)],
)
def test_a_route_in_a_table_is_there_and_nowhere_else_and_check_looks_there(
    node: Node, pod: Pod, plugin: Plugin, dst: str, table: int
) -> None:
    """The reference's CHECK looks in the main table only and fails for ever."""
    conf = routed(node, {"dst": dst, "table": table})
    result = plugin.add(conf, pod).succeeded()
    shown = "default" if dst.endswith("/0") else dst
    assert [route["dev"] for route in routes_to(pod, shown, str(table))] == ["eth0"]
    assert routes_to(pod, shown) == []
    plugin.check(conf, pod, result).succeeded()


def test_check_misses_a_route_that_is_in_another_table(node: Node, pod: Pod, plugin: Plugin) -> None:
    conf = routed(node, {"dst": "10.9.0.0/16", "table": 5000})
    result = plugin.add(conf, pod).succeeded()
    pod.batch("route del 10.9.0.0/16 table 5000", "route add 10.9.0.0/16 via 10.1.2.1")
    error = plugin.check(conf, pod, result).failed(103)
    assert "route 10.9.0.0/16 via 10.1.2.1 in table 5000 of eth0 is missing" in error["msg"]


@pytest.mark.parametrize(("scope", "shown", "gateway"), [(0, "global", "10.1.2.1"), (253, "link", None)])
def test_a_route_has_its_scope_and_scope_link_no_gateway(
    node: Node, pod: Pod, plugin: Plugin, scope: int, shown: str, gateway: str | None
) -> None:
    """cni#629: there was no way to say that a route has no gateway."""
    conf = routed(node, {"dst": "10.9.0.0/16", "scope": scope})
    result = plugin.add(conf, pod).succeeded()
    [route] = routes_to(pod, "10.9.0.0/16")
    assert (route["scope"], route.get("gateway")) == (shown, gateway)
    assert_checks(plugin, conf, pod, result)


@pytest.mark.parametrize(
    ("dst", "gateways"), [("10.9.0.0/16", ["10.1.2.100", "10.1.2.101"]), ("fd09::/64", ["fd00::100", "fd00::101"])]
)
def test_ecmp_several_gateways_of_one_destination(
    node: Node, pod: Pod, plugin: Plugin, dst: str, gateways: list[str]
) -> None:
    conf = routed(node, *({"dst": dst, "gw": gateway} for gateway in gateways))
    result = plugin.add(conf, pod).succeeded()
    [route] = routes_to(pod, dst)
    assert [hop["gateway"] for hop in route["nexthops"]] == gateways
    plugin.check(conf, pod, result).succeeded()
    pod.batch(f"route replace {dst} via {gateways[0]}")
    error = plugin.check(conf, pod, result).failed(103)
    assert f"route {dst} via {gateways[1]} of eth0 is missing" in error["msg"]


@pytest.mark.parametrize("default", [{"dst": "0.0.0.0/0"}, {"dst": "0.0.0.0/0", "gw": "10.1.2.1"}], ids=str)
def test_is_default_gateway_and_an_explicit_default_route_go_together(
    node: Node, pod: Pod, plugin: Plugin, default: dict[str, str]
) -> None:
    """The reference fails with "file exists" where the explicit one names no gateway."""
    conf = routed(node, default, isDefaultGateway=True)
    result = plugin.add(conf, pod).succeeded()
    assert [route["gateway"] for route in routes_to(pod, "default")] == ["10.1.2.1", "fd00::1"]
    assert sorted(route["dst"] for route in result["routes"]) == ["0.0.0.0/0", "::/0"]
    plugin.check(conf, pod, result).succeeded()


def test_a_default_route_elsewhere_is_kept(node: Node, pod: Pod, plugin: Plugin) -> None:
    conf = routed(node, {"dst": "0.0.0.0/0", "gw": "10.1.2.9"}, isDefaultGateway=True)
    plugin.add(conf, pod).succeeded()
    assert [route["gateway"] for route in routes_to(pod, "default")] == ["10.1.2.9", "fd00::1"]


def test_keeps_ipv6_addresses_after_the_interface_is_brought_down(node: Node, pod: Pod, plugin: Plugin) -> None:
    plugin.add(routed(node), pod).succeeded()
    pod.batch("link set eth0 down")
    assert pod.addresses("eth0") == ["10.1.2.2/24", "fd00::2/64"]


def test_an_ipv6_address_comes_to_a_pod_that_had_ipv6_disabled(node: Node, pod: Pod, plugin: Plugin) -> None:
    for name in ("all", "default", "lo"):
        pod.sysctl(f"net/ipv6/conf/{name}/disable_ipv6", 1)
    result = plugin.add(conf := routed(node, isDefaultGateway=True), pod).succeeded()
    assert pod.addresses("eth0") == ["10.1.2.2/24", "fd00::2/64"]
    assert pod.reaches("fd00::1")
    plugin.check(conf, pod, result).succeeded()


def test_the_pod_s_lo_is_up_and_it_reaches_itself(node: Node, pod: Pod, plugin: Plugin) -> None:
    plugin.add(routed(node), pod).succeeded()
    assert "UP" in pod.links()["lo"]["flags"]
    assert pod.reaches("10.1.2.2") and pod.reaches("fd00::2")


@pytest.mark.parametrize("interface", [None, 0, 1, 2, 99, -1])
def test_an_interface_index_of_the_ipam_plugin_is_replaced_by_the_pod_s(
    node: Node, pod: Pod, plugin: Plugin, interface: int | None
) -> None:
    """SPEC section 4: an IPAM result has no interfaces. ConfigureIface refuses bad ones; here none gets that far."""
    foreign = ScriptedIPAM(node, ADD=answer(ips=[{"address": "10.1.2.5/24", "interface": interface}]))
    conf = node.network(ipam={"type": foreign.type})
    result = plugin.add(conf, pod, path=[foreign.directory]).succeeded()
    assert [(ip["address"], ip["interface"]) for ip in result["ips"]] == [("10.1.2.5/24", 2)]
    assert pod.addresses("eth0") == ["10.1.2.5/24"]
    plugin.check(conf, pod, result, path=[foreign.directory]).succeeded()


@pytest.mark.parametrize(
    ("address", "gateway"),
    [("10.1.2.130/25", "10.1.2.129"), ("10.1.2.130/31", "10.1.2.131"), ("fd00::1:5/112", "fd00::1:1")],
)
def test_a_gateway_that_ipam_does_not_name_is_the_first_of_the_subnet(
    node: Node, pod: Pod, plugin: Plugin, address: str, gateway: str
) -> None:
    foreign = ScriptedIPAM(node, ADD=answer(address))
    conf = node.network(ipam={"type": foreign.type}, isDefaultGateway=True)
    result = plugin.add(conf, pod, path=[foreign.directory]).succeeded()
    assert [ip["gateway"] for ip in result["ips"]] == [gateway]
    assert node.addresses("cni0") == [f"{gateway}/{address.partition('/')[2]}"]
    assert pod.reaches(gateway)


def test_an_old_ipam_result_is_read_and_answered_in_the_network_s_version(node: Node, pod: Pod, plugin: Plugin) -> None:
    old = {"cniVersion": "0.2.0", "ip4": {"ip": "10.1.2.5/24", "gateway": "10.1.2.1", "routes": [{"dst": "0.0.0.0/0"}]}}
    foreign = ScriptedIPAM(node, ADD=f"echo '{json.dumps(old)}'")
    conf = node.network(ipam={"type": foreign.type}, isGateway=True)
    result = plugin.add(conf, pod, path=[foreign.directory]).succeeded()
    assert result["ips"] == [{"address": "10.1.2.5/24", "gateway": "10.1.2.1", "interface": 2}]
    assert [route["gateway"] for route in routes_to(pod, "default")] == ["10.1.2.1"]


def test_a_second_network_s_default_route_stays_when_the_first_network_goes(
    node: Node, pod: Pod, plugin: Plugin
) -> None:
    """podman and nerdctl disconnect one network of several. The newest default route is first, as in the reference."""
    first = node.network("10.1.2.0/24", "fd00:2::/64", isDefaultGateway=True)
    second = node.network("10.1.3.0/24", "fd00:3::/64", isDefaultGateway=True, name="net2", bridge="cni1")
    result = plugin.add(first, pod).succeeded()
    other = plugin.add(second, pod, ifname="net1").succeeded()
    plugin.check(first, pod, result).succeeded()
    plugin.check(second, pod, other, ifname="net1").succeeded()
    assert [route["gateway"] for route in pod.ip("-4", "route", "show", "default")] == ["10.1.3.1", "10.1.2.1"]
    plugin.delete(first, pod).succeeded()
    assert [route["gateway"] for route in routes_to(pod, "default")] == ["10.1.3.1", "fd00:3::1"]
    plugin.check(second, pod, other, ifname="net1").succeeded()


@pytest.mark.parametrize(
    ("subnet", "ip"), [("10.1.2.0/24", "10.1.2.9"), ("fd00::/64", "fd00::9")], ids=["IPv4", "IPv6"]
)
def test_a_route_to_the_own_subnet_by_the_gateway_is_taken(
    node: Node, pod: Pod, plugin: Plugin, subnet: str, ip: str
) -> None:
    """How isolated ports still reach each other: beside the kernel's route, not refused for it."""
    conf = routed(node, {"dst": subnet, "gw": ip[:-1] + "1", "priority": 0 if "." in ip else 1})
    result = plugin.add(conf, pod).succeeded()
    [chosen] = pod.ip("route", "get", ip)
    assert chosen["gateway"] == ip[:-1] + "1"
    plugin.check(conf, pod, result).succeeded()


def test_the_same_route_twice_is_one(node: Node, pod: Pod, plugin: Plugin) -> None:
    conf = routed(node, {"dst": "10.9.0.0/16"}, {"dst": "10.9.0.0/16", "gw": "10.1.2.1"}, {"dst": "10.9.0.0/16"})
    result = plugin.add(conf, pod).succeeded()
    assert len(routes_to(pod, "10.9.0.0/16")) == 1
    plugin.check(conf, pod, result).succeeded()
