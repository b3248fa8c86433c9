"""Who is compared, and where: each on a node of its own, with its pods and, where it has one, its server."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench import calls
from tests.bench.calls import Call, Outcome
from tests.bench.samples import KILLED, REFERENCE, SERVER
from tests.bench.server import Server, killed, serving
from tests.world import Node, Pod


@dataclass(frozen=True)
class Contender:
    title: str
    directory: Path

    @property
    def plugins(self) -> tuple[str, str]:
        """The main plugin and its IPAM plugin."""
        return ("bridge", "host-local") if self.title == REFERENCE else ("cni-veth", "cni-ipam")

    @property
    def executables(self) -> list[Path]:
        server = ("cni-vethd",) if self.title in (SERVER, KILLED) else ()
        return [self.directory / name for name in (*self.plugins, *server)]


@dataclass
class Site:
    """A contender on a node of its own."""

    contender: Contender
    node: Node
    pods: list[Pod]
    conf: dict[str, Any]
    environment: dict[str, str]
    server: Server | None = None
    is_ipam: bool = False
    """Whether calls go to the IPAM plugin itself."""
    results: dict[str, Any] = field(default_factory=dict)
    """Of the last ADD, by the pod's name: prevResult of the calls that follow."""

    @property
    def title(self) -> str:
        return self.contender.title

    def call(self, verb: str, pod: Pod) -> Call:
        conf = dict(self.conf)
        if verb == "GC":
            conf["cni.dev/valid-attachments"] = []
        if verb in ("CHECK", "DEL"):
            conf["prevResult"] = self.results[pod.name]
        if verb == "VERSION":
            conf = {"cniVersion": conf["cniVersion"]}
        variables = {"CNI_COMMAND": verb, "CNI_CONTAINERID": pod.container_id, "CNI_NETNS": pod.path}
        return Call(
            [str(self.contender.executables[self.is_ipam])], self.environment | variables, json.dumps(conf).encode()
        )

    def run(self, verb: str, pod: Pod) -> Outcome:
        outcome = calls.run(self.node, self.call(verb, pod))
        self._done(verb, [pod], [outcome.output])
        return outcome

    def run_many(self, verb: str, at_a_time: int) -> float:
        """Seconds that the calls for all pods take."""
        seconds, outputs = calls.run_many(self.node, [self.call(verb, pod) for pod in self.pods], at_a_time)
        self._done(verb, self.pods, outputs)
        return seconds

    def weigh(self, verb: str, pod: Pod) -> float:
        peak, output = calls.weigh(self.node, self.call(verb, pod))
        self._done(verb, [pod], [output])
        return peak

    def _done(self, verb: str, pods: Sequence[Pod], outputs: Sequence[bytes]) -> None:
        if self.server:
            self.server.assert_alive()
        if verb == "ADD":
            self.results |= {pod.name: json.loads(output) for pod, output in zip(pods, outputs, strict=True)}
        if verb == "DEL":
            calls.settle(self.node)


@contextmanager
def placed(contender: Contender, subnets: Sequence[str], pods: int) -> Iterator[Site]:
    with ExitStack() as stack:
        node = stack.enter_context(Node())
        plugin, ipam = contender.plugins
        section = {**node.ipam(*subnets), "type": ipam}
        conf = node.network(*subnets, type=plugin, isDefaultGateway=True, ipam=section)
        environment = {"CNI_IFNAME": "eth0", "CNI_PATH": str(contender.directory), "PATH": os.defpath}
        site = Site(contender, node, [node.pod() for _ in range(pods)], conf, environment)
        if contender.title != REFERENCE:
            # On a tmpfs, as /run is.
            run_dir = stack.enter_context(tempfile.TemporaryDirectory(prefix="cniveth-bench-", dir="/dev/shm"))
            environment |= {"CNI_VETH_RUN_DIR": run_dir, "CNI_VETH_SOCKET": "/nonexistent"}
        if contender.title == SERVER:
            site.server = stack.enter_context(serving(contender.executables[-1]))
            environment["CNI_VETH_SOCKET"] = str(site.server.socket)
        if contender.title == KILLED:
            environment["CNI_VETH_SOCKET"] = str(stack.enter_context(killed(contender.executables[-1])))
        yield site
