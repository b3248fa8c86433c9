"""CHECK passes over what others may rightly do to a pod, for which the reference fails it (reference-behaviour 2.1)."""

from __future__ import annotations

import socket
import struct
from typing import Any

import pytest

from tests.world import Node, Plugin, Pod

SOL_PACKET, PACKET_ADD_MEMBERSHIP, PACKET_MR_PROMISC = 263, 1, 1  # packet(7)


def network(node: Node, **keys: Any) -> dict[str, Any]:
    return node.network("10.1.2.0/24", "fd00::/64", isDefaultGateway=True, **keys)


def test_check_tolerates_a_tcpdump_on_the_bridge(node: Node, pod: Pod, plugin: Plugin) -> None:
    result = plugin.add(conf := network(node), pod).succeeded()
    with node.entered():
        listener = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    with listener:
        membership = struct.pack("iHH8s", node.bridge()["ifindex"], PACKET_MR_PROMISC, 0, b"")
        listener.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, membership)
        assert node.bridge()["promiscuity"] == 1
        plugin.check(conf, pod, result).succeeded()


# Commands of ip(8), {port} for the host's end; in the node, in the pod.
CHANGES = {
    "another MAC on the host's end (udev)": ("link set {port} address 02:00:00:00:00:98", ""),
    "another name of the host's end": ("link set {port} name renamed0", ""),
    "another promiscuous setting of the bridge": ("link set cni0 promisc on", ""),
    "an address added to the bridge": ("addr add 10.77.0.1/24 dev cni0", ""),
    "an address added in the pod": ("", "addr add 10.77.0.2/24 dev eth0"),
    "a route added in the pod": ("", "route add 10.77.0.0/16 via 10.1.2.9"),
    "a better default route added": ("", "route add default via 10.1.2.9 table 100"),
    "a higher MTU of the bridge": ("link set cni0 mtu 9000", ""),
    "another link in the pod": ("", "link add name net1 type bridge"),
    "another port on the bridge": ("link add name p0 master cni0 type veth peer name p1", ""),
    "a neighbour": ("", "neigh add 10.1.2.9 lladdr 02:00:00:00:00:97 dev eth0"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_check_tolerates(node: Node, pod: Pod, plugin: Plugin, change: str) -> None:
    result = plugin.add(conf := network(node), pod).succeeded()
    in_node, in_pod = CHANGES[change]
    if in_node:
        node.batch(in_node.format(port=result["interfaces"][1]["name"]))
    if in_pod:
        pod.batch(in_pod)
    plugin.check(conf, pod, result).succeeded()


def test_check_tolerates_what_later_plugins_put_into_the_result(node: Node, pod: Pod, plugin: Plugin) -> None:
    """tuning sets another MAC and tells it; a bandwidth plugin adds its link; sbr its routes."""
    result = plugin.add(conf := network(node), pod).succeeded()
    pod.batch("link set eth0 address 02:00:00:00:00:96", "route add 10.9.0.0/16 via 10.1.2.1 table 100")
    result["interfaces"][2]["mac"] = "02:00:00:00:00:96"
    result["interfaces"].append({"name": "bwp0123456789", "mac": "02:00:00:00:00:95"})
    result["routes"].append({"dst": "10.9.0.0/16", "gw": "10.1.2.1", "table": 100})
    plugin.check(conf, pod, result).succeeded()


def test_check_tolerates_another_path_of_the_same_namespace(node: Node, pod: Pod, plugin: Plugin) -> None:
    result = plugin.add(conf := network(node), pod).succeeded()
    process = pod.start(["sleep", "600"])
    plugin.check(conf, pod, result, env={"CNI_NETNS": f"/proc/{process.pid}/ns/net"}).succeeded()


def test_check_of_a_l2_network_passes(node: Node, pod: Pod, plugin: Plugin) -> None:
    """The reference's always fails: "no plugin name provided"."""
    result = plugin.add(conf := node.network(), pod).succeeded()
    plugin.check(conf, pod, result).succeeded()


def test_check_of_a_l2_network_tolerates_addresses_from_elsewhere(node: Node, pod: Pod, plugin: Plugin) -> None:
    """A DHCP client in the pod, or an address on the bridge of the node's own."""
    result = plugin.add(conf := node.network(), pod).succeeded()
    pod.batch("addr add 10.77.0.2/24 dev eth0")
    node.batch("addr add 10.77.0.1/24 dev cni0")
    plugin.check(conf, pod, result).succeeded()


@pytest.mark.parametrize("addresses", [2, 3])
def test_check_of_two_interfaces_in_one_pod(node: Node, pod: Pod, plugin: Plugin, addresses: int) -> None:
    subnets = ("10.1.2.0/24", "fd00::/64", "10.1.3.0/24")[:addresses]
    conf = node.network(*subnets)
    results = {ifname: plugin.add(conf, pod, ifname=ifname).succeeded() for ifname in ("eth0", "net1")}
    for ifname, result in results.items():
        plugin.check(conf, pod, result, ifname=ifname).succeeded()
    pod.batch("link set net1 address 02:00:00:00:00:94")
    plugin.check(conf, pod, results["eth0"]).succeeded()
    plugin.check(conf, pod, results["net1"], ifname="net1").failed(103)
