"""The reference plugins fail by their known defects, and by nothing else: a case that fails them wrongly is our bug.

In two versions, an old one and the newest; `make conformance RECORD=1` judges them in every version.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests import judge

pytestmark = [pytest.mark.root, pytest.mark.peers]
KNOWN: dict[str, dict[str, dict[str, Any]]] = json.loads((Path(__file__).parent / "reference.json").read_text())
"""For each plugin the cases that it fails: why that is its defect, in which versions, and held against which clauses.

"sometimes": what a kill hits is luck.
"""


VERSIONS = {"0.3.1", "1.1.0"}


def test_the_known_defects_show_and_nothing_else(tmp_path: Path) -> None:
    for each in judge.reference(["--only", ",".join(f"*@{version}" for version in VERSIONS)], results=tmp_path):
        document = json.loads(each.document.read_text())
        name = document["plugin"]["name"]
        assert "broken" not in {run["verdict"] for run in document["runs"]}, name
        lucky = KNOWN["sometimes"].get(name, {})
        failed = [run for run in document["runs"] if run["verdict"] == "fail" and run["case"] not in lucky]
        found: dict[str, tuple[set[str], set[str]]] = {run["case"]: (set(), set()) for run in failed}
        for run in failed:
            versions, clauses = found[run["case"]]
            versions.add(run["version"])
            clauses |= {clause for failure in run["failures"] for clause in failure["proves"]}
        known = {
            case: (set(told["versions"].split()) & VERSIONS, set(told["clauses"].split()))
            for case, told in KNOWN["always"][name].items()
            if set(told["versions"].split()) & VERSIONS
        }
        assert {case: versions for case, (versions, _) in found.items()} == {
            case: versions for case, (versions, _) in known.items()
        }, name
        beyond = {case: clauses - known[case][1] for case, (_, clauses) in found.items() if clauses - known[case][1]}
        assert not beyond, name


def test_every_plugin_of_the_reference_is_listed() -> None:
    assert set(KNOWN["always"]) == set(judge.REFERENCE)
