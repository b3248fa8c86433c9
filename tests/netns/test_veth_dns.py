"""Parity with ptp_test.go: whose DNS is in the result (reference-behaviour 3.3; our plugin has no ptp mode)."""

from __future__ import annotations

from typing import Any

import pytest

from cni.versions import SUPPORTED
from tests.world import Node, Plugin, Pod
from tests.world.scripted import ScriptedIPAM, answer

IPAM_DNS = {
    "nameservers": ["10.1.2.123"],
    "domain": "some.domain.test",
    "search": ["search.test"],
    "options": ["option1:foo"],
}


def add(node: Node, pod: Pod, plugin: Plugin, version: str, **keys: Any) -> dict[str, Any]:
    """The DNS of an ADD whose IPAM has some of its own."""
    resolv_conf = node.dir / "resolv.conf"
    resolv_conf.write_text("nameserver 10.1.2.123\ndomain some.domain.test\nsearch search.test\noptions option1:foo\n")
    conf = node.network(cniVersion=version, **keys)
    conf["ipam"] = node.ipam("10.1.2.0/24", resolvConf=str(resolv_conf))
    result = plugin.add(conf, pod, ifname=f"eth{len(pod.links())}").succeeded()
    found: dict[str, Any] = result.get("dns", {})
    return found


@pytest.mark.parametrize("version", SUPPORTED)
def test_does_not_override_ipam_dns_settings_if_no_dns_settings_provided(
    node: Node, pod: Pod, plugin: Plugin, version: str
) -> None:
    assert add(node, pod, plugin, version) == IPAM_DNS
    assert add(node, pod, plugin, version, dns={}) == IPAM_DNS


@pytest.mark.parametrize("version", SUPPORTED)
def test_overrides_ipam_dns_settings_if_any_dns_settings_provided(
    node: Node, pod: Pod, plugin: Plugin, version: str
) -> None:
    for dns in (
        {"nameservers": ["10.1.2.234"]},
        {"domain": "someother.domain.test"},
        {"search": ["search.elsewhere.test"]},
        {"options": ["option2:bar"]},
    ):
        assert add(node, pod, plugin, version, dns=dns) == dns


@pytest.mark.parametrize("version", SUPPORTED)
def test_overrides_ipam_dns_settings_if_any_empty_list_dns_settings_provided(
    node: Node, pod: Pod, plugin: Plugin, version: str
) -> None:
    assert add(node, pod, plugin, version, dns={"nameservers": [], "search": [], "options": []}) == {}


def test_a_network_without_ipam_tells_its_own_dns(node: Node, pod: Pod, plugin: Plugin) -> None:
    conf = node.network(dns={"nameservers": ["10.1.2.234"]})
    assert plugin.add(conf, pod).succeeded()["dns"] == {"nameservers": ["10.1.2.234"]}


def test_the_runtimes_dns_replaces_both(node: Node, pod: Pod, plugin: Plugin) -> None:
    asked = {"servers": ["10.1.2.9"], "searches": ["pod.test"], "options": ["ndots:5"]}
    expected = {"nameservers": ["10.1.2.9"], "search": ["pod.test"], "options": ["ndots:5"]}
    keys = {"capabilities": {"dns": True}, "dns": {"domain": "network.test"}}
    assert add(node, pod, plugin, "1.0.0", runtimeConfig={"dns": asked}, **keys) == expected
    assert add(node, pod, plugin, "1.0.0", runtimeConfig={"DNS": {"Servers": ["10.1.2.9"]}}, **keys) == {
        "nameservers": ["10.1.2.9"]
    }


def test_a_runtime_without_wishes_replaces_nothing(node: Node, pod: Pod, plugin: Plugin) -> None:
    """containerd sends empty lists for a pod of the node's own DNS."""
    asked = {"servers": [], "searches": None, "options": []}
    assert add(node, pod, plugin, "1.0.0", runtimeConfig={"dns": asked}) == IPAM_DNS


def test_aliases_are_no_concern_of_ours_and_reach_the_ipam_plugin(node: Node, pod: Pod, plugin: Plugin) -> None:
    """podman sends them by network, for its dnsname plugin."""
    ipam = ScriptedIPAM(node, ADD=answer("10.1.2.7/24"))
    plugin.path = (*plugin.path, ipam.directory)
    asked = {"aliases": {"net": ["db", "db.pod"]}}
    conf = node.network(strict=True, capabilities={"aliases": True}, runtimeConfig=asked, ipam={"type": ipam.type})
    reply = plugin.add(conf, pod)
    reply.succeeded()
    assert (reply.stderr, ipam.stdin["runtimeConfig"]) == ("", asked)
