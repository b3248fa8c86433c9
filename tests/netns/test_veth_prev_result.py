"""Chained behind another plugin: what came before is kept and extended (the reference drops it)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.world import Node, Plugin, Pod

TAP: dict[str, Any] = {
    "cniVersion": "1.1.0",
    "interfaces": [
        {"name": "tap0", "mac": "02:00:00:00:00:77", "mtu": 1500, "socketPath": "/run/tap0", "pciID": "0000:00:1f.6"},
        {"name": "net1", "mac": "02:00:00:00:00:78", "sandbox": "/run/netns/elsewhere"},
    ],
    "ips": [{"address": "172.16.0.5/24", "gateway": "172.16.0.1", "interface": 1}],
    "routes": [{"dst": "172.17.0.0/16", "gw": "172.16.0.1", "mtu": 1400}],
    "dns": {"nameservers": ["172.16.0.53"]},
}


def test_prev_result_on_add_is_kept_and_extended(node: Node, pod: Pod, plugin: Plugin) -> None:
    conf = node.network("10.1.2.0/24", isDefaultGateway=True)
    result = plugin.add(conf, pod, prev=TAP).succeeded()
    assert result["interfaces"][:2] == TAP["interfaces"]
    assert [interface["name"] for interface in result["interfaces"][2:]] == ["cni0", *node.ports(), "eth0"]
    assert result["ips"] == [TAP["ips"][0], {"address": "10.1.2.2/24", "gateway": "10.1.2.1", "interface": 4}]
    assert result["routes"] == [TAP["routes"][0], {"dst": "0.0.0.0/0", "gw": "10.1.2.1"}]
    assert result["dns"] == TAP["dns"]
    assert pod.addresses() == ["10.1.2.2/24"], "the other's address is not ours to set"


def test_check_looks_at_ours_alone(node: Node, pod: Pod, plugin: Plugin) -> None:
    """nomad#25510: a chained CHECK that takes another plugin's interface for its own."""
    conf = node.network("10.1.2.0/24", isGateway=True)
    prev: dict[str, Any] = {**TAP, "routes": []}
    result = plugin.add(conf, pod, prev=prev).succeeded()
    plugin.check(conf, pod, result).succeeded()
    pod.batch("addr del 10.1.2.2/24 dev eth0")
    error = plugin.check(conf, pod, result).failed(103)
    assert "10.1.2.2/24" in error["details"] and "172.16.0.5" not in error["details"]


def test_own_dns_replaces_that_of_the_plugin_before(node: Node, pod: Pod, plugin: Plugin) -> None:
    conf = node.network("10.1.2.0/24", dns={"nameservers": ["10.1.2.53"]})
    assert plugin.add(conf, pod, prev=TAP).succeeded()["dns"] == {"nameservers": ["10.1.2.53"]}


def test_a_l2_link_behind_an_addressed_one_is_told_in_an_old_version_too(node: Node, pod: Pod, plugin: Plugin) -> None:
    prev = {"cniVersion": "0.2.0", "ip4": {"ip": "172.16.0.5/24"}, "dns": {}}
    result = plugin.add(node.network(cniVersion="0.2.0"), pod, prev=prev).succeeded()
    assert result["ip4"] == {"ip": "172.16.0.5/24"}
    assert "eth0" in pod.links()


@pytest.mark.parametrize(
    ("prev", "path"),
    [
        ({**TAP, "ips": [{"address": "172.16.0.5"}]}, "prevResult.ips[0].address"),
        ({**TAP, "interfaces": "tap0"}, "prevResult.interfaces"),
        ({**TAP, "routes": [{"dst": "nowhere"}]}, "prevResult.routes[0].dst"),
    ],
)
def test_a_prev_result_that_cannot_be_read_is_told_with_its_path(
    node: Node, pod: Pod, plugin: Plugin, prev: dict[str, Any], path: str
) -> None:
    before = node.state()
    assert plugin.add(node.network("10.1.2.0/24"), pod, prev=prev).failed(7)["msg"].startswith(f"{path}: ")
    assert node.state() == before
