"""STATUS, GC and reconcile of networks with rules: what they say while pods come and go, and where nothing helps."""

from __future__ import annotations

import json
import stat
import threading
from pathlib import Path

import pytest

from cni.errors import PluginNotAvailable
from cni_veth.conf import VethConf
from cni_veth.features import status
from cni_veth.netlink import Socket
from cni_veth.nft import ruleset as texts
from cni_veth.released import collect
from cni_veth.undo import Errors
from tests.netns.test_host_ports import mapping, network
from tests.netns.test_masquerade import ruleset
from tests.unit.call import veth_request
from tests.world import Node, Plugin, Pod


def record(run: Path, pod: Pod) -> Path:
    return next(path for path in run.rglob("attachments/*/cni-veth-*") if pod.container_id in path.read_text())


def test_nobody_is_blamed_while_pods_come_and_go(node: Node, pod: Pod, plugin: Plugin) -> None:
    """ADD and DEL have some of a pod's rules for some milliseconds."""
    conf, ended = network(node, mapping(8080, 80), ipMasq=True), threading.Event()
    plugin.add(network(node, ipMasq=True), node.pod()).succeeded()

    def come_and_go() -> None:
        for _ in range(30):
            plugin.add(conf, pod).succeeded()
            plugin.delete(conf, pod).succeeded()
        ended.set()

    churn = threading.Thread(target=come_and_go)
    churn.start()
    while not ended.is_set() and churn.is_alive():
        plugin.status(conf).succeeded()
    churn.join()
    assert ended.is_set()


@pytest.mark.parametrize("told_by", ["the capability", "a record"])
def test_lost_host_ports_are_told_of_a_network_that_has_nothing_else(
    node: Node, pod: Pod, plugin: Plugin, told_by: str
) -> None:
    plugin.add(network(node, mapping(8080, 80)), pod).succeeded()
    conf = {key: value for key, value in network(node).items() if key != "runtimeConfig"}
    if told_by == "the capability":
        conf |= {"capabilities": {"portMappings": True}}
    plugin.status(conf).succeeded()
    node.run(["nft", "flush", "ruleset"])
    assert pod.container_id in plugin.status(conf).failed(51)["msg"]
    plugin.status(node.network("10.99.0.0/24", name="plain", bridge="cni1")).succeeded()


def test_a_network_that_offers_host_ports_is_not_ready_without_nft(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "SYSTEM_PATH", ())
    request = veth_request(capabilities={"portMappings": True})
    request.environ |= {"CNI_VETH_RUN_DIR": str(node.dir / "none"), "PATH": ""}
    with node.entered(), pytest.raises(PluginNotAvailable, match="run nft"):
        status(request, VethConf(request))


def test_the_first_call_after_boot_makes_the_run_directory_private(node: Node, pod: Pod, plugin: Plugin) -> None:
    """Whatever call that is: cni-vethd listens in no directory that others may enter."""
    run = node.dir / "first/run"
    env = {"CNI_VETH_RUN_DIR": str(run)}
    plugin.delete(network(node, mapping(8080, 80)), pod, env=env).succeeded()
    assert stat.S_IMODE(run.stat().st_mode) == 0o700
    plugin.add(network(node, mapping(8080, 80)), pod, env=env).succeeded()
    assert stat.S_IMODE(record(run, pod).stat().st_mode) == 0o600


def test_gc_forgets_what_a_killed_add_left_unfinished(node: Node, pod: Pod, plugin: Plugin) -> None:
    conf = network(node, mapping(8080, 80))
    plugin.add(conf, pod).succeeded()
    noted = record(node.dir / "run", pod)
    unfinished = noted.with_name(f"{noted.name}.new")
    unfinished.write_text(json.dumps(json.loads(noted.read_text()) | {"containerID": "killed"}))
    node.run(["nft", "flush", "ruleset"])
    assert "rules of 1 pods" in plugin.status(conf).failed(51)["msg"]
    plugin.gc(conf, [(pod.container_id, "eth0")]).succeeded()
    assert noted.exists() and not unfinished.exists()


def test_gc_of_a_plain_network_needs_no_nftables(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel without it answers a subsystem that it does not have: so what is asked here is none."""
    monkeypatch.setattr(texts, "NFT_MSG_GETSET", 0x1E0A)
    request = veth_request(name="plain")
    request.environ["CNI_VETH_RUN_DIR"] = str(node.dir / "none")
    errors = Errors()
    with node.entered():
        collect(Socket(), request, set(), errors)
    errors.throw()


def test_reconcile_fails_while_something_is_left(node: Node, pod: Pod, plugin: Plugin) -> None:
    """An element of somebody else's under a pod's key: the kernel takes ours for the same."""
    conf = network(node, ipMasq=True)
    plugin.add(conf, pod).succeeded()
    name = next(line.split()[1] for line in ruleset(node).splitlines() if line.endswith("-4 {"))
    for word, end in (("delete", ""), ("add", ' comment "foreign"')):
        node.run(["nft", f"{word} element inet cni-veth {name} {{ 10.22.0.2{end} }}"])
    done = node.run([str(plugin.executable), "reconcile"], env=node.environment, check=False)
    assert done.returncode == 1
    assert f"rules of 1 pods (first: net {pod.container_id} eth0) are still missing" in done.stderr


def test_add_tells_what_it_could_not_put_back(node: Node, pod: Pod, plugin: Plugin) -> None:
    other = network(node, mapping(9090, 80))
    plugin.add(network(node, mapping(8080, 80)), pod).succeeded()
    marker = min((line.split()[1] for line in ruleset(node).splitlines() if "set host-" in line), key=len)
    node.run(["nft", f"delete element inet cni-veth {marker}-any4 {{ tcp . 8080 }}"])
    node.run(["nft", f"add element inet cni-veth {marker}-any4 {{ tcp . 8080 : 10.22.0.99 . 80 }}"])
    node.run(["nft", f"delete set inet cni-veth {marker}"])
    reply = plugin.add(other, node.pod())
    reply.succeeded()
    assert "host port 8080/tcp" in reply.stderr
