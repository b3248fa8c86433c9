"""`ipMasq` on real packets: what a server beyond the node sees, and what becomes of the rules in a pod's life."""

from __future__ import annotations

from typing import Any

import pytest

from cni.versions import SUPPORTED
from tests.netns.sockets import UDP, answer, server
from tests.world import Node, Plugin, Pod, Reply
from tests.world.namespace import Namespace
from tests.world.node import NODE_IPS, OUTSIDE_IPS
from tests.world.server import until

SUBNETS = ("10.22.0.0/16", "fd00:22::/64")
TABLE = ["nft", "list", "table", "inet", "cni-veth"]
PORT = 7000


def network(node: Node, **keys: Any) -> dict[str, Any]:
    return node.network(*SUBNETS, **{"isDefaultGateway": True, "ipMasq": True, **keys})


def elements(node: Node) -> str:
    return node.run(TABLE, check=False).stdout


def ruleset(node: Node) -> str:
    return node.run(["nft", "-s", "list", "ruleset"]).stdout


def seen(outside: Namespace, pod: Namespace, ip: str, **call: Any) -> str:
    """The address that a server at `ip` sees of the pod."""
    with server(outside, ip, PORT, **call):
        return answer(pod, ip, PORT, **call)


@pytest.mark.parametrize("backend", ["", "nftables", "iptables"])
@pytest.mark.parametrize("version", [version for version in SUPPORTED if version >= "0.3.0"])
def test_the_outside_sees_the_nodes_address(node: Node, pod: Pod, plugin: Plugin, version: str, backend: str) -> None:
    outside = node.outside()
    conf = network(node, cniVersion=version, ipMasqBackend=backend)
    reply = plugin.add(conf, pod)
    result = reply.succeeded()
    assert ("iptables" in reply.stderr) is (backend == "iptables"), "it is told what it is done with"
    for ip, node_ip in zip(OUTSIDE_IPS, NODE_IPS, strict=True):
        assert seen(outside, pod, ip) == node_ip
        assert seen(outside, pod, ip, kind=UDP) == node_ip
    if version >= "0.4.0":
        plugin.check(conf, pod, result).succeeded()
    plugin.delete(conf, pod).succeeded()
    assert pod.container_id not in ruleset(node)


def test_pods_see_each_other_and_the_node_sees_them_as_they_are(node: Node, plugin: Plugin) -> None:
    conf, one, two = network(node), node.pod(), node.pod()
    ips = [plugin.add(conf, pod).succeeded()["ips"][0]["address"].partition("/")[0] for pod in (one, two)]
    assert seen(two, one, ips[1]) == ips[0]
    with server(node, "10.22.0.1", PORT):
        assert answer(one, "10.22.0.1", PORT) == ips[0]


def test_what_is_excluded_keeps_the_pods_address(node: Node, pod: Pod, plugin: Plugin) -> None:
    outside = node.outside(*SUBNETS)
    conf = network(node, ipMasqExclude=[f"{OUTSIDE_IPS[0]}/32", OUTSIDE_IPS[1]])
    result = plugin.add(conf, pod).succeeded()
    for ip, own in zip(OUTSIDE_IPS, result["ips"], strict=True):
        assert seen(outside, pod, ip) == own["address"].partition("/")[0]
    plugin.check(conf, pod, result).succeeded()


def test_a_flushed_ruleset_is_found_and_comes_back_for_all_pods(node: Node, plugin: Plugin) -> None:
    outside, conf, pods = node.outside(), network(node), [node.pod() for _ in range(3)]
    results = [plugin.add(conf, pod).succeeded() for pod in pods[:2]]
    before = ruleset(node)
    node.run(["nft", "flush", "ruleset"])
    for pod, result in zip(pods, results, strict=False):
        assert "masquerade of 10.22.0." in plugin.check(conf, pod, result).failed(103)["details"]
    error = plugin.status(conf).failed(51)
    assert "2 pods" in error["msg"] and "reconcile" in error["details"]
    plugin.add(conf, pods[2]).succeeded()
    for pod, result in zip(pods, results, strict=False):
        plugin.check(conf, pod, result).succeeded()
        assert seen(outside, pod, OUTSIDE_IPS[0]) == NODE_IPS[0]
    plugin.status(conf).succeeded()
    plugin.delete(conf, pods[2]).succeeded()
    assert sorted(ruleset(node).split()) == sorted(before.split())


