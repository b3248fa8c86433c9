"""The kernel's part: a bridge, and for each attachment a veth pair whose host end is named after it."""

import ipaddress
import json
import os
import re
import subprocess
from collections.abc import Iterator
from typing import Any

from addresses import held
from request import Failure, Json, bridge_of, is_built_in, me, mtu_of
from results import family, parsed

PATH = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
FORWARDING = {4: "/proc/sys/net/ipv4/ip_forward", 6: "/proc/sys/net/ipv6/conf/all/forwarding"}
ROUTE_EXTRAS = {"mtu": "mtu", "advmss": "advmss", "priority": "metric", "table": "table", "scope": "scope"}


def pod_namespace() -> int:
    """A descriptor of CNI_NETNS that the programs started from here inherit."""
    path = os.environ["CNI_NETNS"]
    try:
        netns = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        raise Failure(4, "CNI_NETNS cannot be opened", str(error)) from None
    here, there = os.stat("/proc/self/ns/net"), os.fstat(netns)
    if there.st_dev != here.st_dev or there.st_ino == here.st_ino:
        raise Failure(4, "CNI_NETNS is no network namespace of a container", path)
    os.set_inheritable(netns, True)
    return netns


def host_link(conf: Json, holder: str) -> str:
    """v and the attachment's FNV-1a hash."""
    number = 0xCBF29CE484222325
    for byte in f"{conf['name']}\r\n{holder}".encode():
        number = (number ^ byte) * 0x100000001B3 % 2**64
    return f"v{number:016x}"[:15]


def exists(link: str) -> bool:
    return os.path.exists(f"/proc/sys/net/ipv4/conf/{link}")


def ip(lines: list[str], netns: int | None = None) -> list[Any]:
    """What each showing line of the batch prints."""
    enter = [] if netns is None else ["nsenter", f"--net=/proc/self/fd/{netns}"]
    done = subprocess.run(
        [*enter, "ip", "-json", "-details", "-batch", "-"],
        input="\n".join(lines).encode(),
        capture_output=True,
        close_fds=False,
        env=PATH,
    )
    if done.returncode != 0:
        raise Failure(100, "the kernel refused", done.stderr.decode(errors="replace").strip())
    return [json.loads(line) for line in done.stdout.splitlines()]


def remove(link: str) -> None:
    try:
        if exists(link):
            ip([f"link del dev {link}"])
    except Failure:
        if exists(link):
            raise


def connect(conf: Json, given: Json, netns: int) -> Json:
    """The attachment as a result, after the one of the plugins before."""
    bridge, link, mtu, ifname = bridge_of(conf), host_link(conf, me()), mtu_of(conf), os.environ["CNI_IFNAME"]
    mac, host_mac = conf.get("runtimeConfig", {}).get("mac") or new_mac(), new_mac()
    if re.fullmatch("([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}", mac) is None:
        raise Failure(7, "runtimeConfig.mac is no hardware address", mac)
    try:
        if not exists(bridge):
            ip([f"link add name {bridge} address {new_mac()} type bridge"])
    except Failure:
        if not exists(bridge):
            raise
    result = parsed(conf.get("prevResult") or {})
    before = [interface["name"] for interface in result["interfaces"] if not interface.get("sandbox")]
    peer = f"name {ifname} mtu {mtu} address {mac} netns /proc/self/fd/{netns}"
    shown = ip(
        [
            f"link set dev {bridge} up",
            *(f"addr replace {address} dev {bridge} nodad" for address in gateways(given)),
            f"link add name {link} mtu {mtu} address {host_mac} type veth peer {peer}",
            *(f"link set dev {name} master {bridge} up" for name in [link, *before] if exists(name) or name == link),
            f"link show dev {bridge}",
        ]
    )
    for address in given["ips"]:
        with open(FORWARDING[family(address["address"])], "w") as file:
            file.write("1")
    ip(
        [
            *(f"addr add {address['address']} dev {ifname} nodad" for address in given["ips"]),
            f"link set dev {ifname} up",
            *(f"route append {route_words(route, given)} dev {ifname}" for route in given["routes"]),
        ],
        netns,
    )
    pod_end = len(result["interfaces"]) + 2
    result["interfaces"] += [
        {"name": bridge, "mac": shown[0][0]["address"]},
        {"name": link, "mac": host_mac, "mtu": mtu},
        {"name": ifname, "mac": mac.lower(), "mtu": mtu, "sandbox": os.environ["CNI_NETNS"]},
    ]
    result["ips"] += [{**address, "interface": pod_end} for address in given["ips"]]
    result["routes"] += given["routes"]
    result["dns"] = conf.get("dns") or given["dns"] or result["dns"]
    return result


