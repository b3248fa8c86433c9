"""The reference plugins fail by their known defects, and by nothing else: a case that fails them wrongly is our bug."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import judge

pytestmark = [pytest.mark.root, pytest.mark.peers]
KNOWN: dict[str, dict[str, dict[str, str]]] = json.loads((Path(__file__).parent / "reference.json").read_text())
"""For each plugin the cases that it fails, always or now and then (what a kill hits is luck), and why."""


def test_the_known_defects_show_and_nothing_else(tmp_path: Path) -> None:
    found = {}
    for each in judge.reference(results=tmp_path):
        document = json.loads(each.document.read_text())
        assert "broken" not in {run["verdict"] for run in document["runs"]}, each.label
        name = document["plugin"]["name"]
        lucky = set(KNOWN["sometimes"].get(name, ()))
        found[name] = {run["case"] for run in document["runs"] if run["verdict"] == "fail"} - lucky
    assert found == {name: set(cases) for name, cases in KNOWN["always"].items()}


def test_each_defect_has_its_reason() -> None:
    assert set(KNOWN["always"]) == set(judge.REFERENCE)
    reasons = [reason for plugins in KNOWN.values() for cases in plugins.values() for reason in cases.values()]
    assert all(len(reason) > 10 for reason in reasons)
