"""`ingressPolicy`: who reaches whom across bridges and within one, as with the reference firewall plugin."""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from typing import Any

import pytest

from tests.world import PEERS, Namespace, Node, Plugin, Pod
from tests.world.node import NODE_IPS, OUTSIDE_IPS

FAMILIES = [4, 6]
SAME, OPEN, ISOLATED = "same-bridge", "open", "isolated"


def network(node: Node, number: int, **keys: Any) -> dict[str, Any]:
    conf = node.network(*subnets(number), isDefaultGateway=True, **keys)
    return {**conf, "name": f"net{number}", "bridge": f"cni{number}"}


def subnets(number: int) -> tuple[str, str]:
    return f"10.1.{number}.0/24", f"fd00:{number}::/64"


class Members:
    """Pods by names such as "0a": the network's number and a letter."""

    def __init__(self, node: Node, plugin: Plugin, confs: list[dict[str, Any]], *names: str) -> None:
        self.confs = confs
        self.results: dict[str, dict[str, Any]] = {}
        self.pods: dict[str, Pod] = {}
        for name in names:
            self.pods[name] = node.pod(name)
            self.results[name] = plugin.add(confs[int(name[0])], self.pods[name]).succeeded()

    def ip(self, name: str, family: int) -> str:
        ips = [ipaddress.ip_interface(ip["address"]).ip for ip in self.results[name]["ips"]]
        return next(str(ip) for ip in ips if ip.version == family)

    def reach(self, source: str, target: str, family: int) -> bool:
        return self.pods[source].reaches(self.ip(target, family), seconds=1)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("whose", ["ours", pytest.param("the reference's", marks=pytest.mark.peers)])
def test_bridges_with_a_policy_are_closed_to_each_other(node: Node, plugin: Plugin, whose: str, family: int) -> None:
    outside = node.outside(*(subnet for number in range(3) for subnet in subnets(number)))
    policies = [SAME, SAME, OPEN]
    keys = [{"ingressPolicy": policy} if whose == "ours" else {} for policy in policies]
    confs = [network(node, number, **keys[number]) for number in range(3)]
    members = Members(node, plugin, confs, "0a", "0b", "1a", "2a")
    if whose != "ours":
        for name, pod in members.pods.items():
            firewall(node, policies[int(name[0])], pod, members.results[name])
    reached = {(one, other) for one in members.pods for other in members.pods if members.reach(one, other, family)}
    closed = {("0a", "1a"), ("0b", "1a"), ("1a", "0a"), ("1a", "0b")}
    assert reached == {(one, other) for one in members.pods for other in members.pods} - closed
    assert_outside(node, outside, members, "0a", family)


def firewall(node: Node, policy: str, pod: Pod, result: dict[str, Any]) -> None:
    conf = {"cniVersion": "1.0.0", "name": "any", "type": "firewall", "backend": "iptables", "ingressPolicy": policy}
    node.plugin("firewall", PEERS).add(conf, pod, {**result, "cniVersion": "1.0.0"}).succeeded()


def assert_outside(node: Node, outside: Namespace, members: Members, name: str, family: int) -> None:
    """Both ways, and the node."""
    index = FAMILIES.index(family)
    assert members.pods[name].reaches(OUTSIDE_IPS[index])
    assert outside.reaches(members.ip(name, family))
    assert members.pods[name].reaches(NODE_IPS[index])
    assert node.reaches(members.ip(name, family))


def without_br_netfilter(node: Node) -> None:
    """By which the reference isolates; where it is loaded it must not do our work."""
    for key in ("iptables", "ip6tables"):
        with suppress(FileNotFoundError):
            node.sysctl(f"net/bridge/bridge-nf-call-{key}", 0)


