"""Rules that another version of the program made, or noted."""

from __future__ import annotations

import json
import os
from pathlib import Path

from cni_veth.nft import guard
from cni_veth.nft.ruleset import Text
from tests.netns.test_guard_life import guards, mac_of, network, spoofs
from tests.world import BIN, Node, Plugin

CHAINS = {**guard.CHAINS, "sent-ipv4": [*guard.CHAINS["sent-ipv4"][:-1], "counter drop"]}
EARLIER = Text("guard", "bridge", guard.SETS, CHAINS, is_frame=True)


def downgrade(node: Node) -> None:
    """As if an earlier version had added all pods."""
    for path in (node.dir / "run/attachments").glob("*/cni-veth-*"):
        record = json.loads(path.read_text())
        record["texts"] = [EARLIER.to_json()]
        path.write_text(json.dumps(record))
    script = node.dir / "earlier.nft"
    script.write_text(EARLIER.script({guard.TEXT.name}))
    node.run(["nft", "-f", str(script)])


def test_guarded_pods_of_two_versions(node: Node, plugin: Plugin) -> None:
    conf, pods = network(node, spoofGuard=True), [node.pod() for _ in range(4)]
    results = [plugin.add(conf, pod).succeeded() for pod in pods[:2]]
    downgrade(node)
    assert plugin.status(conf).code == 0, "the earlier version's guard serves until somebody replaces it"
    plugin.check(conf, pods[0], results[0]).succeeded()
    for pod in pods[2:]:
        results.append(plugin.add(conf, pod).succeeded())
        assert EARLIER.name not in str(node.run(["nft", "list", "table", "bridge", "cni-veth"]).stdout)
        node.run([str(BIN / "cni-veth"), "reconcile"], env={**os.environ, **node.environment})
    plugin.check(conf, pods[0], results[0]).succeeded()
    assert plugin.status(conf).code == 0
    for pod, result in zip(pods, results, strict=True):
        assert not spoofs(node, pod, mac_of(pod), result["ips"][0]["address"].partition("/")[0])
        plugin.delete(conf, pod).succeeded()
    assert guards(node) == []


def records(node: Node) -> list[str]:
    return [path.name for path in Path(node.dir / "run/attachments").glob("*/cni-veth-*")]


def test_gc_after_an_upgrade_keeps_the_guard(node: Node, plugin: Plugin) -> None:
    conf, pod = network(node, spoofGuard=True), node.pod()
    result = plugin.add(conf, pod).succeeded()
    downgrade(node)
    plugin.gc(conf, [(pod.container_id, "eth0")]).succeeded()
    assert plugin.status(conf).code == 0 and len(records(node)) == 1
    plugin.check(conf, pod, result).succeeded()
