"""A comparable picture of a network namespace: two are equal exactly when nothing was changed meanwhile.

What the kernel alters by itself with time is left out: timers, carrier, link-local
addresses and the local table's routes, which follow the addresses.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.world.namespace import Namespace

_FLAGS = {"UP", "PROMISC", "ALLMULTI", "NOARP"}  # of netdevice(7); the rest follow the carrier
_VOLATILE = {"operstate", "link_netnsid", "state", "config_pending", "topology_change", "topology_change_ack"}
_SYSCTLS = ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding")


def snapshot(namespace: Namespace) -> dict[str, Any]:
    """links, addresses, routes, rules, nft and sysctls of a namespace."""
    return {
        "links": {name: _lasting(link) for name, link in namespace.links().items()},
        "addresses": _addresses(namespace),
        "routes": [_lasting(route) for route in namespace.routes("all") if _is_chosen(route)],
        "rules": namespace.ip("-4", "rule") + namespace.ip("-6", "rule"),
        "nft": namespace.run(["nft", "-s", "list", "ruleset"]).stdout,
        "sysctls": {name: namespace.sysctl(name) for name in _SYSCTLS},
    }


def _lasting(value: Any) -> Any:
    if isinstance(value, list):
        return [_lasting(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {key: _lasting(item) for key, item in value.items() if key not in _VOLATILE and not key.endswith("_timer")}
    if "flags" in kept:
        kept["flags"] = sorted(_FLAGS & set(kept["flags"]))
    return kept


def _addresses(namespace: Namespace) -> dict[str, list[str]]:
    return {
        link["ifname"]: [
            f"{address['local']}/{address['prefixlen']} {address['scope']}"
            for address in link["addr_info"]
            if not ipaddress.ip_address(address["local"]).is_link_local
        ]
        for link in namespace.ip("addr", "show")
    }


def _is_chosen(route: dict[str, Any]) -> bool:
    return route.get("table") != "local" and route["dst"] not in ("fe80::/64", "ff00::/8")
