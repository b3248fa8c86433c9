"""Calls of cni-ipam as `cni.skel` would make them, in this process."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from cni.request import Request, check_environment
from ipam import plugin

Conf = dict[str, Any]
TWO_SETS = [
    [{"subnet": "10.1.2.0/24"}, {"subnet": "10.2.2.0/24"}],
    [{"subnet": "2001:db8:1::/64"}],
]


def ipam_request(
    verb: str,
    ipam: dict[str, Any] | None = None,
    *,
    container_id: str = "c1",
    ifname: str = "eth0",
    netns: str = "/run/netns/pod",
    host_link: str = "",
    cni_args: str = "",
    version: str = "1.1.0",
    **conf: Any,
) -> Request:
    """`ipam` is the section of that name, `conf` adds keys beside it; None leaves the section out."""
    environ = {
        "CNI_COMMAND": verb,
        "CNI_CONTAINERID": container_id,
        "CNI_NETNS": netns,
        "CNI_IFNAME": ifname,
        "CNI_ARGS": cni_args,
        "CNI_VETH_RUN_DIR": run_dir(ipam),
    }
    document = {"cniVersion": version, "name": "net1", "type": "cni-veth"} | conf
    if ipam is not None:
        document["ipam"] = ipam
    check_environment(environ)
    request = Request.read(environ, json.dumps(document).encode())
    request.validate()
    request.host_link = host_link
    return request


def run_dir(ipam: object) -> str:
    """Beside `dataDir`; where there is none the index has no place either."""
    data_dir = ipam.get("dataDir") if isinstance(ipam, dict) else None
    return os.path.join(os.path.dirname(data_dir), "run") if isinstance(data_dir, str) else os.devnull


def single(ipam: Conf, **range_: str) -> Conf:
    return ipam | {"ranges": [[{"subnet": "10.1.2.0/24"} | range_]]}


def add(ipam: Conf, container_id: str = "c1", **call: Any) -> list[str]:
    result = plugin.add(ipam_request("ADD", ipam, container_id=container_id, **call), lambda result: None)
    return [config.address for config in result.ips]


def delete(ipam: Conf, container_id: str = "c1", **call: Any) -> None:
    plugin.delete(ipam_request("DEL", ipam, container_id=container_id, **call))


def check(ipam: Conf, container_id: str = "c1", **call: Any) -> None:
    plugin.check(ipam_request("CHECK", ipam, container_id=container_id, **call))


def gc(ipam: Conf, *valid: tuple[str, str], key: str = "cni.dev/valid-attachments") -> None:
    listed = [{"containerID": container_id, "ifname": ifname} for container_id, ifname in valid]
    plugin.gc(ipam_request("GC", ipam, **{key: listed}))


def status(ipam: Conf, **call: Any) -> None:
    plugin.status(ipam_request("STATUS", ipam, **call))


def leases(network: Path) -> dict[str, str]:
    """IP -> content, for what is named like an IP."""
    names = [name for name in os.listdir(network) if name[0].isdigit()]
    return {name: (network / name).read_bytes().decode() for name in sorted(names)}


def prev(*ips: str, **interface: str) -> Conf:
    """A prevResult with the IPs on the pod's interface, the second of two."""
    pod = {"name": "eth0", "sandbox": "/run/netns/pod"} | interface
    return {
        "cniVersion": "1.1.0",
        "interfaces": [{"name": "veth1"}, pod],
        "ips": [{"address": ip, "interface": 1} for ip in ips],
    }
