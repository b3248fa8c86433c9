"""Many calls at once on one node: what a node's start, or a rollout, does to a plugin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.world import Node, Plugin, Pod, Reply

COUNT = 50
Conf = dict[str, Any]


def at_once(call: Callable[[Pod], Reply], pods: Sequence[Pod]) -> list[Reply]:
    """One call per pod, all under way at the same time."""
    with ThreadPoolExecutor(len(pods)) as pool:
        return list(pool.map(call, pods))


def addresses(replies: Sequence[Reply]) -> list[str]:
    return [ip["address"] for reply in replies for ip in reply.succeeded()["ips"]]


def test_fifty_adds_at_once_on_a_fresh_node_then_fifty_dels(node: Node, plugin: Plugin) -> None:
    """plugins#366: first ADDs race for the bridge, its address and the store."""
    pods = [node.pod() for _ in range(COUNT)]
    conf = node.network("10.1.0.0/16", "fd00::/64", isDefaultGateway=True)
    replies = at_once(lambda pod: plugin.add(conf, pod), pods)
    given = addresses(replies)
    assert len(set(given)) == len(given) == 2 * COUNT
    assert {reply.json["interfaces"][0]["mac"] for reply in replies} == {node.bridge()["address"]}
    assert node.addresses("cni0") == ["10.1.0.1/16", "fd00::1/64"]
    assert len(node.ports()) == COUNT
    assert len(node.links()) == COUNT + 2, "one bridge"
    assert {owner for owner in node.leases().values()} == {(pod.container_id, "eth0") for pod in pods}
    assert pods[0].reaches(given[-2].partition("/")[0]) and pods[0].reaches(given[-1].partition("/")[0])
    for pod, reply in zip(pods[:3], replies[:3], strict=True):
        plugin.check(conf, pod, reply.json).succeeded()

    for reply in at_once(lambda pod: plugin.delete(conf, pod), pods):
        reply.succeeded()
    assert set(node.links()) == {"lo", "cni0"}
    assert node.leases() == {}
    assert all(set(pod.links()) == {"lo"} for pod in pods)


@pytest.mark.parametrize("is_bridge_there", [False, True], ids=["fresh node", "bridge in use"])
def test_failing_adds_at_once_take_nothing_from_the_good_ones(
    node: Node, plugin: Plugin, is_bridge_there: bool
) -> None:
    """A failed first ADD takes its new bridge back, but not from under another pod."""
    good = node.network("10.1.0.0/16", isDefaultGateway=True)
    bad = node.network(isDefaultGateway=True)
    bad["ipam"] = node.ipam("10.1.0.0/16", routes=[{"dst": "10.9.0.0/16", "gw": "172.16.0.1"}])
    if is_bridge_there:
        plugin.add(good, node.pod()).succeeded()
    pods = [node.pod() for _ in range(24)]
    confs = {pod.name: bad if number % 2 else good for number, pod in enumerate(pods)}
    replies = at_once(lambda pod: plugin.add(confs[pod.name], pod), pods)
    for pod, reply in zip(pods, replies, strict=True):
        if confs[pod.name] is bad:
            reply.failed(100)
            assert set(pod.links()) == {"lo"}
        else:
            reply.succeeded()
            assert pod.reaches("10.1.0.1")
    given = addresses([reply for reply in replies if reply.code == 0])
    assert len(set(given)) == 12
    assert len(node.ports()) == len(node.leases()) == 12 + is_bridge_there
    for pod, reply in zip(pods, replies, strict=True):
        if reply.code == 0:
            plugin.check(good, pod, reply.json).succeeded()


def test_failing_adds_at_once_leave_a_fresh_node_as_it_was(node: Node, plugin: Plugin) -> None:
    pods = [node.pod() for _ in range(12)]
    conf = node.network(isDefaultGateway=True)
    conf["ipam"] = node.ipam("10.1.0.0/16", routes=[{"dst": "10.9.0.0/16", "gw": "172.16.0.1"}])
    for reply in at_once(lambda pod: plugin.add(conf, pod), pods):
        reply.failed(100)
    assert set(node.links()) - {"cni0"} == {"lo"}
    assert node.ports() == {}
    assert node.leases() == {}


def test_adds_and_dels_at_once_do_not_disturb_each_other(node: Node, plugin: Plugin) -> None:
    conf = node.network("10.1.0.0/24", isDefaultGateway=True)
    leaving, coming = ([node.pod() for _ in range(10)] for _ in range(2))
    for reply in at_once(lambda pod: plugin.add(conf, pod), leaving):
        reply.succeeded()

    def turn(pod: Pod) -> Reply:
        return plugin.delete(conf, pod) if pod in leaving else plugin.add(conf, pod)

    for reply in at_once(turn, [pod for pair in zip(leaving, coming, strict=True) for pod in pair]):
        reply.succeeded()
    assert {owner for owner in node.leases().values()} == {(pod.container_id, "eth0") for pod in coming}
    assert len(node.ports()) == 10
    assert all(pod.reaches("10.1.0.1") for pod in coming)


def test_two_networks_on_one_bridge_started_at_once(node: Node, plugin: Plugin) -> None:
    """Their gateways stand side by side where the families differ."""
    confs = [
        node.network("10.1.0.0/24", name="v4", isGateway=True),
        node.network("fd00::/64", name="v6", isGateway=True),
    ]
    pods = [node.pod() for _ in range(8)]
    for reply in at_once(lambda pod: plugin.add(confs[pods.index(pod) % 2], pod), pods):
        reply.succeeded()
    assert node.addresses("cni0") == ["10.1.0.1/24", "fd00::1/64"]
    assert pods[0].reaches("10.1.0.1") and pods[1].reaches("fd00::1")


def test_one_attachment_added_twice_at_once_is_there_once(node: Node, pod: Pod, plugin: Plugin) -> None:
    """No runtime may do that; whoever comes second is refused and takes nothing away."""
    conf = node.network("10.1.0.0/24", isDefaultGateway=True)
    replies = at_once(lambda pod: plugin.add(conf, pod), [pod] * 4)
    [won] = [reply for reply in replies if reply.code == 0]
    assert len(node.ports()) == 1
    assert node.leases() == {won.json["ips"][0]["address"].partition("/")[0]: (pod.container_id, "eth0")}
    plugin.check(conf, pod, won.json).succeeded()
