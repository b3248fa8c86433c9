"""What the server survives, and that nobody notices: kills, restarts, upgrades, locks (DESIGN 1)."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.world import BIN, Node, Plugin, Pod
from tests.world.load import Load
from tests.world.server import NOBODY, Server, until

Conf = dict[str, Any]
SUBNETS = ("10.1.2.0/24", "fd00::/64")


@pytest.fixture
def own(built: None) -> Iterator[Server]:
    with Server.running() as server:
        yield server


@contextmanager
def locked(node: Node) -> Iterator[None]:
    """Whoever wants an address of this node waits."""
    directory = node.store / "net"
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def clean(node: Node, *pods: Pod) -> Callable[[], bool]:
    return lambda: not (node.ports() or node.leases() or any("eth0" in pod.links() for pod in pods))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_a_caller_that_is_signalled_in_its_add_leaves_nothing(own: Server, number: signal.Signals) -> None:
    with Node(own.socket) as node:
        pod, conf = node.pod(), node.network(*SUBNETS, isGateway=True)
        before = node.state(), pod.state()
        with locked(node):
            process = node.plugin().begin("ADD", conf, pod)
            until(lambda: "eth0" in pod.links())
            process.send_signal(number)
            stdout, _ = process.communicate(timeout=10)
            until(lambda: (node.state(), pod.state()) == before)
        if number == signal.SIGKILL:
            assert (process.returncode, stdout) == (-9, "")
        else:
            assert process.returncode == 1 and json.loads(stdout)["code"] == 11 and number.name in stdout
        assert node.leases() == {}
        node.plugin().add(conf, pod).succeeded()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_del_is_finished_though_its_caller_is_signalled(own: Server, number: signal.Signals) -> None:
    with Node(own.socket) as node:
        pod, conf = node.pod(), node.network(*SUBNETS)
        node.plugin().add(conf, pod).succeeded()
        with locked(node):
            process = node.plugin().begin("DEL", conf, pod)
            until(lambda: "eth0" not in pod.links())
            process.send_signal(number)
            if number == signal.SIGKILL:
                process.wait(10)
        until(clean(node, pod))
        process.communicate(timeout=10)
        assert process.returncode == (0 if number == signal.SIGTERM else -9)


@pytest.mark.parametrize("syscall", ["sendto", "recvfrom", "write", "setns", "renameat", "flock", "fcntl"])
def test_a_worker_killed_at_any_point_of_an_add(built: None, syscall: str) -> None:
    """The caller gets its result all the same, from the standalone, once what was half done is undone."""
    with Server.running("--workers", "1") as server, Node(server.socket) as node:
        plugin, conf, pod = node.plugin(), node.network(*SUBNETS, isDefaultGateway=True), node.pod()
        plugin.add(conf, node.pod()).succeeded()
        before = node.state(), node.leases()
        met = 0
        for number in itertools.count(1):
            [worker] = server.workers()
            tracer = subprocess.Popen(
                [
                    "strace",
                    "-qq",
                    "-o",
                    "/dev/null",
                    "-e",
                    f"inject={syscall}:signal=KILL:when={number}",
                    "-p",
                    str(worker),
                ]
            )
            until(lambda pid=worker: "TracerPid:\t0" not in Path(f"/proc/{pid}/status").read_text())
            result = plugin.add(conf, pod).succeeded()
            was_killed = not Path(f"/proc/{worker}").exists() or "Z" in Path(f"/proc/{worker}/stat").read_text()
            tracer.terminate()
            tracer.wait()
            until(lambda: len(server.workers()) == 1)
            plugin.check(conf, pod, result).succeeded()
            assert pod.reaches("10.1.2.1")
            plugin.delete(conf, pod).succeeded()
            assert (node.state(), node.leases()) == before, f"killed at {syscall} {number}"
            assert set(pod.links()) == {"lo"}
            if not was_killed:
                break
            met += 1
        assert met > 0, f"an ADD makes no {syscall}"


def test_server_and_standalone_at_random_on_one_store_and_bridge(own: Server) -> None:
    with Node(own.socket) as node:
        with Load(node, sockets=[own.socket, NOBODY]) as load:
            load.until_rounds(60)
        assert load.errors == []
        assert clean(node)()


def test_a_server_restarted_under_load_fails_nobody(built: None) -> None:
    with Node() as home, Node() as node:
        server = Server(home)
        with Load(node, sockets=[server.socket]) as load:
            for end in (signal.SIGTERM, signal.SIGKILL) * 3:
                load.until_rounds(8)
                server.process.send_signal(end)
                server.process.communicate(timeout=30)
                load.until_rounds(2)
                server = Server(home)
        server.stop()
        assert load.errors == []
        assert clean(node)()
        assert server.served > 0


def other_build(program: Path) -> None:
    """Make the launcher and the program of this directory ones of another build."""
    build = (program / "BUILD").read_text().strip()
    other = build[::-1]
    (program / "BUILD").write_text(other + "\n")
    launcher = (program / "launcher").read_bytes()
    assert launcher.count(build.encode()) == 1
    (program / "launcher").unlink()
    (program / "launcher").write_bytes(launcher.replace(build.encode(), other.encode()))
    (program / "launcher").chmod(0o755)


def builds(home: Node, this: str, other: str) -> Path:
    """Copies of the program below the node's directory, the second as one of another build; that one's directory."""
    for name in (this, other):
        shutil.copytree(BIN.parent, home.dir / name, symlinks=True)
    [program] = (home.dir / other).glob("cni-veth-*")
    other_build(program)
    return program


def test_an_upgrade_under_load(built: None) -> None:
    """The directory of the version is replaced: the server becomes the new one. The old launchers do not talk to it."""
    with Node() as home, Node() as node:
        new = builds(home, "here", "new")
        old = home.dir / "here" / new.name
        server = Server(home, bin=home.dir / "here/bin")
        plugin, conf = Plugin(node, home.dir / "here/bin", "cni-veth"), node.network(*SUBNETS)
        workers = server.workers()
        with Load(node, sockets=[server.socket]) as load:  # by launchers of the build that was: BIN's
            load.until_rounds(4)
            old.rename(home.dir / "old")
            new.rename(old)
            assert "calls served" in server.line() and "workers serve" in server.line()
            load.until_rounds(4)
        assert load.errors == []
        until(lambda: not set(workers) & set(server.workers()))
        assert "here" in os.readlink(f"/proc/{server.pid}/exe") and "old" not in os.readlink(f"/proc/{server.pid}/exe")
        pod = node.pod()
        node.server = server.socket
        plugin.add(conf, pod).succeeded()
        plugin.delete(conf, pod).succeeded()
        server.stop()
        assert server.served == 2, "the new launcher's calls and nobody else's"
        assert not Path(server.socket).exists()


def test_signals_at_the_moment_of_an_upgrade_do_not_end_the_server(built: None) -> None:
    """Each turn of the link is told by SIGIO, and one may come while the server becomes another program."""
    with Node() as home:
        builds(home, "one", "two")
        (home.dir / "bin").mkdir()
        link = home.dir / "bin/cni-vethd"
        link.symlink_to("../one/bin/cni-vethd")
        server = Server(home, bin=link.parent)
        for number in range(40):
            for target in ("two", "one", "two")[number % 2 :]:
                (home.dir / "bin/next").symlink_to(f"../{target}/bin/cni-vethd")
                (home.dir / "bin/next").rename(link)
                os.kill(server.pid, signal.SIGUSR1)
            until(lambda: "two" in os.readlink(f"/proc/{server.pid}/exe"))
            assert server.process.poll() is None
        assert "workers serve" in server.stop()
        assert server.process.returncode == 0


def test_a_server_whose_program_is_gone_ends(built: None) -> None:
    with Node() as home:
        shutil.copytree(BIN.parent, home.dir / "here", symlinks=True)
        server = Server(home, bin=home.dir / "here/bin")
        shutil.rmtree(home.dir / "here")
        assert server.process.wait(30) == 0


def test_calls_that_wait_for_a_lock_hold_up_nobody(own: Server) -> None:
    with Node(own.socket) as stuck, Node(own.socket) as node:
        with locked(stuck):
            waiting = [stuck.plugin().begin("ADD", stuck.network(*SUBNETS), stuck.pod()) for _ in range(6)]
            for _ in range(5):
                reply = node.plugin().add(node.network("10.9.0.0/24"), node.pod())
                reply.succeeded()
                assert reply.seconds < 2
            until(lambda: len(own.workers()) > 2)
        for process in waiting:
            stdout, _ = process.communicate(timeout=30)
            assert process.returncode == 0, stdout
    own.stop()
    assert own.served == 11


def test_two_servers_do_not_share_a_socket(own: Server, built: None) -> None:
    second = subprocess.run([str(BIN / "cni-vethd"), "--socket", own.socket], capture_output=True, text=True)
    assert second.returncode == 1 and f"process {own.pid} serves {own.socket} already" in second.stderr


def test_the_socket_lies_where_root_alone_may_enter(built: None, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    done = subprocess.run([str(BIN / "cni-vethd"), f"--socket={tmp_path}/s"], capture_output=True, text=True)
    assert done.returncode == 1 and "chmod 700" in done.stderr


def test_started_by_a_socket_of_systemds(built: None) -> None:
    with Node() as node:
        (node.dir / "run").mkdir(mode=0o700)
        node.server = str(node.dir / "run/activated")
        activate = ["systemd-socket-activate", "--seqpacket", "-l", node.server, str(BIN / "cni-vethd")]
        process = node.start(activate)
        until(lambda: Path(node.server).exists())
        plugin, pod, conf = node.plugin(), node.pod(), node.network(*SUBNETS)
        plugin.add(conf, pod).succeeded()
        plugin.delete(conf, pod).succeeded()
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=30)
        found = re.search(r"(\d+) calls served", log)
        assert found and int(found[1]) > 0, log
        assert Path(node.server).exists(), "systemd's to remove"


def memory(pid: int) -> int:
    """Proportional set size in bytes."""
    found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) * 1024


def jiffies(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15]))


def test_a_call_runs_compiled_modules(own: Server) -> None:
    with Node(own.socket) as node:
        node.plugin().add(node.network("10.9.0.0/24"), node.pod()).succeeded()
    for worker in own.workers():
        mapped = set(re.findall(r"/compiled/(\S+)\.cpython", Path(f"/proc/{worker}/maps").read_text()))
        assert {"cni_veth/plugin", "ipam/plugin"} <= mapped and any(name.endswith("__mypyc") for name in mapped)


def test_memory_and_idleness(own: Server) -> None:
    with Node(own.socket) as node:
        with Load(node, sockets=[own.socket], threads=1) as load:
            load.until_rounds(10)
        assert load.errors == []
    processes = [own.pid, *own.workers()]
    assert len(processes) == 3
    assert sum(map(memory, processes)) <= 45e6
    until(lambda: all(len(os.listdir(f"/proc/{pid}/task")) == 1 for pid in processes))  # the last DEL's wait is over
    before = [(Path(f"/proc/{pid}/status").read_text().split("ctxt_switches:")[1:], jiffies(pid)) for pid in processes]
    threading.Event().wait(2)
    assert before == [
        (Path(f"/proc/{pid}/status").read_text().split("ctxt_switches:")[1:], jiffies(pid)) for pid in processes
    ], "idle it runs not once"
