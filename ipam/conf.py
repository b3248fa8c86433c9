"""The `ipam` section: read, validated and made complete; nothing is touched.

Keys, defaults and their order are host-local's; beside them stand ours: exclude, cooldown, reclaim, sticky, strictAdd,
lockTimeout. DEL and GC need no more than the functions that read one key alone.
"""

from __future__ import annotations

from cni import address, versions
from cni.conf import Section
from cni.errors import InvalidConfig, InvalidEnvironment
from cni.request import Request
from cni.result import Route
from ipam import allocate
from ipam.ranges import IP, Range, parse_ip
from ipam.sets import read_sets, refuse_overlaps

DATA_DIR = "/var/lib/cni/networks"
COOLDOWN = 30  # seconds; a stale ARP entry lives about as long
LOCK_TIMEOUT = 10  # seconds
LONGEST = 24 * 60 * 60  # seconds of either: more is a mistake


class IPAMConf:
    """What the verbs need. `sets`: one IP is given out of each, from its ranges in order.

    `requested`: for each set the IP asked for, None where any will do. `cooldown` and `lock_timeout` are seconds.
    `reclaims`: whether provably dead leases may be taken. `sticky`: whose last IPs come back, "" for nobody's.
    """

    __slots__ = (
        "cooldown", "data_dir", "lock_timeout", "reclaims", "requested", "resolv_conf", "routes", "sets", "sticky",
        "strict_add",
    )  # fmt: skip

    def __init__(
        self,
        ipam: Section,
        sets: list[list[Range]],
        requested: list[IP | None],
        routes: list[Route],
        sticky: str,
    ) -> None:
        self.data_dir = ipam.string("dataDir") or DATA_DIR
        self.sets = sets
        self.requested = requested
        self.routes = routes
        self.resolv_conf = ipam.string("resolvConf")
        self.cooldown = ipam.integer("cooldown", COOLDOWN, high=LONGEST)
        self.lock_timeout = float(ipam.integer("lockTimeout", LOCK_TIMEOUT, low=1, high=LONGEST))
        self.strict_add = ipam.boolean("strictAdd")
        reclaim = ipam.string("reclaim") or "dead"
        if reclaim not in ("dead", "never"):
            raise ipam.error("reclaim", f'must be "dead" or "never", not {reclaim!r}')
        self.reclaims = reclaim == "dead"
        self.sticky = sticky if ipam.boolean("sticky") else ""


def parse(request: Request) -> IPAMConf:
    """Raises InvalidConfig (7) naming the key, and on ADD InvalidEnvironment (4) for CNI_ARGS.

    Afterwards `request.conf.unknown()` names the keys of the `ipam` section that nobody knows.
    """
    if not request.conf.has("ipam"):
        raise InvalidConfig("IPAM config missing 'ipam' key", 'add "ipam": {"type": "cni-ipam", "ranges": …}')
    ipam = request.conf.section("ipam")
    ipam.string("type")
    routes = [Route.from_conf(item) for item in ipam.sections("routes")]
    sets = read_sets(request.conf, ipam, _ranges_come_with_add(request))
    if not sets and not _ranges_come_with_add(request):
        raise InvalidConfig("no IP ranges specified", "give ipam.ranges, ipam.subnet or the capability ipRanges")
    refuse_overlaps(sets)
    requested: list[IP | None] = [None] * len(sets)
    sticky = ""
    if request.verb == "ADD":
        _refuse_many_addresses(sets, request.version)
        requested = allocate.assign(sets, _requested(request))
        sticky = f"{pod(request)} {request.ifname}" if pod(request) else ""
    return IPAMConf(ipam, sets, requested, routes, sticky)


def data_dir(request: Request) -> str:
    """`dataDir` alone: releasing must work when the rest of the configuration is broken or has changed."""
    return request.conf.open_section("ipam").string("dataDir") or DATA_DIR


def lock_timeout(request: Request) -> float:
    """`lockTimeout` alone, in seconds; the default where it cannot be read."""
    return float(_seconds(request, "lockTimeout", LOCK_TIMEOUT, 1))


def cooldown(request: Request) -> int:
    """`cooldown` alone, in seconds; the default where it cannot be read."""
    return _seconds(request, "cooldown", COOLDOWN, 0)


def reclaims(request: Request) -> bool:
    """`reclaim` alone; what cannot be read is no leave to take anything."""
    try:
        return (request.conf.open_section("ipam").string("reclaim") or "dead") == "dead"
    except InvalidConfig:
        return False


def _seconds(request: Request, key: str, default: int, low: int) -> int:
    try:
        return request.conf.open_section("ipam").integer(key, default, low=low, high=LONGEST)
    except InvalidConfig:
        return default


def pod(request: Request) -> str:
    """Kubernetes' name of the pod, "namespace/name", from CNI_ARGS; "" where there is none."""
    try:
        found = request.cni_args()
    except InvalidEnvironment:
        return ""
    namespace, name = found.get("K8S_POD_NAMESPACE", ""), found.get("K8S_POD_NAME", "")
    return f"{namespace}/{name}" if namespace and name else ""


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
