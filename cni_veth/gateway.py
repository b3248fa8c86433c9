"""The node as the pods' router: gateway addresses on the bridge, or on a link of its own in the pods' VLAN."""

from __future__ import annotations

import errno
import os

from cni import address
from cni.errors import InvalidConfig
from cni_veth import addresses, forwarding, links, routes, sysctl, vlan
from cni_veth.conf import VethConf
from cni_veth.links import Link
from cni_veth.netlink import Answer, Message, Socket
from cni_veth.wire import Attrs

GONE = (errno.EADDRNOTAVAIL, errno.ENODEV)


class Gateway:
    """What one ADD puts on a bridge, noted before it is done. `port` is the VLAN link's end on the bridge."""

    def __init__(self, host: Socket, conf: VethConf, bridge: Link) -> None:
        self._host = host
        self._conf = conf
        self._bridge = bridge
        self._mac = ""  # a VLAN link that has it is the one that this ADD made
        self._added: list[tuple[Link, str]] = []
        self._replaced: list[tuple[Link, str]] = []
        self.port = ""

    def add(self, gateways: dict[str, str]) -> Link | None:
        """Put addresses with prefix on the link; the VLAN's link, if it is that. Each with the IP of a pod behind it.
        Raises InvalidConfig (7)."""
        carrier = self._vlan_link() if self._conf.vlan_gateway else self._bridge
        families = {address.family(gateway) for gateway in gateways}
        if 6 in families:
            sysctl.write(f"ipv6/conf/{carrier.name}/disable_ipv6", "0")
        switches = forwarding.questions(families, carrier)
        places = [_look(carrier, gateway, ip) for gateway, ip in gateways.items()]
        answers = self._host.batch(*places, *switches.values())
        for gateway, answer in zip(gateways, answers, strict=False):
            if not (_is_told(answer, carrier, gateway) or self._is_there(carrier, gateway)):
                self._place(carrier, gateway, list(gateways))
        forwarding.switch_on(dict(zip(switches, answers[len(places) :], strict=True)))
        return carrier if self._conf.vlan_gateway else None

    def withdraw(self, is_address_used: bool, is_bridge_used: bool) -> None:
        """Take back the addresses unless pods of the network use them, and put back those that they replaced."""
        for carrier, gateway in self._added:
            if not is_address_used:
                self._host.ask(addresses.remove(carrier.index, gateway, GONE))
        for carrier, old in self._replaced:
            self._host.ask(addresses.add(carrier.index, old, carrier.name, tolerated=(errno.EEXIST, *GONE)))
        link = links.find(self._host, self._conf.vlan_gateway) if self._conf.vlan_gateway else None
        if link is not None and self._mac and link.mac == self._mac and not is_bridge_used:
            self._host.ask(links.delete(index=link.index))

    def _is_there(self, carrier: Link, gateway: str) -> bool:
        """An IPv4 address that no subnet's route is from: known by the route that every address of the node has."""
        if address.family(gateway) == 6 or not routes.is_local(self._host, gateway.partition("/")[0], carrier.index):
            return False
        self._added.append((carrier, gateway))
        answers = self._host.ask(addresses.add(carrier.index, gateway, carrier.name, tolerated=(errno.EEXIST,)))
        is_same = answers[0].errno == errno.EEXIST  # IPv4 tells the same IP with another prefix apart
        if is_same:
            self._added.pop()
        return is_same

    def _place(self, carrier: Link, gateway: str, gateways: list[str]) -> None:
        """Put the gateway in the place of addresses that cannot stand beside it: any IPv4, an overlapping IPv6. Looked
        for before, and after, because another network may have come to a new bridge at the same moment."""
        conflicts = self._conflicts(carrier, gateway, gateways)
        self._added.append((carrier, gateway))
        self._replaced += [(carrier, other) for other in conflicts]
        # Removed first: an IPv4 address takes the secondaries of its subnet with it.
        removals = [addresses.remove(carrier.index, other, GONE) for other in conflicts]
        self._host.ask(*removals, addresses.add(carrier.index, gateway, carrier.name, tolerated=(errno.EEXIST,)))
        self._conflicts(carrier, gateway, gateways)

    def _conflicts(self, carrier: Link, gateway: str, gateways: list[str]) -> list[str]:
        """Raises InvalidConfig (7) where there are some and none may be replaced."""
        has = addresses.of(self._host, carrier.index, address.family(gateway))
        found = [other for other in has if other not in gateways and _is_conflict(gateway, other)]
        if found and not self._conf.force_address:
            raise InvalidConfig(
                f"{carrier.name} already has address {found[0]}, which is not {gateway}",
                'give this network a bridge of its own; "forceAddress": true would take the other network its gateway',
            )
        return found

    def _vlan_link(self) -> Link:
        """A veth whose other end is a port of the VLAN: the kernel's 8021q module is not needed.

        Each step is done again where the link exists: the ADD that made it may have been killed.
        """
        name = self._conf.vlan_gateway
        self._mac = links.random_mac()
        self.port = f"veth{os.urandom(4).hex()}"
        mtu = ("IFLA_MTU", self._bridge.mtu)
        peer = {"attrs": [("IFLA_IFNAME", self.port), mtu]}
        data = {"attrs": [("IFLA_INFO_KIND", "veth"), ("IFLA_INFO_DATA", {"attrs": [("VETH_INFO_PEER", peer)]})]}
        attrs: Attrs = [("IFLA_IFNAME", name), ("IFLA_ADDRESS", self._mac), mtu, ("IFLA_LINKINFO", data)]
        found = links.find(self._host, name)
        if found is None:
            create = links.create(attrs, 0, f"create link {name}", (errno.EEXIST,))
            found = links.one(self._host.ask(create, links.get(name))[1], name)
        port = links.one(self._host.ask(links.get(index=found.peer_index))[0], f"the other end of {name}")
        if port.master != self._bridge.index:
            what = f"attach {port.name} to {self._bridge.name}"
            self._host.ask(links.change(what, [("IFLA_MASTER", self._bridge.index)], index=port.index))
            vlan.assign(self._host, self._conf, port, is_trunk=False)
        self.port = port.name
        sysctl.write(f"ipv6/conf/{name}/accept_ra", "0", is_optional=True)
        if not (found.is_up and port.is_up):
            self._host.ask(links.up(index=port.index), links.up(index=found.index))
        return found


def _look(carrier: Link, gateway: str, ip: str) -> Message:
    """Asks for the address itself, which the kernel can for IPv6 only, or for the route to its subnet."""
    return addresses.get(carrier.index, gateway) if address.family(gateway) == 6 else routes.lookup(ip)


def _is_told(answer: Answer, carrier: Link, gateway: str) -> bool:
    """Whether the answer to `_look` says that the link has the address: so no ADD need list all addresses."""
    if address.family(gateway) == 6:
        return any(addresses.text_of(reply) == gateway for reply in answer.replies)
    return any(routes.is_subnet_of(reply, gateway, carrier.index) for reply in answer.replies)


def _is_conflict(gateway: str, other: str) -> bool:
    mine, theirs = address.split(gateway), address.split(other)
    if len(mine[0]) == 4:
        return True
    shorter = min(mine[1], theirs[1])
    return theirs[0][:2] != b"\xfe\x80" and address.network(mine[0], shorter) == address.network(theirs[0], shorter)
