"""Errors of a whole process: one document on stdout with the right code, and the plugin was not reached."""

from __future__ import annotations

import json
import os

import pytest

from tests.unit.call import VERSIONS, environment
from tests.unit.toy_call import CONF, toy


def test_unknown_verb() -> None:
    assert toy(environment("NUKE"), CONF).error(4)["msg"].endswith("unknown CNI_COMMAND: NUKE")


def test_all_missing_variables_at_once() -> None:
    answer = toy({"CNI_COMMAND": "ADD"}, CONF)
    assert "[CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME]" in answer.error(4)["msg"]
    assert answer.calls == []


def test_stdin_that_cannot_be_read() -> None:
    with open(os.devnull, "wb") as write_only:
        error = toy(environment("ADD"), stdin=write_only).error(5)
    assert "stdin" in error["msg"]
    assert "Bad file descriptor" in error["details"]


@pytest.mark.parametrize("stdin", [b"", b"{", b"[]", b'{"name": "\xff"}', b'{"name": "a", "name": "a"}'])
def test_stdin_that_cannot_be_decoded(stdin: bytes) -> None:
    assert "stdin" in toy(environment("ADD"), stdin).error(6)["msg"]


@pytest.mark.parametrize(
    ("verb", "version", "code"),
    [
        ("ADD", "9.9.9", 1),
        ("CHECK", "0.3.1", 1),
        ("GC", "1.0.0", 1),
        ("STATUS", "1.0.0", 1),
        ("CHECK", "9.9.9", 1),
        ("STATUS", "junk", 6),
        ("GC", "1.1.0.0", 6),
    ],
)
def test_a_version_that_the_verb_does_not_have(verb: str, version: str, code: int) -> None:
    answer = toy(environment(verb), {**CONF, "cniVersion": version})
    assert answer.error(code)["cniVersion"] == (version if version in VERSIONS else "1.1.0")
    assert answer.calls == []


@pytest.mark.parametrize("name", ["", "a/b", None])
def test_bad_network_name(name: str | None) -> None:
    answer = toy(environment("DEL"), {**CONF, "name": name})
    answer.error(7)
    assert answer.calls == []


@pytest.mark.parametrize("verb", ["ADD", "CHECK", "DEL", "GC", "STATUS"])
@pytest.mark.parametrize(
    ("do", "code", "words"),
    [
        ("fail", 11, "the toy is busy play later"),
        ("crash", 999, "internal error, please report it ValueError: the toy broke"),
        ("full disk", 5, "No space left on device: '/toys'"),
    ],
)
def test_typed_errors_as_they_are_and_untyped_ones_999(verb: str, do: str, code: int, words: str) -> None:
    answer = toy(environment(verb), {**CONF, "cniVersion": "1.1.0", "do": do})
    error = answer.error(code)
    assert words in f"{error['msg']} {error['details']}"
    assert error["cniVersion"] == "1.1.0"
    assert "Traceback" not in answer.stderr


def test_a_traceback_only_where_debugging_is_asked_for() -> None:
    answer = toy({**environment("ADD"), "CNI_VETH_DEBUG": "1"}, {**CONF, "do": "crash"})
    answer.error(999)
    assert "Traceback (most recent call last)" in answer.stderr
    assert "ValueError: the toy broke" in answer.stderr


def test_odd_bytes_of_the_environment_leave_stdout_json() -> None:
    environ = {os.fsencode(key): os.fsencode(value) for key, value in environment("ADD").items()}
    environ[b"CNI_NETNS"] = b"/run/\xff\xfe"
    answer = toy(environ, CONF)  # type: ignore[arg-type]
    assert answer.code == 0
    assert json.loads(answer.stdout.decode("utf-8"))["interfaces"][0]["sandbox"] == "/run/\udcff\udcfe"
    environ[b"CNI_CONTAINERID"] = b"\xff"
    assert toy(environ, CONF).error(4)["details"] == "\udcff"  # type: ignore[arg-type]
