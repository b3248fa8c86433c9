"""packaging/constants.py: what of a module mypyc may take for a constant."""

from __future__ import annotations

import ast
import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCES = [path for package in ("cni", "cni_veth", "ipam") for path in sorted((REPOSITORY / package).rglob("*.py"))]


@pytest.fixture(scope="module")
def declared() -> Callable[[str], str]:
    function: Callable[[str], str] = runpy.run_path(str(REPOSITORY / "packaging/constants.py"))["declared"]
    return function


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("A = 1", "A: Final = 1"),
        ("_A = frozenset('x')  # why", "_A: Final = frozenset('x')  # why"),
        ("A, B = 1, 'ü'  # both", "A: Final = 1; B: Final = 'ü'  # both"),
        ("A: dict[str, int] = {}", "A: Final[dict[str, int]] = {}"),
        ("A = (\n    1,\n    2,\n)", "A: Final = (\n    1,\n    2,\n)"),
        ("A, B = (\n    1,\n    2,\n)\nC = 3", "A: Final = 1; B: Final = 2\n\n\n\nC: Final = 3"),
    ],
)
def test_a_constant_is_declared_in_its_line(declared: Callable[[str], str], before: str, after: str) -> None:
    assert declared(before).startswith(f"{after}\n")


@pytest.mark.parametrize(
    "source",
    [
        "A = 1\nA = 2",
        "A = 1\ndef f() -> None:\n    global A\n    A = 2",
        "a = 1",
        "IP = tuple[int, int]",
        "A = (0.5, 1.5)",
        "A, B = divmod(7, 2)",
        "A = B = 1",
        "class C:\n    A = 1",
        "A = 1; B = 2",
    ],
)
def test_what_is_none_stays(declared: Callable[[str], str], source: str) -> None:
    assert declared(source).startswith(f"{source}\n")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_our_sources_keep_their_lines_and_all_else(declared: Callable[[str], str], path: Path) -> None:
    before = ast.parse(path.read_text())
    after = ast.parse(declared(path.read_text()))
    others = (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
    kept = [ast.dump(node, include_attributes=True) for node in before.body if isinstance(node, others)]
    assert kept == [ast.dump(node, include_attributes=True) for node in after.body if isinstance(node, others)]
