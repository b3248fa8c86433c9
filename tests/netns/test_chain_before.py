"""Plugins before ours in one list: their result is kept and extended (CONVENTIONS; the reference drops it)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.world import BIN, PEERS, VERSIONS, Node, Plugin, Pod
from tests.world.cnitool import CNITool, conflist

pytestmark = [pytest.mark.peers, pytest.mark.usefixtures("built")]

SUBNETS = ("10.22.0.0/24", "fd00:22::/64")
OLDER = """#!/bin/sh
cat >"$0.$CNI_COMMAND"
[ "$CNI_COMMAND" != ADD ] || cat "$0.result"
"""


def chain(
    node: Node, first: dict[str, Any], *path: Path, last: tuple[dict[str, Any], ...] = (), **keys: Any
) -> CNITool:
    """cnitool with `first`, ours as a default gateway, and `last`."""
    listed = conflist(node.network(*SUBNETS, isDefaultGateway=True, **keys), *last)
    listed["plugins"].insert(0, first)
    return node.cnitool(listed, *path, PEERS, BIN)


@pytest.mark.parametrize("version", [version for version in VERSIONS if version >= "0.3.0"])
def test_the_result_of_loopback_is_kept_and_extended(node: Node, pod: Pod, version: str) -> None:
    tuning = {"type": "tuning", "sysctl": {"net.ipv4.conf.IFNAME.arp_filter": "1"}}
    cnitool = chain(node, {"type": "loopback"}, last=(tuning,), cniVersion=version)
    result = cnitool.succeed("add", pod)
    links = [("lo", pod.path), ("cni0", None), (result["interfaces"][2]["name"], None), ("eth0", pod.path)]
    assert [(interface["name"], interface.get("sandbox")) for interface in result["interfaces"]] == links
    assert [(ip["address"], ip["interface"]) for ip in result["ips"]] == [
        ("127.0.0.1/8", 0),
        ("::1/128", 0),
        ("10.22.0.2/24", 3),
        ("fd00:22::2/64", 3),
    ]
    assert pod.addresses("eth0") == ["10.22.0.2/24", "fd00:22::2/64"]
    if version >= "0.4.0":
        cnitool.succeed("check", pod)
    cnitool.succeed("del", pod)
    assert (node.leases(), set(node.links()), set(pod.links())) == ({}, {"lo", "cni0"}, {"lo"})


@pytest.fixture
def older(node: Node) -> dict[str, Any]:
    """What a plugin of somebody's answers: a tap on the host, a link in the pod with an address, and a resolver."""
    return {
        "cniVersion": "1.1.0",
        "interfaces": [{"name": "tap0", "socketPath": "/run/vhost.sock"}, {"name": "ext0", "sandbox": "/other"}],
        "ips": [{"address": "192.0.2.77/24", "gateway": "192.0.2.1", "interface": 1}],
        "dns": {"nameservers": ["192.0.2.53"]},
    }


def test_any_result_before_ours_is_kept_whole(node: Node, pod: Pod, older: dict[str, Any]) -> None:
    """CONVENTIONS: "accept any previous result that includes a host-side interface"; it is not ours to check."""
    directory = node.dir / "older"
    directory.mkdir()
    (directory / "older.result").write_text(json.dumps(older))
    (directory / "older").write_text(OLDER)
    (directory / "older").chmod(0o755)
    cnitool = chain(node, {"type": "older"}, directory)
    result = cnitool.succeed("add", pod)
    assert result["interfaces"][:2] == older["interfaces"]
    assert [interface["name"] for interface in result["interfaces"][2:]] == ["cni0", *node.ports(), "eth0"]
    assert result["ips"][0] == older["ips"][0]
    assert [ip["interface"] for ip in result["ips"]] == [1, 4, 4]
    assert result["dns"] == older["dns"]
    assert pod.addresses("eth0") == ["10.22.0.2/24", "fd00:22::2/64"]
    cnitool.succeed("check", pod)
    cnitool.succeed("del", pod)
    assert json.loads((directory / "older.DEL").read_text())["prevResult"] == result
    assert (node.leases(), set(node.links()), set(pod.links())) == ({}, {"lo", "cni0"}, {"lo"})


