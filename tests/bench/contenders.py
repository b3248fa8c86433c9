"""Who is compared, and where: each on a node of its own, with its pods and, where it has one, its server."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench import calls
from tests.bench.calls import Call, Outcome
from tests.bench.networks import PLAIN, Network
from tests.bench.samples import KILLED, REFERENCE, SERVER
from tests.bench.server import Server, killed, serving
from tests.world import Node, Pod
from tests.world.places import PATH


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
    network: Network = PLAIN
    server: Server | None = None
    is_ipam: bool = False
    """Whether calls go to the IPAM plugin itself."""
    results: dict[str, Any] = field(default_factory=dict)
    """Of the last ADD, by the pod's name: prevResult of the calls that follow."""

    @property
    def title(self) -> str:
        return self.contender.title

    def call(self, verb: str, pod: Pod) -> Call:
        """Of a network with one plugin."""
        return self._call(verb, pod, self.conf, self.results[pod.name] if verb in ("CHECK", "DEL") else None)

    def run(self, verb: str, pod: Pod) -> Outcome:
        """The verb of every plugin of the network, in the order and with the prevResult that a runtime gives it."""
        is_reference = self.title == REFERENCE
        number = self.pods.index(pod) if self.network.has_ports else 0  # an IPAM plugin's pods are none of the node's
        confs = self.network.plugins(self.conf, is_reference, number)
        result = self.results[pod.name] if verb in ("CHECK", "DEL") else None
        outcomes = []
        for conf in reversed(confs) if verb == "DEL" else confs:
            outcomes.append(calls.run(self.node, self._call(verb, pod, conf, result)))
            if verb == "ADD":
                result = json.loads(outcomes[-1].output)
        self._done(verb, [pod], [outcomes[-1].output])
        seconds, cpu = (sum(costs) for costs in zip(*((o.seconds, o.cpu_seconds) for o in outcomes), strict=True))
        return Outcome(seconds, cpu, outcomes[-1].output)

    def run_many(self, verb: str, at_a_time: int) -> float:
        """Seconds that the calls for all pods take."""
        seconds, outputs = calls.run_many(self.node, [self.call(verb, pod) for pod in self.pods], at_a_time)
        self._done(verb, self.pods, outputs)
        return seconds

    def weigh(self, verb: str, pod: Pod) -> float:
        peak, output = calls.weigh(self.node, self.call(verb, pod))
        self._done(verb, [pod], [output])
        return peak

    def _call(self, verb: str, pod: Pod, conf: dict[str, Any], result: dict[str, Any] | None) -> Call:
        if verb == "GC":
            conf = {**conf, "cni.dev/valid-attachments": []}
        if verb == "VERSION":
            conf = {"cniVersion": conf["cniVersion"]}
        if result is not None:
            conf = {**conf, "prevResult": result}
        variables = {"CNI_COMMAND": verb, "CNI_CONTAINERID": pod.container_id, "CNI_NETNS": pod.path}
        plugin = self.contender.plugins[1] if self.is_ipam else conf.get("type", self.contender.plugins[0])
        executable = self.contender.directory / plugin
        return Call([str(executable)], self.environment | variables, json.dumps(conf).encode())

    def _done(self, verb: str, pods: Sequence[Pod], outputs: Sequence[bytes]) -> None:
        if self.server:
            self.server.assert_alive()
        if verb == "ADD":
            self.results |= {pod.name: json.loads(output) for pod, output in zip(pods, outputs, strict=True)}
        if verb == "DEL":
            calls.settle(self.node)


@contextmanager
def placed(contender: Contender, subnets: Sequence[str], pods: int, network: Network = PLAIN) -> Iterator[Site]:
    with ExitStack() as stack:
        node = stack.enter_context(Node())
        plugin, ipam = contender.plugins
        section = {**node.ipam(*subnets), "type": ipam}
        conf = node.network(*subnets, type=plugin, isDefaultGateway=True, ipam=section)
        environment = {"CNI_IFNAME": "eth0", "CNI_PATH": str(contender.directory), "PATH": PATH}
        site = Site(contender, node, [node.pod() for _ in range(pods)], conf, environment, network)
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
