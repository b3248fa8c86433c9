"""The lock files: hashes for everything, no registry named, and the first holds what pyproject.toml asks for."""

from __future__ import annotations

import re
import tomllib

import pytest
from packaging.requirements import Requirement

from tests.packaging.conftest import REPOSITORY

LOCKS = ("requirements.lock", "packaging/peers.lock", "packaging/test.lock", "packaging/launcher/zig.lock")


def entries(lock: str) -> dict[str, tuple[Requirement, int]]:
    """Requirement and number of hashes by name."""
    text = re.sub(r"^#.*\n", "", (REPOSITORY / lock).read_text(), flags=re.MULTILINE).replace("\\\n", "")
    found = {}
    for line in text.splitlines():
        requirement = Requirement(line.split("--hash")[0])
        found[requirement.name] = (requirement, line.count("--hash=sha256:"))
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_everything_is_pinned_with_hashes(lock: str) -> None:
    for name, (requirement, hashes) in entries(lock).items():
        assert re.fullmatch(r"==[\w.]+", str(requirement.specifier)), name
        assert hashes > 0, name


@pytest.mark.parametrize("lock", LOCKS)
def test_no_registry_is_named(lock: str) -> None:
    assert not re.search(r"https?:|--(extra-)?index-url|--find-links|--trusted-host", (REPOSITORY / lock).read_text())


def test_what_the_project_asks_for_is_locked() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    optional = project["optional-dependencies"]
    for lock, asked in (
        ("requirements", project["dependencies"] + optional["dev"]),
        ("packaging/test", optional["runtimes"]),
    ):
        locked = entries(f"{lock}.lock")
        for wanted in map(Requirement, asked):
            requirement, _ = locked[wanted.name]
            assert wanted.specifier.contains(str(requirement.specifier).removeprefix("==")), wanted.name


def test_what_is_locked_twice_is_locked_alike() -> None:
    first, second = entries("requirements.lock"), entries("packaging/test.lock")
    assert {
        name for name in first.keys() & second.keys() if first[name][0].specifier != second[name][0].specifier
    } == set()


def test_no_marker_leaves_out_a_supported_python() -> None:
    """Windows' and macOS' own dependencies are locked too; all else holds on every CPython from 3.11 on."""
    for requirement, _ in (*entries("requirements.lock").values(), *entries("packaging/test.lock").values()):
        marker = requirement.marker
        for python in ("3.11", "3.12", "3.13"):
            environment = {"python_version": python, "python_full_version": f"{python}.1", "sys_platform": "linux"}
            if marker and "sys_platform ==" not in str(marker):
                assert marker.evaluate(environment), str(requirement)