def test_reconcile_puts_back_what_is_missing(node: Node, pod: Pod, plugin: Plugin) -> None:
    conf = network(node)
    result = plugin.add(conf, pod).succeeded()
    before = ruleset(node)
    command = [str(plugin.executable), "reconcile"]
    for damage in ("flush ruleset", "delete table inet cni-veth", "flush table inet cni-veth"):
        node.run(["nft", damage])
        plugin.status(conf).failed(51)
        done = node.run(command, env=node.environment)
        assert "1 pods' rules" in done.stderr and done.stdout == ""
        plugin.check(conf, pod, result).succeeded()
        assert ruleset(node) == before
    assert "0 pods' rules" in node.run(command, env=node.environment).stderr
    plugin.delete(conf, pod).succeeded()
    assert "0 pods' rules" in node.run(command, env=node.environment).stderr
    assert node.run([*command, "x"], env=node.environment, check=False).returncode == 2


def test_twenty_at_once_on_a_flushed_node(node: Node, plugin: Plugin) -> None:
    """Everybody finds the rules missing; each pod's elements are there in the end, and gone after the DELs."""
    conf, first = network(node), node.pod()
    result = plugin.add(conf, first).succeeded()
    node.run(["nft", "flush", "ruleset"])
    pods = [node.pod() for _ in range(20)]
    replies = concurrently(plugin, "ADD", conf, pods)
    assert [reply.code for reply in replies] == [0] * 20
    plugin.check(conf, first, result).succeeded()
    for pod, reply in zip(pods, replies, strict=True):
        plugin.check(conf, pod, reply.json).succeeded()
    assert [reply.code for reply in concurrently(plugin, "DEL", conf, pods)] == [0] * 20
    left = ruleset(node)
    assert [pod.name for pod in pods if pod.container_id in left.split()] == []
    assert first.container_id in left


def concurrently(plugin: Plugin, verb: str, conf: dict[str, Any], pods: list[Pod]) -> list[Reply]:
    calls = [plugin.begin(verb, conf, pod) for pod in pods]
    ended = [(call, *call.communicate(timeout=60)) for call in calls]
    return [Reply(f"concurrent {verb}", call.returncode, stdout, stderr) for call, stdout, stderr in ended]


@pytest.mark.parametrize("damage", ["flush chain", "delete element"])
def test_check_finds_a_single_lost_rule(node: Node, pod: Pod, plugin: Plugin, damage: str) -> None:
    conf = network(node)
    result = plugin.add(conf, pod).succeeded()
    listed = elements(node)
    name = next(line.split()[1] for line in listed.splitlines() if line.strip().startswith("chain"))
    if damage == "flush chain":
        node.run(["nft", f"flush chain inet cni-veth {name}"])
    else:
        found = next(
            line.split()[1] for line in listed.splitlines() if line.strip().startswith("set masq") and "-4" in line
        )
        node.run(["nft", f"delete element inet cni-veth {found} {{ 10.22.0.2 }}"])
    details = plugin.check(conf, pod, result).failed(103)
    assert ("rules, expected" in details["msg"]) is (damage == "flush chain")


def test_del_needs_neither_namespace_nor_prev_result_nor_record(node: Node, plugin: Plugin) -> None:
    conf = network(node)
    for lost in ("namespace", "record", "link"):
        pod = node.pod()
        plugin.add(conf, pod).succeeded()
        assert pod.container_id in ruleset(node)
        if lost == "namespace":
            pod.delete()
        elif lost == "record":
            node.run(["rm", "-r", str(node.dir / "run/attachments")])
        else:
            node.run(["ip", "link", "del", next(iter(node.ports()))])
        plugin.delete(conf, pod).succeeded()
        assert pod.container_id not in ruleset(node), lost
        assert node.leases() == {}
        plugin.delete(conf, pod).succeeded()


def test_where_no_record_can_be_written_pods_start_all_the_same(node: Node, pod: Pod, plugin: Plugin) -> None:
    conf, nowhere = network(node), {"CNI_VETH_RUN_DIR": "/proc/nowhere"}
    reply = plugin.add(conf, pod, env=nowhere)
    assert "reconcile" in reply.stderr
    plugin.check(conf, pod, reply.succeeded(), env=nowhere).succeeded()
    plugin.gc(conf, [(pod.container_id, "eth0")], env=nowhere).succeeded()
    assert pod.container_id in ruleset(node)
    plugin.delete(conf, pod, env=nowhere).succeeded()
    assert pod.container_id not in ruleset(node) and node.leases() == {}


