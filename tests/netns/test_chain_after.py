"""The reference's tuning, portmap, firewall and bandwidth after ours: they read our result and do their work on it."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from tests.world import BIN, PEERS, Namespace, Node, Pod
from tests.world.cnitool import CNITool, conflist
from tests.world.node import NODE_IPS, OUTSIDE_IPS

pytestmark = [pytest.mark.peers, pytest.mark.usefixtures("built")]

SUBNETS = ("10.22.0.0/24", "fd00:22::/64")
MAC = "02:aa:bb:cc:dd:ee"
PORTMAP = {"type": "portmap", "backend": "iptables", "capabilities": {"portMappings": True}}
PORTS = {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}
FIREWALL = {"type": "firewall", "backend": "iptables"}
BANDWIDTH = {"type": "bandwidth", "capabilities": {"bandwidth": True}}
RATES = {
    "bandwidth": {
        "ingressRate": 8_000_000,
        "ingressBurst": 8_000_000,
        "egressRate": 4_000_000,
        "egressBurst": 8_000_000,
    }
}
TUNING = {"type": "tuning", "mac": MAC, "sysctl": {"net.core.somaxconn": "500"}}
shaping = pytest.mark.needs("CONFIG_IFB", "CONFIG_NET_SCH_TBF")


def chain(node: Node, *others: dict[str, Any], **keys: Any) -> CNITool:
    """cnitool with ours as a default gateway, and these after it."""
    network = node.network(*SUBNETS, isDefaultGateway=True, **keys)
    return node.cnitool(conflist(network, *others), BIN, PEERS)


def answers(pod: Pod, source: Namespace, ip: str, host_port: int = 8080) -> bool:
    """Whether a connection from `source` to that port is one to port 80 of the pod."""
    with pod.entered():
        server = socket.create_server(("::", 80), family=socket.AF_INET6, dualstack_ipv6=True)
    with server, source.entered():
        try:
            client = socket.create_connection((ip, host_port), timeout=2)
        except OSError:
            return False
        with client:
            server.settimeout(2)
            accepted, _ = server.accept()
            with accepted:
                client.sendall(b"ping")
                return accepted.recv(4) == b"ping"


@pytest.mark.parametrize(
    ("tuned", "key", "value"),
    [
        ({"mac": MAC}, "address", MAC),
        ({"mtu": 1400}, "mtu", 1400),
        ({"txQLen": 500}, "txqlen", 500),
        ({"promisc": True}, "promiscuity", 1),
        ({"allmulti": True}, "allmulti", 1),
    ],
)
def test_check_passes_after_tuning_changed_the_pods_link(
    node: Node, pod: Pod, tuned: dict[str, Any], key: str, value: Any
) -> None:
    """Of these tuning notes only the MAC in the result."""
    cnitool = chain(node, {"type": "tuning", **tuned})
    result = cnitool.succeed("add", pod)
    assert pod.links()["eth0"][key] == value
    assert result["interfaces"][2]["mac"] == pod.links()["eth0"]["address"]
    assert pod.reaches("10.22.0.1") and pod.reaches("fd00:22::1")
    cnitool.succeed("check", pod)
    cnitool.succeed("del", pod)
    assert (node.leases(), set(node.links()), set(pod.links())) == ({}, {"lo", "cni0"}, {"lo"})


def test_tuning_sets_sysctls_of_our_interface(node: Node, pod: Pod) -> None:
    cnitool = chain(node, {"type": "tuning", "sysctl": {"net.ipv4.conf.IFNAME.arp_filter": "1"}})
    cnitool.succeed("add", pod)
    assert pod.sysctl("net.ipv4.conf.eth0.arp_filter") == "1"
    cnitool.succeed("check", pod)


@pytest.mark.parametrize(
    ("change", "told"), [("address 02:00:00:00:00:09", f"expected {MAC}"), ("mtu 1501", "MTU 1501")]
)
def test_check_still_tells_what_nobody_in_the_chain_did(node: Node, pod: Pod, change: str, told: str) -> None:
    cnitool = chain(node, TUNING)
    cnitool.succeed("add", pod)
    pod.batch(f"link set eth0 {change}")
    checked = cnitool.call("check", pod)
    assert checked.returncode == 1
    assert told in checked.stderr


def test_portmap_leads_to_our_pod_from_everywhere(node: Node, pod: Pod) -> None:
    outside, other = node.outside(*SUBNETS), node.pod("other")
    cnitool = chain(node, PORTMAP, hairpinMode=True)
    cnitool.succeed("add", other)
    cnitool.succeed("add", pod, cap_args=PORTS)
    cnitool.succeed("check", pod, cap_args=PORTS)
    ways = [(source, ip) for source in (outside, other, pod) for ip in NODE_IPS] + [
        (node, "10.22.0.1"),
        (node, "127.0.0.1"),
    ]
    assert [(source.name, ip) for source, ip in ways if not answers(pod, source, ip)] == []
    cnitool.succeed("del", pod, cap_args=PORTS)
    cnitool.succeed("add", pod)
    assert [(source.name, ip) for source, ip in ways if answers(pod, source, ip)] == []


def test_firewall_lets_our_pod_out_where_forwarding_is_denied(node: Node, pod: Pod) -> None:
    node.outside(*SUBNETS)
    for iptables in ("iptables", "ip6tables"):
        node.run([iptables, "-P", "FORWARD", "DROP"])
    cnitool = chain(node, FIREWALL)
    cnitool.succeed("add", pod)
    assert [ip for ip in OUTSIDE_IPS if not pod.reaches(ip)] == []
    cnitool.succeed("check", pod)
    cnitool.succeed("del", pod)
    chain(node).succeed("add", pod)
    assert not pod.reaches(OUTSIDE_IPS[0], seconds=1)


def test_firewall_finds_our_bridge_in_the_result_and_isolates_it(node: Node) -> None:
    red, green, blue = node.pod("red"), node.pod("green"), node.pod("blue")
    firewall = {**FIREWALL, "ingressPolicy": "same-bridge"}
    first, second = (
        chain(node, firewall),
        chain(node, firewall, name="second", bridge="cni1", ipam=node.ipam("10.33.0.0/24")),
    )
    first.succeed("add", red)
    green_ip = first.succeed("add", green)["ips"][0]["address"].partition("/")[0]
    blue_ip = second.succeed("add", blue)["ips"][0]["address"].partition("/")[0]
    assert red.reaches(green_ip)
    assert not red.reaches(blue_ip, seconds=1)
    for cnitool, pod in ((first, red), (first, green), (second, blue)):
        cnitool.succeed("check", pod)


@shaping
def test_bandwidth_finds_our_host_link_and_shapes_it(node: Node, pod: Pod) -> None:
    cnitool = chain(node, BANDWIDTH)
    result = cnitool.succeed("add", pod, cap_args=RATES)
    assert [interface.get("sandbox", "") for interface in result["interfaces"]] == ["", "", pod.path, ""]
    _, host_link, _, ifb = (interface["name"] for interface in result["interfaces"])
    assert {ifb, host_link} < set(node.links())
    qdiscs = json.loads(node.run(["tc", "-j", "qdisc", "show"]).stdout)
    rates = {qdisc["dev"]: qdisc["options"]["rate"] for qdisc in qdiscs if qdisc["kind"] == "tbf"}
    assert rates == {host_link: 1_000_000, ifb: 500_000}  # tc counts bytes
    assert pod.reaches("10.22.0.1")
    cnitool.succeed("check", pod, cap_args=RATES)
    cnitool.succeed("del", pod, cap_args=RATES)
    assert set(node.links()) == {"lo", "cni0"}


@shaping
@pytest.mark.parametrize(
    ("version", "ending"), [("0.3.1", "del"), ("0.4.0", "gc"), ("1.0.0", "del"), ("1.1.0", "del"), ("1.1.0", "gc")]
)
def test_the_whole_chain_comes_and_goes_without_a_trace(node: Node, version: str, ending: str) -> None:
    """Compared with what the first round left: the bridge, and the empty chains that portmap and firewall keep."""
    others = [PORTMAP, BANDWIDTH, TUNING] + ([FIREWALL] if version >= "0.4.0" else [])
    cnitool = chain(node, *others, cniVersion=version)
    states = []
    for _ in range(2):
        pod = node.pod()
        result = cnitool.succeed("add", pod, cap_args=PORTS | RATES)
        assert (result["cniVersion"], len(result["interfaces"])) == (version, 4)
        assert pod.links()["eth0"]["address"] == MAC
        assert answers(pod, node, "10.22.0.1")
        if version >= "0.4.0":
            cnitool.succeed("check", pod, cap_args=PORTS | RATES)
        cnitool.succeed(ending, pod, cap_args=PORTS | RATES)
        assert (node.leases(), set(pod.links())) == ({}, {"lo"})
        states.append(node.state())
    assert states[0] == states[1]
    assert set(node.links()) == {"lo", "cni0"}
