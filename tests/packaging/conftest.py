"""A copy of the sources and of their build, so that no test changes this tree."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.packaging.machine import Machine, run
from tests.packaging.systemd import Systemd

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCES = ("cni", "cni_veth", "ipam", "packaging", "pyproject.toml", "requirements.lock", "LICENSE", "Makefile")


def copy_sources(directory: Path) -> Path:
    """The sources in `directory`, with the virtual environment that runs this test."""
    directory.mkdir()
    for name in SOURCES:
        if (REPOSITORY / name).is_dir():
            shutil.copytree(REPOSITORY / name, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(REPOSITORY / name, directory / name)
    (directory / ".venv").symlink_to(sys.prefix)
    return directory


def build(tree: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return run(str(tree / "packaging/build.sh"), **environment)


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sources that were built. `make test` has built them already, and a build takes two minutes."""
    built = build(REPOSITORY)
    assert built.returncode == 0, built.stderr
    tree = copy_sources(tmp_path_factory.mktemp("built") / "tree")
    shutil.copytree(REPOSITORY / "dist/cni", tree / "dist/cni", symlinks=True)
    return tree


@pytest.fixture(scope="session")
def dist(tree: Path) -> Path:
    return tree / "dist/cni"


@pytest.fixture
def newer(dist: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Makes a dist/cni of the same version that is another build: launchers and servers of the two do not talk."""

    def make(content: str) -> Path:
        copy = tmp_path / f"dist-{content}"
        shutil.copytree(dist, copy, symlinks=True)
        (program,) = copy.glob("cni-veth-*")
        build = (program / "BUILD").read_text().strip()
        other = hashlib.sha256(content.encode()).hexdigest()
        launcher = (program / "launcher").read_bytes()
        assert launcher.count(build.encode()) == 1
        (program / "launcher").write_bytes(launcher.replace(build.encode(), other.encode()))
        (program / "BUILD").write_text(f"{other}\n")
        return copy

    return make


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    root = tmp_path / "root"
    root.mkdir()
    return Machine(root)


@pytest.fixture
def booted() -> Iterator[Systemd]:
    with Systemd.booted() as machine:
        yield machine


@pytest.fixture
def installed(booted: Systemd, dist: Path) -> Systemd:
    booted.install(dist)
    return booted
