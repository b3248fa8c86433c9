"""Capability `portMappings` on real packets: from beyond the node, the node, neighbours and the pod itself."""

from __future__ import annotations

from typing import Any

import pytest

from tests.netns.sockets import TCP, UDP, answer, server
from tests.netns.test_masquerade import SUBNETS, ruleset
from tests.world import BIN, PEERS, Node, Plugin, Pod
from tests.world.cnitool import conflist
from tests.world.namespace import Namespace
from tests.world.node import NODE_IPS, OUTSIDE_IPS

KINDS = {"tcp": TCP, "udp": UDP}
GATEWAYS = ("10.22.0.1", "fd00:22::1")


def mapping(host: int, container: int, protocol: str = "tcp", ip: str = "") -> dict[str, Any]:
    """As containerd writes it."""
    return {"HostPort": host, "ContainerPort": container, "Protocol": protocol, "HostIP": ip}


def network(node: Node, *mappings: dict[str, Any], **keys: Any) -> dict[str, Any]:
    usual = {"isDefaultGateway": True, "hairpinMode": True, "runtimeConfig": {"portMappings": list(mappings)}}
    return node.network(*SUBNETS, **usual | keys)


def ips(result: dict[str, Any]) -> list[str]:
    return [ip["address"].partition("/")[0] for ip in result["ips"]]


def refused(namespace: Namespace, ip: str, port: int) -> bool:
    try:
        answer(namespace, ip, port, seconds=0.5)
    except OSError:
        return True
    return False


@pytest.mark.parametrize("protocol", KINDS)
def test_who_reaches_a_host_port_and_as_whom(node: Node, pod: Pod, plugin: Plugin, protocol: str) -> None:
    kind, outside, neighbour = KINDS[protocol], node.outside(), node.pod()
    conf = network(node, mapping(8080, 80, protocol))
    result = plugin.add(conf, pod).succeeded()
    plugin.check(conf, pod, result).succeeded()
    others = ips(plugin.add(network(node), neighbour).succeeded())
    for family in (0, 1):
        own, gateway, other = ips(result)[family], GATEWAYS[family], others[family]
        with server(pod, own, 80, kind, "pod"):
            assert answer(outside, NODE_IPS[family], 8080, kind) == f"pod {OUTSIDE_IPS[family]}", "not masqueraded"
            assert answer(node, NODE_IPS[family], 8080, kind) == f"pod {NODE_IPS[family]}"
            assert answer(neighbour, NODE_IPS[family], 8080, kind) == f"pod {gateway}", "else it would answer past"
            assert answer(neighbour, gateway, 8080, kind) == f"pod {gateway}"
            assert answer(pod, gateway, 8080, kind) == f"pod {gateway}", "a pod reaches itself"
            assert answer(neighbour, own, 80, kind) == f"pod {other}", "what is not mapped is as it was"
            if family == 0:
                assert answer(node, "127.0.0.1", 8080, kind) == f"pod {gateway}"
    plugin.delete(conf, pod).succeeded()
    assert pod.container_id not in ruleset(node)
    assert refused(outside, NODE_IPS[0], 8080)


def test_a_taken_port_is_an_error_that_names_its_holder(node: Node, plugin: Plugin) -> None:
    one, two = node.pod(), node.pod()
    conf = network(node, mapping(8080, 80))
    result = plugin.add(conf, one).succeeded()
    before = node.state()
    for again in (conf, network(node, mapping(9090, 80), mapping(8080, 81), name="net2")):
        error = plugin.add(again, two).failed(102)
        assert error["msg"] == "host port 8080/tcp is taken"
        assert one.container_id in error["details"] and "network net" in error["details"]
        assert two.container_id not in ruleset(node)
    assert set(node.leases()) == set(ips(result))
    plugin.check(conf, one, result).succeeded()
    assert set(node.state()) == set(before)
    plugin.delete(conf, two).succeeded()
    plugin.check(conf, one, result).succeeded()
    plugin.delete(conf, one).succeeded()
    plugin.add(conf, two).succeeded()


def test_an_address_of_its_own_comes_before_all_addresses(node: Node, plugin: Plugin) -> None:
    """The same port on one address and on all others goes to two pods; another family's address is not touched."""
    outside, one, every = node.outside(), node.pod(), node.pod()
    node.run(["ip", "addr", "add", "192.0.2.77/24", "dev", "eth0"])
    first = plugin.add(network(node, mapping(80, 8080, ip="192.0.2.77")), one).succeeded()
    second = plugin.add(network(node, mapping(80, 8080)), every).succeeded()
    with server(one, ips(first)[0], 8080, says="one"), server(every, ips(second)[0], 8080, says="every"):
        assert answer(outside, "192.0.2.77", 80).startswith("one ")
        assert answer(outside, NODE_IPS[0], 80).startswith("every ")


