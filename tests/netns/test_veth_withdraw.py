"""A failed ADD takes back the bridge that it made, but never from under another ADD."""

from __future__ import annotations

import fcntl
import itertools
import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.world import Node, Plugin, Pod
from tests.world.scripted import STOP, ScriptedIPAM, failure

Conf = dict[str, Any]
SECONDS = 20


def held(plugin: Plugin, conf: Conf, pod: Pod, number: int, run: Path) -> subprocess.Popen[str]:
    """An ADD that SIGSTOP holds before its nth netlink request."""
    trace = run / f"trace.{number}"
    stop = ["-e", "trace=sendto", "-e", f"inject=sendto:signal=SIGSTOP:when={number}"]
    wrap = ["strace", "-D", "-o", str(trace), *stop]  # -D: the process that we signal is the plugin
    process = plugin.begin("ADD", conf, pod, wrap=wrap, env={"CNI_VETH_RUN_DIR": str(run)})
    deadline = time.monotonic() + SECONDS
    while not trace.exists() or "stopped by SIGSTOP" not in trace.read_text():
        assert process.poll() is None and time.monotonic() < deadline, f"no netlink request {number}"
        time.sleep(0.001)
    return process


def is_locked(file: Path) -> bool:
    with file.open() as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@pytest.mark.standalone
def test_a_bridge_is_not_taken_back_while_another_add_is_about_to_attach(node: Node, plugin: Plugin) -> None:
    """The other one is held between finding the bridge and attaching to it, until the maker has given up."""
    run = node.dir / "run"
    run.mkdir()
    foreign = ScriptedIPAM(node, ADD=STOP + failure(11, "no"))
    bad, good = node.network(ipam={"type": foreign.type}), node.network("10.1.0.0/24", isGateway=True)
    watched = foreign.watch()
    maker = plugin.begin("ADD", bad, node.pod(), path=[foreign.directory], env={"CNI_VETH_RUN_DIR": str(run)})
    foreign.wait(watched)
    pod = node.pod()
    for number in itertools.count(1):
        taker = held(plugin, good, pod, number, run)
        if is_locked(run / "bridge.lock"):
            break
        taker.kill()
        taker.communicate()
    foreign.go_on()
    maker.communicate(timeout=SECONDS)
    assert maker.returncode == 1
    taker.send_signal(signal.SIGCONT)
    stdout, _ = taker.communicate(timeout=SECONDS)
    assert taker.returncode == 0, stdout
    plugin.check(good, pod, json.loads(stdout)).succeeded()
