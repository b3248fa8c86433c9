"""A link of the node that an earlier plugin made, a tap or a pair's end, is our port (CONVENTIONS: Chained Plugins)."""

from __future__ import annotations

import fcntl
import os
import select
import struct

import pytest

from tests.netns.earlier import Conf, lasting, network
from tests.world import VERSIONS, Node, Plugin, Pod

IPS = ["10.22.0.2/24", "fd00:22::2/64"]
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000


def assert_given_back(node: Node, name: str) -> None:
    link = node.links()[name]
    assert "master" not in link and "altnames" not in link and "ifalias" not in link
    assert (link["group"], node.leases(), node.ports()) == ("default", {}, {})


@pytest.mark.parametrize("version", [version for version in VERSIONS if version >= "0.3.0"])
def test_a_tap_becomes_a_port_and_its_addresses_are_told(
    node: Node, pod: Pod, plugin: Plugin, tap: Conf, version: str
) -> None:
    conf = network(node, cniVersion=version, hairpinMode=True, portIsolation=True)
    result = plugin.add(conf, pod, tap | {"cniVersion": version}).succeeded()
    assert [interface["name"] for interface in result["interfaces"]] == ["tap0", "cni0"]
    assert result["interfaces"][:1] == tap["interfaces"]
    assert [(ip["address"], ip["interface"]) for ip in result["ips"]] == [(ip, 0) for ip in IPS]
    assert sorted(ip.partition("/")[0] for ip in IPS) == sorted(node.leases())
    [port] = node.ports().values()
    assert (port["ifname"], "UP" in port["flags"], port["group"]) == ("tap0", True, "default")
    assert "ifalias" not in port and len(port["altnames"]) == 1
    flags = port["linkinfo"]["info_slave_data"]
    assert (flags["hairpin"], flags["isolated"]) == (True, True)
    assert node.addresses("cni0") == ["10.22.0.1/24", "fd00:22::1/64"]
    assert set(pod.links()) == {"lo"}
    if version >= "0.4.0":
        plugin.check(conf, pod, result).succeeded()
    plugin.delete(conf, pod, result).succeeded()
    assert_given_back(node, "tap0")


def test_frames_of_the_bridge_come_to_the_tap(node: Node, pod: Pod, plugin: Plugin, tap: Conf) -> None:
    """The VM's address is asked for by ARP, in the frames that the VM would read."""
    with node.entered():
        vm = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(vm, TUNSETIFF, struct.pack("16sH22x", b"tap0", IFF_TAP | IFF_NO_PI))
        plugin.add(network(node), pod, tap).succeeded()
        node.start(["ping", "-n", "-c", "3", "-W", "1", "10.22.0.2"])
        asked = b""
        while asked[12:14] != b"\x08\x06" and select.select([vm], [], [], 5)[0]:
            asked = os.read(vm, 2048)
        assert asked[12:14] == b"\x08\x06" and bytes((10, 22, 0, 2)) in asked
    finally:
        os.close(vm)


def test_a_pair_is_joined_and_its_end_in_the_pod_gets_the_addresses(
    node: Node, pod: Pod, plugin: Plugin, pair: Conf
) -> None:
    conf = network(node)
    result = plugin.add(conf, pod, pair).succeeded()
    assert [interface["name"] for interface in result["interfaces"]] == ["veth7", "eth0", "cni0"]
    assert [(ip["address"], ip["interface"]) for ip in result["ips"]] == [(ip, 1) for ip in IPS]
    assert set(node.ports()) == {"veth7"} and pod.addresses("eth0") == IPS
    other = node.pod()
    plugin.add(conf, other).succeeded()
    assert all(pod.reaches(ip) for ip in ("10.22.0.1", "fd00:22::1", "10.22.0.3", "fd00:22::3"))
    plugin.check(conf, pod, result).succeeded()
    plugin.delete(conf, other).succeeded()
    plugin.delete(conf, pod, result).succeeded()
    assert_given_back(node, "veth7")


@pytest.mark.parametrize("netns", [True, False], ids=["netns", "no netns"])
def test_del_needs_no_prev_result_and_is_repeatable(
    node: Node, pod: Pod, plugin: Plugin, earlier: Conf, netns: bool
) -> None:
    """A second one takes a pair for one that lost its tag, like the reference's; its plugin's DEL is next anyway."""
    env = {} if netns else {"CNI_NETNS": ""}
    result = plugin.add(network(node), pod, earlier).succeeded()
    inner = set(pod.links())
    plugin.delete(network(node, bridge="changed"), pod, env=env).succeeded()
    assert_given_back(node, earlier["interfaces"][0]["name"])
    assert set(pod.links()) == inner
    for prev in (None, result):
        plugin.delete(network(node, bridge="changed"), pod, prev, env=env).succeeded()
    plugin.delete(network(node), pod, result, env={"CNI_NETNS": "/run/netns/never-there"}).succeeded()


