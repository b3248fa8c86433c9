"""Which IPs of a block are used, as the bits of a number: so a full range is passed over by blocks and not by IPs.

A block is 256 IPs, a /24 or a /120. Its text is hexadecimal: 64 digits, which tmpfs keeps in a symlink's inode.
"""

from __future__ import annotations

from ipam.ranges import IP, ip_text, parse_ip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

SHIFT = 8
LAST = (1 << SHIFT) - 1
FULL = (1 << (1 << SHIFT)) - 1


def key(family: int, block: int) -> str:
    """Its first IP; `block` is an IP's number without the last bits."""
    return ip_text((family, block << SHIFT))


def place(name: str) -> tuple[str, int]:
    """The key of the block that an IP is in, and its bit there."""
    family, number = parse_ip(name)
    return key(family, number >> SHIFT), 1 << (number & LAST)


def of(names: Iterable[str]) -> dict[str, int]:
    """The bits of all blocks that have some, by their keys."""
    found: dict[IP, int] = {}
    for name in names:
        family, number = parse_ip(name)
        block = (family, number >> SHIFT)
        found[block] = found.get(block, 0) | 1 << (number & LAST)
    return {key(*block): bits for block, bits in found.items()}


def names(where: str, bits: int) -> Iterator[str]:
    """Of a block by its key, the IPs whose bit is set."""
    family, first = parse_ip(where)
    while bits:
        last = bits.bit_length() - 1
        yield ip_text((family, first + last))
        bits ^= 1 << last


def next_clear(bits: Callable[[int, int], int], ip: IP, end: int) -> int:
    """The first number from the IP's on that no bit is set for, or one beyond `end`. `bits`: of (family, block)."""
    family, number = ip
    while number <= end:
        used = bits(family, number >> SHIFT) >> (number & LAST)
        step = (~used & (used + 1)).bit_length() - 1  # to the lowest zero, perhaps in the next block
        number += step
        if not step or number & LAST:
            break
    return number
