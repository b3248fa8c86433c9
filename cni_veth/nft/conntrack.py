"""UDP has no end: a connection that conntrack knows goes where it went before, past a changed mapping. So what goes to
a port of the node is forgotten when the port's pod comes and goes (ctnetlink, linux/netfilter/nfnetlink_conntrack.h).
"""

from __future__ import annotations

import errno

from cni_veth import routes
from cni_veth.attributes import NLA_F_NESTED, Nested, Table
from cni_veth.netlink import Message, Socket
from cni_veth.nft.elements import PROTOCOLS
from cni_veth.nft.transaction import Netfilter
from cni_veth.wire import Attributes, Body, Layout

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


def forget(host: Socket, ports: set[tuple[int, str]]) -> None:
    """Every UDP connection to one of `ports` of the node, (port, address or "" for any); what goes beyond it, as
    pods' DNS does, is kept. Raises KernelRefused (100)."""
    if not ports:
        return
    netfilter = Netfilter()
    here: dict[str, bool] = {}
    message = Message(Body(LAYOUT, []), IPCTNL_MSG_CT_GET, 0, "list connections")  # of all families: one walk, of ms
    for reply in netfilter.dump(message):
        original = reply.get("CTA_TUPLE_ORIG")
        ip = _destination(original, ports) if original is not None else ""
        if ip and ip not in here:
            here[ip] = routes.is_local(host, ip)
        if ip and here[ip]:
            netfilter.ask(_delete(reply["family"], original, reply.get("CTA_ZONE")))
    netfilter.leave()


def _destination(original: Attributes, ports: set[tuple[int, str]]) -> str:
    """Where it goes, if that is one of `ports`; else ""."""
    proto, ip = original.get("CTA_TUPLE_PROTO"), original.get("CTA_TUPLE_IP")
    if proto is None or ip is None or proto.get("CTA_PROTO_NUM") != PROTOCOLS["udp"]:
        return ""
    port, destination = proto.get("CTA_PROTO_DST_PORT"), ip.get("CTA_IP_V4_DST") or ip.get("CTA_IP_V6_DST")
    return str(destination) if (port, "") in ports or (port, destination) in ports else ""


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
