"""`portMappings`: what comes to a port of the node goes to a pod.

Maps hold (address, protocol, port) -> (pod's address, port). The kernel takes a key once, so of two pods that ask for
the same port the second is told who has it. A mapping for one `hostIP` comes before one for all, which means every
address of the node (`fib daddr type local`).

A pod that answers a neighbour, or itself, or 127.0.0.1, would answer past the node: such connections are masqueraded
(`snat`), all others only with `masqAll`.
"""

from __future__ import annotations

from cni import address
from cni.conf import Section
from cni.errors import UnsupportedField
from cni.request import Request
from cni_veth import sysctl
from cni_veth.conf import VethConf
from cni_veth.feature import Feature, Place, Rules, refuse_unspeakable
from cni_veth.nft import conntrack, elements, masquerade, ruleset
from cni_veth.nft.elements import Element
from cni_veth.nft.ruleset import Text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cni_veth.netlink import Socket
    from cni_veth.nft.transaction import Netfilter
    from cni_veth.records import Record

WORDS: dict[int, str] = masquerade.WORDS
LOOPBACK = "127.0.0.0/8"
IPTABLES_MARKS = ("-", "!")  # with which a condition begins that is meant for iptables
MAX_MARK_BIT = 31
MASQUERADE = "masquerade fully-random"


class Mapping:
    """One port of the node; `host_ip` "" for all its addresses, 0.0.0.0 and :: for all of a family."""

    def __init__(self, host_port: int, container_port: int, protocol: str, host_ip: str) -> None:
        self.host_port = host_port
        self.container_port = container_port
        self.protocol = protocol
        self.host_ip = host_ip

    @property
    def is_any(self) -> bool:
        return self.host_ip in ("", "0.0.0.0", "::")

    def families(self) -> list[int]:
        return [address.family(self.host_ip)] if self.host_ip else list(WORDS)

    @property
    def words(self) -> str:
        host = f"[{self.host_ip}]:" if ":" in self.host_ip else f"{self.host_ip}:" if self.host_ip else ""
        return f"host port {host}{self.host_port}/{self.protocol}"


class Ports(Feature):
    def __init__(self, mappings: list[Mapping], snat: bool, masq_all: bool, conditions: dict[int, list[str]]) -> None:
        super().__init__(__name__)
        self._mappings = mappings
        self._conditions = conditions
        self._source = ("all" if masq_all else "near") if snat else ""

    def rules(self, place: Place) -> Rules:
        maps = _maps(self._conditions)
        ips = {ip.family: ip.ip for ip in reversed(place.ips)}  # the first of each family
        pairs = [
            (mapping, ip) for mapping in self._mappings for family, ip in ips.items() if family in mapping.families()
        ]
        found = [_target(maps, *pair) for pair in pairs]
        if self._source:
            found += [_source(maps, self._source, *pair) for pair in pairs]
        distinct = {(element.set, element.key): element for element in found}  # two ports of the node to one of the pod
        texts = [maps, _text(self._conditions, maps), _near(maps, place)]
        if self._is_from_loopback(place):
            texts.append(_loopback(place.carrier))
        return Rules(texts, list(distinct.values()))

    def differences(self, place: Place) -> list[str]:
        name = f"ipv4/conf/{place.carrier}/route_localnet"
        is_asked = self._is_from_loopback(place)
        return [f"net.{name.replace('/', '.')} is off"] if is_asked and sysctl.read(name) != "1" else []

    def _is_from_loopback(self, place: Place) -> bool:
        return bool(self._source) and any(ip.family == 4 for ip in place.ips)

    def apply(self, place: Place) -> None:
        if self._is_from_loopback(place):
            # 127.0.0.1 -> pod leaves by the bridge; _loopback drops what comes for 127/8 from there
            sysctl.write(f"ipv4/conf/{place.carrier}/route_localnet", "1")
        conntrack.forget(place.host, _udp(self.rules(place).elements))