def test_the_networks_own_dns_goes_before_that_of_the_result_before(
    node: Node, pod: Pod, plugin: Plugin, older: dict[str, Any]
) -> None:
    dns = {"nameservers": ["10.22.0.53"], "search": ["example.org"]}
    result = plugin.add(node.network(*SUBNETS, dns=dns), pod, older).succeeded()
    assert result["dns"] == dns


def test_a_plugin_before_ours_that_took_the_interface_is_told(node: Node, pod: Pod) -> None:
    """Neither takes the other's link away; the runtime's DEL of the chain then leaves nothing."""
    bridge = {"type": "bridge", "bridge": "br0", "ipam": node.ipam("10.99.0.0/24")}
    cnitool = chain(node, bridge)
    failed = cnitool.call("add", pod)
    assert failed.returncode == 1
    assert "interface eth0 already exists" in failed.stderr
    assert set(node.links()) == {"lo", "br0", *node.ports("br0")}
    assert pod.addresses("eth0") == ["10.99.0.2/24"]
    cnitool.succeed("del", pod)
    assert (node.leases(), set(node.links()), set(pod.links())) == ({}, {"lo", "br0"}, {"lo"})


def test_pods_of_the_reference_and_ours_share_bridge_and_store(node: Node, plugin: Plugin) -> None:
    """A node moves from the reference to ours pod by pod: same bridge, gateway and store."""
    network = node.network(*SUBNETS, isDefaultGateway=True)
    theirs = node.cnitool(
        conflist(network | {"type": "bridge", "ipam": network["ipam"] | {"type": "host-local"}}), PEERS
    )
    old, new = node.pod("old"), node.pod("new")
    theirs.succeed("add", old)
    bridge = node.bridge()
    plugin.add(network, new).succeeded()
    assert (node.bridge()["ifindex"], node.bridge()["address"]) == (bridge["ifindex"], bridge["address"])
    assert new.addresses("eth0") == ["10.22.0.3/24", "fd00:22::3/64"]
    # fd00:22::1 would not answer yet: the reference leaves its IPv6 gateway to two seconds of DAD.
    assert [ip for ip in ("10.22.0.2", "fd00:22::2", "10.22.0.1") if not new.reaches(ip)] == []
    theirs.succeed("check", old)
    plugin.gc(network, node.leases().values()).succeeded()
    assert len(node.leases()) == 4
    plugin.delete(network, new).succeeded()
    assert old.reaches("10.22.0.1")
    theirs.succeed("check", old)


def test_ours_deletes_what_the_reference_added(node: Node, pod: Pod, plugin: Plugin) -> None:
    """The runtime calls whichever plugin the conflist names by the time of DEL."""
    network = node.network(*SUBNETS, isDefaultGateway=True)
    reference = node.plugin("bridge", PEERS)
    result = reference.add(network, pod, path=(BIN,)).succeeded()
    plugin.check(network, pod, result).succeeded()
    plugin.delete(network, pod, result).succeeded()
    assert (node.leases(), set(node.links()), set(pod.links())) == ({}, {"lo", "cni0"}, {"lo"})


def test_the_reference_checks_and_deletes_what_ours_added(node: Node, pod: Pod, plugin: Plugin) -> None:
    network = node.network(*SUBNETS, isDefaultGateway=True)
    reference = node.plugin("bridge", PEERS)
    result = plugin.add(network, pod).succeeded()
    reference.check(network, pod, result, path=(BIN,)).succeeded()
    reference.delete(network, pod, result, path=(BIN,)).succeeded()
    assert (node.leases(), set(node.links()), set(pod.links())) == ({}, {"lo", "cni0"}, {"lo"})
