"""Pods that come and go all the time, while something else happens to the plugin."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from tests.world import Node, Plugin, Pod
from tests.world.server import until


class Load:
    """ADD, CHECK, DEL in some threads until the end of the block. Each failure is kept, and ends its thread."""

    def __init__(self, node: Node, bin: Path, wrap: Sequence[str] = (), threads: int = 3) -> None:
        self._conf = node.network("10.1.2.0/24", "fd00::/64", isDefaultGateway=True)
        self._plugin = Plugin(node, bin, "cni-veth")
        self._wrap = wrap
        self._end = threading.Event()
        self.errors: list[BaseException] = []
        self.rounds = 0
        self._threads = [threading.Thread(target=self._run, args=[node.pod()]) for _ in range(threads)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    def _run(self, pod: Pod) -> None:
        try:
            while not self._end.is_set():
                result = self._plugin.add(self._conf, pod, wrap=self._wrap).succeeded()
                self._plugin.check(self._conf, pod, result, wrap=self._wrap).succeeded()
                self._plugin.delete(self._conf, pod, result, wrap=self._wrap).succeeded()
                self.rounds += 1
        except BaseException as error:
            self.errors.append(error)


def until_rounds(load: Load, rounds: int) -> None:
    """So many more of them, or a failure."""
    target = load.rounds + rounds
    until(lambda: load.errors or load.rounds >= target, 60)
