"""The result of ADD (SPEC section 5), held in the shape of 1.1.0 and converted at the border.

0.1.0 and 0.2.0 know `ip4` and `ip6` only; 0.3.0 to 0.4.0 name each address's family;
1.x dropped that and `dns` when empty. 1.0.0 and 1.1.0 differ by their number alone,
as in the reference, whose type is one for both.
"""

from __future__ import annotations

from cni import address
from cni.conf import Section
from cni.errors import IncompatibleVersion, InvalidConfig
from cni.versions import SUPPORTED, has_ip_version, is_single_address


class Interface:
    """A link that the result names. `sandbox` is empty for one on the host."""

    __slots__ = ("mac", "mtu", "name", "pci_id", "sandbox", "socket_path")

    def __init__(
        self, name: str, mac: str = "", mtu: int = 0, sandbox: str = "", socket_path: str = "", pci_id: str = ""
    ) -> None:
        self.name = name
        self.mac = mac
        self.mtu = mtu
        self.sandbox = sandbox
        self.socket_path = socket_path
        self.pci_id = pci_id

    @classmethod
    def from_conf(cls, conf: Section) -> Interface:
        return cls(
            conf.string("name"),
            conf.string("mac"),
            conf.integer("mtu"),
            conf.string("sandbox"),
            conf.string("socketPath"),
            conf.string("pciID"),
        )

    def to_json(self, version: str) -> dict[str, object]:
        found: dict[str, object] = {"name": self.name}
        _put(found, "mac", self.mac)
        _put(found, "sandbox", self.sandbox)
        if not has_ip_version(version):
            _put(found, "mtu", self.mtu)
            _put(found, "socketPath", self.socket_path)
            _put(found, "pciID", self.pci_id)
        return found


class IPConfig:
    """An address with its prefix, its gateway and the index of its interface in the result."""

    __slots__ = ("address", "gateway", "interface")

    def __init__(self, address: str, gateway: str = "", interface: int | None = None) -> None:
        self.address = address
        self.gateway = gateway
        self.interface = interface

    @property
    def ip(self) -> str:
        return self.address.partition("/")[0]

    @property
    def family(self) -> int:
        return address.family(self.address)

    @classmethod
    def from_conf(cls, conf: Section, key: str = "address") -> IPConfig:
        has_index = conf.has("interface")
        # the reference tolerates -1 ("no interface") from plugins of old
        index = conf.integer("interface", low=-1) if has_index else -1
        return cls(read_address(conf, key), read_ip(conf, "gateway"), index if index >= 0 else None)

    def to_json(self, version: str) -> dict[str, object]:
        found: dict[str, object] = {"address": self.address}
        if has_ip_version(version):
            found["version"] = str(self.family)
        if self.interface is not None:
            found["interface"] = self.interface
        _put(found, "gateway", self.gateway)
        return found


class Route:
    """A route of the pod. mtu, advmss and priority: 0 is absent; table and scope: None is."""

    __slots__ = ("advmss", "dst", "gw", "mtu", "priority", "scope", "table")

    def __init__(
        self,
        dst: str,
        gw: str = "",
        mtu: int = 0,
        advmss: int = 0,
        priority: int = 0,
        table: int | None = None,
        scope: int | None = None,
    ) -> None:
        self.dst = dst
        self.gw = gw
        self.mtu = mtu
        self.advmss = advmss
        self.priority = priority
        self.table = table
        self.scope = scope

    @property
    def family(self) -> int:
        return address.family(self.dst)

    @property
    def is_default(self) -> bool:
        return self.dst.endswith("/0")

    @classmethod
    def from_conf(cls, conf: Section) -> Route:
        return cls(
            read_address(conf, "dst"),
            read_ip(conf, "gw"),
            conf.integer("mtu"),
            conf.integer("advmss"),
            conf.integer("priority"),
            conf.integer("table") if conf.has("table") else None,
            conf.integer("scope", high=255) if conf.has("scope") else None,
        )

    def to_json(self) -> dict[str, object]:
        found: dict[str, object] = {"dst": self.dst}
        for key in ("gw", "mtu", "advmss", "priority"):
            _put(found, key, getattr(self, key))
        for key in ("table", "scope"):
            if getattr(self, key) is not None:
                found[key] = getattr(self, key)
        return found


DNS_KEYS = ("domain", "nameservers", "options", "search")


