"""The guard of a bridge port: `macspoofchk` binds it to the pod's MAC, `spoofGuard` to the pod's addresses as well, in
Ethernet, ARP, IPv4, IPv6 and neighbour discovery; a guarded pod is no DHCP server and no router.

A frame is judged where it comes from the port, before the bridge learns its MAC. The rules are the same for all pods,
which are elements of sets. What no rule knows does not pass a spoofGuard, VLAN tags among it.
"""

from __future__ import annotations

from cni import address
from cni.errors import InvalidConfig
from cni.request import Request
from cni_veth.conf import VethConf
from cni_veth.feature import Feature, Place, Rules
from cni_veth.nft import elements
from cni_veth.nft.elements import Element
from cni_veth.nft.ruleset import Text

SETS = [
    "set guarded { type ifname; }",
    "set mac-checked { type ifname; }",
    "set macs { type ifname . ether_addr; }",
    "set ipv4 { type ifname . ether_addr . ipv4_addr; }",
    "set ipv6 { type ifname . ether_addr . ipv6_addr; }",
    "set nd-targets { typeof iifname . ether saddr . @th,64,128; }",
]
CHAINS = {
    "prerouting": [
        "type filter hook prerouting priority -300; policy accept;",
        "iifname @guarded goto guard",
        "iifname @mac-checked iifname . ether saddr != @macs drop",
    ],
    "guard": [
        "ether type vmap { ip : goto sent-ipv4, ip6 : goto sent-ipv6, arp : goto sent-arp }",
        "drop",
    ],
    "sent-ipv4": [
        "udp dport 68 drop",
        "iifname . ether saddr . ip saddr @ipv4 accept",
        "ip saddr 0.0.0.0 udp sport 68 udp dport 67 iifname . ether saddr @macs accept",
        "drop",
    ],
    "sent-arp": [
        "iifname . ether saddr != @macs drop",
        "arp htype != 1 drop",
        "arp ptype != ip drop",
        "arp hlen != 6 drop",
        "arp plen != 4 drop",
        "iifname . arp saddr ether . arp saddr ip @ipv4 accept",
        "arp saddr ip 0.0.0.0 iifname . arp saddr ether . arp daddr ip @ipv4 accept",
        "drop",
    ],
    "sent-ipv6": [
        "udp dport 546 drop",
        "meta l4proto ipv6-icmp goto sent-icmpv6",
        "iifname . ether saddr . ip6 saddr @ipv6 accept",
        "drop",
    ],
    "sent-icmpv6": [
        "icmpv6 type { nd-router-advert, nd-redirect } drop",
        "icmpv6 type nd-neighbor-advert iifname . ether saddr . @th,64,128 != @nd-targets drop",
        "iifname . ether saddr . ip6 saddr @ipv6 accept",
        "ip6 saddr != :: drop",
        "icmpv6 type nd-neighbor-solicit iifname . ether saddr . @th,64,128 @nd-targets accept",
        "icmpv6 type { nd-router-solicit, mld2-listener-report } iifname . ether saddr @macs accept",
        "drop",
    ],
}
NO_ADDRESS = "needs the pod's addresses", "give the network an ipam, or use macspoofchk"
TEXT = Text("guard", "bridge", SETS, CHAINS, is_frame=True)


class Guard(Feature):
    """`key` is what asked for it; `is_whole` where it binds addresses too."""

    def __init__(self, key: str, is_whole: bool) -> None:
        super().__init__(__name__)
        self._key = key
        self._is_whole = is_whole

    def rules(self, place: Place) -> Rules:
        """Raises InvalidConfig (7) where nobody says what the pod's MAC is."""
        mac, port = place.mac or place.conf.mac, place.host_link.name
        if not mac:
            raise InvalidConfig(f"{self._key}: the MAC behind {port} is not known", "give it by runtimeConfig.mac")
        if not self._is_whole:
            return Rules([TEXT], [_bound("mac-checked", port), _bound("macs", port, mac)])
        if not place.ips:
            raise InvalidConfig(f"spoofGuard: {NO_ADDRESS[0]}", NO_ADDRESS[1])
        found = [_bound("guarded", port), _bound("macs", port, mac)]
        for ip in dict.fromkeys([*(ip.ip for ip in place.ips), _link_local(mac)]):
            found += [_bound(name, port, mac, ip) for name in (("ipv6", "nd-targets") if ":" in ip else ("ipv4",))]
        return Rules([TEXT], found)


def read(request: Request, conf: VethConf) -> Guard | None:
    """Raises InvalidConfig (7)."""
    section = request.conf
    checks_mac, is_whole = section.boolean("macspoofchk"), section.boolean("spoofGuard")
    if is_whole and conf.trunk:
        raise section.error("spoofGuard", "cannot be used together with vlanTrunk", "use macspoofchk")
    if is_whole and request.verb == "ADD" and not conf.ipam_type and not section.has("prevResult"):
        raise section.error("spoofGuard", *NO_ADDRESS)
    if is_whole:
        return Guard("spoofGuard", is_whole=True)
    return Guard("macspoofchk", is_whole=False) if checks_mac else None


def _bound(name: str, port: str, mac: str = "", ip: str = "") -> Element:
    key = elements.link(port) + (elements.mac(mac) if mac else b"") + (elements.ip(ip) if ip else b"")
    return Element(("bridge", name), key, f"the guard of {' '.join(filter(None, (port, mac, ip)))}")


def _link_local(mac: str) -> str:
    """RFC 4291, appendix A, as the kernel makes it in a new namespace (addr_gen_mode 0)."""
    octets = bytes.fromhex(mac.replace(":", ""))
    return address.unpack(b"\xfe\x80" + bytes(6) + bytes((octets[0] ^ 2,)) + octets[1:3] + b"\xff\xfe" + octets[3:])