@pytest.mark.parametrize("family", FAMILIES)
def test_isolated_pods_reach_all_but_pods(node: Node, plugin: Plugin, family: int) -> None:
    without_br_netfilter(node)
    outside = node.outside(*subnets(0))
    confs = [network(node, 0, ingressPolicy=ISOLATED), network(node, 1, ingressPolicy=SAME)]
    members = Members(node, plugin, confs, "0a", "0b", "1a")
    for one, other in (("0a", "0b"), ("0b", "0a"), ("0a", "1a"), ("1a", "0a")):
        assert not members.reach(one, other, family)
    assert_outside(node, outside, members, "0a", family)


def test_isolated_pods_do_not_reach_each_other_through_the_gateway(node: Node, plugin: Plugin) -> None:
    """Two ports that are isolated from each other both reach the node, which would route."""
    members = Members(node, plugin, [network(node, 0, ingressPolicy=ISOLATED)], "0a", "0b")
    node.sysctl("net/ipv4/conf/cni0/send_redirects", 0)
    for one, other in (("0a", "0b"), ("0b", "0a")):
        members.pods[one].batch(f"route add {members.ip(other, 4)}/32 via 10.1.0.1")
    assert not members.reach("0a", "0b", 4)
    node.run(["nft", "delete", "table", "inet", "cni-veth"])
    assert members.reach("0a", "0b", 4), "the route alone would have worked"


def test_check_finds_a_lost_policy_and_the_next_add_puts_it_back(node: Node, plugin: Plugin) -> None:
    confs = [network(node, number, ingressPolicy=SAME) for number in range(2)]
    members = Members(node, plugin, confs, "0a", "1a")
    plugin.check(confs[0], members.pods["0a"], members.results["0a"]).succeeded()
    node.run(["nft", "flush", "ruleset"])
    error = plugin.check(confs[0], members.pods["0a"], members.results["0a"]).failed(103)
    assert "policy" in f"{error['msg']} {error['details']}"
    assert members.reach("0a", "1a", 4)
    plugin.add(confs[0], node.pod()).succeeded()
    assert not members.reach("0a", "1a", 4) and not members.reach("1a", "0a", 4)
    plugin.check(confs[1], members.pods["1a"], members.results["1a"]).succeeded()


def test_gc_takes_the_policy_of_a_network_without_pods(node: Node, plugin: Plugin) -> None:
    confs = [network(node, number, ingressPolicy=SAME) for number in range(2)]
    members = Members(node, plugin, confs, "0a", "1a")
    for number, name in enumerate(("0a", "1a")):
        plugin.delete(confs[number], members.pods[name]).succeeded()
    for conf in confs:
        plugin.gc(conf, []).succeeded()
    assert "drop" not in node.run(["nft", "list", "ruleset"]).stdout


def test_the_latest_policy_of_a_bridge_is_in_force(node: Node, plugin: Plugin) -> None:
    """Tightened and loosened again, without GC; so it is after a flush, though earlier pods' records say otherwise."""
    confs = [network(node, 0, ingressPolicy=SAME), network(node, 1, ingressPolicy=SAME)]
    members = Members(node, plugin, confs, "0a", "1a")
    assert not members.reach("0a", "1a", 4) and not members.reach("1a", "0a", 4)
    for policy, is_open in ((OPEN, True), (ISOLATED, False), (OPEN, True)):
        conf = {**confs[0], "ingressPolicy": policy}
        result = plugin.add(conf, pod := node.pod()).succeeded()
        assert members.reach("1a", "0a", 4) == members.reach("0a", "1a", 4) == is_open
        plugin.check(conf, pod, result).succeeded()
        plugin.check(confs[0], members.pods["0a"], members.results["0a"]).succeeded()
        assert plugin.status(conf).code == 0
    node.run(["nft", "flush", "ruleset"])
    plugin.add(confs[1], node.pod()).succeeded()
    assert members.reach("1a", "0a", 4) and members.reach("0a", "1a", 4)


def test_an_unknown_policy(node: Node, pod: Pod, plugin: Plugin) -> None:
    before = node.state()
    error = plugin.add(network(node, 0, ingressPolicy="closed"), pod).failed(7)
    assert error["msg"] == 'ingressPolicy: must be "open", "same-bridge" or "isolated", not \'closed\''
    assert node.state() == before
