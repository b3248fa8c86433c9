"""What the kernel knows of a network namespace, without what changes by itself: counters, times, carrier, neighbours,
indexes of links, link-local addresses and the routes that belong to them."""

import ipaddress
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pyroute2 import IPRoute

IFF_UP, IFF_PROMISC = 0x1, 0x100
_LOCAL_TABLE = 255
_CLONED = 0x200  # RTM_F_CLONED
SYSCTLS = {"ip_forward": "net/ipv4/ip_forward", "ipv6_forwarding": "net/ipv6/conf/all/forwarding"}

RULES = {"nft": ("nft",), "iptables": ("iptables-save", "ip6tables-save")}
"""What shows the rules of a rule set."""

Entry = tuple[str, str, str, str]
"""place ("node", "pod 1", "store"), kind (link, address, route, rule, sysctl, nft, iptables, file), owner (name of
the link, sysctl, chain or file), detail."""

Snapshot = dict[Entry, str]


@dataclass(frozen=True)
class Picture:
    """links by name; addresses with prefix length, without link-local ones, by link; routes of all tables but local."""

    links: dict[str, dict[str, Any]]
    addresses: dict[str, list[str]]
    routes: list[dict[str, Any]]
    rules: list[str]


def look() -> Picture:
    """Of the network namespace that this process is in."""
    with IPRoute() as ipr:
        found = {message["index"]: message for message in ipr.get_links()}
        names = {index: message.get_attr("IFLA_IFNAME") for index, message in found.items()}
        addresses: dict[str, list[str]] = {name: [] for name in names.values()}
        for message in ipr.get_addr():
            text = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
            if message["index"] in names and not ipaddress.ip_address(text).is_link_local:
                addresses[names[message["index"]]].append(f"{text}/{message['prefixlen']}")
        routes = [route for message in ipr.get_routes() for route in _routes(message, names)]
        rules = [_rule(message) for message in ipr.get_rules()]
    links = {names[index]: _link(message, names) for index, message in found.items()}
    return Picture(links, {name: sorted(texts) for name, texts in addresses.items()}, routes, sorted(rules))


def snapshot(place: str, rules: tuple[str, ...] = ()) -> Snapshot:
    """Of the network namespace that this process is in; `rules`: of "nft", "iptables"."""
    picture = look()
    entries: Snapshot = {}
    for name, link in picture.links.items():
        entries[place, "link", name, ""] = " ".join(
            f"{k} {v}" for k, v in link.items() if v is not None and k not in ("index", "peer")
        )
        for text in picture.addresses[name]:
            entries[place, "address", name, text] = ""
    for route in picture.routes:
        text = " ".join(f"{k} {v}" for k, v in route.items() if k not in ("dev", "dst") and v is not None)
        entries[place, "route", route["dev"] or "", f"{route['dst']} {text}"] = ""
    for text in picture.rules:
        entries[place, "rule", "", text] = ""
    for name, path in SYSCTLS.items():
        entries[place, "sysctl", name, ""] = sysctl(path)
    tables, chains = _iptables() if "iptables" in rules else (set[str](), dict[str, str]())
    entries.update({(place, "iptables", chain, ""): text for chain, text in chains.items()})
    if "nft" in rules:
        entries.update({(place, "nft", chain, ""): text for chain, text in _nft(tables).items()})
    return entries


def lacking(rules: Iterable[str]) -> list[str]:
    """The programs without which these rule sets cannot be seen."""
    return [program for name in rules for program in RULES[name] if shutil.which(program) is None]


def sysctl(path: str, value: str | None = None) -> str:
    """Read /proc/sys/<path>, after writing `value` if given; empty where the kernel has no such thing."""
    try:
        if value is not None:
            with open(f"/proc/sys/{path}", "w") as file:
                file.write(value)
        with open(f"/proc/sys/{path}") as file:
            return file.read().strip()
    except FileNotFoundError:
        return ""


