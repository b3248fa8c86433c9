"""Whether the node forwards: told by rtnetlink, switched on by sysctl where it does not. Source: linux/netconf.h."""

from __future__ import annotations

import errno

from cni_veth import sysctl
from cni_veth.links import Link
from cni_veth.netlink import Answer, Message
from cni_veth.wire import NETCONF, Body

RTM_GETNETCONF = 82
AF_INET, AF_INET6 = 2, 10
ALL = -1  # NETCONFA_IFINDEX_ALL: what net.ipv4.ip_forward and net.ipv6.conf.all.forwarding are
UNKNOWN = (errno.EINVAL, errno.ENODEV, errno.EOPNOTSUPP)  # then the sysctl is read


def questions(families: set[int], link: Link) -> dict[str, Message]:
    """The sysctl's name -> the message that asks for it, for pods of these families behind that link."""
    found = {sysctl.forward(family): _get(family, ALL) for family in sorted(families)}
    if 4 in families:
        found[f"ipv4/conf/{link.name}/forwarding"] = _get(4, link.index)
    return found


def switch_on(told: dict[str, Answer]) -> None:
    """Whatever was not told to be on. Raises KernelRefused (100)."""
    for name, answer in told.items():
        if not any(reply.get("NETCONFA_FORWARDING") == 1 for reply in answer.replies):
            sysctl.write(name, "1")


def _get(family: int, index: int) -> Message:
    body = Body(NETCONF, [("NETCONFA_IFINDEX", index)], family=AF_INET if family == 4 else AF_INET6)
    return Message(body, RTM_GETNETCONF, 0, "ask whether the node forwards", UNKNOWN)
