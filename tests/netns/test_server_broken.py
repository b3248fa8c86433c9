"""Workers that are lost, callers that are odd, and what must not come of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.netns.test_server_life import builds, clean, locked
from tests.world import Node, Pod
from tests.world.server import Server, until


@pytest.fixture
def own(built: None) -> Iterator[Server]:
    with Server.running("--workers", "1") as server:
        yield server


def kill_at(server: Server, syscall: str, number: int) -> subprocess.Popen[bytes]:
    """strace that kills the one worker at its nth such call."""
    until(lambda: len(server.workers()) == 1)
    [worker] = server.workers()
    inject = f"inject={syscall}:signal=KILL:when={number}"
    tracer = subprocess.Popen(["strace", "-qq", "-o", "/dev/null", "-e", inject, "-p", str(worker)])
    until(lambda: "TracerPid:\t0" not in Path(f"/proc/{worker}/status").read_text())
    return tracer


def test_a_repeated_add_does_not_harm_the_living_attachment_when_its_worker_is_lost(own: Server) -> None:
    """Into another namespace, where nothing stands in the way; the take-over's DEL must not find the living one."""
    with Node(own.socket) as node:
        conf, living, other = node.network("10.1.2.0/24", isGateway=True), node.pod(), node.pod()
        node.plugin().add(conf, living).succeeded()
        leases = node.leases()
        for number in range(1, 9):
            tracer = kill_at(own, "sendto", number)
            node.plugin().add(conf, other, container_id=living.container_id).failed(101)
            tracer.terminate()
            tracer.wait()
            assert set(living.links()) == {"lo", "eth0"} and living.reaches("10.1.2.1"), f"killed at sendto {number}"
            assert set(other.links()) == {"lo"} and node.leases() == leases


def test_a_caller_that_was_told_to_end_does_not_get_a_pod_when_its_worker_is_lost(own: Server) -> None:
    with Node(own.socket) as node:
        pod, conf = node.pod(), node.network("10.1.2.0/24")
        with locked(node):
            process = node.plugin().begin("ADD", conf, pod)
            until(lambda: "eth0" in pod.links())
            [worker] = own.workers()
            os.kill(worker, signal.SIGSTOP)
            process.send_signal(signal.SIGTERM)
            until(lambda: "SigPnd:\t0000000000000000" in Path(f"/proc/{process.pid}/status").read_text())
            os.kill(worker, signal.SIGKILL)
        stdout, _ = process.communicate(timeout=30)
        assert process.returncode == 1 and json.loads(stdout)["code"] == 11
        assert clean(node, pod)()


def test_a_netns_that_names_a_descriptor_is_the_callers(own: Server) -> None:
    with Node(own.socket) as node:
        pod, conf = node.pod(), node.network("10.1.2.0/24")
        wrap = ["sh", "-c", f'exec 9<{pod.path}; exec "$@"', "sh"]
        node.plugin().cni("ADD", conf, pod, wrap=wrap, env={"CNI_NETNS": "/proc/self/fd/9"}).succeeded()
        assert "eth0" in pod.links()
    own.stop()
    assert own.served == 0


def test_callers_that_hold_their_stdin_open_keep_no_worker(own: Server) -> None:
    with Node(own.socket) as node:
        waiting = [node.plugin().start("STATUS") for _ in range(8)]
        for process in waiting:
            assert process.stdin
            process.stdin.write("{")
            process.stdin.flush()
        node.plugin().status(node.network("10.1.2.0/24")).succeeded()
        assert len(own.workers()) == 1
        for process in waiting:
            process.communicate(timeout=30)
            assert process.returncode == 1
    own.stop()
    assert own.served == 9


def test_twelve_pods_of_another_network_at_once_do_not_take_a_bridge(own: Server) -> None:
    """None of them may make the others believe that the gateway has always been there."""
    with Node(own.socket) as node:
        first, second = (
            node.network(subnet, isGateway=True, name=subnet[:4]) for subnet in ("10.1.0.0/24", "10.9.0.0/24")
        )
        node.plugin().add(first, node.pod()).succeeded()
        pods = [node.pod() for _ in range(12)]
        running = [node.plugin().begin("ADD", second, pod) for pod in pods]
        for process in running:
            stdout, _ = process.communicate(timeout=30)
            assert json.loads(stdout)["code"] == 7, stdout
        assert node.addresses("cni0") == ["10.1.0.1/24"]
        assert len(node.ports()) == 1


def test_a_path_that_leads_elsewhere_is_noticed_when_a_new_launcher_calls(built: None) -> None:
    """Nothing changes in the directories that the server watches; its path leads through a link above them."""
    with Node() as home, Node() as node:
        builds(home, "old", "new")
        (home.dir / "links").mkdir()
        current = home.dir / "links/current"
        current.symlink_to("../old")
        server = Server(home, bin=current / "bin")
        until(server.workers)  # before it forks them it looks by itself
        (home.dir / "links/next").symlink_to("../new")
        (home.dir / "links/next").rename(current)
        node.server = server.socket
        plugin = node.plugin(directory=current / "bin")
        plugin.status(node.network("10.1.2.0/24")).succeeded()  # by the standalone
        assert "0 calls served" in server.line() and "workers serve" in server.line()
        plugin.status(node.network("10.1.2.0/24")).succeeded()
        server.stop()
        assert server.served == 1


def test_a_result_that_nobody_takes_is_undone_though_its_worker_is_lost(own: Server) -> None:
    with Node(own.socket) as node:
        pod: Pod = node.pod()
        process = node.plugin().start("ADD", pod, wrap=["sh", "-c", 'exec "$0" "$@" >/dev/full'])
        process.communicate(json.dumps(node.network("10.1.2.0/24")), timeout=30)
        assert process.returncode == 1
        assert clean(node, pod)()
