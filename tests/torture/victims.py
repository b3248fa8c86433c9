"""Who is struck: the standalone program, or the worker of a server that serves the call."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.torture import trace
from tests.world import Node, Pod
from tests.world.plugin import Reply
from tests.world.server import NOBODY, Server, until

TURNS = 6


class Verb(NamedTuple):
    """A call of cni-ipam."""

    name: str
    conf: dict[str, Any]
    pod: Pod | None = None


class Outcome(NamedTuple):
    """`reply` is None where the caller was killed itself."""

    was_killed: bool
    reply: Reply | None


def args(pod: Pod | None) -> str:
    return f"IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME={pod.container_id}" if pod else ""


class Standalone:
    """The launcher finds no server and becomes the program."""

    name = "standalone"

    def __init__(self, node: Node) -> None:
        self._node = node
        self.log = node.dir / "strace"

    def run(self, verb: Verb, inject: str = "") -> Outcome:
        """`inject`: what strace's option -e inject= takes."""
        wrap = ["strace", *trace.TELL, "-o", str(self.log), *(["-e", f"inject={inject}"] if inject else [])]
        environment = {"CNI_VETH_SOCKET": NOBODY, "CNI_VETH_RUN_DIR": str(self._node.dir / "run")}
        plugin = self._node.plugin("cni-ipam")
        process = plugin.start(verb.name, verb.pod, args=args(verb.pod), wrap=wrap, env=environment)
        stdout, stderr = process.communicate(json.dumps(verb.conf), 60)
        assert "Traceback" not in stderr, stderr
        if process.returncode < 0:
            return Outcome(True, None)
        return Outcome(False, Reply(verb.name, process.returncode, stdout, stderr))


class Served:
    """Each server has one worker, which strace follows from before the call. They take turns: one that lost a young
    worker waits a second before it has another (cni_veth/server.py)."""

    name = "server"

    def __init__(self, node: Node, servers: list[Server]) -> None:
        self._node = node
        self._servers = servers
        self.log = node.dir / "strace"

    def run(self, verb: Verb, inject: str = "") -> Outcome:
        self._servers.append(server := self._servers.pop(0))
        until(lambda: len(server.workers()) == 1)
        [worker] = server.workers()
        options = ["-e", f"inject={inject}"] if inject else []
        tracer = subprocess.Popen(["strace", *trace.TELL, "-qq", "-o", str(self.log), *options, "-p", str(worker)])
        try:
            status = Path(f"/proc/{worker}/status")
            until(lambda: "TracerPid:\t0" not in status.read_text())
            environment = {"CNI_VETH_SOCKET": server.socket, "CNI_VETH_RUN_DIR": str(self._node.dir / "run")}
            plugin = self._node.plugin("cni-ipam")
            reply = plugin.cni(verb.name, verb.conf, verb.pod, args=args(verb.pod), env=environment)
        finally:
            tracer.terminate()
            tracer.wait()
        assert "Traceback" not in reply.stderr, reply.stderr
        return Outcome(worker not in server.workers(), reply)


@contextmanager
def scene_of(mode: str) -> Iterator[tuple[Node, Standalone | Served]]:
    """A node whose own server is never struck, and a victim by its `name`."""
    with ExitStack() as stack:
        node = stack.enter_context(Node(stack.enter_context(Server.running()).socket))
        if mode == Standalone.name:
            yield node, Standalone(node)
        else:
            servers = [stack.enter_context(Server.running("--workers", "1")) for _ in range(TURNS)]
            yield node, Served(node, servers)
