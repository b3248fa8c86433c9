"""A link of the node that an earlier plugin of the chain made, a VM's tap or the host's end of a pair: it becomes a
port of the bridge as a veth of ours would (CONVENTIONS, "Chained Plugins").

It stays the earlier plugin's: name, MAC and MTU are left alone, and DEL gives it back. DEL knows it by our alternative
name without our group; it has no alias either, because GC deletes by alias and group.
"""

from __future__ import annotations

import errno

from cni.errors import InterfaceConflict
from cni.request import Request, ifname_problem
from cni.result import Result
from cni_veth import addresses, links, routes, tag, veth, vlan
from cni_veth.conf import VethConf
from cni_veth.links import Link
from cni_veth.netlink import Message, Socket
from cni_veth.wire import Attrs

GONE = (errno.EADDRNOTAVAIL, errno.ENODEV)


class Adopted:
    """What one ADD adopts. `end` is the pod's end that prevResult names, if any; `interface` the index, in the result,
    of what the addresses are for: that end, or the link itself; `given` what the pod's end is about to get."""

    def __init__(
        self,
        host: Socket,
        inner: Socket,
        conf: VethConf,
        request: Request,
        link: Link,
        interface: int,
        end: Link | None,
    ) -> None:
        self._host = host
        self._inner = inner
        self._conf = conf
        self._request = request
        self._link = link  # as it was found
        self._is_ours = False
        self._had = addresses.of(inner, end.index) if end is not None else []
        self.interface = interface
        self.end = end
        self.given = Result()

    def attach(self, bridge: Link) -> veth.Pair:
        """Make it a port. Raises KernelRefused (100), InterfaceConflict (101)."""
        link, conf, up = self._link, self._conf, links.IFF_UP
        self._is_ours = True
        master: Attrs = [("IFLA_MASTER", bridge.index)]
        answers = self._host.batch(
            links.change(f"attach {link.name} to {bridge.name}", master, index=link.index, flags=up, mask=up),
            _port_flags(link, conf.hairpin, conf.is_isolated),
            links.alternative_name(link.name, tag.altname(self._request.name, self._request.owner)),
            links.get(index=link.index),
            links.get(index=bridge.index),
        )
        if answers[2].errno == errno.EEXIST:  # another ADD of the same attachment was faster: the link is in its hands
            self._is_ours = False
            raise veth.has_another(self._request)
        for failure in (answer.failure for answer in answers):
            if failure is not None:
                raise failure
        made = links.one(answers[3], link.name)
        if conf.is_filtering:
            vlan.assign(self._host, conf, made)
        index, mac = (self.end.index, self.end.mac) if self.end is not None else (0, "")
        return veth.Pair(links.one(answers[4], bridge.name), made, index, mac)

    def release(self) -> None:
        """The undo of `attach`, and of `given`: both ends as they were found."""
        if not self._is_ours:
            return
        was = self._link
        try:
            self._clear_end()
        finally:
            restored = [_restore(was, [("IFLA_MASTER", was.master)]), _nameless(was, self._request)]
            if was.master:
                modes = was.port("IFLA_BRPORT_MODE"), was.port("IFLA_BRPORT_ISOLATED")
                restored.append(_port_flags(was, bool(modes[0]), bool(modes[1])))
            self._host.ask(*restored)

    def _clear_end(self) -> None:
        if self.end is None:
            return
        index, name, ips = self.end.index, self._request.ifname, self.given.ips
        messages = routes.remove(index, routes.resolve(self.given.routes, ips), name)
        messages += [addresses.remove(index, ip.address, GONE) for ip in ips if ip.address not in self._had]
        self._inner.ask(*messages, _restore(self.end, []))


def find(host: Socket, inner: Socket, conf: VethConf, request: Request, result: Result) -> Adopted | None:
    """The first link of the node in prevResult that may become a port; None where a pair of our own is to be made.

    Raises InterfaceConflict (101) where the pod's end that prevResult names is missing.
    """
    for index, item in enumerate(result.interfaces):
        link = None if item.sandbox or not item.name or ifname_problem(item.name) else links.find(host, item.name)
        if link is None or not _may_be_port(host, link, conf.bridge):
            continue
        ends = [(each.name, each.sandbox) for each in result.interfaces]
        if (request.ifname, request.netns) not in ends:
            return Adopted(host, inner, conf, request, link, index, None)
        end = links.find(inner, request.ifname)
        if end is None:
            what = f"interface {request.ifname}, which prevResult names, is missing in {request.netns}"
            raise InterfaceConflict(what, "a plugin before this one made it; is another program deleting links?")
        return Adopted(host, inner, conf, request, link, ends.index((request.ifname, request.netns)), end)
    return None


def is_adopted(link: Link) -> bool:
    """Whether it is a port of ours that another plugin made."""
    is_made_by_us = link.group == tag.GROUP or tag.is_ours(link.alias)
    return not is_made_by_us and any(name.startswith(f"{tag.PREFIX}-") for name in link.altnames)


def give_back(host: Socket, link: Link, ifb: Link | None, request: Request) -> None:
    """DEL: off the bridge, without limits and our name; missing is success. It stays up: we don't know how it was
    found."""
    from cni_veth import bandwidth  # whether it has limits nobody knows without it

    bandwidth.lift(host, link, ifb)
    host.ask(_restore(link, [("IFLA_MASTER", 0)]), _nameless(link, request))


def _may_be_port(host: Socket, link: Link, bridge: str) -> bool:
    """Not where it is another bridge's, ours already, or the node's own way out, which prevResult should not name."""
    if link.kind == "bridge" or link.is_loopback or link.group == tag.GROUP:
        return False
    if link.master:
        master = links.find(host, index=link.master)
        return master is not None and master.name == bridge
    return link.index not in routes.default_links(host)


def _port_flags(link: Link, hairpin: bool, isolated: bool) -> Message:
    chosen: Attrs = [("IFLA_BRPORT_MODE", int(hairpin)), ("IFLA_BRPORT_ISOLATED", int(isolated))]
    info: Attrs = [("IFLA_INFO_SLAVE_KIND", "bridge"), ("IFLA_INFO_SLAVE_DATA", {"attrs": chosen})]
    return links.change(f"set port flags of {link.name}", [("IFLA_LINKINFO", {"attrs": info})], index=link.index)


def _restore(link: Link, attrs: Attrs) -> Message:
    """Give a link these attributes and the state, up or down, that it had when it was read."""
    message = links.change(f"give {link.name} back", attrs, "", link.index, link.flags & links.IFF_UP, links.IFF_UP)
    message.tolerated = (errno.ENODEV,)
    return message


def _nameless(link: Link, request: Request) -> Message:
    return links.drop_alternative_name(link, tag.altname(request.name, request.owner))
