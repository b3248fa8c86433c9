"""Each word of the vocabulary can hold and can fail."""

import json
from typing import Any

import pytest

from conformance import data, expect, recorder
from conformance.call import Outcome
from conformance.expect import Complaint, Scene
from conformance.kernel import Picture

ERROR = {"cniVersion": "1.1.0", "code": 7, "msg": "bad Subnet", "details": "10.0.0.0/33"}
RESULT = {
    "cniVersion": "1.1.0",
    "interfaces": [
        {"name": "br0", "mac": "02:00:00:00:00:01"},
        {"name": "eth0", "mac": "02:00:00:00:00:02", "sandbox": "/n"},
    ],
    "ips": [{"address": "10.0.0.2/24", "gateway": "10.0.0.1", "interface": 1}],
    "routes": [{"dst": "0.0.0.0/0", "gw": "10.0.0.1"}],
}
LINKS = {
    "eth0": {"is": "up", "mac": "02:00:00:00:00:02", "mtu": 1500},
    "br0": {"is": "down", "mac": "02:00:00:00:00:01", "mtu": 1400},
}
PICTURE = Picture(
    LINKS,
    {"eth0": ["10.0.0.2/24"], "br0": []},
    [{"dst": "0.0.0.0/0", "gw": "10.0.0.1", "dev": "eth0"}, {"dst": "10.9.0.0/16", "gw": None, "dev": "br0"}],
    [],
)


def outcome(
    exit: int | None = 0, stdout: Any = "", stderr: str = "", verb: str = "ADD", seconds: float = 0.1
) -> Outcome:
    text = stdout if isinstance(stdout, str) else json.dumps(stdout)
    env = {"CNI_COMMAND": verb, "CNI_PATH": "/p", "OTHER": "o"}
    return Outcome(verb, exit, text, stderr, seconds, env, json.dumps({"name": "net", "prevResult": {}}))


def scene(**other: Any) -> Scene:
    known: dict[str, Any] = {
        "version": "1.1.0",
        "pod": 1,
        "ifname": "eth0",
        "results": {1: RESULT},
        "result": RESULT,
        "look": lambda pod: PICTURE,
        "changes": lambda since, stays: ["link gone"] if since == "differs" and "link:x" not in stays else [],
    }
    return Scene(**{**known, **other})


def judged(wanted: dict[str, Any], got: Outcome, **other: Any) -> list[Complaint]:
    return list(expect.judge(wanted, got, scene(**other)))


HOLDS_AND_FAILS = [
    ({"exit": 0}, outcome(), outcome(1, ERROR)),
    ({"exit": 0}, outcome(), outcome(None)),
    ({"exit": 0}, outcome(), outcome(-11)),
    ({"exit": 3}, outcome(3), outcome(1)),
    ({"exit": "error"}, outcome(1, ERROR), outcome(0)),
    ({"exit": "error"}, outcome(2, ERROR), outcome(1, "went wrong")),
    ({"exit": "error"}, outcome(1, ERROR), outcome(1, {"msg": "no code"})),
    ({"exit": "error"}, outcome(1, ERROR), outcome(1)),
    ({"exit": "error"}, outcome(1, ERROR), outcome(-9, ERROR)),
    ({"exit": "any"}, outcome(0), outcome(1, "went wrong")),
    ({"exit": "any", "code": 7}, outcome(0), outcome(1, {**ERROR, "code": 8})),
    ({"code": 7}, outcome(1, ERROR), outcome(1, {**ERROR, "code": 999})),
    ({"code": [6, 7]}, outcome(1, ERROR), outcome(1, {**ERROR, "code": 4})),
    ({"code": 7}, outcome(1, ERROR), outcome(0)),
    ({"mentions": ["SUBNET", "10.0.0.0/33"]}, outcome(1, ERROR), outcome(1, {**ERROR, "details": ""})),
    ({"stdout": "empty"}, outcome(0, " \n"), outcome(0, "{}")),
    ({"stdout": "one document"}, outcome(0, "{}"), outcome(0, "{}{}")),
    ({"stdout": "one document"}, outcome(0, "{}"), outcome(0, "")),
    ({"stderr": ["a word"]}, outcome(stderr="so: a word\n"), outcome()),
    ({"result": {}}, outcome(0, RESULT), outcome(0, {**RESULT, "cniVersion": "1.0.0"})),
    ({"result": {}}, outcome(0, RESULT), outcome(0, {**RESULT, "ips": [{"address": "10.0.0.2"}]})),
    ({"result": {}}, outcome(0, RESULT), outcome(0, "")),
    ({"result": {}}, outcome(0, RESULT), outcome(1, ERROR)),
    ({"result": {"routes": [{"dst": "0.0.0.0/0"}]}}, outcome(0, RESULT), outcome(0, {**RESULT, "routes": []})),
    ({"result": {"ips": {"$len": 1}}}, outcome(0, RESULT), outcome(0, {**RESULT, "ips": []})),
    ({"result": {"ips": {"$same": "1.ips"}}}, outcome(0, RESULT), outcome(0, {**RESULT, "ips": []})),
    ({"result": {"dns": {"$absent": True}}}, outcome(0, RESULT), outcome(0, {**RESULT, "dns": {}})),
    ({"document": {"code": 7}}, outcome(1, ERROR), outcome(1, {**ERROR, "code": 8})),
    ({"document": {"code": 7}}, outcome(1, ERROR), outcome(1, "")),
    ({"within": 1}, outcome(), outcome(seconds=1.5)),
]


