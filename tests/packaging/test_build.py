"""`packaging/build.sh`: what dist/cni is made of, and that it is always made of the same bytes."""

from __future__ import annotations

import hashlib
import json
import os
import re
import runpy
import shutil
import tomllib
from pathlib import Path

import pytest
from PyInstaller.archive.readers import CArchiveReader

from cni_veth.__main__ import NAMES
from tests.packaging.conftest import REPOSITORY, build, copy_sources
from tests.packaging.machine import run

VERSION = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]


def contents(directory: Path) -> dict[str, tuple[int, float, str]]:
    """Mode, time and SHA-256 or link target of everything below `directory`."""
    found = {}
    for path in directory.rglob("*"):
        status = path.lstat()
        if path.is_symlink():
            content = f"-> {os.readlink(path)}"
        else:
            content = "" if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()
        found[str(path.relative_to(directory))] = (status.st_mode, status.st_mtime, content)
    return found


def test_two_builds_are_the_same_whatever_the_folder_umask_locale_and_hash_seed(dist: Path, tmp_path: Path) -> None:
    tree = copy_sources(tmp_path / "a folder with a longer name")
    umask = os.umask(0o077)
    try:
        again = build(tree, PYTHONHASHSEED="77", LC_ALL="C", TZ="Asia/Tokyo", HOME=str(tmp_path))
    finally:
        os.umask(umask)
    assert again.returncode == 0, again.stderr
    assert contents(tree / "dist/cni") == contents(dist)


def test_a_build_of_unchanged_sources_does_nothing(tree: Path, dist: Path) -> None:
    inode = dist.stat().st_ino
    done = build(tree)
    assert (done.returncode, done.stderr, dist.stat().st_ino) == (0, "", inode)


def test_the_plugins_are_links_to_the_launcher_and_the_server_to_the_program(dist: Path) -> None:
    links = {path.name: os.readlink(path) for path in (dist / "bin").iterdir()}
    launchers = dict.fromkeys(("cni-veth", "cni-ipam", "loopback"), f"../cni-veth-{VERSION}/launcher")
    assert links == {**launchers, "cni-vethd": f"../cni-veth-{VERSION}/cni-veth"}


def test_the_launcher_is_static_and_stripped(dist: Path) -> None:
    launcher = str(dist / f"cni-veth-{VERSION}/launcher")
    headers = run("objdump", "--private-headers", "--section-headers", launcher).stdout
    assert "PROGRAM HEADER" in headers.upper() and "INTERP" not in headers and "NEEDED" not in headers
    assert ".text" in headers and ".symtab" not in headers and ".debug" not in headers
    assert "no symbols" in run("objdump", "--syms", launcher).stdout
    assert Path(launcher).stat().st_size < 64_000


def test_the_launcher_holds_the_build_that_the_server_reads(dist: Path) -> None:
    program = dist / f"cni-veth-{VERSION}"
    build = (program / "BUILD").read_text()
    assert re.fullmatch(r"[0-9a-f]{64}\n", build)
    assert (program / "launcher").read_bytes().count(build.strip().encode()) == 1


def test_a_launcher_away_from_its_program_says_so(dist: Path, tmp_path: Path) -> None:
    shutil.copy(dist / "bin/cni-veth", tmp_path / "cni-veth2")
    done = run(str(tmp_path / "cni-veth2"), CNI_COMMAND="VERSION")
    error = json.loads(done.stdout)
    assert (done.returncode, error["code"]) == (1, 5)
    assert f"{tmp_path}/cni-veth" in error["msg"] and "No such file" in error["details"] and "whole" in error["details"]


@pytest.mark.parametrize("name", ["cni-veth", "cni-ipam", "loopback"])
def test_every_name_answers_as_itself(dist: Path, name: str) -> None:
    about = run(str(dist / "bin" / name))
    assert about.returncode == 0, about.stderr
    assert re.search(rf"\b{name}\b.*\b{re.escape(VERSION)}\b", about.stderr)
    version = run(str(dist / "bin" / name), CNI_COMMAND="VERSION")
    assert "1.1.0" in json.loads(version.stdout)["supportedVersions"]


