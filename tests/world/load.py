"""Pods that come and go all the time, while something else happens to the plugin or its server."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from pathlib import Path

from tests.world.node import Node, Pod
from tests.world.places import BIN
from tests.world.plugin import Plugin
from tests.world.server import until


class Load:
    """ADD, CHECK, DEL in some threads until the end of the block. Each failure is kept, and ends its thread.

    `sockets`: each call takes one of them for CNI_VETH_SOCKET; the node's own where none is given.
    """

    def __init__(
        self, node: Node, bin: Path = BIN, wrap: Sequence[str] = (), threads: int = 3, sockets: Sequence[str] = ()
    ) -> None:
        self._conf = node.network("10.1.2.0/24", "fd00::/64", isDefaultGateway=True)
        self._plugin = Plugin(node, bin, "cni-veth")
        self._wrap = wrap
        self._sockets = sockets or [node.server]
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

    def until_rounds(self, rounds: int) -> None:
        """So many more of them, or a failure."""
        target = self.rounds + rounds
        until(lambda: self.errors or self.rounds >= target, 60)

    def _run(self, pod: Pod) -> None:
        try:
            while not self._end.is_set():
                calls = [
                    {"wrap": self._wrap, "env": {"CNI_VETH_SOCKET": random.choice(self._sockets)}} for _ in range(3)
                ]
                result = self._plugin.add(self._conf, pod, **calls[0]).succeeded()
                self._plugin.check(self._conf, pod, result, **calls[1]).succeeded()
                self._plugin.delete(self._conf, pod, result, **calls[2]).succeeded()
                assert set(pod.links()) == {"lo"}
                self.rounds += 1
        except BaseException as error:
            self.errors.append(error)
