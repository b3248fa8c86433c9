"""Who may import whom, and what the pod path may not load: read in the sources, nothing is imported."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = ("cni", "ipam", "cni_veth")
SOURCES = [path for package in PACKAGES for path in sorted((REPOSITORY / package).rglob("*.py"))]

OURS = {"cni": {"cni"}, "ipam": {"ipam", "cni"}, "cni_veth": {"cni_veth", "cni"}}
# Where `ipam.type` is our own executable it is called in this process; __main__ names it as text.
EXCEPTIONS = {"cni_veth/ipam_plugin.py": {"ipam"}}
FOREIGN = {"cni_veth/schema.py": {"jsonschema", "referencing"}}
# What they cost at every pod, in the frozen program, and what they are not needed for.
SLOW = {
    "argparse", "asyncio", "collections", "concurrent", "contextlib", "ctypes", "dataclasses", "datetime", "email",
    "enum", "functools", "hashlib", "http", "inspect", "ipaddress", "logging", "multiprocessing", "pathlib", "pickle",
    "pkgutil", "platform", "random", "re", "selectors", "shutil", "ssl", "subprocess", "tempfile", "threading",
    "traceback", "typing", "unittest", "urllib", "uuid", "weakref",
}  # fmt: skip


def name_of(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


def imports(tree: ast.AST) -> Iterator[str]:
    """The dotted names that a tree imports, wherever in it they stand."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide who imports whom"
            assert node.module
            yield node.module


def at_import_time(tree: ast.Module) -> ast.Module:
    """Without function bodies and `if TYPE_CHECKING`."""
    kept = ast.parse(ast.unparse(tree))
    for node in ast.walk(kept):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or (
            isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        ):
            node.body = [ast.Pass()]
    return kept


def test_every_package_has_sources() -> None:
    assert {path.relative_to(REPOSITORY).parts[0] for path in SOURCES} == set(PACKAGES)


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_who_imports_whom(path: Path) -> None:
    """cni -> stdlib; ipam -> cni; cni_veth -> cni, and ipam in one place."""
    name, package = name_of(path), path.relative_to(REPOSITORY).parts[0]
    found = {module.partition(".")[0] for module in imports(ast.parse(path.read_text()))}
    allowed = OURS[package] | EXCEPTIONS.get(name, set()) | FOREIGN.get(name, set())
    assert found - set(sys.stdlib_module_names) - allowed == set()


def test_the_judge_shares_nothing_with_the_judged() -> None:
    for path in (REPOSITORY / "conformance").rglob("*.py"):
        found = {module.partition(".")[0] for module in imports(ast.parse(path.read_text()))}
        allowed = {"conformance", "jsonschema", "referencing", "pyroute2"}
        assert found - set(sys.stdlib_module_names) - allowed == set(), name_of(path)


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_nothing_slow_is_imported_at_import_time(path: Path) -> None:
    found = {module.partition(".")[0] for module in imports(at_import_time(ast.parse(path.read_text())))}
    assert found & SLOW == set()
    assert found & {"jsonschema", "referencing"} == set()


def test_the_exceptions_are_still_needed() -> None:
    for name, modules in (EXCEPTIONS | FOREIGN).items():
        found = {module.partition(".")[0] for module in imports(ast.parse((REPOSITORY / name).read_text()))}
        assert modules <= found, name


def test_only_the_caller_is_written_to_on_stdout() -> None:
    """`print` and descriptor 1 belong to the caller; lint, status and the tool speak to people and are no plugins."""
    for path in SOURCES:
        if name_of(path) in ("cni/caller.py", "cni_veth/lint.py", "cni_veth/status.py", "ipam/tool/page.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                call = ast.unparse(node.func)
                is_to_stdout = call == "os.write" and ast.unparse(node.args[0]) == "1"
                assert call not in ("print", "sys.stdout.write") and not is_to_stdout, f"{name_of(path)}:{node.lineno}"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import re", {"re"}),
        ("def f():\n    import re", set()),
        ("TYPE_CHECKING = False\nif TYPE_CHECKING:\n    import re\nimport os", {"os"}),
        ("try:\n    import re\nexcept ImportError:\n    import os", {"re", "os"}),
        ("class A:\n    import re\n    def f(self):\n        import os", {"re"}),
        ("if True:\n    from a.b import c", {"a.b"}),
    ],
)
def test_the_reader_of_sources_itself(source: str, expected: set[str]) -> None:
    assert set(imports(at_import_time(ast.parse(source)))) == expected