def test_an_unknown_name_gets_a_clear_error(dist: Path, tmp_path: Path) -> None:
    (tmp_path / "briddge").symlink_to((dist / "bin/cni-veth").resolve())
    done = run(str(tmp_path / "briddge"), CNI_COMMAND="VERSION")
    error = json.loads(done.stdout)
    assert (done.returncode, error["code"]) == (1, 7)
    assert "briddge" in error["msg"] and "cni-veth" in error["details"]


def test_nothing_runs_before_our_code(dist: Path) -> None:
    """PyInstaller's importer costs 3 ms at every pod, and each of its runtime hooks more; the one for inspect 26."""
    archive = CArchiveReader(str(dist / f"cni-veth-{VERSION}/cni-veth"))
    assert {name: entry[-1] for name, entry in archive.toc.items()} == {"entry": "s", "PYZ.pyz": "z"}
    assert archive.open_embedded_archive("PYZ.pyz").toc == {}


def modules(dist: Path) -> set[str]:
    """All that the program can import, but for extensions."""
    internal = dist / f"cni-veth-{VERSION}/_internal"
    names = {".".join(path.relative_to(internal).with_suffix("").parts) for path in internal.rglob("*.pyc")}
    return {name.removesuffix(".__init__") for name in names}


def test_no_networking_framework_is_inside(dist: Path) -> None:
    """Of pyroute2 at most the messages: the rest would triple what a start costs."""
    assert "cni_veth.netlink" in modules(dist)
    assert not [name for name in modules(dist) if name.startswith(("pyroute2.ndb", "pyroute2.iproute", "asyncio"))]


def test_every_module_of_ours_is_inside(dist: Path) -> None:
    sources = [path for package in ("cni", "cni_veth", "ipam") for path in (REPOSITORY / package).rglob("*.py")]
    names = {".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__") for path in sources}
    assert names - modules(dist) == set()


def test_every_plugin_has_a_bundle(dist: Path) -> None:
    bundles = (dist / f"cni-veth-{VERSION}/_internal/bundles").iterdir()
    assert {path.name for path in bundles} == {"start", *NAMES.values()}


def test_what_a_call_runs_in_the_server_is_compiled(dist: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(REPOSITORY / "packaging")  # for its neighbour
    compiled = dist / f"cni-veth-{VERSION}/compiled"
    extensions = {str(path.relative_to(compiled)).partition(".")[0] for path in compiled.glob("*/*.so")}
    ours = [path for package in ("cni", "cni_veth", "ipam") for path in (REPOSITORY / package).glob("*.py")]
    interpreted = {*runpy.run_path(str(REPOSITORY / "packaging/compile.py"))["INTERPRETED"], "__init__"}
    assert extensions == {
        str(path.relative_to(REPOSITORY).with_suffix("")) for path in ours if path.stem not in interpreted
    }


def test_it_is_slim(dist: Path) -> None:
    program = dist / f"cni-veth-{VERSION}"
    assert sum(path.stat().st_size for path in program.rglob("*") if path.is_file()) < 21_500_000
    assert not list(program.rglob("libcrypto*")) and not list(program.rglob("libssl*"))


def test_what_our_code_imports_cannot_be_excluded(tmp_path: Path) -> None:
    tree = copy_sources(tmp_path / "tree")
    with (tree / "ipam/plugin.py").open("a") as source:
        source.write("\n\ndef fetch() -> None:\n    import ssl\n\n    ssl.create_default_context()\n")
    refused = build(tree)
    assert refused.returncode != 0
    assert "ipam.plugin -> ssl" in refused.stderr
    assert not (tree / "dist").exists()
