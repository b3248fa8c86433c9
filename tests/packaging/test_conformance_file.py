"""`dist/cni-conformance`: the suite as one file, which needs neither Python nor this repository."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.packaging.conftest import REPOSITORY
from tests.packaging.machine import run
from tests.world import BIN


@pytest.fixture(scope="module")
def suite() -> str:
    done = run(str(REPOSITORY / "packaging/build-conformance.sh"))
    assert done.returncode == 0, done.stderr
    return str(REPOSITORY / "dist/cni-conformance")


def test_it_lists_its_cases_without_root_or_plugin(suite: str) -> None:
    assert "cni-veth     main" in run(suite, "--list-profiles").stdout


@pytest.mark.root
def test_it_judges(suite: str, tmp_path: Path) -> None:
    document = tmp_path / "found.json"
    done = run(suite, "--plugin", str(BIN / "loopback"), "--only", "del,fuzz,killed", "--json", str(document))
    assert done.returncode == 0, done.stdout + done.stderr
    runs = json.loads(document.read_text())["runs"]
    assert {one["verdict"] for one in runs} == {"pass", "na"}
    assert {one["area"] for one in runs} == {"del", "fuzz", "killed"}
