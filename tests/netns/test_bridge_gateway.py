"""The bridge itself: its gateway addresses, MAC and MTU (reference-behaviour 3.1, and what 2.1 finds wrong)."""

from __future__ import annotations

from typing import Any

import pytest

from cni.versions import SUPPORTED
from cni_veth import tag
from tests.netns.attachment import assert_added, assert_deleted
from tests.world import Node, Plugin, Pod

CHAINING = [version for version in SUPPORTED if version >= "0.3.0"]
PAIRS = {
    "v4": ("10.0.0.0/8", "10.1.2.0/24"),
    "v6 overlapping": ("2001:db8:1::/48", "2001:db8:1:2::/64"),
    "v6 non-overlapping": ("2001:db8:1:2::/64", "fd00:1234::/64"),
}


def gateway_of(subnet: str) -> str:
    """10.1.2.0/24 -> 10.1.2.1/24"""
    return subnet.replace(".0/", ".1/").replace("::/", "::1/")


def make_bridge(node: Node, address: str) -> None:
    """By somebody else: with an address, and in use. Its MAC was pinned by an ADD before, which the group tells."""
    node.batch(
        *("link add name cni0 type bridge", "link add p0 type veth peer name p1", "link set p0 master cni0"),
        *(f"addr add {address} dev cni0 nodad", f"link set cni0 up group {tag.GROUP}"),
    )


def network(node: Node, subnet: str, name: str = "net", **keys: Any) -> dict[str, Any]:
    return node.network(subnet, name=name, isGateway=True, **keys)


@pytest.mark.parametrize("version", SUPPORTED)
@pytest.mark.parametrize("pair", ["v4", "v6 overlapping"])
def test_ensure_bridge_address_refuses_a_second_one(
    node: Node, pod: Pod, plugin: Plugin, version: str, pair: str
) -> None:
    first, second = (gateway_of(subnet) for subnet in PAIRS[pair])
    make_bridge(node, first)
    before = node.state(), pod.state()
    error = plugin.add(network(node, PAIRS[pair][1], cniVersion=version), pod).failed(7)
    assert first in error["msg"] and second in error["msg"] and "forceAddress" in error["details"]
    assert (node.state(), pod.state()) == before
    assert node.leases() == {}


@pytest.mark.parametrize("version", SUPPORTED)
@pytest.mark.parametrize("pair", ["v4", "v6 overlapping"])
def test_ensure_bridge_address_replaces_it_with_force_address(
    node: Node, pod: Pod, plugin: Plugin, version: str, pair: str
) -> None:
    first, second = (gateway_of(subnet) for subnet in PAIRS[pair])
    make_bridge(node, first)
    conf = network(node, PAIRS[pair][1], cniVersion=version, forceAddress=True)
    plugin.add(conf, pod).succeeded()
    assert node.addresses("cni0") == [second]
    assert pod.reaches(second.partition("/")[0])


@pytest.mark.parametrize("version", SUPPORTED)
@pytest.mark.parametrize("is_forced", [False, True])
def test_ensure_bridge_address_keeps_a_non_overlapping_ipv6_one(
    node: Node, pod: Pod, plugin: Plugin, version: str, is_forced: bool
) -> None:
    first, second = (gateway_of(subnet) for subnet in PAIRS["v6 non-overlapping"])
    make_bridge(node, first)
    conf = network(node, PAIRS["v6 non-overlapping"][1], cniVersion=version, forceAddress=is_forced)
    plugin.add(conf, pod).succeeded()
    assert node.addresses("cni0") == sorted([first, second])


def test_force_address_within_the_same_subnet_keeps_the_new_one(node: Node, pod: Pod, plugin: Plugin) -> None:
    """The kernel deletes an IPv4 address together with the secondaries of its subnet."""
    make_bridge(node, "10.1.2.254/24")
    plugin.add(network(node, "10.1.2.0/24", forceAddress=True), pod).succeeded()
    assert node.addresses("cni0") == ["10.1.2.1/24"]
    assert pod.reaches("10.1.2.1")


@pytest.mark.parametrize("version", SUPPORTED)
def test_ensure_promiscuous_mode_on_bridge(node: Node, pod: Pod, plugin: Plugin, version: str) -> None:
    conf = network(node, "10.1.2.0/24", bridge="bridge0", promiscMode=True, mtu=5000, cniVersion=version)
    plugin.add(conf, pod).succeeded()
    bridge = node.bridge("bridge0")
    assert "PROMISC" in bridge["flags"] and bridge["promiscuity"] == 1
    assert bridge["mtu"] == pod.links()["eth0"]["mtu"] == 5000