def test_gc_takes_the_rules_of_what_is_not_listed(node: Node, plugin: Plugin) -> None:
    conf, other = network(node), network(node, name="other", bridge="cni1", ipam=node.ipam("10.99.0.0/24"))
    pods = [node.pod() for _ in range(4)]
    for pod in pods[:3]:
        plugin.add(conf, pod).succeeded()
    plugin.add(other, pods[3]).succeeded()
    node.run(["rm", *map(str, sorted((node.dir / "run/attachments").rglob("cni-veth-*"))[:1])])
    plugin.gc(conf, [(pods[0].container_id, "eth0")]).succeeded()
    left = ruleset(node)
    assert [pod.container_id in left for pod in pods] == [True, False, False, True]
    plugin.gc(conf, []).succeeded()
    plugin.gc(other, []).succeeded()
    assert "masquerade" not in ruleset(node), "rules that no pod uses go as well"


def test_a_failed_add_leaves_no_element_and_no_record(node: Node, pod: Pod, plugin: Plugin) -> None:
    """An address that another network masquerades already."""
    one, two = node.pod(), node.pod()
    plugin.add(network(node), one).succeeded()
    before = ruleset(node)
    conf = network(node, ipam={**node.ipam(*SUBNETS), "dataDir": str(node.dir / "elsewhere")})
    error = plugin.add(conf, two).failed(102)
    assert "masquerade of 10.22.0.2" in error["msg"] and one.container_id in error["details"]
    assert two.container_id not in ruleset(node) and one.container_id in ruleset(node)
    assert len(before) and len(list((node.dir / "run/attachments").rglob("cni-veth-*"))) == 1
    assert two.links().keys() == {"lo"}


def test_a_dead_pods_element_gives_way(node: Node, plugin: Plugin) -> None:
    """Its link is gone, its lease was taken away by somebody, and no DEL came."""
    conf, one, two = network(node), node.pod(), node.pod()
    plugin.add(conf, one).succeeded()
    one.delete()
    until(lambda: not node.ports())  # the kernel takes the namespace's links away behind our back
    node.run(["sh", "-c", f"rm {node.store}/net/*"])
    result = plugin.add({**conf, "args": {"cni": {"ips": ["10.22.0.2"]}}}, two).succeeded()
    assert result["ips"][0]["address"].startswith("10.22.0.2/")
    plugin.delete(conf, one).succeeded()
    assert two.container_id in ruleset(node), "the late DEL of the first takes nothing of the second"


def test_without_nft_the_error_says_so(node: Node, pod: Pod, plugin: Plugin) -> None:
    """Where only iptables is there. A mount namespace hides the program."""
    conf = network(node)
    hidden = ["unshare", "--mount", "--propagation", "private", "sh", "-c"]
    script = 'mount --bind /dev/null "$(command -v nft)" && exec "$0"'
    for verb, code in (("STATUS", 50), ("ADD", 100)):
        reply = plugin.cni(verb, conf, pod, wrap=[*hidden, script])
        error = reply.failed(code)
        assert "not undone" not in error["details"] and reply.seconds < 5
        assert "nft" in error["msg"] and "nftables" in error["details"]
    assert pod.links().keys() == {"lo"} and node.leases() == {}


def test_other_tables_are_left_alone(node: Node, pod: Pod, plugin: Plugin) -> None:
    base = "type nat hook postrouting priority srcnat; ip saddr 10.9.0.0/16 masquerade;"
    node.run(["nft", f"table ip foreign {{ chain post {{ {base} }}; }}"])
    before = node.run(["nft", "list", "table", "ip", "foreign"]).stdout
    conf = network(node)
    plugin.add(conf, pod).succeeded()
    plugin.delete(conf, pod).succeeded()
    plugin.gc(conf, []).succeeded()
    assert node.run(["nft", "list", "table", "ip", "foreign"]).stdout == before


def test_a_plain_pod_touches_no_rules(node: Node, pod: Pod, plugin: Plugin) -> None:
    conf = network(node, ipMasq=False)
    result = plugin.add(conf, pod).succeeded()
    plugin.check(conf, pod, result).succeeded()
    plugin.status(conf).succeeded()
    plugin.delete(conf, pod).succeeded()
    assert ruleset(node) == ""
    assert not (node.dir / "run/attachments").exists()


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"ipMasqBackend": "ebtables"}, "ipMasqBackend: must be"),
        ({"ipMasqExclude": ["10.0.0.0/40"]}, "ipMasqExclude[0]: "),
        ({"ipMasqExclude": "10.0.0.0/8"}, "ipMasqExclude: must be a list"),
        ({"ipMasq": "yes"}, "ipMasq: must be true or false"),
    ],
)
def test_bad_keys_are_refused(node: Node, pod: Pod, plugin: Plugin, keys: dict[str, Any], message: str) -> None:
    assert plugin.add(network(node, **keys), pod).failed(7)["msg"].startswith(message)
    assert ruleset(node) == "" and pod.links().keys() == {"lo"}
