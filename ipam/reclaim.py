"""Many leases removed: looked for without the store's lock, removed under it, a few at a time.

For room in a set where an ADD has found none leases are read first, then the node is looked at, then those are removed
that are still the same. What the next call would find is not remembered: pods die, and nothing in the store tells.
"""

from __future__ import annotations

from cni.errors import AddressUnavailable
from cni.stderr import tell
from ipam import allocate, liveness, snapshot
from ipam.conf import IPAMConf
from ipam.failure import report
from ipam.lease import Record
from ipam.ranges import IP, ip_text, set_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ipam.store import Store

PORTION = 8  # leases that are removed within a millisecond
MOST = 64  # leases that one ADD removes: the next ones find a free IP and look at none


def make_room(path: str, conf: IPAMConf, set_index: int, reopen: Callable[[], Store | None]) -> None:
    """Remove some of the set's dead leases, or the requested IP's; or what only seems to take an IP, if there is that.

    Afterwards it is worth another try. Raises AddressUnavailable (102) where there is nothing, IOFailure (5).
    """
    ranges, wanted = conf.sets[set_index], conf.requested[set_index]
    failed: list[str] = []
    records, errors = snapshot.take(path, None if wanted is None else [wanted])
    leases = {ip: record for ip, record in records.items() if record.content and allocate.is_given(ranges, ip)}
    free = allocate.next_free(ranges, leases, None) if wanted is None else wanted
    if free is not None and free not in leases:  # its file was emptied in place, say: the index does not know
        remove({free: Record(b"", None)}, reopen, failed)
        report("release", path, failed)
        return
    dead = liveness.dead(leases) if conf.reclaims else {}
    if not dead:
        report("read", path, errors)
        raise _nothing(path, conf, set_index, leases)
    freed = remove({ip: dead[ip] for ip in sorted(dead)[:MOST]}, reopen, failed)
    report("release", path, failed)
    if freed and wanted is None:
        tell(f"cni-ipam: {set_text(ranges)} was exhausted: removed {len(freed)} dead leases of {path}\n".encode())
    elif freed:
        tell(f"cni-ipam: {ip_text(freed[0])} was asked for: removed its dead lease of {path}\n".encode())


def remove(records: dict[IP, Record], reopen: Callable[[], Store | None], errors: list[str]) -> list[IP]:
    """Those that are still the same, facts and all; these. Notes errors and goes on. Raises TryAgainLater (11)."""
    ips = {ip_text(ip): ip for ip in sorted(records)}
    removed: list[IP] = []

    def remove_some(store: Store, names: list[str]) -> None:
        removed.extend(store.remove_same({ips[name]: records[ips[name]] for name in names}, errors))

    _in_portions(list(ips), remove_some, reopen)
    return removed


def remove_contents(leases: dict[str, bytes], reopen: Callable[[], Store | None], errors: list[str]) -> None:
    """As `remove`, by name, of what still has that content, whatever else is known of it."""

    def remove_some(store: Store, names: list[str]) -> None:
        store.remove_contents({name: leases[name] for name in names}, errors)

    _in_portions(list(leases), remove_some, reopen)


def _in_portions(
    names: list[str], remove_some: Callable[[Store, list[str]], None], reopen: Callable[[], Store | None]
) -> None:
    """Between two of them others get the lock."""
    for at in range(0, len(names), PORTION):
        store = reopen()
        if store is None:
            break
        with store:
            remove_some(store, names[at : at + PORTION])


def unavailable(set_index: int, problem: str, details: str = "") -> AddressUnavailable:
    return AddressUnavailable(f"failed to allocate for range {set_index}: {problem}", details)


def _nothing(path: str, conf: IPAMConf, set_index: int, leases: dict[IP, Record]) -> AddressUnavailable:
    ranges, wanted = conf.sets[set_index], conf.requested[set_index]
    if wanted is not None:
        problem = f"requested IP address {ip_text(wanted)} is not available in range set {set_text(ranges)}"
        return unavailable(set_index, problem)
    free, used = allocate.occupancy(ranges, leases)
    return unavailable(
        set_index,
        f"no IP addresses available in range set: {set_text(ranges)}",
        f"{used} used, {free} free in {path}; GC releases what dead containers left, or enlarge the range",
    )
