"""Giving out: one IP of each range set of a configuration, from an open store."""

from __future__ import annotations

import os

from ipam import allocate, directory, sticky
from ipam.conf import IPAMConf
from ipam.facts import Facts
from ipam.lease import Owner
from ipam.ranges import IP
from ipam.store import Store


def reserve(store: Store, conf: IPAMConf, owner: Owner, known: Facts) -> list[IP]:
    """The IPs, one of each set. Where a set has none, those of the sets before it, and nothing is reserved.

    Raises IOFailure (5) with some of them reserved.
    """
    if not conf.sticky:
        return _all_or_none(store, conf, owner, known, [])
    hints = directory.open_made(f"{store.hints}.sticky")
    try:
        given = _all_or_none(store, conf, owner, known, sticky.recall(hints, conf.sticky))
        if len(given) == len(conf.sets):
            sticky.note(hints, conf.sticky, given)
            if os.urandom(1)[0] % sticky.PRUNE_ONCE_IN == 0:
                sticky.prune(hints, max(sticky.FEWEST, 4 * len(store.listed())))
        return given
    finally:
        if hints >= 0:
            os.close(hints)


def _all_or_none(store: Store, conf: IPAMConf, owner: Owner, known: Facts, recalled: list[IP]) -> list[IP]:
    given: list[IP] = []
    for number in range(len(conf.sets)):
        ip = _one(store, conf, number, owner, known, recalled)
        if ip is None:
            store.take_back(store.made)
            break
        given.append(ip)
    return given


def _one(store: Store, conf: IPAMConf, set_index: int, owner: Owner, known: Facts, recalled: list[IP]) -> IP | None:
    """The requested one, one that the owner had last, one that is free and does not cool, one that cools."""
    ranges, wanted = conf.sets[set_index], conf.requested[set_index]
    if wanted is not None:
        return wanted if store.reserve(wanted, owner, set_index, known) else None
    for ip in recalled:
        if allocate.is_given(ranges, ip) and store.reserve(ip, owner, set_index, known):
            return ip
    last = store.last_reserved(set_index)
    for skip in (store.first_cold, store.first_left):
        for ip in allocate.in_turn(ranges, last, skip):
            if store.reserve(ip, owner, set_index, known):
                return ip
    return None