class DNS:
    """Resolver settings, passed through to the runtime."""

    __slots__ = DNS_KEYS

    def __init__(
        self,
        nameservers: list[str] | None = None,
        domain: str = "",
        search: list[str] | None = None,
        options: list[str] | None = None,
    ) -> None:
        self.nameservers = nameservers or []
        self.domain = domain
        self.search = search or []
        self.options = options or []

    @classmethod
    def from_conf(cls, conf: Section) -> DNS:
        return cls(conf.strings("nameservers"), conf.string("domain"), conf.strings("search"), conf.strings("options"))

    def to_json(self) -> dict[str, object]:
        found: dict[str, object] = {}
        for key in DNS_KEYS:
            _put(found, key, getattr(self, key))
        return found


class Result:
    """What ADD returns and CHECK gets back as prevResult."""

    __slots__ = ("dns", "interfaces", "ips", "routes")

    def __init__(
        self,
        interfaces: list[Interface] | None = None,
        ips: list[IPConfig] | None = None,
        routes: list[Route] | None = None,
        dns: DNS | None = None,
    ) -> None:
        self.interfaces = interfaces or []
        self.ips = ips or []
        self.routes = routes or []
        self.dns = dns or DNS()

    @classmethod
    def from_conf(cls, conf: Section, version: str) -> Result:
        """Read a result of `version`. Raises InvalidConfig (7), or 1 when it claims another kind of version."""
        claimed = conf.string("cniVersion") or version
        if claimed not in SUPPORTED or _shape(claimed) != _shape(version):
            raise IncompatibleVersion(
                f"{conf.dotted('cniVersion')}: result of version {claimed!r} in a configuration of {version!r}"
            )
        dns = DNS.from_conf(conf.section("dns"))
        if is_single_address(version):
            ips, routes = _read_families(conf)
            return cls([], ips, routes, dns)
        return cls(
            [Interface.from_conf(item) for item in conf.sections("interfaces")],
            [IPConfig.from_conf(item) for item in conf.sections("ips")],
            [Route.from_conf(item) for item in conf.sections("routes")],
            dns,
        )

    def to_json(self, version: str) -> dict[str, object]:
        """The document to print in `version`. Raises InvalidConfig (7) where 0.1.0/0.2.0 cannot hold it."""
        found: dict[str, object] = {"cniVersion": version}
        dns = self.dns.to_json()
        if dns or version in SUPPORTED[:5]:
            found["dns"] = dns
        if is_single_address(version):
            return found | self._families()
        _put(found, "interfaces", [item.to_json(version) for item in self.interfaces])
        _put(found, "ips", [item.to_json(version) for item in self.ips])
        _put(found, "routes", [item.to_json() for item in self.routes])
        return found

    def _families(self) -> dict[str, object]:
        found: dict[str, object] = {}
        for family, key in ((4, "ip4"), (6, "ip6")):
            first = next((item for item in self.ips if item.family == family), None)
            if first is None:
                continue
            entry: dict[str, object] = {"ip": first.address}
            _put(entry, "gateway", first.gateway)
            routes = [route for route in self.routes if route.family == family]
            _put(entry, "routes", [{"dst": item.dst} | ({"gw": item.gw} if item.gw else {}) for item in routes])
            found[key] = entry
        if not found:
            raise InvalidConfig("cannot convert: no valid IP addresses", "0.1.0 and 0.2.0 results need an address")
        return found


def read_ip(conf: Section, key: str) -> str:
    """An optional IP in its canonical text."""
    text = conf.string(key)
    try:
        return address.unpack(address.pack(text)) if text else ""
    except ValueError as error:
        raise conf.error(key, str(error)) from None


def read_address(conf: Section, key: str) -> str:
    """A required IP with prefix length in its canonical text."""
    try:
        packed, prefix = address.split(conf.required(key))
    except ValueError as error:
        raise conf.error(key, str(error)) from None
    return f"{address.unpack(packed)}/{prefix}"


def _read_families(conf: Section) -> tuple[list[IPConfig], list[Route]]:
    ips, routes = [], []
    for key in ("ip4", "ip6"):
        if conf.has(key):
            entry = conf.section(key)
            ips.append(IPConfig.from_conf(entry, "ip"))
            routes += [Route.from_conf(item) for item in entry.sections("routes")]
    return ips, routes


def _shape(version: str) -> int:
    return 0 if is_single_address(version) else 1 if has_ip_version(version) else 2


def _put(found: dict[str, object], key: str, value: object) -> None:
    if value:
        found[key] = value
