"""Sysctls and link attributes of the pod, as the reference tuning sets them (reference-behaviour 2.10)."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from tests.netns import earlier as before
from tests.world import PEERS, Node, Plugin, Pod
from tests.world.cnitool import conflist
from tests.world.places import BIN

SUBNET = "10.1.2.0/24"
ARP_FILTER = {"net.ipv4.conf.IFNAME.arp_filter": "1"}


def network(node: Node, **keys: Any) -> dict[str, Any]:
    return node.network(SUBNET, **keys)


# --- sysctl


@pytest.mark.parametrize(
    ("key", "value", "read"),
    [
        ("net.core.somaxconn", "500", "net/core/somaxconn"),
        ("net.ipv4.conf.IFNAME.arp_filter", "1", "net/ipv4/conf/eth0.1/arp_filter"),
        ("net/ipv4/conf/eth0.1/arp_filter", "1", "net/ipv4/conf/eth0.1/arp_filter"),
        ("net.ipv4/conf/IFNAME/arp_filter", "1", "net/ipv4/conf/eth0.1/arp_filter"),
        ("net.ipv4.ip_local_port_range", "2000 3000", "net/ipv4/ip_local_port_range"),
    ],
)
def test_a_parameter_is_set_in_the_pod_alone(
    node: Node, pod: Pod, plugin: Plugin, key: str, value: str, read: str
) -> None:
    conf = network(node, sysctl={key: value})
    was = node.sysctl("net.core.somaxconn"), node.sysctl("net.ipv4.ip_local_port_range")
    result = plugin.add(conf, pod, ifname="eth0.1").succeeded()
    assert pod.sysctl(read).split() == value.split()
    plugin.check(conf, pod, result, ifname="eth0.1").succeeded()
    assert (node.sysctl("net.core.somaxconn"), node.sysctl("net.ipv4.ip_local_port_range")) == was


def test_a_parameter_wins_over_our_own_choice(node: Node, pod: Pod, plugin: Plugin) -> None:
    conf = network(node, sysctl={"net.ipv4.conf.IFNAME.arp_notify": "0"})
    result = plugin.add(conf, pod).succeeded()
    assert pod.sysctl("net.ipv4.conf.eth0.arp_notify") == "0"
    plugin.check(conf, pod, result).succeeded()


def test_check_tells_a_parameter_that_was_changed(node: Node, pod: Pod, plugin: Plugin) -> None:
    conf = network(node, sysctl=ARP_FILTER)
    result = plugin.add(conf, pod).succeeded()
    pod.sysctl("net.ipv4.conf.eth0.arp_filter", 0)
    error = plugin.check(conf, pod, result).failed(103)
    assert error["msg"] == "CHECK failed: net.ipv4.conf.eth0.arp_filter is 0, expected 1"


@pytest.mark.parametrize(
    ("key", "value", "code", "told"),
    [
        ("kernel.shmmax", "1", 7, "sysctl.kernel.shmmax: is not a parameter of the network"),
        ("net/../kernel/shmmax", "1", 7, "is not a parameter of the network"),
        ("net...kernel.shmmax", "1", 7, "is not a parameter of the network"),
        ("/net/core/somaxconn", "1", 7, "is not a parameter of the network"),
        ("net", "1", 7, "is not a parameter of the network"),
        ("net.core.somaxconn", 500, 7, "must be a string, not a number"),
        ("net.core.somaxconn", "", 7, "is required"),
        ("net.ipv4.no_such", "1", 100, "the kernel has no such parameter"),
        ("net.ipv4.conf.IFNAME.arp_filter", "many", 100, "the kernel takes no such value"),
    ],
)
def test_what_cannot_be_set_is_refused_and_nothing_is_left(
    node: Node, pod: Pod, plugin: Plugin, key: str, value: Any, code: int, told: str
) -> None:
    plugin.add(network(node), node.pod("other")).succeeded()
    was = node.state(), pod.links()["lo"]["ifindex"], set(pod.links()), node.leases()
    error = plugin.add(network(node, sysctl={key: value}), pod).failed(code)
    assert told in f"{error['msg']} {error['details']}"
    assert (node.state(), pod.links()["lo"]["ifindex"], set(pod.links()), node.leases()) == was


@pytest.mark.parametrize(
    ("lines", "code", "told"),
    [
        (r"^net\.ipv4\.conf\.IFNAME\.[a-z_]*$", 0, ""),
        (r"net.core\n\n  arp_f", 0, ""),
        (r"^net\.core\.", 7, "sysctl.net.ipv4.conf.IFNAME.arp_filter: is not allowed on this node"),
        ("", 7, "is not allowed on this node"),
        ("[", 7, "/etc/cni/tuning/allowlist.conf: '[' is no regular expression"),
    ],
)
def test_the_nodes_allowlist_decides(node: Node, pod: Pod, plugin: Plugin, lines: str, code: int, told: str) -> None:
    """The file is the caller's, in its mount namespace."""
    script = (
        "mount -t tmpfs none /etc && mkdir -p /etc/cni/tuning && "
        f'printf {shlex.quote(lines)} >/etc/cni/tuning/allowlist.conf && exec "$@"'
    )
    wrap = ("unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh")
    reply = plugin.add(network(node, sysctl=ARP_FILTER), pod, wrap=wrap)
    if code == 0:
        reply.succeeded()
        assert pod.sysctl("net.ipv4.conf.eth0.arp_filter") == "1"
    else:
        assert told in reply.failed(code)["msg"]
        assert set(node.links()) == {"lo"}


