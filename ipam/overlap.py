"""Who else uses the addresses of a network: others of the same dataDir, and the node by its routes."""

from __future__ import annotations

import os

from ipam.ranges import BITS, IP, Range, ip_text, parse_ip, range_of

ROUTES = {4: "/proc/thread-self/net/route", 6: "/proc/thread-self/net/ipv6_route"}
RTF_UP, RTF_GATEWAY = 0x1, 0x2


def find(data_dir: str, network: str, sets: list[list[Range]]) -> list[str]:
    """What else uses addresses of the sets: networks of the same dataDir, and routes of the node. A sentence each."""
    ranges = [one for ranges in sets for one in ranges]
    found = []
    for name in _directories(data_dir):
        ip = _first_within(os.path.join(data_dir, name), ranges) if name != network else None
        one = range_of(ranges, ip) if ip is not None else None
        if ip is not None and one is not None:
            found.append(f"network {name} of {data_dir} has a lease of {ip_text(ip)}, in {one.path} {one}")
    for one in ranges:
        found += [f"the node's route {route} meets {one.path} {one}" for route in _routes_across(one)]
    return found


def _directories(path: str) -> list[str]:
    try:
        with os.scandir(path) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir())
    except OSError:
        return []


def _first_within(path: str, ranges: list[Range]) -> IP | None:
    """A lease in one of the ranges, by the names of the files alone."""
    try:
        names = os.listdir(path)
    except OSError:
        return None
    for name in names:
        if name[0] in "0123456789abcdef":
            try:
                ip = parse_ip(name)
            except ValueError:
                continue
            if range_of(ranges, ip):
                return ip
    return None


def _routes_across(one: Range) -> list[str]:
    """Routes that lead addresses of the range elsewhere than to a network of exactly its subnet.

    That network's own route, one to a single host, and a wider one by way of a gateway, which ours is preferred to,
    are how it should be; a second link with the same network is not.
    """
    found, own = [], ""
    for network, prefix, link, is_direct in _routes(one.family):
        host_bits = BITS[one.family] - prefix
        if prefix == 0 or host_bits == 0 or link == "lo":
            continue
        if network > one.end or network + (1 << host_bits) <= one.start:
            continue
        text = f"{ip_text((one.family, network))}/{prefix} on {link}"
        if prefix == one.prefix and own in ("", link):
            own = link
        elif prefix >= one.prefix or is_direct:
            found.append(text)
    return found


def _routes(family: int) -> list[tuple[int, int, str, bool]]:
    """(network, prefix length, link, whether without a gateway) of the main tables, as proc(5) shows them."""
    try:
        with open(ROUTES[family], encoding="utf-8", errors="surrogateescape") as file:
            lines = [line.split() for line in file]
    except OSError:
        return []
    found = []
    if family == 4:
        for words in lines[1:]:  # Iface Destination Gateway Flags RefCnt Use Metric Mask; in the host's byte order
            if len(words) > 7 and int(words[3], 16) & RTF_UP:
                network, mask = (int.from_bytes(bytes.fromhex(words[at])[::-1], "big") for at in (1, 7))
                found.append((network, mask.bit_count(), words[0], not int(words[3], 16) & RTF_GATEWAY))
        return found
    for words in lines:  # destination, its length, source, its length, next hop, metric, refcnt, use, flags, link
        if len(words) > 9 and int(words[8], 16) & RTF_UP and not words[0].startswith(("fe80", "ff")):
            found.append((int(words[0], 16), int(words[1], 16), words[9], not int(words[8], 16) & RTF_GATEWAY))
    return found
