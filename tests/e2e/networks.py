"""Conflists as a cluster has them: all in one entry of ours, or ours first and the reference's plugins chained."""

from __future__ import annotations

import json
from typing import Any

from tests.e2e.machine import Machine

SUBNETS = ("10.22.0.0/16", "fd00:22::/64")
GATEWAYS = ("10.22.0.1", "fd00:22::1")
NAME = "cni-veth"

_CAPABILITIES = {"portMappings": True, "bandwidth": True}
# 1.0.0, because Debian's containerd and podman refuse a result of 1.1.0.
_VERSIONS = {"cniVersion": "1.0.0", "cniVersions": ["0.4.0", "1.0.0", "1.1.0"]}


def entry(**keys: Any) -> dict[str, Any]:
    """Our plugin's."""
    ipam = {"type": "cni-ipam", "ranges": [[{"subnet": subnet}] for subnet in SUBNETS]}
    own = {"type": "cni-veth", "bridge": "cni0", "isDefaultGateway": True, "hairpinMode": True, "ipam": ipam}
    return {**own, "capabilities": {"ips": True, "mac": True}, **keys}


def whole() -> list[dict[str, Any]]:
    """Masquerade, host ports, bandwidth and the guard by ours alone."""
    return [entry(ipMasq=True, spoofGuard=True, capabilities={"ips": True, "mac": True, **_CAPABILITIES})]


def chained() -> list[dict[str, Any]]:
    """The reference's plugins behind ours."""
    return [
        entry(),
        {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True},
        {"type": "bandwidth", "capabilities": {"bandwidth": True}},
        {"type": "firewall", "backend": "iptables"},
    ]


def write(machine: Machine, *plugins: dict[str, Any]) -> None:
    """Make them the machine's network, as an administrator does: at once, not by and by."""
    directory = machine.path("/etc/cni/net.d")
    (directory / "new").write_text(json.dumps({**_VERSIONS, "name": NAME, "plugins": plugins}, indent=2))
    (directory / "new").rename(directory / "10-cni-veth.conflist")
