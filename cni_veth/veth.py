"""The pair of one attachment: made by one message with its peer already in the pod, found and deleted by its tag."""

from __future__ import annotations

import errno
import os

from cni.errors import InterfaceConflict
from cni.request import Request
from cni_veth import links, removal, sysctl, tag, vlan
from cni_veth.conf import VethConf
from cni_veth.links import Link
from cni_veth.netlink import Answer, Message, Socket
from cni_veth.netns import Netns
from cni_veth.wire import Attrs


class Pair:
    """Both ends of a veth: `host` on the bridge, the other one in the pod under its final name. Of an adopted link
    (adopted.py) there may be none in the pod: then `pod_index` is 0.

    `bridge` is as it is with the port on it: where nobody has set its MTU it takes its ports' lowest.
    """

    def __init__(self, bridge: Link, host: Link, pod_index: int, pod_mac: str) -> None:
        self.bridge = bridge
        self.host = host
        self.pod_index = pod_index
        self.pod_mac = pod_mac


def another(request: Request) -> Message:
    """Asks the node for a link that the container has already."""
    return links.get(altname=tag.altname(request.name, request.owner))


def refuse_existing(found: Answer, pod: Socket, request: Request, has_end: bool = False) -> None:
    """SPEC ADD: an error when the interface exists already, unless an earlier plugin made it for us (`has_end`), or
    the container has one like it elsewhere (`found`, the answer to `another`)."""
    if not has_end and links.find(pod, request.ifname) is not None:
        raise _exists(request)
    if found.failure is not None:
        raise found.failure
    if found.replies:
        raise has_another(request)


def host_name() -> str:
    """A name for the host's end that nobody has: 44 random bits, for a clash would meet another pod's link."""
    return f"veth{os.urandom(6).hex()[:11]}"


def create(name: str, host: Socket, netns: Netns, conf: VethConf, request: Request, bridge: Link, mtu: int) -> Pair:
    """Make the pair. What a failure leaves of it goes by `discard`.

    Raises KernelRefused (100), InterfaceConflict (101).
    """
    pod_mac = conf.mac or links.random_mac()
    messages = [
        _create(name, netns, conf, request, bridge, mtu, pod_mac),
        _describe(name, conf, request),
        links.alternative_name(name, tag.altname(request.name, request.owner)),
        links.get(name),
    ]
    if bridge.mtu != (mtu or links.MTU):
        messages.append(links.get(index=bridge.index))
    answers = host.batch(*messages)
    if answers[0].errno == errno.EEXIST:
        raise _exists(request)
    if answers[2].errno == errno.EEXIST:
        raise has_another(request)
    for failure in (answer.failure for answer in answers):
        if failure is not None:
            raise failure
    made = links.one(answers[3], name)
    sysctl.write_new(f"ipv6/conf/{name}/accept_ra", "0", is_optional=True)
    if conf.is_filtering:
        vlan.assign(host, conf, made)
    if len(answers) > 4:
        bridge = links.one(answers[4], bridge.name)
    return Pair(bridge, made, made.peer_index, pod_mac)


def discard(name: str, host: Socket) -> None:
    """The undo of `create`, whatever came of it."""
    host.ask(links.delete(name))


