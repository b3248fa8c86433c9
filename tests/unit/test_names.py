"""One program with several names: the one it is called by chooses the plugin."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from cni.skel import METHODS
from cni_veth.__main__ import NAMES
from cni_veth.schema import validator

REPOSITORY = Path(__file__).resolve().parents[2]


def called(name: str, *arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    code = f"import sys; sys.path.insert(0, {str(REPOSITORY)!r}); sys.argv = {[name, *arguments]!r}\n"
    code += "from cni_veth.__main__ import main; raise SystemExit(main())"
    command = [sys.executable, "-I", "-B", "-c", code]
    return subprocess.run(command, input=stdin, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_a_plugin(name: str) -> None:
    done = called(f"/opt/cni/bin/{name}", CNI_COMMAND="VERSION", stdin='{"cniVersion": "1.0.0"}')
    assert (done.returncode, json.loads(done.stdout)["cniVersion"]) == (0, "1.0.0")
    about = called(name)
    assert (about.returncode, about.stdout) == (0, "")
    assert about.stderr.startswith(f"CNI {name} plugin cni-veth ")


@pytest.mark.parametrize("name", NAMES)
def test_the_module_behind_the_name_has_the_verbs(name: str) -> None:
    module = importlib.import_module(NAMES[name])
    needed = {"add", "check", "delete"} if name == "loopback" else set(METHODS.values())
    assert needed <= {key for key, value in vars(module).items() if callable(value)}


@pytest.mark.parametrize("name", ["/opt/cni/bin/cni-veth-0.1.0", "ptp", "", "CNI-VETH"])
def test_an_unknown_name_is_told_with_those_it_knows(name: str) -> None:
    done = called(name, CNI_COMMAND="VERSION")
    error = json.loads(done.stdout)
    assert list(validator("error.json").iter_errors(error)) == []
    assert (done.returncode, error["code"]) == (1, 7)
    assert repr(name.rpartition("/")[2]) in error["msg"]
    assert all(known in error["details"] for known in NAMES)


@pytest.mark.parametrize("name", ["cni-veth", "loopback", "bridge"])
def test_arguments_are_for_people_under_every_name(name: str) -> None:
    assert called(name, "lint", "--help").stdout.startswith("usage: cni-veth lint")
    assert "cni-veth lint FILE" in called(name, "--help").stdout
    misspelt = called(name, "lnt", "FILE")
    assert (misspelt.returncode, misspelt.stdout) == (2, "") and "cni-veth lint FILE" in misspelt.stderr
