"""STATUS: 0 where an ADD can succeed, else 50 and why (SPEC section 2)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.world import Node, Plugin, Pod
from tests.world.scripted import ScriptedIPAM, failure

READ_ONLY = ["unshare", "--mount", "sh", "-c"]


@pytest.mark.parametrize(
    "keys", [{}, {"isDefaultGateway": True}, {"ipam": {}}, {"mtu": 1400, "hairpinMode": True}], ids=str
)
def test_ready_on_a_fresh_node(node: Node, plugin: Plugin, keys: dict[str, Any]) -> None:
    before = node.state()
    assert plugin.status(node.network("10.1.2.0/24") | keys).succeeded() == {}
    assert node.state() == before


def test_ready_with_pods_on_the_bridge(node: Node, pod: Pod, plugin: Plugin) -> None:
    conf = node.network("10.1.2.0/24", isGateway=True)
    plugin.add(conf, pod).succeeded()
    before = node.state(), node.leases()
    plugin.status(conf).succeeded()
    assert (node.state(), node.leases()) == before


@pytest.mark.parametrize("kind", ["veth", "bridge"])
def test_the_bridge_name_taken_by_something_else(node: Node, plugin: Plugin, kind: str) -> None:
    node.batch(f"link add name cni0 type {kind}")
    reply = plugin.status(node.network("10.1.2.0/24"))
    if kind == "bridge":
        reply.succeeded()
    else:
        error = reply.failed(50)
        assert error["msg"] == "'cni0' is not a bridge" and "veth" in error["details"]


@pytest.mark.parametrize("subnet", ["10.1.2.0/24", "fd00::/64"])
@pytest.mark.parametrize("is_gateway", [True, False])
def test_forwarding_that_cannot_be_set(node: Node, pod: Pod, plugin: Plugin, subnet: str, is_gateway: bool) -> None:
    """Nor can an ADD do without kernel parameters where the bridge is no gateway."""
    conf = node.network(subnet, isGateway=is_gateway)
    script = 'mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys && exec "$0"'
    error = plugin.status(conf, wrap=[*READ_ONLY, script]).failed(50)
    assert "forwarding" in error["msg"] and "/proc/sys" in error["details"]
    error = plugin.add(conf, pod, wrap=[*READ_ONLY, script]).failed(100)
    assert "set sysctl" in error["msg"] and "read-only" in error["details"]
    assert set(node.links()) == set(pod.links()) == {"lo"}
    assert node.leases() == {}


@pytest.mark.parametrize("place", ["below a file", "read-only"])
def test_a_store_that_is_missing_or_unwritable(node: Node, plugin: Plugin, place: str) -> None:
    conf = node.network("10.1.2.0/24")
    if place == "below a file":
        node.store.touch()
        reply = plugin.status(conf)
    else:
        (node.store / "net").mkdir(parents=True)
        script = f'mount --bind {node.store} {node.store} && mount -o remount,ro,bind {node.store} && exec "$0"'
        reply = plugin.status(conf, wrap=[*READ_ONLY, script])
    assert str(node.store) in reply.failed(50)["msg"]


def test_an_exhausted_range_with_its_counts(node: Node, pod: Pod, plugin: Plugin) -> None:
    conf = node.network("10.1.2.0/30", "fd00::/64")
    plugin.status(conf).succeeded()
    plugin.add(conf, pod).succeeded()
    error = plugin.status(conf).failed(50)
    assert error["msg"] == "no IP addresses available in range set: 10.1.2.1-10.1.2.2"
    assert "0 free, 1 used" in error["details"].splitlines()[0]
    plugin.delete(conf, pod).succeeded()
    plugin.status(conf).succeeded()


@pytest.mark.parametrize("code", [50, 51])
def test_what_the_delegate_says(node: Node, plugin: Plugin, code: int) -> None:
    foreign = ScriptedIPAM(node, STATUS=failure(code, "no lease to be had"))
    conf = node.network(ipam={"type": foreign.type})
    assert plugin.status(conf, path=[foreign.directory]).failed(code)["msg"] == "no lease to be had"
    foreign.write()
    plugin.status(conf, path=[foreign.directory]).succeeded()
    assert foreign.calls == ["STATUS", "STATUS"]


def test_a_missing_delegate(node: Node, plugin: Plugin) -> None:
    error = plugin.status(node.network(ipam={"type": "no-such-plugin"})).failed(50)
    assert "no-such-plugin" in error["msg"]


def test_a_configuration_that_no_add_would_take(node: Node, plugin: Plugin) -> None:
    assert plugin.status(node.network("10.1.2.0/24", mtu=1)).failed(7)["msg"].startswith("mtu: ")
    assert plugin.status(node.network("10.1.2.0/40")).failed(7)["msg"].startswith("ipam.ranges[0][0].subnet: ")


def test_status_came_with_version_1_1_0(node: Node, plugin: Plugin) -> None:
    plugin.status(node.network("10.1.2.0/24", cniVersion="1.0.0")).failed(1)
