"""STATUS names the chain of another table that lets nothing of the pods pass, and is silent where it cannot know."""

from __future__ import annotations

from typing import Any

import pytest

from tests.world import Node, Plugin, Pod
from tests.world.node import OUTSIDE_IPS

SUBNETS = ("10.1.2.0/24", "fd00:2::/64")
IPTABLES = "chain ip filter FORWARD"
INET = "table inet f { chain f { type filter hook forward priority 0; %s; }; }"

DROPPING = {
    "a policy": (IPTABLES, "iptables -P FORWARD DROP"),
    "IPv6's policy": ("chain ip6 filter FORWARD", "ip6tables -P FORWARD DROP"),
    "docker's rules": (
        IPTABLES,
        "iptables -P FORWARD DROP; iptables -N USER; iptables -A USER -j RETURN; iptables -A FORWARD -j USER;"
        "iptables -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT;"
        "iptables -A FORWARD -i docker0 ! -o docker0 -j ACCEPT; iptables -A FORWARD -i br-+ -j ACCEPT",
    ),
    "what is established passes": (INET, "policy drop; ct state established,related accept"),
    "other links pass": (INET, 'policy drop; iifname "virbr*" accept; oifname "eth1" accept'),
    "a rule": (INET, "counter log reject with icmpx admin-prohibited"),
    "a rule with a comment": (IPTABLES, "iptables -A FORWARD -m comment --comment closed -j REJECT"),
    "a chain that others go to": (
        IPTABLES,
        "iptables -N X; iptables -A FORWARD -g X; iptables -A FORWARD -j ACCEPT; iptables -P FORWARD DROP",
    ),
}

PASSING = {
    "no rules": ("", "true"),
    "a policy to accept": ("", "iptables -P FORWARD ACCEPT"),
    "the bridge is accepted": ("", "iptables -P FORWARD DROP; iptables -A FORWARD -i cni0 -j ACCEPT"),
    "bridges are accepted": ("", "iptables -P FORWARD DROP; iptables -A FORWARD -i cni+ -j ACCEPT"),
    "the way out is accepted": ("", "iptables -P FORWARD DROP; iptables -A FORWARD -o eth0 -j ACCEPT"),
    "new is accepted": ("", "iptables -P FORWARD DROP; iptables -A FORWARD -m conntrack --ctstate NEW -j ACCEPT"),
    "not established": ("", "iptables -P FORWARD DROP; iptables -A FORWARD -m conntrack ! --ctstate INVALID -j ACCEPT"),
    "a subnet, perhaps the pods'": ("", "iptables -P FORWARD DROP; iptables -A FORWARD -s 10.1.2.0/24 -j ACCEPT"),
    "a mark, perhaps": ("", "iptables -P FORWARD DROP; iptables -A FORWARD -m mark --mark 1 -j ACCEPT"),
    "some is refused": ("", "iptables -A FORWARD -p tcp -j REJECT"),
    "returned before the drop": (
        "",
        "iptables -N X; iptables -A FORWARD -j X; iptables -A X -i cni0 -j RETURN; iptables -A X -j DROP",
    ),
    "a map, perhaps": (INET, "policy drop; ct state vmap { established : accept, new : accept }"),
    "a set, perhaps": (INET, 'policy drop; iifname { "a", "cni0" } accept'),
    "a limit, perhaps": (INET, "policy drop; limit rate 10/second accept"),
    "another hook": (INET.replace("forward", "input"), "policy drop"),
}


def network(node: Node, **keys: Any) -> dict[str, Any]:
    return node.network(*SUBNETS, isDefaultGateway=True, **keys)


def arrange(node: Node, where: str, rules: str) -> None:
    node.run(["nft", where % rules] if "%" in where else ["sh", "-c", rules])


@pytest.mark.parametrize("case", DROPPING)
def test_what_drops_in_any_case_is_named(node: Node, pod: Pod, plugin: Plugin, case: str) -> None:
    where, rules = DROPPING[case]
    node.outside(*SUBNETS)
    plugin.add(network(node), pod).succeeded()
    arrange(node, where, rules)
    chain = "chain inet f f" if where is INET else where
    error = plugin.status(network(node, ingressPolicy="open")).failed(50)
    assert error["msg"] == f"{chain} drops what pods of cni0 send beyond it"
    reply = plugin.status(network(node))
    assert reply.succeeded() == {} and chain in reply.stderr, "a firewall plugin behind may let them pass"
    assert not all(pod.reaches(ip, seconds=1) for ip in OUTSIDE_IPS)


@pytest.mark.parametrize("case", PASSING)
def test_what_may_pass_is_not(node: Node, plugin: Plugin, case: str) -> None:
    where, rules = PASSING[case]
    node.outside(*SUBNETS)
    arrange(node, where, rules)
    reply = plugin.status(network(node, ingressPolicy="open"))
    assert (reply.succeeded(), reply.stderr) == ({}, "")


def test_a_network_that_is_no_gateway_forwards_nothing(node: Node, plugin: Plugin) -> None:
    arrange(node, IPTABLES, "iptables -P FORWARD DROP")
    assert plugin.status(node.network(*SUBNETS, ingressPolicy="open")).succeeded() == {}