def delete(host: Socket, netns: Netns | None, request: Request, mine: Link | None, ifb: Link | None) -> None:
    """Delete the pair by its tag (`mine`), its `ifb` with it, then a veth that has the name in the pod and no other
    owner's tag: another version or the reference plugin made it. A link of another kind is not ours. Missing is
    success."""
    message = links.delete(altname=tag.altname(request.name, request.owner))
    if mine is not None and ifb is not None:
        moves, message = removal.together([mine, ifb])
        host.ask(*moves)
    elif ifb is not None:
        host.ask(links.delete(index=ifb.index))
    if mine is not None:
        monitors = [(Socket(links.RTMGRP_LINK), mine.index)]
        if netns is not None and mine.peer_index:
            monitors.append((netns.socket(links.RTMGRP_LINK), mine.peer_index))
        if ifb is not None:
            monitors.append((Socket(links.RTMGRP_LINK), ifb.index))
        has_inner = netns is not None and mine.peer_index
        if removal.delete(host, message, monitors) and has_inner:
            return  # what went in the pod was ours, so nothing else has its name there
    pod = netns.socket() if netns is not None else None
    left = links.find(pod, request.ifname) if pod is not None else None
    if netns is None or pod is None or left is None or left.kind != "veth":
        return
    peer = links.find(host, index=left.peer_index)
    alias = tag.alias(request.name, request.owner)
    if peer is None or peer.peer_index != left.index or peer.alias == alias or not tag.is_ours(peer.alias):
        monitors = [(netns.socket(links.RTMGRP_LINK), left.index)]
        if peer is not None:
            monitors.append((Socket(links.RTMGRP_LINK), peer.index))
        removal.delete(pod, links.delete(index=left.index), monitors)


def _create(name: str, netns: Netns, conf: VethConf, request: Request, bridge: Link, mtu: int, pod_mac: str) -> Message:
    # One queue is what a veth uses (veth(4) makes one for each processor, with their entries in sysfs, for ethtool -L).
    queues: Attrs = [("IFLA_NUM_TX_QUEUES", 1), ("IFLA_NUM_RX_QUEUES", 1)]
    peer: Attrs = [("IFLA_IFNAME", request.ifname), ("IFLA_ADDRESS", pod_mac), ("IFLA_NET_NS_FD", netns.fd), *queues]
    attrs: Attrs = [
        ("IFLA_IFNAME", name),
        # Given, so that udev's MACAddressPolicy leaves it alone (addr_assign_type becomes NET_ADDR_SET).
        ("IFLA_ADDRESS", links.random_mac()),
        ("IFLA_MASTER", bridge.index),
        ("IFLA_GROUP", tag.GROUP),
        *queues,
    ]
    if mtu:
        peer.append(("IFLA_MTU", mtu))
        attrs.append(("IFLA_MTU", mtu))
    data = {"attrs": [("VETH_INFO_PEER", {"attrs": peer})]}
    attrs.append(("IFLA_LINKINFO", {"attrs": [("IFLA_INFO_KIND", "veth"), ("IFLA_INFO_DATA", data)]}))
    what = f"create veth {name} on {bridge.name} with peer {request.ifname} in {netns.path}"
    # Limits are set first: a discipline of a link that is up costs an RCU grace period.
    return links.create(attrs, 0 if conf.limits is not None else links.IFF_UP, what)


def _describe(name: str, conf: VethConf, request: Request) -> Message:
    """What the kernel does not take at creation."""
    attrs: Attrs = [("IFLA_IFALIAS", tag.alias(request.name, request.owner))]
    port = [("IFLA_BRPORT_MODE", int(conf.hairpin)), ("IFLA_BRPORT_ISOLATED", int(conf.is_isolated))]
    chosen = [(key, value) for key, value in port if value]
    if chosen:
        info = [("IFLA_INFO_SLAVE_KIND", "bridge"), ("IFLA_INFO_SLAVE_DATA", {"attrs": chosen})]
        attrs.append(("IFLA_LINKINFO", {"attrs": info}))
    return links.change(f"set alias, hairpin mode and isolation of {name}", attrs, name)


def _exists(request: Request) -> InterfaceConflict:
    return InterfaceConflict(
        f"interface {request.ifname} already exists in {request.netns}",
        "an earlier ADD was not followed by its DEL, or another plugin made it",
    )


def has_another(request: Request) -> InterfaceConflict:
    return InterfaceConflict(
        f"container {request.container_id} already has a link for {request.ifname} in network {request.name}",
        "an earlier ADD was not followed by its DEL",
    )
