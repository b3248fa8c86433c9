"""Whom the server serves, and that it does so in the caller's place (DESIGN 1)."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.world import BIN, Node
from tests.world.server import Server, until


@pytest.fixture
def own(built: None) -> Iterator[Server]:
    """A server of one test alone, so that its calls can be counted."""
    with Server.running() as server:
        yield server


def counted(server: Server) -> int:
    server.stop()
    return server.served


def test_a_call_is_served_from_add_to_del(own: Server) -> None:
    with Node(own.socket) as node:
        plugin, pod, conf = node.plugin(), node.pod(), node.network("10.1.2.0/24", "fd00::/64", isDefaultGateway=True)
        plugin.status(conf).succeeded()
        result = plugin.add(conf, pod).succeeded()
        plugin.check(conf, pod, result).succeeded()
        assert pod.reaches("10.1.2.1")
        plugin.gc(conf, [(pod.container_id, "eth0")]).succeeded()
        plugin.delete(conf, pod, result).succeeded()
        plugin.version().succeeded()
        assert node.plugin("loopback").add({"cniVersion": "1.0.0", "name": "lo"}, pod).succeeded()
    assert counted(own) == 7


def test_two_nodes_at_the_same_time(own: Server) -> None:
    with Node(own.socket) as one, Node(own.socket) as other:
        nodes, errors = (one, other), []

        def attach(node: Node) -> None:
            try:
                conf = node.network("10.1.2.0/24", isDefaultGateway=True)
                for _ in range(10):
                    pod = node.pod()
                    node.plugin().add(conf, pod).succeeded()
                    assert pod.reaches("10.1.2.1")
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=attach, args=[node]) for node in nodes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        assert [len(node.ports()) for node in nodes] == [10, 10]
        assert [len(node.leases()) for node in nodes] == [10, 10]
    assert counted(own) == 20


def test_another_mount_namespace_is_followed(own: Server) -> None:
    """The caller's /elsewhere is a file system of its own, which nobody else sees."""
    with Node(own.socket) as node:
        hidden = node.dir / "hidden"
        hidden.mkdir()
        script = f'mount -t tmpfs none {hidden} && "$@" && cp -r {hidden}/net {node.dir}/seen'
        wrap = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh"]
        conf = node.network(ipam=node.ipam("10.1.2.0/24", dataDir=str(hidden)))
        pods = node.pod(), node.pod()
        until(lambda: len(own.workers()) == 2)
        workers = sorted(own.workers())
        for pod in pods:
            node.plugin().cni("ADD", conf, pod, wrap=wrap).succeeded()
            assert (node.dir / "seen/10.1.2.2").read_bytes() == f"{pod.container_id}\r\neth0".encode()
            subprocess.run(["rm", "-r", str(node.dir / "seen")], check=True)
        for pod in pods:  # a thread that still waits for the kernel shares root and working directory
            node.plugin().cni(
                "DEL", conf, pod, wrap=[*wrap[:-2], 'mount -t tmpfs none "$0" && "$@"', str(hidden)]
            ).succeeded()
        assert list(hidden.iterdir()) == []
        node.plugin().add(node.network("10.1.3.0/24"), node.pod()).succeeded()  # back home, the same worker
        assert list(node.leases()) == ["10.1.3.2"]
        assert sorted(own.workers()) == workers
    assert counted(own) == 5


@pytest.mark.parametrize("kind", ["--user --map-root-user", "--pid --fork"])
def test_another_user_or_pid_namespace_is_declined(own: Server, kind: str) -> None:
    with Node(own.socket) as node:
        conf = node.network("10.1.2.0/24")
        reply = node.plugin().cni("STATUS", conf, wrap=["unshare", *kind.split()])
        reply.succeeded()  # by the standalone
    assert counted(own) == 0


def test_another_root_directory_is_declined(own: Server) -> None:
    with Node(own.socket) as node:
        root = node.dir / "root"
        root.mkdir()
        script = f'mount --rbind / {root} && exec chroot {root} "$@"'
        wrap = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh"]
        node.plugin().cni("STATUS", node.network("10.1.2.0/24"), wrap=wrap).succeeded()
    assert counted(own) == 0


def waited_for(path: str, user: int) -> bool:
    """Whether the server waits for a request of that user; else it hangs up at once."""
    pid = os.fork()
    if pid == 0:
        try:
            os.setresuid(user, user, user)
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connected:
                connected.connect(path)
                connected.settimeout(0.5)
                try:
                    os._exit(0 if connected.recv(200) else 1)
                except TimeoutError:
                    os._exit(0)
        finally:
            os._exit(2)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code in (0, 1)
    return code == 0