def read(request: Request, conf: VethConf) -> Ports | None:
    """Raises InvalidConfig (7), UnsupportedField (2)."""
    section, runtime = request.conf, request.conf.open_section("runtimeConfig")
    conditions = {family: _conditions(section, f"conditionsV{family}") for family in WORDS}
    snat, masq_all = section.boolean("snat", True), section.boolean("masqAll")
    section.integer("markMasqBit", 13, 0, MAX_MARK_BIT)  # the reference's way to remember what to masquerade
    if section.string("externalSetMarkChain"):
        why = "it is a chain of iptables; leave it out, or chain the reference's portmap"
        raise UnsupportedField("externalSetMarkChain", section.raw("externalSetMarkChain"), why)
    backend = section.string("backend")
    if backend not in masquerade.BACKENDS:
        raise section.error("backend", f'must be "iptables" or "nftables", not {backend!r}')
    mappings = [_mapping(item) for item in runtime.sections("portMappings")]
    mappings = [mapping for mapping in mappings if mapping.host_port]
    if not mappings:
        return None
    refuse_unspeakable(section, conf.bridge)
    _refuse_twice(runtime, mappings)
    if backend == "iptables":
        masquerade.note(request, "backend")
    return Ports(mappings, snat, masq_all, conditions)


def close(netfilter: Netfilter, bridge: str) -> None:
    """Before nothing guards the node's loopback any more, nothing from there gets to it. Raises KernelRefused (100)."""
    sysctl.write(f"ipv4/conf/{bridge}/route_localnet", "0", is_optional=True)


def release(host: Socket, record: Record, part: Any) -> None:
    """A connection that goes on would reach whoever gets the address next."""
    conntrack.forget(host, _udp(record.elements))


def _udp(listed: list[Element]) -> set[tuple[int, str]]:
    """The node's UDP ports among the maps' keys: (port, address or "" for any)."""
    found = set()
    for element in listed:
        ip, protocol, port = element.key[:-8], element.key[-8:-4], element.key[-4:-2]
        if element.set[:-1].endswith(("-any", "-one")) and protocol == elements.protocol("udp"):
            found.add((int.from_bytes(port, "big"), address.unpack(ip) if ip else ""))
    return found


def _target(maps: Text, mapping: Mapping, ip: str) -> Element:
    family = address.family(ip)
    key, name = elements.protocol(mapping.protocol) + elements.port(mapping.host_port), f"{maps.name}-any{family}"
    if not mapping.is_any:
        key, name = elements.ip(mapping.host_ip) + key, f"{maps.name}-one{family}"
    return Element(("inet", name), key, mapping.words, elements.ip(ip) + elements.port(mapping.container_port))


def _source(maps: Text, which: str, mapping: Mapping, ip: str) -> Element:
    """By what postrouting knows that a connection was mapped."""
    key = elements.ip(ip) + elements.protocol(mapping.protocol) + elements.port(mapping.container_port)
    name = f"{maps.name}-{which}{address.family(ip)}"
    return Element(("inet", name), key, f"source of {mapping.words}")


def _mapping(item: Section) -> Mapping:
    """hostPort 0, as Kubernetes writes it for a port that the node does not offer, is none."""
    protocol, host_ip = (item.string("protocol") or "tcp").lower(), item.string("hostIP")
    if protocol not in elements.PROTOCOLS:
        raise item.error("protocol", f"must be tcp, udp or sctp, not {protocol!r}")
    host_port = item.integer("hostPort", 0, 0, 65535)
    container_port = item.integer("containerPort", 0, 0, 65535)
    if host_port and not container_port:
        raise item.error("containerPort", "must lie between 1 and 65535")
    try:
        packed = address.pack(host_ip) if host_ip else b""
    except ValueError:
        raise item.error("hostIP", f"{host_ip!r} is not an IP address") from None
    return Mapping(host_port, container_port, protocol, address.unpack(packed) if packed else "")


