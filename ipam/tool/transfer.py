"""`export`, `import`: a network's leases as one JSON document, to move it between nodes or to keep it.

Facts do not travel: boot, namespace and link are a node's own, and on another one they would prove every lease dead.
"""

from __future__ import annotations

import sys

from cni.conf import Section
from cni.errors import AddressUnavailable, InvalidConfig, IOFailure
from cni.request import ifname_problem, is_identifier
from ipam.lease import RESERVED
from ipam.ranges import ip_text, parse_ip
from ipam.tool import page
from ipam.tool.changing import Consent
from ipam.tool.network import Network

FORMAT = "cni-ipam-leases"


def export(network: Network) -> int:
    """On stdout. Files without content are no leases."""
    leases = []
    for lease in network.leases():
        container, ifname = lease.owner
        if lease.content:
            leases.append({"ip": lease.name, "containerID": container, "ifname": ifname, "pod": lease.pod})
    page.document({"format": FORMAT, "version": 1, "network": network.name, "leases": leases})
    return 0


def named(path: str) -> tuple[str, dict[str, bytes]]:
    """The network's name and the leases, name -> content, of an exported document; "-" is stdin.

    Raises IOFailure (5), and InvalidConfig (7) naming what is wrong.
    """
    try:
        if path == "-":
            data = sys.stdin.buffer.read()
        else:
            with open(path, "rb") as file:
                data = file.read()
    except OSError as error:
        raise IOFailure(f"cannot read {path}: {error.strerror}") from None
    found = Section(_decode(data, path), path)
    if found.string("format") != FORMAT or found.integer("version") != 1:
        raise InvalidConfig(f"{path}: is not what `cni-ipam export` writes")
    leases: dict[str, bytes] = {}
    for item in found.sections("leases"):
        name, content = _lease(item)
        if name in leases:
            raise item.error("ip", f"{name} is there twice")
        leases[name] = content
    return found.required("network"), leases


def bring(network: Network, leases: dict[str, bytes], consent: Consent, is_json: bool) -> int:
    """All or none. 1 where the person says no. Raises AddressUnavailable (102) for IPs that others have."""
    text = f"{page.count(len(leases), 'lease')} into {network.path}"
    written: list[str] = []
    here: dict[str, bytes] = {}
    is_meant = consent.is_dry or consent.to(f"import {text}?")
    store = network.as_it_is() if consent.is_dry else network.make() if is_meant else None
    if store is not None:
        with store:
            here = {name: store.content(parse_ip(name)) for name in leases}
            strange = [name for name, content in here.items() if content not in (b"", leases[name])]
            if strange:
                owners = "\n".join(
                    f"{name}: {' '.join(here[name].decode('utf-8', 'replace').split())}" for name in strange
                )
                raise AddressUnavailable(f"others have {len(strange)} of the addresses; nothing was imported", owners)
            missing = [name for name, content in here.items() if not content]
            for name in missing if not consent.is_dry else []:
                if not store.write(parse_ip(name), leases[name]):
                    raise AddressUnavailable(
                        f"{name} of network {network.name} is taken", network.command("show", name)
                    )
                written.append(name)
    old = sum(content != b"" for content in here.values())
    if is_json:
        page.document({"network": network.name, "found": sorted(leases), "imported": written})
    else:
        done = f"would import {len(leases) - old} of" if consent.is_dry else f"imported {len(written)} of"
        page.say(f"{done} {text}" + (f"; {old} had been here already" if old else ""))
    return 0 if is_meant else 1


def _decode(data: bytes, path: str) -> dict[str, object]:
    """cni.document refuses what is longer than a configuration may be; this is a file of the operator's own."""
    import json

    try:
        found = json.loads(data)
    except ValueError as error:
        raise InvalidConfig(f"{path}: is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise InvalidConfig(f"{path}: is not a JSON object")
    return found


def _lease(item: Section) -> tuple[str, bytes]:
    try:
        name = ip_text(parse_ip(item.required("ip")))
    except ValueError as error:
        raise item.error("ip", str(error)) from None
    container, ifname = item.required("containerID"), item.string("ifname")
    content = (f"{container}\r\n{ifname}" if ifname else container).encode("utf-8", "surrogateescape")
    if not content.startswith(RESERVED):
        if not is_identifier(container):
            raise item.error("containerID", f"{container!r} is no container id")
        problem = ifname_problem(ifname) if ifname else None
        if problem:
            raise item.error("ifname", problem[0])
    return name, content
