"""What a call loads: every module costs each pod its import, so each is listed.

The codecs come past pyroute2's __init__, which would load asyncio, NDB and everything else (155 ms), and with
stand-ins for what they import and never use (26 ms more). tests/packaging/test_modules.py holds the frozen program.
"""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

# In C, or nearly: what `enum` brings, which json, re, signal and socket would all bring, is not among them.
PROTOCOL = {"errno", "fcntl", "select", "time"}
CODECS = {"errno", "struct"}


def loaded_by(code: str, **environment: str) -> set[str]:
    """The modules that Python is asked for by the code and has not loaded before, as -X importtime names them."""
    script = f"""
import os, sys
sys.path[:] = [{str(REPOSITORY)!r}, *sys.path, {sysconfig.get_path("purelib")!r}]
os.write(2, b"begin\\n")
{code}
os.write(2, b"\\nend\\n")
"""
    command = [sys.executable, "-I", "-S", "-B", "-X", "importtime", "-c", script]
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    lines = lines[lines.index("begin") : lines.index("end")]
    return {line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")}


def top(modules: set[str]) -> set[str]:
    """The standard library's packages among them; accelerators in C cost nothing to speak of."""
    return {module.partition(".")[0] for module in modules if not module.startswith(("_", "cni", "ipam", "pyroute2"))}


def test_the_plugins_load_what_is_listed_and_nothing_else() -> None:
    found = loaded_by("import cni_veth.plugin, ipam.plugin, cni_veth.loopback")
    assert top(found) <= PROTOCOL | CODECS
    assert not {"cni_veth.lint", "cni_veth.schema"} & found


def test_the_protocol_and_ipam_load_no_socket_and_no_codec() -> None:
    found = loaded_by("import cni.skel, cni.delegate, ipam.plugin")
    assert top(found) - PROTOCOL == set()
    assert not {module for module in found if module.startswith(("pyroute2", "cni_veth"))}


@pytest.mark.parametrize("verb", ["VERSION", ""])
def test_version_and_the_about_text_load_next_to_nothing(verb: str) -> None:
    """podman asks VERSION of every plugin at every command."""
    main = "sys.argv = ['cni-veth']\nfrom cni_veth.__main__ import main\nassert main() == 0"
    found = loaded_by(main, CNI_COMMAND=verb)
    skel = {"cni", "cni.caller", "cni.errors", "cni.skel", "cni.stderr", "cni.versions"}
    assert {module for module in found if module.startswith(("cni", "ipam"))} == skel | {
        "cni_veth",
        "cni_veth.__main__",
    }
    assert top(found) <= {"__future__", "select"}


def test_pyroute2_is_entered_past_its_init() -> None:
    found = loaded_by("import cni_veth.codecs\nassert 'pyroute2' not in sys.modules")
    assert top(found) <= CODECS
    assert {module for module in found if module.startswith("pyroute2")} == {
        "pyroute2.common",
        "pyroute2.netlink",
        "pyroute2.netlink.exceptions",
        "pyroute2.netlink.rtnl",
        "pyroute2.netlink.rtnl.ifaddrmsg",
        "pyroute2.netlink.rtnl.ifinfmsg",
        "pyroute2.netlink.rtnl.iw_event",
        "pyroute2.netlink.rtnl.rtmsg",
    }


def test_a_later_import_gets_the_real_module() -> None:
    code = """
import cni_veth.codecs
for name in cni_veth.codecs._STAND_INS:
    assert name not in sys.modules, name
import collections, functools, importlib, logging, pkgutil, socket, threading, traceback, types, typing, weakref
logging.getLogger("x").setLevel(logging.INFO)
assert threading.Lock().acquire() and typing.Any and collections.Counter("aa")["a"] == 2
assert socket.AF_INET.name == "AF_INET" and functools.reduce and traceback.format_stack() and types.SimpleNamespace
assert importlib.import_module("weakref").WeakSet is weakref.WeakSet and pkgutil.iter_modules
"""
    assert {"logging", "pkgutil", "socket", "typing"} <= loaded_by(code)


REST_WORKS = """
from pyroute2 import IPRoute, NetNS
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from cni_veth import codecs
assert ifinfmsg is not codecs.ifinfmsg
assert sys.modules["pyroute2"].__file__
assert "vxlan" in ifinfmsg.ifinfo.data_map and "vxlan" not in codecs.ifinfmsg.ifinfo.data_map
message = codecs.ifinfmsg()
message["attrs"] = [("IFLA_IFNAME", "eth0")]
message.encode()
again = ifinfmsg(message.data)
again.decode()
assert again.get_attr("IFLA_IFNAME") == "eth0"
"""


@pytest.mark.parametrize("first", ["import cni_veth.codecs", "import pyroute2", "import cni_veth.plugin"])
def test_the_whole_of_pyroute2_works_in_the_same_process(first: str) -> None:
    assert {"pyroute2", "asyncio"} <= loaded_by(f"{first}\n{REST_WORKS}")


def test_a_missing_pyroute2_is_told_by_its_name() -> None:
    code = """
del sys.path[-1]
try:
    import cni_veth.codecs
except ImportError as error:
    assert str(error) == "pyroute2 is not installed", error
else:
    raise AssertionError("imported")
"""
    assert "cni_veth.netlink" not in loaded_by(code)


def test_the_version_of_pyroute2_is_pinned_and_is_the_one_tested() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    pinned = [line for line in project["dependencies"] if line.startswith("pyroute2")]
    assert pinned == [f"pyroute2=={importlib.metadata.version('pyroute2')}"]
