"""`make soak`: one server, callers on two nodes, a hundred thousand calls; then nothing has grown and nothing is left.

In rounds: after each all callers rest, so that what is open then is open for good. A process is compared with itself,
after its own warm-up. Callers are killed in three short storms of the first half, since a worker ends with such a call
(cni_veth/worker.py): those of the second half live long enough to show a slow leak, the supervisor sees it all.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from tests import traffic
from tests.world import BIN, ownership
from tests.world.server import Server, until

CALLS = 100_000
NODES = 2
WARM_UP = 0.05  # of all calls, and LEAST_WARM_UP; of a new worker's life as well
LEAST_WARM_UP = 1000  # Python's arenas fill slowly
STORMS = (0.01, 0.2, 0.4)  # after so much of all calls
STORM_LENGTH = 0.01
ROUND = 1000  # calls at most: a line every few seconds
GROWTH = 1 << 20  # bytes that are no leak: the allocator and the page cache settle
REST_SECONDS = 10.0
LOST = 10  # workers that end though no caller was killed: not worth going on


class Sample(NamedTuple):
    """A process at rest; memory in bytes."""

    descriptors: int
    threads: int
    pss: int
    """Told, not judged: it changes with the number of processes that share a page."""
    rss: int

    @classmethod
    def of(cls, pid: int) -> Sample:
        """Raises FileNotFoundError, ProcessLookupError for one that is gone."""
        proc = Path(f"/proc/{pid}")
        lines = (proc / "smaps_rollup").read_text().splitlines()[1:]
        sizes = {name: int(rest.split()[0]) * 1024 for name, _, rest in (line.partition(":") for line in lines)}
        return cls(len(os.listdir(proc / "fd")), len(os.listdir(proc / "task")), sizes["Pss"], sizes["Rss"])

    def grown_from(self, before: Sample) -> list[str]:
        found = []
        if self.descriptors > before.descriptors:
            found.append(f"descriptors grew from {before.descriptors} to {self.descriptors}")
        if self.threads > before.threads:
            found.append(f"threads grew from {before.threads} to {self.threads}")
        if self.rss > before.rss + GROWTH:
            found.append(f"memory (RSS) grew from {before.rss / 1e6:.2f} to {self.rss / 1e6:.2f} MB")
        return found

    def __str__(self) -> str:
        megabytes = f"PSS {self.pss / 1e6:.2f} RSS {self.rss / 1e6:.2f} MB"
        return f"{self.descriptors} fds {self.threads} thr {megabytes}"


class Watch:
    """The samples of each process: the first one after its warm-up of so many calls, and the last one."""

    def __init__(self, warm_up: int) -> None:
        self._warm_up = warm_up
        self._born: dict[int, int] = {}
        self._warm: dict[int, Sample] = {}
        self.last: dict[int, Sample] = {}

    def note(self, calls: int, samples: dict[int, Sample]) -> None:
        """After so many calls these processes are there."""
        self.last = samples
        for pid, sample in samples.items():
            if calls - self._born.setdefault(pid, calls) >= self._warm_up:
                self._warm.setdefault(pid, sample)

    def problems(self, least: int) -> list[str]:
        """What grew; at least so many processes must have lived long enough to tell."""
        compared = [pid for pid in self.last if pid in self._warm]
        found = [f"process {pid}: {text}" for pid in compared for text in self.last[pid].grown_from(self._warm[pid])]
        if len(compared) < least:
            found.append(f"only {len(compared)} of {least} processes lived long enough to be compared")
        return found

    def __str__(self) -> str:
        return "\n".join(f"process {pid}: {self._warm.get(pid)} -> {sample}" for pid, sample in self.last.items())


class Soak:
    def __init__(
        self, server: Server, runtimes: list[traffic.Runtime], calls: int, tell: Callable[[str], None]
    ) -> None:
        self._server = server
        self._workers = len(server.workers())
        self._runtimes = runtimes
        self._goal = calls
        self._tell = tell
        self._watch = Watch(max(LEAST_WARM_UP, int(calls * WARM_UP)))
        self._storms = [int(calls * storm) for storm in STORMS]
        self._lost = 0

    def run(self) -> list[str]:
        """Every call; the problems."""
        for runtime in self._runtimes:  # the bridge, the store and what a test's plugin writes
            runtime.pod()
            runtime.foreign_ipam()
        before = [runtime.state() for runtime in self._runtimes]
        self._look()
        with ThreadPoolExecutor(len(self._runtimes)) as pool:
            while self._made < self._goal:
                self._round(pool)
        self._tell(f"after the warm-up -> at the end\n{self._watch}")
        problems = self._watch.problems(least=1 + self._workers)
        for runtime, state in zip(self._runtimes, before, strict=True):
            problems += [
                f"{key} differ: {state[key]} -> {now}" for key, now in runtime.state().items() if now != state[key]
            ]
        return problems + self._of_the_server()

    @property
    def _made(self) -> int:
        return sum(runtime.calls.total() for runtime in self._runtimes)

    def _round(self, pool: ThreadPoolExecutor) -> None:
        made, begun = self._made, time.monotonic()
        is_storm = bool(self._storms) and made >= self._storms[0]
        self._storms = self._storms[is_storm:]
        length = self._goal * (STORM_LENGTH if is_storm else WARM_UP)
        share = max(1, int(min(length, ROUND, self._goal - made)) // len(self._runtimes))
        lives = traffic.STORM if is_storm else traffic.LIVES
        list(pool.map(lambda runtime: runtime.work(share, lives), self._runtimes))
        rate = (self._made - made) / (time.monotonic() - begun)
        earlier = self._watch.last.keys()
        self._look()
        self._lost += 0 if is_storm else len(earlier - self._watch.last.keys())
        if self._lost > LOST:
            raise AssertionError(f"{self._lost} workers ended though no caller was killed: {self._server.stop()}")
        words = [f"{self._made} calls{', storm' if is_storm else ''}", f"{rate:.0f}/s"]
        self._tell(" | ".join([*words, *(f"{pid}: {sample}" for pid, sample in self._watch.last.items())]))

    def _look(self) -> None:
        until(lambda: all(runtime.is_at_rest() for runtime in self._runtimes), REST_SECONDS)
        self._watch.note(self._made, self._settled())

    def _settled(self) -> dict[int, Sample]:
        """Once two looks agree on processes, descriptors and threads: a DEL is answered before its thread ends."""
        looks: list[dict[int, Sample]] = [{}]

        def agrees() -> bool:
            time.sleep(0.1)  # longer than the kernel takes to delete a link: nothing tells when a thread ends
            try:
                looks.append({pid: Sample.of(pid) for pid in (self._server.pid, *self._server.workers())})
            except (FileNotFoundError, ProcessLookupError):
                looks.append({})
            counts = [{pid: sample[:2] for pid, sample in look.items()} for look in looks[-2:]]
            return counts[0] == counts[1] != {}

        until(agrees, REST_SECONDS)
        return looks[-1]

    def _of_the_server(self) -> list[str]:
        """What it says when it ends, and whether it is the one that served."""
        words = self._server.stop()
        problems = words.splitlines()[1:-1]  # between its first line and its last it has nothing to say
        least = sum(runtime.served for runtime in self._runtimes)
        most = least + sum(runtime.interrupted for runtime in self._runtimes)
        calls: Counter[str] = sum((runtime.calls for runtime in self._runtimes), Counter())
        self._tell(" ".join(f"{name}: {number}," for name, number in sorted(calls.items())))
        self._tell(f"{self._server.served} calls served, {least} to {most} expected")
        if not least <= self._server.served <= most:
            problems.append(f"{self._server.served} calls were served, {least} to {most} should be")
        return problems


def soak(calls: int, workers: int, tell: Callable[[str], None] = print) -> list[str]:
    """What grew or was left behind; [] if nothing. AssertionError for a call that was answered wrongly."""
    before = set(ownership.own_names())
    with ExitStack() as stack:
        server = stack.enter_context(Server.running("--workers", str(workers)))
        until(lambda: len(server.workers()) == workers)
        nodes = [stack.enter_context(traffic.Place(server.socket)) for _ in range(NODES)]
        runtimes = [traffic.Runtime(node, seed) for seed, node in enumerate(nodes)]
        problems = Soak(server, runtimes, calls, tell).run()
    return problems + [f"{name} is left" for name in set(ownership.own_names()) - before]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("-n", type=int, default=CALLS, metavar="CALLS", help="how many (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="of the server (default: %(default)s)")
    options = parser.parse_args()
    if not (BIN / "cni-vethd").exists():
        parser.error(f"there is no {BIN / 'cni-vethd'}: run `make build` first")
    if os.geteuid() != 0:
        parser.error("network namespaces need root")
    problems = soak(options.n, options.workers, lambda text: print(text, flush=True))
    for problem in problems:
        print(f"PROBLEM: {problem}")
    print(f"Soak: {len(problems)} problems." if problems else "Soak: nothing grew, nothing is left.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
