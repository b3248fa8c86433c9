"""Which IP is next: data in, data out.

Round robin from the IP after the last one given, through all ranges of the set and around, so that
a crash-looping pod does not meet its own stale ARP entries (reference: allocator.go, GetIter).
No range is ever enumerated: what is used is passed over, as far as that is known, by blocks.
"""

from __future__ import annotations

from cni.errors import InvalidConfig
from ipam.ranges import IP, Range, ip_text, range_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator

    Skip = Callable[[IP, int], int]


def assign(sets: list[list[Range]], requested: list[IP]) -> list[IP | None]:
    """For each set the requested IP that lies in it: the first one, None where there is none.

    Raises InvalidConfig (7) for a gateway, an excluded IP, and one that no set is left for.
    """
    left = list(dict.fromkeys(requested))
    found: list[IP | None] = []
    for index, ranges in enumerate(sets):
        wanted = next((ip for ip in left if range_of(ranges, ip)), None)
        if wanted is not None:
            left.remove(wanted)
            problem = "subnet's gateway" if wanted in _gateways(ranges) else ""
            if not problem and any(one.excludes(wanted) for one in ranges):
                problem = "excluded"
            if problem:
                text = f"failed to allocate for range {index}: requested ip {ip_text(wanted)} is {problem}"
                raise InvalidConfig(text, "ask for another IP")
        found.append(wanted)
    if left:
        raise InvalidConfig(
            "failed to allocate all requested IPs: " + " ".join(ip_text(ip) for ip in left),
            "each range set gives one IP, and a requested IP must lie in one: "
            + "; ".join(", ".join(f"{one.path} {one}" for one in ranges) for ranges in sets),
        )
    return found


def next_free(ranges: list[Range], taken: Container[IP], last: IP | None) -> IP | None:
    """The next IP of the set after `last` that is neither taken nor a gateway; None when there is none."""
    return next((ip for ip in in_turn(ranges, last) if ip not in taken), None)


def in_turn(ranges: list[Range], last: IP | None, skip: Skip | None = None) -> Iterator[IP]:
    """The IPs of the set but for gateways, from after `last` once around.

    `last` outside of all ranges (the configuration changed) counts as none: start at the beginning.
    `skip`: the first number, from an IP's on to an end, that is worth a look; beyond the end where none is.
    """
    gateways = _gateways(ranges)
    for family, number, end in _stretches(ranges, last):
        while number <= end:
            if skip is not None and (number := skip((family, number), end)) > end:
                break
            ip = (family, number)
            if ip not in gateways:
                yield ip
            number += 1


def is_given(ranges: list[Range], ip: IP) -> bool:
    """Whether `next_free` could ever name the IP: it lies in the set, is not excluded and no gateway."""
    one = range_of(ranges, ip)
    return one is not None and not one.excludes(ip) and ip not in _gateways(ranges)


def occupancy(ranges: list[Range], taken: Iterable[IP]) -> tuple[int, int]:
    """(free, used) of a set; what is excluded and gateways are neither."""
    used = sum(1 for ip in taken if is_given(ranges, ip))
    total = sum(end - start + 1 for one in ranges for start, end in one.parts)
    held_back = sum(1 for ip in _gateways(ranges) if any(ip in one and not one.excludes(ip) for one in ranges))
    return total - used - held_back, used


def _gateways(ranges: list[Range]) -> set[IP]:
    """A gateway of one range may lie in another one of the set; no pod gets it either."""
    return {one.gateway for one in ranges}


def _stretches(ranges: list[Range], last: IP | None) -> Iterator[tuple[int, int, int]]:
    """(family, start, end) in the order of the round: from after `last` once around to `last` itself."""
    current = range_of(ranges, last) if last is not None else None
    if last is None or current is None:
        yield from _parts(ranges)
        return
    index = ranges.index(current)
    yield from ((current.family, max(start, last[1] + 1), end) for start, end in current.parts if end > last[1])
    yield from _parts(ranges[index + 1 :] + ranges[:index])
    yield from ((current.family, start, min(end, last[1])) for start, end in current.parts if start <= last[1])


def _parts(ranges: list[Range]) -> Iterator[tuple[int, int, int]]:
    for one in ranges:
        for start, end in one.parts:
            yield one.family, start, end
