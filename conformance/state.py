"""What a case expects of links in a pod or on the node, against the kernel."""

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any

from conformance import documents
from conformance.kernel import Picture

Complaint = tuple[str, str]
"""(expected, actual)"""


def complaints(wanted: Mapping[str, Any], link: str, place: str, picture: Picture, result: Any) -> Iterator[Complaint]:
    """What is not so. `place`: "pod 1", "node"; `result`: of the attachment's ADD, None where there is none."""
    found = picture.links.get(link)
    what = f"{link} in {place}" if place != "node" else f"{link} on the node"
    asked = wanted.get("is", "present")
    if found is None or asked == "absent":
        if (found is None) != (asked == "absent"):
            yield f"{what} is {asked}", "absent" if found is None else "present"
        return
    if asked != "present" and found["is"] != asked:
        yield f"{what} is {asked}", str(found["is"])
    if "addresses" in wanted:
        yield from _addresses(wanted["addresses"], link, what, picture, result)
    if "routes" in wanted:
        yield from _routes(wanted["routes"], link, what, picture, result)
    if "mac" in wanted:
        mac = _mac(link, place, result) if wanted["mac"] == "as result" else wanted["mac"]
        if mac is not None and str(mac).lower() != str(found["mac"]).lower():
            yield f"{what} has the MAC {mac or 'that the result should tell'}", str(found["mac"])
    if "mtu" in wanted and found["mtu"] != wanted["mtu"]:
        yield f"{what} has MTU {wanted['mtu']}", str(found["mtu"])


def addresses_of(result: Any, link: str, in_pod: bool = True) -> list[str]:
    """The addresses that a result tells of a link."""
    interfaces = result.get("interfaces") or []
    found = []
    for ip in documents.addresses(result):
        index = ip.get("interface")
        if isinstance(index, int) and 0 <= index < len(interfaces):
            one = interfaces[index]
            if one.get("name") != link or bool(one.get("sandbox")) != in_pod:
                continue
        found.append(_normal(ip.get("address")))
    return sorted(found)


def _addresses(wanted: Any, link: str, what: str, picture: Picture, result: Any) -> Iterator[Complaint]:
    if wanted == "as result":
        if not isinstance(result, dict):
            yield f"a result that tells the addresses of {what}", "none"
            return
        wanted = addresses_of(result, link, in_pod="node" not in what)
    expected, actual = sorted(map(_normal, wanted)), sorted(map(_normal, picture.addresses[link]))
    if expected != actual:
        yield f"{what} has the addresses {expected}", str(actual)


def _routes(wanted: Any, link: str, what: str, picture: Picture, result: Any) -> Iterator[Complaint]:
    if wanted == "as result":
        if not isinstance(result, dict):
            yield f"a result that tells the routes of {what}", "none"
            return
        wanted = documents.routes(result)
    present = [(_normal(route["dst"]), route["gw"]) for route in picture.routes if route["dev"] == link]
    for route in wanted:
        dst, gateway = (route, None) if isinstance(route, str) else (route.get("dst"), route.get("gw"))
        if not any(_normal(dst) == has and (gateway is None or _same_ip(gateway, gw)) for has, gw in present):
            yield f"{what} has a route to {dst}" + (f" via {gateway}" if gateway else ""), str(present)


def _mac(link: str, place: str, result: Any) -> str | None:
    """None where a result of that version does not tell MACs."""
    if isinstance(result, dict) and ("ip4" in result or "ip6" in result):
        return None
    interfaces = (result.get("interfaces") or []) if isinstance(result, dict) else []
    for one in interfaces:
        if one.get("name") == link and bool(one.get("sandbox")) == (place != "node"):
            return str(one.get("mac", ""))
    return ""


def _normal(text: Any) -> str:
    try:
        return str(ipaddress.ip_interface(text))
    except ValueError:
        return str(text)


def _same_ip(one: Any, other: Any) -> bool:
    return other is not None and _normal(one) == _normal(other)
