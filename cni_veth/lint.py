"""`cni-veth lint FILE...`: what is wrong with a network configuration, before a pod finds out.

The schemas find every wrong type, range and key at once; the plugins' own parsers find the rest (host
bits, overlaps, keys that contradict each other), one per plugin and run.
"""

from __future__ import annotations

import os
import sys

from cni import document, versions
from cni.conf import nearest
from cni.errors import CNIError
from cni.request import Request
from cni_veth import dropin, schema
from cni_veth.conf import VethConf
from cni_veth.ipam_plugin import OWN_TYPES, validate_own

USAGE = "usage: cni-veth lint FILE..."
HELP = f"""{USAGE}

Says what is wrong with network configurations (.conf, .conflist; "-" is stdin), a line for each problem:
"FILE: where: what". Plugins of other types are only checked for their type, but for bridge and host-local where they
are ours in CNI_PATH, or in /opt/cni/bin (DROPIN=1). Whether the executables are installed is not checked. Warnings do
not count as problems.

Exit code: 0 all fine, 1 problems found, 2 wrong usage or a file that cannot be read.
"""
OWN_TYPE, OWN_IPAM_TYPE = "cni-veth", "cni-ipam"
OLD_RUNTIMES_KNOW = "1.0.0"  # containerd 1.6, podman 4.3, buildah 1.28


def main(argv: list[str]) -> int:
    """The exit code. Findings go to stdout, what hinders the work to stderr."""
    if "--help" in argv or "-h" in argv:
        print(HELP, end="")
        return 0
    strange = [argument for argument in argv if argument.startswith("-") and argument != "-"]
    if strange or not argv:
        print(f"unknown option {strange[0]}\n{USAGE}" if strange else USAGE, file=sys.stderr)
        return 2
    return max(_lint(path) for path in argv)


def _lint(path: str) -> int:
    name = "stdin" if path == "-" else path
    try:
        data = _read(path)
    except OSError as error:
        print(f"{name}: cannot be read: {os.strerror(error.errno or 0)}", file=sys.stderr)
        return 2
    try:
        network = _with_own_names(schema.canonical(document.decode(data, name)))
    except CNIError as error:
        print(_text(error.msg, error.details))
        return 1
    is_list = "plugins" in network or path.endswith(".conflist")
    found = _problems(network, is_list)
    lines = [f"{where}: {what}" if where else what for where, what in found.items()]
    for line in [*lines, *(f"warning: {warning}" for warning in _warnings(network, is_list))]:
        print(f"{name}: {line}")
    if lines:
        print(f"{name}: mend this and lint it again: one problem can hide another", file=sys.stderr)
    else:
        print(f"{name}: ok{'' if _is_ours(network, is_list) else f', but without a plugin of type {OWN_TYPE}'}")
    return 1 if lines else 0


def _with_own_names(network: dict[str, object]) -> dict[str, object]:
    directories, plugins = dropin.path(dict(os.environ)), network.get("plugins")
    if not isinstance(plugins, list):
        return dropin.renamed(network, directories)
    renamed = [dropin.renamed(plugin, directories) if isinstance(plugin, dict) else plugin for plugin in plugins]
    return {**network, "plugins": renamed}


def _read(path: str) -> bytes:
    if path == "-":
        return sys.stdin.buffer.read()
    with open(path, "rb") as file:
        return file.read(document.LIMIT + 1)


def _problems(network: dict[str, object], is_list: bool) -> dict[str, str]:
    """Dotted path -> what is wrong there: the parser's words rather than "does not fit", the schema's before others."""
    found = {}
    for where, plugin in _plugins(network, is_list):
        problem = _refusal(plugin, network.get("cniVersion"))
        if problem is not None:
            path, text = _placed(problem)
            found[f"{where}.{path}".strip(".")] = text
    for broken in schema.problems(network, "conflist.json" if is_list else "conf.json"):
        if not broken.is_vague or broken.path not in found:
            found[broken.path] = broken.text
    if is_list:
        known = set(schema.load()["conflist.json"]["properties"])
        for key in network:  # other programs leave notes here, so only what looks misspelt is told
            if key not in known and nearest(key, known):
                found[key] = f"unknown key; did you mean {nearest(key, known)}?"
    return found


def _plugins(network: dict[str, object], is_list: bool) -> list[tuple[str, dict[str, object]]]:
    """(dotted path, configuration) of each plugin that is an object."""
    if not is_list:
        return [("", network)]
    plugins = network.get("plugins")
    listed = enumerate(plugins if isinstance(plugins, list) else [])
    return [(f"plugins[{index}]", plugin) for index, plugin in listed if isinstance(plugin, dict)]


def _refusal(plugin: dict[str, object], version: object) -> CNIError | None:
    """The error with which an ADD would begin. Name and version are the file's, and judged by the schema."""
    version = version or versions.WHEN_MISSING
    known = version if version in versions.SUPPORTED else versions.NEWEST
    try:
        parse(Request("ADD", {}, b"", {**plugin, "name": "network", "cniVersion": known}))
    except CNIError as error:
        return error
    return None


def parse(request: Request) -> None:
    """Read what is ours as the plugins do before they touch anything. Raises CNIError."""
    plugin_type = request.conf.raw("type")
    if plugin_type == OWN_TYPE:
        is_own = VethConf(request).ipam_type in OWN_TYPES
    else:
        ipam = request.conf.raw("ipam")
        is_own = isinstance(ipam, dict) and ipam.get("type") == OWN_IPAM_TYPE
    if is_own:
        validate_own(request)


def _placed(error: CNIError) -> tuple[str, str]:
    """An error's dotted path, "" where it names none, and its text."""
    path, colon, problem = error.msg.partition(": ")
    if not colon or " " in path:
        path, problem = "", error.msg
    return path, _text(problem, error.details)


def _text(problem: str, details: str) -> str:
    return f"{problem}; {details}" if details else problem


def _is_ours(network: dict[str, object], is_list: bool) -> bool:
    return any(plugin.get("type") == OWN_TYPE for _, plugin in _plugins(network, is_list))


def _warnings(network: dict[str, object], is_list: bool) -> list[str]:
    return _misspelt_types(network, is_list) + _old_runtimes(network, is_list)


def _misspelt_types(network: dict[str, object], is_list: bool) -> list[str]:
    """Any executable may be a plugin, but one that is nearly ours is hardly another's."""
    found = []
    for where, plugin in _plugins(network, is_list):
        ipam = plugin.get("ipam")
        types = {"type": plugin.get("type"), "ipam.type": ipam.get("type") if isinstance(ipam, dict) else None}
        for key, value in types.items():
            known = {OWN_TYPE, "bridge"} if key == "type" else set(OWN_TYPES)
            near = nearest(value, known) if isinstance(value, str) and value not in known else ""
            if near:
                found.append(
                    f"{where}.{key}: ".lstrip(".") + f'is "{value}" a plugin of yours, or did you mean "{near}"?'
                )
    return found


def _old_runtimes(network: dict[str, object], is_list: bool) -> list[str]:
    version = network.get("cniVersion")
    if not version:
        return [f"without cniVersion it is {versions.WHEN_MISSING}, which knows no CHECK and one address per family"]
    if version != versions.NEWEST:
        return []
    both = f'"cniVersion": "{OLD_RUNTIMES_KNOW}", "cniVersions": ["{OLD_RUNTIMES_KNOW}", "{versions.NEWEST}"]'
    way = f"write {both}" if is_list else f"make it a .conflist with {both}"
    return [f"containerd 1.6 and podman 4.3 fail on {version}; {way}, and every runtime takes what it knows"]