def new_mac() -> str:
    return "02:" + os.urandom(5).hex(":")


def gateways(given: Json) -> list[str]:
    return [f"{ip['gateway']}/{ip['address'].partition('/')[2]}" for ip in given["ips"] if ip.get("gateway")]


def route_words(route: Json, given: Json) -> str:
    same = [ip["gateway"] for ip in given["ips"] if ip.get("gateway") and family(ip["address"]) == family(route["dst"])]
    via = [f"via {gateway}" for gateway in [route.get("gw"), *same] if gateway]
    extras = [f"{word} {int(route[key])}" for key, word in ROUTE_EXTRAS.items() if route.get(key) is not None]
    return " ".join([route["dst"], *via[:1], *extras])


def faults(conf: Json, expected: Json, netns: int) -> Iterator[str]:
    """What of the attachment is not as prevResult and configuration say."""
    ifname, bridge, link = os.environ["CNI_IFNAME"], bridge_of(conf), host_link(conf, me())
    ours = [
        (number, interface)
        for number, interface in enumerate(expected["interfaces"])
        if interface["name"] == ifname and interface.get("sandbox") == os.environ["CNI_NETNS"]
    ]
    if not ours:
        raise Failure(7, "prevResult does not list the interface", ifname)
    number, interface = ours[0]
    addresses = [address for address in expected["ips"] if address.get("interface") == number]
    routes = [f"{route['dst']} via {route['gw']}" if route.get("gw") else route["dst"] for route in expected["routes"]]
    inside, *matches = ip(["addr show", *(f"route show table all exact {route}" for route in routes)], netns)
    node, pod = by_name(ip(["addr show"])[0]), by_name(inside)
    eth, port, switch = pod.get(ifname), node.get(link), node.get(bridge)
    if eth is None:
        yield f"{ifname} is missing"
    else:
        if not {"UP", "LOWER_UP"} <= set(eth["flags"]):
            yield f"{ifname} is down"
        if interface.get("mac", eth["address"]).lower() != eth["address"]:
            yield f"{ifname} has the address {eth['address']}"
        if eth["mtu"] != interface.get("mtu", mtu_of(conf)):
            yield f"{ifname} has the MTU {eth['mtu']}"
        yield from (f"{ip['address']} is missing" for ip in addresses if not has(eth, ip["address"]))
    yield from (f"no route to {route}" for route, match in zip(routes, matches, strict=True) if not match)
    if switch is None or "UP" not in switch["flags"]:
        yield f"{bridge} is missing or down"
    else:
        yield from (f"{bridge} lacks {gateway}" for gateway in gateways({"ips": addresses}) if not has(switch, gateway))
    if port is None or "UP" not in port["flags"]:
        yield f"{link} is missing or down"
    elif port.get("master") != bridge:
        yield f"{link} is no port of {bridge}"
    for version in {family(address["address"]) for address in addresses}:
        with open(FORWARDING[version]) as file:
            if file.read().strip() == "0":
                yield f"IPv{version} is not forwarded"
    if is_built_in(conf):
        mine = held(conf)
        yield from (f"{ip['address']} is not reserved" for ip in addresses if ip["address"].split("/")[0] not in mine)


def by_name(links: list[Json]) -> Json:
    return {link["ifname"]: link for link in links}


def has(link: Json, prefix: str) -> bool:
    wanted = ipaddress.ip_interface(prefix)
    return any(wanted == ipaddress.ip_interface(f"{ip['local']}/{ip['prefixlen']}") for ip in link["addr_info"])
