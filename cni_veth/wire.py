"""Netlink messages as bytes: a fixed structure, then attributes (netlink(7), rtnetlink(7)).

Messages are written and read as with pyroute2, {"attrs": [(name, value), ...]}, and to the byte as pyroute2 does, which
tests/unit/test_wire.py shows. Its own codecs take 8 ms to import and 4 of the 7 ms of a warm ADD, for they
prepare every attribute that the kernel knows; here one is decoded when it is asked for.

Bytes that cannot be what they should be, and values that do not fit, raise ValueError or struct.error: no kernel sends
them, no checked configuration holds them.
"""

from __future__ import annotations

import struct

from cni import address
from cni_veth import attributes
from cni_veth.attributes import ByKind, Nested, NextHops, Peer, Table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Attrs = list[tuple[str, object]]
NUMBER = 0x3FFF  # of an attribute's type; the rest are NLA_F_NESTED and NLA_F_NET_BYTEORDER
_HEAD = struct.Struct("=HH")
_U8 = struct.Struct("=B")
_U32 = struct.Struct("=I")
_BE16 = struct.Struct("!H")
_BE32 = struct.Struct("!I")
_U64 = struct.Struct("=Q")
_VLAN = struct.Struct("=HH")
_HOP = struct.Struct("=HBBi")


class Layout:
    """A kind of message: the structure in front, and the table of the attributes behind it."""

    def __init__(self, fields: str, form: str, table: Table) -> None:
        self.fields = fields.split()
        self.struct = struct.Struct(form)
        self.table = table


LINK = Layout("family type index flags change", "=BxHiII", attributes.LINK)
ADDRESS = Layout("family prefixlen flags scope index", "=BBBBI", attributes.ADDRESS)
ROUTE = Layout("family dst_len src_len tos table proto scope type flags", "=BBBBBBBBI", attributes.ROUTE)
TRAFFIC = Layout("family index handle parent info", "=BxxxiIII", attributes.TRAFFIC)
_PEER = bytes(LINK.struct.size)

# form: (to bytes, from bytes)
SCALARS: dict[str, tuple[Any, Any]] = {
    "u8": (_U8.pack, lambda data: _U8.unpack(data)[0]),
    "u32": (_U32.pack, lambda data: _U32.unpack(data)[0]),
    "u64": (_U64.pack, lambda data: _U64.unpack(data)[0]),
    "be16": (_BE16.pack, lambda data: _BE16.unpack(data)[0]),
    "be32": (_BE32.pack, lambda data: _BE32.unpack(data)[0]),
    "bytes": (bytes, bytes),
    "text": (lambda value: value.encode("utf-8", "surrogateescape") + b"\0", lambda data: _text(data)),
    "mac": (lambda value: bytes.fromhex(value.replace(":", "")), lambda data: data.hex(":")),
    "ip": (address.pack, address.unpack),
    "vlan": (
        lambda value: _VLAN.pack(value["flags"], value["vid"]),
        lambda data: dict(zip(("flags", "vid"), _VLAN.unpack(data), strict=True)),
    ),
}


class Body:
    """A message to be sent: a value of every field in front, 0 where none is given, and attributes."""

    def __init__(self, layout: Layout, attrs: Attrs, **fields: int) -> None:
        self.layout = layout
        self.attrs = attrs
        self.fields = fields

    def encode(self) -> bytes:
        front = (self.fields.get(name, 0) for name in self.layout.fields)
        return self.layout.struct.pack(*front) + _encode(self.attrs, self.layout.table)


class Attributes:
    """Those that stand in a part of a message."""

    def __init__(self, table: Table, data: bytes, start: int = 0) -> None:
        self._table = table
        self._data = data
        self._found: dict[int, list[tuple[int, int]]] = {}  # number: where its values begin and end
        found, head, end = self._found, _HEAD.unpack_from, len(data)
        while start <= end - 4:
            length, number = head(data, start)
            if not 4 <= length <= end - start:
                raise _malformed(length)
            found.setdefault(number & NUMBER, []).append((start + 4, start + length))
            start += length + 3 & ~3

    def get(self, name: str) -> Any:
        """The attribute's value, None where there is none: int, str, or for nested ones `Attributes`."""
        return next(iter(self.every(name)), None)

    def every(self, name: str) -> list[Any]:
        """The values of all attributes of that name."""
        number, form = self._table[name]
        return [self._decode(form, self._data[start:end]) for start, end in self._found.get(number & NUMBER, ())]

    def _decode(self, form: Any, data: bytes) -> Any:
        if isinstance(form, str):
            return SCALARS[form][1](data)
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
        self._fields = dict(zip(layout.fields, layout.struct.unpack_from(data, offset), strict=True))
        super().__init__(layout.table, data, offset + layout.struct.size)

    def __getitem__(self, field: str) -> int:
        value: int = self._fields[field]
        return value


def _encode(attrs: Attrs, table: Table) -> bytes:
    parts = []
    for name, value in attrs:
        number, form = table[name]
        data = SCALARS[form][0](value) if isinstance(form, str) else _encode_nested(form, value, attrs)
        parts.append(_HEAD.pack(len(data) + 4, number) + data + bytes(-len(data) & 3))
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


def _text(data: bytes) -> str:
    return data.partition(b"\0")[0].decode("utf-8", "surrogateescape")
