"""Which IP is next: data in, data out.

Round robin from the IP after the last one given, through all ranges of the set and around, so that
a crash-looping pod does not meet its own stale ARP entries (reference: allocator.go, GetIter).
No range is ever enumerated: every IP that is looked at in vain is a taken one or a gateway.
"""

from __future__ import annotations

from cni.errors import InvalidConfig
from ipam.ranges import IP, Range, ip_text, range_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator


def assign(sets: list[list[Range]], requested: list[IP]) -> list[IP | None]:
    """For each set the requested IP that lies in it: the first one, None where there is none.

    Raises InvalidConfig (7) for a gateway, and for an IP that no set is left for.
    """
    left = list(dict.fromkeys(requested))
    found: list[IP | None] = []
    for index, ranges in enumerate(sets):
        wanted = next((ip for ip in left if range_of(ranges, ip)), None)
        if wanted is not None:
            left.remove(wanted)
            if wanted in _gateways(ranges):
                problem = f"requested ip {ip_text(wanted)} is subnet's gateway"
                raise InvalidConfig(f"failed to allocate for range {index}: {problem}", "ask for another IP")
        found.append(wanted)
    if left:
        raise InvalidConfig(
            "failed to allocate all requested IPs: " + " ".join(ip_text(ip) for ip in left),
            "each range set gives one IP, and a requested IP must lie in one: "
            + "; ".join(", ".join(f"{one.path} {one}" for one in ranges) for ranges in sets),
        )
    return found


def next_free(ranges: list[Range], taken: Container[IP], last: IP | None) -> IP | None:
    """The next IP of the set after `last` that is neither taken nor a gateway; None when there is none.

    `last` outside of all ranges (the configuration changed) counts as none: start at the beginning.
    """
    gateways = _gateways(ranges)
    for family, start, end in _stretches(ranges, last):
        for number in range(start, end + 1):
            ip = (family, number)
            if ip not in taken and ip not in gateways:
                return ip
    return None


def occupancy(ranges: list[Range], taken: Iterable[IP]) -> tuple[int, int]:
    """(free, used) of a set; gateways are neither."""
    gateways = _gateways(ranges)
    used = sum(1 for ip in taken if ip not in gateways and range_of(ranges, ip))
    total = sum(one.end - one.start + 1 for one in ranges)
    return total - used - sum(1 for ip in gateways if range_of(ranges, ip)), used


def _gateways(ranges: list[Range]) -> set[IP]:
    """A gateway of one range may lie in another one of the set; no pod gets it either."""
    return {one.gateway for one in ranges}


def _stretches(ranges: list[Range], last: IP | None) -> Iterator[tuple[int, int, int]]:
    """(family, start, end) in the order of the round: from after `last` once around to `last` itself."""
    current = range_of(ranges, last) if last is not None else None
    if last is None or current is None:
        for one in ranges:
            yield one.family, one.start, one.end
        return
    index = ranges.index(current)
    yield current.family, last[1] + 1, current.end
    for one in ranges[index + 1 :] + ranges[:index]:
        yield one.family, one.start, one.end
    yield current.family, current.start, last[1]