def _refuse_twice(section: Section, mappings: list[Mapping]) -> None:
    seen: dict[tuple[object, ...], int] = {}
    for mapping in mappings:
        for family in mapping.families():
            key = (family, "" if mapping.is_any else mapping.host_ip, mapping.host_port, mapping.protocol)
            if seen.setdefault(key, mapping.container_port) != mapping.container_port:
                raise section.error("portMappings", f"{mapping.words} is mapped to two ports of the pod")


def _conditions(section: Section, key: str) -> list[str]:
    """Words of nft(8), as the reference takes them for its nftables backend."""
    words = section.strings(key)
    for word in words:
        if word.startswith(IPTABLES_MARKS) and word != "!=":
            raise section.error(
                key, f"{word!r} is iptables' syntax", 'write it as nft does: ["ip", "saddr", "10.0.0.0/8"]'
            )
        if any(char in ";\n#\\$" for char in word):
            raise section.error(key, f"{word!r} is no part of a condition of nft(8)")
    return words


def _maps(conditions: dict[int, list[str]]) -> Text:
    """Networks of the same conditions share them, so their ports exclude each other; apart from the rules, so that they
    do so too when another version of the program has other rules."""
    sets: list[str] = []
    to = "inet_proto . inet_service"
    for family in WORDS:
        kind = f"ipv{family}_addr"
        sets += [
            f"map $name-one{family} {{ type {kind} . {to} : {kind} . inet_service; }}",
            f"map $name-any{family} {{ type {to} : {kind} . inet_service; }}",
            f"set $name-near{family} {{ type {kind} . {to}; }}",
            f"set $name-all{family} {{ type {kind} . {to}; }}",
        ]
    words = "\n".join(" ".join(conditions[family]) for family in WORDS)
    return Text(ruleset.kind_for("host", words), "inet", sets, {})


def _text(conditions: dict[int, list[str]], maps: Text) -> Text:
    before = ["type nat hook prerouting priority dstnat;"]
    behind = ["type nat hook postrouting priority srcnat;"]
    target = []
    for family, word in WORDS.items():
        mine = " ".join(conditions[family])
        # the kernel routes nothing from ::1 to a pod
        own = f"meta nfproto ipv{family} {'ip6 daddr != ::1 ' if family == 6 else ''}{mine}".strip()
        to = f"{word} daddr . meta l4proto . th dport"
        target += [
            f"{own} dnat {word} to {to} map @{maps.name}-one{family}",
            f"{own} dnat {word} to meta l4proto . th dport map @{maps.name}-any{family}",
        ]
        behind.append(f"ct status dnat {to} @{maps.name}-all{family} {MASQUERADE}")
        if family == 4:
            behind.append(f"ct status dnat ip saddr {LOOPBACK} {to} @{maps.name}-near4 {MASQUERADE}")
    local = "fib daddr type local goto $name-to"
    chains = {
        "$name-to": target,
        "$name-in": [*before, local],
        "$name-out": ["type nat hook output priority -100;", local],
        "$name-source": behind,
    }
    return Text("ports", "inet", [], chains)


def _near(maps: Text, place: Place) -> Text:
    """Neighbours are answered through the node. One address alone has none."""
    source = []
    for ip in place.ips:
        if address.is_single(ip.address):
            continue
        # by their subnet: br_netfilter hides the link from which they came
        mapped = f"{WORDS[ip.family]} daddr . meta l4proto . th dport @{maps.name}-near{ip.family}"
        source.append(f"{WORDS[ip.family]} saddr {address.subnet(ip.address)} ct status dnat {mapped} {MASQUERADE}")
    chains = {"$name-source": ["type nat hook postrouting priority srcnat;", *source]}
    return Text("near", "inet", [], chains)


def _loopback(bridge: str) -> Text:
    """Nobody behind the bridge speaks as, or to, 127/8, which route_localnet would let through (CVE-2020-8558)."""
    inside = [f'iifname "{bridge}" ip {end} {LOOPBACK} drop' for end in ("saddr", "daddr")]
    kind = ruleset.kind_for("loopback", bridge)
    chains = {kind: ["type filter hook prerouting priority raw;", *inside]}
    return Text(kind, "inet", [], chains, is_frame=True, link=bridge)
