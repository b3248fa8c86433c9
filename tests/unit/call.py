"""A call of cni-veth as a runtime makes it, up to the plugin: environment, stdin, Request."""

from __future__ import annotations

import json
from typing import Any

from cni.request import Request, check_environment
from cni.versions import SUPPORTED

VERSIONS = SUPPORTED


def environment(verb: str = "ADD", **variables: str | None) -> dict[str, str]:
    """The CNI_* variables as libcni sets them; `NETNS=None` leaves CNI_NETNS out."""
    usual = {"CONTAINERID": "c1", "NETNS": "/run/netns/pod", "IFNAME": "eth0", "PATH": "/opt/cni/bin", "ARGS": ""}
    chosen = {"COMMAND": verb, **usual, **variables}
    return {f"CNI_{name}": value for name, value in chosen.items() if value is not None}


def veth_request(verb: str = "ADD", variables: dict[str, str | None] | None = None, /, **conf: Any) -> Request:
    """A validated call with these keys beside name, type and version. What is None stands there as null."""
    network = {"cniVersion": "1.1.0", "name": "net1", "type": "cni-veth"} | conf
    environ = environment(verb, **(variables or {}))
    check_environment(environ)
    request = Request.read(environ, json.dumps(network).encode())
    request.validate()
    return request