def _link(message: Any, names: Mapping[int, str]) -> dict[str, Any]:
    info = message.get_attr("IFLA_LINKINFO")
    data = info and info.get_attr("IFLA_INFO_DATA")
    port = info and info.get_attr("IFLA_INFO_SLAVE_DATA")
    master = message.get_attr("IFLA_MASTER")
    is_elsewhere = message.get_attr("IFLA_LINK_NETNSID") is not None
    return {
        "kind": info.get_attr("IFLA_INFO_KIND") if info else None,
        "index": message["index"],
        "peer": None if is_elsewhere else names.get(message.get_attr("IFLA_LINK")),
        "is": "up" if message["flags"] & IFF_UP else "down",
        "promiscuous": True if message["flags"] & IFF_PROMISC else None,
        "mac": message.get_attr("IFLA_ADDRESS"),
        "mtu": message.get_attr("IFLA_MTU"),
        "master": names.get(master),
        "qdisc": message.get_attr("IFLA_QDISC"),
        "txqlen": message.get_attr("IFLA_TXQLEN"),
        "alias": message.get_attr("IFLA_IFALIAS"),
        "vlan_filtering": data and data.get_attr("IFLA_BR_VLAN_FILTERING"),
        "hairpin": port and port.get_attr("IFLA_BRPORT_MODE"),
        "isolated": port and port.get_attr("IFLA_BRPORT_ISOLATED"),
    }


def _routes(message: Any, names: Mapping[int, str]) -> Iterator[dict[str, Any]]:
    table = message.get_attr("RTA_TABLE") or message["table"]
    dst = message.get_attr("RTA_DST")
    is_own = dst and (dst.startswith("fe80:") or dst.startswith("ff00:"))
    if table == _LOCAL_TABLE or message["flags"] & _CLONED or is_own:
        return
    default = "::" if message["family"] == 10 else "0.0.0.0"
    hops = message.get_attr("RTA_MULTIPATH")
    common = {
        "dst": f"{dst or default}/{message['dst_len']}",
        "table": table,
        "type": None if message["type"] == 1 else message["type"],
        "scope": message["scope"],
        "priority": message.get_attr("RTA_PRIORITY"),
        "src": message.get_attr("RTA_PREFSRC"),
        "metrics": _metrics(message.get_attr("RTA_METRICS")),
    }
    for hop in hops or [message]:
        device = hop["oif"] if hops else message.get_attr("RTA_OIF")
        yield {**common, "gw": hop.get_attr("RTA_GATEWAY"), "dev": names.get(device)}


def _metrics(metrics: Any) -> str | None:
    if not metrics:
        return None
    return ",".join(f"{name.removeprefix('RTAX_').lower()}={value}" for name, value in metrics["attrs"])


def _rule(message: Any) -> str:
    words = [f"family {message['family']}", f"table {message.get_attr('FRA_TABLE') or message['table']}"]
    for name in ("PRIORITY", "SRC", "DST", "FWMARK", "IIFNAME", "OIFNAME"):
        if (value := message.get_attr(f"FRA_{name}")) is not None:
            words.append(f"{name.lower()} {value}")
    return " ".join(words)


def _nft(of_iptables: set[str]) -> dict[str, str]:
    """Text by family, table and chain or set; without the tables of iptables, whose rules nft does not tell in full."""
    objects: dict[str, str] = {}
    table = name = ""
    for line in _printed("nft", "-s", "list", "ruleset").splitlines():
        if line.startswith("#"):
            continue
        if line.startswith("table "):
            table = name = " ".join(line.split()[1:3])
        elif re.match(r"\t(chain|set|map|flowtable|counter|quota) ", line):
            name = f"{table} {line.split()[1]}"
        objects[name] = objects.get(name, "") + line.strip() + "\n"
        if line.startswith("\t}"):
            name = table
    return {name: text for name, text in objects.items() if " ".join(name.split()[:2]) not in of_iptables}


def _iptables() -> tuple[set[str], dict[str, str]]:
    """Its tables; rules by family, table and chain, without its own chains where they are empty."""
    tables: set[str] = set()
    chains: dict[str, str] = {}
    own: set[str] = set()
    for program in ("iptables-save", "ip6tables-save"):
        table = ""
        for line in _printed(program).splitlines():
            if line.startswith("*"):
                table = f"{program.removesuffix('tables-save')} {line[1:]}"
                tables.add(table)
            elif line.startswith(":"):
                name, policy = line[1:].split()[:2]
                chains[f"{table} {name}"] = "" if policy in ("-", "ACCEPT") else f"policy {policy}\n"
                own.update([f"{table} {name}"] if policy != "-" else [])
            elif line.startswith("-A "):
                chains[f"{table} {line.split()[1]}"] += line + "\n"
    return tables, {name: text for name, text in chains.items() if text or name not in own}


def _printed(*command: str) -> str:
    """Nothing where the program does not exist; RuntimeError where it fails."""
    if shutil.which(command[0]) is None:
        return ""
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}: {done.stderr.strip()[:300]}")
    return done.stdout
