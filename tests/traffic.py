"""What a node asks of its plugins in the course of its life, well-behaved and not, each answer judged."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.world import Node, Reply
from tests.world.scripted import ScriptedIPAM, answer
from tests.world.server import until

LIVES = {
    "pod": 40,
    "checked_pod": 10,
    "forgotten_pod": 4,
    "status": 10,
    "version": 10,
    "bad_json": 5,
    "missing_namespace": 5,
    "unknown_key": 4,
    "pod_elsewhere": 4,
    "stranger": 3,
    "foreign_ipam": 0.4,
}
"""Methods of Runtime and how often each is chosen."""

STORM = {**LIVES, "killed_add": 20, "killed_del": 10}
"""While callers are killed as well. A worker ends with each such call, so a storm leaves none of those it met."""

ELSEWHERE = ("unshare", "--mount", "--propagation", "private")


class Place(Node):
    """A node that does not keep what has ended: a soak starts a hundred thousand processes."""

    def start(self, argv: Sequence[str], env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        self._started = [process for process in self._started if process.returncode is None]
        return super().start(argv, env)


class Runtime:
    """The runtime of one node, one call at a time. AssertionError where an answer is not what it should be."""

    def __init__(self, node: Place, seed: int) -> None:
        self.node = node
        self.calls: Counter[str] = Counter()
        self.served = self.interrupted = 0  # calls that the server must have served, and that it may have
        self._random = random.Random(seed)
        self._plugin = node.plugin()
        self._conf = node.network("10.1.0.0/16", "fd00:1::/64", isDefaultGateway=True)
        self._pod = node.pod()
        self._foreign = ScriptedIPAM(node, ADD=answer("10.1.255.253/16"))
        self._id = "first"

    def work(self, calls: int, lives: Mapping[str, float]) -> None:
        """Whole lives, until at least so many calls are made."""
        goal = self.calls.total() + calls
        while self.calls.total() < goal:
            [life] = self._random.choices(list(lives), list(lives.values()))
            self._id = f"c{self.calls.total()}"  # as of a runtime: a container of its own for each life
            getattr(self, life)()

    def is_at_rest(self) -> bool:
        """Nothing is attached."""
        return not (self.node.leases() or self.node.ports() or set(self._pod.links()) != {"lo"})

    def files(self) -> list[str]:
        """All below the node's directory."""
        found: list[str] = []
        for directory, inner, names in os.walk(self.node.dir):  # follows no link, as a text of ours may be one too long
            if not directory.endswith(".cool"):
                found += [os.path.relpath(os.path.join(directory, name), self.node.dir) for name in (*inner, *names)]
        return sorted(found)

    def state(self) -> dict[str, Any]:
        """All that calls might leave behind."""
        return {"node": self.node.state(), "pod": self._pod.state(), "files": self.files()}

    def pod(self) -> None:
        result = self._call("ADD").succeeded()
        self._call("CHECK", prevResult=result).succeeded()
        self._call("DEL", prevResult=result).succeeded()

    def checked_pod(self) -> None:
        result = self._call("ADD").succeeded()
        self._call("ADD").failed()
        self._call("CHECK", prevResult=result).succeeded()
        self._call("CHECK", prevResult={**result, "ips": [{"address": "10.1.255.254/16"}]}).failed()
        self._call("DEL").succeeded()
        self._call("DEL").succeeded()

    def forgotten_pod(self) -> None:
        self._call("ADD").succeeded()
        self._judge("GC", self._plugin.gc(self._conf, [])).succeeded()

    def status(self) -> None:
        self._call("STATUS").succeeded()

    def version(self) -> None:
        self._call("VERSION").succeeded()

    def bad_json(self) -> None:
        verb = self._random.choice(["ADD", "CHECK", "DEL", "GC", "STATUS"])
        self._judge(verb, self._plugin.cni(verb, '{"cniVersion":', self._pod)).failed(6)

    def missing_namespace(self) -> None:
        self._call("ADD", env={"CNI_NETNS": f"{self._pod.path}-gone"}).failed(8)

    def unknown_key(self) -> None:
        self._call("ADD", bridgge="cni0", strict=True).failed(2)

    def pod_elsewhere(self) -> None:
        """By a caller in a mount namespace of its own."""
        self._call("ADD", wrap=ELSEWHERE).succeeded()
        self._call("DEL", wrap=ELSEWHERE).succeeded()

    def stranger(self) -> None:
        """Somebody connects and goes, without a word or after one that is none of a launcher's."""
        self.calls["stranger"] += 1
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as stranger, Path("/dev/null").open() as null:
            stranger.connect(self.node.server)
            descriptors = [null.fileno()] * self._random.randrange(7)
            if descriptors:
                socket.send_fds(stranger, [b"other\0000022\0cni-veth\0"], descriptors)

    def foreign_ipam(self) -> None:
        """Declined: the standalone runs."""
        for verb in ("ADD", "DEL"):
            self.calls[f"{verb} declined"] += 1
            conf = {**self._conf, "ipam": {"type": self._foreign.type}}
            path = (*self._plugin.path, self._foreign.directory)
            self._plugin.cni(verb, conf, self._pod, container_id=self._id, path=path).succeeded()

    def killed_add(self) -> None:
        self._interrupt("ADD")
        self._call("DEL").succeeded()
        until(self.is_at_rest)

    def killed_del(self) -> None:
        self._call("ADD").succeeded()
        self._interrupt("DEL")
        self._call("DEL").succeeded()
        until(self.is_at_rest)

    def _call(self, verb: str, *, env: Mapping[str, str] | None = None, wrap: Sequence[str] = (), **keys: Any) -> Reply:
        """One call; `keys` add to the configuration."""
        attachment = None if verb in ("GC", "STATUS", "VERSION") else self._pod
        conf = {**self._conf, **keys}
        return self._judge(verb, self._plugin.cni(verb, conf, attachment, container_id=self._id, env=env, wrap=wrap))

    def _judge(self, verb: str, reply: Reply) -> Reply:
        self.calls[verb if reply.code == 0 else f"{verb} failed"] += 1
        self.served += 1
        return reply

    def _interrupt(self, verb: str) -> None:
        """A call whose process is ended within the milliseconds that it takes."""
        number = self._random.choice([signal.SIGKILL, signal.SIGTERM])
        process = self._plugin.begin(verb, self._conf, self._pod, container_id=self._id)
        try:
            process.wait(self._random.uniform(0, 0.006))
            self.calls[verb] += 1
            self.served += 1
        except subprocess.TimeoutExpired:
            process.send_signal(number)
            self.calls[f"{verb} {number.name}"] += 1
            self.interrupted += 1
        process.communicate(timeout=30)
