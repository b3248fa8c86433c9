"""The guard of a port comes with ADD, goes with DEL and GC, is missed by CHECK and put back by the next ADD."""

from __future__ import annotations

from typing import Any

import pytest

from tests.netns.earlier import Conf
from tests.netns.frames import ETH_P_ARP, ETH_P_IP, arp, arrives, ethernet, udp
from tests.world import PEERS, Node, Plugin, Pod

SUBNETS = ("10.1.2.0/24", "fd00::/64")
KEYS = ["spoofGuard", "macspoofchk"]
ANOTHER_MAC = "02:00:00:00:00:99"


def network(node: Node, **keys: Any) -> dict[str, Any]:
    return node.network(*SUBNETS, isGateway=True, **keys)


def guards(node: Node) -> list[str]:
    """The elements of the bridge table that are a pod's, as nft(8) shows them."""
    shown = node.run(["nft", "list", "tables"]).stdout
    if "bridge cni-veth" not in shown:
        return []
    lines = node.run(["nft", "list", "table", "bridge", "cni-veth"]).stdout.splitlines()
    return [line.strip() for line in lines if "comment" in line]


def spoofs(node: Node, pod: Pod, mac: str, ip: str = "10.1.2.2") -> bool:
    """Whether the pod may send as another."""
    witness = ethernet(mac, ETH_P_IP, udp(ip, "10.1.2.1"))
    return arrives(
        pod, (node, "cni0"), ethernet(ANOTHER_MAC, ETH_P_ARP, arp(2, (ANOTHER_MAC, ip), "10.1.2.1")), witness
    )


def mac_of(pod: Pod) -> str:
    mac: str = pod.links()["eth0"]["address"]
    return mac


@pytest.mark.parametrize("key", KEYS)
def test_del_takes_the_guard_away(node: Node, pod: Pod, plugin: Plugin, key: str) -> None:
    result = plugin.add(conf := network(node, **{key: True}), pod).succeeded()
    assert result["interfaces"][1]["name"] in str(guards(node))
    assert f'comment "net {pod.container_id} eth0"' in str(guards(node))
    plugin.check(conf, pod, result).succeeded()
    plugin.delete(conf, pod).succeeded()
    assert guards(node) == []
    plugin.delete(conf, pod).succeeded()


def test_del_without_record_namespace_and_prev_result(node: Node, pod: Pod, plugin: Plugin) -> None:
    plugin.add(conf := network(node, spoofGuard=True), pod).succeeded()
    for record in (node.dir / "run/attachments").glob("*/cni-veth-*"):
        record.unlink()
    pod.delete()
    plugin.delete(conf, pod).succeeded()
    assert guards(node) == []


def test_gc_takes_the_guards_of_the_dead_and_no_other(node: Node, pod: Pod, plugin: Plugin) -> None:
    conf, dead = network(node, spoofGuard=True), node.pod()
    plugin.add(conf, pod).succeeded()
    kept = guards(node)
    plugin.add(conf, dead).succeeded()
    plugin.gc(conf, [(pod.container_id, "eth0")]).succeeded()
    assert guards(node) == kept


@pytest.mark.parametrize("key", KEYS)
def test_check_finds_a_lost_guard_and_the_next_add_puts_it_back(node: Node, pod: Pod, plugin: Plugin, key: str) -> None:
    result = plugin.add(conf := network(node, **{key: True}), pod).succeeded()
    mac, before = mac_of(pod), guards(node)
    assert not spoofs(node, pod, mac)
    node.run(["nft", "flush", "ruleset"])
    assert spoofs(node, pod, mac)
    error = plugin.check(conf, pod, result).failed(103)
    assert "guard" in f"{error['msg']} {error['details']}"
    other = node.pod()
    plugin.add(conf, other).succeeded()
    plugin.check(conf, pod, result).succeeded()
    assert not spoofs(node, pod, mac)
    plugin.delete(conf, other).succeeded()
    assert guards(node) == before


@pytest.mark.parametrize("lost", ["guarded", "macs", "ipv4", "ipv6", "nd-targets"])
def test_check_finds_one_element_that_is_missing(node: Node, pod: Pod, plugin: Plugin, lost: str) -> None:
    result = plugin.add(conf := network(node, spoofGuard=True), pod).succeeded()
    node.run(["nft", "flush", "set", "bridge", "cni-veth", lost])
    error = plugin.check(conf, pod, result).failed(103)
    assert "the guard of veth" in error["msg"] and f"bridge cni-veth {lost}" in error["msg"]


def test_check_finds_an_emptied_chain(node: Node, pod: Pod, plugin: Plugin) -> None:
    result = plugin.add(conf := network(node, spoofGuard=True), pod).succeeded()
    node.run(["nft", "flush", "chain", "bridge", "cni-veth", "sent-arp"])
    assert "chain bridge cni-veth sent-arp has 0 rules" in plugin.check(conf, pod, result).failed(103)["msg"]


def test_a_guard_for_addresses_needs_addresses(node: Node, pod: Pod, plugin: Plugin) -> None:
    before = node.state()
    error = plugin.add(node.network(ipam={}, spoofGuard=True), pod).failed(7)
    assert error["msg"] == "spoofGuard: needs the pod's addresses" and "macspoofchk" in error["details"]
    assert node.state() == before
    plugin.add(node.network(ipam={}, macspoofchk=True), pod).succeeded()
    assert not spoofs(node, pod, mac_of(pod))


@pytest.mark.parametrize("key", KEYS)
def test_a_pair_that_an_earlier_plugin_made_is_guarded(
    node: Node, pod: Pod, plugin: Plugin, pair: Conf, key: str
) -> None:
    result = plugin.add(conf := network(node, **{key: True}), pod, pair).succeeded()
    plugin.check(conf, pod, result).succeeded()
    assert not spoofs(node, pod, mac_of(pod))
    plugin.delete(conf, pod, result).succeeded()
    assert guards(node) == []


@pytest.mark.parametrize("key", KEYS)
def test_of_a_vm_the_runtime_must_tell_the_mac(node: Node, pod: Pod, plugin: Plugin, tap: Conf, key: str) -> None:
    conf = network(node, **{key: True})
    error = plugin.add(conf, pod, tap).failed(7)
    assert error["msg"] == f"{key}: the MAC behind tap0 is not known" and "runtimeConfig.mac" in error["details"]
    assert guards(node) == [] and node.leases() == {} and node.ports() == {}
    conf["runtimeConfig"] = {"mac": ANOTHER_MAC}
    result = plugin.add(conf, pod, tap).succeeded()
    plugin.check(conf, pod, result).succeeded()
    assert all('"tap0"' in line for line in guards(node)) and ANOTHER_MAC in str(guards(node))


@pytest.mark.peers
def test_the_reference_s_firewall_and_tuning_behind_a_guarded_pod(node: Node, pod: Pod, plugin: Plugin) -> None:
    result = plugin.add(conf := network(node, spoofGuard=True, ingressPolicy="same-bridge"), pod).succeeded()
    for name, keys in (("firewall", {"backend": "iptables"}), ("tuning", {"promisc": True})):
        after = {"cniVersion": "1.1.0", "name": "net", "type": name, **keys}
        node.plugin(name, PEERS).add(after, pod, result, path=[PEERS]).succeeded()
    assert node.reaches("10.1.2.2") and node.reaches("fd00::2")
    plugin.check(conf, pod, result).succeeded()
