"""Beside the reference: its IPAM plugins as our delegates, its pods deleted by ours and ours by it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.world import BIN, PEERS, Node, Plugin, Pod
from tests.world.server import until

pytestmark = pytest.mark.peers
Conf = dict[str, Any]
SUBNETS = ("10.1.2.0/24", "fd00::/64")


@pytest.fixture
def reference(node: Node) -> Plugin:
    """The Go `bridge` v1.9.1."""
    found = node.plugin("bridge", PEERS)
    found.path = (PEERS, BIN)
    return found


@pytest.fixture
def ours(plugin: Plugin) -> Plugin:
    """The built cni-veth, with the reference's plugins in CNI_PATH."""
    plugin.path = (BIN, PEERS)
    return plugin


def network(node: Node, ipam: str, **keys: Any) -> Conf:
    conf = node.network(*SUBNETS, isDefaultGateway=True, **keys)
    conf["ipam"]["type"] = ipam
    return conf


def assert_gone(node: Node, pod: Pod) -> None:
    assert set(node.links()) == {"lo", "cni0"}
    assert set(pod.links()) == {"lo"}
    assert node.leases() == {}


def test_the_reference_host_local_as_ipam(node: Node, pod: Pod, ours: Plugin) -> None:
    conf = network(node, "host-local")
    ours.status(conf).succeeded()
    result = ours.add(conf, pod).succeeded()
    assert pod.addresses("eth0") == ["10.1.2.2/24", "fd00::2/64"]
    assert pod.reaches("10.1.2.1") and pod.reaches("fd00::1")
    ours.check(conf, pod, result).succeeded()
    (node.store / "net" / "10.1.2.2").rename(node.dir / "lease")
    (node.store / "net" / "fd00::2").unlink()
    assert ours.check(conf, pod, result).failed(999)["msg"].startswith("host-local: Failed to find address")
    (node.dir / "lease").rename(node.store / "net" / "10.1.2.2")
    ours.delete(conf, pod, result).succeeded()
    assert_gone(node, pod)


def test_the_reference_static_as_ipam(node: Node, pod: Pod, ours: Plugin) -> None:
    addresses = [{"address": "10.1.2.7/24", "gateway": "10.1.2.1"}, {"address": "fd00::7/64"}]
    routes = [{"dst": "10.9.0.0/16"}]
    dns = {"nameservers": ["10.1.2.53"]}
    conf = node.network(
        isDefaultGateway=True, ipam={"type": "static", "addresses": addresses, "routes": routes, "dns": dns}
    )
    result = ours.add(conf, pod).succeeded()
    assert pod.addresses("eth0") == ["10.1.2.7/24", "fd00::7/64"]
    assert node.addresses("cni0") == ["10.1.2.1/24", "fd00::1/64"], "the gateway it does not name is the first IP"
    assert pod.reaches("10.1.2.1") and pod.reaches("fd00::1")
    assert result["dns"] == dns
    ours.check(conf, pod, result).succeeded()
    ours.delete(conf, pod, result).succeeded()
    assert_gone(node, pod)


@pytest.mark.parametrize("is_forgiving", [True, False])
def test_cni_args_of_ours_reach_a_foreign_ipam_as_they_are(
    node: Node, pod: Pod, ours: Plugin, is_forgiving: bool
) -> None:
    """The reference's host-local refuses MAC=; IgnoreUnknown=1 is for that. What it refused leaves nothing."""
    args = "MAC=02:00:00:00:00:01" + (";IgnoreUnknown=1" if is_forgiving else "")
    reply = ours.add(network(node, "host-local"), pod, args=args)
    if is_forgiving:
        reply.succeeded()
        assert pod.links()["eth0"]["address"] == "02:00:00:00:00:01"
    else:
        assert "MAC=" in reply.failed(999)["msg"]
        assert set(node.links()) == set(pod.links()) == {"lo"}


@pytest.mark.parametrize("version", ["0.2.0", "0.3.1", "0.4.0", "1.0.0"])
def test_an_older_reference_result_is_understood(node: Node, pod: Pod, ours: Plugin, version: str) -> None:
    conf = network(node, "host-local", cniVersion=version)
    ours.add(conf, pod).succeeded()
    assert pod.addresses("eth0") == ["10.1.2.2/24", "fd00::2/64"]
    ours.delete(conf, pod).succeeded()
    assert_gone(node, pod)


@pytest.mark.parametrize("ipam", ["cni-ipam", "host-local"])
@pytest.mark.parametrize("is_netns_there", [True, False], ids=["netns", "no netns"])
def test_a_pod_of_the_reference_is_checked_and_deleted_by_ours(
    node: Node, pod: Pod, ours: Plugin, reference: Plugin, ipam: str, is_netns_there: bool
) -> None:
    """Drop-in: the node's agent changes the plugin while pods run."""
    result = reference.add(network(node, "host-local"), pod).succeeded()
    conf = network(node, ipam)
    ours.check(conf, pod, result).succeeded()
    if not is_netns_there:
        pod.delete()
    ours.delete(conf, pod, result).succeeded()
    assert node.leases() == {}
    until(lambda: set(node.links()) == {"lo", "cni0"})  # the kernel takes a namespace apart in its own time


@pytest.mark.parametrize("ipam", ["cni-ipam", "host-local"])
def test_a_pod_of_ours_is_checked_and_deleted_by_the_reference(
    node: Node, pod: Pod, ours: Plugin, reference: Plugin, ipam: str
) -> None:
    result = ours.add(network(node, "cni-ipam"), pod).succeeded()
    conf = network(node, ipam)
    reference.check(conf, pod, result).succeeded()
    reference.delete(conf, pod, result).succeeded()
    assert_gone(node, pod)


def test_pods_of_both_share_a_bridge_and_a_store(node: Node, ours: Plugin, reference: Plugin) -> None:
    conf = network(node, "host-local")
    pods = [node.pod() for _ in range(4)]
    plugins = (reference, ours, reference, ours)
    results = [plugin.add(conf, pod).succeeded() for plugin, pod in zip(plugins, pods, strict=True)]
    ips = [result["ips"][0]["address"].partition("/")[0] for result in results]
    assert ips == ["10.1.2.2", "10.1.2.3", "10.1.2.4", "10.1.2.5"]
    assert pods[0].reaches(ips[1]) and pods[3].reaches(ips[2])
    for pod, result in zip(pods, results, strict=True):
        ours.check(conf, pod, result).succeeded()
        reference.check(conf, pod, result).succeeded()
    for plugin, pod in zip(reversed(plugins), pods, strict=True):
        plugin.delete(conf, pod).succeeded()
    assert set(node.links()) == {"lo", "cni0"}
    assert node.leases() == {}


def test_gc_of_ours_leaves_a_pod_of_the_reference_its_link(
    node: Node, pod: Pod, ours: Plugin, reference: Plugin
) -> None:
    """Without a tag nobody can tell whose it is; its reservation is in our store, so it is ours to judge."""
    reference.add(network(node, "host-local"), pod).succeeded()
    ours.gc(network(node, "cni-ipam"), [(pod.container_id, "eth0")]).succeeded()
    assert set(pod.links()) == {"lo", "eth0"} and len(node.leases()) == 2
    ours.gc(network(node, "cni-ipam"), []).succeeded()
    assert set(pod.links()) == {"lo", "eth0"} and node.leases() == {}
