"""The pod's end: sysctls, addresses, up, routes in one batch; then the port forwards and the neighbours are told."""

from __future__ import annotations

import errno
import time

from cni.errors import InterfaceConflict, TryAgainLater
from cni.request import Request
from cni.result import Result
from cni_veth import addresses, links, routes, sysctl
from cni_veth.conf import VethConf
from cni_veth.netlink import Socket
from cni_veth.netns import Netns
from cni_veth.veth import Pair

PORT_SECONDS = 3.0  # the reference gives up after 2.6 s
# net.ipv4.conf.IFNAME.arp_notify=1. The kernel sets it after it has set the link up, when nobody would hear an ARP.
ANNOUNCES: tuple[str, object] = (
    "IFLA_AF_SPEC of AF_UNSPEC",
    {"attrs": [("AF_INET", {"attrs": [("IFLA_INET_CONF", {"attrs": [("IPV4_DEVCONF_ARP_NOTIFY", 1)]})]})]},
)
DAD_SECONDS = 5.0  # RFC 4862: one probe takes 1 to 2 s; the reference waits as long


def join(host: Socket, pod: Socket, netns: Netns, conf: VethConf, request: Request, pair: Pair, result: Result) -> None:
    """All of it. Raises as `configure`, `wait_forwarding` and `wait_dad`."""
    configure(pod, netns, conf, request, pair, result)
    if not conf.is_link_down:
        wait_forwarding(host, pair)
        if conf.enable_dad:
            wait_dad(pod, netns.socket(addresses.RTMGRP_IPV6_IFADDR), pair, request.ifname)
        announce(pod, pair, request.ifname)


def configure(pod: Socket, netns: Netns, conf: VethConf, request: Request, pair: Pair, result: Result) -> None:
    """Give the pod's link what the IPAM result says. Raises KernelRefused (100) with the kernel's words."""
    name, index = request.ifname, pair.pod_index
    earlier = request.prev_result() or Result()
    has_ipv6 = any(ip.family == 6 for ip in (*result.ips, *earlier.ips))
    if has_ipv6 or conf.enable_dad or not result.ips:  # without addresses of ours it may find some by itself
        with netns:
            _sysctls(name, has_ipv6, conf.enable_dad)
    messages = [addresses.add(index, ip.address, name, conf.enable_dad, (errno.EEXIST,)) for ip in result.ips]
    messages.append(links.up(index=links.LO_INDEX))
    flags = 0 if conf.is_link_down else links.IFF_UP
    what = f"set link {name} up" if flags else f"set arp_notify of {name}"
    messages.append(links.change(what, [ANNOUNCES], index=index, flags=flags, mask=flags))
    if not conf.is_link_down:
        messages += routes.add(index, routes.resolve(result.routes, result.ips), name)
    pod.ask(*messages)


def _sysctls(name: str, has_ipv6: bool, dad: bool) -> None:
    """Of IPv6, before the link is up: DAD starts with it. Without, a pod is spared their lookup, and the others on its
    bridge its advertisements."""
    if has_ipv6:
        sysctl.write("ipv6/conf/lo/disable_ipv6", "0")
        sysctl.write_new(f"ipv6/conf/{name}/disable_ipv6", "0")
        sysctl.write_new(f"ipv6/conf/{name}/keep_addr_on_down", "1", is_optional=True)
        sysctl.write_new(f"ipv6/conf/{name}/ndisc_notify", "1", is_optional=True)
    sysctl.write_new(f"ipv6/conf/{name}/accept_dad", "1" if dad else "0", is_optional=True)
    sysctl.write_new(f"ipv6/conf/{name}/enhanced_dad", "1" if dad else "0", is_optional=True)


def wait_forwarding(host: Socket, pair: Pair) -> None:
    """Until the bridge forwards from the port; with STP on, until it has carrier (listening takes 30 s)."""
    has_stp = bool(pair.bridge.data("IFLA_BR_STP_STATE"))
    deadline = time.monotonic() + PORT_SECONDS
    monitor: Socket | None = None
    while True:
        port = links.find(host, index=pair.host.index)
        if port is None:
            raise InterfaceConflict(
                f"{pair.host.name} vanished while it was set up", "is another program deleting links?"
            )
        if port.has_carrier and (has_stp or port.port("IFLA_BRPORT_STATE") == links.BR_STATE_FORWARDING):
            return
        left = deadline - time.monotonic()
        if left <= 0:
            state = "has no carrier" if not port.has_carrier else "does not forward"
            raise TryAgainLater(f"port {port.name} of {pair.bridge.name} {state} after {PORT_SECONDS} s")
        if monitor is None:
            monitor = Socket(links.RTMGRP_LINK)  # and look again: it may have happened meanwhile
        else:
            monitor.wait(left)


def wait_dad(pod: Socket, monitor: Socket, pair: Pair, name: str) -> None:
    """Until duplicate address detection is through (`enabledad`). Raises InterfaceConflict (101) for a duplicate."""
    deadline = time.monotonic() + DAD_SECONDS
    while True:
        found = addresses.flagged(pod, pair.pod_index, 6)
        for text, flags in found:
            if flags & addresses.IFA_F_DADFAILED:
                raise InterfaceConflict(f"address {text} of {name} is in use by another host", "IPv6 DAD failed")
        tentative = [text for text, flags in found if flags & addresses.IFA_F_TENTATIVE]
        left = deadline - time.monotonic()
        if not tentative:
            return
        if left <= 0:
            raise TryAgainLater(f"addresses {tentative} of {name} are still tentative after {DAD_SECONDS} s")
        monitor.wait(left)


def announce(pod: Socket, pair: Pair, name: str) -> None:
    """Gratuitous ARP, and for IPv6 unsolicited NA, for every address, sent by the kernel: setting the MAC that the link
    already has is a NETDEV_CHANGEADDR, which arp_notify and ndisc_notify answer so. What the kernel sends
    when the link comes up is lost, for the port does not forward yet (plugins#756). A packet socket of our
    own would cost an RCU grace period when it is closed. Before the result: the next plugin may set another MAC."""
    message = links.change(f"announce {name}", [("IFLA_ADDRESS", pair.pod_mac)], index=pair.pod_index)
    message.tolerated = (errno.EBUSY, errno.EOPNOTSUPP)  # an adopted link need not be a veth
    pod.ask(message)
