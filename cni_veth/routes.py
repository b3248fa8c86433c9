"""Routes of the pod in rtnetlink messages. Source: rtnetlink(7), linux/rtnetlink.h."""

from __future__ import annotations

import errno

from cni import address
from cni.result import IPConfig, Route
from cni_veth.netlink import NLM_F_CREATE, Answer, Message, Socket
from cni_veth.wire import ROUTE, Attrs, Body, Reply

RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
AF_INET, AF_INET6 = 2, 10
RT_TABLE_MAIN = 254
RTPROT_KERNEL, RTPROT_BOOT, RTN_UNICAST, RTN_LOCAL = 2, 3, 1, 2
RT_SCOPE_UNIVERSE, RT_SCOPE_LINK = 0, 253
RTM_F_FIB_MATCH = 0x2000
# Documentation addresses (RFC 5737, RFC 9637), not those that people take first: only a default route leads there.
ELSEWHERE = ("203.0.113.1", "3fff::1")


def resolve(routes: list[Route], ips: list[IPConfig]) -> list[Route]:
    """The routes with their gateways: a route without one uses the first of its family (reference: ConfigureIface),
    unless it asks for scope link."""
    found = []
    for route in routes:
        gw = route.gw
        if not gw and route.scope != RT_SCOPE_LINK:
            gw = next((ip.gateway for ip in ips if ip.family == route.family and ip.gateway), "")
        found.append(Route(route.dst, gw, route.mtu, route.advmss, route.priority, route.table, route.scope))
    return found


def add(index: int, routes: list[Route], name: str) -> list[Message]:
    """One message per destination; several gateways of one destination make one multipath route (ECMP)."""
    groups: dict[tuple[object, ...], list[Route]] = {}
    for route in routes:
        key = (route.dst, route.table, route.priority, route.scope, route.mtu, route.advmss)
        if not any(same.gw == route.gw for same in groups.setdefault(key, [])):
            groups[key].append(route)
    return [_add(index, group, name) for group in groups.values()]


def remove(index: int, routes: list[Route], name: str) -> list[Message]:
    """The undo of `add`; a missing one is no failure."""
    added = add(index, routes, name)
    return [Message(each.body, RTM_DELROUTE, 0, f"undo: {each.what}", (errno.ESRCH,)) for each in added]


def lookup(ip: str) -> Message:
    """Asks for the route that leads there. No answer, or any error: there is none."""
    family, bits = (AF_INET, 32) if address.family(ip) == 4 else (AF_INET6, 128)
    body = Body(ROUTE, [("RTA_DST", ip)], family=family, dst_len=bits, flags=RTM_F_FIB_MATCH)
    return Message(body, RTM_GETROUTE, 0, f"look up {ip}")


def default_links(socket: Socket) -> list[int]:
    """The indexes of the links that the default routes of both families use."""
    return used_by_defaults(socket.batch(*map(lookup, ELSEWHERE)))


def used_by_defaults(answers: list[Answer]) -> list[int]:
    """The same by the answers to a `lookup` of each ELSEWHERE."""
    replies = [reply for answer in answers for reply in answer.replies]
    return [index for reply in replies if reply["dst_len"] == 0 for index, _ in KernelRoute(reply).gateways if index]


def is_local(socket: Socket, ip: str, index: int = 0) -> bool:
    """Whether the node has this IP, on that link if one is named."""
    replies = socket.batch(lookup(ip))[0].replies
    return any(reply["type"] == RTN_LOCAL and index in (0, reply.get("RTA_OIF")) for reply in replies)


def is_subnet_of(reply: Reply, gateway: str, index: int) -> bool:
    """Whether this is the route to a subnet that comes with the node's IPv4 address in it, "10.1.0.1/24", and goes
    with it. (Who adds one by hand with "proto kernel" is believed.)"""
    packed, prefix = address.split(gateway)
    return (reply["proto"], reply["dst_len"], reply.get("RTA_OIF"), reply.get("RTA_PREFSRC"), reply.get("RTA_DST")) == (
        RTPROT_KERNEL,
        prefix,
        index,
        address.unpack(packed),
        address.unpack(address.network(packed, prefix)),
    )


class KernelRoute:
    """One route as the kernel has it; `gateways` are all nexthops' (link, gateway or "")."""

    __slots__ = ("advmss", "dst", "gateways", "mtu", "priority", "table")

    def __init__(self, message: Reply) -> None:
        family = message["family"]
        self.dst = f"{message.get('RTA_DST') or ('0.0.0.0' if family == AF_INET else '::')}/{message['dst_len']}"
        self.table = int(message.get("RTA_TABLE") or message["table"])
        self.priority = int(message.get("RTA_PRIORITY") or 0)
        metrics = message.get("RTA_METRICS")
        self.mtu = int(metrics.get("RTAX_MTU") or 0) if metrics else 0
        self.advmss = int(metrics.get("RTAX_ADVMSS") or 0) if metrics else 0
        hops = message.get("RTA_MULTIPATH") or []
        self.gateways = [(link, hop.get("RTA_GATEWAY") or "") for link, hop in hops]
        if not hops:
            self.gateways = [(message.get("RTA_OIF") or 0, message.get("RTA_GATEWAY") or "")]


def every(socket: Socket) -> list[KernelRoute]:
    """All unicast routes of the namespace, in every table."""
    found = []
    for family in (AF_INET, AF_INET6):
        body = Body(ROUTE, [], family=family)
        for reply in socket.dump(Message(body, RTM_GETROUTE, 0, "list routes")):
            if reply["type"] == RTN_UNICAST and reply["family"] == family:
                found.append(KernelRoute(reply))
    return found


def _add(index: int, group: list[Route], name: str) -> Message:
    route = group[0]
    packed, prefix = address.split(route.dst)
    table = route.table or RT_TABLE_MAIN
    no_gateway = RT_SCOPE_UNIVERSE if route.gw or route.family == 6 else RT_SCOPE_LINK
    attrs: Attrs = [("RTA_DST", address.unpack(address.network(packed, prefix)))] if prefix else []
    if len(group) == 1:
        attrs.append(("RTA_OIF", index))
        if route.gw:
            attrs.append(("RTA_GATEWAY", route.gw))
    else:
        hops = [{"oif": index, "hops": 0, "attrs": [("RTA_GATEWAY", hop.gw)] if hop.gw else []} for hop in group]
        attrs.append(("RTA_MULTIPATH", hops))
    if route.table:
        attrs.append(("RTA_TABLE", route.table))
    if route.priority:
        attrs.append(("RTA_PRIORITY", route.priority))
    metrics = [(key, value) for key, value in (("RTAX_MTU", route.mtu), ("RTAX_ADVMSS", route.advmss)) if value]
    if metrics:
        attrs.append(("RTA_METRICS", {"attrs": metrics}))
    body = Body(
        ROUTE,
        attrs,
        family=AF_INET if route.family == 4 else AF_INET6,
        dst_len=prefix,
        table=table if table < 256 else 0,
        proto=RTPROT_BOOT,
        scope=no_gateway if route.scope is None else route.scope,
        type=RTN_UNICAST,
    )
    via = " and ".join(hop.gw for hop in group if hop.gw)
    what = f"add route {route.dst}{' via ' + via if via else ''} to {name}"
    # Not NLM_F_EXCL: another network of the pod may lead there too, and the newest comes first (reference: the same).
    return Message(body, RTM_NEWROUTE, NLM_F_CREATE, what, (errno.EEXIST,))
