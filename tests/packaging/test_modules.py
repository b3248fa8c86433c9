"""Every module that a frozen ADD, CHECK and DEL loads: each costs every pod its import, so each is listed.

Ours come in bundles (packaging/bundle.py), past the import system; whatever else is loaded -X importtime names, for the
program is the built one, to the byte, with that option more in the archive at its end.
"""

from __future__ import annotations

import marshal
import os
import shutil
import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from types import CodeType

import pytest
from PyInstaller.archive.readers import CArchiveReader
from PyInstaller.archive.writers import CArchiveWriter

from cni_veth.__main__ import NAMES
from tests.packaging.machine import run
from tests.world import Node, Reply

pytestmark = pytest.mark.root

# The interpreter's own; another version of Python has a few others.
START = {
    "_abc", "_codecs", "_collections_abc", "_frozen_importlib_external", "_io", "_signal", "_stat", "abc", "codecs",
    "encodings", "encodings.aliases", "encodings.utf_8", "genericpath", "io", "marshal", "os", "posix", "posixpath",
    "stat", "time", "zipimport",
}  # fmt: skip
VERSION = {
    "__future__", "cni", "cni.caller", "cni.errors", "cni.skel", "cni.stderr", "cni.versions", "cni_veth",
    "cni_veth.__main__",
}  # fmt: skip
BUNDLED = {
    "__future__": "annotations stay text, so that they need no typing",
    "struct": "what the kernel's messages are made of",
}
STANDARD = {
    "_blake2": "the digest in tags and index entries; hashlib would load OpenSSL",
    **({} if hasattr(os, "setns") else {"_ctypes": "setns before Python 3.12, without ctypes"}),
    "_json": "scanner and string writer, without json, re and enum",
    "_socket": "netlink and inet_pton, without socket, enum and selectors",
    "_struct": "in C",
    "errno": "in C",
    "fcntl": "flock, and the ioctl that tells a network namespace",
    "gc": "in C; the entry puts off its first run",
    "select": "poll of stdin and of the sockets",
}
OURS = {
    *(name for name in VERSION if name.startswith("cni")),
    "cni.address", "cni.conf", "cni.delegate", "cni.document", "cni.request", "cni.result", "cni.signals",
    "cni_veth.addresses", "cni_veth.adopted", "cni_veth.aside", "cni_veth.assignment", "cni_veth.attributes",
    "cni_veth.bridge", "cni_veth.collect", "cni_veth.conf", "cni_veth.descriptor", "cni_veth.differences",
    "cni_veth.features", "cni_veth.forwarding", "cni_veth.gateway", "cni_veth.ipam_plugin", "cni_veth.links",
    "cni_veth.lock", "cni_veth.namespaces", "cni_veth.netlink", "cni_veth.netns", "cni_veth.plugin", "cni_veth.pod",
    "cni_veth.released", "cni_veth.removal", "cni_veth.routes", "cni_veth.sysctl", "cni_veth.tag", "cni_veth.undo",
    "cni_veth.veth", "cni_veth.vlan", "cni_veth.wire", "ipam", "ipam.allocate", "ipam.blocks", "ipam.conf",
    "ipam.cooldown", "ipam.directory", "ipam.exclude", "ipam.facts", "ipam.failure", "ipam.give", "ipam.index",
    "ipam.lease", "ipam.leases", "ipam.liveness", "ipam.lock", "ipam.lookup", "ipam.overlap", "ipam.plugin",
    "ipam.ranges", "ipam.readiness", "ipam.rebuild", "ipam.reclaim", "ipam.resolv_conf", "ipam.sets", "ipam.snapshot",
    "ipam.sticky", "ipam.store",
}  # fmt: skip


PLUGINS = sorted(set(NAMES.values()))
Bundle = list[tuple[str, bool, CodeType]]


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


def ours(modules: Iterable[str]) -> set[str]:
    return {name for name in modules if name.partition(".")[0] in ("cni", "cni_veth", "ipam")}


def bundles(directory: Path) -> Path:
    return directory / "program/_internal/bundles"


def bundled(directory: Path, *names: str) -> list[str]:
    listed = [marshal.loads((bundles(directory) / name).read_bytes()) for name in names]
    return [module for bundle in listed for module, _, _ in bundle]


@pytest.fixture
def directory(dist: Path, tmp_path: Path) -> Path:
    """A copy of the program that names what it imports, under each plugin's name."""
    shutil.copytree(next(dist.glob("cni-veth-*")), tmp_path / "program")
    with_import_times(tmp_path / "program/cni-veth")
    for name in ("cni-veth", "cni-ipam", "loopback"):
        (tmp_path / name).symlink_to("program/launcher")  # which executes the program: there is no server
    (tmp_path / "cni-vethd").symlink_to("program/cni-veth")
    return tmp_path


def life(directory: Path) -> dict[str, Reply]:
    """Of a pod, verb by verb; VERSION before."""
    with Node() as node:
        pod, plugin = node.pod(), node.plugin("cni-veth", directory)
        conf = node.network("10.1.0.0/24", "fd01::/64", isDefaultGateway=True)
        replies = {"VERSION": plugin.version(), "ADD": plugin.add(conf, pod)}
        result = replies["ADD"].succeeded()
        replies["CHECK"] = plugin.check(conf, pod, result)
        replies["DEL"] = plugin.delete(conf, pod, result)
    for reply in replies.values():
        reply.succeeded()
    return replies


