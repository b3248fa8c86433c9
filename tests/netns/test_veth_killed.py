"""What a signal leaves: of an ADD nothing, and after SIGKILL nothing that its DEL does not find (DESIGN 3)."""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
from typing import Any

import pytest

from tests.world import Node, Plugin, Pod
from tests.world.scripted import STOP, ScriptedIPAM, answer

SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]
Conf = dict[str, Any]


def stopped(plugin: Plugin, verb: str, conf: Conf, pod: Pod, foreign: ScriptedIPAM) -> subprocess.Popen[str]:
    """A call whose IPAM plugin was run and does not answer."""
    watched = foreign.watch()
    process = plugin.begin(verb, conf, pod, path=[foreign.directory])
    foreign.wait(watched)
    return process


@pytest.mark.parametrize("number", SIGNALS)
def test_an_add_that_is_interrupted_leaves_nothing(
    node: Node, pod: Pod, plugin: Plugin, number: signal.Signals
) -> None:
    foreign = ScriptedIPAM(node, ADD=STOP + answer("10.1.2.5/24"))
    before = node.state(), pod.state()
    process = stopped(plugin, "ADD", node.network(ipam={"type": foreign.type}, isGateway=True), pod, foreign)
    assert set(pod.links()) == {"lo", "eth0"}
    process.send_signal(number)
    stdout, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    error = json.loads(stdout)
    assert error["code"] == 11 and number.name in error["msg"]
    assert foreign.calls == ["ADD", "DEL"]
    assert (node.state(), pod.state()) == before


@pytest.mark.parametrize("cause", ["a signal", "a failure"])
def test_a_signal_does_not_cut_the_unwinding_short(node: Node, pod: Pod, plugin: Plugin, cause: str) -> None:
    nowhere = answer("10.1.2.5/24", routes=[{"dst": "10.9.0.0/16", "gw": "172.16.0.1"}])
    foreign = ScriptedIPAM(node, ADD=STOP + nowhere, DEL=STOP + "echo >$go.released")
    process = stopped(plugin, "ADD", node.network(ipam={"type": foreign.type}), pod, foreign)
    watched = foreign.watch()
    if cause == "a signal":
        process.send_signal(signal.SIGTERM)
    else:
        foreign.go_on()
    foreign.wait(watched)
    for number in SIGNALS:
        process.send_signal(number)
    foreign.go_on()
    stdout, _ = process.communicate(timeout=30)
    assert (process.returncode, json.loads(stdout)["code"]) == (1, 11 if cause == "a signal" else 100)
    assert foreign.calls == ["ADD", "DEL"]
    assert (foreign.directory / "go.released").exists()
    assert set(node.links()) == set(pod.links()) == {"lo"}


@pytest.mark.parametrize("number", SIGNALS)
def test_a_del_that_is_interrupted_finishes_first(node: Node, pod: Pod, plugin: Plugin, number: signal.Signals) -> None:
    """netavark#1223"""
    foreign = ScriptedIPAM(node, ADD=answer("10.1.2.5/24"), DEL=STOP)
    conf = node.network(ipam={"type": foreign.type})
    plugin.add(conf, pod, path=[foreign.directory]).succeeded()
    process = stopped(plugin, "DEL", conf, pod, foreign)
    process.send_signal(number)
    foreign.go_on()
    stdout, _ = process.communicate(timeout=30)
    assert (process.returncode, stdout) == (0, "")
    assert set(pod.links()) == {"lo"}


def test_del_after_an_add_that_was_killed_in_its_ipam(node: Node, pod: Pod, plugin: Plugin) -> None:
    foreign = ScriptedIPAM(node, ADD=STOP + answer("10.1.2.5/24"))
    conf = node.network(ipam={"type": foreign.type}, isGateway=True)
    process = stopped(plugin, "ADD", conf, pod, foreign)
    process.kill()
    process.communicate(timeout=30)
    assert set(pod.links()) == {"lo", "eth0"}, "SIGKILL leaves no time to clean up; else this test proves nothing"
    plugin.delete(conf, pod, path=[foreign.directory]).succeeded()
    assert foreign.calls == ["ADD", "DEL"]
    assert set(node.links()) == {"lo", "cni0"}
    assert set(pod.links()) == {"lo"}
    foreign.write(ADD=answer("10.1.2.5/24"))
    plugin.add(conf, pod, path=[foreign.directory]).succeeded()