def test_wildcards_map_all_addresses(node: Node, pod: Pod, plugin: Plugin) -> None:
    outside = node.outside()
    result = plugin.add(network(node, mapping(80, 8080, ip="0.0.0.0")), pod).succeeded()
    with server(pod, ips(result)[0], 8080, says="pod"), server(pod, ips(result)[1], 8080, says="pod"):
        assert answer(outside, NODE_IPS[0], 80).startswith("pod ")
        assert refused(outside, NODE_IPS[1], 80), "0.0.0.0 is IPv4's"


def test_a_udp_flow_follows_the_new_pod(node: Node, plugin: Plugin) -> None:
    """One client, one source port, that never falls silent: conntrack would keep it where it went before."""
    outside, one, two = node.outside(), node.pod(), node.pod()
    conf, source = network(node, mapping(5353, 53, "udp")), (OUTSIDE_IPS[0], 40000)
    with server(node, NODE_IPS[0], 5353, UDP, "node"):
        assert answer(outside, NODE_IPS[0], 5353, UDP, source).startswith("node ")
        for pod in (one, two):
            result = plugin.add(conf, pod).succeeded()
            with server(pod, ips(result)[0], 53, UDP, pod.name):
                assert answer(outside, NODE_IPS[0], 5353, UDP, source).startswith(f"{pod.name} ")
            plugin.delete(conf, pod).succeeded()
        assert answer(outside, NODE_IPS[0], 5353, UDP, source).startswith("node ")


def test_the_connections_of_other_ports_are_kept(node: Node, plugin: Plugin) -> None:
    outside, one, two = node.outside(), node.pod(), node.pod()
    conf = network(node, mapping(5353, 53, "udp"))
    plugin.add(network(node, mapping(80, 80)), one).succeeded()
    with server(node, NODE_IPS[0], 6000, UDP, "node"):
        answer(outside, NODE_IPS[0], 6000, UDP, (OUTSIDE_IPS[0], 40001))
    plugin.add(conf, two).succeeded()
    plugin.delete(conf, two).succeeded()
    with node.entered(), open("/proc/thread-self/net/nf_conntrack") as file:
        assert "dport=6000" in file.read()


def test_what_goes_to_that_port_elsewhere_is_kept(node: Node, pod: Pod, plugin: Plugin) -> None:
    """As pods' DNS does, when a DNS server with a host port comes and goes."""
    outside, dns = node.outside(*SUBNETS), node.pod()
    plugin.add(network(node, ipMasq=True), pod).succeeded()
    with server(outside, OUTSIDE_IPS[0], 53, UDP):
        answer(pod, OUTSIDE_IPS[0], 53, UDP, ("", 40002))
    conf = network(node, mapping(53, 53, "udp"))
    plugin.add(conf, dns).succeeded()
    plugin.delete(conf, dns).succeeded()
    with node.entered(), open("/proc/thread-self/net/nf_conntrack") as file:
        assert "sport=40002 dport=53 " in file.read()


def test_del_without_a_record_forgets_udp_connections_too(node: Node, pod: Pod, plugin: Plugin) -> None:
    outside, conf = node.outside(), network(node, mapping(5353, 53, "udp"))
    result = plugin.add(conf, pod).succeeded()
    with server(pod, ips(result)[0], 53, UDP):
        answer(outside, NODE_IPS[0], 5353, UDP, (OUTSIDE_IPS[0], 40003))
    node.run(["rm", "-r", str(node.dir / "run/attachments")])
    plugin.delete(conf, pod).succeeded()
    with node.entered(), open("/proc/thread-self/net/nf_conntrack") as file:
        assert "sport=40003" not in file.read()


@pytest.mark.parametrize(
    ("keys", "beyond", "near"),
    [({"masqAll": True}, GATEWAYS[0], GATEWAYS[0]), ({"snat": False}, OUTSIDE_IPS[0], None)],
    ids=["masqAll", "snat off"],
)
def test_the_source_as_configured(
    node: Node, pod: Pod, plugin: Plugin, keys: dict[str, Any], beyond: str, near: str | None
) -> None:
    outside = node.outside()
    result = plugin.add(network(node, mapping(8080, 80), **keys), pod).succeeded()
    with server(pod, ips(result)[0], 80, says="pod"):
        assert answer(outside, NODE_IPS[0], 8080) == f"pod {beyond}"
        if near:
            assert answer(pod, GATEWAYS[0], 8080) == f"pod {near}"
    assert node.sysctl("net/ipv4/conf/cni0/route_localnet") == ("1" if near else "0")


