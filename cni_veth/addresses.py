"""Addresses of links in rtnetlink messages. Source: rtnetlink(7), linux/if_addr.h."""

from __future__ import annotations

import errno

from cni import address
from cni_veth.netlink import NLM_F_CREATE, NLM_F_EXCL, Message, Socket
from cni_veth.wire import ADDRESS, Attrs, Body, Reply

RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
AF_INET, AF_INET6 = 2, 10
IFA_F_NODAD, IFA_F_DADFAILED, IFA_F_TENTATIVE = 0x02, 0x08, 0x40
RTMGRP_IPV6_IFADDR = 0x100


def add(index: int, text: str, name: str, dad: bool = False, tolerated: tuple[int, ...] = ()) -> Message:
    """Add an address with prefix. Without `dad` an IPv6 address is usable at once."""
    body = _body(index, text)
    if address.family(text) == 6 and not dad:
        body.attrs.append(("IFA_FLAGS", IFA_F_NODAD))
    else:
        packed, prefix = address.split(text)
        if len(packed) == 4 and prefix < 31:
            body.attrs.append(("IFA_BROADCAST", _broadcast(packed, prefix)))
    return Message(body, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, f"add address {text} to {name}", tolerated)


def remove(index: int, text: str, tolerated: tuple[int, ...] = ()) -> Message:
    return Message(_body(index, text), RTM_DELADDR, 0, f"remove address {text}", tolerated)


def get(index: int, text: str) -> Message:
    """Look up one address of a link, whatever its prefix; the kernel can for IPv6 only."""
    body = Body(ADDRESS, [("IFA_ADDRESS", text.partition("/")[0])], family=AF_INET6, index=index)
    return Message(body, RTM_GETADDR, 0, f"look up address {text}", (errno.EADDRNOTAVAIL,))


def text_of(reply: Reply) -> str:
    """ "10.1.0.1/24" """
    return f"{reply.get('IFA_LOCAL') or reply.get('IFA_ADDRESS')}/{reply['prefixlen']}"


def of(socket: Socket, index: int, family: int = 0) -> list[str]:
    """The addresses of a link, "10.1.0.1/24"; of one family (4, 6) or both."""
    return [text for text, _ in flagged(socket, index, family)]


def flagged(socket: Socket, index: int, family: int = 0) -> list[tuple[str, int]]:
    """Address and IFA_F_ flags."""
    found = []
    for number in (AF_INET, AF_INET6):
        if family in (0, 4 if number == AF_INET else 6):
            body = Body(ADDRESS, [], family=number, index=index)
            for reply in socket.dump(Message(body, RTM_GETADDR, 0, "list addresses")):
                if reply["index"] == index and reply["family"] == number:  # without IPv6 the kernel dumps all families
                    found.append((text_of(reply), int(reply.get("IFA_FLAGS") or reply["flags"])))
    return found


def _body(index: int, text: str) -> Body:
    ip, _, prefix = text.partition("/")
    family = AF_INET if address.family(text) == 4 else AF_INET6
    attrs: Attrs = [("IFA_LOCAL", ip), ("IFA_ADDRESS", ip)]
    return Body(ADDRESS, attrs, family=family, prefixlen=int(prefix), index=index)


def _broadcast(packed: bytes, prefix: int) -> str:
    hosts = (1 << (32 - prefix)) - 1
    return address.unpack((int.from_bytes(packed, "big") | hosts).to_bytes(4, "big"))
