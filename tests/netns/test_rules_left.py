"""What is left of rules when pods, links and records go in an unusual order."""

from __future__ import annotations

import os
from collections import Counter

import pytest

from cni_veth.netlink import Socket
from cni_veth.nft import attachment, elements, ruleset
from cni_veth.nft.elements import Element
from cni_veth.nft.transaction import Netfilter
from cni_veth.records import Record, Records
from tests.netns.sockets import server
from tests.netns.test_host_ports import GATEWAYS, mapping, network, refused
from tests.netns.test_masquerade import ruleset as rules
from tests.netns.test_rules_status import record
from tests.world import BIN, PEERS, Node, Plugin, Pod


def attacks_loopback(node: Node, pod: Pod) -> bool:
    """Whether the pod gets to a service that listens on the node's 127.0.0.1."""
    pod.run(["ip", "addr", "del", "127.0.0.1/8", "dev", "lo"], check=False)
    pod.sysctl("net/ipv4/conf/all/route_localnet", 1)
    pod.run(["ip", "route", "replace", "127.0.0.1/32", "via", GATEWAYS[0], "dev", "eth0"])
    pod.run(["ip", "route", "del", "table", "local", "127.0.0.0/8", "dev", "lo"], check=False)
    with server(node, "127.0.0.1", 7777):
        return not refused(pod, "127.0.0.1", 7777)


def test_gc_does_not_open_the_nodes_loopback(node: Node, plugin: Plugin) -> None:
    one, two, conf = node.pod(), node.pod(), network(node)
    plugin.add(network(node, mapping(8080, 80)), one).succeeded()
    plugin.add(conf, two).succeeded()
    plugin.delete(network(node, mapping(8080, 80)), one).succeeded()
    node.run(["nft", "flush", "ruleset"])
    node.run([str(BIN / "cni-veth"), "reconcile"], env={**os.environ, **node.environment})
    assert "127.0.0.0/8" in rules(node)
    assert not attacks_loopback(node, two), "the bridge's rule stays while its route_localnet is on"
    plugin.gc(conf, [(two.container_id, "eth0")]).succeeded()
    assert "127.0.0.0/8" not in rules(node)
    assert node.sysctl("net/ipv4/conf/cni0/route_localnet") == "0"
    assert not attacks_loopback(node, two)


def test_the_same_id_again_after_its_link_vanished(node: Node, pod: Pod, plugin: Plugin) -> None:
    """It asks for another port: nothing of the first ADD stays."""
    plugin.add(network(node, mapping(7000, 80)), pod).succeeded()
    node.run(["ip", "link", "del", next(iter(node.ports()))])
    plugin.add(conf := network(node, mapping(7001, 80)), pod).succeeded()
    plugin.delete(conf, pod).succeeded()
    assert pod.container_id not in rules(node)
    plugin.add(network(node, mapping(7000, 80)), node.pod()).succeeded()


def test_reconcile_takes_what_neither_link_nor_record_holds(node: Node, plugin: Plugin) -> None:
    pods = [node.pod() for _ in range(4)]
    for number, pod in enumerate(pods):
        plugin.add(conf := network(node, mapping(8080 + number, 80), ipMasq=True), pod).succeeded()
    gone, without_link, without_record, whole = pods
    for pod in (gone, without_link):
        pod.run(["ip", "link", "del", "eth0"])
    for pod in (gone, without_record):
        record(node.dir / "run", pod).unlink()
    held = whose(node)
    assert held[gone.container_id] > 1
    done = node.run([str(BIN / "cni-veth"), "reconcile"], env={**os.environ, **node.environment})
    assert f"{held.pop(gone.container_id)} elements of pods that are gone were left" in done.stderr
    assert whose(node) == held and set(held) == {pod.container_id for pod in (without_link, without_record, whole)}
    plugin.delete(conf, without_link).succeeded()
    assert without_link.container_id not in whose(node)


def whose(node: Node) -> Counter[str]:
    """How many elements each container has."""
    with node.entered():
        return Counter(text.split(" ")[1] for text, _ in attachment.dump(Netfilter()))


@pytest.mark.peers
def test_addresses_alone_share_their_rules(node: Node, plugin: Plugin) -> None:
    """Routed pods have a /32 each: chains of their own would be one more at every hook for each pod that ever was."""
    plugin.path = (BIN, PEERS)
    for number in range(3):
        ipam = {"type": "static", "addresses": [{"address": f"10.5.0.{number + 2}/32"}]}
        conf = network(node, mapping(8080 + number, 80), ipam=ipam, ipMasq=True, isDefaultGateway=False)
        plugin.add(conf, node.pod()).succeeded()
    shown = rules(node)
    assert [shown.count(f"chain {kind}-") for kind in ("near", "loopback")] == [1, 1]
    assert shown.count("goto masquerade-") == 2, "one for each family"


def test_a_dead_pod_with_long_names_gives_way(node: Node, plugin: Plugin) -> None:
    """Its elements' comments hold digests, from which nobody finds its link."""
    conf = network(node, mapping(8080, 80), name="n" * 120)
    plugin.add(conf, node.pod()).succeeded()
    assert "#" in rules(node)
    other = node.pod()
    assert plugin.add(conf, other).failed(102)["msg"] == "host port 8080/tcp is taken"
    node.run(["ip", "link", "del", next(iter(node.ports()))])
    plugin.add(conf, other).succeeded()


@pytest.mark.peers
def test_subnets_that_no_pod_has_any_more_have_no_chains(node: Node, plugin: Plugin) -> None:
    """Without GC, which not every runtime calls."""
    plugin.path = (BIN, PEERS)
    for number in range(4):
        ipam = {"type": "static", "addresses": [{"address": f"10.5.{number}.2/24"}]}
        conf = network(node, mapping(8080, 80), ipam=ipam, ipMasq=True, isDefaultGateway=False)
        plugin.add(conf, pod := node.pod()).succeeded()
        plugin.delete(conf, pod).succeeded()
    shown = rules(node)
    assert shown.count("goto masquerade-") == 2 and shown.count("chain near-") == 1


@pytest.mark.parametrize("name", ['br"x', "br\\x", "br*"])
def test_a_bridge_that_no_rule_can_name(node: Node, pod: Pod, plugin: Plugin, name: str) -> None:
    error = plugin.add(network(node, mapping(8080, 80), bridge=name), pod).failed(7)
    assert error["msg"].startswith("bridge: ")


def test_a_key_is_not_taken_while_a_late_del_looks_at_it(node: Node) -> None:
    """The dead pod's DEL has seen its element, which is another's when it deletes by key."""
    with node.entered():
        text = ruleset.Text("t", "inet", ["set $name-s { type ipv4_addr; }"], {})
        element = Element(("inet", f"{text.name}-s"), elements.ip("10.0.0.1"), "x")
        ruleset.install(Netfilter(), [text], dict(os.environ))
        Netfilter().commit([elements.add(element, "net A eth0")])
        record = Record("net", ("B", "eth0"))
        record.texts, record.elements = [text], [element]
        late = Records(str(node.dir / "run"))
        late.share()

        class Waits(Records):
            def claim(self, seconds: float = 0) -> None:
                """It would wait here for the DEL, which now ends."""
                attachment.remove(Netfilter(), [element], "net A eth0")
                late.release()
                super().claim()

        records = Waits(str(node.dir / "run"))
        records.share()
        attachment.add(Netfilter(), Socket(), records, record, dict(os.environ))
        assert [owner for owner, _ in attachment.dump(Netfilter())] == ["net B eth0"]
        assert late._lock is None, "the DEL was waited for"
