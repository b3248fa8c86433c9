"""Queueing disciplines and filters in rtnetlink messages: a token bucket, and the way to one for what comes in.

Source: tc(8), tc-tbf(8), tc-u32(8), tc-mirred(8), linux/pkt_sched.h, pkt_cls.h.
"""

from __future__ import annotations

import errno
import struct

from cni_veth.netlink import NLM_F_CREATE, NLM_F_EXCL, Message, Socket
from cni_veth.wire import TRAFFIC, Attrs, Body, Reply

RTM_NEWQDISC, RTM_DELQDISC, RTM_GETQDISC = 36, 37, 38
RTM_NEWTFILTER, RTM_GETTFILTER = 44, 46
ROOT, INGRESS = 0xFFFFFFFF, 0xFFFFFFF1  # TC_H_ROOT, TC_H_INGRESS: parents
OURS = 0x636E0000  # "cn", 636e: in tc's words
INGRESS_HANDLE = 0xFFFF0000  # ffff:
ETHERNET = 1  # TC_LINKLAYER_ETHERNET: the kernel computes times itself and needs no table of them
ALL_PROTOCOLS = 0x0300  # ETH_P_ALL in network byte order
NLM_F_ECHO = 0x8
TERMINAL, STOLEN, REDIRECT = 1, 4, 1  # TC_U32_TERMINAL, TC_ACT_STOLEN, TCA_EGRESS_REDIR
PRIORITY = 1
MISSING = (errno.ENOENT, errno.EINVAL, errno.ENODEV)
NANOSECONDS, TICK_SHIFT, U32 = 1_000_000_000, 6, 0xFFFFFFFF  # a tick of the scheduler is 64 ns
_RATE = "BBHhHI"  # tc_ratespec: cell_log, linklayer, overhead, cell_align, mpu, bytes per second
_TBF = struct.Struct(f"={_RATE}{_RATE}III")  # tc_tbf_qopt: rate, peak rate, limit, buffer, mtu
_MATCH_ALL = struct.pack("=BBBxHHhhI IIii", TERMINAL, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0)  # tc_u32_sel with one key
_MIRRED = struct.Struct("=IIiiiiI")  # tc_mirred: index, capab, action, refcnt, bindcnt, eaction, ifindex


class Bucket:
    """A token bucket: `rate` in bytes per second, `burst` and `limit` (of the queue) in bytes."""

    def __init__(self, rate: int, burst: int, limit: int) -> None:
        self.rate = rate
        self.burst = burst
        self.limit = limit

    @property
    def ticks(self) -> int:
        """How long the burst takes."""
        return self.burst * NANOSECONDS // self.rate >> TICK_SHIFT

    def is_as(self, root: Root) -> bool:
        """Whether rate and burst are the kernel's, which tells 32 bits of the ticks, from a rounded rate."""
        apart = (root.ticks - self.ticks) & U32
        return root.rate == self.rate and min(apart, U32 + 1 - apart) <= 2 + (self.ticks >> 28)


class Root:
    """The discipline at the root of a link; `rate` and `limit` in bytes (per second), `ticks` as a bucket's."""

    def __init__(self, reply: Reply) -> None:
        self.kind: str = reply.get("TCA_KIND") or ""
        self.rate = self.limit = self.ticks = 0
        options = reply.get("TCA_OPTIONS") if self.kind == "tbf" else None
        if options is not None:
            fields = _TBF.unpack(options.get("TCA_TBF_PARMS"))
            self.rate = options.get("TCA_TBF_RATE64") or fields[5]
            self.limit, self.ticks = fields[12], fields[13]


