"""Hypothesis strategies: results as JSON documents, in the shape of each version, made without cni.result."""

from __future__ import annotations

import ipaddress
from typing import Any

from hypothesis import strategies as st

from tests.unit.call import VERSIONS

Document = dict[str, Any]
Results = st.SearchStrategy[Document]

uint32 = st.integers(0, 2**32 - 1)
positive = st.integers(1, 2**32 - 1)
words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8)
macs = st.binary(min_size=6, max_size=6).map(lambda octets: octets.hex(":"))
ipv4 = st.integers(0, 2**32 - 1).map(lambda number: str(ipaddress.IPv4Address(number)))
# From 2^48: below lie the IPv4-mapped and IPv4-compatible ones, whose text is a matter of taste.
ipv6 = st.integers(2**48, 2**128 - 1).map(lambda number: str(ipaddress.IPv6Address(number)))


def ips(family: int) -> st.SearchStrategy[str]:
    return ipv4 if family == 4 else ipv6


def addresses(family: int) -> st.SearchStrategy[str]:
    return st.builds("{}/{}".format, ips(family), st.integers(0, 32 if family == 4 else 128))


families = st.sampled_from([4, 6])
any_address = families.flatmap(addresses)


def objects(required: dict[str, st.SearchStrategy[Any]], **optional: st.SearchStrategy[Any]) -> Results:
    return st.fixed_dictionaries(required, optional=optional)


def some(items: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """A list that is printed: an empty one never is."""
    return st.lists(items, min_size=1, max_size=4)


dns = objects({}, nameservers=some(words), domain=words, search=some(words), options=some(words))


def routes(family: int) -> Results:
    extras = {"mtu": positive, "advmss": positive, "priority": positive, "table": uint32, "scope": st.integers(0, 255)}
    return objects({"dst": addresses(family)}, gw=ips(family), **extras)


def old_family(family: int) -> Results:
    route = objects({"dst": addresses(family)}, gw=ips(family))
    return objects({"ip": addresses(family)}, gateway=ips(family), routes=some(route))


def configs(has_version: bool) -> Results:
    def of(family: int) -> Results:
        required = {"address": addresses(family)} | ({"version": st.just(str(family))} if has_version else {})
        return objects(required, gateway=ips(family), interface=st.integers(0, 9))

    return families.flatmap(of)


def _shape(version: str) -> Results:
    number = {"cniVersion": st.just(version)}
    if version in VERSIONS[:2]:
        return objects(number | {"dns": dns}, ip4=old_family(4), ip6=old_family(6)).filter(
            lambda document: "ip4" in document or "ip6" in document
        )
    interface = {"mac": macs, "sandbox": words}
    several = {"ips": some(configs(version in VERSIONS[2:5])), "routes": some(families.flatmap(routes))}
    if version in VERSIONS[2:5]:
        return objects(number | {"dns": dns}, interfaces=some(objects({"name": words}, **interface)), **several)
    newer = {"mtu": positive, "socketPath": words, "pciID": words}
    interfaces = some(objects({"name": words}, **interface, **newer))
    return objects(number, interfaces=interfaces, dns=dns.filter(bool), **several)


RESULTS = {version: _shape(version) for version in VERSIONS}
"""version -> results as a plugin prints them."""
