"""IPs as numbers, and the ranges that they are given out from.

An IP is (family, number): (4, 0x0A000001) is 10.0.0.1. Plain arithmetic holds for a /8 and a /48 alike.
"""

from __future__ import annotations

from cni import address

IP = tuple[int, int]
BITS = {4: 32, 6: 128}


def parse_ip(text: str) -> IP:
    """ValueError when `text` is no IP. ::ffff:a.b.c.d is IPv4, as in Go."""
    packed = address.pack(text)
    return 4 if len(packed) == 4 else 6, int.from_bytes(packed, "big")


def ip_text(ip: IP) -> str:
    """The text that names the IP in results and in the store."""
    family, number = ip
    return address.unpack(number.to_bytes(BITS[family] // 8, "big"))


class Range:
    """The IPs from `start` to `end`, both included, of one subnet; `gateway` may lie anywhere.

    `parts`: what `exclude` leaves of it, (start, end) in rising order; it may be nothing.
    `path` is where the configuration has it, for error messages: "ipam.ranges[0][1]".
    """

    __slots__ = ("end", "family", "gateway", "parts", "path", "prefix", "start")

    def __init__(
        self,
        family: int,
        start: int,
        end: int,
        prefix: int,
        gateway: IP,
        path: str,
        exclude: list[tuple[int, int]] | None = None,
    ) -> None:
        self.family = family
        self.start = start
        self.end = end
        self.prefix = prefix
        self.gateway = gateway
        self.path = path
        self.parts = _without(start, end, exclude or [])

    def __contains__(self, ip: IP) -> bool:
        """Excluded ones as well: they were given once, perhaps."""
        return ip[0] == self.family and self.start <= ip[1] <= self.end

    def excludes(self, ip: IP) -> bool:
        return ip in self and not any(start <= ip[1] <= end for start, end in self.parts)

    def __str__(self) -> str:
        return f"{ip_text((self.family, self.start))}-{ip_text((self.family, self.end))}"

    def overlaps(self, other: Range) -> bool:
        return self.family == other.family and self.start <= other.end and other.start <= self.end

    def address(self, ip: IP) -> str:
        """The IP with the prefix of the subnet: "10.0.0.5/24"."""
        return f"{ip_text(ip)}/{self.prefix}"


def range_of(ranges: list[Range], ip: IP) -> Range | None:
    """The range of a set that holds the IP."""
    return next((one for one in ranges if ip in one), None)


def set_text(ranges: list[Range]) -> str:
    return ",".join(str(one) for one in ranges)


def _without(start: int, end: int, exclude: list[tuple[int, int]]) -> list[tuple[int, int]]:
    parts = []
    for first, last in sorted(exclude):
        if first > end:
            break
        if first > start:
            parts.append((start, first - 1))
        start = max(start, last + 1)
    return [*parts, (start, end)] if start <= end else parts
