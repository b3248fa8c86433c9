"""What `install.sh` found on the node: kept, left alone, and put back by `uninstall`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.packaging.machine import NAMES, PLUGINS, SAMPLE, Machine, run, version


@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_foreign_file_is_kept_and_put_back(machine: Machine, dist: Path, kind: str) -> None:
    machine.bin.mkdir(parents=True)
    foreign = machine.bin / "loopback"
    if kind == "file":
        foreign.write_text("#!/bin/sh\necho foreign\n")
        foreign.chmod(0o700)
    else:
        foreign.symlink_to("/usr/bin/true")
    status = foreign.lstat()
    assert "kept the loopback" in machine.install(dist)
    assert "supportedVersions" in version(foreign).stdout
    machine.install(dist)
    assert "put the loopback back" in machine.uninstall(dist)
    restored = foreign.lstat()
    assert (restored.st_ino, restored.st_mode) == (status.st_ino, status.st_mode)
    assert machine.files() == {"opt/cni/bin/loopback"}


def test_drop_in_names_are_taken_when_asked_for_and_then_kept_up_to_date(
    machine: Machine, dist: Path, newer: Callable[[str], Path]
) -> None:
    machine.bin.mkdir(parents=True)
    (machine.bin / "bridge").write_text("the reference")
    machine.install(dist)
    assert set(machine.linked()) == NAMES
    machine.install(dist, DROPIN="1")
    assert set(machine.linked()) == {*NAMES, "bridge", "host-local"}
    machine.install(newer("second"))
    assert len(set(machine.linked().values())) == 1
    machine.uninstall(dist)
    assert machine.files() == {"opt/cni/bin/bridge"}
    assert (machine.bin / "bridge").read_text() == "the reference"


def test_drop_in_names_alone_are_given_back(machine: Machine, dist: Path, newer: Callable[[str], Path]) -> None:
    machine.bin.mkdir(parents=True)
    (machine.bin / "bridge").write_text("the reference")
    machine.install(dist, DROPIN="1")
    assert "put the bridge back" in machine.install(newer("second"), DROPIN="0")
    assert set(machine.linked()) == NAMES
    assert (machine.bin / "bridge").read_text() == "the reference" and not (machine.bin / "host-local").exists()
    machine.install(dist)
    assert set(machine.linked()) == NAMES


def test_the_sample_network_is_for_a_node_without_any(machine: Machine, dist: Path) -> None:
    machine.install(dist)
    sample = json.loads((machine.root / SAMPLE).read_text())
    assert sample["cniVersion"] == "1.0.0" and "1.1.0" in sample["cniVersions"]
    (plugin,) = sample["plugins"]
    assert {plugin["type"], plugin["ipam"]["type"]} <= PLUGINS
    assert plugin["ipMasq"] and {"portMappings", "bandwidth", "dns"} <= plugin["capabilities"].keys()
    machine.uninstall(dist)
    assert machine.files() == set()


@pytest.mark.parametrize("name", ["99-loopback.conf", "05-calico.conflist", "old.json"])
def test_no_sample_beside_another_network(machine: Machine, dist: Path, name: str) -> None:
    directory = (machine.root / SAMPLE).parent
    directory.mkdir(parents=True)
    (directory / name).write_text("{}")
    machine.install(dist)
    assert [path.name for path in directory.iterdir()] == [name]


def test_a_sample_that_was_edited_stays(machine: Machine, dist: Path, newer: Callable[[str], Path]) -> None:
    machine.install(dist)
    sample = machine.root / SAMPLE
    sample.write_text(sample.read_text().replace("cni0", "br7"))
    machine.install(newer("second"))
    assert "was changed" in machine.uninstall(dist)
    assert machine.files() == {SAMPLE}
    assert "br7" in sample.read_text()


def test_uninstall_twice(machine: Machine, dist: Path) -> None:
    machine.install(dist)
    machine.uninstall(dist)
    assert "nothing is installed" in machine.uninstall(dist)


def test_uninstall_works_from_the_sources(machine: Machine, dist: Path, tree: Path) -> None:
    machine.install(dist)
    done = run("make", "-C", str(tree), "uninstall", f"DESTDIR={machine.root}")
    assert done.returncode == 0, done.stderr
    assert machine.files() == set()
