"""The range sets of a configuration: read, validated and made complete."""

from __future__ import annotations

from cni import address
from cni.conf import Section
from cni.document import kind
from cni.errors import InvalidConfig
from ipam import exclude
from ipam.exclude import Span
from ipam.ranges import BITS, IP, Range, ip_text, parse_ip


def read_sets(conf: Section, ipam: Section, is_partial: bool = False) -> list[list[Range]]:
    """runtimeConfig.ipRanges, then the single old-style range, then `ranges`. Raises InvalidConfig (7).

    An IP's set is known by its place in this list (last_reserved_ip.N), so the order is part of the store.
    `is_partial`: there are ranges that are not known yet, so what `ipam.exclude` names may lie in these.
    """
    everywhere = exclude.read(ipam)
    sets = _read_sets(conf.open_section("runtimeConfig"), "ipRanges", everywhere)
    if ipam.has("subnet"):  # without it the reference ignores rangeStart, rangeEnd and gateway: unknown keys
        sets.append([_read_range(ipam, everywhere)])
    sets += _read_sets(ipam, "ranges", everywhere)
    ranges = [one for ranges in sets for one in ranges]
    for index, span in enumerate(everywhere if ranges and not is_partial else []):
        if not any(exclude.is_in_subnet(span, one) for one in ranges):
            raise ipam.error(f"exclude[{index}]", f"{exclude.text_of(span)} does not lie in any subnet of the network")
    return sets


def _read_sets(section: Section, key: str, everywhere: list[Span]) -> list[list[Range]]:
    sets = []
    for index, item in enumerate(section.items(key)):
        name = f"{key}[{index}]"
        if not isinstance(item, list):
            raise section.error(name, f"must be a list of ranges, not {kind(item)}")
        if not item:
            raise section.error(name, "empty range set", 'give at least one range, such as {"subnet": "10.1.0.0/16"}')
        ranges = []
        for number, value in enumerate(item):
            child = section.child(f"{name}[{number}]", value)
            ranges.append(_read_range(child, everywhere, exclude.read(child)))
        if len({one.family for one in ranges}) > 1:
            raise section.error(name, "mixed address families", "IPv4 and IPv6 need a range set each")
        sets.append(ranges)
    return sets


def _read_range(section: Section, everywhere: list[Span], own: list[Span] | None = None) -> Range:
    """One range. Network address and IPv4 broadcast never belong to it, even where rangeStart or rangeEnd name them.

    `everywhere` is all ranges' and may lie elsewhere, `own` is the range's and may not.
    """
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
    spans = [(first, final) for which, first, final in everywhere + (own or []) if which == family]
    found = Range(family, start, end, prefix, gateway, section.path, spans)
    for index, span in enumerate(own or []):
        if not exclude.is_in_subnet(span, found):
            raise section.error(f"exclude[{index}]", f"{exclude.text_of(span)} is not in subnet {subnet}")
    if not found.parts:
        raise section.error("exclude", f"leaves nothing of {found}")
    return found


def _read_ip(section: Section, key: str) -> IP | None:
    text = section.string(key)
    try:
        return parse_ip(text) if text else None
    except ValueError as error:
        raise section.error(key, str(error)) from None


def refuse_overlaps(sets: list[list[Range]]) -> None:
    ranges = [one for ranges in sets for one in ranges]
    for index, one in enumerate(ranges):
        for other in ranges[:index]:
            if one.overlaps(other):
                raise InvalidConfig(
                    f"{one.path}: {one} overlaps with {other} of {other.path}", "no IP may lie in two ranges"
                )
