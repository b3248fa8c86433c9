import shutil
from typing import Any

import pytest

from conformance import data, matrix, soundness
from conformance.data import Case, Data

PROFILE: dict[str, Any] = {
    "name": "p",
    "kind": "main",
    "config": {"name": "n", "type": "t"},
    "features": ["gateway"],
    "capabilities": {"mac": True, "ips": False},
    "exhausted": {},
    "other patches": {"masquerade": {}},
}
REQUIREMENTS = [
    {"id": "ADD-1", "level": "must", "since": "0.1.0", "until": None},
    {"id": "ADD-2", "level": "should", "since": "0.4.0", "until": None},
    {"id": "ADD-3", "level": "must", "since": "0.2.0", "until": "0.4.0"},
]


def plans(profile: dict[str, Any] = PROFILE, **spec: Any) -> list[matrix.Plan]:
    chosen = {key: spec.pop(key) for key in ("only", "level", "since", "supported") if key in spec}
    case = {"id": "a-case", "title": "t", "proves": ["ADD-1"], "steps": [{"call": "ADD"}], **spec}
    session = Data([], REQUIREMENTS, [Case("area", case)])
    return matrix.plans(session, profile, chosen.pop("supported", data.VERSIONS), **chosen)


def applicable(**spec: Any) -> list[str]:
    return [plan.version for plan in plans(**spec) if not plan.na]


def reason(**spec: Any) -> str:
    return plans(**spec)[-1].na


@pytest.mark.parametrize(
    ("limits", "first", "last"),
    [
        (None, "0.1.0", "1.1.0"),
        (">=0.4.0", "0.4.0", "1.1.0"),
        ("<0.3.0", "0.1.0", "0.2.0"),
        (">=0.3.0 <1.0.0", "0.3.0", "0.4.0"),
    ],
)
def test_versions_of_a_case(limits: str | None, first: str, last: str) -> None:
    found = applicable(**({"versions": limits} if limits else {}))
    assert (found[0], found[-1]) == (first, last)


def test_a_version_that_the_plugin_does_not_list_is_not_applicable() -> None:
    assert [plan.na for plan in plans(supported=["1.1.0"])][-2:] == ["the plugin does not list version 1.0.0", ""]


def test_versions_of_a_profile() -> None:
    assert applicable(profile={**PROFILE, "versions": ">=1.0.0"}) == ["1.0.0", "1.1.0"]


def test_a_requirement_binds_in_its_versions_alone() -> None:
    by_version = {plan.version: plan for plan in plans(proves=["ADD-2", "ADD-3"])}
    assert by_version["0.1.0"].na == "nothing that the case proves binds in 0.1.0"
    assert by_version["0.3.1"].proves == ("ADD-3",)
    assert by_version["0.4.0"].proves == ("ADD-2", "ADD-3")
    assert by_version["1.1.0"].proves == ("ADD-2",)


def test_kinds() -> None:
    assert reason(kinds=["ipam", "chained"]) == "for plugins of kind ipam or chained"
    assert reason(kinds=["ipam", "main"]) == ""


@pytest.mark.parametrize("need", ["gateway", "mac", "exhausted", "masquerade"])
def test_what_the_profile_has(need: str) -> None:
    assert reason(needs=[need]) == ""
    assert reason(without=[need]) == f"the profile has {need}"


@pytest.mark.parametrize("need", ["bridge", "ips", "broken store"])
def test_what_the_profile_lacks(need: str) -> None:
    assert reason(needs=[need]) == f"the profile has no {need}"
    assert reason(without=[need]) == ""


def test_patches_and_delegates_are_needs_without_being_named() -> None:
    assert reason(config="broken store") == "the profile has no broken store"
    assert reason(config=[{"a": 1}, "exhausted"]) == ""
    assert reason(steps=[{"call": "ADD", "config": "nothing like it"}]) == "the profile has no nothing like it"
    assert reason(steps=[{"call": "ADD", "each": "bad configs"}]) == "the profile has no bad configs"
    assert reason(delegate={}) == "the profile has no delegates"
    assert reason(delegate={}, profile={**PROFILE, "delegate": "ipam.type"}) == ""


@pytest.mark.parametrize("only", ["a-case", "area", "ADD-1", "a-*", "a-case@1.1.0"])
def test_only(only: str) -> None:
    assert plans(only=[only])
    assert len(plans(only=["a-case@1.1.0"])) == 1
    assert not plans(only=["b-case"])


def test_patterns_that_fit_nothing_are_told() -> None:
    session = Data([], REQUIREMENTS, [Case("area", {"id": "a-case", "proves": ["ADD-1"], "steps": []})])
    good = ["a-case", "area", "ADD-1", "a-*", "a-case@1.1.0"]
    assert matrix.unknown(session, good) == []
    assert matrix.unknown(session, [*good, "tpyo", "ADD-3", "a-case@9.9.9"]) == ["tpyo", "ADD-3", "a-case@9.9.9"]


@pytest.mark.parametrize("step", [{"remember": "s"}, {"check": "fuzz"}])
def test_snapshots_are_not_compared_without_what_shows_the_rules(
    step: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = {**PROFILE, "rules": ["nft", "iptables"]}
    monkeypatch.setattr(shutil, "which", lambda name: None if name in ("nft", "ip6tables-save") else f"/{name}")
    assert reason(profile=profile, steps=[step]) == "no nft and no ip6tables-save in PATH to see rules with"
    assert reason(profile=profile) == ""
    assert reason(profile=PROFILE, steps=[step]) == ""


def test_level_and_since() -> None:
    assert not plans(proves=["ADD-2"], level="must", since="0.4.0")
    assert plans(proves=["ADD-2"], level="should")
    assert [plan.version for plan in plans(since="1.0.0")] == ["1.0.0", "1.1.0"]


def test_the_suite_s_own_data_is_sound() -> None:
    session = data.load()
    assert {"bridge", "cni-veth", "host-local", "loopback", "portmap"} <= session.profiles.keys()


@pytest.mark.parametrize(
    ("case", "problem"),
    [
        ({"proves": ["ADD-99"]}, "no requirement ADD-99"),
        ({"config": "of nobody"}, "no profile has a patch 'of nobody'"),
        ({"steps": [{"call": "ADD", "stdin": "${x}"}]}, "nothing is called ${x}"),
        ({"steps": [{"call": "ADD", "expect": {"unchanged": "s"}}]}, "nothing remembered as 's'"),
        ({"steps": [{"change": "of-nothing"}]}, "nothing changes by of-nothing"),
        ({"steps": [{"check": "of_nothing"}]}, "there is no check of_nothing"),
    ],
)
def test_a_case_that_refers_to_nothing_is_refused(case: dict[str, Any], problem: str) -> None:
    spec = {"id": "a-case", "title": "t", "proves": ["ADD-1"], "steps": [{"call": "ADD"}], **case}
    assert list(soundness.problems(Data([], REQUIREMENTS, [Case("area", spec)]))) == [f"case a-case: {problem}"]
