"""The bridge: made once, brought into line with the configuration, given the gateways' addresses.

Every step is idempotent and takes EEXIST for success, so fifty first ADDs at once need no queue. The one
thing that must not cross another ADD is taking back a bridge after a failure: an ADD holds a shared flock
on its own network namespace's file from here until its port is attached, the way back an exclusive one.
That inode is the node's own, so there is no lock file to place, to leak or to find unwritable.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from io import FileIO

from cni import address
from cni.errors import InterfaceConflict, InvalidConfig
from cni_veth import addresses, links, sysctl, tag, vlan
from cni_veth.codecs import Attrs
from cni_veth.conf import VethConf
from cni_veth.links import Link
from cni_veth.netlink import Socket
from cni_veth.netns import OWN

WITHDRAW_SECONDS = 1.0  # an ADD holds the shared lock for about a millisecond


class Bridge:
    """The node's bridge of one network, as one ADD uses it."""

    def __init__(self, host: Socket, conf: VethConf, network: str) -> None:
        self._host = host
        self._network = network
        self._conf = conf
        self._made_links: list[str] = []
        self._made_addresses: list[tuple[int, str]] = []
        self.vlan_gateway: Link | None = None  # the link that carries the gateway where pods are in a VLAN
        self._lock = FileIO(OWN)  # closed, and unlocked, when the last reference goes

    def ensure(self) -> Link:
        """Make the bridge or bring it into line. Raises InterfaceConflict (101), KernelRefused (100)."""
        fcntl.flock(self._lock, fcntl.LOCK_SH)
        found = links.find(self._host, self._conf.bridge)
        if found is None:
            found = self._create()
        if found.kind != "bridge":
            raise InterfaceConflict(
                f"{self._conf.bridge!r} already exists but is not a bridge",
                f"it is a {found.kind or 'physical'} link; name another one by the key bridge",
            )
        self._link = self._align(found)
        return self._link

    def attached(self, now: Link) -> Link:
        """Our port is on the bridge: from now on nobody takes it back. The bridge as it stays."""
        fcntl.flock(self._lock, fcntl.LOCK_UN)
        if now.mac == self._link.mac:
            return now
        # A bridge that others made takes the lowest MAC of its ports, with each that comes or goes, until one is set.
        mac = links.random_mac() if self._link.mac == "00:00:00:00:00:00" else self._link.mac
        pin = links.change(f"set MAC {mac} on {now.name}", [("IFLA_ADDRESS", mac)], index=now.index)
        return Link(self._host.ask(pin, links.get(index=now.index))[1].replies[0])

    def add_gateways(self, gateways: list[str]) -> None:
        """Put addresses with prefix on the bridge (or its VLAN link) and make the node a router for them."""
        if self._conf.vlan_gateway:
            self.vlan_gateway = self._ensure_vlan_gateway()
        carrier = self.vlan_gateway or self._link
        families = {address.family(gateway) for gateway in gateways}
        if 6 in families:
            sysctl.write(f"ipv6/conf/{carrier.name}/disable_ipv6", "0")
        for gateway in gateways:
            answer = self._host.ask(addresses.add(carrier.index, gateway, carrier.name, tolerated=(errno.EEXIST,)))[0]
            if answer.errno == 0:
                self._made_addresses.append((carrier.index, gateway))
                self._settle_conflicts(carrier, gateway, gateways)
        for family in families:
            sysctl.write(sysctl.forward(family), "1")

    def withdraw(self) -> None:
        """After a failed ADD: take back what it made, unless another pod uses it by now."""
        if not (self._made_links or self._made_addresses) or not self._locked():
            return
        bridge = links.find(self._host, self._conf.bridge)
        ports = [] if bridge is None else links.ports(self._host, bridge.index)
        ports = [port for port in ports if port.name not in self._made_links]
        if not any(tag.is_of_network(port.alias, self._network) for port in ports):
            for index, gateway in self._made_addresses:
                self._host.ask(addresses.remove(index, gateway, (errno.EADDRNOTAVAIL, errno.ENODEV)))
        if not ports:
            for name in reversed(self._made_links):
                self._host.ask(links.delete(name))
        fcntl.flock(self._lock, fcntl.LOCK_UN)

    def _locked(self) -> bool:
        deadline = time.monotonic() + WITHDRAW_SECONDS
        while True:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except OSError:
                if time.monotonic() > deadline:
                    return False  # ADDs all the time: they use the bridge, it stays
                time.sleep(0.002)

    def _create(self) -> Link:
        conf = self._conf
        # A MAC given at creation is pinned: the kernel no longer follows the ports' lowest (plugins#620).
        attrs: Attrs = [("IFLA_IFNAME", conf.bridge), ("IFLA_ADDRESS", links.random_mac())]
        if conf.mtu:
            attrs.append(("IFLA_MTU", conf.mtu))
        attrs.append(("IFLA_LINKINFO", {"attrs": [("IFLA_INFO_KIND", "bridge")]}))
        what = f"create bridge {conf.bridge}"
        answers = self._host.ask(links.create(attrs, 0, what, (errno.EEXIST,)), links.get(conf.bridge))
        if answers[0].errno == 0:
            self._made_links.append(conf.bridge)
        if not answers[1].replies:
            raise InterfaceConflict(
                f"bridge {conf.bridge} vanished while it was made", "is another program managing it?"
            )
        return Link(answers[1].replies[0])

    def _align(self, found: Link) -> Link:
        """The kernel's state and the configuration's, made equal; nothing is sent where they are."""
        conf, wanted = self._conf, []
        # Before it is up: a router advertisement must not configure the node (CVE-2020-10749), and the node asks
        # for pods from the bridge's link-local address, which DAD would withhold for 2 s.
        sysctl.write(f"ipv6/conf/{found.name}/accept_ra", "0", is_optional=True)
        if not found.is_up:
            sysctl.write(f"ipv6/conf/{found.name}/accept_dad", "0", is_optional=True)
        if conf.mtu and found.mtu != conf.mtu:
            wanted.append(
                links.change(f"set MTU {conf.mtu} on {found.name}", [("IFLA_MTU", conf.mtu)], index=found.index)
            )
        if conf.is_filtering and not found.data("IFLA_BR_VLAN_FILTERING"):
            wanted.append(vlan.filtering(found))
        flags = links.IFF_UP | (links.IFF_PROMISC if conf.promisc else 0)
        if found.flags & flags != flags:
            wanted.append(links.change(f"set {found.name} up", [], index=found.index, flags=flags, mask=flags))
        if not wanted:
            return found
        answers = self._host.ask(*wanted, links.get(index=found.index))
        if not answers[-1].replies:
            raise InterfaceConflict(f"bridge {found.name} vanished while it was set up")
        return Link(answers[-1].replies[0])

    def _settle_conflicts(self, carrier: Link, gateway: str, wanted: list[str]) -> None:
        """A gateway that was new may stand beside an old one: any IPv4, or an overlapping IPv6 address."""
        for other in addresses.of(self._host, carrier.index, address.family(gateway)):
            if other in wanted or not _is_conflict(gateway, other):
                continue
            if not self._conf.force_address:
                raise InvalidConfig(
                    f"{carrier.name} already has address {other}, which is not {gateway}",
                    '"forceAddress": true replaces it',
                )
            # An IPv4 address takes the secondaries of its subnet with it, the new gateway among them.
            again = addresses.add(carrier.index, gateway, carrier.name, tolerated=(errno.EEXIST,))
            self._host.ask(addresses.remove(carrier.index, other, (errno.EADDRNOTAVAIL,)), again)

    def _ensure_vlan_gateway(self) -> Link:
        """A veth whose other end is a port of the VLAN: the kernel's 8021q module is not needed."""
        name = self._conf.vlan_gateway
        found = links.find(self._host, name)
        if found is None:
            port = f"veth{os.urandom(4).hex()}"
            mtu = ("IFLA_MTU", self._link.mtu)
            peer = {"attrs": [("IFLA_IFNAME", port), mtu]}
            data = {"attrs": [("IFLA_INFO_KIND", "veth"), ("IFLA_INFO_DATA", {"attrs": [("VETH_INFO_PEER", peer)]})]}
            attrs: Attrs = [("IFLA_IFNAME", name), ("IFLA_ADDRESS", links.random_mac()), mtu, ("IFLA_LINKINFO", data)]
            created = self._host.ask(links.create(attrs, 0, f"create link {name}", (errno.EEXIST,)))[0]
            if created.errno == 0:
                self._made_links += [port, name]
                self._attach_vlan_port(port)
            sysctl.write(f"ipv6/conf/{name}/accept_ra", "0", is_optional=True)
            found = Link(self._host.ask(links.up(name), links.get(name))[1].replies[0])
        return found

    def _attach_vlan_port(self, port: str) -> None:
        master: Attrs = [("IFLA_MASTER", self._link.index)]
        what = f"attach {port} to {self._link.name}"
        answers = self._host.ask(links.change(what, master, port, flags=1, mask=1), links.get(port))
        vlan.assign(self._host, self._conf, Link(answers[1].replies[0]), is_trunk=False)


def _is_conflict(gateway: str, other: str) -> bool:
    mine, theirs = address.split(gateway), address.split(other)
    if len(mine[0]) == 4:
        return True
    shorter = min(mine[1], theirs[1])
    return theirs[0][:2] != b"\xfe\x80" and address.network(mine[0], shorter) == address.network(theirs[0], shorter)
