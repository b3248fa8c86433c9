"""DEL always finishes: what is missing is success, what fails is told after the rest (reference-behaviour 2.1)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.world import Node, Plugin, Pod
from tests.world.scripted import ScriptedIPAM, answer, failure

Conf = dict[str, Any]


def network(node: Node, **keys: Any) -> Conf:
    return node.network("10.1.2.0/24", "fd00::/64", **{"isDefaultGateway": True, **keys})


def assert_gone(node: Node, pod: Pod | None) -> None:
    assert set(node.links()) == {"lo", "cni0"}
    assert pod is None or set(pod.links()) == {"lo"}
    assert node.leases() == {}


@pytest.fixture
def added(node: Node, pod: Pod, plugin: Plugin) -> Conf:
    """The result of an ADD of `network`."""
    result = plugin.add(network(node), pod).succeeded()
    assert node.leases() and node.ports()
    return result


@pytest.mark.parametrize("with_prev", [False, True], ids=["no prevResult", "prevResult"])
@pytest.mark.parametrize("netns", ["", "missing", "a plain file", "a directory", "another kind of namespace"])
def test_del_with_a_netns_that_is(
    node: Node, pod: Pod, plugin: Plugin, added: Conf, netns: str, with_prev: bool
) -> None:
    """The pod's namespace still exists: its link goes all the same, by its tag on the host."""
    file = node.dir / "netns"
    file.touch()
    path = {
        "": "",
        "missing": "/run/netns/never-there",
        "a plain file": str(file),
        "a directory": str(node.dir),
        "another kind of namespace": "/proc/self/ns/uts",
    }[netns]
    plugin.delete(network(node), pod, added if with_prev else None, env={"CNI_NETNS": path}).succeeded()
    assert_gone(node, pod)


def test_del_of_a_pod_whose_namespace_is_gone(node: Node, pod: Pod, plugin: Plugin, added: Conf) -> None:
    pod.delete()
    plugin.delete(network(node), pod, added).succeeded()
    assert_gone(node, None)


@pytest.mark.parametrize("end", ["host", "pod"])
def test_del_of_an_interface_that_is_gone(node: Node, pod: Pod, plugin: Plugin, added: Conf, end: str) -> None:
    if end == "host":
        node.batch(f"link del {added['interfaces'][1]['name']}")
    else:
        pod.batch("link del eth0")
    plugin.delete(network(node), pod, added).succeeded()
    assert_gone(node, pod)


def test_del_of_a_link_that_was_moved_and_renamed(node: Node, pod: Pod, plugin: Plugin, added: Conf) -> None:
    node.batch(f"link set {added['interfaces'][1]['name']} nomaster name renamed0")
    pod.batch("link set eth0 down name renamed0")
    plugin.delete(network(node), pod, added).succeeded()
    assert_gone(node, pod)


def test_del_is_repeatable(node: Node, pod: Pod, plugin: Plugin, added: Conf) -> None:
    for prev in (added, added, None):
        plugin.delete(network(node), pod, prev).succeeded()
        assert_gone(node, pod)


@pytest.mark.parametrize("args", ["none", "MAC", "IP=;=", "UNKNOWN=1", "IgnoreUnknown=maybe", "MAC=not-a-mac"])
def test_del_with_bad_cni_args(node: Node, pod: Pod, plugin: Plugin, added: Conf, args: str) -> None:
    plugin.delete(network(node), pod, added, args=args).succeeded()
    assert_gone(node, pod)


@pytest.mark.parametrize(
    "changes",
    [
        {"bridge": "br-other"},
        {"bridge": 7, "mtu": "1500", "isGateway": "yes", "hairpinMode": 1},
        {"hairpinMode": True, "promiscMode": True},
        {"vlan": 5000, "vlanTrunk": [{}], "disableContainerInterface": True},
        {"ipMasq": True, "macspoofchk": True, "spoofGuard": 1, "ingressPolicy": "none"},
        {"strict": True, "no-such-key": 1},
        {"runtimeConfig": {"mac": "no"}, "args": {"cni": {"mac": 7}}, "dns": "no"},
        {"prevResult": {"cniVersion": "0.1.0", "ips": "none"}},
        {"prevResult": "none"},
    ],
    ids=str,
)
def test_del_with_a_configuration_that_has_changed(
    node: Node, pod: Pod, plugin: Plugin, added: Conf, changes: dict[str, Any]
) -> None:
    plugin.delete(network(node) | changes, pod).succeeded()
    assert_gone(node, pod)


@pytest.mark.parametrize(
    "changes",
    [
        {"ranges": [[{"subnet": "192.168.0.0/24"}]]},
        {"ranges": []},
        {"ranges": "none", "routes": 7, "subnet": "10.1.2.3/40", "resolvConf": "/nowhere"},
    ],
    ids=str,
)
def test_del_with_ranges_that_have_changed(
    node: Node, pod: Pod, plugin: Plugin, added: Conf, changes: dict[str, Any]
) -> None:
    """rancher#21348: by (container id, ifname), not by range."""
    conf = network(node)
    plugin.delete({**conf, "ipam": conf["ipam"] | changes}, pod).succeeded()
    assert_gone(node, pod)


