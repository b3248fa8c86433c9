"""Play the suite's cases against the right plugin and its mutants, in worker processes."""

import os
import subprocess
from collections.abc import Collection, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zlib import crc32

from conformance import call, data, matrix, namespaces, run
from conformance.matrix import Plan
from conformance.world import Setting
from tests.conformance.mutants import forked, mutant
from tests.conformance.mutants.mutant import Mutant

SLOW = {"concurrency", "killed", "fuzz"}
"""Areas of which a mutant is played those cases only that it should fail: they take seconds, and find much."""

_JOBS = os.cpu_count() or 1
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass
class Verdict:
    """failed: why, by case@version; played: the lines of the plugin that were executed, by case@version."""

    failed: dict[str, str] = field(default_factory=dict)
    played: dict[str, forked.Lines] = field(default_factory=dict)

    @property
    def failed_by(self) -> set[str]:
        return {name.partition("@")[0] for name in self.failed}


class Judge:
    """Workers, in `with`. The suite takes a process into a mount namespace for good: theirs, not the caller's."""

    def __init__(self) -> None:
        self._workers = ProcessPoolExecutor(_JOBS, get_context("fork"), _prepare)

    def __enter__(self) -> "Judge":
        self._workers.__enter__()
        return self

    def __exit__(self, *raised: Any) -> None:
        self._workers.__exit__(*raised)

    def right(self) -> Verdict:
        """The right plugin by all cases that apply, at every version."""
        return self._shared([plan.name for version in reversed(data.VERSIONS) for plan in _plans(version)])

    def executed(self, names: list[str]) -> Verdict:
        """The right plugin by some (case@version), each call as a program of its own."""
        return self._shared(names, is_forked=False)

    def mutants(
        self, mutants: Collection[Mutant], right: Verdict, others: int | None = None
    ) -> Iterator[tuple[Mutant, Verdict]]:
        """Each by the cases that could tell it from the right plugin, for they execute what is replaced.

        others: how many of those that should pass; None: all.
        """
        chosen = [_concerned(one, right, others) for one in mutants]
        return zip(mutants, self._workers.map(_play, [one.sources for one in mutants], chosen), strict=True)

    def _shared(self, names: list[str], is_forked: bool = True) -> Verdict:
        share = -(-len(names) // (4 * _JOBS))
        shares = [names[start : start + share] for start in range(0, len(names), share)]
        verdict = Verdict()
        for part in self._workers.map(
            partial(_play, mutant.right_sources(), is_forked=is_forked, is_traced=True), shares
        ):
            verdict.failed |= part.failed
            verdict.played |= part.played
        return verdict


def _concerned(one: Mutant, right: Verdict, others: int | None) -> list[str]:
    areas = {plan.name: plan.case.area for version in one.versions for plan in _plans(version)}
    able = [name for name in areas if right.played[name] & one.lines]
    listed = [name for name in able if name.partition("@")[0] in one.failed_by]
    rest = [name for name in able if name not in listed and areas[name] not in SLOW]
    # Some that stay the same from run to run, and differ from mutant to mutant.
    rest.sort(key=lambda name: crc32(f"{one.id} {name}".encode()))
    return listed + rest[:others]


def _prepare() -> None:
    run.prepare(_setting(Path("/")))


def _play(sources: dict[str, str], names: Collection[str], is_forked: bool = True, is_traced: bool = False) -> Verdict:
    """In a worker."""
    verdict = Verdict()
    with TemporaryDirectory() as directory:
        executable = mutant.write(sources, Path(directory) / "plugin")
        program = forked.compiled(executable)
        vars(call)["subprocess"] = forked.instead_of_subprocess(program) if is_forked else subprocess

        def started(name: str) -> None:
            program.traces = os.memfd_create(name) if is_traced else None

        wanted = set(names)
        plans = [plan for version in data.VERSIONS for plan in _plans(version) if plan.name in wanted]
        for plan, found in run.runs(_setting(executable), plans, _binding(), 1, started):
            if problem := _problem(found):
                verdict.failed[plan.name] = problem
            verdict.played[plan.name] = set() if program.traces is None else forked.read_traces(program.traces)
    return verdict


def _problem(found: dict[str, Any]) -> str:
    if found.get("verdict") == "broken":
        return f"broken: {found['reason']}"
    return "\n".join(f"step {f['step']}, {f['what']}: {f['expected']}; but {f['actual']}" for f in found["failures"])


@cache
def _session() -> data.Data:
    return data.load([mutant.PROFILE])


@cache
def _binding() -> matrix.Binding:
    return matrix.Binding(_session().requirements)


@cache
def _plans(version: str) -> tuple[Plan, ...]:
    plans = matrix.plans(_session(), _session().profiles["right"], data.VERSIONS)
    return tuple(plan for plan in plans if plan.version == version and not plan.na)


def _setting(executable: Path) -> Setting:
    used = [str(executable), os.getcwd(), *_PATH.split(":")]
    profile = _session().profiles["right"]
    return Setting(str(executable), profile, namespaces.free_directory(used), (), (("PATH", _PATH),))
