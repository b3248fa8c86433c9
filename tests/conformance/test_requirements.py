"""The requirements and the cases that prove them: consistent, anchored, none that can be observed without a case."""

from collections import Counter
from functools import cache
from typing import Any

import pytest

from conformance import data
from conformance.matrix import Binding, plans

DATA = data.load()
REQUIREMENTS, CASES = DATA.requirements, DATA.cases
BINDING = Binding(REQUIREMENTS)
TO_BE_PROVED = [r for r in REQUIREMENTS if r["observable"] and r["level"] != "may"]

EXCEPTIONS: dict[str, tuple[str, ...]] = {}
"""Observable MUSTs and the versions at which no profile has a case that applies; each with its reason beside it."""

NO_PROFILE: dict[str, str] = {}
"""Observable SHOULDs that a case proves, but none that applies to a profile of the suite; each with its reason."""


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _document_of(requirement: dict[str, Any]) -> dict[str, Any]:
    """The text that the anchor points into: the present one, or the last one of a version that it binds in."""
    documents = [d for d in DATA.documents if d["source"] == requirement["source"]]
    if requirement["until"] is None:
        return next(d for d in documents if d["version"] == "1.1.0")
    last = max(_number(requirement["until"]), (0, 2, 0))
    return max((d for d in documents if _number(d["version"]) <= last), key=lambda d: _number(d["version"]))


def _versions(case: data.Case) -> list[str]:
    return [version for version in data.VERSIONS if data.in_range(version, case.spec.get("versions"))]


def _proved_ids(case: data.Case) -> set[str]:
    return {id for holder in (case.spec, *case.steps) for id in holder.get("proves", [])}


def test_ids_are_unique() -> None:
    assert [id for id, count in Counter(r["id"] for r in REQUIREMENTS).items() if count > 1] == []


def test_texts_are_unique_within_a_version() -> None:
    spans = [(r["text"], version) for r in REQUIREMENTS for version in data.VERSIONS if BINDING.at(version, [r["id"]])]
    assert [key for key, count in Counter(spans).items() if count > 1] == []


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=lambda r: r["id"])
def test_the_anchor_is_a_heading(requirement: dict[str, Any]) -> None:
    assert requirement["anchor"] in _document_of(requirement)["headings"]


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=lambda r: r["id"])
def test_it_binds_in_some_version(requirement: dict[str, Any]) -> None:
    assert [version for version in data.VERSIONS if BINDING.at(version, [requirement["id"]])]


@pytest.mark.parametrize("area", sorted({r["id"].split("-")[0] for r in REQUIREMENTS}))
def test_numbers_of_an_area_have_no_gap(area: str) -> None:
    numbers = [int(r["id"].split("-")[1]) for r in REQUIREMENTS if r["id"].split("-")[0] == area]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("requirement", TO_BE_PROVED, ids=lambda r: r["id"])
def test_what_can_be_observed_has_a_case(requirement: dict[str, Any]) -> None:
    proving = [
        case.id
        for case in CASES
        if requirement["id"] in _proved_ids(case) and any(BINDING.at(v, [requirement["id"]]) for v in _versions(case))
    ]
    assert proving


@cache
def _applicable() -> frozenset[tuple[str, str]]:
    """(requirement, version) for which a profile of the suite has a case that applies."""
    return frozenset(
        (id, plan.version)
        for profile in DATA.profiles.values()
        for plan in plans(DATA, profile, data.VERSIONS)
        if not plan.na
        for id in plan.proves
    )


@pytest.mark.parametrize("requirement", [r for r in TO_BE_PROVED if r["level"] == "must"], ids=lambda r: r["id"])
def test_a_must_has_a_case_that_applies_in_each_of_its_versions(requirement: dict[str, Any]) -> None:
    id = requirement["id"]
    bare = [v for v in data.VERSIONS if BINDING.at(v, [id]) and (id, v) not in _applicable()]
    assert tuple(bare) == EXCEPTIONS.get(id, ())


def test_a_should_has_a_case_that_applies() -> None:
    proved = {id for id, _ in _applicable()}
    assert {r["id"] for r in TO_BE_PROVED if r["id"] not in proved} == set(NO_PROFILE)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_case_proves_what_binds_in_its_versions(case: data.Case) -> None:
    idle = [id for id in _proved_ids(case) if not any(BINDING.at(version, [id]) for version in _versions(case))]
    assert idle == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_step_proves_what_its_case_does(case: data.Case) -> None:
    assert {id for step in case.steps for id in step.get("proves", [])} <= {*case.spec["proves"], "ADD-2"}


def test_what_only_operators_want_is_no_must() -> None:
    assert {r["level"] for r in REQUIREMENTS if r["source"] == "OPERATORS"} == {"should"}


def test_levels_are_those_of_the_specification() -> None:
    assert {r["level"] for r in REQUIREMENTS} == {"must", "should", "may"}
