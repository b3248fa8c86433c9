"""GARP and unsolicited NA arrive, after the port forwards (plugins#756, #858: the reference's are lost)."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator

import pytest

from tests.world import Namespace, Node, Plugin, Pod

ETH_P_ALL, ETH_P_ARP, ETH_P_IPV6 = 0x0003, 0x0806, 0x86DD
NEIGHBOR_ADVERTISEMENT, OVERRIDE = 136, 0x20  # RFC 4861 section 4.4
ALL_NODES = ipaddress.ip_address("ff02::1").packed
SUBNETS = ("10.1.2.0/24", "fd00::/64")
SECONDS = 20


def listen(namespace: Namespace, ifname: str) -> socket.socket:
    """Every frame of that link from now on (packet(7))."""
    with namespace.entered():
        found = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        found.bind((ifname, 0))
    found.settimeout(SECONDS)
    return found


def frames(listener: socket.socket) -> Iterator[bytes]:
    while True:
        yield listener.recv(2048)


def is_gratuitous_arp(frame: bytes, mac: bytes, ip: bytes) -> bool:
    """RFC 5227 section 3: to all, sender and target IP the same."""
    return (
        frame[:12] == b"\xff" * 6 + mac
        and int.from_bytes(frame[12:14], "big") == ETH_P_ARP
        and frame[22:32] == mac + ip
        and frame[38:42] == ip
    )


def is_unsolicited_na(frame: bytes, mac: bytes, ip: bytes) -> bool:
    """RFC 4861 section 7.2.6: to all nodes, with the override flag and the new link-layer address."""
    message = frame[54:]
    return (
        frame[6:12] == mac
        and int.from_bytes(frame[12:14], "big") == ETH_P_IPV6
        and frame[38:54] == ALL_NODES
        and message[0] == NEIGHBOR_ADVERTISEMENT
        and bool(message[4] & OVERRIDE)
        and message[8:24] == ip
        and message[26:32] == mac
    )


@pytest.mark.parametrize("where", ["another pod", "the bridge"])
def test_gratuitous_arp_and_unsolicited_na_arrive_at(node: Node, plugin: Plugin, where: str) -> None:
    neighbour, pod = node.pod(), node.pod()
    conf = node.network(*SUBNETS, isGateway=True)
    plugin.add(conf, neighbour).succeeded()
    listener = listen(neighbour, "eth0") if where == "another pod" else listen(node, "cni0")
    with listener:
        result = plugin.add(conf, pod).succeeded()
        mac = bytes.fromhex(result["interfaces"][2]["mac"].replace(":", ""))
        ipv4, ipv6 = (ipaddress.ip_interface(ip["address"]).ip.packed for ip in result["ips"])
        missing = {"gratuitous ARP", "unsolicited NA"}
        for frame in frames(listener):
            if is_gratuitous_arp(frame, mac, ipv4):
                missing.discard("gratuitous ARP")
            if is_unsolicited_na(frame, mac, ipv6):
                missing.discard("unsolicited NA")
            if not missing:
                return


def test_a_pod_without_ipv6_advertises_none(node: Node, pod: Pod, plugin: Plugin) -> None:
    """Its link-local address is nobody's neighbour, and every pod of the bridge would have to hear of it."""
    plugin.add(node.network(SUBNETS[0], isGateway=True), pod).succeeded()
    assert pod.sysctl("net/ipv4/conf/eth0/arp_notify") == "1"
    assert pod.sysctl("net/ipv6/conf/eth0/ndisc_notify") == "0"


def test_a_pod_that_may_find_an_address_by_itself_does_no_dad(node: Node, pod: Pod, plugin: Plugin) -> None:
    """A network without ipam: a router may give it one, and its link-local address is the first that it needs."""
    plugin.add(node.network(), pod).succeeded()
    assert pod.sysctl("net/ipv6/conf/eth0/accept_dad") == "0"
    shown = pod.run(["ip", "-6", "addr", "show", "dev", "eth0"]).stdout
    assert "fe80" in shown and "tentative" not in shown


@pytest.mark.parametrize("subnet", SUBNETS)
def test_a_neighbour_that_knew_the_ip_s_last_owner_reaches_the_new_one(node: Node, plugin: Plugin, subnet: str) -> None:
    """An IP is used again: whoever has the dead pod's MAC in its cache must not send there."""
    neighbour, pod = node.pod(), node.pod()
    conf = node.network(subnet, isGateway=True)
    [own] = plugin.add(conf, neighbour).succeeded()["ips"]
    following = str(ipaddress.ip_interface(own["address"]).ip + 1)
    neighbour.batch(f"neigh replace {following} lladdr 02:00:00:00:00:99 dev eth0 nud reachable")
    node.batch(f"neigh replace {following} lladdr 02:00:00:00:00:99 dev cni0 nud reachable")
    result = plugin.add(conf, pod).succeeded()
    assert result["ips"][0]["address"].startswith(f"{following}/")
    assert neighbour.reaches(following)
    assert node.reaches(following)


def test_the_port_forwards_when_add_returns(node: Node, pod: Pod, plugin: Plugin) -> None:
    plugin.add(node.network("10.1.2.0/24", isGateway=True), pod).succeeded()
    [port] = node.ports().values()
    assert port["linkinfo"]["info_slave_data"]["state"] == "forwarding"
    assert port["operstate"] == "UP"


def test_a_bridge_with_stp_is_not_waited_for(node: Node, pod: Pod, plugin: Plugin) -> None:
    """Listening and learning take 30 s by default; the pod has its link meanwhile."""
    node.batch("link add name cni0 type bridge stp_state 1", "link set cni0 up")
    plugin.add(node.network("10.1.2.0/24", isGateway=True), pod).succeeded()
    [port] = node.ports().values()
    assert port["linkinfo"]["info_slave_data"]["state"] in ("listening", "learning")


@pytest.mark.parametrize("is_dad_enabled", [False, True])
def test_ipv6_is_ready_when_add_returns(node: Node, pod: Pod, plugin: Plugin, is_dad_enabled: bool) -> None:
    conf = node.network("fd00::/64", isGateway=True, enabledad=is_dad_enabled)
    plugin.add(conf, pod).succeeded()
    shown = pod.run(["ip", "-6", "addr", "show", "dev", "eth0", "scope", "global"]).stdout
    assert "fd00::2/64" in shown and "tentative" not in shown
    assert ("nodad" in shown) is not is_dad_enabled
    assert pod.sysctl("net/ipv6/conf/eth0/accept_dad") == str(int(is_dad_enabled))


def test_a_duplicate_ipv6_address_is_found_and_undone_where_dad_is_enabled(node: Node, plugin: Plugin) -> None:
    first, second = node.pod(), node.pod()
    conf = node.network("fd00::/64", isGateway=True, enabledad=True)
    plugin.add({**conf, "enabledad": False}, first).succeeded()
    before = node.state()
    conf["ipam"]["dataDir"] = str(node.dir / "another-store")  # it does not know that fd00::2 is taken
    error = plugin.add(conf, second).failed(101)
    assert "fd00::2/64" in error["msg"] and "DAD" in error["details"]
    assert node.state() == before
    assert set(second.links()) == {"lo"}
