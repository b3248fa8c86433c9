"""`make bench`: what one call costs, beside the reference plugins, in one interleaved run.

Each contender has a node of its own, with the pods made beforehand. All ADDs come first, then
all CHECKs, then all DELs; in every round each contender has its turn, in alternating order, so
that a busy moment of the machine hits both alike. A time is from the start of the process to
its end, seen by the caller: posix_spawn(3) to wait(2), files for stdin and stdout.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.world import BIN, PEERS, Node, Pod

STACKS = {"IPv4": ("10.22.0.0/24",), "dual stack": ("10.22.0.0/24", "fd00:22::/64")}
WARM_UP = 3

Samples = dict[tuple[str, str], dict[str, list[float]]]
"""(verb, stack) -> contender -> seconds of each call."""


class Contender:
    """One main plugin with its IPAM plugin, on a node with its pods."""

    def __init__(self, title: str, directory: Path, type: str, ipam: str) -> None:
        self.title = title
        self.directory = directory
        self.type = type
        self.ipam = ipam
        self.executables = [directory / type, directory / ipam]

    @contextmanager
    def on_a_node(self, subnets: Sequence[str], count: int) -> Iterator[None]:
        with Node() as node:
            self.node = node
            self.pods = [node.pod() for _ in range(count)]
            self.results: dict[str, Any] = {}
            section = {**node.ipam(*subnets), "type": self.ipam}
            self.conf = node.network(*subnets, type=self.type, isDefaultGateway=True, ipam=section)
            yield

    def time(self, verb: str, pod: Pod) -> float:
        """Seconds of one call; RuntimeError if it fails, because then its time means nothing."""
        conf = dict(self.conf)
        if verb in ("CHECK", "DEL"):
            conf["prevResult"] = self.results[pod.name]
        if verb == "VERSION":
            conf = {"cniVersion": conf["cniVersion"]}
        environment = {
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": pod.container_id,
            "CNI_NETNS": pod.path,
            "CNI_IFNAME": "eth0",
            "CNI_PATH": str(self.directory),
            "PATH": os.defpath,
        }
        seconds, code, output = spawn(self.node, [str(self.executables[0])], environment, json.dumps(conf).encode())
        if code != 0:
            raise RuntimeError(f"{self.title}: {verb} for {pod.name} failed with exit code {code}: {output.decode()}")
        if verb == "ADD":
            self.results[pod.name] = json.loads(output)
        return seconds


def spawn(node: Node, argv: list[str], environment: dict[str, str], stdin: bytes) -> tuple[float, int, bytes]:
    """Seconds, exit code and stdout of a program run in the node's network namespace."""
    source, sink = os.memfd_create("stdin"), os.memfd_create("stdout")
    try:
        os.write(source, stdin)
        os.lseek(source, 0, os.SEEK_SET)
        files = [(os.POSIX_SPAWN_DUP2, source, 0), (os.POSIX_SPAWN_DUP2, sink, 1)]
        with node.entered():
            begun = time.perf_counter()
            pid = os.posix_spawn(argv[0], argv, environment, file_actions=files)
            _, status = os.waitpid(pid, 0)
            seconds = time.perf_counter() - begun
        output = os.pread(sink, 1 << 20, 0)
    finally:
        os.close(source)
        os.close(sink)
    return seconds, os.waitstatus_to_exitcode(status), output


def measure(contenders: list[Contender], rounds: int, say: Callable[[str], None]) -> Samples:
    samples: Samples = {}
    for stack, subnets in STACKS.items():
        with ExitStack() as nodes:
            for contender in contenders:
                nodes.enter_context(contender.on_a_node(subnets, rounds + WARM_UP))
            for verb in ("VERSION", "ADD", "CHECK", "DEL"):
                say(f"{stack}: {rounds} x {verb}")
                row = samples.setdefault((verb, stack if verb != "VERSION" else ""), {})
                for number in range(rounds + WARM_UP):
                    for contender in contenders if number % 2 else reversed(contenders):
                        seconds = contender.time(verb, contender.pods[number])
                        if number >= WARM_UP:
                            row.setdefault(contender.title, []).append(seconds)
    return samples


def harness(rounds: int) -> list[float]:
    """Seconds that starting any program costs here: /bin/true, measured in the same way."""
    with Node() as node:
        return [spawn(node, ["/bin/true"], {}, b"")[0] for _ in range(rounds)]


def p95(seconds: list[float]) -> float:
    """The nearest-rank 95th percentile."""
    return sorted(seconds)[math.ceil(0.95 * len(seconds)) - 1]


def table(samples: Samples, ours: str, reference: str) -> list[str]:
    """Markdown; milliseconds. The ratio is of the medians, above 1 where ours is slower."""
    rows = [
        ["call", f"{ours} median", "p95", f"{reference} median", "p95", "ours / reference"],
        *(_row(f"{verb} {stack}", row[ours], row[reference]) for (verb, stack), row in samples.items()),
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    return [f"| {row[0]:<{widths[0]}} | {' | '.join(map(str.rjust, row[1:], widths[1:]))} |" for row in rows]


def _row(call: str, ours: list[float], reference: list[float]) -> list[str]:
    medians = statistics.median(ours), statistics.median(reference)
    seconds = medians[0], p95(ours), medians[1], p95(reference)
    return [call.strip(), *(f"{number * 1000:.1f}" for number in seconds), f"{medians[0] / medians[1]:.2f}"]


def as_json(samples: Samples, overhead: list[float], machine: str) -> dict[str, Any]:
    """Every sample, in seconds, for a later comparison."""
    calls = [{"verb": verb, "stack": stack, "seconds": row} for (verb, stack), row in samples.items()]
    return {"machine": machine, "harness_seconds": overhead, "calls": calls}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--bin", type=Path, default=BIN, metavar="DIR", help="our executables (%(default)s)")
    parser.add_argument("--peers", type=Path, default=PEERS, metavar="DIR", help="the reference's (%(default)s)")
    parser.add_argument("-n", type=int, default=30, metavar="N", help="calls per verb (%(default)s, at most 200)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample there")
    options = parser.parse_args(arguments)
    ours = Contender("cni-veth + cni-ipam", options.bin.absolute(), "cni-veth", "cni-ipam")
    reference = Contender("bridge + host-local", options.peers.absolute(), "bridge", "host-local")
    missing = [path for contender in (ours, reference) for path in contender.executables if not path.exists()]
    if missing:
        parser.error(f"no {' '.join(map(str, missing))}: run `make build` and packaging/peers.sh first")
    if not 1 <= options.n <= 200:
        parser.error("-n must lie between 1 and 200")
    if os.geteuid() != 0:
        parser.error("network namespaces need root")

    overhead = harness(options.n)
    samples = measure([ours, reference], options.n, lambda text: print(text, file=sys.stderr))
    machine = f"Linux {platform.release()}, {os.cpu_count()} CPUs, {platform.machine()}"
    print("\n".join(table(samples, ours.title, reference.title)))
    print(f"\nMilliseconds of wall time, n = {options.n} per row (VERSION {2 * options.n}); {machine}.")
    print(f"Of each, {statistics.median(overhead) * 1000:.1f} are the start of any program (/bin/true).")
    if options.json:
        options.json.write_text(json.dumps(as_json(samples, overhead, machine), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
