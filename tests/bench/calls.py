"""Calls as a runtime makes them, one or many at a time, with what they cost."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from resource import struct_rusage

from tests.world import Node

_PR_SET_CHILD_SUBREAPER = 36
_ORPHANING = '"$@" <&3 3<&- &'


@dataclass(frozen=True)
class Call:
    argv: list[str]
    environment: dict[str, str]
    stdin: bytes


@dataclass(frozen=True)
class Outcome:
    seconds: float
    cpu_seconds: float
    """Of the process and all it started, also what it left running after its own end."""
    output: bytes


class CallFailed(RuntimeError):
    """Its time would mean nothing."""


def adopt_orphans() -> None:
    """What a call leaves running becomes our child, so that it can be waited for (prctl(2))."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def run(node: Node, call: Call) -> Outcome:
    """One call in the node's network namespace. CallFailed if it does not succeed."""
    with _files(call.stdin) as (source, sink), node.entered():
        begun = time.perf_counter()
        leader = _spawn(call, source, sink)
        _, status, usage = os.wait4(leader, 0)
        seconds = time.perf_counter() - begun
        cpu = usage.ru_utime + usage.ru_stime
        cpu += sum(left.ru_utime + left.ru_stime for _, _, left in _group(leader))
        return Outcome(seconds, cpu, _output(call, status, sink))


def run_many(node: Node, calls: Sequence[Call], at_a_time: int) -> tuple[float, list[bytes]]:
    """Seconds from the start of the first to the end of the last, and their outputs. CallFailed if one fails."""
    with ExitStack() as files:
        opened = [files.enter_context(_files(call.stdin)) for call in calls]
        files.enter_context(node.entered())
        waiting = iter(range(len(calls)))
        running: dict[int, int] = {}
        statuses: dict[int, int] = {}
        begun = time.perf_counter()
        while len(statuses) < len(calls):
            while len(running) < at_a_time and (number := next(waiting, None)) is not None:
                running[_spawn(calls[number], *opened[number])] = number
            pid, status = os.wait()  # orphans among them
            if pid in running:
                statuses[running.pop(pid)] = status
        seconds = time.perf_counter() - begun
        return seconds, [_output(call, statuses[n], opened[n][1]) for n, call in enumerate(calls)]


def weigh(node: Node, call: Call) -> tuple[float, bytes]:
    """Peak memory in bytes of the largest process of a call, and its output. CallFailed if it does not succeed.

    Linux counts the memory of the process that calls posix_spawn(3) as a peak of the one it makes. So a
    small shell starts the call and ends at once, and the orphan's own figures come to us.
    """
    with _files(call.stdin) as (source, sink), node.entered():
        files = [(os.POSIX_SPAWN_DUP2, source, 3), (os.POSIX_SPAWN_DUP2, sink, 1)]
        argv = ["sh", "-c", _ORPHANING, "sh", *call.argv]
        shell = os.posix_spawn("/bin/sh", argv, call.environment, file_actions=files, setpgroup=0)
        ended = [(status, usage.ru_maxrss) for pid, status, usage in _group(shell) if pid != shell]
        return 1024.0 * max(peak for _, peak in ended), _output(call, max(status for status, _ in ended), sink)


def settle(node: Node) -> None:
    """Returns when the kernel is done with the links deleted before: their end is slow, and holds up others'."""
    node.batch("link add settle0 type veth peer name settle1", "link del settle0")
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _spawn(call: Call, source: int, sink: int) -> int:
    files = [(os.POSIX_SPAWN_DUP2, source, 0), (os.POSIX_SPAWN_DUP2, sink, 1)]
    return os.posix_spawn(call.argv[0], call.argv, call.environment, file_actions=files, setpgroup=0)


def _group(leader: int) -> Iterator[tuple[int, int, struct_rusage]]:
    """What os.wait4 says of each process of a group, until none is left."""
    with suppress(ChildProcessError):
        while True:
            yield os.wait4(-leader, 0)


@contextmanager
def _files(stdin: bytes) -> Iterator[tuple[int, int]]:
    source, sink = os.memfd_create("stdin"), os.memfd_create("stdout")
    try:
        os.pwrite(source, stdin, 0)
        yield source, sink
    finally:
        os.close(source)
        os.close(sink)


def _output(call: Call, status: int, sink: int) -> bytes:
    output = os.pread(sink, 1 << 20, 0)
    if status != 0:
        told = " ".join(f"{key}={value}" for key, value in call.environment.items() if key.startswith("CNI_"))
        raise CallFailed(f"{told} {call.argv[0]}: exit code {os.waitstatus_to_exitcode(status)}: {output.decode()}")
    return output