def test_a_call_loads_what_is_listed_and_nothing_else(directory: Path) -> None:
    assert set(bundled(directory, "start")) == VERSION
    assert set(bundled(directory, "start", "cni_veth.plugin")) == OURS | set(BUNDLED)
    found = {verb: named(reply.stderr) - START for verb, reply in life(directory).items()}
    assert found["VERSION"] == {"gc", "select"}  # podman asks it of every plugin at every command
    assert found["ADD"] == found["CHECK"] == found["DEL"] == set(STANDARD)


def test_the_other_plugins_find_all_of_theirs_in_a_bundle(directory: Path) -> None:
    with Node() as node:
        pod, conf = node.pod(), node.network("10.1.0.0/24")
        for name in ("loopback", "cni-ipam"):
            reply = node.plugin(name, directory).add({**conf, "type": name}, pod)
            reply.succeeded()
            assert ours(named(reply.stderr)) == set()


@pytest.mark.parametrize("plugin", PLUGINS)
def test_no_bundle_has_a_module_twice_or_one_that_its_plugin_does_not_import(directory: Path, plugin: str) -> None:
    modules = bundled(directory, "start", plugin)
    assert len(modules) == len(set(modules))
    assert plugin in modules and not {"cni_veth.server", "cni_veth.worker", "cni_veth.lint"} & set(modules)
    assert ("ipam" in modules) == (plugin != "cni_veth.loopback")


def test_the_server_loads_no_bundle(directory: Path) -> None:
    """It has these modules as C, and in a bundle they would be interpreted."""
    done = run(str(directory / "cni-vethd"), "--help")
    assert done.returncode == 0
    assert {"cni_veth.__main__", "cni_veth.server"} <= named(done.stderr)


def remove(path: Path) -> None:
    path.unlink()


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def change(path: Path, made: Callable[[Bundle], Bundle]) -> None:
    path.write_bytes(marshal.dumps(made(marshal.loads(path.read_bytes()))))


def lose_errors_and_plugin(path: Path) -> None:
    change(path, lambda bundle: [module for module in bundle if module[0] not in ("cni.errors", "cni_veth.plugin")])


def break_last(path: Path) -> None:
    broken = compile("from cni_veth.tag import altname; 1 / 0", "broken", "exec")
    change(path, lambda bundle: [*bundle[:-1], (bundle[-1][0], False, broken)])


@pytest.mark.parametrize("damage", [remove, truncate, break_last])
@pytest.mark.parametrize("bundle", ["start", "cni_veth.plugin"])
def test_without_a_whole_bundle_each_of_its_modules_comes_from_its_file(
    directory: Path, bundle: str, damage: Callable[[Path], None]
) -> None:
    """And none of the bundle's stays: half of one would have other classes than the rest."""
    modules = set(bundled(directory, bundle))
    damage(bundles(directory) / bundle)
    for verb, reply in life(directory).items():
        expected = modules if bundle == "start" or verb != "VERSION" else set()
        assert named(reply.stderr) & (OURS | set(BUNDLED)) >= expected
        assert reply.stderr.count("Traceback") == 0


def test_a_module_that_no_bundle_has_comes_from_its_file(directory: Path) -> None:
    for bundle in ("start", "cni_veth.plugin"):
        lose_errors_and_plugin(bundles(directory) / bundle)
    replies = life(directory)
    assert ours(named(replies["VERSION"].stderr)) == {"cni.errors"}
    assert ours(named(replies["ADD"].stderr)) == {"cni.errors", "cni_veth.plugin"}


PROBE = """
import os, sys

ours = [module for name, module in sys.modules.items() if name.partition(".")[0] in ("cni", "cni_veth", "ipam")]
for module in ours:
    parent, _, child = module.__name__.rpartition(".")
    assert not parent or vars(sys.modules[parent])[child] is module
    assert module.__package__ == module.__spec__.parent == (module.__name__ if hasattr(module, "__path__") else parent)
    assert os.path.exists(module.__file__)
    for value in vars(module).values():
        if value in ours:
            assert sys.modules[value.__name__] is value
        elif isinstance(value, type) and sys.modules.get(value.__module__) in ours:
            assert vars(sys.modules[value.__module__])[value.__name__] is value
os.write(2, b"each module is one, and in its place\\n")
"""


@pytest.mark.parametrize("order", [1, -1], ids=["in order", "in the wrong order"])
def test_modules_of_a_bundle_are_as_if_imported_and_none_is_made_twice(directory: Path, order: int) -> None:
    probe = ("probe", False, compile(PROBE, "probe", "exec"))
    change(bundles(directory) / "cni_veth.plugin", lambda bundle: [*bundle[::order], probe])
    assert "each module is one, and in its place" in life(directory)["ADD"].stderr


def test_a_module_more_would_be_named(directory: Path) -> None:
    """What the lists rest on: -X importtime reached the program."""
    assert {"encodings", "os"} <= named(run(str(directory / "cni-veth"), CNI_COMMAND="VERSION").stderr)
    assert named("x\nimport time: self [us] | cumulative | imported package\nimport time: 1 | 2 |   a.b\n") == {"a.b"}
