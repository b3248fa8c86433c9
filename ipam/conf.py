"""The `ipam` section: read, validated and made complete; nothing is touched.

Keys, defaults and their order are host-local's. DEL and GC need no more than `data_dir`.
"""

from __future__ import annotations

from cni import address, versions
from cni.conf import Section
from cni.document import kind
from cni.errors import InvalidConfig, InvalidEnvironment
from cni.request import Request
from cni.result import Route
from ipam import allocate
from ipam.ranges import BITS, IP, Range, ip_text, parse_ip

DATA_DIR = "/var/lib/cni/networks"


class IPAMConf:
    """What the verbs need. `sets`: one IP is given out of each, from its ranges in order.

    `requested`: for each set the IP asked for, None where any will do.
    """

    __slots__ = ("data_dir", "requested", "resolv_conf", "routes", "sets")

    def __init__(
        self,
        data_dir: str,
        sets: list[list[Range]],
        requested: list[IP | None],
        routes: list[Route],
        resolv_conf: str,
    ) -> None:
        self.data_dir = data_dir
        self.sets = sets
        self.requested = requested
        self.routes = routes
        self.resolv_conf = resolv_conf


def parse(request: Request) -> IPAMConf:
    """Raises InvalidConfig (7) naming the key, and on ADD InvalidEnvironment (4) for CNI_ARGS.

    Afterwards `request.conf.unknown()` names the keys of the `ipam` section that nobody knows.
    """
    if not request.conf.has("ipam"):
        raise InvalidConfig("IPAM config missing 'ipam' key", 'add "ipam": {"type": "cni-ipam", "ranges": …}')
    ipam = request.conf.section("ipam")
    ipam.string("type")
    routes = [Route.from_conf(item) for item in ipam.sections("routes")]
    sets = _sets(request, ipam)
    if not sets and not _ranges_come_with_add(request):
        raise InvalidConfig("no IP ranges specified", "give ipam.ranges, ipam.subnet or the capability ipRanges")
    _refuse_overlaps(sets)
    requested: list[IP | None] = [None] * len(sets)
    if request.verb == "ADD":
        _refuse_many_addresses(sets, request.version)
        requested = allocate.assign(sets, _requested(request))
    return IPAMConf(ipam.string("dataDir") or DATA_DIR, sets, requested, routes, ipam.string("resolvConf"))


def data_dir(request: Request) -> str:
    """`dataDir` alone: releasing must work when the rest of the configuration is broken or has changed."""
    return request.conf.open_section("ipam").string("dataDir") or DATA_DIR


def _sets(request: Request, ipam: Section) -> list[list[Range]]:
    """runtimeConfig.ipRanges, then the single old-style range, then `ranges`.

    An IP's set is known by its place in this list (last_reserved_ip.N), so the order is part of the store.
    """
    sets = _read_sets(request.conf.open_section("runtimeConfig"), "ipRanges")
    if ipam.has("subnet"):  # without it the reference ignores rangeStart, rangeEnd and gateway: unknown keys
        sets.append([_read_range(ipam)])
    return sets + _read_sets(ipam, "ranges")


def _read_sets(section: Section, key: str) -> list[list[Range]]:
    sets = []
    for index, item in enumerate(section.items(key)):
        name = f"{key}[{index}]"
        if not isinstance(item, list):
            raise section.error(name, f"must be a list of ranges, not {kind(item)}")
        if not item:
            raise section.error(name, "empty range set", 'give at least one range, such as {"subnet": "10.1.0.0/16"}')
        ranges = [_read_range(section.child(f"{name}[{number}]", value)) for number, value in enumerate(item)]
        if len({one.family for one in ranges}) > 1:
            raise section.error(name, "mixed address families", "IPv4 and IPv6 need a range set each")
        sets.append(ranges)
    return sets


