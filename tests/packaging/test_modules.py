"""Every module that a frozen ADD, CHECK and DEL loads: each costs every pod its import, so each is listed.

The program is the built one, to the byte, with one option more in the archive at its end: -X importtime, by which
Python itself names each module that it is asked for.
"""

from __future__ import annotations

import os
import shutil
import struct
from pathlib import Path

import pytest
from PyInstaller.archive.readers import CArchiveReader
from PyInstaller.archive.writers import CArchiveWriter

from tests.world import Node

pytestmark = pytest.mark.root

# The interpreter's own; another version of Python has a few others.
START = {
    "_abc", "_codecs", "_collections_abc", "_frozen_importlib_external", "_io", "_signal", "_stat", "abc", "codecs",
    "encodings", "encodings.aliases", "encodings.utf_8", "genericpath", "io", "marshal", "os", "posix", "posixpath",
    "stat", "time", "zipimport",
}  # fmt: skip
VERSION = {
    "__future__", "cni", "cni.caller", "cni.errors", "cni.skel", "cni.stderr", "cni.versions", "cni_veth",
    "cni_veth.__main__", "gc", "select",
}  # fmt: skip
STANDARD = {
    "__future__": "annotations stay text, so that they need no typing",
    "_blake2": "the digest in tags and index entries; hashlib would load OpenSSL",
    **({} if hasattr(os, "setns") else {"_ctypes": "setns before Python 3.12, without ctypes"}),
    "_json": "scanner and string writer, without json, re and enum",
    "_socket": "netlink and inet_pton, without socket, enum and selectors",
    "_struct": "in C",
    "errno": "in C",
    "fcntl": "flock, and the ioctl that tells a network namespace",
    "gc": "in C; the entry puts off its first run",
    "select": "poll of stdin and of the sockets",
    "struct": "what the kernel's messages are made of",
}
OURS = {
    *(name for name in VERSION if name.startswith("cni")),
    "cni.address", "cni.conf", "cni.delegate", "cni.document", "cni.request", "cni.result", "cni.signals",
    "cni_veth.addresses", "cni_veth.adopted", "cni_veth.aside", "cni_veth.attributes", "cni_veth.bridge",
    "cni_veth.collect", "cni_veth.conf", "cni_veth.differences", "cni_veth.features", "cni_veth.gateway",
    "cni_veth.ipam_plugin", "cni_veth.links",
    "cni_veth.lock", "cni_veth.namespaces", "cni_veth.netlink", "cni_veth.netns", "cni_veth.plugin", "cni_veth.pod",
    "cni_veth.removal", "cni_veth.routes", "cni_veth.sysctl", "cni_veth.tag", "cni_veth.undo", "cni_veth.veth",
    "cni_veth.vlan", "cni_veth.wire", "ipam", "ipam.allocate", "ipam.blocks", "ipam.conf", "ipam.cooldown",
    "ipam.directory", "ipam.exclude", "ipam.facts", "ipam.failure", "ipam.give", "ipam.index", "ipam.lease",
    "ipam.leases", "ipam.liveness", "ipam.lock", "ipam.lookup", "ipam.overlap", "ipam.plugin", "ipam.ranges",
    "ipam.readiness", "ipam.reclaim", "ipam.resolv_conf", "ipam.sets", "ipam.snapshot", "ipam.sticky", "ipam.store",
}  # fmt: skip


def with_import_times(program: Path) -> None:
    """The bootloader takes the last archive of the file; this one has an option more."""
    archive = CArchiveReader(str(program)).raw_pkg_data()
    form, size = CArchiveReader._COOKIE_FORMAT, CArchiveReader._COOKIE_LENGTH
    magic, _, begin, length, python, library = struct.unpack(form, archive[-size:])
    listed = archive[begin : begin + length] + CArchiveWriter._serialize_toc([(0, 0, 0, 0, "o", "X importtime")])
    cookie = struct.pack(form, magic, begin + len(listed) + size, begin, len(listed), python, library)
    with program.open("ab") as file:
        file.write(archive[:begin] + listed + cookie)


def named(stderr: str) -> set[str]:
    """The modules that -X importtime names: `import time: self | cumulative | name`."""
    lines = [line for line in stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines[1:]}


@pytest.fixture(scope="module")
def loaded(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Verb -> modules, of one pod's life; "VERSION" as well, which is the start alone."""
    directory = tmp_path_factory.mktemp("traced")
    shutil.copytree(next(dist.glob("cni-veth-*")), directory / "program")
    with_import_times(directory / "program/cni-veth")
    for name in ("cni-veth", "cni-ipam"):
        (directory / name).symlink_to("program/launcher")  # which executes the program: there is no server
    with Node() as node:
        pod, plugin = node.pod(), node.plugin("cni-veth", directory)
        conf = node.network("10.1.0.0/24", "fd01::/64", isDefaultGateway=True)
        replies = {"VERSION": plugin.version(), "ADD": plugin.add(conf, pod)}
        result = replies["ADD"].succeeded()
        replies["CHECK"] = plugin.check(conf, pod, result)
        replies["DEL"] = plugin.delete(conf, pod, result)
    for reply in replies.values():
        reply.succeeded()
    return {verb: named(reply.stderr) for verb, reply in replies.items()}


@pytest.mark.parametrize("verb", ["ADD", "CHECK", "DEL"])
def test_a_call_loads_what_is_listed_and_nothing_else(loaded: dict[str, set[str]], verb: str) -> None:
    found = loaded[verb]
    assert {name for name in found if name.partition(".")[0] in ("cni", "cni_veth", "ipam")} == OURS
    assert {name for name in found if name not in OURS | START} == set(STANDARD)


def test_version_loads_next_to_nothing(loaded: dict[str, set[str]]) -> None:
    """podman asks it of every plugin at every command."""
    assert loaded["VERSION"] - START == VERSION


def test_a_module_more_would_be_named(loaded: dict[str, set[str]]) -> None:
    """What the lists rest on: -X importtime reached the program."""
    assert {"encodings", "os", "cni_veth.__main__"} <= loaded["VERSION"]
    assert named("x\nimport time: self [us] | cumulative | imported package\nimport time: 1 | 2 |   a.b\n") == {"a.b"}
