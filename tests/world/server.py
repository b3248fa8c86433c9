"""`cni-vethd` as an operator starts it, in a network namespace of its own: no node of a test is its home."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from tests.world.node import Node
from tests.world.places import BIN

NOBODY = "/nonexistent"
"""CNI_VETH_SOCKET where no server is: the launcher executes the standalone program."""


class Server:
    """A server that accepts. Its socket is a file in a directory that root alone may enter."""

    def __init__(self, home: Node, *options: str, bin: Path = BIN, socket: str = "") -> None:
        directory = home.dir / "run"
        directory.mkdir(mode=0o700, exist_ok=True)
        self.socket = socket or str(directory / "socket")
        self.process = home.start([str(bin / "cni-vethd"), "--socket", self.socket, *options])
        self._log = [self.line()]
        if "workers serve" not in self._log[0]:
            raise RuntimeError(f"cni-vethd: {self._log[0]}{self.process.communicate()[1]}")

    @classmethod
    @contextmanager
    def running(cls, *options: str, bin: Path = BIN) -> Iterator[Self]:
        """One on its own, ended with the block."""
        with Node() as home:
            server = cls(home, *options, bin=bin)
            try:
                yield server
            finally:
                server.stop()

    @property
    def pid(self) -> int:
        return self.process.pid

    def workers(self) -> list[int]:
        path = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        return [int(pid) for pid in path.read_text().split()] if path.exists() else []

    def stop(self) -> str:
        """End it as systemd does; what it said. Repeatable."""
        self.process.send_signal(signal.SIGTERM)
        _, rest = self.process.communicate(timeout=30)
        self._log.append(rest or "")
        return "".join(self._log)

    @property
    def served(self) -> int:
        """How many calls, once it is stopped."""
        found = re.search(r"(\d+) calls served", "".join(self._log))
        return int(found[1]) if found else 0

    def line(self) -> str:
        """The next thing that it says."""
        assert self.process.stderr
        return self.process.stderr.readline()


def until(is_so: object, seconds: float = 10) -> None:
    """Wait until the callable says so. AssertionError after so many seconds."""
    assert callable(is_so)
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"not so within {seconds} s"
        time.sleep(0.002)
