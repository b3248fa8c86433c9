"""The suite's cases fail what is wrong and nothing else: judged by a right plugin and by wrong ones made of it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator

import pytest

from conformance import data
from tests.conformance.mutants import mutant
from tests.conformance.mutants.judge import Judge, Verdict
from tests.conformance.mutants.mutant import Mutant

MUTANTS = mutant.read()
OTHERS = 1
"""How many of the cases that a mutant should pass are played; `python -m tests.conformance.mutants` plays them all."""

LUCK = {case.id for case in data.load().cases if case.area in ("concurrency", "killed")}
TRIES = 4


def test_mutants_name_cases_that_exist() -> None:
    cases = {case.id for case in data.load().cases}
    unknown = {one.id: sorted(one.failed_by - cases) for one in MUTANTS if not one.failed_by <= cases}
    assert not unknown


def test_mutants_differ() -> None:
    assert len(MUTANTS) >= 45
    assert len({one.id for one in MUTANTS}) == len(MUTANTS)
    assert len({tuple(one.sources.items()) for one in MUTANTS}) == len(MUTANTS)
    assert not [one.id for one in MUTANTS if one.sources == mutant.right_sources() or not one.failed_by]


def test_every_area_has_a_mutant() -> None:
    areas = {case.area: case.id for case in data.load([mutant.PROFILE]).cases}
    failing = {name for one in MUTANTS for name in one.failed_by}
    of_failing = {case.area for case in data.load().cases if case.id in failing}
    assert areas.keys() == of_failing


def test_right_imports_the_standard_library_only() -> None:
    sources = mutant.right_sources()
    for text in sources.values():
        for node in ast.walk(ast.parse(text)):
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not [n for n in names if n and n.split(".")[0] not in {*sys.stdlib_module_names, *sources}]


@pytest.fixture(scope="module")
def judged(request: pytest.FixtureRequest) -> Iterator[dict[str, Verdict]]:
    """Verdicts by mutant; "" is the right plugin. Of mutants only those whose tests were chosen."""
    params = [item.callspec.params.get("one") for item in request.session.items if hasattr(item, "callspec")]
    chosen = {one.id for one in params if isinstance(one, Mutant)}
    mutants = [one for one in MUTANTS if one.id in chosen]
    with Judge() as judge:
        right = judge.right()
        verdicts = {one.id: verdict for one, verdict in judge.mutants(mutants, right, OTHERS)}
        for _ in range(TRIES - 1):  # whether a race is lost, and where a kill hits, is luck
            unlucky = [one for one in mutants if one.failed_by - verdicts[one.id].failed_by <= LUCK]
            unlucky = [one for one in unlucky if not one.failed_by <= verdicts[one.id].failed_by]
            for one, verdict in judge.mutants(unlucky, right, 0):
                verdicts[one.id].failed |= verdict.failed
        yield {"": right} | verdicts


@pytest.mark.root
@pytest.mark.parametrize("version", data.VERSIONS)
def test_right_passes(judged: dict[str, Verdict], version: str) -> None:
    right = judged[""]
    assert [name for name in right.played if name.endswith(f"@{version}")]
    assert not {name: why for name, why in right.failed.items() if name.endswith(f"@{version}")}


@pytest.mark.root
@pytest.mark.parametrize("one", MUTANTS, ids=lambda one: one.id)
def test_mutant_is_failed_by_the_cases_that_name_its_fault(judged: dict[str, Verdict], one: Mutant) -> None:
    verdict = judged[one.id]
    passed = one.failed_by - verdict.failed_by
    also = {name: why for name, why in verdict.failed.items() if name.partition("@")[0] not in one.failed_by}
    assert not passed and not also, one.fault


@pytest.mark.root
def test_right_passes_as_an_executable() -> None:
    """Not forked from this process: started as the suite starts any plugin."""
    with Judge() as judge:
        verdict = judge.executed(["check-after-add@1.1.0", "del-removes-what-add-made@1.1.0", "unknown-key@1.1.0"])
    assert len(verdict.played) == 3
    assert not verdict.failed
