"""`cni-veth status FILE...`: STATUS of our plugins in network configurations, for people and for a node's readiness."""

from __future__ import annotations

import json
import os
import sys

from cni import document
from cni.errors import CNIError
from cni.request import Request
from cni.versions import NEWEST
from cni_veth import dropin, plugin

USAGE = "usage: cni-veth status FILE..."
HELP = f"""{USAGE}

Says whether a pod could be attached now to each network (.conf, .conflist), as a runtime asks by STATUS: "FILE: ready"
or why not. Plugins of other types than cni-veth are not asked, but for bridge where it is ours (DROPIN=1); plugins are
sought in CNI_PATH, or in /opt/cni/bin.

Exit code: 0 ready, 1 not ready, 2 wrong usage or a file that cannot be read.
"""
OWN_TYPE = "cni-veth"


def main(argv: list[str]) -> int:
    """The exit code. Answers go to stdout, what hinders the work to stderr."""
    if "--help" in argv or "-h" in argv:
        print(HELP, end="")
        return 0
    if not argv or any(argument.startswith("-") for argument in argv):
        print(USAGE, file=sys.stderr)
        return 2
    return max(_answer(path) for path in argv)


def _answer(path: str) -> int:
    try:
        with open(path, "rb") as file:
            data = file.read(document.LIMIT + 1)
    except OSError as error:
        print(f"{path}: cannot be read: {os.strerror(error.errno or 0)}", file=sys.stderr)
        return 2
    try:
        asked = _ask(document.decode(data, path))
    except CNIError as error:
        print(f"{path}: {error.msg}" + (f"; {error.details}" if error.details else ""))
        return 1
    print(f"{path}: ready" if asked else f"{path}: no plugin of type {OWN_TYPE}")
    return 0 if asked else 1


def _ask(network: dict[str, object]) -> int:
    """How many plugins of ours are ready. Raises CNIError of the first that is not."""
    plugins = network.get("plugins", [network])
    listed = plugins if isinstance(plugins, list) else []
    environ = {"CNI_PATH": dropin.DIRECTORY, **os.environ, "CNI_COMMAND": "STATUS"}
    path = dropin.path(environ)
    own = [item for item in listed if isinstance(item, dict) and dropin.resolved(item.get("type"), path) == OWN_TYPE]
    for item in own:
        # In the newest version, which alone knows STATUS, whatever the file's.
        conf = {**item, "name": network.get("name"), "cniVersion": NEWEST}
        request = Request("STATUS", environ, json.dumps(conf).encode(), conf)
        request.validate()
        plugin.status(request)
    return len(own)