def test_only_root_is_waited_for(own: Server) -> None:
    directory = Path(own.socket).parent
    assert directory.stat().st_mode & 0o777 == 0o700
    assert waited_for(own.socket, 0)
    directory.chmod(0o755)
    directory.parent.chmod(0o755)
    Path(own.socket).chmod(0o666)
    assert not waited_for(own.socket, 65534)


def test_root_without_its_capabilities_is_declined(own: Server) -> None:
    """Else a container could do through the server what it may not do itself."""
    with Node(own.socket) as node:
        wrap = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"]
        node.plugin().cni("ADD", node.network("10.1.2.0/24"), node.pod(), wrap=wrap).failed()
        assert set(node.links()) == {"lo"}
    assert counted(own) == 0


def test_directory_umask_and_environment_are_the_callers(own: Server) -> None:
    with Node(own.socket) as node:
        pod = node.pod()
        conf = node.network(ipam=node.ipam("10.1.2.0/24", dataDir="here/networks"), bridgge="x")
        wrap = ["sh", "-c", 'cd "$0" && umask 077 && exec "$@"', str(node.dir)]
        reply = node.plugin().cni("ADD", conf, pod, wrap=wrap, env={"CNI_VETH_RUN_DIR": str(node.dir / "mine")})
        reply.succeeded()
        assert "bridgge" in reply.stderr
        assert (node.dir / "here/networks/net/10.1.2.2").exists()
        assert (node.dir / "here/networks").stat().st_mode & 0o777 == 0o700
        assert (node.dir / "mine/bridge.lock").exists()
    assert counted(own) == 1


@pytest.mark.parametrize("size", [100_000, 300_000, 2_000_000])
def test_large_environments_and_configurations(own: Server, size: int) -> None:
    """What does not fit into one message is served without a server."""
    with Node(own.socket) as node:
        variables = {f"FILL{number}": "x" * 100_000 for number in range(size // 100_000)}
        node.plugin().cni("STATUS", node.network("10.1.2.0/24"), env=variables).succeeded()
        filled = node.network("10.1.2.0/24", args={"fill": "x" * size})
        node.plugin().add(filled, node.pod()).succeeded()
    assert counted(own) == (2 if size == 100_000 else 1)


def test_a_result_larger_than_a_socket_buffer(own: Server) -> None:
    with Node(own.socket) as node:
        routes = [{"dst": f"10.{200 + number // 250}.{number % 250}.0/24"} for number in range(9000)]
        conf = node.network(ipam=node.ipam("10.1.2.0/24", routes=routes), isGateway=True)
        result = node.plugin().add(conf, node.pod()).succeeded()
        assert len(json.dumps(result)) > 200_000 and len(result["routes"]) == 9000
    assert counted(own) == 1


def test_stderr_and_stdin_of_a_served_caller_are_given_back(own: Server) -> None:
    """A runtime that reads to the end of stderr waits for everybody who holds it."""
    with Node(own.socket) as node:
        node.plugin().status(node.network("10.1.2.0/24", bridgge="x"), timeout=10).succeeded()
        until(lambda: not any("memfd:std" in target for pid in own.workers() for target in opened(pid)))


def opened(pid: int) -> list[str]:
    targets = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            targets.append(os.readlink(entry))
    return targets


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-"])
def test_a_closed_descriptor_is_for_the_program_itself(own: Server, closed: str) -> None:
    with Node(own.socket) as node:
        process = node.plugin().start("VERSION", wrap=["sh", "-c", f'exec "$0" "$@" {closed}'])
        process.communicate("{}", timeout=30)
        assert process.returncode == (1 if closed == ">&-" else 0)
    assert counted(own) == 0


def test_arguments_are_for_people(own: Server) -> None:
    with Node(own.socket) as node:
        process = node.start([str(BIN / "cni-veth"), "--help"], {"CNI_COMMAND": "ADD"})
        assert "lint" in process.communicate(timeout=30)[0]
        process = node.start([str(BIN / "cni-vethd"), "--nonsense"])
        assert "--socket PATH" in process.communicate(timeout=30)[1]
        assert process.returncode == 2
    assert counted(own) == 0


def test_a_server_that_does_not_answer_is_not_waited_for(own: Server) -> None:
    until(lambda: len(own.workers()) == 2)
    workers = own.workers()
    for pid in (own.pid, *workers):
        os.kill(pid, signal.SIGSTOP)
    try:
        with Node(own.socket) as node:
            assert node.plugin().add(node.network("10.1.2.0/24"), node.pod(), timeout=10).succeeded()
    finally:
        for pid in (own.pid, *workers):
            os.kill(pid, signal.SIGCONT)
    assert counted(own) == 0
