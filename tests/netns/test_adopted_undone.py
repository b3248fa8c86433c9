"""A link that an earlier plugin made is as it was found after an ADD that fails or is interrupted."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable

import pytest

from tests.netns.earlier import Conf, lasting, network
from tests.world import Node, Plugin, Pod


def spoil_range(conf: Conf) -> None:
    conf["ipam"]["ranges"][0] = [{"subnet": "10.22.0.0/24", "rangeStart": "10.22.0.2", "rangeEnd": "10.22.0.2"}]


def spoil_gateway(conf: Conf) -> None:
    conf["ipam"]["ranges"][0] = [{"subnet": "10.23.0.0/24"}]


def spoil_route(conf: Conf) -> None:
    """The last of them."""
    conf["ipam"]["routes"] = [{"dst": "10.8.0.0/16"}, {"dst": "10.9.0.0/16", "gw": "172.16.0.1"}]


@pytest.mark.parametrize("state", ["up", "down"])
@pytest.mark.parametrize(
    ("kind", "spoil", "code"),
    [
        ("tap", spoil_range, 102),
        ("tap", spoil_gateway, 7),
        ("pair", spoil_range, 102),
        ("pair", spoil_gateway, 7),
        ("pair", spoil_route, 100),
    ],
)
def test_a_failure_is_undone(
    node: Node,
    pod: Pod,
    plugin: Plugin,
    request: pytest.FixtureRequest,
    kind: str,
    spoil: Callable[[Conf], None],
    code: int,
    state: str,
) -> None:
    earlier = request.getfixturevalue(kind)
    plugin.add(network(node), node.pod()).succeeded()
    node.batch(f"link set {earlier['interfaces'][0]['name']} {state}")
    if kind == "pair":
        pod.batch(f"link set eth0 {state}", "addr add 192.0.2.7/32 dev eth0")
    before = lasting(node, pod)
    bad = network(node, hairpinMode=True)
    spoil(bad)
    plugin.add(bad, pod, earlier).failed(code)
    assert lasting(node, pod) == before
    result = plugin.add(network(node), pod, earlier).succeeded()
    plugin.check(network(node), pod, result).succeeded()


def test_a_port_of_the_bridge_is_taken_as_it_is(node: Node, pod: Pod, plugin: Plugin, earlier: Conf) -> None:
    name = earlier["interfaces"][0]["name"]
    plugin.add(network(node), node.pod()).succeeded()
    node.batch(f"link set {name} master cni0", f"link set {name} type bridge_slave hairpin on")
    before = lasting(node, pod)
    bad = network(node, portIsolation=True)
    spoil_range(bad)
    plugin.add(bad, pod, earlier).failed(102)
    assert lasting(node, pod) == before
    result = plugin.add(network(node), pod, earlier).succeeded()
    plugin.check(network(node), pod, result).succeeded()


def test_an_end_in_the_pod_that_is_missing_or_nobody_told_of_is_a_conflict(
    node: Node, pod: Pod, plugin: Plugin, pair: Conf, tap: Conf
) -> None:
    before = lasting(node, pod)
    untold = {"cniVersion": "1.1.0", "interfaces": [{"name": "tap0"}]}
    assert "already exists" in plugin.add(network(node), pod, untold).failed(101)["msg"]
    assert lasting(node, pod) == before
    pod.batch("link set eth0 name eth1")
    assert "which prevResult names" in plugin.add(network(node), pod, pair).failed(101)["msg"]


def test_a_failed_add_of_another_leaves_the_gateway_that_it_uses(
    node: Node, pod: Pod, plugin: Plugin, tap: Conf
) -> None:
    plugin.add(network(node), pod, tap).succeeded()
    node.batch("addr del 10.22.0.1/24 dev cni0")
    bad = network(node)
    spoil_route(bad)
    plugin.add(bad, node.pod()).failed(100)
    assert "10.22.0.1/24" in node.addresses("cni0")


@pytest.mark.standalone
def test_an_add_interrupted_at_any_netlink_call_leaves_all_or_nothing(
    node: Node, pod: Pod, plugin: Plugin, pair: Conf
) -> None:
    conf = network(node)
    plugin.add(conf, node.pod()).succeeded()
    before, codes = lasting(node, pod), set()
    for number in itertools.count(1):
        inject = ["-e", "trace=sendto", "-e", f"inject=sendto:signal=TERM:when={number}"]
        process = plugin.start("ADD", pod, wrap=["strace", "-f", "-qq", "-o", "/dev/null", *inject])
        process.communicate(json.dumps(conf | {"prevResult": pair}), 60)
        codes.add(process.returncode)
        if process.returncode == 0:
            plugin.delete(conf, pod).succeeded()
            break
        assert lasting(node, pod) == before, number
    assert number > 8 and codes == {0, 1}
