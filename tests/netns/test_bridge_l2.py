"""Parity with bridge_test.go: a link without addresses, and what a port can be told (reference-behaviour 3.1)."""

from __future__ import annotations

from typing import Any

import pytest

from cni.versions import SUPPORTED
from tests.netns.attachment import assert_added, assert_deleted, host_link
from tests.world import Node, Plugin, Pod

CHAINING = [version for version in SUPPORTED if version >= "0.3.0"]
SHAPES: dict[str, dict[str, Any]] = {
    "a l2 bridge and veth": {},
    "vlan id 100": {"vlan": 100},
    "vlanTrunk 101,200-210": {"vlanTrunk": [{"id": 101}, {"minID": 200, "maxID": 210}]},
    "the container veth left down": {"disableContainerInterface": True},
    "port-isolation off": {"portIsolation": False},
    "port-isolation on": {"portIsolation": True},
}


@pytest.mark.parametrize("version", ["0.1.0", "0.2.0"])
@pytest.mark.parametrize("shape", SHAPES)
def test_cannot_convert_no_valid_ip_addresses(node: Node, pod: Pod, plugin: Plugin, version: str, shape: str) -> None:
    """The reference finds out when all is set up, and leaves it; ours before anything is created."""
    before = node.state(), pod.state()
    error = plugin.add(node.network(cniVersion=version, **SHAPES[shape]), pod).failed(7)
    assert "cannot convert: no valid IP addresses" in error["details"]
    assert (node.state(), pod.state()) == before


@pytest.mark.parametrize("version", CHAINING)
def test_configures_and_deconfigures_a_l2_bridge_and_veth(node: Node, pod: Pod, plugin: Plugin, version: str) -> None:
    conf = node.network(cniVersion=version)
    result = assert_added(node, pod, conf, plugin.add(conf, pod))
    assert "ips" not in result
    if version >= "0.4.0":
        plugin.check(conf, pod, result).succeeded()
    assert_deleted(node, pod, conf, plugin.delete(conf, pod))


@pytest.mark.parametrize("version", CHAINING)
def test_sets_the_container_veth_peer_state_down(node: Node, pod: Pod, plugin: Plugin, version: str) -> None:
    conf = node.network(cniVersion=version, disableContainerInterface=True)
    result = assert_added(node, pod, conf, plugin.add(conf, pod))
    assert "UP" not in pod.links()["eth0"]["flags"]
    if version >= "0.4.0":
        plugin.check(conf, pod, result).succeeded()
    assert_deleted(node, pod, conf, plugin.delete(conf, pod))


@pytest.mark.parametrize("version", SUPPORTED)
def test_fails_when_both_ipam_and_disable_container_interface_are_set(
    node: Node, pod: Pod, plugin: Plugin, version: str
) -> None:
    before = node.state(), pod.state()
    conf = node.network("10.1.2.0/24", cniVersion=version, disableContainerInterface=True)
    assert "disableContainerInterface" in plugin.add(conf, pod).failed(7)["msg"]
    assert (node.state(), pod.state()) == before


@pytest.mark.parametrize("version", CHAINING)
@pytest.mark.parametrize("is_isolated", [False, True])
def test_sets_the_veth_peer_on_the_node_with_isolation(
    node: Node, pod: Pod, plugin: Plugin, version: str, is_isolated: bool
) -> None:
    conf = node.network(cniVersion=version, portIsolation=is_isolated)
    assert_added(node, pod, conf, plugin.add(conf, pod))
    assert host_link(node, conf)["linkinfo"]["info_slave_data"]["isolated"] is is_isolated
    assert_deleted(node, pod, conf, plugin.delete(conf, pod))


@pytest.mark.parametrize("is_isolated", [False, True])
def test_isolated_pods_reach_the_gateway_but_not_each_other(node: Node, plugin: Plugin, is_isolated: bool) -> None:
    conf = node.network("10.1.2.0/24", isGateway=True, portIsolation=is_isolated)
    pods = [node.pod(), node.pod()]
    ips = [plugin.add(conf, pod).succeeded()["ips"][0]["address"].partition("/")[0] for pod in pods]
    assert all(pod.reaches("10.1.2.1") for pod in pods)
    assert pods[0].reaches(ips[1], seconds=1) is not is_isolated


@pytest.mark.parametrize("is_hairpin", [False, True])
def test_hairpin_mode_is_the_port_s(node: Node, pod: Pod, plugin: Plugin, is_hairpin: bool) -> None:
    conf = node.network(hairpinMode=is_hairpin)
    plugin.add(conf, pod).succeeded()
    assert host_link(node, conf)["linkinfo"]["info_slave_data"]["hairpin"] is is_hairpin


def test_hairpin_and_promiscuous_mode_exclude_each_other(node: Node, pod: Pod, plugin: Plugin) -> None:
    before = node.state()
    error = plugin.add(node.network("10.1.2.0/24", hairpinMode=True, promiscMode=True), pod).failed(7)
    assert "hairpinMode" in error["msg"] and "promiscMode" in error["msg"]
    assert node.state() == before
