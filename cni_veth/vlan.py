"""VLANs of bridge ports: giving them, and telling where they differ. Source: bridge(8), linux/if_bridge.h.

A port's native VLAN, whose frames are untagged, is `vlan`, or 1 for a trunk without it; `vlanTrunk` is tagged.
VLAN 1, which the kernel gives to every new port, stays beside another one only by `preserveDefaultVlan`.
"""

from __future__ import annotations

import errno

from cni_veth import links
from cni_veth.conf import VethConf
from cni_veth.links import Link
from cni_veth.netlink import RTM_DELLINK, Message, Socket
from cni_veth.wire import LINK, Attrs, Body

AF_BRIDGE = 7
RTEXT_FILTER_BRVLAN = 2
DEFAULT = 1
PVID, UNTAGGED, RANGE_BEGIN, RANGE_END = 2, 4, 8, 16


def filtering(bridge: Link) -> Message:
    """Make a bridge tell VLANs apart."""
    data: Attrs = [("IFLA_BR_VLAN_FILTERING", 1)]
    info = {"attrs": [("IFLA_INFO_KIND", "bridge"), ("IFLA_INFO_DATA", {"attrs": data})]}
    what = f"switch on VLAN filtering on {bridge.name} (CONFIG_BRIDGE_VLAN_FILTERING)"
    return links.change(what, [("IFLA_LINKINFO", info)], index=bridge.index)


def add(port: Link, vids: list[tuple[int, int]], flags: int = 0) -> Message:
    """Put a port into VLANs (first, last)."""
    entries: Attrs = []
    for first, last in vids:
        edges = [(first, 0)] if first == last else [(first, RANGE_BEGIN), (last, RANGE_END)]
        entries += [("IFLA_BRIDGE_VLAN_INFO", {"flags": flags | edge, "vid": vid}) for vid, edge in edges]
    listed = ",".join(str(first) if first == last else f"{first}-{last}" for first, last in vids)
    return Message(_body(port.index, entries), links.RTM_SETLINK, 0, f"put port {port.name} into VLAN {listed}")


def remove(port: Link, vid: int) -> Message:
    entries: Attrs = [("IFLA_BRIDGE_VLAN_INFO", {"flags": PVID | UNTAGGED, "vid": vid})]
    what = f"take port {port.name} out of VLAN {vid}"
    return Message(_body(port.index, entries), RTM_DELLINK, 0, what, (errno.ENOENT,))


def assign(host: Socket, conf: VethConf, port: Link, is_trunk: bool = True) -> None:
    """Give a new port its VLANs. Raises KernelRefused (100)."""
    native, messages = conf.vlan or DEFAULT, []
    if native != DEFAULT and not conf.keeps_default_vlan:
        messages.append(remove(port, DEFAULT))
    if is_trunk and conf.trunk:
        messages.append(add(port, conf.trunk))
    messages.append(add(port, [(native, native)], PVID | UNTAGGED))  # last: a trunk around it would tag it
    host.ask(*messages)


def differences(host: Socket, conf: VethConf, port: Link) -> list[str]:
    """In words. A VLAN too many lets the pod into another network, so it is one too."""
    has, native = of(host, port), conf.vlan or DEFAULT
    expected = {vid for first, last in conf.trunk for vid in range(first, last + 1)} | {native}
    if conf.keeps_default_vlan:
        expected.add(DEFAULT)
    found = [f"{port.name} is not in VLAN {vid}" for vid in sorted(expected - has.keys())]
    found += [f"{port.name} is in VLAN {vid}, which is not configured" for vid in sorted(has.keys() - expected)]
    if native in has and has[native] & (PVID | UNTAGGED) != PVID | UNTAGGED:
        found.append(f"VLAN {native} of {port.name} is tagged, expected untagged")
    return found


def of(host: Socket, port: Link) -> dict[int, int]:
    """The VLANs of a port with their PVID and UNTAGGED flags."""
    body = Body(LINK, [("IFLA_EXT_MASK", RTEXT_FILTER_BRVLAN)], family=AF_BRIDGE)
    found = {}
    for reply in host.dump(Message(body, links.RTM_GETLINK, 0, "list VLANs of ports")):
        spec = reply.get("IFLA_AF_SPEC") if reply["index"] == port.index else None
        for entry in spec.every("IFLA_BRIDGE_VLAN_INFO") if spec is not None else ():
            found[int(entry["vid"])] = int(entry["flags"])
    return found


def _body(index: int, entries: Attrs) -> Body:
    return Body(LINK, [("IFLA_AF_SPEC", {"attrs": entries})], family=AF_BRIDGE, index=index)
