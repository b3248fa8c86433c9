"""The warm server as systemd runs it: its units, their hardening, an upgrade, the way out. By a real systemd."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.packaging.systemd import BIN, RECONCILE, SERVICE, SOCKET, TIMER, UNITS, Systemd
from tests.world.load import Load
from tests.world.server import until

pytestmark = pytest.mark.root
SUBNETS = ("10.1.2.0/24", "fd00::/64")
CAPABILITIES = {"net_admin": 12, "sys_admin": 21, "sys_chroot": 18, "sys_ptrace": 19, "dac_override": 1, "fowner": 3}


def served(machine: Systemd) -> int:
    """How many calls, by the server's own words; it is stopped with that."""
    machine.systemctl("stop", SERVICE)
    return sum(map(int, re.findall(r"(\d+) calls served", machine.log.read_text())))


def test_the_first_call_starts_it_and_all_are_served(installed: Systemd) -> None:
    assert installed.show(SOCKET, "ActiveState", "UnitFileState") == ["active", "enabled"]
    assert installed.main_pid() == 0
    node, plugin, wrap = installed.node, installed.plugin(), installed.enter
    pod, conf = node.pod(), node.network(*SUBNETS, isDefaultGateway=True)
    plugin.status(conf, wrap=wrap).succeeded()
    assert installed.main_pid() > 0
    result = plugin.add(conf, pod, wrap=wrap).succeeded()
    plugin.check(conf, pod, result, wrap=wrap).succeeded()
    assert pod.reaches("10.1.2.1") and pod.reaches("fd00::1")
    plugin.gc(conf, [(pod.container_id, "eth0")], wrap=wrap).succeeded()
    plugin.delete(conf, pod, result, wrap=wrap).succeeded()
    assert served(installed) == 5
    assert installed.show(SERVICE, "Result") == ["success"]


def test_its_hardening_lets_it_into_any_place_of_a_caller(installed: Systemd) -> None:
    """A mount namespace and a store of another user's, kinds of links, a gateway that was not there."""
    node, plugin = installed.node, installed.plugin()
    hidden = node.dir / "hidden"
    hidden.mkdir()
    theirs = f"mount -t tmpfs none {hidden} && mkdir -m 700 {hidden}/net && chown 1000 {hidden}/net"
    script = f'{theirs} && "$@" && ls {hidden}/net'
    elsewhere = [*installed.enter, "unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh"]
    conf = node.network(ipam=node.ipam("10.1.2.0/24", dataDir=str(hidden)), isGateway=True, promiscMode=True)
    process = plugin.start("ADD", node.pod(), wrap=elsewhere)
    stdout, stderr = process.communicate(json.dumps(conf), timeout=30)
    assert process.returncode == 0 and "10.1.2.2\n" in stdout, (stdout, stderr)
    assert list(hidden.iterdir()) == []
    (node.store / "net").mkdir(parents=True)
    shutil.chown(node.store / "net", 1000)
    conf, pod = node.network(*SUBNETS, bridge="cni1", mtu=1400, portIsolation=True, mac="0a:00:00:00:00:07"), node.pod()
    result = plugin.add(conf, pod, wrap=installed.enter).succeeded()
    indexes = (node.dir / "run/ipam").iterdir()
    assert (node.store / "net").stat().st_mtime_ns in {index.stat().st_mtime_ns for index in indexes}, "index in use"
    plugin.check(conf, pod, result, wrap=installed.enter).succeeded()
    plugin.gc(conf, [], wrap=installed.enter).succeeded()
    assert node.leases() == {} and set(pod.links()) == {"lo"}
    failed = plugin.cni("ADD", "not JSON", node.pod(), wrap=installed.enter)
    assert failed.failed(6)
    assert served(installed) == 5


def test_it_has_what_it_needs_and_nothing_more(installed: Systemd) -> None:
    installed.plugin().status(installed.node.network(*SUBNETS), wrap=installed.enter).succeeded()
    pid = installed.main_pid()
    status = dict(line.split(":\t", 1) for line in installed.proc(pid, "status").splitlines())
    bounds = sum(1 << number for number in CAPABILITIES.values())
    assert [int(status[name], 16) for name in ("CapBnd", "CapPrm", "CapEff")] == [bounds] * 3
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    for kind in ("mnt", "net", "pid", "user"):
        assert installed.proc(pid, f"ns/{kind}") == installed.proc(1, f"ns/{kind}") != "", kind


