"""What CHECK compares: the kernel's state against configuration and prevResult, each difference in words.

Tolerated, because somebody else may do it rightly: another MAC or MTU on the host's end (udev), a
promiscuous bridge (tcpdump), added addresses and routes, what later plugins of the chain put into prevResult,
a lower MTU in the pod where the tuning plugin noted that it changed it (it does not tell prevResult).
"""

from __future__ import annotations

import os

from cni import address
from cni.request import Request
from cni.result import Interface, IPConfig, Result, Route
from cni_veth import addresses, adopted, links, routes, sysctl, tag, vlan
from cni_veth.conf import VethConf
from cni_veth.links import Link
from cni_veth.netlink import Socket
from cni_veth.netns import Netns

TUNING_DATA_DIR = "/run/cni/tuning"


def find(host: Socket, netns: Netns, conf: VethConf, request: Request, result: Result) -> list[str]:
    """Every difference; an empty list where all is well."""
    inner = netns.socket()
    bridge = links.find(host, conf.bridge)
    pod_link = links.find(inner, request.ifname)
    found = _bridge(bridge, conf, result)
    listed = _own_interface(result, request)
    if pod_link is None and listed is not None:
        return [*found, f"interface {request.ifname} is missing in {request.netns}"]
    port = _port(host, pod_link, request)
    earlier = port if port is not None and adopted.is_adopted(port) else None
    if earlier is not None and listed is None:  # a VM's: in the pod there is nothing of it
        pod_link, listed = None, _host_interface(result, earlier)
    elif pod_link is None:
        return [*found, f"neither a link adopted for {request.ifname} nor {request.ifname} in {request.netns} is there"]
    elif pod_link.kind != "veth" and earlier is None:
        return [*found, f"{request.ifname} is a {pod_link.kind or 'physical'} link, expected a veth"]
    else:
        found += _pod_link(pod_link, conf, request, listed, earlier is not None)
    found += _host_link(host, port, bridge, pod_link, conf, request)
    if conf.limits is not None and port is not None:
        found += conf.limits.differences(host, request, port)
    if conf.tuning is not None:
        found += conf.tuning.differences(inner, netns, request.ifname)
    mine = [ip for ip in result.ips if listed is None or ip.interface in (None, result.interfaces.index(listed))]
    if pod_link is not None:
        found += _addresses(inner, pod_link, mine, request)
        if not conf.is_link_down:
            found += _routes(inner, pod_link, mine, result.routes, request)
    if conf.is_gateway and bridge is not None:
        if earlier is not None:  # its plugin may have given addresses too, whose gateway is on it
            carried = [text.partition("/")[0] for text in addresses.of(host, earlier.index)]
            mine = [ip for ip in mine if ip.gateway not in carried]
        found += _gateway(host, bridge, conf, mine)
    return found


def _bridge(bridge: Link | None, conf: VethConf, result: Result) -> list[str]:
    if bridge is None:
        return [f"bridge {conf.bridge} is missing"]
    if bridge.kind != "bridge":
        return [f"{conf.bridge} is a {bridge.kind or 'physical'} link, expected a bridge"]
    found = []
    listed = next((item for item in result.interfaces if item.name == conf.bridge and not item.sandbox), None)
    if listed is not None and listed.mac and listed.mac.lower() != bridge.mac:
        found.append(f"bridge {conf.bridge} has MAC {bridge.mac}, expected {listed.mac}")
    if not bridge.is_up:
        found.append(f"bridge {conf.bridge} is down")
    if conf.promisc and not bridge.is_promiscuous:
        found.append(f"bridge {conf.bridge} is not promiscuous, expected promiscMode")
    if conf.is_filtering and not bridge.data("IFLA_BR_VLAN_FILTERING"):
        found.append(f"bridge {conf.bridge} does not filter VLANs")
    return found


def _port(host: Socket, pod_link: Link | None, request: Request) -> Link | None:
    """The other end of the pod's link, or what was adopted for it."""
    peer = None
    if pod_link is not None and pod_link.kind == "veth":
        peer = links.find(host, index=pod_link.peer_index)
        if peer is not None and peer.peer_index == pod_link.index:
            return peer
    return links.find(host, altname=tag.altname(request.name, request.owner)) or peer


def _pod_link(link: Link, conf: VethConf, request: Request, listed: Interface | None, is_adopted: bool) -> list[str]:
    """MAC, MTU and being up may be the earlier plugin's choice."""
    name, found = request.ifname, []
    if link.is_up == conf.is_link_down and not (is_adopted and link.is_up):
        found.append(f"{name} is {'up' if link.is_up else 'down'}, expected {'down' if conf.is_link_down else 'up'}")
    mac = listed.mac if listed is not None and listed.mac else "" if is_adopted else conf.mac
    if mac and mac.lower() != link.mac:
        found.append(f"{name} has MAC {link.mac}, expected {mac}")
    mtu = (listed.mtu if listed is not None else 0) or (0 if is_adopted else conf.mtu)
    if mtu and mtu != link.mtu and not (link.mtu < mtu and _is_tuned(request)):
        found.append(f"{name} has MTU {link.mtu}, expected {mtu}")
    return found


def _is_tuned(request: Request) -> bool:
    """The reference tuning keeps what it changed until DEL."""
    return os.path.exists(f"{TUNING_DATA_DIR}/{request.container_id}_{request.ifname}.json")


