"""STATUS: how full the range sets are."""

from __future__ import annotations

from ipam import allocate, liveness, snapshot
from ipam.conf import IPAMConf
from ipam.failure import report
from ipam.ranges import IP, Range, set_text
from ipam.store import Store


def exhausted(path: str, conf: IPAMConf, cooling: list[IP]) -> tuple[list[str], list[str]]:
    """The sets that an ADD finds nothing in, and the counts of all, by a look without the lock. Raises IOFailure (5).

    What cools counts as free, what is dead as used.
    A set whose leases are all in use but one that is provably dead is not exhausted: ADD takes that.
    """
    found, errors = snapshot.take(path)
    report("read", path, errors)
    records = {ip: record for ip, record in found.items() if record.content}
    dead = liveness.dead(records)
    full, counts = [], []
    for number, ranges in enumerate(conf.sets):
        free, used = allocate.occupancy(ranges, records)
        warm = sum(1 for ip in cooling if ip not in records and allocate.is_given(ranges, ip))
        gone = sum(1 for ip in dead if allocate.is_given(ranges, ip))
        counts.append(f"range set {number} {set_text(ranges)}: {free} free, {used} used, {warm} cooling, {gone} dead")
        if not free and not (conf.reclaims and gone):
            full.append(set_text(ranges))
    return full, counts


def has_free_names(store: Store, sets: list[list[Range]]) -> bool:
    """Every set, without a look into the leases; False may be an error."""
    return all(
        any(not store.is_taken(ip) for ip in allocate.in_turn(ranges, store.last_reserved(number), store.first_left))
        for number, ranges in enumerate(sets)
    )
