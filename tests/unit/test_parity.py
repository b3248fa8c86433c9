"""docs/parity.md is true: every row names a test, and every test that it names exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROWS = [
    line.strip("|").rsplit("|", 1)
    for line in (ROOT / "docs/parity.md").read_text().splitlines()
    if line.startswith("| ") and not line.endswith("| test |")
]


def functions(path: str) -> set[str]:
    return {node.name for node in ast.walk(ast.parse((ROOT / path).read_text())) if isinstance(node, ast.FunctionDef)}


def test_every_title_has_a_test() -> None:
    assert len(ROWS) > 150
    assert [title for title, tests in ROWS if "::test_" not in tests] == []


def test_every_test_named_exists() -> None:
    named = {tuple(name.split("::")) for _, tests in ROWS for name in re.findall(r"tests/\w+/\w+\.py::\w+", tests)}
    assert [name for name in sorted(named) if name[1] not in functions(name[0])] == []
