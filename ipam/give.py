"""Giving out: one IP of each range set of a configuration, from an open store."""

from __future__ import annotations

import os

from cni.errors import AddressUnavailable
from cni.stderr import tell
from ipam import allocate, directory, liveness, sticky
from ipam.conf import IPAMConf
from ipam.facts import Facts
from ipam.lease import Owner
from ipam.ranges import IP, Range, ip_text, set_text
from ipam.store import Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ipam.taken import Taken


def reserve(store: Store, conf: IPAMConf, owner: Owner, known: Facts) -> list[IP]:
    """The IPs, one of each set. Raises AddressUnavailable (102), IOFailure (5) with some of them reserved."""
    if not conf.sticky:
        return _reserve(store, conf, owner, known, [])
    hints = directory.open_made(f"{store.hints}.sticky")
    try:
        given = _reserve(store, conf, owner, known, sticky.recall(hints, conf.sticky))
        sticky.note(hints, conf.sticky, given)
        if os.urandom(1)[0] % sticky.PRUNE_ONCE_IN == 0:
            sticky.prune(hints, max(sticky.FEWEST, 4 * len(store.listed())))
        return given
    finally:
        if hints >= 0:
            os.close(hints)


def _reserve(store: Store, conf: IPAMConf, owner: Owner, known: Facts, recalled: list[IP]) -> list[IP]:
    """What the owner had last does not cool for it."""
    taken = store.taken()
    given: list[IP] = []
    for number, ranges in enumerate(conf.sets):
        ip = conf.requested[number]
        if ip is None:
            former = [one for one in recalled if allocate.is_given(ranges, one)]
            ip = next((one for one in former if store.reserve(one, owner, number, known)), None)
            if ip is None:
                ip = _next(store, conf, taken, number, owner, known)
        elif not _reserve_this(store, conf, ip, owner, number, known):
            problem = f"requested IP address {ip_text(ip)} is not available in range set {set_text(ranges)}"
            raise unavailable(number, problem)
        given.append(ip)
    return given


def _reserve_this(store: Store, conf: IPAMConf, ip: IP, owner: Owner, set_index: int, known: Facts) -> bool:
    if store.reserve(ip, owner, set_index, known):
        return True
    if not conf.reclaims or not store.remove_same(liveness.dead({ip: store.record(ip_text(ip))})):
        return False
    tell(f"cni-ipam: {ip_text(ip)} was asked for: removed its dead lease of {store.path}\n".encode())
    return store.reserve(ip, owner, set_index, known)


def unavailable(set_index: int, problem: str, details: str = "") -> AddressUnavailable:
    return AddressUnavailable(f"failed to allocate for range {set_index}: {problem}", details)


def _next(store: Store, conf: IPAMConf, taken: Taken, set_index: int, owner: Owner, known: Facts) -> IP:
    """One that is free and does not cool, one that cools, one whose lease is dead: the first that there is."""
    ranges, last = conf.sets[set_index], store.last_reserved(set_index)
    for spares_cooling in (True, False):
        taken.spares_cooling, taken.has_spared = spares_cooling, False
        ip = allocate.next_free(ranges, taken, last, taken.first_left)
        if ip is not None and store.reserve(ip, owner, set_index, known):
            return ip
        if not taken.has_spared:
            break
    leases = store.leases()  # by its content a name may yet be free
    while (ip := allocate.next_free(ranges, leases, last)) is not None:
        if store.reserve(ip, owner, set_index, known):
            return ip
        leases[ip] = b"in the way"  # a directory of that name, say
    for ip in _reclaim(store, ranges) if conf.reclaims else ():
        if store.reserve(ip, owner, set_index, known):
            return ip
    free, used = allocate.occupancy(ranges, leases)
    raise unavailable(
        set_index,
        f"no IP addresses available in range set: {set_text(ranges)}",
        f"{used} used, {free} free in {store.path}; GC releases what dead containers left, or enlarge the range",
    )


def _reclaim(store: Store, ranges: list[Range]) -> list[IP]:
    """Remove the provably dead leases of the set, and say so. The IPs that can now be given, in the set's order."""
    records = {ip: record for ip, record in store.records().items() if allocate.is_given(ranges, ip)}
    freed = store.remove_same(liveness.dead(records))
    if freed:
        tell(f"cni-ipam: {set_text(ranges)} was exhausted: removed {len(freed)} dead leases of {store.path}\n".encode())
    return sorted(freed)
