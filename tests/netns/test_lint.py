"""`cni-veth lint` of the built program, which has its schemas and jsonschema with it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.world import BIN
from tests.world.places import REPOSITORY

pytestmark = pytest.mark.usefixtures("built")


def lint(document: dict[str, Any] | None, *files: str) -> subprocess.CompletedProcess[str]:
    stdin = "" if document is None else json.dumps(document)
    return subprocess.run([str(BIN / "cni-veth"), "lint", *files], input=stdin, env={}, capture_output=True, text=True)


def test_the_installed_sample_is_fine() -> None:
    sample = str(REPOSITORY / "packaging/10-cni-veth.conflist")
    done = lint(None, sample)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{sample}: ok\n", "")


def test_schema_and_parser_both_speak() -> None:
    ipam = {"type": "cni-ipam", "ranges": [[{"subnet": "10.1.2.3/24"}]]}
    plugin = {"type": "cni-veth", "isGatway": True, "ipam": ipam}
    done = lint({"cniVersion": "1.0.0", "name": "net1", "plugins": [plugin]}, "-")
    assert sorted(done.stdout.splitlines()) == [
        "stdin: plugins[0].ipam.ranges[0][0].subnet: 10.1.2.3/24 has host bits set; use 10.1.2.0/24",
        "stdin: plugins[0].isGatway: unknown key; did you mean isGateway?",
    ]
    assert (done.returncode, done.stderr) == (1, "stdin: mend this and lint it again: one problem can hide another\n")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    done = lint(None, str(tmp_path / "missing"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"{tmp_path}/missing: cannot be read: No such file or directory\n"
