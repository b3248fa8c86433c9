"""Links in rtnetlink messages: asking for them, reading them, making, changing and deleting them."""

from __future__ import annotations

import errno
import os

from cni.errors import InterfaceConflict
from cni_veth.netlink import NLM_F_CREATE, NLM_F_EXCL, RTM_DELLINK, Answer, Message, Socket
from cni_veth.wire import LINK, Attrs, Body, Reply

RTM_NEWLINK, RTM_GETLINK, RTM_SETLINK, RTM_NEWLINKPROP, RTM_DELLINKPROP = 16, 18, 19, 108, 109
IFF_UP, IFF_LOOPBACK, IFF_PROMISC, IFF_ALLMULTI = 0x1, 0x8, 0x100, 0x200
BR_STATE_FORWARDING, IF_OPER_UP = 3, 6
RTEXT_FILTER_SKIP_STATS = 8
RTMGRP_LINK = 1
NO_MAC = "00:00:00:00:00:00"
MTU = 1500  # what veth(4) takes when none is given
LO_INDEX = 1  # the first link of every network namespace


class Link:
    """What the kernel told of a link. Attributes are decoded when they are read."""

    def __init__(self, message: Reply) -> None:
        self._message = message
        self.index: int = message["index"]
        self.flags: int = message["flags"]
        self.name: str = message.get("IFLA_IFNAME")

    @property
    def mac(self) -> str:
        return self._message.get("IFLA_ADDRESS") or ""

    @property
    def mtu(self) -> int:
        return int(self._message.get("IFLA_MTU") or 0)

    @property
    def queue(self) -> int:
        """The length of its transmit queue in packets."""
        return int(self._message.get("IFLA_TXQLEN") or 0)

    @property
    def is_up(self) -> bool:
        return bool(self.flags & IFF_UP)

    @property
    def has_carrier(self) -> bool:
        """Operational state "up" (RFC 2863): the other end is up too."""
        return bool(self._message.get("IFLA_OPERSTATE") == IF_OPER_UP)

    @property
    def is_loopback(self) -> bool:
        return bool(self.flags & IFF_LOOPBACK)

    @property
    def is_promiscuous(self) -> bool:
        """As configured: a tcpdump raises the count (IFLA_PROMISCUITY) without this flag."""
        return bool(self.flags & IFF_PROMISC)

    @property
    def alias(self) -> str:
        return self._message.get("IFLA_IFALIAS") or ""

    @property
    def altnames(self) -> list[str]:
        found = self._message.get("IFLA_PROP_LIST")
        return [] if found is None else found.every("IFLA_ALT_IFNAME")

    @property
    def group(self) -> int:
        return int(self._message.get("IFLA_GROUP") or 0)

    @property
    def master(self) -> int:
        return int(self._message.get("IFLA_MASTER") or 0)

    @property
    def peer_index(self) -> int:
        """The index, in its own namespace, of the other end of a veth pair."""
        return int(self._message.get("IFLA_LINK") or 0)

    @property
    def kind(self) -> str:
        return self._info("IFLA_INFO_KIND") or ""

    def data(self, name: str) -> int | None:
        """A number of IFLA_INFO_DATA, e.g. IFLA_BR_VLAN_FILTERING."""
        found = self._info("IFLA_INFO_DATA")
        return None if found is None else found.get(name)

    def port(self, name: str) -> int | None:
        """A number that the bridge keeps for this port, e.g. IFLA_BRPORT_STATE."""
        found = self._info("IFLA_INFO_SLAVE_DATA")
        return None if found is None else found.get(name)

    def _info(self, name: str):  # type: ignore[no-untyped-def]
        info = self._message.get("IFLA_LINKINFO")
        return None if info is None else info.get(name)


def find(socket: Socket, name: str = "", index: int = 0, altname: str = "") -> Link | None:
    """The link of that name or index, None when there is none."""
    return told(socket.ask(get(name, index, altname))[0])


def told(answer: Answer) -> Link | None:
    """The link that a `get` found, if any."""
    return Link(answer.replies[0]) if answer.replies else None


def one(answer: Answer, name: str) -> Link:
    """The link that a `get` found. Raises InterfaceConflict (101): it was there a moment ago."""
    if not answer.replies:
        raise InterfaceConflict(f"{name} vanished while it was set up", "is another program managing it?")
    return Link(answer.replies[0])


