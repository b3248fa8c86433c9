"""Results: inside, all are as in version 1.1.0."""

import ipaddress

from request import VERSIONS, Json


def family(prefix: str) -> int:
    return ipaddress.ip_interface(prefix).version


def parsed(result: Json) -> Json:
    """A result of any version; ValueError if an address in it is none."""
    families = [result[key] for key in ("ip4", "ip6") if result.get(key)]
    ips = [{"address": old["ip"], "gateway": old.get("gateway")} for old in families] + (result.get("ips") or [])
    routes = [route for old in families for route in old.get("routes") or []] + (result.get("routes") or [])
    for address in [ip["address"] for ip in ips] + [route["dst"] for route in routes]:
        ipaddress.ip_interface(address)
    for gateway in [ip.get("gateway") for ip in ips] + [route.get("gw") for route in routes]:
        ipaddress.ip_address(gateway or "::")
    return {
        "interfaces": list(result.get("interfaces") or []),
        "ips": [{key: value for key, value in ip.items() if value is not None and key != "version"} for ip in ips],
        "routes": routes,
        "dns": result.get("dns") or {},
    }


def shaped(result: Json, version: str) -> Json:
    """The result as its version has it."""
    age = VERSIONS.index(version)
    if age < VERSIONS.index("1.1.0"):
        for interface in result["interfaces"]:
            interface.pop("mtu", None)
        result["routes"] = [{key: route[key] for key in ("dst", "gw") if key in route} for route in result["routes"]]
    if age < VERSIONS.index("1.0.0"):
        result["ips"] = [{"version": str(family(ip["address"])), **ip} for ip in result["ips"]]
    if age < VERSIONS.index("0.3.0"):
        result = {**{f"ip{n}": section for n in (6, 4) if (section := old_section(result, n))}, "dns": result["dns"]}
    return {"cniVersion": version, **{key: value for key, value in result.items() if value or key == "dns"}}


def old_section(result: Json, version: int) -> Json:
    routes = [route for route in result["routes"] if family(route["dst"]) == version]
    for ip in result["ips"]:
        if family(ip["address"]) == version:
            return {"ip": ip["address"], **({"gateway": ip["gateway"]} if "gateway" in ip else {}), "routes": routes}
    return {}