def test_del_in_another_version_than_add(node: Node, pod: Pod, plugin: Plugin, added: Conf) -> None:
    plugin.delete(network(node, cniVersion="0.3.1"), pod).succeeded()
    assert_gone(node, pod)


@pytest.mark.parametrize(
    ("ipam", "code"), [({"type": "no-such-plugin"}, 7), ({"type": "../cni-ipam"}, 7), ({"type": 7}, 7), ("none", 7)]
)
def test_del_without_its_ipam_executable_deletes_the_link_and_tells(
    node: Node, pod: Pod, plugin: Plugin, added: Conf, ipam: Any, code: int
) -> None:
    error = plugin.delete({**network(node), "ipam": ipam}, pod).failed(code)
    assert "ipam" in error["msg"] or "no-such-plugin" in error["msg"]
    assert set(node.links()) == {"lo", "cni0"}
    assert set(pod.links()) == {"lo"}


def test_del_without_cni_path_deletes_the_link_and_tells(node: Node, pod: Pod, plugin: Plugin, added: Conf) -> None:
    assert "CNI_PATH" in plugin.delete(network(node), pod, env={"CNI_PATH": ""}).failed(4)["msg"]
    assert set(node.links()) == {"lo", "cni0"}


def test_del_of_a_l2_network_needs_no_cni_path(node: Node, pod: Pod, plugin: Plugin) -> None:
    plugin.add(node.network(), pod, env={"CNI_PATH": None}).succeeded()
    plugin.delete(node.network(), pod, env={"CNI_PATH": None}).succeeded()
    assert_gone(node, pod)


def test_del_with_a_failing_ipam_deletes_the_link_and_passes_the_error_on(node: Node, pod: Pod, plugin: Plugin) -> None:
    foreign = ScriptedIPAM(node, ADD=answer("10.1.2.5/24"), DEL=failure(11, "the server is away"))
    conf = node.network(ipam={"type": foreign.type})
    plugin.add(conf, pod, path=[foreign.directory]).succeeded()
    error = plugin.delete(conf, pod, path=[foreign.directory]).failed(11)
    assert error["msg"] == "the server is away"
    assert_gone(node, pod)
    foreign.write()
    plugin.delete(conf, pod, path=[foreign.directory]).succeeded()
    assert foreign.calls == ["ADD", "DEL", "DEL"]


def test_del_releases_the_address_last(node: Node, pod: Pod, plugin: Plugin) -> None:
    """Released before the link is gone, it could be another pod's while this one still answers."""
    foreign = ScriptedIPAM(node, ADD=answer("10.1.2.5/24"), DEL="ip -o link >$reached.links")
    conf = node.network(ipam={"type": foreign.type})
    result = plugin.add(conf, pod, path=[foreign.directory]).succeeded()
    plugin.delete(conf, pod, path=[foreign.directory]).succeeded()
    seen = (foreign.directory / "reached.links").read_text()
    assert "cni0" in seen and result["interfaces"][1]["name"] not in seen


def test_del_with_an_unreadable_store_deletes_the_link_and_tells(
    node: Node, pod: Pod, plugin: Plugin, added: Conf
) -> None:
    conf = network(node)
    file = node.dir / "file"
    file.touch()
    conf["ipam"]["dataDir"] = str(file)
    assert str(file) in plugin.delete(conf, pod).failed(5)["msg"]
    assert set(node.links()) == {"lo", "cni0"}


def test_del_leaves_other_interfaces_of_the_pod_alone(node: Node, pod: Pod, plugin: Plugin, added: Conf) -> None:
    second = plugin.add(network(node), pod, ifname="net1").succeeded()
    plugin.delete(network(node), pod, added).succeeded()
    assert set(pod.links()) == {"lo", "net1"}
    assert {owner for owner in node.leases().values()} == {(pod.container_id, "net1")}
    plugin.check(network(node), pod, {**second, "routes": []}, ifname="net1").succeeded()


def test_del_of_one_network_leaves_the_other_s_link_alone(node: Node, pod: Pod, plugin: Plugin, added: Conf) -> None:
    """podman and nerdctl give a container several networks, each with an interface of its own."""
    other = network(node, name="other", bridge="cni1", isDefaultGateway=False)
    other["ipam"]["ranges"] = [[{"subnet": "10.1.9.0/24"}]]
    result = plugin.add(other, pod, ifname="net1").succeeded()
    plugin.delete(network(node), pod, added).succeeded()
    plugin.check(other, pod, result, ifname="net1").succeeded()


def test_del_leaves_a_link_of_another_kind_alone(node: Node, pod: Pod, plugin: Plugin) -> None:
    pod.batch("link add name eth0 type bridge")
    plugin.delete(network(node), pod).succeeded()
    assert "eth0" in pod.links()


def test_del_of_a_pod_made_before_links_were_tagged(node: Node, pod: Pod, plugin: Plugin, added: Conf) -> None:
    """By an older version or the reference: found by its name in the pod."""
    port = node.links()[added["interfaces"][1]["name"]]
    node.batch(
        f"link property del dev {port['ifname']} altname {port['altnames'][0]}", f"link set {port['ifname']} alias ''"
    )
    plugin.delete(network(node), pod, added).succeeded()
    assert_gone(node, pod)
