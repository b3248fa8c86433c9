"""`ipMasq`: what a pod sends beyond its network leaves the node under the node's own address.

A set per network and family holds the pods' addresses. Left alone are the subnets of the pod and of the network's own
ranges, multicast, and `ipMasqExclude`. Source ports are fully random: the kernel's usual choice of one can meet another
processor's, and then a connection is lost (plugins#274).
"""

from __future__ import annotations

from cni import address
from cni.conf import Section
from cni.request import Request
from cni.stderr import tell
from cni_veth.conf import VethConf
from cni_veth.feature import Feature, Place, Rules
from cni_veth.nft import elements
from cni_veth.nft.elements import Element
from cni_veth.nft.ruleset import Text

MULTICAST = {4: "224.0.0.0/4", 6: "ff00::/8"}
BACKENDS = ("", "nftables", "iptables")
WORDS: dict[int, str] = {4: "ip", 6: "ip6"}  # the type is for mypyc, which reads ports.py first


class Masquerade(Feature):
    def __init__(self, network: str, left_alone: list[str]) -> None:
        super().__init__(__name__)
        self._network = network
        self._left_alone = left_alone

    def rules(self, place: Place) -> Rules:
        # In a network of one address is nobody else, and it would make a text for each pod.
        own = [address.subnet(ip.address) for ip in place.ips if not address.is_single(ip.address)]
        text = _text(self._network, [*own, *self._left_alone])
        found = [
            Element(("inet", f"{text.name}-{ip.family}"), elements.ip(ip.ip), f"masquerade of {ip.ip}")
            for ip in place.ips
        ]
        return Rules([text] if found else [], found)


def read(request: Request, conf: VethConf) -> Masquerade | None:
    """Raises InvalidConfig (7)."""
    section = request.conf
    backend, excluded = section.string("ipMasqBackend"), section.strings("ipMasqExclude")
    if backend not in BACKENDS:
        raise section.error("ipMasqBackend", f'must be "iptables" or "nftables", not {backend!r}')
    left_alone = [_cidr(section, f"ipMasqExclude[{index}]", text) for index, text in enumerate(excluded)]
    if not section.boolean("ipMasq"):
        return None
    if backend == "iptables":
        note(request, "ipMasqBackend")
    return Masquerade(request.name, [*left_alone, *ranges(section)])


def note(request: Request, key: str) -> None:
    """A network that asks for iptables gets the same effect."""
    if request.verb == "ADD":
        tell(f'cni-veth: network {request.name}: {key} "iptables": done by nftables, which works beside it\n'.encode())


def _text(network: str, left_alone: list[str]) -> Text:
    """The network's name is part of it, so that one network's rules are never another's."""
    sets, chains = [], {}
    base = ["type nat hook postrouting priority srcnat;"]
    for family, word in WORDS.items():
        own = sorted({cidr for cidr in left_alone if (":" in cidr) == (family == 6)} | {MULTICAST[family]})
        sets.append(f"set $name-{family} {{ type ipv{family}_addr; }}")
        base.append(f'{word} saddr @$name-{family} goto $name-to{family} comment "{_words(network)}"')
        chains[f"$name-to{family}"] = [*(f"{word} daddr {cidr} return" for cidr in own), "masquerade fully-random"]
    return Text("masquerade", "inet", sets, {**chains, "$name": base})


def _words(network: str) -> str:
    return f"network {network}"[: elements.LONGEST]


def _cidr(section: Section, key: str, text: str) -> str:
    """An address alone is a network of one."""
    try:
        packed = None if "/" in text else address.pack(text)
        return address.subnet(text if packed is None else f"{text}/{len(packed) * 8}")
    except ValueError:
        raise section.error(
            key, f"{text!r} is no network such as 10.0.0.0/8", "list CIDRs that need no masquerade"
        ) from None


def ranges(section: Section) -> list[str]:
    """The subnets that the network gives to its pods, as far as its IPAM section tells in host-local's way. What cannot
    be read is the IPAM plugin's to refuse."""
    ipam, runtime = section.open_section("ipam"), section.open_section("runtimeConfig")
    found = [ipam.raw("subnet")]
    for sets in (ipam.raw("ranges"), runtime.raw("ipRanges")):
        for listed in _items(sets):
            found += [each.get("subnet") for each in _items(listed) if isinstance(each, dict)]
    subnets = []
    for text in found:
        try:
            if isinstance(text, str):
                subnets.append(address.subnet(text))
        except ValueError:
            continue
    return subnets


def _items(value: object) -> list[object]:
    return value if isinstance(value, list) else []
