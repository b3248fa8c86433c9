"""The main plugin's story: ADD, CHECK, DEL, GC and STATUS of a veth pair on a bridge (SPEC section 2)."""

from __future__ import annotations

from cni.errors import CheckFailed, CNIError, DelegateMissing, InvalidConfig, PluginNotAvailable
from cni.request import Request
from cni.result import Result
from cni.versions import is_single_address
from cni_veth import (
    adopted,
    assignment,
    collect,
    differences,
    features,
    links,
    pod,
    released,
    routes,
    sysctl,
    tag,
    veth,
)
from cni_veth.bridge import Bridge
from cni_veth.conf import VethConf, report_unknown
from cni_veth.ipam_plugin import IPAM
from cni_veth.netlink import Answer, Socket
from cni_veth.netns import Netns
from cni_veth.undo import Errors, Undo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def add(request: Request, deliver: Callable[[Result], None]) -> Result:
    """Join the pod to the bridge, by a pair of our own or by a link that an earlier plugin made. Everything is
    validated before anything is touched; a failure leaves nothing.

    The link comes before the address: a DHCP client, or any IPAM that speaks on the wire, needs it.
    """
    conf, ipam = _validated(request)
    result = request.prev_result() or Result()
    if is_single_address(request.version) and ipam is None and not result.ips:
        raise InvalidConfig(
            f"a result of version {request.version} needs an address and the network has no ipam",
            "cannot convert: no valid IP addresses; use cniVersion 0.3.0 or newer for an L2-only network",
        )
    netns = Netns.open(request.netns)
    host, inner = Socket(), netns.socket()
    link = adopted.find(host, inner, conf, request, result)
    bridge, name = Bridge(host, conf, request), veth.host_name()
    elsewhere = () if conf.mtu else routes.ELSEWHERE
    found, *defaults = bridge.look(veth.another(request), *map(routes.lookup, elsewhere))
    veth.refuse_existing(found, inner, request, has_end=link is not None and link.end is not None)
    request.caller.begin()
    with Undo() as undo:
        undo.push(bridge.withdraw)
        if ipam is not None:
            undo.push(ipam.take_back, last=True)  # an address whose link is still there stays, as in DEL
        undo.push(link.release if link is not None else lambda: veth.discard(name, host))
        master = bridge.ensure()
        if link is not None:
            pair = link.attach(master)
        else:
            pair = veth.create(name, host, netns, conf, request, master, _mtu(host, conf, master, defaults))
        bridge.attached()
        limits, ifb = conf.limits, None
        if limits is not None:
            undo.push(lambda: limits.withdraw(host, request, pair.host))
            ifb = limits.apply(host, request, pair.host)
        assigned, vlan_link = Result(), None
        if ipam is not None:
            assigned = ipam.add(pair.host.name)
            assignment.complete(assigned, conf)
            vlan_link = bridge.add_gateways(pair.bridge, assignment.gateways(conf, assigned))
        elif conf.dns is not None:
            assigned.dns = conf.dns
        if link is not None:
            link.given = assigned
        if pair.pod_index:
            pod.join(host, inner, netns, conf, request, pair, assigned)
        if conf.tuning is not None:
            conf.tuning.apply(inner, netns, pair.pod_index, request.ifname)
        result = assignment.extended(result, assigned, conf, request, pair, link)
        asked = conf.features
        if asked is not None:
            index = link.interface if link is not None else len(result.interfaces) - 1
            ips = [ip for ip in result.ips if ip.interface in (None, index)]
            undo.push(lambda: asked.withdraw(host, request))
            asked.apply(host, netns, conf, request, pair, ips)
        result.interfaces += [assignment.host_interface(made) for made in (vlan_link, ifb) if made is not None]
        deliver(result)
    return result


