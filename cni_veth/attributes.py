"""The attributes of rtnetlink messages that cni-veth writes or reads: name -> (number, form).

A form is the name of a scalar (`wire.SCALARS`), `Nested`: more attributes, `ByKind`: more attributes, which ones by the
kind of link beside them, `Peer` or `NextHops`: see wire.py. tests/unit/test_wire.py holds every entry against
pyroute2's codec. Source: linux/if_link.h, if_addr.h, rtnetlink.h, ip.h, netconf.h, veth.h,
pkt_sched.h, pkt_cls.h.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NLA_F_NESTED = 0x8000  # the kernel asks for it here and there
Table = dict[str, tuple[int, "Any"]]


class Nested:
    def __init__(self, table: Table) -> None:
        self.table = table


class ByKind:
    """The attribute named `key`, which stands before, says which table it is."""

    def __init__(self, key: str, tables: dict[str, Table]) -> None:
        self.key = key
        self.tables = tables


class Peer:
    """A link message without netlink header: the other end of a veth pair."""


class NextHops:
    """A list of rtnexthop structures, each with attributes of a route."""


VETH: Table = {"VETH_INFO_PEER": (1, Peer())}
BRIDGE: Table = {"IFLA_BR_STP_STATE": (5, "u32"), "IFLA_BR_VLAN_FILTERING": (7, "u8")}
PORT: Table = {"IFLA_BRPORT_STATE": (1, "u8"), "IFLA_BRPORT_MODE": (4, "u8"), "IFLA_BRPORT_ISOLATED": (33, "u8")}
LINKINFO: Table = {
    "IFLA_INFO_KIND": (1, "text"),
    "IFLA_INFO_DATA": (2, ByKind("IFLA_INFO_KIND", {"veth": VETH, "bridge": BRIDGE})),
    "IFLA_INFO_SLAVE_KIND": (4, "text"),
    "IFLA_INFO_SLAVE_DATA": (5, ByKind("IFLA_INFO_SLAVE_KIND", {"bridge": PORT})),
}
FAMILIES: Table = {
    "AF_INET": (2, Nested({"IFLA_INET_CONF": (1, Nested({"IPV4_DEVCONF_ARP_NOTIFY": (22, "u32")}))})),
}
LINK: Table = {
    "IFLA_ADDRESS": (1, "mac"),
    "IFLA_IFNAME": (3, "text"),
    "IFLA_MTU": (4, "u32"),
    "IFLA_LINK": (5, "u32"),
    "IFLA_MASTER": (10, "u32"),
    "IFLA_TXQLEN": (13, "u32"),
    "IFLA_OPERSTATE": (16, "u8"),
    "IFLA_LINKINFO": (18, Nested(LINKINFO)),
    "IFLA_IFALIAS": (20, "text"),
    "IFLA_AF_SPEC": (26, Nested({"IFLA_BRIDGE_VLAN_INFO": (2, "vlan")})),  # of AF_BRIDGE
    "IFLA_AF_SPEC of AF_UNSPEC": (26, Nested(FAMILIES)),
    "IFLA_GROUP": (27, "u32"),
    "IFLA_NET_NS_FD": (28, "u32"),
    "IFLA_EXT_MASK": (29, "u32"),
    "IFLA_NUM_TX_QUEUES": (31, "u32"),
    "IFLA_NUM_RX_QUEUES": (32, "u32"),
    "IFLA_PROP_LIST": (NLA_F_NESTED | 52, Nested({"IFLA_ALT_IFNAME": (53, "text")})),
    "IFLA_ALT_IFNAME": (53, "text"),
}
ADDRESS: Table = {
    "IFA_ADDRESS": (1, "ip"),
    "IFA_LOCAL": (2, "ip"),
    "IFA_BROADCAST": (4, "ip"),
    "IFA_FLAGS": (8, "u32"),
}
ROUTE: Table = {
    "RTA_DST": (1, "ip"),
    "RTA_OIF": (4, "u32"),
    "RTA_GATEWAY": (5, "ip"),
    "RTA_PRIORITY": (6, "u32"),
    "RTA_PREFSRC": (7, "ip"),
    "RTA_METRICS": (8, Nested({"RTAX_MTU": (2, "u32"), "RTAX_ADVMSS": (8, "u32")})),
    "RTA_MULTIPATH": (9, NextHops()),
    "RTA_TABLE": (15, "u32"),
}
NETCONF: Table = {"NETCONFA_IFINDEX": (1, "i32"), "NETCONFA_FORWARDING": (2, "i32")}
MIRRED: Table = {"TCA_MIRRED_PARMS": (2, "bytes")}
ACTION: Table = {
    "TCA_ACT_KIND": (1, "text"),
    "TCA_ACT_OPTIONS": (NLA_F_NESTED | 2, ByKind("TCA_ACT_KIND", {"mirred": MIRRED})),
}
TBF: Table = {
    "TCA_TBF_PARMS": (1, "bytes"),
    "TCA_TBF_RATE64": (4, "u64"),
    "TCA_TBF_BURST": (6, "u32"),
}
U32: Table = {
    "TCA_U32_SEL": (5, "bytes"),
    "TCA_U32_ACT": (7, Nested({"TCA_ACT_PRIO_1": (1, Nested(ACTION))})),
}
TRAFFIC: Table = {
    "TCA_KIND": (1, "text"),
    "TCA_OPTIONS": (2, ByKind("TCA_KIND", {"tbf": TBF, "u32": U32})),
}