def test_del_of_a_link_that_is_gone(node: Node, pod: Pod, plugin: Plugin, earlier: Conf) -> None:
    plugin.add(network(node), pod, earlier).succeeded()
    node.batch(f"link del {earlier['interfaces'][0]['name']}")
    plugin.delete(network(node), pod).succeeded()
    assert node.leases() == {}


def test_a_repeated_add_is_refused_and_the_first_goes_on(node: Node, pod: Pod, plugin: Plugin, earlier: Conf) -> None:
    result = plugin.add(network(node), pod, earlier).succeeded()
    before = lasting(node, pod)
    for prev in (earlier, result):
        assert "already has a link" in plugin.add(network(node), pod, prev).failed(101)["msg"]
        assert lasting(node, pod) == before
    plugin.check(network(node), pod, result).succeeded()


def test_gc_leaves_it(node: Node, pod: Pod, plugin: Plugin, earlier: Conf) -> None:
    """The link is the earlier plugin's; the addresses are not."""
    plugin.add(network(node), pod, earlier).succeeded()
    before = node.state(), pod.state()
    plugin.gc(network(node), []).succeeded()
    assert (node.state(), pod.state(), node.leases()) == (*before, {})


@pytest.mark.parametrize("commands", [
    [],
    ["link add name other type bridge"],
    ["link add name br9 type bridge", "tuntap add dev other mode tap", "link set other master br9"],
    ["link add name other type veth peer name wan", "link set other up", "addr add 192.0.2.2/24 dev other",
     "link set wan up", "route add default via 192.0.2.1"],
], ids=["absent", "a bridge", "behind another bridge", "the node's uplink"])  # fmt: skip
def test_a_link_that_cannot_be_the_port_is_left_alone(
    node: Node, pod: Pod, plugin: Plugin, commands: list[str]
) -> None:
    node.batch(*commands)
    before = node.links().get("other")
    names = ["other", "lo", "", "a-name-longer-than-15-bytes"]
    prev = {"cniVersion": "1.1.0", "interfaces": [{"name": name} for name in names]}
    result = plugin.add(network(node), pod, prev).succeeded()
    assert [interface["name"] for interface in result["interfaces"][4:]] == ["cni0", *node.ports(), "eth0"]
    assert pod.addresses("eth0") == IPS
    assert node.links().get("other", {}).get("master") == (before or {}).get("master")
    plugin.delete(network(node), pod, result).succeeded()
    assert (set(pod.links()), node.ports(), node.leases()) == ({"lo"}, {}, {})


@pytest.mark.parametrize(("command", "words"), [
    ("link set {} down", "{} is down"),
    ("link set {} nomaster", "{} is not a port of bridge cni0"),
    ("link set {} type bridge_slave hairpin off", "hairpin mode of {} is off, expected on"),
    ("addr del 10.22.0.1/24 dev cni0", "gateway address 10.22.0.1/24 is missing on cni0"),
    ("link del {}", "eth0 "),
])  # fmt: skip
def test_check_tells_what_is_wrong_with_it(
    node: Node, pod: Pod, plugin: Plugin, earlier: Conf, command: str, words: str
) -> None:
    name, conf = earlier["interfaces"][0]["name"], network(node, hairpinMode=True, mtu=1400)
    result = plugin.add(conf, pod, earlier).succeeded()
    plugin.check(conf, pod, result).succeeded()
    node.batch(command.format(name))
    error = plugin.check(conf, pod, result).failed(103)
    assert words.format(name) in error["msg"] + error["details"]


def test_check_compares_what_the_pods_end_got(node: Node, pod: Pod, plugin: Plugin, pair: Conf) -> None:
    result = plugin.add(network(node), pod, pair).succeeded()
    pod.batch("addr del 10.22.0.2/24 dev eth0")
    details = plugin.check(network(node), pod, result).failed(103)["details"]
    assert "address 10.22.0.2/24 is missing on eth0" in details and "route" in details


def test_what_the_earlier_plugin_gave_the_pod_stays(node: Node, pod: Pod, plugin: Plugin, pair: Conf) -> None:
    """`ptp` has its own IPAM, and the gateway on the host's end."""
    node.batch("addr add 192.0.2.1/32 dev veth7", "link set veth7 up")
    pod.batch("link set eth0 up", "addr add 192.0.2.7/24 dev eth0")
    pair["ips"] = [{"address": "192.0.2.7/24", "gateway": "192.0.2.1", "interface": 1}]
    result = plugin.add(network(node), pod, pair).succeeded()
    assert pod.addresses("eth0") == ["10.22.0.2/24", "192.0.2.7/24", "fd00:22::2/64"]
    assert result["ips"][0] == pair["ips"][0]
    plugin.check(network(node), pod, result).succeeded()
