"""Our executables, judged by the suite: every MUST and SHOULD, in every version, with the server and without it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import judge

pytestmark = pytest.mark.root


def test_every_must_and_should_holds_in_both_modes(tmp_path: Path) -> None:
    judged = judge.ours(results=tmp_path)
    assert [(each.label, each.code) for each in judged if each.code != 0] == []
    for each in judged:
        document = json.loads(each.document.read_text())
        verdicts = {run["verdict"] for run in document["runs"]}
        assert verdicts <= {"pass", "na"}, f"{each.label}: no waivers"