def _host_link(
    host: Socket, link: Link | None, bridge: Link | None, pod_link: Link | None, conf: VethConf, request: Request
) -> list[str]:
    is_peer = link is not None and pod_link is not None and link.kind == "veth" and link.peer_index == pod_link.index
    is_adopted = link is not None and adopted.is_adopted(link)
    if link is None or not (is_peer or is_adopted):
        return [f"the host's end of {request.ifname} is missing in this namespace"]
    name, found = link.name, []
    if not link.is_up:
        found.append(f"{name} is down")
    elif not link.has_carrier and not conf.is_link_down and pod_link is not None and pod_link.is_up:
        found.append(f"{name} has no carrier")
    if bridge is None:
        return found
    if link.master != bridge.index:
        return [*found, f"{name} is not a port of bridge {conf.bridge}"]
    found += _bridge_mtu(host, bridge, pod_link or link, 0 if is_adopted else conf.mtu, request)
    is_forwarding = link.port("IFLA_BRPORT_STATE") == links.BR_STATE_FORWARDING
    if link.has_carrier and not is_forwarding and not bridge.data("IFLA_BR_STP_STATE"):
        found.append(f"port {name} of {conf.bridge} does not forward")
    for attribute, words, expected in (
        ("IFLA_BRPORT_MODE", "hairpin mode", conf.hairpin),
        ("IFLA_BRPORT_ISOLATED", "isolation", conf.is_isolated),
    ):
        if bool(link.port(attribute)) != expected:
            found.append(f"{words} of {name} is {'off' if expected else 'on'}, expected {'on' if expected else 'off'}")
    if conf.is_filtering:
        found += vlan.differences(host, conf, link)
    return found


def _bridge_mtu(host: Socket, bridge: Link, pod_link: Link, mtu: int, request: Request) -> list[str]:
    """Above the pods' it loses what does not fit them; below it holds them back, unless a port is as narrow."""
    if mtu and bridge.mtu > mtu:
        return [f"bridge {bridge.name} has MTU {bridge.mtu}, higher than its pods' {mtu}"]
    narrow = bridge.mtu < pod_link.mtu
    if narrow and all(port.mtu > bridge.mtu for port in links.ports(host, bridge.index)):
        return [f"bridge {bridge.name} has MTU {bridge.mtu}, lower than {request.ifname}'s {pod_link.mtu}"]
    return []


def _addresses(inner: Socket, link: Link, expected: list[IPConfig], request: Request) -> list[str]:
    has = {ip: int(prefix) for ip, _, prefix in (text.partition("/") for text in addresses.of(inner, link.index))}
    found = []
    for ip in expected:
        prefix = int(ip.address.partition("/")[2])
        if ip.ip not in has:
            found.append(f"address {ip.address} is missing on {request.ifname}")
        elif has[ip.ip] != prefix:
            found.append(f"address {ip.ip} on {request.ifname} has prefix /{has[ip.ip]}, expected /{prefix}")
    return found


def _routes(inner: Socket, link: Link, ips: list[IPConfig], expected: list[Route], request: Request) -> list[str]:
    has = routes.every(inner)
    wide = (ip.address for ip in ips if not address.is_single(ip.address))
    connected = [Route(address.subnet(text), scope=routes.RT_SCOPE_LINK) for text in wide]
    found = []
    for route in [*connected, *routes.resolve(expected, ips)]:
        if not any(_is_same(route, kernel, link.index) for kernel in has):
            via = f" via {route.gw}" if route.gw else ""
            table = f" in table {route.table}" if route.table else ""
            found.append(f"route {address.subnet(route.dst)}{via}{table} of {request.ifname} is missing")
    return found


def _is_same(route: Route, kernel: routes.KernelRoute, index: int) -> bool:
    if kernel.dst != address.subnet(route.dst) or kernel.table != (route.table or routes.RT_TABLE_MAIN):
        return False
    if route.priority and route.priority != kernel.priority:
        return False
    if (route.mtu and route.mtu != kernel.mtu) or (route.advmss and route.advmss != kernel.advmss):
        return False
    return any(gateway == route.gw if route.gw else oif == index for oif, gateway in kernel.gateways)


def _gateway(host: Socket, bridge: Link, conf: VethConf, ips: list[IPConfig]) -> list[str]:
    carrier = links.find(host, conf.vlan_gateway) if conf.vlan_gateway else bridge
    if carrier is None:
        return [f"link {conf.vlan_gateway}, which carries the gateway, is missing"]
    has = addresses.of(host, carrier.index)
    found = []
    for ip in ips:
        gateway = f"{ip.gateway}/{ip.address.partition('/')[2]}"
        if ip.gateway and gateway not in has:
            found.append(f"gateway address {gateway} is missing on {carrier.name}")
    for family in sorted({ip.family for ip in ips if ip.gateway}):
        names = [sysctl.forward(family)] + ([f"ipv4/conf/{carrier.name}/forwarding"] if family == 4 else [])
        off = next((name for name in names if sysctl.read(name) != "1"), None)
        if off is not None:
            found.append(f"IPv{family} forwarding is off (net.{off.replace('/', '.')})")
    return found


def _host_interface(result: Result, link: Link) -> Interface | None:
    return next((item for item in result.interfaces if item.name == link.name and not item.sandbox), None)


def _own_interface(result: Result, request: Request) -> Interface | None:
    """Ours among those of the chain: the name in this sandbox."""
    named = [item for item in result.interfaces if item.name == request.ifname and item.sandbox]
    return next((item for item in named if item.sandbox == request.netns), named[0] if named else None)
