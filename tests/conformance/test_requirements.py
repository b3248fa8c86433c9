"""The requirements and the cases that prove them: consistent, anchored, none that can be observed without a case."""

from collections import Counter
from typing import Any

import pytest

from conformance import data
from conformance.matrix import Binding

DATA = data.load()
REQUIREMENTS, CASES = DATA.requirements, DATA.cases
BINDING = Binding(REQUIREMENTS)
OF_PLUGINS = [r for r in REQUIREMENTS if r.get("binds", "plugin") == "plugin"]
TO_BE_PROVED = [r for r in OF_PLUGINS if r["observable"] and r["level"] != "may"]


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


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_case_proves_what_binds_plugins_in_its_versions(case: data.Case) -> None:
    of_plugins = {r["id"] for r in OF_PLUGINS}
    idle = [id for id in _proved_ids(case) if not any(BINDING.at(version, [id]) for version in _versions(case))]
    assert idle == []
    assert _proved_ids(case) <= of_plugins


def test_levels_are_those_of_the_specification() -> None:
    assert Counter(r["level"] for r in OF_PLUGINS).keys() == {"must", "should", "may"}