def met(plugin: Plugin, conf: Conf, pod: Pod, syscall: str, number: int, by: str) -> tuple[int, str]:
    """Run an ADD that a signal meets at its nth such system call: exit code and stdout."""
    wrap = ["strace", "-qq", "-e", f"trace={syscall}", "-e", f"inject={syscall}:signal={by}:when={number}"]
    process = plugin.begin("ADD", conf, pod, wrap=[*wrap, "-o", "/dev/null"])
    stdout, _ = process.communicate(timeout=60)
    return process.returncode, stdout


def killed_at(plugin: Plugin, conf: Conf, pod: Pod, syscall: str, number: int) -> bool:
    """Whether the ADD came that far."""
    code, _ = met(plugin, conf, pod, syscall, number, "SIGKILL")
    assert code in (0, -signal.SIGKILL)
    return code != 0


@pytest.mark.standalone
@pytest.mark.parametrize(
    ("syscall", "least", "node_is"),
    [("write", 5, "fresh"), ("flock", 2, "in use"), ("renameat", 1, "in use"), ("utimensat", 2, "in use")],
)
def test_an_add_that_is_interrupted_at_any(
    node: Node, pod: Pod, plugin: Plugin, syscall: str, least: int, node_is: str
) -> None:
    """Python raises between any two steps: an effect that nobody has noted yet must not be left. The calls of store
    and sysctls; test_veth_interrupted.py has those to the kernel's links."""
    conf = node.network("10.1.2.0/24", "fd00::/64", isDefaultGateway=True)
    if node_is == "in use":
        plugin.add(conf, node.pod()).succeeded()
    before = set(node.links()), node.addresses(), node.leases()
    for number in itertools.count(1):
        code, stdout = met(plugin, conf, pod, syscall, number, "SIGTERM")
        if code == 0:
            break
        if stdout or code != -signal.SIGTERM:  # the launcher, which has begun nothing, just ends
            assert json.loads(stdout)["code"] == 11
        assert (set(node.links()), node.addresses(), node.leases()) == before, f"interrupted at {syscall} {number}"
        assert set(pod.links()) == {"lo"}, f"interrupted at {syscall} {number}"
    assert number > least, "the ADD hardly made this call at all"
    plugin.check(conf, pod, json.loads(stdout)).succeeded()


@pytest.mark.standalone
@pytest.mark.parametrize(
    ("syscall", "least"),
    [("sendto", 7), ("renameat", 1), ("symlinkat", 1), ("utimensat", 2), ("flock", 3), ("write", 5)],
)
def test_del_after_an_add_that_was_killed_at_any(node: Node, plugin: Plugin, syscall: str, least: int) -> None:
    """sendto: every request to the kernel; write: every sysctl, lease and the result."""
    conf = node.network("10.1.2.0/24", "fd00::/64", isDefaultGateway=True)
    other, pod = node.pod(), node.pod()
    plugin.add(conf, other).succeeded()
    before = node.state(), node.leases()
    for number in itertools.count(1):
        if not killed_at(plugin, conf, pod, syscall, number):
            break
        plugin.delete(conf, pod).succeeded()
        assert (node.state(), node.leases()) == before, f"killed at {syscall} {number}"
        assert set(pod.links()) == {"lo"}
    assert number > least, "the ADD hardly made this call at all"
    names = {path.name for path in (node.store / "net").iterdir()}
    assert names - {"lock", "last_reserved_ip.0", "last_reserved_ip.1"} == node.leases().keys(), "nothing unfinished"


@pytest.mark.standalone
def test_the_first_add_of_a_node_killed_anywhere_does_not_hinder_the_next(node: Node, pod: Pod, plugin: Plugin) -> None:
    conf = node.network("10.1.2.0/24", isDefaultGateway=True)
    for number in itertools.count(1):
        if not killed_at(plugin, conf, pod, "sendto", number):
            break
        plugin.delete(conf, pod).succeeded()
        assert set(node.links()) <= {"lo", "cni0"}, f"killed at sendto {number}"
        assert node.leases() == {}
        plugin.add(conf, pod).succeeded()
        assert pod.reaches("10.1.2.1")
        plugin.delete(conf, pod).succeeded()
        node.batch("link del cni0")
    assert number > 8
