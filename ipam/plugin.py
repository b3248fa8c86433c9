"""cni-ipam, the verbs: from the ranges of a configuration to IPs that no two owners share.

Called as an executable by `cni.skel` and in-process by the main plugin, with the same Request.
Locking, layout and order of allocation are those of the reference host-local, in the same directory.
"""

from __future__ import annotations

from cni.errors import AddressUnavailable, CheckFailed, CNIError, PluginNotAvailable
from cni.request import Request
from cni.result import DNS, IPConfig, Result
from ipam import allocate, index, resolv_conf
from ipam.conf import IPAMConf, data_dir, parse
from ipam.ranges import IP, Range, ip_text, parse_ip, range_of, set_text
from ipam.store import Owner, Store, is_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ipam.taken import Taken


def validate(request: Request) -> IPAMConf:
    """What `add` does first, for who validates before anything is touched. Raises as ipam.conf.parse does."""
    return parse(request)


def add(request: Request, deliver: Callable[[Result], None], conf: IPAMConf | None = None) -> Result:
    """Reserve one IP of each range set, or none at all. `conf`: what `validate` gave for this request.

    Raises InvalidConfig (7), AddressUnavailable (102), IOFailure (5), TryAgainLater (11), InvalidEnvironment (4).
    """
    conf = conf or parse(request)
    result = Result(routes=conf.routes, dns=resolv_conf.read(conf.resolv_conf) if conf.resolv_conf else DNS())
    with Store.make(conf.data_dir, request.name, index.place(request.run_dir)) as store:
        owned = store.leases_of(request.owner)
        for number, ranges in enumerate(conf.sets):
            if conf.requested[number] is None:  # a requested IP is given to whoever has others already (reference)
                _refuse_second_lease(owned, number, ranges, request.owner)
        if not owned:
            request.caller.begin()
        taken = store.taken()
        try:
            for number, ranges in enumerate(conf.sets):
                ip = conf.requested[number]
                if ip is None:
                    ip = _reserve_next(store, taken, number, ranges, request.owner)
                elif not store.reserve(ip, request.owner, number):
                    problem = f"requested IP address {ip_text(ip)} is not available in range set {set_text(ranges)}"
                    raise _unavailable(number, problem)
                result.ips.append(_ip_config(ranges, ip))
            deliver(result)
        except BaseException:
            store.take_back()
            raise
    return result


def check(request: Request) -> None:
    """Raises CheckFailed (103) unless the pod's IPs of prevResult, or any IP at all, are reserved for the owner."""
    conf = parse(request)
    expected = _expected(request, conf.sets)
    pod = f"container {request.container_id} {request.ifname}"
    store = Store.find(conf.data_dir, request.name, index.place(request.run_dir))
    if store is None:
        raise CheckFailed([f"expected a reservation for {pod}, found no store {conf.data_dir}/{request.name}"])
    with store:
        differences = []
        for ip in expected:
            content = store.content(ip)
            if not is_of(content, request.owner):
                found = f"one for {' '.join(content.decode('utf-8', 'replace').split())}" if content else "none"
                differences.append(f"expected {ip_text(ip)} to be reserved for {pod} in {store.path}, found {found}")
        if not expected and not store.leases_of(request.owner):
            differences.append(f"expected a reservation for {pod} in {store.path}, found none")
    if differences:
        raise CheckFailed(differences)


def delete(request: Request) -> None:
    """Release every IP of the owner. Needs no more than name and dataDir; nothing there is success.

    Raises IOFailure (5) after everything that can be released is, TryAgainLater (11).
    """
    store = Store.find(data_dir(request), request.name, index.place(request.run_dir))
    if store is not None:
        with store:
            store.release(request.owner)


def gc(request: Request) -> None:
    """Release the IPs of all owners that the runtime does not list; without a list do nothing.

    Raises IOFailure (5) after everything that can be released is, TryAgainLater (11).
    """
    valid = request.valid_attachments()
    store = None if valid is None else Store.find(data_dir(request), request.name, index.place(request.run_dir))
    if store is not None and valid is not None:
        with store:
            store.keep_only(valid)


def status(request: Request) -> None:
    """Raises PluginNotAvailable (50) when no ADD can succeed: store unusable or a range set exhausted."""
    conf = parse(request)
    try:
        with Store.make(conf.data_dir, request.name, index.place(request.run_dir)) as store:
            store.probe()
            if _has_free_names(store, conf.sets):
                return
            leases = store.leases()
    except CNIError as error:
        raise PluginNotAvailable(error.msg, error.details) from None
    exhausted, counts = [], []
    for number, ranges in enumerate(conf.sets):
        free, used = allocate.occupancy(ranges, leases)
        counts.append(f"range set {number} {set_text(ranges)}: {free} free, {used} used")
        if not free:
            exhausted.append(set_text(ranges))
    if exhausted:
        raise PluginNotAvailable("no IP addresses available in range set: " + "; ".join(exhausted), "\n".join(counts))


def _has_free_names(store: Store, sets: list[list[Range]]) -> bool:
    """Without a look into the leases; False may be an error."""
    taken = store.taken()
    return all(
        allocate.next_free(ranges, taken, store.last_reserved(number)) is not None for number, ranges in enumerate(sets)
    )


def _refuse_second_lease(owned: list[IP], set_index: int, ranges: list[Range], owner: Owner) -> None:
    """SPEC, ADD: "a runtime must not call ADD twice for the same (container id, ifname)"."""
    for ip in owned:
        if range_of(ranges, ip):
            raise _unavailable(
                set_index,
                f"{ip_text(ip)} has been allocated to {owner[0]}, duplicate allocation is not allowed",
                "DEL must come before another ADD of the same container and interface",
            )


def _reserve_next(store: Store, taken: Taken, set_index: int, ranges: list[Range], owner: Owner) -> IP:
    last = store.last_reserved(set_index)
    ip = allocate.next_free(ranges, taken, last)
    if ip is not None and store.reserve(ip, owner, set_index):
        return ip
    leases = store.leases()  # by its content a name may yet be free
    while (ip := allocate.next_free(ranges, leases, last)) is not None:
        if store.reserve(ip, owner, set_index):
            return ip
        leases[ip] = b"in the way"  # a directory of that name, say
    free, used = allocate.occupancy(ranges, leases)
    raise _unavailable(
        set_index,
        f"no IP addresses available in range set: {set_text(ranges)}",
        f"{used} used, {free} free in {store.path}; GC releases what dead containers left, or enlarge the range",
    )


def _unavailable(set_index: int, problem: str, details: str = "") -> AddressUnavailable:
    return AddressUnavailable(f"failed to allocate for range {set_index}: {problem}", details)


def _ip_config(ranges: list[Range], ip: IP) -> IPConfig:
    one = range_of(ranges, ip)
    assert one is not None
    return IPConfig(one.address(ip), ip_text(one.gateway))


def _expected(request: Request, sets: list[list[Range]]) -> list[IP]:
    """The IPs of prevResult that we gave: in our ranges, and on the pod's interface where it names one."""
    prev = request.prev_result()
    if prev is None:
        return []
    expected = []
    for config in prev.ips:
        if config.interface is not None and config.interface < len(prev.interfaces):
            link = prev.interfaces[config.interface]
            if not link.sandbox or link.name != request.ifname:
                continue
        ip = parse_ip(config.ip)
        if any(range_of(ranges, ip) for ranges in sets):
            expected.append(ip)
    return expected