def get(name: str = "", index: int = 0, altname: str = "") -> Message:
    attrs: Attrs = [("IFLA_EXT_MASK", RTEXT_FILTER_SKIP_STATS)]
    for key, value in (("IFLA_IFNAME", name), ("IFLA_ALT_IFNAME", altname)):
        if value:
            attrs.append((key, value))
    what = f"look up link {name or altname or index}"
    return Message(_body(attrs, index), RTM_GETLINK, 0, what, _missing(altname))


def ports(socket: Socket, bridge: int) -> list[Link]:
    """Every port of a bridge."""
    attrs: Attrs = [("IFLA_MASTER", bridge), ("IFLA_EXT_MASK", RTEXT_FILTER_SKIP_STATS)]
    message = Message(_body(attrs), RTM_GETLINK, 0, "list the ports of a bridge")
    return [link for link in map(Link, socket.dump(message)) if link.master == bridge]


def every(socket: Socket) -> list[Link]:
    message = Message(_body([("IFLA_EXT_MASK", RTEXT_FILTER_SKIP_STATS)]), RTM_GETLINK, 0, "list links")
    return [Link(reply) for reply in socket.dump(message)]


def create(attrs: Attrs, flags: int, what: str, tolerated: tuple[int, ...] = ()) -> Message:
    return Message(_body(attrs, flags=flags), RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, what, tolerated)


def change(what: str, attrs: Attrs, name: str = "", index: int = 0, flags: int = 0, mask: int = 0) -> Message:
    """Change a link by index or name; `mask` says which of the IFF_ `flags` to set."""
    if name:
        attrs = [("IFLA_IFNAME", name), *attrs]
    return Message(_body(attrs, index, flags, mask), RTM_NEWLINK, 0, what)


def up(name: str = "", index: int = 0) -> Message:
    return change(f"set link {name or index} up", [], name, index, IFF_UP, IFF_UP)


def alternative_name(name: str, altname: str) -> Message:
    """Give a link a second name (Linux 5.5; older kernels say EOPNOTSUPP)."""
    attrs: Attrs = [("IFLA_IFNAME", name), ("IFLA_PROP_LIST", {"attrs": [("IFLA_ALT_IFNAME", altname)]})]
    flags = NLM_F_CREATE | NLM_F_EXCL
    return Message(_body(attrs), RTM_NEWLINKPROP, flags, f"name link {name} {altname}", (errno.EOPNOTSUPP,))


def drop_alternative_name(link: Link, altname: str) -> Message:
    """Take it from a link; one that the link does not have is no failure."""
    attrs: Attrs = [("IFLA_PROP_LIST", {"attrs": [("IFLA_ALT_IFNAME", altname)]})]
    missing = (errno.ENODEV, errno.ENOENT, errno.EINVAL, errno.EOPNOTSUPP)
    return Message(_body(attrs, link.index), RTM_DELLINKPROP, 0, f"take the name {altname} from {link.name}", missing)


def delete(name: str = "", index: int = 0, altname: str = "", group: int = 0) -> Message:
    """Delete a link by one of its handles, or all links of a group; a missing one is no failure."""
    attrs: Attrs = []
    for key, value in (("IFLA_IFNAME", name), ("IFLA_ALT_IFNAME", altname), ("IFLA_GROUP", group)):
        if value:
            attrs.append((key, value))
    what = f"delete link {name or altname or index or f'group {group:#x}'}"
    return Message(_body(attrs, index), RTM_DELLINK, 0, what, _missing(altname))


def _missing(altname: str) -> tuple[int, ...]:
    """What says that there is none: EINVAL from a kernel before 5.5, which knows no alternative names."""
    return (errno.ENODEV, errno.EINVAL) if altname else (errno.ENODEV,)


def random_mac() -> str:
    """A locally administered unicast address."""
    octets = bytearray(os.urandom(6))
    octets[0] = octets[0] & 0xFE | 0x02
    return octets.hex(":")


def _body(attrs: Attrs, index: int = 0, flags: int = 0, mask: int | None = None) -> Body:
    return Body(LINK, attrs, index=index, flags=flags, change=flags if mask is None else mask)
