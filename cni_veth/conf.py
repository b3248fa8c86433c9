"""The network configuration of `cni-veth`: every key of the reference `bridge`, with its names and defaults.

Reading touches nothing but the text; what cannot work is refused here (7), what is not built yet too (2).
"""

from __future__ import annotations

from cni.conf import Section
from cni.errors import InvalidConfig, InvalidEnvironment, UnsupportedField
from cni.request import Request, ifname_problem
from cni.result import DNS, DNS_KEYS
from cni.stderr import tell
from cni_veth import features

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cni_veth.bandwidth import Limits
    from cni_veth.tuning import Tuning

MAX_MTU = 65535  # veth(4): ETH_MAX_MTU
MIN_MTU = 68  # RFC 791, the kernel's ETH_MIN_MTU
MAX_VLAN = 4094
LIMITS = ("ingressRate", "ingressBurst", "egressRate", "egressBurst", "unshapedSubnets", "shapedSubnets")
TUNING = ("sysctl", "promisc", "allmulti", "txQLen")
_HEX = frozenset("0123456789abcdefABCDEF")
# Keys of the network list and of the protocol, which a plugin is given and does not use (SPEC section 1).
RESERVED = ("cniVersions", "type", "capabilities", "disableCheck", "disableGC", "loadOnlyInlinedPlugins", "prevResult")


class VethConf:
    """What one network asks of its pods' links. Attribute names are the keys' in Python's manner."""

    def __init__(self, request: Request) -> None:
        conf = request.conf
        self.bridge = _link_name(conf, "bridge", "cni0")
        self.is_default_gateway = conf.boolean("isDefaultGateway")
        self.is_gateway = conf.boolean("isGateway") or self.is_default_gateway
        self.force_address = conf.boolean("forceAddress")
        self.mtu = conf.integer("mtu", high=MAX_MTU)
        self.hairpin = conf.boolean("hairpinMode")
        self.promisc = conf.boolean("promiscMode")
        self.vlan = conf.integer("vlan", high=MAX_VLAN)
        self.trunk = [_trunk_range(item) for item in conf.sections("vlanTrunk")]
        self.keeps_default_vlan = conf.boolean("preserveDefaultVlan")
        self.enable_dad = conf.boolean("enabledad")
        self.is_link_down = conf.boolean("disableContainerInterface")
        self.ingress_policy = _ingress_policy(conf)
        self.is_isolated = conf.boolean("portIsolation") or self.ingress_policy == "isolated"
        self.ipam_type = _ipam_type(conf)
        self.dns = _dns(conf)
        self.limits = _limits(request)
        self.tuning = _tuning(request)
        self.mac = _mac(request)
        self.is_strict = conf.boolean("strict")
        self.features = features.read(request, self)
        self._refuse_contradictions(conf)
        for key in RESERVED:
            conf.raw(key)

    @property
    def vlan_gateway(self) -> str:
        """The link that carries the gateway address where pods are in a VLAN; "" elsewhere."""
        return f"{self.bridge}.{self.vlan}" if self.vlan and self.is_gateway and self.ipam_type else ""

    @property
    def is_filtering(self) -> bool:
        return bool(self.vlan or self.trunk)

    def _refuse_contradictions(self, conf: Section) -> None:
        if 0 < self.mtu < MIN_MTU:
            raise conf.error("mtu", f"must be 0 or at least {MIN_MTU}, not {self.mtu}")
        if self.hairpin and self.promisc:
            raise conf.error("hairpinMode", "cannot be used together with promiscMode", "set one of them")
        if self.is_link_down and self.ipam_type:
            raise conf.error("disableContainerInterface", "cannot be used together with ipam", "drop the ipam section")
        if self.vlan_gateway and ifname_problem(self.vlan_gateway):
            raise conf.error("bridge", f"{self.vlan_gateway!r}, the VLAN's gateway link, is longer than 15 bytes")


def report_unknown(request: Request, is_strict: bool) -> None:
    """Name the keys that nobody reads: on stderr, or as an error (2) where the network is "strict"."""
    found = [(path, near) for path, near in request.conf.unknown() if not path.startswith("cni.dev/")]
    if not found:
        return
    words = [f"{path} (did you mean {near}?)" if near else path for path, near in found]
    if is_strict:
        value = request.conf.data.get(found[0][0], "...")
        raise UnsupportedField(found[0][0], value, f"unknown keys: {', '.join(words)}; the network is strict")
    tell(f"cni-veth: network {request.name}: unknown keys ignored: {', '.join(words)}\n".encode())