def test_conditions_are_asked_first(node: Node, plugin: Plugin) -> None:
    """Two networks of other conditions may have the same port."""
    outside, one, two = node.outside(), node.pod(), node.pod()
    outside.run(["ip", "addr", "add", "192.0.2.9/24", "dev", "eth0"])
    only = {"conditionsV4": ["ip", "saddr", "192.0.2.9"]}
    rest = {"conditionsV4": ["ip", "saddr", "!=", "192.0.2.9"], "name": "net2", "bridge": "cni1"}
    first = plugin.add(network(node, mapping(80, 8080), **only), one).succeeded()
    second = plugin.add(network(node, mapping(80, 8080), **rest, ipam=node.ipam("10.23.0.0/16")), two).succeeded()
    with server(one, ips(first)[0], 8080, says="one"), server(two, ips(second)[0], 8080, says="two"):
        assert answer(outside, NODE_IPS[0], 80, source=("192.0.2.9", 0)).startswith("one ")
        assert answer(outside, NODE_IPS[0], 80, source=(OUTSIDE_IPS[0], 0)).startswith("two ")


def test_a_condition_that_nft_does_not_know_is_its_own_error(node: Node, pod: Pod, plugin: Plugin) -> None:
    error = plugin.add(network(node, mapping(80, 8080), conditionsV4=["ip", "colour", "red"]), pod).failed(999)
    assert "nft" in error["msg"] and "colour" in error["details"]
    assert pod.links().keys() == {"lo"} and node.leases() == {} and ruleset(node) == ""


def test_nobody_behind_the_bridge_speaks_to_the_nodes_loopback(node: Node, pod: Pod, plugin: Plugin) -> None:
    """route_localnet alone would let it (CVE-2020-8558)."""
    plugin.add(network(node, mapping(8080, 80)), pod).succeeded()
    pod.run(["ip", "addr", "del", "127.0.0.1/8", "dev", "lo"], check=False)
    pod.sysctl("net/ipv4/conf/all/route_localnet", 1)
    pod.run(["ip", "route", "add", "127.0.0.1/32", "via", GATEWAYS[0], "dev", "eth0"])
    pod.run(["ip", "route", "del", "table", "local", "127.0.0.0/8", "dev", "lo"], check=False)
    with server(node, "127.0.0.1", 7777):
        assert refused(pod, "127.0.0.1", 7777)
        chain = next(line.split()[1] for line in ruleset(node).splitlines() if "chain loopback-" in line)
        node.run(["nft", f"flush chain inet cni-veth {chain}"])
        assert not refused(pod, "127.0.0.1", 7777), "the test itself: without the rule it can"


def test_sctp_and_many_ports_in_one_transaction(node: Node, pod: Pod, plugin: Plugin) -> None:
    mappings = [mapping(20000 + port, port, "sctp") for port in range(1, 1001)]
    conf = network(node, *mappings)
    result = plugin.add(conf, pod).succeeded()
    assert ruleset(node).count(pod.container_id) == 4000
    plugin.check(conf, pod, result).succeeded()
    error = plugin.add(network(node, *mappings), node.pod()).failed(102)
    assert error["msg"] == "host port 20001/sctp is taken"
    plugin.delete(conf, pod).succeeded()
    assert pod.container_id not in ruleset(node)


def test_no_mapping_touches_nothing(node: Node, pod: Pod, plugin: Plugin) -> None:
    for mappings in ([], [mapping(0, 80)]):
        conf = network(node, *mappings)
        plugin.add(conf, pod).succeeded()
        assert ruleset(node) == "" and node.sysctl("net/ipv4/conf/cni0/route_localnet") == "0"
        plugin.delete(conf, pod).succeeded()


def test_del_without_the_mappings_finds_them_by_the_record(node: Node, pod: Pod, plugin: Plugin) -> None:
    plugin.add(network(node, mapping(80, 8080)), pod).succeeded()
    plugin.delete(network(node), pod).succeeded()
    assert pod.container_id not in ruleset(node)


@pytest.mark.parametrize("backend", ["iptables", "nftables"])
@pytest.mark.peers
def test_the_references_portmap_may_stand_behind_us(node: Node, pod: Pod, built: None, backend: str) -> None:
    """A network that changes over piece by piece: our masquerade, the reference's host ports."""
    outside = node.outside()
    ours = node.network(*SUBNETS, cniVersion="1.0.0", isDefaultGateway=True, ipMasq=True)
    theirs = {"type": "portmap", "backend": backend, "capabilities": {"portMappings": True}}
    tool = node.cnitool(conflist(ours, theirs), BIN, PEERS)
    caps = {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}
    result = tool.succeed("add", pod, cap_args=caps)
    with server(pod, ips(result)[0], 80, says="pod"):
        assert answer(outside, NODE_IPS[0], 8080).startswith("pod ")
    with server(outside, OUTSIDE_IPS[0], 80, says="out"):
        assert answer(pod, OUTSIDE_IPS[0], 80) == f"out {NODE_IPS[0]}"
    tool.succeed("check", pod, cap_args=caps)
    tool.succeed("del", pod, cap_args=caps)
    assert ips(result)[0] not in ruleset(node)