@pytest.mark.parametrize(("wanted", "right", "wrong"), HOLDS_AND_FAILS, ids=lambda value: str(value)[:60])
def test_words_about_the_call(wanted: dict[str, Any], right: Outcome, wrong: Outcome) -> None:
    assert judged(wanted, right) == []
    assert judged(wanted, wrong)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ({"is": "up"}, {"is": "down"}),
        ({"link": "br0", "is": "down"}, {"link": "br0", "is": "up"}),
        ({"is": "present"}, {"is": "absent"}),
        ({"link": "net9", "is": "absent"}, {"link": "net9"}),
        ({"addresses": ["10.0.0.2/24"]}, {"addresses": []}),
        ({"addresses": "as result"}, {"addresses": ["10.0.0.2/24", "10.0.0.3/24"]}),
        ({"routes": ["0.0.0.0/0"]}, {"routes": ["10.9.0.0/16"]}),
        ({"link": "br0", "routes": ["10.9.0.0/16"]}, {"link": "br0", "routes": "as result"}),
        ({"routes": "as result"}, {"routes": ["::/0"]}),
        ({"mac": "02:00:00:00:00:02"}, {"mac": "02:00:00:00:00:03"}),
        ({"mac": "as result"}, {"link": "br0", "mac": "as result"}),
        ({"mtu": 1500}, {"mtu": 1400}),
    ],
)
def test_words_about_a_link_of_a_pod(right: dict[str, Any], wrong: dict[str, Any]) -> None:
    assert judged({"pod": right}, outcome()) == []
    assert judged({"pod": [right, wrong]}, outcome())


def test_a_link_of_the_node_has_no_sandbox_in_the_result() -> None:
    assert judged({"node": {"link": "br0", "mac": "as result"}}, outcome()) == []
    assert judged({"node": {"link": "eth0", "mac": "as result"}}, outcome())


def test_as_result_without_a_result_is_not_so() -> None:
    assert judged({"pod": {"addresses": "as result"}}, outcome(), result=None)
    assert judged({"pod": {"routes": "as result"}}, outcome(), result=None)


def test_unchanged_and_what_may_stay() -> None:
    assert judged({"unchanged": "same"}, outcome()) == []
    assert judged({"unchanged": "differs"}, outcome())
    assert judged({"unchanged but": {"since": "differs", "except": ["link:x"]}}, outcome()) == []
    assert judged({"unchanged but": {"since": "differs", "except": ["link:y"]}}, outcome())


def recorded(verb: str = "DEL", stdin: Any = {"name": "net"}, **env: str) -> recorder.Recorded:  # noqa: B006
    return recorder.Recorded({"CNI_COMMAND": verb, "CNI_PATH": "/p", "OTHER": "o", **env}, json.dumps(stdin))


