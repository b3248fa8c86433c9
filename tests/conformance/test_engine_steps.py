"""What a plugin is given: environment, configuration, prevResult; and how a case is played."""

import json
from pathlib import Path
from typing import Any

import pytest

from conformance.matrix import Binding
from conformance.steps import Player
from tests.conformance import child

pytestmark = pytest.mark.root

RESULT = {"cniVersion": "1.1.0", "ips": [{"address": "10.0.0.2/24"}]}
PRINTS = f"test $CNI_COMMAND = ADD && echo '{json.dumps(RESULT)}'; exit 0"
ADD = {"call": "ADD"}


def given(directory: Path, *calls: dict[str, Any], **profile: Any) -> list[dict[str, Any]]:
    """env and stdin of each call."""

    def work() -> list[dict[str, Any]]:
        player = child.player(directory, *calls, script=PRINTS, **profile)
        outcomes = [player.call(step) for step in calls]
        return [{"env": one.env, "stdin": json.loads(one.given or "null")} for one in outcomes]

    found: list[dict[str, Any]] = child.in_child(work)
    return found


def failures(directory: Path, *calls: dict[str, Any], script: str = PRINTS, **profile: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = child.in_child(
        lambda: child.player(directory, *calls, script=script, **profile).play()
    )
    return found


def test_parameters_of_the_verbs(tmp_path: Path) -> None:
    verbs = ("ADD", "DEL", "GC", "STATUS", "VERSION")
    found = given(tmp_path, *({"call": verb, "pod": 2} for verb in verbs))
    names = [sorted(name for name in one["env"] if name.startswith("CNI_")) for one in found]
    attachment = ["CNI_COMMAND", "CNI_CONTAINERID", "CNI_IFNAME", "CNI_NETNS", "CNI_PATH"]
    assert names == [attachment, attachment, ["CNI_COMMAND", "CNI_PATH"], ["CNI_COMMAND", "CNI_PATH"], ["CNI_COMMAND"]]
    assert (found[0]["env"]["CNI_CONTAINERID"], found[0]["env"]["CNI_NETNS"][-12:]) == ("cid-2", "/netns/pod-2")


def test_a_step_changes_the_environment(tmp_path: Path) -> None:
    env = {"CNI_NETNS": None, "CNI_IFNAME": "", "X": "${pod.1.netns}"}
    (found,) = given(tmp_path, {**ADD, "env": env, "args": "A=b"})
    assert "CNI_NETNS" not in found["env"]
    assert (found["env"]["CNI_IFNAME"], found["env"]["CNI_ARGS"]) == ("", "A=b")
    assert found["env"]["X"].endswith("/netns/pod-1")


def test_the_configuration_is_profile_version_and_patches(tmp_path: Path) -> None:
    profile = {
        "patches": [{"versions": ">=1.0.0", "config": {"new": 1}}, {"versions": "<1.0.0", "config": {"old": 1}}],
        "exhausted": {"range": "none"},
        "other patches": {"more": {"deep": {"a": 1}}},
    }
    first, second = given(
        tmp_path, ADD, {**ADD, "config": ["exhausted", "more", {"deep": {"b": 2}, "new": None}]}, **profile
    )
    base = {"cniVersion": "1.1.0", "name": "net", "type": "toy"}
    assert first["stdin"] == {**base, "new": 1}
    assert second["stdin"] == {**base, "range": "none", "deep": {"a": 1, "b": 2}}


def test_prev_result_is_what_add_printed_for_the_attachment(tmp_path: Path) -> None:
    steps: list[dict[str, Any]] = [
        ADD,
        {"call": "CHECK"},
        {"call": "DEL"},
        {"call": "DEL", "prevResult": "none"},
        {"call": "DEL", "prevResult": {"ips": []}},
        {"call": "DEL", "ifname": "net1"},
        {"call": "DEL", "pod": 2},
        {**ADD, "prevResult": "last"},
        ADD,
    ]
    found = [one["stdin"].get("prevResult") for one in given(tmp_path, *steps)]
    assert found == [None, RESULT, RESULT, None, {**RESULT, "ips": []}, None, None, RESULT, None]


def test_a_chained_plugin_gets_the_rig_as_prev_result(tmp_path: Path) -> None:
    (found,) = given(tmp_path, ADD, kind="chained", rig="bridge+veth")
    names = [one["name"] for one in found["stdin"]["prevResult"]["interfaces"]]
    assert names == ["cbr0", "vethrig1", "eth0"]


@pytest.mark.parametrize(
    ("valid", "sent"),
    [
        ([1], [{"containerID": "cid-1", "ifname": "eth0"}]),
        ([], []),
        (None, None),
        ([{"containerID": "x", "ifname": "y"}], [{"containerID": "x", "ifname": "y"}]),
    ],
)
def test_gc_gets_the_attachments_that_stay_under_both_keys(tmp_path: Path, valid: Any, sent: Any) -> None:
    told, silent = given(tmp_path, {"call": "GC", "valid": valid}, {"call": "GC"})
    assert told["stdin"]["cni.dev/valid-attachments"] == told["stdin"]["cni.dev/attachments"] == sent
    assert not [key for key in silent["stdin"] if key.startswith("cni.dev/")]


def test_an_expectation_that_fails_ends_the_case_and_tells_its_step(tmp_path: Path) -> None:
    found = failures(
        tmp_path, ADD, {**ADD, "expect": {"exit": "error"}, "proves": ["ERR-1"]}, {**ADD, "expect": {"exit": 9}}
    )
    assert [(one["step"], one["what"], one["proves"]) for one in found] == [(2, "call ADD", ["ERR-1"])]


@pytest.mark.parametrize(
    ("add", "proves"),
    [
        (ADD, ["ADD-2"]),
        ({**ADD, "expect": {"exit": 0}}, ["ADD-2"]),
        ({**ADD, "expect": {"exit": 0, "result": {}}}, ["ADD-2"]),
        ({**ADD, "proves": ["DEL-1"]}, ["DEL-1"]),
        ({**ADD, "expect": {"result": {"ips": {"$len": 1}}}}, ["DEL-3", "GC-2"]),
        ({**ADD, "expect": {"exit": 0, "pod": {"is": "absent"}}}, ["DEL-3", "GC-2"]),
    ],
)
def test_preparation_that_fails_is_held_against_add_alone(
    tmp_path: Path, add: dict[str, Any], proves: list[str]
) -> None:
    def work(*steps: dict[str, Any]) -> list[list[str]]:
        plan = child.plan(*steps, proves=["DEL-3", "GC-2"])
        toy = child.setting(child.plugin(tmp_path, "echo '{}'; exit 1"))
        return [one["proves"] for one in Player(toy, plan, Binding([])).play()]

    assert child.in_child(lambda: work(add, {"call": "DEL"})) == [proves]
    assert child.in_child(lambda: work({"call": "DEL"}, {"call": "DEL"})) == [["DEL-3", "GC-2"]]
    assert child.in_child(lambda: work({**add, "expect": {"exit": 0}})) == [add.get("proves", ["DEL-3", "GC-2"])]


def test_a_call_for_each_of_the_profile_s_list_has_a_pod_of_its_own(tmp_path: Path) -> None:
    each = [{"name": "one", "config": {"a": 1}, "code": 7}, {"name": "two", "config": {"a": 2}, "code": 8}]
    script = """echo "{\\"code\\": 7, \\"msg\\": \\"$CNI_CONTAINERID\\"}"; exit 1"""
    (found,) = failures(tmp_path, {**ADD, "each": "bad configs"}, script=script, **{"bad configs": each})
    assert (found["what"], found["expected"]) == ("call ADD (two)", "error code 8")
    assert "cid-2" in found["actual"]


def test_unreadable_stdin_cannot_be_read(tmp_path: Path) -> None:
    script = "cat >/dev/null 2>&1 && exit 0; exit 5"
    assert failures(tmp_path, {**ADD, "stdin": None, "expect": {"exit": 5}}, script=script) == []
    assert failures(tmp_path, {**ADD, "stdin": "", "expect": {"exit": 0}}, script=script) == []


def test_the_recording_delegate_answers_and_is_judged(tmp_path: Path) -> None:
    script = 'export CNI_COMMAND; "${CNI_PATH}/conf-delegate"'
    wanted = {"verbs": ["ADD"], "env": "as given", "stdin": "as given"}
    answer = {"ADD": {"ips": [{"address": "192.0.2.7/24"}], "stderr": "a word"}}
    step = {**ADD, "delegate": answer, "expect": {"exit": 0, "stderr": ["a word"], "delegate": wanted}}
    result = {"ips": [{"address": "192.0.2.7/24"}]}
    assert failures(tmp_path, step, {**ADD, "expect": {"result": result}}, script=script) == []
    failing = {"call": "DEL", "delegate": {"DEL": {"error": {"code": 118, "msg": "no"}}}, "expect": {"code": 118}}
    assert failures(tmp_path, failing, script=script) == []
    assert failures(tmp_path, {**step, "expect": {"delegate": {"verbs": ["ADD", "DEL"]}}}, script=script)


def test_what_is_no_verb_is_called_by_the_environment(tmp_path: Path) -> None:
    step = {"call": "ADD", "env": {"CNI_COMMAND": "FROBNICATE"}, "expect": {"exit": "error"}}
    (found,) = failures(tmp_path, step)
    assert found["what"] == "call FROBNICATE"