@pytest.mark.parametrize("version", SUPPORTED)
@pytest.mark.parametrize("subnet", ["10.1.2.0/24", "2001:db8:42::/64"])
def test_creates_a_bridge_with_a_stable_mac_address(
    node: Node, pod: Pod, plugin: Plugin, version: str, subnet: str
) -> None:
    conf = node.network(subnet, isDefaultGateway=True, cniVersion=version)
    assert_added(node, pod, conf, plugin.add(conf, pod))
    mac = node.bridge()["address"]
    assert_deleted(node, pod, conf, plugin.delete(conf, pod))
    assert node.bridge()["address"] == mac
    node.batch("link add p0 address 02:00:00:00:00:01 type veth peer name p1", "link set p0 master cni0")
    assert node.bridge()["address"] == mac, "not even the lowest MAC of all ports moves it"


@pytest.mark.parametrize("version", CHAINING)
@pytest.mark.parametrize("source", ["CNI_ARGS", "Args", "RuntimeConfig"])
def test_uses_an_explicit_mac_address_for_the_container_iface(
    node: Node, pod: Pod, plugin: Plugin, version: str, source: str
) -> None:
    """runtimeConfig before args before CNI_ARGS; the first two spelt as the reference's own test has them."""
    wanted, other = "02:00:00:00:00:00", "02:00:00:00:04:56"
    sources: dict[str, dict[str, Any]] = {
        "CNI_ARGS": {},
        "Args": {"args": {"cni": {"mac": wanted}}},
        "RuntimeConfig": {"args": {"cni": {"mac": other}}, "RuntimeConfig": {"mac": wanted}},
    }
    conf = node.network("10.1.2.0/24", isDefaultGateway=True, cniVersion=version, **sources[source])
    args = f"MAC={wanted if source == 'CNI_ARGS' else other}"
    result = assert_added(node, pod, conf, plugin.add(conf, pod, args=args))
    assert result["interfaces"][2]["mac"] == wanted == pod.links()["eth0"]["address"]
    assert_deleted(node, pod, conf, plugin.delete(conf, pod, args=args))


@pytest.mark.parametrize("version", ["0.1.0", "0.2.0"])
def test_uses_an_explicit_mac_address_where_the_result_cannot_tell_it(
    node: Node, pod: Pod, plugin: Plugin, version: str
) -> None:
    conf = node.network("10.1.2.0/24", cniVersion=version, runtimeConfig={"mac": "02:00:00:00:00:00"})
    plugin.add(conf, pod, args="MAC=02:00:00:00:04:56").succeeded()
    assert pod.links()["eth0"]["address"] == "02:00:00:00:00:00"


@pytest.mark.parametrize("is_ours", [True, False])
def test_a_left_over_bridge_without_ports_gets_a_gateway(node: Node, pod: Pod, plugin: Plugin, is_ours: bool) -> None:
    """plugins#620: the reference then sets the MAC it read, 00:00:00:00:00:00, for ever after in vain."""
    if is_ours:
        plugin.add(node.network("10.1.2.0/24"), pod).succeeded()
        plugin.delete(node.network("10.1.2.0/24"), pod).succeeded()
    else:
        node.batch(
            *("link add name cni0 type bridge", "link add p0 type veth peer name p1"),
            *("link set p0 master cni0", "link del p0"),
        )
        assert node.bridge()["address"] == "00:00:00:00:00:00"
    conf = node.network("10.1.2.0/24", isDefaultGateway=True)
    result = plugin.add(conf, pod).succeeded()
    bridge = node.bridge()
    assert result["interfaces"][0]["mac"] == bridge["address"] != "00:00:00:00:00:00"
    assert pod.reaches("10.1.2.1")
    plugin.check(conf, pod, result).succeeded()


@pytest.mark.parametrize("keys", [{}, {"isGateway": True}], ids=["without gateway", "gateway"])
def test_the_mac_of_a_bridge_that_others_made_is_told_right_and_stays(
    node: Node, plugin: Plugin, keys: dict[str, bool]
) -> None:
    """Unpinned, it follows the lowest MAC of its ports, and every CHECK of an older pod would fail."""
    node.batch("link add name cni0 type bridge")
    conf = node.network("10.1.2.0/24", **keys)
    pods = [node.pod() for _ in range(4)]
    results = [plugin.add(conf, pod).succeeded() for pod in pods]
    assert {result["interfaces"][0]["mac"] for result in results} == {node.bridge()["address"]}
    plugin.delete(conf, pods[0]).succeeded()
    for pod, result in list(zip(pods, results, strict=True))[1:]:
        plugin.check(conf, pod, result).succeeded()