def check(request: Request) -> None:
    """Compare the kernel with configuration and prevResult; every difference in one error (103)."""
    conf, ipam = _validated(request)
    result = request.prev_result()
    if result is None:
        raise InvalidConfig("prevResult: is required for CHECK", "the runtime must pass the result of ADD")
    found: list[str] = []
    refused: CNIError | None = None
    try:
        if ipam is not None:
            ipam.forward()
    except CheckFailed as error:
        found += error.differences
    except CNIError as error:
        if error.code in (4, 7, 11):  # nothing was compared
            raise
        refused = error
    netns = Netns.open(request.netns)
    host = Socket()
    found += differences.find(host, netns, conf, request, result)
    if conf.features is not None:
        found += conf.features.differences(host, netns, conf, request, result)
    if refused is not None:
        if not found:
            raise refused
        found.append(f"{conf.ipam_type}: {refused.msg} {refused.details}".rstrip())
    if found:
        raise CheckFailed(found)


def delete(request: Request) -> None:
    """Remove what ADD made, give back what it adopted; what is missing is success. The address goes last, and is kept
    while its link cannot be deleted: whoever got it next would share it."""
    ipam, errors = None, Errors()
    with errors:
        ipam = _delegate(request)
    host, netns, gone = Socket(), Netns.open_if_any(request.netns), None
    with errors:
        gone = released.release(host, request)
    try:
        mine, ifb = _made(host, request)
        if mine is not None and adopted.is_adopted(mine):
            adopted.give_back(host, mine, ifb, request)
        else:
            veth.delete(host, netns, request, mine, ifb)
        errors.throw()
        if gone is not None:
            gone.forget()
    finally:
        if gone is not None:
            gone.leave()
    if ipam is not None:
        ipam.delete()


def gc(request: Request) -> None:
    """Delete this network's links whose attachment is not listed. No list at all names no garbage.

    Goes on past every failure and reports all; the delegate is told only when no link with its address is left.
    """
    keep = request.valid_attachments()
    errors = Errors()
    if keep is not None:
        host = Socket()
        garbage = released.collect(host, request, keep, errors)
        try:
            collect.links_not_in(host, request.name, keep, errors)
            if not errors.found:
                garbage.forget()
        finally:
            garbage.leave()
    if not errors.found:
        with errors:
            ipam = _delegate(request)
            if ipam is not None:
                ipam.forward()
    errors.throw()


def status(request: Request) -> None:
    """Whether an ADD could succeed now; PluginNotAvailable (50) says why not."""
    try:
        conf, ipam = _validated(request)
    except DelegateMissing as error:
        raise PluginNotAvailable(error.msg, error.details) from None
    found = links.find(Socket(), conf.bridge)
    if found is not None and found.kind != "bridge":
        raise PluginNotAvailable(
            f"{conf.bridge!r} is not a bridge", f"a {found.kind or 'physical'} link has that name; rename one of them"
        )
    if not sysctl.is_writable(sysctl.forward(4)):
        raise PluginNotAvailable(
            "forwarding and other kernel parameters cannot be set", "is /proc/sys mounted read-only?"
        )
    features.status(request, conf)
    from cni_veth.nft import forward  # no pod needs it

    forward.status(request, conf)
    if ipam is not None:
        ipam.forward()


def _validated(request: Request) -> tuple[VethConf, IPAM | None]:
    conf = VethConf(request)
    ipam = IPAM(request, conf.ipam_type) if conf.ipam_type else None
    if ipam is not None:
        ipam.validate()
    report_unknown(request, conf.is_strict)
    return conf, ipam


def _made(host: Socket, request: Request) -> tuple[links.Link | None, links.Link | None]:
    """The host's end, made or adopted, and the ifb of this attachment."""
    asked = tag.altname(request.name, request.owner), tag.ifb(request.name, request.owner)
    mine, ifb = host.ask(links.get(altname=asked[0]), links.get(asked[1]))
    return links.told(mine), links.told(ifb)


def _delegate(request: Request) -> IPAM | None:
    """DEL and GC read nothing of the configuration but this: it may have changed since ADD."""
    plugin_type = request.conf.open_section("ipam").string("type")
    return IPAM(request, plugin_type) if plugin_type else None


def _mtu(host: Socket, conf: VethConf, bridge: links.Link, defaults: list[Answer]) -> int:
    """The configured MTU, or the bridge's or the default route's link's where it is lower than the kernel's default."""
    if conf.mtu:
        return conf.mtu
    uplinks = [links.find(host, index=index) for index in set(routes.used_by_defaults(defaults))]
    lowest = min(link.mtu for link in (bridge, *uplinks) if link is not None)
    return lowest if lowest < links.MTU else 0
