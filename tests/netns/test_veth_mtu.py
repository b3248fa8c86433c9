"""Which MTU a pod gets where the configuration names none, and what names one."""

from __future__ import annotations

import pytest

from tests.world import Node, Plugin, Pod


def mtus(node: Node, pod: Pod) -> tuple[int, int]:
    """(host end, pod end)"""
    [port] = node.ports().values()
    return port["mtu"], pod.links()["eth0"]["mtu"]


@pytest.mark.parametrize(("uplink", "expected"), [(1400, 1400), (1280, 1280), (1500, 1500), (9000, 1500)])
def test_an_absent_mtu_is_that_of_the_default_routes_link_if_lower(
    node: Node, pod: Pod, plugin: Plugin, uplink: int, expected: int
) -> None:
    node.outside(mtu=uplink)
    conf = node.network("10.1.2.0/24", isGateway=True)
    result = plugin.add(conf, pod).succeeded()
    assert mtus(node, pod) == (expected, expected)
    assert result["interfaces"][2]["mtu"] == expected
    plugin.check(conf, pod, result).succeeded()


@pytest.mark.parametrize("family", ["-4", "-6"])
def test_the_default_route_of_either_family_counts(node: Node, pod: Pod, plugin: Plugin, family: str) -> None:
    node.batch(
        "link add name up0 mtu 1420 type veth peer name up1 mtu 1420",
        *("addr add 192.0.2.9/24 dev up0", "addr add 2001:db8:9::9/64 dev up0 nodad", "link set up0 up"),
    )
    node.run(["ip", family, "route", "add", "default", "via", "192.0.2.1" if family == "-4" else "2001:db8:9::1"])
    plugin.add(node.network("10.1.2.0/24"), pod).succeeded()
    assert mtus(node, pod) == (1420, 1420)


def test_a_node_without_default_route_gives_the_kernel_s_default(node: Node, pod: Pod, plugin: Plugin) -> None:
    node.batch("link add name up0 mtu 1300 type veth peer name up1", "link set up0 up")
    plugin.add(node.network("10.1.2.0/24"), pod).succeeded()
    assert mtus(node, pod) == (1500, 1500)


@pytest.mark.parametrize("mtu", [68, 1450, 9000, 65535])
def test_a_configured_mtu_is_taken_whatever_the_uplink_has(node: Node, pod: Pod, plugin: Plugin, mtu: int) -> None:
    node.outside(mtu=1400)
    plugin.add(node.network("10.1.2.0/24", mtu=mtu), pod).succeeded()
    assert mtus(node, pod) == (mtu, mtu)
    assert node.bridge()["mtu"] == mtu


@pytest.mark.parametrize(("mtu", "problem"), [(67, "at least 68"), (-1, "between"), (65536, "between")])
def test_an_impossible_mtu_is_told_before_anything_is_touched(
    node: Node, pod: Pod, plugin: Plugin, mtu: int, problem: str
) -> None:
    before = node.state()
    error = plugin.add(node.network("10.1.2.0/24", mtu=mtu), pod).failed(7)
    assert error["msg"].startswith("mtu: ") and problem in error["msg"]
    assert node.state() == before


def test_a_big_packet_reaches_the_outside_through_a_narrow_uplink(node: Node, pod: Pod, plugin: Plugin) -> None:
    node.outside("10.1.2.0/24", mtu=1400)
    plugin.add(node.network("10.1.2.0/24", isDefaultGateway=True), pod).succeeded()
    whole = ["ping", "-n", "-c", "1", "-W", "1", "-M", "do", "192.0.2.1", "-s"]
    pod.run([*whole, str(1400 - 28)])
    refused = pod.run([*whole, str(1401 - 28)], check=False)
    assert "local error: message too long" in (refused.stdout + refused.stderr).lower(), "no packet is sent in vain"
