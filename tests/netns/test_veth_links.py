"""Parity with pkg/ip link_linux_test.go: the pair, its names and MACs (reference-behaviour 3.3)."""

from __future__ import annotations

import json

import pytest

from cni.errors import InterfaceConflict
from cni.request import Request
from cni_veth import links, veth
from cni_veth.conf import VethConf
from cni_veth.netlink import Socket
from cni_veth.netns import Netns
from tests.world import Node, Plugin, Pod


def test_the_veth_endpoints_are_in_separate_namespaces_and_know_each_other(
    node: Node, pod: Pod, plugin: Plugin
) -> None:
    """SetupVeth, GetVethPeerIfindex"""
    result = plugin.add(node.network(), pod).succeeded()
    host, inner = node.links()[result["interfaces"][1]["name"]], pod.links()["eth0"]
    assert host["link_index"] == inner["ifindex"]
    assert inner["link_index"] == host["ifindex"]
    assert host["ifname"] not in pod.links() and "eth0" not in node.links()


@pytest.mark.parametrize("kind", ["veth", "bridge"])
def test_a_container_interface_of_that_name_is_a_useful_error(node: Node, pod: Pod, plugin: Plugin, kind: str) -> None:
    pod.batch(f"link add name eth0 type {kind}")
    error = plugin.add(node.network(), pod).failed(101)
    assert error["msg"] == f"interface eth0 already exists in {pod.path}"
    assert error["details"]


def test_an_alternative_name_in_the_pod_is_in_the_way_too(node: Node, pod: Pod, plugin: Plugin) -> None:
    pod.batch("link add name other0 type bridge", "link property add dev other0 altname eth0")
    plugin.add(node.network(), pod).failed(101)
    assert set(pod.links()) == {"lo", "other0"} and set(node.links()) == {"lo"}


def test_a_name_that_is_taken_on_the_host_side_is_a_useful_error(node: Node, pod: Pod) -> None:
    """In this process, for a name must be given that is taken: 44 random bits do not meet one by themselves."""
    config = node.network()
    environ = {"CNI_CONTAINERID": pod.container_id, "CNI_NETNS": pod.path, "CNI_IFNAME": "eth0"}
    request = Request("ADD", environ, json.dumps(config).encode(), config)
    conf, netns = VethConf(request), Netns.open(pod.path)
    node.batch("link add name veth07070707 type bridge", "link add name cni0 type bridge")
    with node.entered():
        host = Socket()
        bridge = links.find(host, "cni0")
        assert bridge is not None
        before = set(node.links())
        with pytest.raises(InterfaceConflict, match="already exists"):
            veth.create("veth07070707", host, netns, conf, request, bridge, 0)
        assert set(node.links()) == before and set(pod.links()) == {"lo"}
        assert len({veth.host_name() for _ in range(1000)}) == 1000


def test_a_second_pair_has_names_and_macs_of_its_own(node: Node, pod: Pod, plugin: Plugin) -> None:
    for ifname in ("eth0", "net1"):
        plugin.add(node.network(), pod, ifname=ifname).succeeded()
    assert set(pod.links()) == {"lo", "eth0", "net1"}
    assert len(node.ports()) == 2
    macs = {link["address"] for link in (*node.links().values(), *pod.links().values()) if link["ifname"] != "lo"}
    assert len(macs) == 5
    assert all(int(mac[:2], 16) & 3 == 2 for mac in macs), "locally administered, unicast"


def test_an_explicit_mac_is_the_pod_s_and_not_the_host_s(node: Node, pod: Pod, plugin: Plugin) -> None:
    conf = node.network(runtimeConfig={"mac": "02:00:00:00:01:23"})
    plugin.add(conf, pod).succeeded()
    assert pod.links()["eth0"]["address"] == "02:00:00:00:01:23"
    assert "02:00:00:00:01:23" not in {link["address"] for link in node.links().values()}


def test_the_host_mac_was_given_so_that_udev_leaves_it_alone(node: Node, pod: Pod, plugin: Plugin) -> None:
    """cni#1057: MACAddressPolicy changes a MAC of NET_ADDR_RANDOM (1), not one of NET_ADDR_SET (3)."""
    result = plugin.add(node.network(), pod).succeeded()
    types = {}
    for name in ("cni0", result["interfaces"][1]["name"]):
        script = f"mount -t sysfs sysfs /sys && cat /sys/class/net/{name}/addr_assign_type"
        types[name] = node.run(["unshare", "--mount", "sh", "-c", script]).stdout.strip()
    assert set(types.values()) == {"3"}, types


def test_deleting_deletes_both_endpoints(node: Node, pod: Pod, plugin: Plugin) -> None:
    """DelLinkByName"""
    plugin.add(node.network(), pod).succeeded()
    plugin.delete(node.network(), pod).succeeded()
    assert node.ports() == {} and set(pod.links()) == {"lo"}


def test_deleting_a_non_existent_device_is_a_known_outcome(node: Node, pod: Pod, plugin: Plugin) -> None:
    """ErrLinkNotFound, which cmdDel takes for success. DelLinkByNameAddr: nor are addresses needed."""
    plugin.delete(node.network(), pod, ifname="not_there").succeeded()
    pod.batch("link add name eth0 type veth peer name peer0")
    plugin.delete(node.network(), pod).succeeded()
    assert set(pod.links()) == {"lo"}


@pytest.mark.parametrize("ifname", ["eth0.5", "a" * 15, "ifb-0_x", "ü0", "eth0@2"])
def test_any_name_that_the_kernel_takes(node: Node, pod: Pod, plugin: Plugin, ifname: str) -> None:
    """A dot is a directory in sysctl names, an @ what ip(8) puts before the peer."""
    conf = node.network("10.1.2.0/24", "fd00::/64", isDefaultGateway=True)
    result = plugin.add(conf, pod, ifname=ifname).succeeded()
    assert ifname in pod.links()
    assert pod.sysctl(f"net/ipv6/conf/{ifname}/accept_dad") == "0"
    plugin.check(conf, pod, result, ifname=ifname).succeeded()
    plugin.delete(conf, pod, result, ifname=ifname).succeeded()
    assert set(pod.links()) == {"lo"}


@pytest.mark.parametrize("bridge", ["br.100", "b" * 15])
def test_any_bridge_name_that_the_kernel_takes(node: Node, pod: Pod, plugin: Plugin, bridge: str) -> None:
    conf = node.network("10.1.2.0/24", "fd00::/64", isDefaultGateway=True, bridge=bridge)
    result = plugin.add(conf, pod).succeeded()
    assert node.sysctl(f"net/ipv6/conf/{bridge}/accept_ra") == "0"
    plugin.check(conf, pod, result).succeeded()
