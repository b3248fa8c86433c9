"""`install.sh install`: a swap that no pod notices, whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.packaging.machine import NAMES, PLUGINS, UNITS, Machine, run, version


def test_the_names_are_links_to_one_program_that_its_content_names(machine: Machine, dist: Path) -> None:
    machine.install(dist)
    (program,) = machine.programs()
    assert machine.linked() == dict.fromkeys(NAMES, program)
    for name in NAMES:
        assert (machine.bin / name).resolve().name == ("launcher" if name in PLUGINS else "cni-veth")
    for name in PLUGINS:
        assert json.loads(version(machine.bin / name).stdout)["supportedVersions"]


def test_root_alone_can_write_to_it(machine: Machine, dist: Path) -> None:
    umask = os.umask(0)
    try:
        machine.install(dist)
    finally:
        os.umask(umask)
    modes = {path: path.stat().st_mode & 0o777 for path in (machine.root / "opt").rglob("*")}
    assert [path for path, mode in modes.items() if mode not in (0o755, 0o644)] == []


def test_installing_again_changes_nothing(machine: Machine, dist: Path) -> None:
    machine.install(dist)
    files, linked = machine.files(), machine.linked()
    (program,) = machine.programs()
    inode = (machine.root / "opt/cni" / program).stat().st_ino
    machine.install(dist)
    assert (machine.files(), machine.linked()) == (files, linked)
    assert (machine.root / "opt/cni" / program).stat().st_ino == inode


def test_the_previous_program_stays_and_older_ones_go(
    machine: Machine, dist: Path, newer: Callable[[str], Path]
) -> None:
    machine.install(dist)
    (first,) = machine.programs()
    machine.install(newer("second"))
    second = machine.linked()["cni-veth"]
    assert machine.programs() == {first, second} and first != second
    machine.install(newer("third"))
    assert machine.programs() == {second, machine.linked()["cni-veth"]}


def test_a_call_under_way_ends_well_whatever_is_installed_meanwhile(
    machine: Machine, dist: Path, newer: Callable[[str], Path]
) -> None:
    machine.install(dist)
    first = machine.linked()["cni-veth"]
    environment = {"CNI_COMMAND": "ADD", "CNI_CONTAINERID": "c1", "CNI_NETNS": "/nowhere", "CNI_IFNAME": "eth0"}
    with subprocess.Popen(
        [machine.bin / "cni-veth"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as call:
        try:
            for content in ("second", "third", "fourth"):
                machine.install(newer(content))
            assert first in machine.programs()
            stdout, _ = call.communicate("not JSON")  # whose error takes modules that are not loaded yet
        finally:
            call.kill()
    assert json.loads(stdout)["code"] == 6
    machine.install(newer("fourth-again"))
    assert first not in machine.programs()


def test_every_call_finds_a_program_while_installs_go_on(
    machine: Machine, dist: Path, newer: Callable[[str], Path]
) -> None:
    machine.install(dist)
    failures: list[str] = []
    calls = 0
    over = threading.Event()

    def call() -> None:
        nonlocal calls
        while not over.is_set():
            try:
                done = version(machine.bin / "cni-veth")
            except OSError as error:
                failures.append(str(error))
            else:
                calls += 1
                failures.extend([done.stderr] if done.returncode else [])

    caller = threading.Thread(target=call)
    caller.start()
    try:
        second = newer("second")
        for _ in range(3):
            machine.install(second)
            machine.install(dist)
    finally:
        over.set()
        caller.join()
    assert failures == []
    assert calls > 5


def test_a_foreign_executable_that_runs_is_replaced(machine: Machine, dist: Path) -> None:
    """Writing into it would fail with ETXTBSY, "text file busy"."""
    machine.bin.mkdir(parents=True)
    shutil.copy("/usr/bin/sleep", machine.bin / "loopback")
    with subprocess.Popen([machine.bin / "loopback", "60"]) as busy:
        try:
            machine.install(dist)
            assert busy.poll() is None
        finally:
            busy.kill()
    assert "supportedVersions" in version(machine.bin / "loopback").stdout


def test_a_damaged_program_is_replaced(machine: Machine, dist: Path) -> None:
    machine.install(dist)
    files = machine.files()
    (machine.bin / "cni-veth").resolve().write_bytes(b"")
    (machine.bin / "cni-vethd").resolve().write_bytes(b"")
    machine.install(dist)
    assert version(machine.bin / "cni-veth").returncode == 0
    assert machine.files() == files


def test_what_a_killed_install_left_is_removed(machine: Machine, dist: Path) -> None:
    machine.install(dist)
    files = machine.files()
    half = machine.root / "opt/cni/.new-cni-veth-0.0.0-0123456789ab"
    half.mkdir()
    (half / "cni-veth").write_text("half")
    machine.install(dist)
    assert machine.files() == files and not half.exists()


@pytest.mark.root
def test_a_full_disk_leaves_the_old_program_in_place(
    machine: Machine, dist: Path, newer: Callable[[str], Path]
) -> None:
    second = newer("second")
    script = f"""
        mount -t tmpfs -o size=32m none {machine.root}
        export DESTDIR={machine.root}
        {dist}/install.sh install >/dev/null && {second}/install.sh install
        echo "exit code $?"
        ls -A $DESTDIR/opt/cni $DESTDIR/opt/cni/bin
        CNI_COMMAND=VERSION $DESTDIR/opt/cni/bin/cni-veth
    """
    done = run("unshare", "--mount", "--propagation", "private", "sh", "-c", script)
    assert "exit code 1" in done.stdout and "disk full" in done.stderr
    assert "supportedVersions" in done.stdout
    assert ".new-" not in done.stdout and done.stdout.count("cni-veth-0") == 1


@pytest.mark.root
@pytest.mark.parametrize("verb", ["install", "uninstall"])
def test_where_it_cannot_write_it_says_so(machine: Machine, dist: Path, verb: str) -> None:
    machine.install(dist)
    files = machine.files()
    read_only = f"mount --bind {machine.root} {machine.root} && mount -o remount,bind,ro {machine.root}"
    script = f"{read_only} && DESTDIR={machine.root} {dist}/install.sh {verb}"
    done = run("unshare", "--mount", "--propagation", "private", "sh", "-c", script)
    assert done.returncode == 1
    assert f"cannot write to {machine.bin}" in done.stderr and "DESTDIR" in done.stderr
    assert machine.files() == files


def test_a_directory_in_the_way_is_named_before_anything_is_done(machine: Machine, dist: Path) -> None:
    (machine.bin / "loopback").mkdir(parents=True)
    done = machine.script(dist, "install")
    assert done.returncode == 1
    assert str(machine.bin / "loopback") in done.stderr
    assert machine.files() == set()


def test_links_of_the_first_layout_are_ours_and_get_a_server(
    machine: Machine, dist: Path, newer: Callable[[str], Path]
) -> None:
    """There the plugins were the program itself."""
    machine.install(dist, SERVER="0", DROPIN="1")
    before = machine.linked()
    for name in before:
        (machine.bin / name).unlink()
        (machine.bin / name).symlink_to(f"../{before[name]}/cni-veth")
    machine.install(newer("second"))
    assert set(machine.linked()) == {*NAMES, "bridge", "host-local"}
    assert not list(machine.bin.glob("*.before-cni-veth"))
    machine.uninstall(dist)
    assert machine.files() == set()


def test_the_server_is_left_out_until_it_is_asked_for(
    machine: Machine, dist: Path, newer: Callable[[str], Path]
) -> None:
    machine.install(dist, SERVER="0")
    machine.install(newer("second"))
    assert set(machine.linked()) == PLUGINS and not machine.files() & UNITS
    assert "enable cni-veth.socket cni-veth-reconcile.timer" in machine.install(dist, SERVER="1")
    assert set(machine.linked()) == NAMES and machine.files() >= UNITS
    machine.install(newer("third"))
    assert set(machine.linked()) == NAMES
    machine.install(dist, SERVER="0")
    assert set(machine.linked()) == PLUGINS and not machine.files() & UNITS


@pytest.mark.parametrize("verb", ["--help", "-h"])
def test_help_is_an_answer(machine: Machine, dist: Path, verb: str) -> None:
    done = machine.script(dist, verb)
    assert (done.returncode, done.stderr) == (0, "")
    assert "DROPIN" in done.stdout and "SERVER" in done.stdout and "uninstall" in done.stdout
    assert machine.files() == set()


def test_another_verb_is_refused(machine: Machine, dist: Path) -> None:
    done = machine.script(dist, "upgrade")
    assert done.returncode == 1
    assert done.stdout == "" and "install.sh uninstall" in done.stderr
    assert machine.files() == set()


@pytest.mark.parametrize("switch", ["SERVER", "DROPIN"])
def test_a_switch_is_0_or_1(machine: Machine, dist: Path, switch: str) -> None:
    done = machine.script(dist, "install", **{switch: "no"})
    assert done.returncode == 1 and f"{switch}=no" in done.stderr
    assert machine.files() == set()
