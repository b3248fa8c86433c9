"""Netlink messages as bytes: a fixed structure, then attributes (netlink(7), rtnetlink(7)).

Messages are written and read as with pyroute2, {"attrs": [(name, value), ...]}, and to the byte as pyroute2 does, which
tests/unit/test_wire.py shows. Its own codecs take 8 ms to import and 4 of the 7 ms of a warm ADD, for they
prepare every attribute that the kernel knows; here one is decoded when it is asked for.

Bytes that cannot be what they should be, and values that do not fit, raise ValueError or struct.error: no kernel sends
them, no checked configuration holds them.
"""

from __future__ import annotations

import struct
import sys

from cni import address
from cni_veth import attributes
from cni_veth.attributes import ByKind, Nested, NextHops, Peer, Table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Attrs = list[tuple[str, object]]
NUMBER = 0x3FFF  # of an attribute's type; the rest are NLA_F_NESTED and NLA_F_NET_BYTEORDER
LOW = 0 if sys.byteorder == "little" else 1  # of two bytes
HIGH = 1 - LOW
_HEAD = struct.Struct("=HH")
_PADDING = b"\0\0\0\0"
_VLAN = struct.Struct("=HH")
_HOP = struct.Struct("=HBBi")


class Layout:
    """A kind of message: the structure in front, and the table of the attributes behind it."""

    def __init__(self, fields: str, form: str, table: Table) -> None:
        self.fields = fields.split()
        self.places = {name: place for place, name in enumerate(self.fields)}
        self.struct = struct.Struct(form)
        self.table = table


LINK = Layout("family type index flags change", "=BxHiII", attributes.LINK)
ADDRESS = Layout("family prefixlen flags scope index", "=BBBBI", attributes.ADDRESS)
ROUTE = Layout("family dst_len src_len tos table proto scope type flags", "=BBBBBBBBI", attributes.ROUTE)
NETCONF = Layout("family", "=Bxxx", attributes.NETCONF)
TRAFFIC = Layout("family index handle parent info", "=BxxxiIII", attributes.TRAFFIC)
_PEER = bytes(LINK.struct.size)


class Scalar:
    """How a value becomes bytes and is read from them."""

    def encode(self, value: Any) -> bytes:
        return bytes(value)

    def decode(self, data: bytes) -> Any:
        return data


class Number(Scalar):
    def __init__(self, form: str) -> None:
        self._struct = struct.Struct(form)

    def encode(self, value: Any) -> bytes:
        return self._struct.pack(value)

    def decode(self, data: bytes) -> Any:
        return self._struct.unpack(data)[0]


class Text(Scalar):
    def encode(self, value: Any) -> bytes:
        text: str = value
        return text.encode("utf-8", "surrogateescape") + b"\0"

    def decode(self, data: bytes) -> Any:
        return data.partition(b"\0")[0].decode("utf-8", "surrogateescape")


class MAC(Scalar):
    def encode(self, value: Any) -> bytes:
        text: str = value
        return bytes.fromhex(text.replace(":", ""))

    def decode(self, data: bytes) -> Any:
        return data.hex(":")


class IPText(Scalar):
    def encode(self, value: Any) -> bytes:
        return address.pack(value)

    def decode(self, data: bytes) -> Any:
        return address.unpack(data)


class VLAN(Scalar):
    def encode(self, value: Any) -> bytes:
        return _VLAN.pack(value["flags"], value["vid"])

    def decode(self, data: bytes) -> Any:
        return dict(zip(("flags", "vid"), _VLAN.unpack(data), strict=True))


SCALARS: dict[str, Scalar] = {
    "u8": Number("=B"),
    "u32": Number("=I"),
    "i32": Number("=i"),
    "u64": Number("=Q"),
    "be16": Number("!H"),
    "be32": Number("!I"),
    "bytes": Scalar(),
    "text": Text(),
    "mac": MAC(),
    "ip": IPText(),
    "vlan": VLAN(),
}