def _link_name(conf: Section, key: str, default: str) -> str:
    name = conf.string(key) or default
    problem = ifname_problem(name)
    if problem:
        raise conf.error(key, f"{name!r} is not a link name: {problem[0]}", problem[1])
    return name


def _trunk_range(item: Section) -> tuple[int, int]:
    """`{"id": 101}` or `{"minID": 200, "maxID": 210}`."""
    has_range = item.has("minID") or item.has("maxID")
    if item.has("id") and not has_range:
        vid = item.integer("id", low=1, high=MAX_VLAN)
        return vid, vid
    if item.has("id") or not (item.has("minID") and item.has("maxID")):
        raise InvalidConfig(f"{item.path}: give either id, or minID and maxID")
    first = item.integer("minID", low=1, high=MAX_VLAN)
    last = item.integer("maxID", low=1, high=MAX_VLAN)
    if last < first:
        raise item.error("minID", f"{first} is greater than maxID {last}")
    return first, last


def _ingress_policy(conf: Section) -> str:
    """ "" or one of the reference firewall plugin's."""
    policy = conf.string("ingressPolicy")
    if policy not in ("", "open", "same-bridge", "isolated"):
        raise conf.error("ingressPolicy", f'must be "open", "same-bridge" or "isolated", not {policy!r}')
    return policy


def _ipam_type(conf: Section) -> str:
    """ "" for an L2-only network, which has no ipam section or an empty one."""
    ipam = conf.open_section("ipam")
    plugin_type = ipam.string("type")
    if ipam.data and not plugin_type:
        raise ipam.error("type", "is required", "leave the ipam section empty for an L2-only network")
    return plugin_type


def _dns(conf: Section) -> DNS | None:
    """The runtime's, or else the network's own DNS. It replaces the IPAM plugin's where any key is given, which may be
    empty in the network's; runtimes send nothing but empty lists for a pod without wishes."""
    section, asked = conf.section("dns"), conf.open_section("runtimeConfig").open_section("dns")
    dns = DNS.from_conf(section)
    servers, searches, options = (asked.strings(key) for key in ("servers", "searches", "options"))
    if servers or searches or options:
        return DNS(servers, "", searches, options)
    return dns if any(section.has(key) for key in DNS_KEYS) else None


def _limits(request: Request) -> Limits | None:
    """Read by a module that is loaded only where it is needed; the keys are asked for here, so that all are known."""
    conf = request.conf
    given = [conf.has(key) for key in LIMITS]
    if not (any(given) or conf.open_section("runtimeConfig").has("bandwidth")):
        return None
    from cni_veth import bandwidth

    return bandwidth.read(request)


def _tuning(request: Request) -> Tuning | None:
    conf, args = request.conf, request.conf.open_section("args").open_section("cni")
    given = [conf.has(key) or args.has(key) for key in TUNING]
    if not any(given):
        return None
    from cni_veth import tuning

    return tuning.read(request)


def _mac(request: Request) -> str:
    """runtimeConfig.mac before args.cni.mac before CNI_ARGS MAC= (CONVENTIONS); "" for a random one."""
    args_mac = request.cni_args().get("MAC", "")
    conf = request.conf
    found = []
    for section in (conf.open_section("runtimeConfig"), conf.open_section("args").open_section("cni")):
        found.append(section.string("mac"))
        if found[-1] and not is_unicast_mac(found[-1]):
            raise section.error("mac", f"{found[-1]!r} is not a unicast MAC address")
    if args_mac and not any(found) and not is_unicast_mac(args_mac):
        raise InvalidEnvironment("CNI_ARGS", f"MAC={args_mac!r} is not a unicast MAC address")
    return (found[0] or found[1] or args_mac).lower()


def is_unicast_mac(text: str) -> bool:
    """Six octets joined by colons, neither multicast nor all zero."""
    parts = text.split(":")
    if len(parts) != 6 or not all(len(part) == 2 and _HEX.issuperset(part) for part in parts):
        return False
    return not int(parts[0], 16) & 1 and any(part != "00" for part in parts)
