"""`python -m tests.bench.phases`: where the milliseconds of a warm ADD, CHECK and DEL go, step by step.

The plugin runs in this process, as in a worker, on a node with pods of its own; each step of the story is timed around
its function. "kernel" is the time inside of send(2) on netlink sockets, which is part of the steps it happens in.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cni import document, skel
from cni.request import Request
from cni.result import Result
from cni_veth import aside, ipam_plugin, netlink, plugin, pod, removal, veth
from cni_veth.bridge import Bridge
from cni_veth.ipam_plugin import IPAM
from ipam import lock
from ipam.directory import Directory
from tests.world import Node, Pod

PAUSE = 0.02  # between two calls: caches cool down as between a node's real ones
STEPS: list[tuple[str, Any, str]] = [
    ("read and validate the configuration", plugin, "_validated"),
    ("look for the interface", veth, "refuse_existing"),
    ("look at the bridge", Bridge, "ensure"),
    ("look up the MTU", plugin, "_mtu"),
    ("create the pair", veth, "create"),
    ("reserve the address", IPAM, "add"),
    ("gateway and forwarding", Bridge, "add_gateways"),
    ("configure the pod's link", pod, "configure"),
    ("see the port forward", pod, "wait_forwarding"),
    ("tell the neighbours", pod, "announce"),
    ("compare with the kernel", plugin.differences, "find"),
    ("compare with the store", IPAM, "forward"),
    ("delete the pair", veth, "delete"),
    ("of it: until it is announced", removal, "delete"),
    ("release the address", IPAM, "delete"),
    ("kernel", netlink.Socket, "_send"),
]
HELD = "of it: under the store's lock"
Times = dict[str, list[float]]


class Clock:
    """Adds up what each step took, call by call."""

    def __init__(self) -> None:
        self.times: Times = {}
        self._sums: dict[str, float] = {}
        for title, place, name in STEPS:
            setattr(place, name, self._timed(title, getattr(place, name)))
        self._time_the_lock(lock.acquire, Directory.close)

    def _time_the_lock(self, acquire: Callable[..., int], close: Callable[[Directory], None]) -> None:
        locked = [0.0]

        def timed_acquire(*arguments: Any) -> int:
            fd = acquire(*arguments)
            locked[0] = time.perf_counter()
            return fd

        def timed_close(directory: Directory) -> None:
            close(directory)
            self._sums[HELD] = self._sums.get(HELD, 0.0) + time.perf_counter() - locked[0]

        lock.acquire, Directory.close = timed_acquire, timed_close  # type: ignore[assignment,method-assign]

    def _timed(self, title: str, step: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **named: Any) -> Any:
            begun = time.perf_counter()
            try:
                return step(*arguments, **named)
            finally:
                self._sums[title] = self._sums.get(title, 0.0) + time.perf_counter() - begun

        return timed

    def end(self, whole: float) -> None:
        """The call is over."""
        for title, seconds in [*self._sums.items(), ("whole", whole)]:
            self.times.setdefault(title, []).append(seconds)
        self._sums.clear()


def request(verb: str, conf: dict[str, Any], target: Pod, directory: Path) -> Request:
    environ = {
        "CNI_COMMAND": verb, "CNI_CONTAINERID": target.container_id, "CNI_NETNS": target.path, "CNI_IFNAME": "eth0",
        "CNI_PATH": str(directory), "CNI_VETH_RUN_DIR": str(directory / "run"),
    }  # fmt: skip
    made = Request.read(environ, json.dumps(conf).encode())
    made.validate()
    return made


def fill(store: Path, count: int) -> None:
    """So many leases of host-local's in 10.22.0.0/16."""
    store.mkdir(parents=True)
    for number in range(count):
        (store / f"10.22.{(number + 600) >> 8}.{(number + 600) & 255}").write_bytes(f"c{number}\r\neth0".encode())


def measure(node: Node, count: int, leases: int) -> dict[str, Times]:
    (node.dir / "cni-ipam").touch()
    fill(node.store / "net", leases)
    pods = [node.pod() for _ in range(count)]
    conf, results, found = node.network("10.22.0.0/16", isDefaultGateway=True), dict[str, Any](), dict[str, Times]()
    clock = Clock()
    with node.entered():
        for verb in ("ADD", "CHECK", "DEL"):
            clock.times = found[verb] = {}
            for target in pods:
                time.sleep(PAUSE)
                prev = {"prevResult": results[target.name]} if verb != "ADD" else {}
                begun = time.perf_counter()
                call = request(verb, conf | prev, target, node.dir)

                def deliver(result: Result, target: Pod = target, version: str = call.version) -> None:
                    results[target.name] = json.loads(document.encode(result.to_json(version)))

                method = getattr(plugin, skel.METHODS[verb])
                method(call, deliver) if verb == "ADD" else method(call)
                clock.end(time.perf_counter() - begun)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.phases", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("-n", type=int, default=60, help="calls of each verb (%(default)s)")
    parser.add_argument("--leases", type=int, default=0, help="that the store has before (%(default)s)")
    options = parser.parse_args()
    ipam_plugin._is_own = lambda executable: True  # type: ignore[assignment]
    aside.start = aside.in_thread
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000)  # as packaging/entry.py does
    with Node() as node:
        for verb, times in measure(node, options.n, options.leases).items():
            print(f"| {verb} | ms |\n|---|--:|")
            for title, seconds in times.items():
                print(f"| {title} | {statistics.median(seconds) * 1000:.2f} |")
            print()


if __name__ == "__main__":
    main()
