"""The rpm under the real rpm, which on this system knows of no glibc."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from tests.packaging.conftest import REPOSITORY
from tests.packaging.machine import run
from tests.packaging.system import on_a_system

pytestmark = pytest.mark.root
RPM = "rpm --force-debian --nodeps"


def build(tree: Path) -> Path:
    for name in ("README.md", "CHANGELOG.md"):
        shutil.copy2(REPOSITORY / name, tree / name)
    built = run(str(tree / "packaging/rpm/build.sh"))
    assert built.returncode == 0, built.stderr
    [package] = (tree / "dist").glob("*.rpm")
    return package


@pytest.fixture(scope="module")
def package(tree: Path) -> Path:
    return build(tree)


@pytest.fixture
def newer(tree: Path, tmp_path: Path) -> Path:
    """That of a version 9.9."""
    copy = tmp_path / "newer"
    shutil.copytree(tree, copy, symlinks=True, ignore=shutil.ignore_patterns("*.rpm", "*.deb"))
    project = copy / "pyproject.toml"
    project.write_text(re.sub(r'^version = ".+"', 'version = "9.9"', project.read_text(), flags=re.MULTILINE))
    (program,) = (copy / "dist/cni").glob("cni-veth-*")
    os.rename(program, program.with_name("cni-veth-9.9"))
    return build(copy)


def test_it_says_what_it_needs(package: Path) -> None:
    said = run("rpm", "--query", "--package", "--requires", str(package)).stdout
    assert re.search(r"^libc\.so\.6\(GLIBC_2\.\d+\)\(64bit\)$", said, re.MULTILINE)


def test_the_same_program_gives_the_same_bytes(package: Path, tree: Path) -> None:
    first = package.read_bytes()
    assert build(tree).read_bytes() == first


def test_installed_and_removed(package: Path, tmp_path: Path) -> None:
    script = f"""
    mkdir -p /opt/cni/bin && echo another >/opt/cni/bin/loopback
    {RPM} --install /cni-veth.rpm >/dev/null
    readlink /opt/cni/bin/cni-veth && ls /etc/cni/net.d
    CNI_COMMAND=VERSION CNI_VETH_SOCKET= /opt/cni/bin/cni-veth | grep -c 1.1.0
    rpm --verify --nodeps cni-veth
    {RPM} --erase cni-veth >/dev/null
    find /opt/cni /etc/cni /usr/lib/cni-veth ! -type d 2>/dev/null || true
    cat /opt/cni/bin/loopback
    """
    link, sample, versions, *left = on_a_system(package, tmp_path, script)
    assert re.fullmatch(r"\.\./cni-veth-[\d.]+-[0-9a-f]{12}/launcher", link)
    assert (sample, versions) == ("10-cni-veth.conflist", "1")
    assert left == ["/opt/cni/bin/loopback", "another"]


def test_an_upgrade_swaps_the_links(package: Path, newer: Path, tmp_path: Path) -> None:
    script = f"""
    {RPM} --install /cni-veth.rpm >/dev/null
    {RPM} --upgrade {newer} >/dev/null
    readlink /opt/cni/bin/cni-veth && ls /usr/lib/cni-veth
    """
    link, *files = on_a_system(package, tmp_path, script)
    assert link.startswith("../cni-veth-9.9-")
    assert files == ["bin", "cni-veth-9.9", "install.sh", "service.sh"]
