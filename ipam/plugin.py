"""cni-ipam, the verbs: from the ranges of a configuration to IPs that no two owners share.

Called as an executable by `cni.skel` and in-process by the main plugin, with the same Request.
Locking, layout and order of allocation are those of the reference host-local, in the same directory.
"""

from __future__ import annotations

import os

from cni.errors import CheckFailed, CNIError, PluginNotAvailable, TryAgainLater
from cni.request import Request
from cni.result import DNS, IPConfig, Result
from cni.stderr import tell
from ipam import facts, give, index, lease, liveness, overlap, readiness, reclaim, resolv_conf, snapshot
from ipam.conf import IPAMConf, cooldown, data_dir, lock_timeout, parse, reclaims
from ipam.facts import Facts
from ipam.failure import report
from ipam.lease import Owner, is_of, owner_content
from ipam.ranges import IP, Range, ip_text, parse_ip, range_of
from ipam.store import Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


TRIES = 5  # of an ADD: where room was made in a full set others may be faster


def validate(request: Request) -> IPAMConf:
    """What `add` does first, for who validates before anything is touched. Raises as ipam.conf.parse does."""
    return parse(request)


def add(
    request: Request,
    deliver: Callable[[Result], None],
    conf: IPAMConf | None = None,
    deliver_found: Callable[[Result], None] | None = None,
) -> Result:
    """Reserve one IP of each range set, or none at all. `conf`: what `validate` gave for this request.

    An owner that has one of each already gets these, and `deliver_found`, if given, the result: who would undo an ADD
    must not release them. Raises InvalidConfig (7), AddressUnavailable (102), IOFailure (5), TryAgainLater (11),
    InvalidEnvironment (4).
    """
    conf = conf or parse(request)
    result = Result(routes=conf.routes, dns=resolv_conf.read(conf.resolv_conf) if conf.resolv_conf else DNS())
    known = facts.of(request)
    for _ in range(TRIES):
        store = _made(request, conf)
        try:
            with store:
                ips, is_new = _leases(store, conf, request, known)
            if len(ips) == len(conf.sets):
                result.ips = _ip_configs(conf, ips)
                (deliver if is_new else deliver_found or deliver)(result)  # unlocked: a caller may take its time
                return result
        except BaseException:
            _take_back(store, request)
            raise
        reclaim.make_room(store.path, conf, len(ips), lambda: _as_it_is(request))
    raise TryAgainLater(f"range {len(ips)} of {store.path} was full {TRIES} times: others took what became free")


def check(request: Request) -> None:
    """Raises CheckFailed (103) unless the pod's IPs of prevResult, or any IP at all, are reserved for the owner."""
    conf = parse(request)
    expected = _expected(request, conf.sets)
    pod = f"container {request.container_id} {request.ifname}"
    store = _as_it_is(request)
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
    store = _found(request)
    if store is not None:
        with store:
            store.release(request.owner)


def gc(request: Request) -> None:
    """Release the IPs of all owners that the runtime does not list; without a list, what an earlier boot left.

    These are looked for without the lock, and removed a few at a time; what has changed meanwhile stays.
    Raises IOFailure (5) after everything that can be released is, TryAgainLater (11).
    """
    path = os.path.join(data_dir(request), request.name)
    valid = request.valid_attachments()
    errors: list[str] = []
    if valid is not None:  # what it lists stays, whatever we would take for proof
        contents, errors = snapshot.contents(path)
        reclaim.remove_contents(lease.of_others(contents, valid), lambda: _as_it_is(request), errors)
    elif reclaims(request):
        records, errors = snapshot.take(path)
        reclaim.remove(liveness.dead(records, (liveness.EARLIER_BOOT,)), lambda: _as_it_is(request), errors)
    report("read or release", path, errors)


