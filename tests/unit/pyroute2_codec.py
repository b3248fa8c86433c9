"""pyroute2 as the judge of cni_veth.wire: the same content as it writes it, the same bytes as it reads them."""

from __future__ import annotations

from typing import Any

from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg, state_by_code, state_by_name
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from cni import address
from cni_veth.attributes import ByKind, Nested, NextHops, Peer, Table
from cni_veth.wire import ADDRESS, LINK, ROUTE, Attributes, Layout, Reply

MESSAGES = {LINK: ifinfmsg, ADDRESS: ifaddrmsg, ROUTE: rtmsg}
FIELDS = {"type": "ifi_type"}  # of ifinfomsg; the others are called as ours
AF_BRIDGE = 7
UNSPEC = ("IFLA_AF_SPEC of AF_UNSPEC",)  # is only written, which pyroute2 cannot: it reads the kernel's own structure
HEADER = 16  # of netlink, which both leave to others


def encoded(layout: Layout, attrs: list[Any], fields: dict[str, int]) -> bytes:
    message = MESSAGES[layout]()
    for name, value in fields.items():
        message[FIELDS.get(name, name) if layout is LINK else name] = value
    message["attrs"] = [_as_theirs(attribute) for attribute in attrs]
    message.encode()
    return bytes(message.data)[HEADER:]


def decoded(layout: Layout, body: bytes) -> tuple[dict[str, int], list[Any]]:
    """The fields, and the value of every attribute that our tables know, in their order."""
    message = MESSAGES[layout]((HEADER + len(body)).to_bytes(4, "little") + bytes(HEADER - 4) + body)
    message.decode()
    names = {name: FIELDS.get(name, name) if layout is LINK else name for name in layout.fields}
    fields = {name: message[theirs] for name, theirs in names.items()}
    return fields, _theirs(message, _known(layout, fields["family"]))


def read(layout: Layout, body: bytes) -> tuple[dict[str, int], list[Any]]:
    """The same by our own codec."""
    reply = Reply(layout, body)
    return {name: reply[name] for name in layout.fields}, everything(reply, _known(layout, reply["family"]))


def everything(found: Attributes, table: Table) -> list[Any]:
    """Down to the last attribute, though they are decoded when they are asked for."""
    return [(name, _ours(value, form, found)) for name, (_, form) in table.items() for value in found.every(name)]


def _known(layout: Layout, family: int) -> Table:
    """IFLA_AF_SPEC is read as what it is of AF_BRIDGE; nobody asks for another's."""
    unread = UNSPEC if family == AF_BRIDGE else ("IFLA_AF_SPEC", *UNSPEC)
    return {name: entry for name, entry in layout.table.items() if name not in unread}


def _ours(value: Any, form: Any, beside: Attributes) -> Any:
    table = _table(form, beside.get)
    if isinstance(form, NextHops):
        return [(oif, everything(hop, table)) for oif, hop in value]
    return everything(value, table) if isinstance(value, Attributes) else value


def _theirs(message: Any, table: Table) -> list[Any]:
    found = []
    for name, (_, form) in table.items():
        inner = _table(form, message.get_attr)
        for value in message.get_attrs(name):
            if isinstance(form, NextHops):
                found.append((name, [(hop["oif"], _theirs(hop, inner)) for hop in value]))
            elif isinstance(form, str):
                found.append((name, _as_ours(name, form, value)))
            else:  # None: the data of a kind that we do not know
                found.append((name, _theirs(value, inner) if inner else None))
    return found


def _table(form: Any, get: Any) -> Table:
    """What stands in an attribute of that form; nothing in a scalar, nor in one of an unknown kind."""
    if isinstance(form, Nested):
        return form.table
    if isinstance(form, ByKind):
        return form.tables.get(get(form.key), {})
    return {Peer: LINK.table, NextHops: ROUTE.table}.get(type(form), {})


def _as_ours(name: str, form: str, value: Any) -> Any:
    """What the two call differently by intention: states are numbers here, an IP is written as Go writes it."""
    if name == "IFLA_OPERSTATE":
        return state_by_name[value]
    if form == "ip":
        return address.unpack(address.pack(value))
    return {"flags": value["flags"], "vid": value["vid"]} if form == "vlan" else value


def _as_theirs(attribute: tuple[str, Any]) -> tuple[str, Any]:
    name, value = attribute
    if name == "IFLA_OPERSTATE":
        return name, state_by_code[value]
    if isinstance(value, dict) and "attrs" in value:
        return name, {"attrs": [_as_theirs(inner) for inner in value["attrs"]]}
    return name, value
