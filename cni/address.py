"""Addresses and prefixes as text and as the bytes that the kernel takes.

`address` has its prefix ("10.1.0.2/24"), `ip` has none. IPv4 is 4 bytes, IPv6 16.
"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, inet_ntop, inet_pton  # `socket` would import enum and selectors


def pack(ip: str) -> bytes:
    """The network-order bytes of an IP; ValueError when it is none. ::ffff:a.b.c.d is IPv4, as in Go."""
    try:
        return inet_pton(AF_INET, ip)
    except OSError:
        pass
    try:
        packed = inet_pton(AF_INET6, ip)
    except (OSError, UnicodeEncodeError):
        raise ValueError(f"{ip!r} is not an IP address") from None
    return packed[12:] if packed[:12] == b"\0" * 10 + b"\xff\xff" else packed


def unpack(packed: bytes) -> str:
    """The text of 4 or 16 bytes, IPv6 as Go's net.IP.String() writes it, which names files of the store."""
    if len(packed) == 16 and packed[:12] == bytes(12) and packed[12:14] != b"\0\0":
        return f"::{packed[12:14].hex().lstrip('0')}:{int.from_bytes(packed[14:], 'big'):x}"  # inet_ntop: ::a.b.c.d
    return inet_ntop(AF_INET if len(packed) == 4 else AF_INET6, packed)


def split(address: str) -> tuple[bytes, int]:
    """("10.1.0.2/24") -> (bytes, 24); ValueError when it is not an IP with a prefix length."""
    ip, slash, length = address.partition("/")
    packed = pack(ip)
    if not slash or not (length.isascii() and length.isdigit()) or int(length) > len(packed) * 8:
        raise ValueError(f"{address!r} is not an address with a prefix length, such as 10.1.0.2/24")
    return packed, int(length)


def family(text: str) -> int:
    """4 or 6 for an IP or an address that was already validated."""
    return 6 if ":" in text else 4


def network(packed: bytes, prefix: int) -> bytes:
    """The network address: host bits cleared."""
    bits = len(packed) * 8
    value = int.from_bytes(packed, "big") >> (bits - prefix) << (bits - prefix)
    return value.to_bytes(len(packed), "big")


def subnet(text: str) -> str:
    """ "10.1.0.2/24" -> "10.1.0.0/24"; ValueError as `split`."""
    packed, prefix = split(text)
    return f"{unpack(network(packed, prefix))}/{prefix}"


def is_single(text: str) -> bool:
    """Whether the prefix leaves room for this one address alone; ValueError as `split`."""
    packed, prefix = split(text)
    return prefix == len(packed) * 8