def tbf(index: int, name: str, bucket: Bucket) -> Message:
    """At the root of the link; EEXIST where it has another discipline."""
    spec = (0, ETHERNET, 0, 0, 0, min(bucket.rate, U32))
    parms = _TBF.pack(*spec, 0, 0, 0, 0, 0, 0, bucket.limit, bucket.ticks & U32, 0)
    # The burst in bytes: as ticks it would be cut to 32 bits, and is at a low rate and the burst that containerd sends.
    options: Attrs = [("TCA_TBF_PARMS", parms), ("TCA_TBF_BURST", bucket.burst)]
    if bucket.rate > U32:
        options.append(("TCA_TBF_RATE64", bucket.rate))
    attrs: Attrs = [("TCA_KIND", "tbf"), ("TCA_OPTIONS", {"attrs": options})]
    return _new(attrs, f"limit the rate of {name}", index, OURS, ROOT)


def ingress(index: int, name: str) -> Message:
    """Where filters of what comes in hang."""
    return _new([("TCA_KIND", "ingress")], f"filter what {name} receives", index, INGRESS_HANDLE, INGRESS)


def redirect(index: int, name: str, to: int) -> Message:
    """All that comes in goes out of the link `to`."""
    parms = _MIRRED.pack(0, 0, STOLEN, 0, 0, REDIRECT, to)
    action: Attrs = [
        ("TCA_ACT_KIND", "mirred"),
        ("TCA_ACT_OPTIONS", {"attrs": [("TCA_MIRRED_PARMS", parms)]}),
    ]
    options: Attrs = [
        ("TCA_U32_ACT", {"attrs": [("TCA_ACT_PRIO_1", {"attrs": action})]}),
        ("TCA_U32_SEL", _MATCH_ALL),
    ]
    attrs: Attrs = [("TCA_KIND", "u32"), ("TCA_OPTIONS", {"attrs": options})]
    info = PRIORITY << 16 | ALL_PROTOCOLS
    body = Body(TRAFFIC, attrs, index=index, parent=INGRESS_HANDLE, info=info)
    return Message(body, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, f"redirect what {name} receives")


def remove(index: int, name: str, handle: int = OURS, parent: int = ROOT) -> Message:
    """Take a discipline from a link, with all that hangs on it; one that is missing, or another's, is no failure."""
    body = Body(TRAFFIC, [], index=index, handle=handle, parent=parent)
    return Message(body, RTM_DELQDISC, 0, f"take the limits from {name}", MISSING)


def remove_ingress(index: int, name: str) -> Message:
    return remove(index, name, INGRESS_HANDLE, INGRESS)


def root(index: int, name: str) -> Message:
    """Ask for it. The kernel is silent of one that nobody set, so another question must follow in the batch, and it
    answers like a change: to the group, and to who asks for the echo."""
    body = Body(TRAFFIC, [], index=index, parent=ROOT)
    return Message(body, RTM_GETQDISC, NLM_F_ECHO, f"look at {name}'s root", MISSING)


def redirected(socket: Socket, index: int, name: str) -> list[int]:
    """The indexes of the links to which filters send all that the link receives."""
    body = Body(TRAFFIC, [], index=index, parent=INGRESS_HANDLE)
    found = socket.dump(Message(body, RTM_GETTFILTER, 0, f"list the filters of {name}"))
    return [target for reply in found if reply.get("TCA_KIND") == "u32" for target in _targets(reply)]


def _targets(reply: Reply) -> list[int]:
    options = reply.get("TCA_OPTIONS")
    actions = None if options is None or options.get("TCA_U32_SEL") != _MATCH_ALL else options.get("TCA_U32_ACT")
    action = None if actions is None else actions.get("TCA_ACT_PRIO_1")
    details = None if action is None else action.get("TCA_ACT_OPTIONS")
    parms = None if details is None else details.get("TCA_MIRRED_PARMS")
    return [] if parms is None else [_MIRRED.unpack(parms)[6]]


def _new(attrs: Attrs, what: str, index: int, handle: int, parent: int) -> Message:
    body = Body(TRAFFIC, attrs, index=index, handle=handle, parent=parent)
    return Message(body, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, what)
