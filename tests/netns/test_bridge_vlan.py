"""Parity with bridge_test.go: VLANs of ports and of the gateway (reference-behaviour 3.1)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cni.versions import SUPPORTED
from tests.netns.attachment import assert_added, assert_deleted, host_link
from tests.world import Node, Plugin, Pod, kernel

OPTION = "CONFIG_BRIDGE_VLAN_FILTERING"
CHAINING = [version for version in SUPPORTED if version >= "0.3.0"]
TRUNK = [{"id": 101}, {"minID": 200, "maxID": 210}]
TAGGED: dict[int, set[str]] = {vid: set() for vid in (101, *range(200, 211))}
NATIVE = {"PVID", "Egress Untagged"}
L2: dict[str, tuple[dict[str, Any], dict[int, set[str]]]] = {
    "vlan id 100": ({"vlan": 100}, {100: NATIVE}),
    "vlanTrunk 101,200-210": ({"vlanTrunk": TRUNK}, {1: NATIVE, **TAGGED}),
    "vlan 100, and vlanTrunk 101,200-210": ({"vlan": 100, "vlanTrunk": TRUNK}, {100: NATIVE, **TAGGED}),
    "vlan id 100 and no default vlan": ({"vlan": 100, "preserveDefaultVlan": False}, {100: NATIVE}),
    "vlan id 100 and the default vlan": (
        {"vlan": 100, "preserveDefaultVlan": True},
        {1: {"Egress Untagged"}, 100: NATIVE},
    ),
}
L3 = {
    "v4": ["10.1.2.0/24"],
    "v6": ["2001:db8::/64"],
    "dual-stack": ["192.168.0.0/24", "fd00::/64"],
    "1 v4 + 2 v6": ["192.168.0.0/24", "fd00::/64", "2001:db8::/64"],
}


def vlans(node: Node, port: str) -> dict[int, set[str]]:
    """The VLANs of a bridge port with their flags."""
    [shown] = json.loads(node.run(["bridge", "-j", "vlan", "show", "dev", port]).stdout)
    return {
        vid: set(entry.get("flags", []))
        for entry in shown["vlans"]
        for vid in range(entry["vlan"], entry.get("vlanEnd", entry["vlan"]) + 1)
    }


@pytest.mark.needs(OPTION)
@pytest.mark.parametrize("version", CHAINING)
@pytest.mark.parametrize("shape", L2)
def test_configures_and_deconfigures_a_l2_bridge_with(
    node: Node, pod: Pod, plugin: Plugin, version: str, shape: str
) -> None:
    keys, expected = L2[shape]
    conf = node.network(cniVersion=version, **keys)
    result = assert_added(node, pod, conf, plugin.add(conf, pod))
    assert vlans(node, host_link(node, conf)["ifname"]) == expected
    if version >= "0.4.0":
        plugin.check(conf, pod, result).succeeded()
    assert_deleted(node, pod, conf, plugin.delete(conf, pod))


@pytest.mark.needs(OPTION)
@pytest.mark.parametrize("version", SUPPORTED)
@pytest.mark.parametrize("variant", L3)
@pytest.mark.parametrize("keys", [{}, {"preserveDefaultVlan": False}], ids=["", "no default vlan"])
def test_configures_and_deconfigures_a_bridge_veth_with_default_route_and_vlan_id_100(
    node: Node, pod: Pod, plugin: Plugin, version: str, variant: str, keys: dict[str, Any]
) -> None:
    if variant == "1 v4 + 2 v6" and version < "0.3.0":
        conf = node.network(*L3[variant], isDefaultGateway=True, vlan=100, cniVersion=version)
        assert "more than 1 address per family" in plugin.add(conf, pod).failed(7)["msg"]
        return
    conf = node.network(*L3[variant], isDefaultGateway=True, vlan=100, cniVersion=version, **keys)
    result = assert_added(node, pod, conf, plugin.add(conf, pod))
    gateway = node.links()["cni0.100"]
    assert vlans(node, host_link(node, conf)["ifname"]) == {100: NATIVE}
    assert vlans(node, gateway["link"]) == {100: NATIVE}
    assert gateway["mtu"] == node.bridge()["mtu"]
    assert pod.reaches(node.addresses("cni0.100")[0].partition("/")[0])
    if version >= "0.4.0":
        plugin.check(conf, pod, result).succeeded()
    assert_deleted(node, pod, conf, plugin.delete(conf, pod))


@pytest.mark.needs(OPTION)
def test_pods_of_two_vlans_do_not_meet(node: Node, plugin: Plugin) -> None:
    ips = []
    pods = [node.pod() for _ in range(3)]
    for pod, vlan in zip(pods, (100, 100, 200), strict=True):
        conf = node.network("10.1.2.0/24", vlan=vlan)
        ips.append(plugin.add(conf, pod).succeeded()["ips"][0]["address"].partition("/")[0])
    assert pods[0].reaches(ips[1])
    assert not pods[0].reaches(ips[2], seconds=1)


@pytest.mark.needs(OPTION)
def test_an_existing_bridge_is_made_to_filter(node: Node, pod: Pod, plugin: Plugin) -> None:
    """The reference filters on a bridge of its own only and silently joins all VLANs on any other."""
    node.batch("link add name cni0 type bridge")
    conf = node.network(vlan=100)
    assert_added(node, pod, conf, plugin.add(conf, pod))


@pytest.mark.needs(OPTION)
@pytest.mark.parametrize(
    "change",
    [
        "bridge vlan del dev {port} vid 100",
        "bridge vlan add dev {port} vid 300",
        "ip link set cni0 type bridge vlan_filtering 0",
    ],
)
def test_check_finds_a_port_in_other_vlans(node: Node, pod: Pod, plugin: Plugin, change: str) -> None:
    conf = node.network(vlan=100)
    result = plugin.add(conf, pod).succeeded()
    plugin.check(conf, pod, result).succeeded()
    node.run(change.format(port=host_link(node, conf)["ifname"]).split())
    assert "VLAN" in plugin.check(conf, pod, result).failed(103)["msg"]


def test_a_kernel_without_vlan_filtering_is_named_and_nothing_is_left(node: Node, pod: Pod, plugin: Plugin) -> None:
    before = node.state(), pod.state()
    reply = plugin.add(node.network(vlan=100), pod)
    if kernel.has(OPTION):
        reply.succeeded()
        return
    assert OPTION in reply.failed(100)["msg"]
    assert (node.state(), pod.state()) == before


@pytest.mark.parametrize("version", ["0.4.0", "1.0.0"])
@pytest.mark.parametrize("vlan", [-100, 5000])
def test_vlan_id_is_checked_when_loading_the_configuration(
    node: Node, pod: Pod, plugin: Plugin, version: str, vlan: int
) -> None:
    error = plugin.add(node.network(cniVersion=version, vlan=vlan), pod).failed(7)
    assert error["msg"] == f"vlan: must lie between 0 and 4094, not {vlan}"


@pytest.mark.parametrize("version", ["0.4.0", "1.0.0"])
def test_vlan_id_0_is_none(node: Node, pod: Pod, plugin: Plugin, version: str) -> None:
    conf = node.network(cniVersion=version, vlan=0)
    assert_added(node, pod, conf, plugin.add(conf, pod))


@pytest.mark.parametrize(
    ("name", "entry", "key"),
    [
        ("not passed the maxID", {"minID": 1}, "vlanTrunk[0]"),
        ("not passed the minID", {"maxID": 4094}, "vlanTrunk[0]"),
        ("minID is negative", {"minID": -1, "maxID": 4094}, "vlanTrunk[0].minID"),
        ("minID is larger than 4094", {"minID": 4095, "maxID": 4094}, "vlanTrunk[0].minID"),
        ("maxID is larger than 4094", {"minID": 1, "maxID": 4095}, "vlanTrunk[0].maxID"),
        ("maxID is negative", {"minID": 1, "maxID": -1}, "vlanTrunk[0].maxID"),
        ("ID is larger than 4094", {"id": 4095}, "vlanTrunk[0].id"),
        ("ID is negative", {"id": -1}, "vlanTrunk[0].id"),
        ("maxID is smaller than minID", {"minID": 210, "maxID": 200}, "vlanTrunk[0].minID"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " in value else "",
)
def test_collect_vlan_trunk_fails_when(
    node: Node, pod: Pod, plugin: Plugin, name: str, entry: dict[str, int], key: str
) -> None:
    before = node.state()
    error = plugin.add(node.network(vlanTrunk=[entry]), pod).failed(7)
    assert error["msg"].startswith(f"{key}: "), name
    assert node.state() == before
