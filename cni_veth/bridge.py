"""The bridge: made once, brought into line with the configuration, taken back after a failure.

Every step is idempotent and takes EEXIST for success, so fifty first ADDs at once need no queue.
What an ADD made is known by what it chose before it began, so that a signal finds nothing unnoted.
"""

from __future__ import annotations

import errno

from cni.errors import InterfaceConflict
from cni.request import Request
from cni_veth import adopted, links, sysctl, tag, vlan
from cni_veth.conf import VethConf
from cni_veth.gateway import Gateway
from cni_veth.links import Link
from cni_veth.lock import BridgeLock
from cni_veth.netlink import Answer, Message, Socket
from cni_veth.wire import Attrs


class Bridge:
    """The node's bridge of one network, as one ADD uses it."""

    def __init__(self, host: Socket, conf: VethConf, request: Request) -> None:
        self._host = host
        self._conf = conf
        self._network = request.name
        self._found: Link | None = None
        self._mac = ""  # a bridge that has it is the one that this ADD made
        self._lock = BridgeLock(request.run_dir)
        self._gateway: Gateway | None = None

    def look(self, *others: Message) -> list[Answer]:
        """Find the bridge, and ask the node what else there is to ask, in one exchange. From now on nobody takes the
        bridge back. Raises TryAgainLater (11), KernelRefused (100)."""
        self._lock.share()
        mine, *answers = self._host.batch(links.get(self._conf.bridge), *others)
        if mine.failure is not None:
            raise mine.failure
        self._found = links.told(mine)
        return answers

    def ensure(self) -> Link:
        """Make the bridge or bring it into line. Raises InterfaceConflict (101), KernelRefused (100)."""
        found = self._found or self._create()
        if found.kind != "bridge":
            raise InterfaceConflict(
                f"{self._conf.bridge!r} already exists but is not a bridge",
                f"it is a {found.kind or 'physical'} link; name another one by the key bridge",
            )
        return self._align(found)

    def attached(self) -> None:
        """Our port is on the bridge, so nobody takes it back."""
        self._lock.release()

    def add_gateways(self, bridge: Link, gateways: dict[str, str]) -> Link | None:
        """Make the node the pods' router; the link that carries the addresses where it is not the bridge."""
        self._gateway = Gateway(self._host, self._conf, bridge)
        return self._gateway.add(gateways)

    def withdraw(self) -> None:
        """After a failed ADD: take back what it made, unless another pod uses it by now."""
        bridge = links.find(self._host, self._conf.bridge)
        is_mine = bridge is not None and bool(self._mac) and bridge.mac == self._mac  # a tun has no MAC
        if bridge is None or not (is_mine or self._gateway) or not self._lock.claim():
            return
        try:
            ports = links.ports(self._host, bridge.index)
            if self._gateway is not None:
                ports = [port for port in ports if port.name != self._gateway.port]
                self._gateway.withdraw(
                    is_address_used=any(
                        tag.is_of_network(port.alias, self._network) or adopted.is_adopted(port) for port in ports
                    ),
                    is_bridge_used=bool(ports),
                )
            if is_mine and not ports:
                self._host.ask(links.delete(index=bridge.index))
        finally:
            self._lock.release()

    def _create(self) -> Link:
        conf = self._conf
        self._mac = links.random_mac()
        # A MAC given at creation is pinned: the kernel no longer follows the ports' lowest (plugins#620).
        attrs: Attrs = [("IFLA_IFNAME", conf.bridge), ("IFLA_ADDRESS", self._mac), ("IFLA_GROUP", tag.GROUP)]
        if conf.mtu:
            attrs.append(("IFLA_MTU", conf.mtu))
        attrs.append(("IFLA_LINKINFO", {"attrs": [("IFLA_INFO_KIND", "bridge")]}))
        what = f"create bridge {conf.bridge}"
        answers = self._host.ask(links.create(attrs, 0, what, (errno.EEXIST,)), links.get(conf.bridge))
        return links.one(answers[1], conf.bridge)

    def _align(self, found: Link) -> Link:
        """The kernel's state and the configuration's, made equal; nothing is sent where they are."""
        conf, name, wanted = self._conf, found.name, []
        # Before it is up: a router advertisement must not configure the node (CVE-2020-10749), and the node asks
        # for pods from the bridge's link-local address, which DAD would withhold for 2 s.
        if not (found.is_up and found.group == tag.GROUP):
            sysctl.write(f"ipv6/conf/{name}/accept_ra", "0", is_optional=True)
        if not found.is_up:
            sysctl.write(f"ipv6/conf/{name}/accept_dad", "0", is_optional=True)
        if found.group != tag.GROUP:  # not made by us
            wanted.append(self._pin(found))
        if conf.mtu and found.mtu != conf.mtu and (found.mtu > conf.mtu or self._can_grow(found)):
            wanted.append(links.change(f"set MTU {conf.mtu} on {name}", [("IFLA_MTU", conf.mtu)], index=found.index))
        if conf.is_filtering and not found.data("IFLA_BR_VLAN_FILTERING"):
            wanted.append(vlan.filtering(found))
        flags = links.IFF_UP | (links.IFF_PROMISC if conf.promisc else 0)
        if found.flags & flags != flags:
            wanted.append(links.change(f"set {name} up", [], index=found.index, flags=flags, mask=flags))
        return links.one(self._host.ask(*wanted, links.get(index=found.index))[-1], name) if wanted else found

    def _pin(self, found: Link) -> Message:
        """A bridge that others made takes the lowest MAC of its ports, with each that comes or goes, until one is
        set. One that lost its last port has zero: all ADDs at once must choose the same."""
        mac = tag.mac_of(found.name) if found.mac == links.NO_MAC else found.mac
        return links.change(f"set MAC {mac} on {found.name}", [("IFLA_ADDRESS", mac)], index=found.index)

    def _can_grow(self, found: Link) -> bool:
        """A bridge wider than a port loses what does not fit through it, without a word to the sender."""
        return all(port.mtu >= self._conf.mtu for port in links.ports(self._host, found.index))
