"""Who is struck: the standalone program, or the worker of a server that serves the call."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

from tests.torture import trace
from tests.world import Node, Pod
from tests.world.plugin import Reply
from tests.world.server import NOBODY, Server, until


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

    def __init__(self, node: Node, server: Server) -> None:
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
    """The server has one worker, which strace follows from before the call."""

    name = "server"

    def __init__(self, node: Node, server: Server) -> None:
        self._node = node
        self._server = server
        self.log = node.dir / "strace"

    def run(self, verb: Verb, inject: str = "") -> Outcome:
        until(lambda: len(self._server.workers()) == 1)
        [worker] = self._server.workers()
        options = ["-e", f"inject={inject}"] if inject else []
        tracer = subprocess.Popen(["strace", *trace.TELL, "-qq", "-o", str(self.log), *options, "-p", str(worker)])
        try:
            status = Path(f"/proc/{worker}/status")
            until(lambda: "TracerPid:\t0" not in status.read_text())
            environment = {"CNI_VETH_SOCKET": self._server.socket, "CNI_VETH_RUN_DIR": str(self._node.dir / "run")}
            plugin = self._node.plugin("cni-ipam")
            reply = plugin.cni(verb.name, verb.conf, verb.pod, args=args(verb.pod), env=environment)
        finally:
            tracer.terminate()
            tracer.wait()
        assert "Traceback" not in reply.stderr, reply.stderr
        return Outcome(worker not in self._server.workers(), reply)
