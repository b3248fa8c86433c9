"""What a call loads: every module costs each pod its import, so each is listed.

tests/packaging/test_modules.py holds the frozen program.
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
PROTOCOL = {"errno", "fcntl"}
WIRE = {"struct"}
SOCKETS = {"select"}


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
    return {module.partition(".")[0] for module in modules if not module.startswith(("_", "cni", "ipam"))}


def test_the_plugins_load_what_is_listed_and_nothing_else() -> None:
    found = loaded_by("import cni_veth.plugin, ipam.plugin, cni_veth.loopback")
    assert top(found) <= PROTOCOL | WIRE | SOCKETS
    assert not {"cni_veth.lint", "cni_veth.schema"} & found


def test_the_protocol_and_ipam_load_no_netlink() -> None:
    found = loaded_by("import cni.skel, cni.delegate, ipam.plugin")
    assert top(found) - PROTOCOL == set()
    assert not {module for module in found if module.startswith("cni_veth")}


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


def test_the_messages_load_struct_and_nothing_else() -> None:
    """pyroute2's codecs took 8 ms; tests/unit/test_wire.py has them for the judge of ours."""
    found = loaded_by("import cni_veth.wire")
    assert {module for module in found if module.startswith(("cni", "ipam"))} == {
        "cni",
        "cni.address",
        "cni_veth",
        "cni_veth.attributes",
        "cni_veth.wire",
    }
    assert top(found) == WIRE


def test_the_version_of_pyroute2_is_pinned_and_is_the_one_tested() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    pinned = [line for line in project["optional-dependencies"]["dev"] if line.startswith("pyroute2")]
    assert pinned == [f"pyroute2=={importlib.metadata.version('pyroute2')}"]