def test_systemd_finds_nothing_wrong_with_the_units(installed: Systemd) -> None:
    units = installed.run("find", str(UNITS), "-name", "cni-veth*").stdout.split()
    assert len(units) == 4
    done = installed.run("systemd-analyze", "verify", *units)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_what_lies_in_run_survives_a_restart(installed: Systemd) -> None:
    node, plugin, wrap = installed.node, installed.plugin(), installed.enter
    pod, conf, run = node.pod(), node.network(*SUBNETS), {"CNI_VETH_RUN_DIR": "/run/cni-veth"}
    plugin.add(conf, pod, wrap=wrap, env=run).succeeded()
    files = installed.run("find", "/run/cni-veth", "!", "-name", "*.sock", "-printf", "%p %i %m\n").stdout
    assert "/run/cni-veth/bridge.lock" in files and "/run/cni-veth/ipam/" in files
    installed.systemctl("restart", SOCKET, SERVICE)
    installed.systemctl("stop", SOCKET, SERVICE)
    assert installed.run("find", "/run/cni-veth", "-printf", "%p %i %m\n").stdout == files
    assert installed.run("stat", "-c", "%a %u", "/run/cni-veth").stdout == "700 0\n"
    plugin.delete(conf, pod, wrap=wrap, env=run).succeeded()


def test_an_upgrade_under_load(installed: Systemd, newer: Callable[[str], Path]) -> None:
    """The server becomes the new program, in the same process and under the same socket; no call fails."""
    with Load(installed.node, BIN, installed.enter) as load:
        load.until_rounds(4)
        pid = installed.main_pid()
        old = installed.proc(pid, "exe")
        installed.install(newer("second"))
        until(lambda: installed.proc(pid, "exe") not in ("", old))
        load.until_rounds(4)
        installed.install(newer("third"))
        load.until_rounds(4)
    assert load.errors == []
    assert installed.main_pid() == pid and installed.show(SERVICE, "NRestarts") == ["0"]
    until(lambda: installed.log.read_text().count("workers serve") == 3)
    before = installed.log.read_text().count("calls served")
    installed.plugin().status(installed.node.network(*SUBNETS), wrap=installed.enter).succeeded()
    assert before == 2, "each version says so at its end"
    assert served(installed) > 0


def test_an_upgrade_that_changes_the_units_restarts_it(installed: Systemd, newer: Callable[[str], Path]) -> None:
    second = newer("second")
    (unit,) = second.glob("cni-veth-*/systemd/cni-veth.service")
    unit.write_text(unit.read_text().replace("TasksMax=256", "TasksMax=300"))
    with Load(installed.node, BIN, installed.enter) as load:
        load.until_rounds(4)
        pid = installed.main_pid()
        installed.install(second)
        load.until_rounds(4)
    assert load.errors == []
    assert installed.show(SERVICE, "TasksMax") == ["300"] and installed.main_pid() not in (0, pid)
    assert installed.show(SOCKET, "ActiveState") == ["active"]


def test_what_an_administrator_switched_off_stays_off(installed: Systemd, newer: Callable[[str], Path]) -> None:
    installed.systemctl("disable", "--now", SOCKET)
    assert "cni-veth.socket is off" in installed.install(newer("second"))
    assert installed.show(SOCKET, "ActiveState", "UnitFileState") == ["inactive", "disabled"]
    installed.plugin().status(installed.node.network(*SUBNETS), wrap=installed.enter).succeeded()


@pytest.mark.parametrize("verb", ["uninstall", "install"])
def test_it_goes_as_a_whole(installed: Systemd, dist: Path, verb: str) -> None:
    """By uninstall, or alone by SERVER=0."""
    node, plugin = installed.node, installed.plugin()
    plugin.status(node.network(*SUBNETS), wrap=installed.enter).succeeded()
    assert installed.main_pid() > 0
    done = installed.script(dist, verb, SERVER="0")
    assert done.returncode == 0, done.stderr
    for unit in (SOCKET, SERVICE, TIMER, RECONCILE):
        assert installed.show(unit, "LoadState") == ["not-found"], unit
    processes = installed.run("sh", "-c", "readlink /proc/[0-9]*/exe").stdout
    assert "systemd" in processes and "/opt/cni" not in processes
    left = installed.run("find", "/opt/cni", "/run/cni-veth", str(UNITS), "/etc/systemd/system", "-name", "cni-veth*")
    if verb == "uninstall":
        drop_ins = {f"/etc/systemd/system/{unit}.d" for unit in (SERVICE, RECONCILE)}
        assert set(left.stdout.split()) == {"/run/cni-veth", *drop_ins}
        return
    assert f"{BIN}/cni-veth\n" in left.stdout and "cni-vethd" not in left.stdout
    plugin.status(node.network(*SUBNETS), wrap=installed.enter).succeeded()


def test_without_systemd_it_says_how_to_start_the_server(booted: Systemd, dist: Path) -> None:
    script = f"mount -t tmpfs none /run/systemd && {dist}/install.sh install"
    done = booted.run("unshare", "--mount", "sh", "-c", script)
    assert done.returncode == 0 and f"start the warm server by {BIN}/cni-vethd" in done.stdout
    assert not booted.run("find", str(UNITS)).stdout
    assert "unrecognized" not in booted.run(str(BIN / "cni-vethd"), "--help").stderr