def test_the_ipv6_gateway_is_not_tentative_when_add_returns(node: Node, pod: Pod, plugin: Plugin) -> None:
    plugin.add(node.network("fd00:1::/64", isGateway=True), pod).succeeded()
    shown = node.run(["ip", "-6", "addr", "show", "dev", "cni0"]).stdout
    [gateway] = [line for line in shown.splitlines() if "fd00:1::1/64" in line]
    assert "tentative" not in gateway and "dadfailed" not in gateway
    assert pod.reaches("fd00:1::1")


@pytest.mark.parametrize("before", [1300, 1500, 9000])
def test_the_mtu_of_an_existing_bridge_is_aligned(node: Node, pod: Pod, plugin: Plugin, before: int) -> None:
    # Set after creation: only then does the kernel leave it alone when a port comes.
    node.batch("link add name cni0 type bridge", f"link set cni0 mtu {before}")
    conf = node.network("10.1.2.0/24", mtu=1450)
    result = plugin.add(conf, pod).succeeded()
    assert node.bridge()["mtu"] == pod.links()["eth0"]["mtu"] == 1450
    assert {interface["mtu"] for interface in result["interfaces"]} == {1450}
    plugin.check(conf, pod, result).succeeded()


def test_a_promiscuous_bridge_is_made_of_an_existing_one(node: Node, pod: Pod, plugin: Plugin) -> None:
    node.batch("link add name cni0 type bridge", "link set cni0 up")
    plugin.add(node.network(promiscMode=True), pod).succeeded()
    assert "PROMISC" in node.bridge()["flags"]


def test_a_link_of_another_kind_in_the_bridge_s_name_is_told(node: Node, pod: Pod, plugin: Plugin) -> None:
    node.batch("link add name cni0 type veth peer name p1")
    before = node.state(), pod.state()
    error = plugin.add(node.network("10.1.2.0/24"), pod).failed(101)
    assert error["msg"] == "'cni0' already exists but is not a bridge" and "veth" in error["details"]
    assert (node.state(), pod.state()) == before
    assert node.leases() == {}


@pytest.mark.parametrize(
    "changes",
    [
        ["addr del 10.1.2.1/24 dev cni0", "addr add 10.1.2.250/24 dev cni0", "addr add 10.1.2.1/24 dev cni0"],
        ["addr del 10.1.2.1/24 dev cni0", "addr add 10.1.2.1/24 dev cni0 noprefixroute"],
        ["route change 10.1.2.0/24 dev cni0 proto static"],
        ["route add 10.1.2.3/32 dev lo"],
    ],
    ids=["secondary", "without its route", "another route", "another route to the pod"],
)
def test_a_gateway_that_no_route_tells_of_is_found(node: Node, plugin: Plugin, changes: list[str]) -> None:
    conf = network(node, "10.1.2.0/24")
    plugin.add(conf, node.pod()).succeeded()
    node.batch(*changes)
    before = node.addresses("cni0")
    plugin.add(conf, node.pod()).succeeded()
    assert node.addresses("cni0") == before


def test_the_same_gateway_with_another_prefix_is_refused(node: Node, pod: Pod, plugin: Plugin) -> None:
    make_bridge(node, "10.1.2.1/16")
    before = node.addresses("cni0")
    error = plugin.add(network(node, "10.1.2.0/24"), pod).failed(7)
    assert "10.1.2.1/16" in error["msg"]
    assert node.addresses("cni0") == before


def test_a_link_without_a_mac_in_the_bridge_s_name_stays(node: Node, pod: Pod, plugin: Plugin) -> None:
    """What this ADD made it would know by the MAC that it chose, and it has chosen none."""
    node.batch("tuntap add dev tun9 mode tun")
    error = plugin.add(network(node, "10.1.2.0/24", bridge="tun9"), pod).failed(101)
    assert "is not a bridge" in error["msg"]
    assert "tun9" in node.links()


@pytest.mark.parametrize("name", ["ipv4/ip_forward", "ipv4/conf/cni0/forwarding", "ipv6/conf/all/forwarding"])
def test_forwarding_that_was_switched_off_is_on_again(node: Node, plugin: Plugin, name: str) -> None:
    conf = node.network("10.1.2.0/24", "fd00::/64", isGateway=True)
    plugin.add(conf, node.pod()).succeeded()
    node.sysctl(f"net/{name}", 0)
    plugin.add(conf, node.pod()).succeeded()
    assert node.sysctl(f"net/{name}") == "1"