def test_without_the_key_no_allowlist_is_read(node: Node, pod: Pod, plugin: Plugin) -> None:
    script = 'mount -t tmpfs none /etc && mkdir -p /etc/cni/tuning/allowlist.conf && exec "$@"'
    wrap = ("unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh")
    plugin.add(network(node), pod, wrap=wrap).succeeded()
    error = plugin.add(network(node, sysctl=ARP_FILTER), node.pod("other"), wrap=wrap).failed(5)
    assert "cannot read /etc/cni/tuning/allowlist.conf" in error["msg"]


# --- the link


@pytest.mark.parametrize(
    ("keys", "shown", "change", "told"),
    [
        ({"promisc": True}, ("promiscuity", 1), "promisc off", "promiscuous mode of eth0 is off, expected on"),
        ({"allmulti": True}, ("allmulti", 1), "allmulticast off", "all-multicast mode of eth0 is off, expected on"),
        ({"allmulti": False}, ("allmulti", 0), "allmulticast on", "all-multicast mode of eth0 is on, expected off"),
        ({"txQLen": 77}, ("txqlen", 77), "txqueuelen 78", "txQLen of eth0 is 78, expected 77"),
    ],
)
@pytest.mark.parametrize("place", ["network", "args"])
def test_an_attribute_of_the_pods_link(
    node: Node,
    pod: Pod,
    plugin: Plugin,
    keys: dict[str, Any],
    shown: tuple[str, int],
    change: str,
    told: str,
    place: str,
) -> None:
    """args.cni wins over the network's own."""
    opposite = {key: not value if isinstance(value, bool) else 5 for key, value in keys.items()}
    conf = network(node, **keys) if place == "network" else network(node, args={"cni": keys}, **opposite)
    result = plugin.add(conf, pod).succeeded()
    assert pod.links()["eth0"][shown[0]] == shown[1]
    plugin.check(conf, pod, result).succeeded()
    pod.batch(f"link set eth0 {change}")
    assert told in plugin.check(conf, pod, result).failed(103)["msg"]


def test_what_was_not_asked_for_may_be_as_it_likes(node: Node, pod: Pod, plugin: Plugin) -> None:
    """The reference's CHECK fails beside a tcpdump in the pod."""
    conf = network(node, promisc=False, txQLen=100)
    result = plugin.add(conf, pod).succeeded()
    pod.batch("link set eth0 promisc on allmulticast on")
    plugin.check(conf, pod, result).succeeded()


def test_a_vms_tap_has_no_link_in_the_pod_to_be_tuned(node: Node, pod: Pod, plugin: Plugin, tap: before.Conf) -> None:
    plugin.add(before.network(node), node.pod("other")).succeeded()
    error = plugin.add(before.network(node, promisc=True), pod, tap).failed(7)
    assert error["msg"].startswith("promisc, allmulti and txQLen: there is no eth0 in")
    assert "master" not in node.links()["tap0"]
    plugin.add(before.network(node, sysctl={"net.core.somaxconn": "500"}), pod, tap).succeeded()
    assert pod.sysctl("net.core.somaxconn") == "500"


@pytest.mark.peers
def test_the_references_tuning_behind_ours(node: Node, pod: Pod) -> None:
    """Of a network that sets one thing here and another there."""
    ours = node.network(SUBNET, sysctl=ARP_FILTER, allmulti=True)
    cnitool = node.cnitool(
        conflist(ours, {"type": "tuning", "promisc": True, "sysctl": {"net.core.somaxconn": "500"}}), BIN, PEERS
    )
    cnitool.succeed("add", pod)
    link = pod.links()["eth0"]
    assert (link["promiscuity"], link["allmulti"], pod.sysctl("net.core.somaxconn")) == (1, 1, "500")
    assert pod.sysctl("net.ipv4.conf.eth0.arp_filter") == "1"
    cnitool.succeed("check", pod)
    cnitool.succeed("del", pod)
    assert set(pod.links()) == {"lo"}
