"""What is measured of the IPAM plugin alone: calls beside many leases, the last free address, a great garbage."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from cni.request import Request
from ipam import plugin
from tests.bench.contenders import Contender, placed
from tests.bench.parts import LEASES, ROUNDS_AMONG_MOST, Say, fill, in_turn, without_killed
from tests.bench.samples import IN_PROCESS, REFERENCE, Key, Run
from tests.world import Pod

WARM_UP = 2
LAST_ROUNDS = 5
GARBAGE = 10_000
GARBAGE_ROUNDS = 3
WIDE, FULL = "10.0.0.0/8", "10.0.0.0/16"
USABLE = 65_533
"""Of FULL, without network, gateway and broadcast."""


class Allocator:
    """A contender's IPAM plugin with a store of its own. `call`: seconds that a verb took for a container."""

    def __init__(self, title: str, conf: dict[str, Any], call: Callable[[str, str], float]) -> None:
        self.title = title
        self.conf = conf
        self.call = call

    @property
    def store(self) -> Path:
        return Path(self.conf["ipam"]["dataDir"]) / self.conf["name"]

    def fill(self, begin: int, end: int) -> None:
        self.store.mkdir(parents=True, exist_ok=True)
        fill(self.store, begin, end)

    def of_subnet(self, subnet: str) -> None:
        self.conf["ipam"]["ranges"] = [[{"subnet": subnet}]]


def measure(run: Run, contenders: Sequence[Contender], rounds: int, say: Say) -> None:
    with ExitStack() as stack:
        allocators = [stack.enter_context(_executed(one)) for one in without_killed(contenders)]
        allocators.append(stack.enter_context(_in_process()))
        for one in allocators:
            one.fill(0, 0)
        for beside, count in zip((0, *LEASES), LEASES, strict=False):
            for one in allocators:
                one.fill(beside, count)
            here = rounds if count < LEASES[-1] else min(rounds, ROUNDS_AMONG_MOST)
            for verb in ("ADD", "DEL"):
                say(f"ipam alone, beside {count}: {here} x {verb}")
                for title, seconds in _in_rounds(allocators, verb, here):
                    run.add(Key("store", verb, str(count)), title, 1 / seconds)
        say(f"ipam alone, a /16 with one free address: {LAST_ROUNDS} x ADD")
        for one in allocators:
            one.fill(LEASES[-1], USABLE - 1)
            one.of_subnet(FULL)
        for number in range(LAST_ROUNDS + WARM_UP):
            for one in in_turn(allocators, number):
                seconds = one.call("ADD", "last")
                one.call("DEL", "last")
                if number >= WARM_UP:
                    run.add(Key("last", "ADD", "/16"), one.title, seconds)
        say(f"ipam alone, {GARBAGE} leases of nobody: {GARBAGE_ROUNDS} x GC")
        for one in allocators:
            one.conf["name"] = "garbage"
        for _ in range(GARBAGE_ROUNDS):
            for one in allocators:
                if one.title != REFERENCE:  # has no GC
                    one.fill(0, GARBAGE)
                    run.add(Key("collect", "GC", f"{GARBAGE:,} leases"), one.title, one.call("GC", ""))


def _in_rounds(allocators: Sequence[Allocator], verb: str, rounds: int) -> Iterator[tuple[str, float]]:
    for number in range(rounds + WARM_UP):
        for one in in_turn(allocators, number):
            seconds = one.call(verb, f"c{number}")
            if number >= WARM_UP:
                yield one.title, seconds


@contextmanager
def _executed(contender: Contender) -> Iterator[Allocator]:
    with placed(contender, (WIDE,), 0) as site:
        site.is_ipam = True
        pods: dict[str, Pod] = {}  # IPAM needs no namespace

        def call(verb: str, container: str) -> float:
            return site.run(verb, pods.setdefault(container, Pod(container))).seconds

        yield Allocator(site.title, site.conf, call)


@contextmanager
def _in_process() -> Iterator[Allocator]:
    with tempfile.TemporaryDirectory() as data, tempfile.TemporaryDirectory(dir="/dev/shm") as run_dir:
        ipam = {"type": "cni-ipam", "dataDir": data, "ranges": [[{"subnet": WIDE}]]}
        conf = {"cniVersion": "1.1.0", "name": "net", "type": "cni-ipam", "ipam": ipam}

        def call(verb: str, container: str) -> float:
            environ = {
                "CNI_COMMAND": verb, "CNI_CONTAINERID": container, "CNI_NETNS": "/run/netns/none",
                "CNI_IFNAME": "eth0", "CNI_VETH_RUN_DIR": run_dir,
            }  # fmt: skip
            stdin = json.dumps(conf | ({"cni.dev/valid-attachments": []} if verb == "GC" else {})).encode()
            begun = time.perf_counter()
            request = Request.read(environ, stdin)
            request.validate()
            if verb == "ADD":
                plugin.add(request, lambda result: None)
            else:
                {"DEL": plugin.delete, "GC": plugin.gc}[verb](request)
            return time.perf_counter() - begun

        yield Allocator(IN_PROCESS, conf, call)
