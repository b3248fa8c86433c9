"""Results that the suite itself prints or passes on, in the form of each version of the specification."""

from collections.abc import Sequence
from typing import Any

from conformance.data import in_range

Address = dict[str, Any]
"""address with prefix length, and optionally gateway and interface."""


def result(
    version: str,
    ips: Sequence[Address],
    routes: Sequence[dict[str, Any]] = (),
    dns: dict[str, Any] | None = None,
    interfaces: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    """What an ADD of that version prints."""
    if in_range(version, "<0.3.0"):
        return {"cniVersion": version, **_families(ips, routes), "dns": dns or {}}
    document: dict[str, Any] = {"cniVersion": version}
    if interfaces:
        document["interfaces"] = list(interfaces)
    has_family = in_range(version, "<1.0.0")
    if ips:
        document["ips"] = [{**({"version": _family(ip["address"])} if has_family else {}), **ip} for ip in ips]
    if routes:
        document["routes"] = list(routes)
    if dns or has_family:
        document["dns"] = dns or {}
    return document


def addresses(document: dict[str, Any]) -> list[Address]:
    """The ips of a result of any version: address, and gateway and interface where given."""
    if "ips" in document:
        return [ip for ip in document["ips"] if isinstance(ip, dict)]
    old = [document.get(family) for family in ("ip4", "ip6")]
    return [{"address": one.get("ip"), "gateway": one.get("gateway")} for one in old if isinstance(one, dict)]


def routes(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The routes of a result of any version."""
    old = [document.get(family) for family in ("ip4", "ip6")]
    found = list(document.get("routes") or [])
    for one in old:
        found += (one.get("routes") or []) if isinstance(one, dict) else []
    return [route for route in found if isinstance(route, dict)]


def _families(ips: Sequence[Address], routes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for ip in ips:
        family = f"ip{_family(ip['address'])}"
        own = [route for route in routes if f"ip{_family(route['dst'])}" == family]
        gateway = {"gateway": ip["gateway"]} if "gateway" in ip else {}
        found.setdefault(family, {"ip": ip["address"], **gateway, **({"routes": own} if own else {})})
    return found


def _family(address: str) -> str:
    return "6" if ":" in address else "4"
