"""GC: what of this network the runtime does not list goes, nothing else (SPEC section 2; the reference has none)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.world import Node, Plugin, Pod
from tests.world.scripted import ScriptedIPAM, answer, failure

Conf = dict[str, Any]
KEYS = ("cni.dev/valid-attachments", "cni.dev/attachments")


def owners(node: Node, network: str = "net") -> set[tuple[str, str]]:
    return set(node.leases(network).values())


def listed(*pods: Pod) -> list[dict[str, str]]:
    return [{"containerID": pod.container_id, "ifname": "eth0"} for pod in pods]


@pytest.fixture
def pods(node: Node, plugin: Plugin) -> list[Pod]:
    """Two pods on `network`."""
    found = [node.pod(name) for name in ("kept", "orphan")]
    for pod in found:
        plugin.add(network(node), pod).succeeded()
    return found


def network(node: Node, **keys: Any) -> Conf:
    return node.network("10.1.2.0/24", **{"isGateway": True, **keys})


def test_orphans_are_deleted_and_the_listed_kept(node: Node, plugin: Plugin, pods: list[Pod]) -> None:
    kept, orphan = pods
    assert plugin.gc(network(node), [(kept.container_id, "eth0")]).succeeded() == {}
    assert set(kept.links()) == {"lo", "eth0"}
    assert set(orphan.links()) == {"lo"}
    assert len(node.ports()) == 1
    assert owners(node) == {(kept.container_id, "eth0")}
    assert kept.reaches("10.1.2.1")


def test_an_attachment_is_container_id_and_ifname(node: Node, plugin: Plugin, pods: list[Pod]) -> None:
    plugin.add(network(node), pods[0], ifname="net1").succeeded()
    plugin.gc(network(node), [(pods[0].container_id, "net1")]).succeeded()
    assert set(pods[0].links()) == {"lo", "net1"}
    assert owners(node) == {(pods[0].container_id, "net1")}


def test_the_reservation_of_a_pod_whose_namespace_is_gone_is_released(
    node: Node, plugin: Plugin, pods: list[Pod]
) -> None:
    pods[1].delete()
    plugin.gc(network(node), [(pods[0].container_id, "eth0")]).succeeded()
    assert owners(node) == {(pods[0].container_id, "eth0")}


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("value", [[], None], ids=["[]", "null"])
def test_an_empty_list_names_everything_garbage(
    node: Node, plugin: Plugin, pods: list[Pod], key: str, value: list[Any] | None
) -> None:
    """CRI-O sends null where it has no pods."""
    plugin.cni("GC", network(node) | {key: value}).succeeded()
    assert node.ports() == {}
    assert owners(node) == set()
    assert "cni0" in node.links(), "the bridge is nobody's attachment"


def test_an_absent_key_names_no_garbage(node: Node, plugin: Plugin, pods: list[Pod]) -> None:
    """`cnitool gc` sends none: it must not cut every pod off."""
    before = node.state(), node.leases()
    plugin.gc(network(node), None).succeeded()
    assert (node.state(), node.leases()) == before


@pytest.mark.parametrize("key", KEYS)
def test_both_key_names_are_read(node: Node, plugin: Plugin, pods: list[Pod], key: str) -> None:
    """cni#1101: the specification had two."""
    plugin.cni("GC", network(node) | {key: listed(pods[0])}).succeeded()
    assert owners(node) == {(pods[0].container_id, "eth0")}
    assert len(node.ports()) == 1


def test_the_name_of_the_specification_is_preferred(node: Node, plugin: Plugin, pods: list[Pod]) -> None:
    plugin.cni("GC", network(node) | {KEYS[0]: listed(*pods), KEYS[1]: []}).succeeded()
    assert len(owners(node)) == len(node.ports()) == 2


def test_other_networks_and_foreign_links_are_untouched(node: Node, plugin: Plugin, pods: list[Pod]) -> None:
    """Another network of ours on the same bridge, one whose name begins alike, and links that others made."""
    others = []
    for name, subnet in (("net2", "10.1.3.0/24"), ("ne", "10.1.4.0/24")):
        pod = node.pod()
        others.append((pod, node.network(subnet, name=name)))
        plugin.add(others[-1][1], pod).succeeded()
    node.batch(
        *(
            "link add name veth12345678 master cni0 type veth peer name p1",
            "link add name veth9 type veth peer name p2",
        ),
        f"link set veth9 alias 'cni-veth net2 {pods[0].container_id} eth0' group 6516329",
        "link add name br9 type bridge",
        f"link set br9 alias 'cni-veth net {pods[0].container_id} eth0'",
    )
    plugin.gc(network(node), []).succeeded()
    for pod, _ in others:
        assert set(pod.links()) == {"lo", "eth0"}
    assert {"veth12345678", "p1", "veth9", "p2", "br9"} <= set(node.links())
    assert [len(owners(node, name)) for name in ("net", "net2", "ne")] == [0, 1, 1]


