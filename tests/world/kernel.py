"""Which options the running kernel was built with, found out by doing the thing in a namespace of its own."""

from __future__ import annotations

import functools

from tests.world import ownership
from tests.world.namespace import Namespace

_PROBES = {
    "CONFIG_BRIDGE_VLAN_FILTERING": "ip link add name b type bridge vlan_filtering 1",
    "CONFIG_DUMMY": "ip link add name d type dummy",
    "CONFIG_IFB": "ip link add name i type ifb",
    "CONFIG_IPV6": "ip -6 addr add fd00::1/64 dev lo",
    "CONFIG_IPVLAN": "ip link add name v type veth && ip link add link v name i type ipvlan",
    "CONFIG_MACVLAN": "ip link add name v type veth && ip link add link v name m type macvlan",
    "CONFIG_NETKIT": "ip link add name n type netkit",
    "CONFIG_NET_SCH_NETEM": "tc qdisc add dev lo root netem delay 1ms",
    "CONFIG_NET_SCH_TBF": "tc qdisc add dev lo root tbf rate 1mbit burst 32k latency 25ms",
    "CONFIG_NET_VRF": "ip link add name r type vrf table 10",
    "CONFIG_NF_TABLES": "nft add table inet t",
    "CONFIG_NF_TABLES_BRIDGE": "nft 'add table bridge t; add chain bridge t c { type filter hook input priority 0 ; }'",
    "CONFIG_VLAN_8021Q": "ip link add name v type veth && ip link add link v name v.5 type vlan id 5",
    "CONFIG_VXLAN": "ip link add name x type vxlan id 5 dstport 4789",
}
# The words for "not built in" of the kernel, ip and tc; any other failure is a fault of the probe.
_REFUSALS = ("not supported", "Unknown device type", "kind is unknown", "No such file or directory")


@functools.cache
def has(option: str) -> bool:
    """Whether the kernel has that option. KeyError for one without a probe."""
    command = _PROBES[option]
    scratch = Namespace(f"{ownership.new_name()}-{option}")
    scratch.create()
    try:
        done = scratch.run(["sh", "-c", command], check=False)
    finally:
        scratch.delete()
    if done.returncode != 0 and not any(words in done.stderr for words in _REFUSALS):
        raise RuntimeError(f"the probe for {option} failed for another reason: {command}: {done.stderr}")
    return done.returncode == 0
