"""Delegates across the border: the reference's bridge with our cni-ipam, ours with its host-local and static."""

from __future__ import annotations

from typing import Any

import pytest

from tests.world import BIN, PEERS, VERSIONS, Node, Plugin, Pod
from tests.world.cnitool import CNITool, conflist

pytestmark = [pytest.mark.peers, pytest.mark.usefixtures("built")]

SUBNETS = ("10.22.0.0/24", "fd00:22::/64")
STATIC = {
    "type": "static",
    "addresses": [
        {"address": "10.22.0.9/24", "gateway": "10.22.0.1"},
        {"address": "fd00:22::9/64", "gateway": "fd00:22::1"},
    ],
    "routes": [{"dst": "198.51.100.0/24"}, {"dst": "203.0.113.0/24", "gw": "10.22.0.200", "mtu": 1400, "table": 100}],
    "dns": {"nameservers": ["10.22.0.53"]},
}
each_version = pytest.mark.parametrize("version", VERSIONS)


def cycle(cnitool: CNITool, pod: Pod, version: str, addresses: list[str]) -> dict[str, Any]:
    """ADD, CHECK where there is one, DEL; the pod is reachable meanwhile and nothing is left. The result."""
    result = cnitool.succeed("add", pod)
    assert pod.addresses("eth0") == addresses
    assert pod.reaches("10.22.0.1")
    if version >= "0.4.0":
        cnitool.succeed("check", pod)
    cnitool.succeed("del", pod)
    assert (cnitool.node.leases(), set(cnitool.node.links()), set(pod.links())) == ({}, {"lo", "cni0"}, {"lo"})
    return result


@each_version
def test_the_reference_bridge_with_our_ipam(node: Node, pod: Pod, version: str) -> None:
    network = node.network(*SUBNETS, type="bridge", isDefaultGateway=True, cniVersion=version)
    cnitool = node.cnitool(conflist(network), PEERS, BIN)
    result = cycle(cnitool, pod, version, ["10.22.0.2/24", "fd00:22::2/64"])
    assert result["cniVersion"] == version


@each_version
def test_ours_with_the_reference_host_local(node: Node, pod: Pod, version: str) -> None:
    ipam = node.ipam(*SUBNETS, type="host-local")
    network = node.network(ipam=ipam, isDefaultGateway=True, cniVersion=version)
    result = cycle(node.cnitool(conflist(network), BIN, PEERS), pod, version, ["10.22.0.2/24", "fd00:22::2/64"])
    assert result["cniVersion"] == version


@each_version
def test_ours_with_the_reference_static(node: Node, pod: Pod, version: str) -> None:
    network = node.network(ipam=STATIC, isDefaultGateway=True, cniVersion=version)
    result = cycle(node.cnitool(conflist(network), BIN, PEERS), pod, version, ["10.22.0.9/24", "fd00:22::9/64"])
    assert result["dns"] == STATIC["dns"]


def test_routes_of_a_foreign_delegate_are_really_made(node: Node, pod: Pod) -> None:
    cnitool = node.cnitool(conflist(node.network(ipam=STATIC, isGateway=True)), BIN, PEERS)
    cnitool.succeed("add", pod)
    assert [route["gateway"] for route in pod.routes() if route["dst"] == "198.51.100.0/24"] == ["10.22.0.1"]
    [far] = [route for route in pod.routes("100") if route["dst"] == "203.0.113.0/24"]
    assert (far["gateway"], far["metrics"]) == ("10.22.0.200", [{"mtu": 1400}])
    cnitool.succeed("check", pod)


def test_requests_reach_a_foreign_delegate(node: Node, pod: Pod) -> None:
    """CNI_ARGS to host-local, `ips` to static; both are told IgnoreUnknown where MAC= is none of theirs."""
    host_local = node.network(ipam=node.ipam("10.22.0.0/24", type="host-local"))
    cnitool = node.cnitool(conflist(host_local), BIN, PEERS)
    wish = "IgnoreUnknown=1;IP=10.22.0.88;MAC=02:11:22:33:44:55"
    cnitool.succeed("add", pod, args=wish)
    assert (pod.addresses("eth0"), pod.links()["eth0"]["address"]) == (["10.22.0.88/24"], "02:11:22:33:44:55")
    cnitool.succeed("del", pod, args=wish)
    static = node.network(ipam={"type": "static"}, capabilities={"ips": True})
    cnitool = node.cnitool(conflist(static), BIN, PEERS)
    cnitool.succeed("add", pod, cap_args={"ips": ["10.22.0.77/24", "fd00:22::77/64"]})
    assert pod.addresses("eth0") == ["10.22.0.77/24", "fd00:22::77/64"]


def test_both_ipam_plugins_take_turns_on_one_store(node: Node, plugin: Plugin) -> None:
    """One cursor, one lock, no address twice; either frees what the other gave."""
    ours = node.network(*SUBNETS)
    theirs = node.network(ipam=node.ipam(*SUBNETS, type="host-local"))
    pods = [node.pod() for _ in range(4)]
    for number, pod in enumerate(pods):
        plugin.add((ours, theirs)[number % 2], pod, path=(BIN, PEERS)).succeeded()
    assert [pod.addresses("eth0")[0] for pod in pods] == [f"10.22.0.{number}/24" for number in (2, 3, 4, 5)]
    for number, pod in enumerate(pods):
        plugin.delete((theirs, ours)[number % 2], pod, path=(BIN, PEERS)).succeeded()
    assert node.leases() == {}


def test_a_foreign_delegates_refusal_is_passed_on_and_nothing_is_left(node: Node, plugin: Plugin) -> None:
    network = node.network(ipam=node.ipam("10.22.0.0/30", type="host-local"), isGateway=True)
    first, second = node.pod(), node.pod()
    plugin.add(network, first, path=(BIN, PEERS)).succeeded()
    before = node.state(), node.leases()
    error = plugin.add(network, second, path=(BIN, PEERS)).failed(999)
    assert "no IP addresses available in range set" in error["msg"]
    assert (node.state(), node.leases()) == before
    assert set(second.links()) == {"lo"}