@pytest.mark.parametrize("length", [100, 200])
def test_long_names_are_told_apart(node: Node, plugin: Plugin, length: int) -> None:
    """A link's alias holds 255 bytes."""
    network_name = "n" * length
    pods = [node.pod(), node.pod()]
    ids = ["c" * length + str(number) for number in range(2)]
    conf = network(node, name=network_name)
    for pod, container_id in zip(pods, ids, strict=True):
        plugin.add(conf, pod, container_id=container_id).succeeded()
    plugin.gc(conf, [(ids[1], "eth0")]).succeeded()
    assert [set(pod.links()) for pod in pods] == [{"lo"}, {"lo", "eth0"}]
    plugin.gc(network(node, name=network_name[:-1]), []).succeeded()
    assert set(pods[1].links()) == {"lo", "eth0"}
    plugin.delete(conf, pods[1], container_id=ids[1], env={"CNI_NETNS": ""}).succeeded()
    assert set(pods[1].links()) == {"lo"}


def test_gc_is_forwarded_to_the_delegate_with_its_list(node: Node, pod: Pod, plugin: Plugin) -> None:
    foreign = ScriptedIPAM(node, ADD=answer("10.1.2.5/24"))
    conf = node.network(ipam={"type": foreign.type})
    plugin.add(conf, pod, path=[foreign.directory]).succeeded()
    plugin.cni("GC", conf | {KEYS[0]: listed(pod)}, path=[foreign.directory]).succeeded()
    assert foreign.calls == ["ADD", "GC"]
    assert foreign.stdin[KEYS[0]] == listed(pod)
    assert set(pod.links()) == {"lo", "eth0"}


def test_gc_goes_on_past_errors_and_tells_them(node: Node, pod: Pod, plugin: Plugin) -> None:
    foreign = ScriptedIPAM(node, ADD=answer("10.1.2.5/24"), GC=failure(11, "the server is away"))
    conf = node.network(ipam={"type": foreign.type})
    plugin.add(conf, pod, path=[foreign.directory]).succeeded()
    assert plugin.gc(conf, [], path=[foreign.directory]).failed(11)["msg"] == "the server is away"
    assert set(pod.links()) == {"lo"}


def test_gc_releases_what_it_can_and_tells_the_rest(node: Node, plugin: Plugin, pods: list[Pod]) -> None:
    stuck = node.store / "net" / "10.1.2.200"
    stuck.symlink_to(stuck.name)  # neither readable nor an IP of anybody
    error = plugin.gc(network(node), []).failed(5)
    assert "10.1.2.200" in error["msg"] + error["details"]
    assert node.ports() == {}
    stuck.unlink()
    assert owners(node) == set()


def test_gc_with_a_missing_ipam_executable_deletes_the_links_and_tells(
    node: Node, plugin: Plugin, pods: list[Pod]
) -> None:
    conf = network(node, ipam={"type": "no-such-plugin"})
    assert "no-such-plugin" in plugin.gc(conf, []).failed(7)["msg"]
    assert node.ports() == {}


@pytest.mark.parametrize(
    "value", ["all", [{"containerID": "c1"}], [{"containerID": 7, "ifname": "eth0"}], [["c1", "eth0"]], {}], ids=str
)
def test_a_list_that_cannot_be_read_deletes_nothing(node: Node, plugin: Plugin, pods: list[Pod], value: Any) -> None:
    error = plugin.cni("GC", network(node) | {KEYS[0]: value}).failed(7)
    assert error["msg"].startswith(f"{KEYS[0]}")
    assert len(node.ports()) == len(owners(node)) == 2


def test_gc_does_not_mind_a_configuration_that_no_add_would_take(node: Node, plugin: Plugin, pods: list[Pod]) -> None:
    conf = network(node, bridge=7, mtu="1500", vlan=5000, ipMasq=True)
    plugin.gc(conf, []).succeeded()
    assert node.ports() == {}


def test_gc_came_with_version_1_1_0(node: Node, plugin: Plugin, pods: list[Pod]) -> None:
    plugin.gc(network(node, cniVersion="1.0.0"), []).failed(1)
    assert len(node.ports()) == 2


def test_a_hundred_orphans_at_once(node: Node, plugin: Plugin, pods: list[Pod]) -> None:
    """Made by hand as the plugin tags its own: they go in one request, the listed one stays."""
    node.batch(
        *(f"link add name veth{number:08x} type veth peer name p{number}" for number in range(100)),
        *(f"link set veth{number:08x} alias 'cni-veth net c{number} eth0' group 6516329" for number in range(100)),
    )
    plugin.gc(network(node), [("c7", "eth0"), (pods[0].container_id, "eth0")]).succeeded()
    assert {name for name in node.links() if name.startswith("veth")} == {"veth00000007", *node.ports()}
    assert len(node.ports()) == 1
