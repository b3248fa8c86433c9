"""UDP has no end: a connection that conntrack knows goes where it went before, past a changed mapping. So what goes to
a port of the node is forgotten when the port's pod comes and goes (ctnetlink, linux/netfilter/nfnetlink_conntrack.h).
"""

from __future__ import annotations

import errno

from cni_veth.attributes import NLA_F_NESTED, Nested, Table
from cni_veth.netlink import Message
from cni_veth.nft.elements import PROTOCOLS
from cni_veth.nft.transaction import Netfilter
from cni_veth.wire import Attributes, Body, Layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

IPCTNL_MSG_CT_GET, IPCTNL_MSG_CT_DELETE = 0x101, 0x102  # NFNL_SUBSYS_CTNETLINK in the high byte
IP: Table = {
    "CTA_IP_V4_SRC": (1, "ip"),
    "CTA_IP_V4_DST": (2, "ip"),
    "CTA_IP_V6_SRC": (3, "ip"),
    "CTA_IP_V6_DST": (4, "ip"),
}
PROTO: Table = {"CTA_PROTO_NUM": (1, "u8"), "CTA_PROTO_SRC_PORT": (2, "be16"), "CTA_PROTO_DST_PORT": (3, "be16")}
TUPLE: Table = {
    "CTA_TUPLE_IP": (NLA_F_NESTED | 1, Nested(IP)),
    "CTA_TUPLE_PROTO": (NLA_F_NESTED | 2, Nested(PROTO)),
}
CONNECTION: Table = {"CTA_TUPLE_ORIG": (NLA_F_NESTED | 1, Nested(TUPLE)), "CTA_ZONE": (18, "be16")}
LAYOUT = Layout("family version resource", "!BBH", CONNECTION)


def forget(ports: list[Any]) -> None:
    """Every UDP connection to one of `ports`, [port, address or "" for any]. Raises KernelRefused (100)."""
    if not ports:
        return
    netfilter = Netfilter()
    wanted = {(port, ip) for port, ip in ports}
    message = Message(Body(LAYOUT, []), IPCTNL_MSG_CT_GET, 0, "list connections")  # of all families: one walk, of ms
    for reply in netfilter.dump(message):
        original = reply.get("CTA_TUPLE_ORIG")
        if original is not None and _is_wanted(original, wanted):
            netfilter.ask(_delete(reply["family"], original, reply.get("CTA_ZONE")))
    netfilter.leave()


def _is_wanted(original: Attributes, wanted: set[tuple[int, str]]) -> bool:
    proto, ip = original.get("CTA_TUPLE_PROTO"), original.get("CTA_TUPLE_IP")
    if proto is None or ip is None or proto.get("CTA_PROTO_NUM") != PROTOCOLS["udp"]:
        return False
    port = proto.get("CTA_PROTO_DST_PORT")
    return (port, "") in wanted or (port, ip.get("CTA_IP_V4_DST") or ip.get("CTA_IP_V6_DST")) in wanted


def _delete(family: int, original: Attributes, zone: int | None) -> Message:
    ip, proto = original.get("CTA_TUPLE_IP"), original.get("CTA_TUPLE_PROTO")
    attrs: list[tuple[str, object]] = [
        ("CTA_TUPLE_IP", {"attrs": [(name, ip.get(name)) for name in IP if ip.get(name)]}),
        ("CTA_TUPLE_PROTO", {"attrs": [(name, proto.get(name)) for name in PROTO]}),
    ]
    connection: list[tuple[str, object]] = [("CTA_TUPLE_ORIG", {"attrs": attrs})]
    if zone is not None:
        connection.append(("CTA_ZONE", zone))
    body = Body(LAYOUT, connection, family=family)
    return Message(body, IPCTNL_MSG_CT_DELETE, 0, "forget a UDP connection", (errno.ENOENT,))
