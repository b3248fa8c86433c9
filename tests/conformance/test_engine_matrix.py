import json
import shutil
from pathlib import Path
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
        ({"needs": ["adresses"]}, "no profile has the feature adresses"),
        ({"without": ["adresses"]}, "no profile has the feature adresses"),
        (
            {"steps": [{"change": "forwarding-off", "args": {"on": 1}}]},
            "forwarding-off has no argument on; it takes none",
        ),
        (
            {"steps": [{"change": "link-removed", "args": {"link": "x"}}]},
            "link-removed has no argument link; it takes pod, ifname",
        ),
        ({"steps": [{"check": "killed", "args": {"times": 1}}]}, "killed has no argument times; it takes kills, seed"),
        (
            {"steps": [{"call": "ADD", "expect": {"result": {"ips": {"$length": 2}}}}]},
            "no operator $length; there are $len, $absent, $same",
        ),
        (
            {"steps": [{"call": "ADD", "expect": {"result": {"ips": [{"$same": "2.ips"}]}}}]},
            "$same 2.ips: no ADD is for pod 2",
        ),
    ],
)
def test_a_case_that_refers_to_nothing_is_refused(case: dict[str, Any], problem: str) -> None:
    spec = {"id": "a-case", "title": "t", "proves": ["ADD-1"], "steps": [{"call": "ADD"}], **case}
    assert list(soundness.problems(Data([], REQUIREMENTS, [Case("area", spec)]))) == [f"case a-case: {problem}"]


@pytest.mark.parametrize(
    ("profile", "problem"),
    [
        ({"features": ["adresses"]}, "no feature adresses; there are "),
        ({"capabilities": {"Mac": True}}, "no capability Mac; there are "),
        (
            {"waivers": [{"requirement": "ADD-1", "cases": ["a-case", "of-none-*"], "reason": "by design"}]},
            "a waiver for the cases of-none-*, which are none",
        ),
    ],
)
def test_a_profile_that_refers_to_nothing_is_refused(profile: dict[str, Any], problem: str) -> None:
    case = Case("area", {"id": "a-case", "title": "t", "proves": ["ADD-1"], "steps": [{"call": "ADD"}]})
    (found,) = soundness.problems(Data([], REQUIREMENTS, [case], {"p": {**PROFILE, **profile}}))
    assert found.startswith(f"profile p: {problem}")


CHAINED: dict[str, Any] = {"name": "p", "kind": "chained", "config": {"name": "n", "type": "t"}, "rig": "none"}


@pytest.mark.parametrize(
    ("steps", "is_played", "is_played_with_result"),
    [
        ([{"call": "VERSION"}], True, True),
        ([{"call": "ADD", "stdin": "{", "expect": {"exit": "error"}}], True, True),
        ([{"call": "ADD"}], False, True),
        ([{"call": "CHECK", "expect": {"exit": 0}}], False, True),
        ([{"call": "ADD", "expect": {"exit": 0, "pod": {"is": "up"}}}], False, False),
        ([{"call": "ADD"}, {"change": "link-down"}], False, False),
        ([{"check": "killed"}], False, False),
    ],
)
def test_what_needs_a_rig_does_not_apply_without(
    steps: list[dict[str, Any]], is_played: bool, is_played_with_result: bool
) -> None:
    with_result = {**CHAINED, "config": {**CHAINED["config"], "prevResult": {}}}
    assert reason(profile=CHAINED, steps=steps) == ("" if is_played else "the profile has no rig")
    assert reason(profile=with_result, steps=steps) == ("" if is_played_with_result else "the profile has no rig")
    assert reason(profile={**CHAINED, "rig": data.RIG}, steps=steps) == ""


def test_a_chained_profile_has_a_rig_unless_it_says_otherwise(tmp_path: Path) -> None:
    for rig, wanted in ((None, data.RIG), ("none", "none")):
        written = {**CHAINED, "rig": rig} if rig else {key: CHAINED[key] for key in ("name", "kind", "config")}
        (tmp_path / "p.json").write_text(json.dumps(written))
        known = data.load([tmp_path / "p.json"])
        assert known.profiles["p"]["rig"] == wanted
        assert known.own == ("p",)


@pytest.mark.parametrize(
    ("step", "says"),
    [
        ({"cal": "ADD"}, "'cal' was unexpected"),
        ({"call": "ADD", "ifnam": "eth1"}, "'ifnam' was unexpected"),
        ({"change": "link-down", "arg": {}}, "'arg' was unexpected"),
        ({"call": "DELETE"}, "'DELETE' is not one of"),
        ({"call": "ADD", "expect": {"exit": "eror"}}, "'eror' is not one of ['error', 'any']"),
        ({"call": "ADD", "change": "link-down"}, "'call' was unexpected"),
        ({}, "'call' is a required property"),
    ],
)
def test_a_wrong_step_is_told_by_its_wrong_key(step: dict[str, Any], says: str) -> None:
    case = {"id": "a-case", "title": "a title that says it", "proves": ["ADD-1"], "steps": [step]}
    text = data.wrong("case", {"cases": [case]})
    assert says in text and text.startswith("$.cases[0].steps[0]")


def test_a_profile_without_a_config_is_told_so() -> None:
    assert data.wrong("profile", {"name": "p", "kind": "main"}) == "$: 'config' is a required property"
    assert data.wrong("profile", {"name": "p", "extends": "bridge"}) == ""


def test_what_is_wrong_in_two_places_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soundness, "problems", lambda known: ["the same", "the same"])
    with pytest.raises(data.BadData, match=r"\Athe same\Z"):
        data.load()
