"""Our executables, judged by the suite: every MUST and SHOULD, in every version with the server, in two without it.

`make conformance` judges both in every version.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests import judge

pytestmark = pytest.mark.root
# What is not applicable because our profile lacks it: no case leaves the judgement unnoticed.
LACKS = {
    "cni-veth": set(),
    "cni-ipam": {"bandwidth", "dns-capability", "mac", "portMappings"},
}


def test_every_must_and_should_holds_in_both_modes(tmp_path: Path) -> None:
    judged = judge.ours(standalone=["--only", "*@0.3.1,*@1.1.0"], results=tmp_path)
    assert [(each.label, each.code) for each in judged if each.code != 0] == []
    for each in judged:
        document = json.loads(each.document.read_text())
        runs = document["runs"]
        assert {run["verdict"] for run in runs} <= {"pass", "na"}, f"{each.label}: no waivers"
        lacks = {found[1] for run in runs if (found := re.match("the profile has no (.*)", run.get("reason", "")))}
        assert lacks == LACKS.get(document["plugin"]["name"], lacks)
