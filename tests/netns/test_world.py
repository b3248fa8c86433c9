"""The world that the other tests stand on: nothing outlives it, nothing escapes from it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.world import Namespace, Node, Pod, Reply, ownership
from tests.world.node import NODE_IPS, OUTSIDE_IPS
from tests.world.places import REPOSITORY

# A process with a node, a pod and a server in the pod, that says it is ready and then does as told.
STORY = """
import os, sys, time
from tests.world import Node
with Node() as node:
    node.pod().start(["sleep", "600"])
    print(node.dir.name, flush=True)
    exec(sys.argv[1])
"""


def begin(ending: str) -> tuple[subprocess.Popen[str], str]:
    """That process, and how all its names begin."""
    process = subprocess.Popen(
        [sys.executable, "-c", STORY, ending], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=REPOSITORY
    )
    assert process.stdout
    name = process.stdout.readline().strip()
    assert name and left(name), "the world was never there"
    return process, name


def left(name: str) -> list[str]:
    """What stands under that name: namespaces, directories, processes in them."""
    found = [str(path) for place in (ownership.NETNS, Path(tempfile.gettempdir())) for path in place.glob(f"{name}*")]
    doomed = {ownership.inode(path) for path in found} - {None}
    return found + [str(entry) for entry in Path("/proc").glob("[0-9]*/ns/net") if ownership.inode(entry) in doomed]


def test_nothing_is_left_after_an_exception() -> None:
    process, name = begin("raise ValueError('a failing test')")
    _, stderr = process.communicate(timeout=30)
    assert "a failing test" in stderr
    assert process.returncode == 1
    assert left(name) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_nothing_is_left_after_a_signal(number: signal.Signals) -> None:
    process, name = begin("time.sleep(600)")
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode != 0
    assert left(name) == []


def test_a_second_signal_does_not_cut_the_clean_up_short() -> None:
    process, name = begin("time.sleep(600)")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM, signal.SIGINT):
        process.send_signal(number)
    process.communicate(timeout=30)
    assert left(name) == []


def test_the_next_run_sweeps_after_sigkill_and_spares_the_living() -> None:
    living, spared = begin("time.sleep(600)")
    dead, swept = begin("time.sleep(600)")
    dead.kill()
    dead.communicate()
    assert left(swept), "SIGKILL leaves no time to clean up; if it did, this test proves nothing"
    try:
        after, _ = begin("pass")
        assert after.wait(timeout=30) == 0
        after.communicate()
        assert left(swept) == []
        assert len(left(spared)) >= 3
    finally:
        living.terminate()
        living.communicate(timeout=30)
    assert left(spared) == []


def test_a_reused_pid_does_not_keep_a_dead_owners_names() -> None:
    name = f"cniveth-{os.getpid()}-1-1-node"
    subprocess.run(["ip", "netns", "add", name], check=True)
    after, _ = begin("pass")
    after.communicate(timeout=30)
    assert not (ownership.NETNS / name).exists()


def test_the_machines_own_namespace_is_refused(tmp_path: Path) -> None:
    own = Namespace("unused")
    own.path = "/proc/self/ns/net"
    with pytest.raises(RuntimeError, match="refusing"):
        own.run(["true"])


def test_the_caller_returns_to_its_own_namespace(node: Node) -> None:
    before = ownership.inode("/proc/thread-self/ns/net")
    with pytest.raises(ValueError, match="inside"), node.entered():
        assert ownership.inode("/proc/thread-self/ns/net") == ownership.inode(node.path)
        raise ValueError("inside")
    assert ownership.inode("/proc/thread-self/ns/net") == before


def test_a_program_gets_the_given_environment_and_no_other(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNI_STRAY", "1")
    seen = node.run(["env"], env={"CNI_COMMAND": "ADD"}).stdout.splitlines()
    assert [line.partition("=")[0] for line in sorted(seen) if not line.startswith(("PWD", "_"))] == [
        "CNI_COMMAND",
        "CNI_VETH_RUN_DIR",
        "CNI_VETH_SOCKET",
        "PATH",
    ]


def test_a_failing_program_tells_why(node: Node) -> None:
    with pytest.raises(RuntimeError, match=r"ls .*No such file"):
        node.run(["ls", "/nowhere"])


def test_the_node_is_one_hop_from_the_outside(node: Node) -> None:
    outside = node.outside()
    assert all(node.reaches(ip, seconds=1) for ip in OUTSIDE_IPS)
    assert all(outside.reaches(ip, seconds=1) for ip in NODE_IPS)


def test_state_tells_a_change_and_only_a_change(node: Node, pod: Pod) -> None:
    node.outside()
    before = node.state()
    assert node.reaches("192.0.2.1")
    assert node.state() == before
    for change, undo in (
        ("link set eth0 mtu 1400", "link set eth0 mtu 1500"),
        ("addr add 10.0.0.1/32 dev lo", "addr del 10.0.0.1/32 dev lo"),
        ("route add 10.1.0.0/24 via 192.0.2.1 table 7", "route del 10.1.0.0/24 via 192.0.2.1 table 7"),
        ("rule add pref 9 table 7", "rule del pref 9"),
    ):
        node.batch(change)
        assert node.state() != before, change
        node.batch(undo)
        assert node.state() == before, undo
    node.sysctl("net.ipv4.ip_forward", 1)
    assert node.state() != before


@pytest.mark.parametrize(
    ("code", "stdout"),
    [
        (0, "{}{}"),
        (0, "[]"),
        (0, "Traceback"),
        (1, ""),
        (1, "{}"),
        (1, '{"code": "7", "msg": "x"}'),
        (2, '{"code": 7, "msg": "x"}'),
        (-9, ""),
    ],
)
def test_an_unlawful_reply_is_refused(code: int, stdout: str) -> None:
    with pytest.raises(AssertionError):
        Reply("some plugin ADD", code, stdout, "")


def test_expecting_the_wrong_outcome_is_refused() -> None:
    good, bad = Reply("p ADD", 0, "{}", ""), Reply("p ADD", 1, '{"code": 7, "msg": "x"}', "")
    assert good.succeeded() == {} and bad.failed(7)["msg"] == "x" and bad.failed()["code"] == 7
    for wrong in (good.failed, bad.succeeded, lambda: bad.failed(11)):
        with pytest.raises(AssertionError, match="expected"):
            wrong()
