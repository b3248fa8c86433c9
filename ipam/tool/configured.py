"""What the node's configuration says of a network: its range sets."""

from __future__ import annotations

import os

from cni import document
from cni.conf import Section
from cni.errors import CNIError, InvalidConfig
from ipam.ranges import Range
from ipam.sets import read_sets

ENDINGS = (".conf", ".conflist", ".json")  # libcni's
TYPES = ("cni-ipam", "host-local")


def sets(directory: str, network: str) -> list[list[Range]]:
    """The range sets of the first configuration of that name; [] where there is none.

    Those that the runtime brings (capability ipRanges) are not known. Raises InvalidConfig (7).
    """
    for path in _files(directory):
        found = _read(path)
        if found.get("name") != network:
            continue
        plugins = found.get("plugins", [found])
        for plugin in plugins if isinstance(plugins, list) else []:
            ipam = plugin.get("ipam") if isinstance(plugin, dict) else None
            if isinstance(ipam, dict) and ipam.get("type") in TYPES:
                conf = Section(plugin)
                is_partial = conf.open_section("capabilities").boolean("ipRanges")
                try:
                    return read_sets(conf, conf.section("ipam"), is_partial)
                except InvalidConfig as error:
                    raise InvalidConfig(f"{path}: {error.msg}", error.details) from None
    return []


def _files(directory: str) -> list[str]:
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return []
    return [os.path.join(directory, name) for name in names if name.endswith(ENDINGS)]


def _read(path: str) -> dict[str, object]:
    """{} for what cannot be read: another network's mistake hides no lease of this one."""
    try:
        with open(path, "rb") as file:
            return document.decode(file.read(document.LIMIT + 1), path)
    except (OSError, CNIError):
        return {}
