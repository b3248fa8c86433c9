"""The key `exclude`: IPs, ranges "a-b" and CIDRs that no pod gets."""

from __future__ import annotations

from cni import address
from cni.conf import Section
from ipam.ranges import BITS, Range, ip_text, parse_ip

Span = tuple[int, int, int]  # (family, first number, last number)


def read(section: Section) -> list[Span]:
    """What stands under the key of an `ipam` section or a range. Raises InvalidConfig (7)."""
    found = []
    for index, text in enumerate(section.strings("exclude")):
        try:
            found.append(_network(text) if "/" in text else _span(text))
        except ValueError as error:
            raise section.error(f"exclude[{index}]", str(error)) from None
    return found


def _network(text: str) -> Span:
    packed, prefix = address.split(text)
    family = 4 if len(packed) == 4 else 6
    number, size = int.from_bytes(packed, "big"), 1 << (BITS[family] - prefix)
    first = number - number % size
    if number != first:
        raise ValueError(f"{text} has host bits set; use {ip_text((family, first))}/{prefix}")
    return family, first, first + size - 1


def _span(text: str) -> Span:
    start, dash, end = text.partition("-")
    family, first = parse_ip(start.strip())
    other, last = parse_ip(end.strip()) if dash else (family, first)
    if family != other or first > last:
        raise ValueError(f"{text!r} is no range: its end does not come after its start")
    return family, first, last


def text_of(span: Span) -> str:
    family, first, last = span
    return ip_text((family, first)) + (f"-{ip_text((family, last))}" if last > first else "")


def is_in_subnet(span: Span, one: Range) -> bool:
    family, first, last = span
    shift = BITS[one.family] - one.prefix
    return family == one.family and first >> shift == last >> shift == one.start >> shift