def _read_range(section: Section) -> Range:
    """One range. Network address and IPv4 broadcast never belong to it, even where rangeStart or rangeEnd name them."""
    try:
        packed, prefix = address.split(section.required("subnet"))
    except ValueError as error:
        raise section.error("subnet", str(error)) from None
    number, bits = int.from_bytes(packed, "big"), len(packed) * 8
    family = 4 if bits == BITS[4] else 6
    subnet = f"{ip_text((family, number))}/{prefix}"
    if prefix > bits - 2:
        raise section.error("subnet", f"{subnet} is too small to allocate from", f"/{bits - 2} is the smallest")
    size = 1 << (bits - prefix)
    network = number - number % size
    if number != network:
        raise section.error("subnet", f"{subnet} has host bits set; use {ip_text((family, network))}/{prefix}")
    last = network + size - (2 if family == 4 else 1)

    def bound(key: str, default: int) -> int:
        ip = _read_ip(section, key)
        if ip is None:
            return default
        if ip[0] != family or not network <= ip[1] < network + size:
            raise section.error(key, f"{ip_text(ip)} is not in subnet {subnet}")
        return ip[1]

    start = max(bound("rangeStart", network + 1), network + 1)
    end = min(bound("rangeEnd", last), last)
    if start > end:
        ends = f"{ip_text((family, start))} lies after rangeEnd {ip_text((family, end))}"
        raise section.error("rangeStart", ends)
    gateway = _read_ip(section, "gateway") or (family, network + 1)
    if gateway[0] != family:
        raise section.error("gateway", f"{ip_text(gateway)} is of another family than subnet {subnet}")
    return Range(family, start, end, prefix, gateway, section.path)


def _read_ip(section: Section, key: str) -> IP | None:
    text = section.string(key)
    try:
        return parse_ip(text) if text else None
    except ValueError as error:
        raise section.error(key, str(error)) from None


def _refuse_overlaps(sets: list[list[Range]]) -> None:
    ranges = [one for ranges in sets for one in ranges]
    for index, one in enumerate(ranges):
        for other in ranges[:index]:
            if one.overlaps(other):
                raise InvalidConfig(
                    f"{one.path}: {one} overlaps with {other} of {other.path}", "no IP may lie in two ranges"
                )


def _refuse_many_addresses(sets: list[list[Range]], version: str) -> None:
    families = [ranges[0].family for ranges in sets]
    if versions.is_single_address(version) and len(families) > len(set(families)):
        raise InvalidConfig(
            f"CNI version {version} does not support more than 1 address per family",
            f"the configuration has {len(sets)} range sets, each gives one; 0.3.0 and later allow it",
        )


def _requested(request: Request) -> list[IP]:
    """The IPs asked for, by `args.cni.ips` and the capability `ips`, else by `IP=` in CNI_ARGS.

    CONVENTIONS: "if a plugin finds a value in args, it must ignore CNI_ARGS". All may be lists, with or
    without prefix lengths; the prefix in force is the subnet's.
    """
    environment = request.cni_args().get("IP", "")
    requested: list[IP] = []
    conf = request.conf
    for section in (conf.open_section("args").open_section("cni"), conf.open_section("runtimeConfig")):
        for index, text in enumerate(section.strings("ips")):
            try:
                requested += [_bare_ip(text)] if text else []
            except ValueError as error:
                raise section.error(f"ips[{index}]", str(error)) from None
    if requested:
        return requested
    try:
        return [_bare_ip(text.strip()) for text in environment.split(",") if text.strip()]
    except ValueError as error:
        raise InvalidEnvironment("CNI_ARGS", f"IP={environment}: {error}") from None


def _bare_ip(text: str) -> IP:
    if "/" in text:
        address.split(text)
    return parse_ip(text.partition("/")[0])


def _ranges_come_with_add(request: Request) -> bool:
    """STATUS carries no runtimeConfig, so the ranges of the capability ipRanges are not known yet."""
    return request.verb == "STATUS" and request.conf.open_section("capabilities").boolean("ipRanges")