def status(request: Request) -> None:
    """Raises PluginNotAvailable (50) when no ADD can succeed: store unusable or a range set exhausted.

    Overlaps with others hinder none: they are named beside that, or on stderr.
    """
    conf = parse(request)
    try:
        with _made(request, conf) as store:
            store.probe()
            is_ready = readiness.has_free_names(store, conf.sets)
            cooling = [] if is_ready else store.cooling()
        exhausted, counts = ([], []) if is_ready else readiness.exhausted(store.path, conf, cooling)
    except CNIError as error:
        raise PluginNotAvailable(error.msg, error.details) from None
    overlaps = overlap.find(conf.data_dir, request.name, conf.sets)
    if exhausted:
        details = "\n".join(counts + overlaps)
        raise PluginNotAvailable("no IP addresses available in range set: " + "; ".join(exhausted), details)
    if overlaps:
        tell("".join(f"cni-ipam: {line}\n" for line in overlaps).encode("utf-8", "backslashreplace"))


def _made(request: Request, conf: IPAMConf) -> Store:
    place = index.place(request.run_dir)
    return Store.make(conf.data_dir, request.name, place, conf.lock_timeout, conf.cooldown)


def _found(request: Request) -> Store | None:
    """By what DEL and GC need of the configuration."""
    place = index.place(request.run_dir)
    return Store.find(data_dir(request), request.name, place, lock_timeout(request), cooldown(request))


def _as_it_is(request: Request) -> Store | None:
    """As `_found`, for who needs no index."""
    place = index.place(request.run_dir)
    wait, cool = lock_timeout(request), cooldown(request)
    return Store.find(data_dir(request), request.name, place, wait, cool, is_indexed=False)


def _leases(store: Store, conf: IPAMConf, request: Request, known: Facts) -> tuple[list[IP], bool]:
    """Those that the owner has, or what `give.reserve` gives it, and whether they are new."""
    owned = store.leases_of(request.owner)
    intact = [] if conf.strict_add else _intact(store, owned, conf, request.owner)
    if intact:
        for ip in intact:
            store.describe_anew(ip, known)
        return intact, False
    for number, ranges in enumerate(conf.sets):
        if conf.requested[number] is None:  # a requested IP is given to whoever has others already (reference)
            _refuse_second_lease(owned, number, ranges, request.owner)
    if not owned:
        request.caller.begin()
    return give.reserve(store, conf, request.owner, known), True


def _take_back(store: Store, request: Request) -> None:
    """What an ADD has made in a store that it left."""
    try:
        again = _as_it_is(request) if store.made else None
        if again is not None:
            with again:
                again.take_back(store.made)
    except CNIError:
        pass  # the error that led here is the one to tell; DEL will remove the rest


def _intact(store: Store, owned: list[IP], conf: IPAMConf, owner: Owner) -> list[IP]:
    """For each set the lease that the owner has in it, the requested one where there is such; [] if one is missing."""
    found: list[IP] = []
    content = owner_content(owner)
    for wanted, ranges in zip(conf.requested, conf.sets, strict=True):
        fitting = [ip for ip in owned if range_of(ranges, ip) and (wanted is None or ip == wanted)]
        ip = next((ip for ip in fitting if store.content(ip) == content), None)
        if ip is None:
            return []
        found.append(ip)
    return found


def _refuse_second_lease(owned: list[IP], set_index: int, ranges: list[Range], owner: Owner) -> None:
    """SPEC, ADD: "a runtime must not call ADD twice for the same (container id, ifname)"."""
    for ip in owned:
        if range_of(ranges, ip):
            raise reclaim.unavailable(
                set_index,
                f"{ip_text(ip)} has been allocated to {owner[0]}, duplicate allocation is not allowed",
                "DEL must come before another ADD of the same container and interface",
            )


def _ip_configs(conf: IPAMConf, ips: list[IP]) -> list[IPConfig]:
    return [_ip_config(ranges, ip) for ranges, ip in zip(conf.sets, ips, strict=True)]


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
