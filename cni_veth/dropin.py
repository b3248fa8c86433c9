"""The reference's names in a node's plugin directory: whether they are ours there (`make install DROPIN=1`)."""

from __future__ import annotations

import os

from cni import delegate
from cni.errors import CNIError

NAMES = {"bridge": "cni-veth", "host-local": "cni-ipam"}
DIRECTORY = "/opt/cni/bin"


def path(environ: dict[str, str]) -> list[str]:
    """Where the runtime seeks plugins."""
    return [part for part in environ.get("CNI_PATH", DIRECTORY).split(":") if part]


def resolved(plugin_type: object, directories: list[str]) -> object:
    """Our own name where that type is ours by another; else the type as it is.

    Ours is what is the same file as our plugin beside it: all are links to one launcher.
    """
    if not isinstance(plugin_type, str) or plugin_type not in NAMES:
        return plugin_type
    own = NAMES[plugin_type]
    try:
        found = delegate.find(plugin_type, directories)
        return own if os.path.samefile(found, os.path.join(os.path.dirname(found), own)) else plugin_type
    except (CNIError, OSError):
        return plugin_type


def renamed(plugin: dict[str, object], directories: list[str]) -> dict[str, object]:
    """A plugin's configuration with our own names as types, its IPAM's too."""
    found = {**plugin, "type": resolved(plugin["type"], directories)} if "type" in plugin else plugin
    ipam = plugin.get("ipam")
    if isinstance(ipam, dict) and "type" in ipam:
        found = {**found, "ipam": {**ipam, "type": resolved(ipam["type"], directories)}}
    return found
