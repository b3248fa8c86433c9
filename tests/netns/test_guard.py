"""What a pod may send past `spoofGuard` and `macspoofchk`: raw frames, seen, or not, by a neighbour and by the node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.netns.frames import ETH_P_ARP, ETH_P_IP, ETH_P_IPV6, arp, arrives, ethernet, icmpv6, udp
from tests.world import Node, Plugin, Pod

Sender = Callable[[bytes, str], bool]
SUBNETS = ("10.1.2.0/24", "fd00::/64")
MAC, IPV4, IPV6, LOCAL = "02:00:00:00:0a:02", "10.1.2.2", "fd00::2", "fe80::ff:fe00:a02"
THEIR_MAC, THEIR_IPV4, THEIR_IPV6 = "02:00:00:00:0a:03", "10.1.2.3", "fd00::3"
GATEWAY4, GATEWAY6, NOBODY4, ALL_NODES = "10.1.2.1", "fd00::1", "10.1.2.99", "ff02::1"
RS, RA, NS, NA, REDIRECT, MLD = 133, 134, 135, 136, 137, 143

WITNESS = ethernet(MAC, ETH_P_IP, udp(IPV4, THEIR_IPV4))
OWN_ARP = arp(1, (MAC, IPV4), GATEWAY4)

TRUE = {
    "IPv4": WITNESS,
    "IPv6": ethernet(MAC, ETH_P_IPV6, udp(IPV6, THEIR_IPV6)),
    "IPv6 from the link-local address": ethernet(MAC, ETH_P_IPV6, udp(LOCAL, ALL_NODES)),
    "ARP request": ethernet(MAC, ETH_P_ARP, arp(1, (MAC, IPV4), GATEWAY4)),
    "ARP reply": ethernet(MAC, ETH_P_ARP, arp(2, (MAC, IPV4), GATEWAY4)),
    "gratuitous ARP": ethernet(MAC, ETH_P_ARP, arp(1, (MAC, IPV4), IPV4)),
    "ARP probe of the own address": ethernet(MAC, ETH_P_ARP, arp(1, (MAC, "0.0.0.0"), IPV4)),
    "NS": ethernet(MAC, ETH_P_IPV6, icmpv6(IPV6, ALL_NODES, NS, GATEWAY6)),
    "NS of duplicate address detection": ethernet(MAC, ETH_P_IPV6, icmpv6("::", ALL_NODES, NS, IPV6)),
    "NA": ethernet(MAC, ETH_P_IPV6, icmpv6(LOCAL, ALL_NODES, NA, IPV6)),
    "router solicitation": ethernet(MAC, ETH_P_IPV6, icmpv6(LOCAL, ALL_NODES, RS)),
    "router solicitation without address": ethernet(MAC, ETH_P_IPV6, icmpv6("::", ALL_NODES, RS)),
    "MLD report": ethernet(MAC, ETH_P_IPV6, icmpv6("::", "ff02::16", MLD)),
    "ping": ethernet(MAC, ETH_P_IPV6, icmpv6(IPV6, THEIR_IPV6, 128)),
    "DHCP client": ethernet(MAC, ETH_P_IP, udp("0.0.0.0", "255.255.255.255", (68, 67))),
    "DHCPv6 client": ethernet(MAC, ETH_P_IPV6, udp(LOCAL, "ff02::1:2", (546, 547))),
    "DNS server": ethernet(MAC, ETH_P_IP, udp(IPV4, THEIR_IPV4, (53, 4000))),
}

FALSE_MAC = {
    "another MAC": ethernet(THEIR_MAC, ETH_P_IP, udp(IPV4, THEIR_IPV4)),
    "another MAC, IPv6": ethernet(THEIR_MAC, ETH_P_IPV6, udp(IPV6, THEIR_IPV6)),
    "another MAC, ARP": ethernet(THEIR_MAC, ETH_P_ARP, arp(1, (MAC, IPV4), GATEWAY4)),
    "another MAC, DAD": ethernet(THEIR_MAC, ETH_P_IPV6, icmpv6("::", ALL_NODES, NS, IPV6)),
    "another MAC, MLD": ethernet(THEIR_MAC, ETH_P_IPV6, icmpv6("::", "ff02::16", MLD)),
    "another MAC, DHCP": ethernet(THEIR_MAC, ETH_P_IP, udp("0.0.0.0", "255.255.255.255", (68, 67))),
    "another MAC, tagged": ethernet(THEIR_MAC, ETH_P_IP, udp(IPV4, THEIR_IPV4), tag=5),
    "another MAC, unknown protocol": ethernet(THEIR_MAC, 0x88B5, b"local experiment"),
}

FALSE = {
    **FALSE_MAC,
    "another IPv4": ethernet(MAC, ETH_P_IP, udp(THEIR_IPV4, GATEWAY4)),
    "the gateway's IPv4": ethernet(MAC, ETH_P_IP, udp(GATEWAY4, THEIR_IPV4)),
    "no IPv4": ethernet(MAC, ETH_P_IP, udp("0.0.0.0", THEIR_IPV4)),
    "another IPv6": ethernet(MAC, ETH_P_IPV6, udp(THEIR_IPV6, GATEWAY6)),
    "another link-local address": ethernet(MAC, ETH_P_IPV6, udp("fe80::1", THEIR_IPV6)),
    "no IPv6": ethernet(MAC, ETH_P_IPV6, udp("::", THEIR_IPV6)),
    "ARP reply for the gateway": ethernet(MAC, ETH_P_ARP, arp(2, (MAC, GATEWAY4), THEIR_IPV4)),
    "ARP request as another": ethernet(MAC, ETH_P_ARP, arp(1, (MAC, THEIR_IPV4), GATEWAY4)),
    "gratuitous ARP for the gateway": ethernet(MAC, ETH_P_ARP, arp(1, (MAC, GATEWAY4), GATEWAY4)),
    "ARP with another MAC inside": ethernet(MAC, ETH_P_ARP, arp(2, (THEIR_MAC, IPV4), GATEWAY4)),
    "ARP probe of another's address": ethernet(MAC, ETH_P_ARP, arp(1, (MAC, "0.0.0.0"), NOBODY4)),
    "ARP of another hardware": ethernet(MAC, ETH_P_ARP, b"\0\x06" + OWN_ARP[2:]),
    "ARP of another protocol": ethernet(MAC, ETH_P_ARP, OWN_ARP[:2] + b"\x86\xdd" + OWN_ARP[4:]),
    "ARP of other MACs": ethernet(MAC, ETH_P_ARP, OWN_ARP[:4] + b"\x08" + OWN_ARP[5:]),
    "ARP of other addresses": ethernet(MAC, ETH_P_ARP, OWN_ARP[:5] + b"\x10" + OWN_ARP[6:]),
    "RARP": ethernet(MAC, 0x8035, arp(3, (MAC, IPV4), GATEWAY4)),
    "NA for the gateway": ethernet(MAC, ETH_P_IPV6, icmpv6(LOCAL, ALL_NODES, NA, GATEWAY6)),
    "NA as another": ethernet(MAC, ETH_P_IPV6, icmpv6(THEIR_IPV6, ALL_NODES, NA, IPV6)),
    "NS as another": ethernet(MAC, ETH_P_IPV6, icmpv6(THEIR_IPV6, ALL_NODES, NS, GATEWAY6)),
    "MLD as another": ethernet(MAC, ETH_P_IPV6, icmpv6(THEIR_IPV6, "ff02::16", MLD)),
    "router solicitation as another": ethernet(MAC, ETH_P_IPV6, icmpv6(THEIR_IPV6, ALL_NODES, RS)),
    "DAD of another's address": ethernet(MAC, ETH_P_IPV6, icmpv6("::", ALL_NODES, NS, THEIR_IPV6)),
    "router advertisement": ethernet(MAC, ETH_P_IPV6, icmpv6(LOCAL, ALL_NODES, RA)),
    "tagged router advertisement": ethernet(MAC, ETH_P_IPV6, icmpv6(LOCAL, ALL_NODES, RA), tag=5),
    "redirect": ethernet(MAC, ETH_P_IPV6, icmpv6(LOCAL, ALL_NODES, REDIRECT)),
    "ping from no address": ethernet(MAC, ETH_P_IPV6, icmpv6("::", THEIR_IPV6, 128)),
    "DHCP offer": ethernet(MAC, ETH_P_IP, udp(IPV4, "255.255.255.255", (67, 68))),
    "DHCP offer from another port": ethernet(MAC, ETH_P_IP, udp(IPV4, "255.255.255.255", (4000, 68))),
    "DHCPv6 advertisement": ethernet(MAC, ETH_P_IPV6, udp(LOCAL, ALL_NODES, (547, 546))),
    "tagged": ethernet(MAC, ETH_P_IP, udp(IPV4, THEIR_IPV4), tag=5),
    "unknown protocol": ethernet(MAC, 0x88B5, b"local experiment"),
}

WHERE = ["a neighbour", "the node"]


@pytest.fixture
def guarded(node: Node, pod: Pod, plugin: Plugin, request: pytest.FixtureRequest) -> Sender:
    """A function: does a frame that the pod sends arrive there?"""
    conf, neighbour = network(node), node.pod()
    plugin.add(with_mac({**conf, request.param: True}, MAC), pod).succeeded()
    plugin.add(with_mac(conf, THEIR_MAC), neighbour).succeeded()
    receivers = {"a neighbour": (neighbour, "eth0"), "the node": (node, "cni0")}
    return lambda frame, where: arrives(pod, receivers[where], frame, WITNESS)


def network(node: Node, **keys: Any) -> dict[str, Any]:
    return node.network(*SUBNETS, isGateway=True, **keys)


def with_mac(conf: dict[str, Any], mac: str) -> dict[str, Any]:
    return {**conf, "args": {"cni": {"mac": mac}}}


def passed(guarded: Sender, cases: dict[str, bytes], where: str) -> set[str]:
    return {name for name, frame in cases.items() if guarded(frame, where)}


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("guarded", ["spoofGuard"], indirect=True)
def test_spoof_guard_passes_the_pod_s_own_and_nothing_else(guarded: Sender, where: str) -> None:
    assert passed(guarded, TRUE, where) == set(TRUE)
    assert passed(guarded, FALSE, where) == set()


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("guarded", ["macspoofchk"], indirect=True)
def test_macspoofchk_passes_the_pod_s_mac_and_no_other(guarded: Sender, where: str) -> None:
    assert passed(guarded, {**TRUE, **FALSE}, where) == {*TRUE, *FALSE} - set(FALSE_MAC)


def test_guarded_pods_reach_each_other_and_the_node(node: Node, pod: Pod, plugin: Plugin) -> None:
    conf, other = network(node, spoofGuard=True), node.pod()
    plugin.add(conf, pod).succeeded()
    result = plugin.add(conf, other).succeeded()
    for target in (GATEWAY4, GATEWAY6, *(ip["address"].partition("/")[0] for ip in result["ips"])):
        assert pod.reaches(target)
    assert node.reaches(IPV4) and node.reaches(IPV6)


def test_an_ipv6_address_that_is_still_tentative_passes_dad(node: Node, pod: Pod, plugin: Plugin) -> None:
    result = plugin.add(conf := network(node, spoofGuard=True, enabledad=True), pod).succeeded()
    plugin.check(conf, pod, result).succeeded()
    pod.run(["ip", "link", "set", "eth0", "down"])  # addresses stay (keep_addr_on_down) and are probed again
    pod.run(["ip", "link", "set", "eth0", "up"])
    assert node.reaches(IPV6, seconds=5)
