"""The main plugin's story: ADD, CHECK, DEL, GC and STATUS of a veth pair on a bridge (SPEC section 2)."""

from __future__ import annotations

from cni import address
from cni.errors import CheckFailed, CNIError, DecodingFailure, DelegateMissing, InvalidConfig, PluginNotAvailable
from cni.request import Request
from cni.result import Interface, IPConfig, Result, Route
from cni.versions import is_single_address
from cni_veth import adopted, collect, differences, features, links, pod, routes, sysctl, tag, veth
from cni_veth.bridge import Bridge
from cni_veth.conf import VethConf, report_unknown
from cni_veth.ipam_plugin import IPAM
from cni_veth.netlink import Socket
from cni_veth.netns import Netns
from cni_veth.undo import Errors, Undo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_ROUTE = {4: "0.0.0.0/0", 6: "::/0"}


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
    veth.refuse_existing(host, inner, request, has_end=link is not None and link.end is not None)
    request.caller.begin()
    with Undo() as undo:
        bridge, name = Bridge(host, conf, request), veth.host_name()
        undo.push(bridge.withdraw)
        if ipam is not None:
            undo.push(ipam.take_back, last=True)  # an address whose link is still there stays, as in DEL
        undo.push(link.release if link is not None else lambda: veth.discard(name, host))
        master = bridge.ensure()
        if link is not None:
            pair = link.attach(master)
        else:
            pair = veth.create(name, host, netns, conf, request, master, _mtu(host, conf, master))
        bridge.attached()
        limits, ifb = conf.limits, None
        if limits is not None:
            undo.push(lambda: limits.withdraw(host, request, pair.host))
            ifb = limits.apply(host, request, pair.host)
        assigned, vlan_link = Result(), None
        if ipam is not None:
            assigned = ipam.add(pair.host.name)
            _complete(assigned, conf)
            vlan_link = bridge.add_gateways(pair.bridge, _gateways(conf, assigned))
        elif conf.dns is not None:
            assigned.dns = conf.dns
        if link is not None:
            link.given = assigned
        if pair.pod_index:
            pod.join(host, inner, netns, conf, request, pair, assigned)
        if conf.tuning is not None:
            conf.tuning.apply(inner, netns, pair.pod_index, request.ifname)
        result = _extended(result, assigned, conf, request, pair, link)
        asked = conf.features
        if asked is not None:
            index = link.interface if link is not None else len(result.interfaces) - 1
            ips = [ip for ip in result.ips if ip.interface in (None, index)]
            undo.push(lambda: asked.withdraw(host, request))
            asked.apply(host, netns, conf, request, pair, ips)
        result.interfaces += [_host_interface(made) for made in (vlan_link, ifb) if made is not None]
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
    host, netns, released = Socket(), Netns.open_if_any(request.netns), None
    with errors:
        released = features.release(host, request)
    mine, ifb = _made(host, request)
    if mine is not None and adopted.is_adopted(mine):
        adopted.give_back(host, mine, ifb, request)
    else:
        veth.delete(host, netns, request, mine, ifb)
    errors.throw()
    if released is not None:
        released.forget()
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
        garbage = features.collect(host, request, keep, errors)
        collect.links_not_in(host, request.name, keep, errors)
        if not errors.found:
            garbage.forget()
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


def _mtu(host: Socket, conf: VethConf, bridge: links.Link) -> int:
    """The configured MTU, or the bridge's or the default route's link's where it is lower than the kernel's default."""
    if conf.mtu:
        return conf.mtu
    uplinks = [links.find(host, index=index) for index in set(routes.default_links(host))]
    lowest = min(link.mtu for link in (bridge, *uplinks) if link is not None)
    return lowest if lowest < links.MTU else 0


def _complete(assigned: Result, conf: VethConf) -> None:
    """The gateways, default routes and DNS that the configuration asks for beside the delegate's."""
    if not assigned.ips:
        raise DecodingFailure(f"IPAM plugin {conf.ipam_type} returned no address", "its result needs ips")
    for ip in assigned.ips:
        if not ip.gateway and conf.is_gateway:
            ip.gateway = _first_of_network(ip.address)
    if conf.is_default_gateway:
        assigned.routes += _missing_default_routes(assigned)
    if conf.dns is not None:
        assigned.dns = conf.dns


def _missing_default_routes(assigned: Result) -> list[Route]:
    """One per family that has a gateway and no default route in the main table yet."""
    taken = {route.family for route in assigned.routes if route.is_default and not _is_elsewhere(route)}
    found = []
    for ip in assigned.ips:
        if ip.gateway and ip.family not in taken:
            taken.add(ip.family)
            found.append(Route(DEFAULT_ROUTE[ip.family], ip.gateway))
    return found


def _is_elsewhere(route: Route) -> bool:
    return route.table not in (None, 0, routes.RT_TABLE_MAIN)


def _first_of_network(text: str) -> str:
    packed, prefix = address.split(text)
    if prefix == len(packed) * 8:
        raise DecodingFailure(f"IPAM result {text} has neither a gateway nor room for one in its network")
    first = int.from_bytes(address.network(packed, prefix), "big") + 1
    return address.unpack(first.to_bytes(len(packed), "big"))


def _gateways(conf: VethConf, assigned: Result) -> list[str]:
    if not conf.is_gateway:
        return []
    return list(dict.fromkeys(f"{ip.gateway}/{ip.address.partition('/')[2]}" for ip in assigned.ips if ip.gateway))


def _extended(
    result: Result, assigned: Result, conf: VethConf, request: Request, pair: veth.Pair, link: adopted.Adopted | None
) -> Result:
    """prevResult with our links and addresses behind its own: [bridge, host veth, pod interface]; what was adopted it
    has already."""
    result.interfaces.append(_host_interface(pair.bridge))
    if link is None:
        result.interfaces += [
            _host_interface(pair.host),
            Interface(request.ifname, pair.pod_mac, pair.host.mtu, request.netns),
        ]
    interface = link.interface if link is not None else len(result.interfaces) - 1
    result.ips += [IPConfig(ip.address, ip.gateway, interface) for ip in assigned.ips]
    result.routes += assigned.routes
    if assigned.dns.to_json() or conf.dns is not None:
        result.dns = assigned.dns
    return result


def _host_interface(link: links.Link) -> Interface:
    return Interface(link.name, link.mac, link.mtu)
