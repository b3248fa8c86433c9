"""`cni-vethd` as the benchmark runs it: in a namespace of its own, stopped or killed by pid."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.world import Node
from tests.world.places import PATH

_SECONDS = 20
_TICKS = os.sysconf("SC_CLK_TCK")


class Server:
    """One that runs. RuntimeError where it does not, or has ended by itself."""

    def __init__(self, executable: Path, directory: Path) -> None:
        self.socket = directory / "socket"
        self._log = directory / "log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [executable, "--socket", self.socket],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": PATH},
                cwd="/",
            )
        deadline = time.monotonic() + _SECONDS
        while not self._answers():
            self.assert_alive()
            if time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"{executable} did not listen within {_SECONDS} s: {self._log.read_text()}")
            time.sleep(0.001)  # nothing tells when somebody listens

    def assert_alive(self) -> None:
        if self._process.poll() is not None:
            raise RuntimeError(f"the server ended with {self._process.returncode}: {self._log.read_text()}")

    def cpu_seconds(self) -> float:
        """Used up to now by all its processes, those that ended too; in steps of a clock tick (10 ms)."""
        self.assert_alive()
        return sum(sum(map(int, _stat(pid)[11:15])) for pid in self._tree()) / _TICKS

    def memory(self) -> tuple[float, float]:
        """Bytes, PSS and RSS, of all its processes."""
        self.assert_alive()
        pairs = [_smaps(pid) for pid in self._tree()]
        return sum(pss for pss, _ in pairs), sum(rss for _, rss in pairs)

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RuntimeError(f"the server did not end within {_SECONDS} s of SIGTERM") from None

    def kill(self) -> None:
        """SIGKILL for all its processes: nobody can tidy up, the socket's file stays."""
        os.kill(self._process.pid, signal.SIGSTOP)  # so that none is made while they are listed
        os.waitpid(self._process.pid, os.WUNTRACED)
        for pid in self._tree():
            os.kill(pid, signal.SIGKILL)
        self._process.wait()

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
            return client.connect_ex(str(self.socket)) == 0

    def _tree(self) -> list[int]:
        """The process and its descendants, parents first."""
        parents = {int(path.name): int(_stat(path.name)[1]) for path in Path("/proc").glob("[0-9]*")}
        tree = [self._process.pid]
        for pid in tree:
            tree += [child for child, parent in parents.items() if parent == pid]
        return tree


@contextmanager
def serving(executable: Path) -> Iterator[Server]:
    with Node() as scratch:
        with scratch.entered():
            server = Server(executable, scratch.dir)
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def killed(executable: Path) -> Iterator[Path]:
    """The socket of a server that was killed."""
    with Node() as scratch:
        with scratch.entered():
            server = Server(executable, scratch.dir)
        server.kill()
        yield server.socket


def _stat(pid: int | str) -> list[str]:
    """The fields of proc_pid_stat(5) from the third on; zeros for a process that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ["0"] * 50


def _smaps(pid: int) -> tuple[int, int]:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    except (FileNotFoundError, ProcessLookupError):
        return 0, 0
    sizes = {name: int(rest.split()[0]) * 1024 for name, _, rest in (line.partition(":") for line in lines)}
    return sizes["Pss"], sizes["Rss"]
