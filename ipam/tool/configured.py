"""What the node's configurations say of a network: its range sets, and where its leases are."""

from __future__ import annotations

import os

from cni import document
from cni.conf import Section
from cni.errors import CNIError, InvalidConfig
from ipam.conf import DATA_DIR
from ipam.ranges import Range
from ipam.sets import read_sets

ENDINGS = (".conf", ".conflist", ".json")  # libcni's
TYPES = ("cni-ipam", "host-local")


def sets(directory: str, network: str) -> list[list[Range]]:
    """The range sets of the first configuration of that name; [] where there is none.

    Those that the runtime brings (capability ipRanges) are not known. Raises InvalidConfig (7).
    """
    for path, name, conf in _plugins(directory):
        if name == network:
            try:
                is_partial = conf.open_section("capabilities").boolean("ipRanges")
                return read_sets(conf, conf.section("ipam"), is_partial)
            except InvalidConfig as error:
                raise InvalidConfig(f"{path}: {error.msg}", error.details) from None
    return []


def networks(directory: str) -> list[str]:
    """Names of the networks that have addresses of ours or of host-local's."""
    return [name for _, name, _ in _plugins(directory)]


def elsewhere(directory: str, data_dir: str, network: str = "") -> str:
    """Which configurations, of this network or of all, keep their leases in another dataDir; "" where none does."""
    found = []
    for path, name, conf in _plugins(directory):
        try:
            place = conf.section("ipam").string("dataDir") or DATA_DIR
        except InvalidConfig:
            continue
        if network in ("", name) and os.path.realpath(place) != os.path.realpath(data_dir):
            found.append(f"{os.path.basename(path)} keeps {name} in {place}")
    return f"{'; '.join(found)}: --data-dir" if found else ""


def _plugins(directory: str) -> list[tuple[str, str, Section]]:
    """(path, network, plugin) of each plugin whose addresses the tool can know, in the runtime's order."""
    having = []
    for path in _files(directory):
        found = _read(path)
        name, plugins = found.get("name"), found.get("plugins", [found])
        for plugin in plugins if isinstance(plugins, list) else []:
            ipam = plugin.get("ipam") if isinstance(plugin, dict) else None
            if isinstance(name, str) and isinstance(ipam, dict) and ipam.get("type") in TYPES:
                having.append((path, name, Section(plugin)))
    return having


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