class Body:
    """A message to be sent: a value of every field in front, 0 where none is given, and attributes."""

    def __init__(self, layout: Layout, attrs: Attrs, **fields: int) -> None:
        self.layout = layout
        self.attrs = attrs
        self.fields = fields

    def encode(self) -> bytes:
        front = [self.fields.get(name, 0) for name in self.layout.fields]
        return self.layout.struct.pack(*front) + _encode(self.attrs, self.layout.table)


class Attributes:
    """Those that stand in a part of a message."""

    def __init__(self, table: Table, data: bytes, start: int = 0) -> None:
        self._table = table
        self._data = data
        self._start = start

    def get(self, name: str) -> Any:
        """The attribute's value, None where there is none: int, str, or for nested ones `Attributes`."""
        found = self._find(name, 1)
        return found[0] if found else None

    def every(self, name: str) -> list[Any]:
        """The values of all attributes of that name."""
        return self._find(name, len(self._data))

    def _find(self, name: str, most: int) -> list[Any]:
        """Read anew for each name: few are asked for, and those stand in front."""
        wanted, form = self._table[name]
        wanted &= NUMBER
        data, at, end = self._data, self._start, len(self._data)
        found: list[Any] = []
        while at <= end - 4 and len(found) < most:
            length = data[at + LOW] | data[at + HIGH] << 8
            if not 4 <= length <= end - at:
                raise _malformed(length)
            if (data[at + 2 + LOW] | data[at + 2 + HIGH] << 8) & NUMBER == wanted:
                found.append(self._decode(form, data[at + 4 : at + length]))
            at += length + 3 & ~3
        return found

    def _decode(self, form: Any, data: bytes) -> Any:
        if isinstance(form, str):
            return SCALARS[form].decode(data)
        if isinstance(form, Nested):
            return Attributes(form.table, data)
        if isinstance(form, ByKind):
            table = form.tables.get(self.get(form.key))
            return None if table is None else Attributes(table, data)
        if isinstance(form, NextHops):
            return list(_hops(data))
        return Reply(LINK, data)


class Reply(Attributes):
    """A message that was received."""

    def __init__(self, layout: Layout, data: bytes, offset: int = 0) -> None:
        self._places = layout.places
        self._front: tuple[int, ...] = layout.struct.unpack_from(data, offset)
        super().__init__(layout.table, data, offset + layout.struct.size)

    def __getitem__(self, field: str) -> int:
        return self._front[self._places[field]]


def _encode(attrs: Attrs, table: Table) -> bytes:
    parts = []
    for name, value in attrs:
        number, form = table[name]
        data = SCALARS[form].encode(value) if isinstance(form, str) else _encode_nested(form, value, attrs)
        size = len(data)
        parts.append(_HEAD.pack(size + 4, number))
        parts.append(data)
        if size & 3:
            parts.append(_PADDING[size & 3 :])
    return b"".join(parts)


def _encode_nested(form: Any, value: Any, beside: Attrs) -> bytes:
    if isinstance(form, Nested):
        return _encode(value["attrs"], form.table)
    if isinstance(form, ByKind):
        kinds: dict[str, Any] = dict(beside)
        return _encode(value["attrs"], form.tables[kinds[form.key]])
    if isinstance(form, Peer):
        return _PEER + _encode(value["attrs"], attributes.LINK)
    hops = ((hop, _encode(hop["attrs"], attributes.ROUTE)) for hop in value)
    return b"".join(_HOP.pack(8 + len(data), 0, hop["hops"], hop["oif"]) + data for hop, data in hops)


def _hops(data: bytes) -> Any:
    start = 0
    while start <= len(data) - _HOP.size:
        length, _, _, oif = _HOP.unpack_from(data, start)
        if not _HOP.size <= length <= len(data) - start:
            raise _malformed(length)
        yield oif, Attributes(attributes.ROUTE, data[start : start + length], _HOP.size)
        start += length + 3 & ~3


def _malformed(length: int) -> ValueError:
    return ValueError(f"a netlink attribute of {length} bytes cannot stand there")
