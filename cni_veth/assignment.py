"""What the IPAM plugin assigned: completed by what the network asks for, and as a part of the result."""

from __future__ import annotations

from cni import address
from cni.errors import DecodingFailure
from cni.request import Request
from cni.result import Interface, IPConfig, Result, Route
from cni_veth import adopted, links, routes, veth
from cni_veth.conf import VethConf

DEFAULT_ROUTE = {4: "0.0.0.0/0", 6: "::/0"}


def complete(assigned: Result, conf: VethConf) -> None:
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


def gateways(conf: VethConf, assigned: Result) -> dict[str, str]:
    """What the node's addresses are to be, with prefix: an IP of the pod behind each."""
    if not conf.is_gateway:
        return {}
    return {f"{ip.gateway}/{ip.address.partition('/')[2]}": ip.ip for ip in assigned.ips if ip.gateway}


def extended(
    result: Result, assigned: Result, conf: VethConf, request: Request, pair: veth.Pair, link: adopted.Adopted | None
) -> Result:
    """prevResult with our links and addresses behind its own: [bridge, host veth, pod interface]; what was adopted it
    has already."""
    result.interfaces.append(host_interface(pair.bridge))
    if link is None:
        result.interfaces += [
            host_interface(pair.host),
            Interface(request.ifname, pair.pod_mac, pair.host.mtu, request.netns),
        ]
    interface = link.interface if link is not None else len(result.interfaces) - 1
    result.ips += [IPConfig(ip.address, ip.gateway, interface) for ip in assigned.ips]
    result.routes += assigned.routes
    if assigned.dns.to_json() or conf.dns is not None:
        result.dns = assigned.dns
    return result


def host_interface(link: links.Link) -> Interface:
    return Interface(link.name, link.mac, link.mtu)
