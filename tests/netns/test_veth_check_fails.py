"""CHECK finds what would cut a pod off, most of which the reference passes over (reference-behaviour 2.1)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.world import Node, Plugin, Pod
from tests.world.scripted import ScriptedIPAM, answer, failure

# Commands of ip(8), {port} for the host's end; in the node, in the pod; what CHECK says.
CHANGES = {
    "IPv4 gateway address removed": ("addr del 10.1.2.1/24 dev cni0", "", "gateway address 10.1.2.1/24 is missing"),
    "IPv6 gateway address removed": ("addr del fd00::1/64 dev cni0", "", "gateway address fd00::1/64 is missing"),
    "hairpin changed": ("link set {port} type bridge_slave hairpin on", "", "hairpin mode of {port} is on"),
    "isolation changed": ("link set {port} type bridge_slave isolated on", "", "isolation of {port} is on"),
    "bridge MTU lowered": ("link set cni0 mtu 1300", "", "bridge cni0 has MTU 1300, lower than eth0's 1500"),
    "pod MTU raised": ("", "link set eth0 mtu 1600", "eth0 has MTU 1600, expected 1500"),
    "pod MTU lowered": ("", "link set eth0 mtu 1400", "eth0 has MTU 1400, expected 1500"),
    "host link down": ("link set {port} down", "", "{port} is down"),
    "pod link down": ("", "link set eth0 down", "eth0 is down, expected up"),
    "bridge down": ("link set cni0 down", "", "bridge cni0 is down"),
    "bridge deleted": ("link del cni0", "", "bridge cni0 is missing"),
    "bridge MAC changed": ("link set cni0 address 02:00:00:00:00:99", "", "bridge cni0 has MAC 02:00:00:00:00:99"),
    "port detached": ("link set {port} nomaster", "", "{port} is not a port of bridge cni0"),
    "port deleted": ("link del {port}", "", "interface eth0 is missing"),
    "pod link deleted": ("", "link del eth0", "interface eth0 is missing"),
    "pod link of another kind": ("link del {port}", "link add name eth0 type bridge", "eth0 is a bridge link"),
    "pod MAC changed": ("", "link set eth0 address 02:00:00:00:00:99", "eth0 has MAC 02:00:00:00:00:99, expected"),
    "IPv4 address removed": ("", "addr del 10.1.2.2/24 dev eth0", "address 10.1.2.2/24 is missing on eth0"),
    "IPv6 address removed": ("", "addr del fd00::2/64 dev eth0", "address fd00::2/64 is missing on eth0"),
    "default route removed": ("", "route del default", "route 0.0.0.0/0 via 10.1.2.1 of eth0 is missing"),
    "default route changed": ("", "route replace default via 10.1.2.9", "route 0.0.0.0/0 via 10.1.2.1 of eth0"),
    "IPv6 default route removed": ("", "-6 route del default", "route ::/0 via fd00::1 of eth0 is missing"),
    "subnet's route removed": ("", "route del 10.1.2.0/24", "route 10.1.2.0/24 of eth0 is missing"),
}


def network(node: Node, **keys: Any) -> dict[str, Any]:
    return node.network("10.1.2.0/24", "fd00::/64", isDefaultGateway=True, **keys)


def problems(plugin: Plugin, conf: dict[str, Any], pod: Pod, result: dict[str, Any], **call: Any) -> list[str]:
    """The differences that CHECK finds."""
    error = plugin.check(conf, pod, result, **call).failed(103)
    lines: list[str] = error["details"].split("\n")
    if lines == [""]:
        return [error["msg"].removeprefix("CHECK failed: ")]
    assert error["msg"] == f"CHECK failed: {lines[0]} (and {len(lines) - 1} more)"
    return lines


@pytest.mark.parametrize("change", CHANGES)
def test_check_fails_for(node: Node, pod: Pod, plugin: Plugin, change: str) -> None:
    result = plugin.add(conf := network(node), pod).succeeded()
    plugin.check(conf, pod, result).succeeded()
    in_node, in_pod, words = CHANGES[change]
    port = result["interfaces"][1]["name"]
    if in_node:
        node.batch(in_node.format(port=port))
    if in_pod:
        pod.run(["ip", *in_pod.split()])
    assert any(words.format(port=port) in line for line in problems(plugin, conf, pod, result))


def test_check_fails_for_a_changed_prefix(node: Node, pod: Pod, plugin: Plugin) -> None:
    result = plugin.add(conf := network(node), pod).succeeded()
    pod.batch("addr del 10.1.2.2/24 dev eth0", "addr add 10.1.2.2/16 dev eth0", "route add default via 10.1.2.1")
    assert "address 10.1.2.2 on eth0 has prefix /16, expected /24" in problems(plugin, conf, pod, result)


@pytest.mark.parametrize(
    "name", ["net.ipv4.ip_forward", "net.ipv4.conf.cni0.forwarding", "net.ipv6.conf.all.forwarding"]
)
def test_check_fails_for_forwarding_switched_off(node: Node, pod: Pod, plugin: Plugin, name: str) -> None:
    result = plugin.add(conf := network(node), pod).succeeded()
    node.sysctl(name, 0)
    assert any(f"forwarding is off ({name})" in line for line in problems(plugin, conf, pod, result))


def test_check_fails_for_a_bridge_wider_than_its_pods(node: Node, pod: Pod, plugin: Plugin) -> None:
    """What is too big for a port is dropped without a word to the sender."""
    result = plugin.add(conf := network(node, mtu=1400), pod).succeeded()
    plugin.check(conf, pod, result).succeeded()
    node.batch("link set cni0 mtu 1500")
    [line] = problems(plugin, conf, pod, result)
    assert line.startswith("bridge cni0 has MTU 1500, ") and "1400" in line


def test_check_fails_for_a_host_end_in_another_namespace(node: Node, pod: Pod, plugin: Plugin) -> None:
    result = plugin.add(conf := network(node), pod).succeeded()
    node.batch(f"link set {result['interfaces'][1]['name']} netns {node.pod('elsewhere').name}")
    assert "the host's end of eth0 is missing in this namespace" in problems(plugin, conf, pod, result)


@pytest.mark.parametrize(("key", "switch"), [("hairpinMode", "hairpin off"), ("portIsolation", "isolated off")])
def test_check_fails_for_a_port_flag_switched_off(node: Node, pod: Pod, plugin: Plugin, key: str, switch: str) -> None:
    result = plugin.add(conf := network(node, **{key: True}), pod).succeeded()
    plugin.check(conf, pod, result).succeeded()
    node.batch(f"link set {result['interfaces'][1]['name']} type bridge_slave {switch}")
    [line] = problems(plugin, conf, pod, result)
    assert line.endswith("is off, expected on")


def test_check_fails_for_promisc_mode_switched_off(node: Node, pod: Pod, plugin: Plugin) -> None:
    result = plugin.add(conf := network(node, promiscMode=True), pod).succeeded()
    plugin.check(conf, pod, result).succeeded()
    node.batch("link set cni0 promisc off")
    assert problems(plugin, conf, pod, result) == ["bridge cni0 is not promiscuous, expected promiscMode"]


def test_check_fails_for_a_link_set_up_that_is_to_be_down(node: Node, pod: Pod, plugin: Plugin) -> None:
    result = plugin.add(conf := node.network(disableContainerInterface=True), pod).succeeded()
    plugin.check(conf, pod, result).succeeded()
    pod.batch("link set eth0 up")
    assert problems(plugin, conf, pod, result) == ["eth0 is up, expected down"]


@pytest.mark.parametrize("content", [None, "another\r\neth0"], ids=["removed", "another's"])
def test_check_fails_for_the_reservation(node: Node, pod: Pod, plugin: Plugin, content: str | None) -> None:
    result = plugin.add(conf := network(node), pod).succeeded()
    lease = node.store / "net" / "10.1.2.2"
    if content is None:
        lease.unlink()
    else:
        lease.write_text(content)
    [line] = problems(plugin, conf, pod, result)
    assert line.startswith(f"expected 10.1.2.2 to be reserved for container {pod.container_id} eth0")


def test_check_tells_a_foreign_ipam_s_difference_among_the_others(node: Node, pod: Pod, plugin: Plugin) -> None:
    foreign = ScriptedIPAM(node, ADD=answer("10.1.2.5/24"), CHECK=failure(100, "the lease ran out"))
    conf = node.network(ipam={"type": foreign.type}, isGateway=True)
    result = plugin.add(conf, pod, path=[foreign.directory]).succeeded()
    pod.batch("link set eth0 address 02:00:00:00:00:99")
    lines = problems(plugin, conf, pod, result, path=[foreign.directory])
    assert lines[0].startswith("eth0 has MAC")
    assert lines[1] == "scripted: the lease ran out"
    assert foreign.calls == ["ADD", "CHECK"]


def test_check_tells_all_differences_at_once(node: Node, pod: Pod, plugin: Plugin) -> None:
    result = plugin.add(conf := network(node), pod).succeeded()
    port = result["interfaces"][1]["name"]
    node.batch("addr del 10.1.2.1/24 dev cni0", f"link set {port} type bridge_slave hairpin on isolated on")
    node.sysctl("net.ipv4.ip_forward", 0)
    pod.batch("route del default", "addr del fd00::2/64 dev eth0", "link set eth0 address 02:00:00:00:00:99")
    (node.store / "net" / "10.1.2.2").unlink()
    error = plugin.check(conf, pod, result).failed(103)
    found = error["details"].split("\n")
    for words in ("gateway address 10.1.2.1", "hairpin", "isolation", "forwarding", "route 0.0.0.0/0", "fd00::2/64"):
        assert sum(words in line for line in found) >= 1, words
    assert sum("MAC" in line for line in found) == sum("reserved" in line for line in found) == 1
    assert error["msg"].endswith(f"(and {len(found) - 1} more)")


def test_check_fails_where_the_pod_is_gone(node: Node, pod: Pod, plugin: Plugin) -> None:
    result = plugin.add(conf := network(node), pod).succeeded()
    pod.delete()
    assert pod.path in plugin.check(conf, pod, result).failed(8)["msg"]


def test_check_needs_a_prev_result(node: Node, pod: Pod, plugin: Plugin) -> None:
    plugin.add(conf := network(node), pod).succeeded()
    assert plugin.check(conf, pod, None).failed(7)["msg"].startswith("prevResult: ")