@pytest.mark.parametrize(
    ("wanted", "right", "wrong"),
    [
        ({"verbs": ["DEL"]}, [recorded()], [recorded(), recorded()]),
        ({"verbs": []}, [], [recorded()]),
        ({"verbs": ["ADD", "DEL"]}, [recorded("ADD"), recorded()], [recorded(), recorded("ADD")]),
        ({"verbs": ["DEL"], "env": "as given"}, [recorded()], [recorded(CNI_PATH="/q")]),
        ({"verbs": ["DEL"], "env": "as given"}, [recorded()], [recorded(OTHER="")]),
        ({"verbs": ["DEL"], "env": "as given"}, [recorded()], [recorded(CNI_NETNS="new")]),
        ({"verbs": ["DEL"], "env": {"OTHER": "o"}}, [recorded()], [recorded(OTHER="x")]),
        ({"verbs": ["DEL"], "stdin": "as given"}, [recorded()], [recorded(stdin={"name": "net", "more": 1})]),
        ({"verbs": ["DEL"], "stdin": {"name": "net"}}, [recorded()], [recorded(stdin={})]),
    ],
)
def test_words_about_the_delegate(wanted: dict[str, Any], right: list[Any], wrong: list[Any]) -> None:
    got = outcome(verb="DEL")
    assert judged({"delegate": wanted}, got, delegate=tuple(right)) == []
    assert judged({"delegate": wanted}, got, delegate=tuple(wrong))


def test_a_delegate_that_is_not_called_is_held_against_the_forwarding_of_the_verb() -> None:
    (complaint,) = judged({"delegate": {"verbs": ["GC"]}}, outcome(verb="GC"))
    assert complaint.proves == ("DELEG-9",)


@pytest.mark.parametrize(
    ("got", "requirement"),
    [
        (outcome(None), "ERR-1"),
        (outcome(-11), "ERR-1"),
        (outcome(-40), "ERR-1"),
        (outcome(1, ERROR, "Traceback (most recent call last):\n"), "ERR-3"),
        (outcome(2, "", "log\npanic: runtime error"), "ERR-3"),
        (outcome(2, "", "goroutine 1 [running]:\n"), "ERR-3"),
        (outcome(0, "done"), "RES-1"),
        (outcome(0, "{}{}"), "RES-1"),
        (outcome(1, "{}{}"), "RES-1"),
        (outcome(0, "{}{}", verb="DEL"), "RES-1"),
        (outcome(1, {**ERROR, "code": 42}), "ERR-6"),
    ],
)
def test_what_is_always_judged(got: Outcome, requirement: str) -> None:
    assert [complaint.proves for complaint in expect.always(got, "1.1.0")] == [(requirement,)]


LOG = "debug: watching goroutine count=7, no panic: all is well\n"


@pytest.mark.parametrize(
    "got",
    [
        outcome(),
        outcome(0, RESULT),
        outcome(0, RESULT, "Traceback (most recent call last):\n"),
        outcome(0, RESULT, LOG),
        outcome(1, ERROR, LOG),
        outcome(1, ERROR),
        outcome(1, {**ERROR, "code": 999}),
        outcome(1, "it went wrong"),
        outcome(0, "done", verb="DEL"),
    ],
)
def test_nothing_is_always_wrong(got: Outcome) -> None:
    assert list(expect.always(got, "1.1.0")) == []


def test_a_crash_is_held_against_a_requirement_that_binds_in_the_version() -> None:
    assert list(expect.always(outcome(2, "", "panic: runtime error"), "0.4.0")) == []


@pytest.mark.parametrize(
    ("verb", "version", "requirement"),
    [("ADD", "0.4.0", "ERR-2"), ("ADD", "1.1.0", "ERR-3"), ("GC", "1.1.0", "ERR-3"), ("STATUS", "1.1.0", "STATUS-2")],
)
@pytest.mark.parametrize(
    "wanted", [{"exit": "error"}, {"code": 7}, {"mentions": ["x"]}, {"code": [6, 7], "mentions": ["x"]}]
)
@pytest.mark.parametrize("stdout", ["", "went wrong", '{"msg": "no code"}', "{}{}"])
def test_without_an_error_document_nothing_is_said_of_what_it_holds(
    wanted: dict[str, Any], verb: str, version: str, requirement: str, stdout: str
) -> None:
    (complaint,) = judged(wanted, outcome(1, stdout, verb=verb), version=version)
    assert complaint.proves == (requirement,)


def test_a_document_that_an_error_lacks_is_held_against_errors() -> None:
    assert [one.proves for one in judged({"document": {"code": 7}}, outcome(1))] == [("ERR-3",)]
    assert [one.proves for one in judged({"document": {"a": 7}}, outcome(0, verb="VERSION"))] == [()]


def test_every_word_of_the_schema_is_tried_here() -> None:
    tried = {word for wanted, _, _ in HOLDS_AND_FAILS for word in wanted}
    tried |= {"pod", "node", "unchanged", "unchanged but", "delegate"}
    assert set(data.validator("case").schema["$defs"]["expect"]["properties"]) == tried
