"""conformance/README.md: its examples are valid, and it names everything that can be written or asked for."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from conformance import arguments, data, soundness, template
from conformance.report import FORMATS
from conformance.steps import CHANGES

README = Path(data.__file__).with_name("README.md").read_text()
BLOCKS = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", README, re.S)]
PROFILE, CASES = BLOCKS


def _schema(name: str) -> dict[str, Any]:
    document: dict[str, Any] = data.validator(name).schema
    return document


def _words(name: str, *path: str) -> list[str]:
    part = _schema(name)
    for key in path:
        part = part[key]
    return list(part["properties"])


def _undocumented(words: list[str]) -> list[str]:
    return [word for word in words if f"`{word}`" not in README]


def test_the_example_of_a_profile_is_one() -> None:
    assert data.wrong("profile", PROFILE) == ""
    assert PROFILE["extends"] in data.load().profiles
    known = {requirement["id"] for requirement in data.load().requirements}
    assert {waiver["requirement"] for waiver in PROFILE["waivers"]} <= known
    with_it = data.Data([], data.load().requirements, data.load().cases, {**data.load().profiles, "my-net": merged()})
    assert list(soundness.problems(with_it)) == []


def merged() -> dict[str, Any]:
    extended: dict[str, Any] = template.merge(data.load().profiles[PROFILE["extends"]], PROFILE)
    return extended


def test_the_example_of_a_case_is_one() -> None:
    assert data.wrong("case", CASES) == ""
    known = {requirement["id"] for requirement in data.load().requirements}
    named = {proved for case in CASES["cases"] for part in (case, *case["steps"]) for proved in part.get("proves", [])}
    assert named <= known


@pytest.mark.parametrize("part", ["case", "call", "expect", "state"])
def test_every_word_of_a_case_is_explained(part: str) -> None:
    assert _undocumented(_words("case", "$defs", part)) == []


def test_every_key_of_a_profile_is_explained() -> None:
    assert _undocumented(_words("profile")) == []


def test_every_change_is_named() -> None:
    assert _undocumented(list(CHANGES)) == []


def test_every_feature_that_a_case_asks_for_is_named() -> None:
    session = data.load()
    named = {name for case in session.cases for key in ("needs", "without") for name in case.spec.get(key, [])}
    named |= {*data.FEATURES, *data.CAPABILITIES}
    for profile in session.profiles.values():
        for key in ("capabilities", "vars", "other patches"):
            named -= set(profile.get(key, {}))
    assert _undocumented(sorted(named - set(data.PATCHES))) == []


def test_every_option_is_explained() -> None:
    options = [
        text for action in arguments.parser()._actions for text in action.option_strings if text.startswith("--")
    ]
    assert {f"--{name}" for name in FORMATS} <= set(options)
    assert [option for option in options if option != "--help" and not re.search(rf"`{option}[ `]", README)] == []


def test_every_option_of_a_command_exists() -> None:
    options = {text for action in arguments.parser()._actions for text in action.option_strings}
    commands = re.findall(r"-m conformance (.*?)(?:\n\S|```)", README, re.S)
    assert len(commands) >= 7
    assert {word for command in commands for word in re.findall(r"(?<!\S)--[a-z-]+", command)} <= options
