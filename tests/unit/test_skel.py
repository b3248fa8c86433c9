"""The wire protocol of a whole process: environment and stdin in, one JSON document and an exit code out.

Titles of the reference's pkg/skel are told in the names; the tables of variables are in test_environment.py,
errors in test_skel_errors.py.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import Any

import pytest

from tests.unit.call import VERSIONS, environment
from tests.unit.toy_call import CONF, TOY, Answer, toy

# --- what reaches the plugin


@pytest.mark.parametrize("verb", ["ADD", "CHECK", "DEL", "GC", "STATUS"])
def test_the_plugin_gets_environment_and_configuration(verb: str) -> None:
    environ = environment(verb, ARGS="IgnoreUnknown=1;a=b", NETNS="/no/such")
    answer = toy(environ, {**CONF, "extra": [1]})
    assert answer.code == 0
    (call,) = answer.calls
    assert call["verb"] == verb
    assert {key: value for key, value in call["env"].items() if key.startswith("CNI_")} == environ
    assert call["conf"] == {**CONF, "extra": [1]}
    if verb != "ADD":
        assert answer.stdout == b""


@pytest.mark.parametrize("version", VERSIONS)
def test_the_result_is_printed_in_the_configurations_version(version: str) -> None:
    answer = toy(environment("ADD"), {**CONF, "cniVersion": version})
    document = json.loads(answer.stdout)
    assert document["cniVersion"] == version
    assert ("ip4" in document) is (version in VERSIONS[:2])


def test_no_cniversion_is_0_1_0() -> None:
    assert json.loads(toy(environment("ADD"), {"name": "net1"}).stdout)["cniVersion"] == "0.1.0"


@pytest.mark.parametrize("verb", ["GC", "STATUS"])
def test_a_plugin_without_the_verb_has_nothing_to_do(verb: str) -> None:
    answer = toy(environment(verb), CONF, "bare")
    assert (answer.code, answer.stdout, answer.calls) == (0, b"", [])


# --- the text about the plugin


@pytest.mark.parametrize("environ", [{}, {"CNI_COMMAND": ""}])
def test_blank_verb_and_no_stdin_print_what_this_is(environ: dict[str, str]) -> None:
    answer = toy(environ, stdin=subprocess.DEVNULL)
    supported = "0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0"
    assert answer.stderr == f"CNI toy plugin 1.0\nCNI protocol versions supported: {supported}\n"
    assert (answer.code, answer.stdout) == (0, b"")


def test_blank_verb_with_a_configuration_is_an_error() -> None:
    assert "[CNI_COMMAND] missing" in toy({}, CONF).error(4)["msg"]


# --- VERSION


@pytest.mark.parametrize("version", VERSIONS)
def test_version_echoes_the_version_and_needs_nothing_else(version: str) -> None:
    answer = toy({"CNI_COMMAND": "VERSION"}, {"cniVersion": version})
    assert json.loads(answer.stdout) == {"cniVersion": version, "supportedVersions": list(VERSIONS)}
    assert (answer.code, answer.stderr) == (0, "")


@pytest.mark.parametrize("stdin", ["", "junk", "{}", '{"cniVersion": "9.9.9"}', '{"cniVersion": 5}', '{"cniVersion"'])
def test_version_does_not_depend_on_stdin(stdin: str) -> None:
    dummies = {"CNI_COMMAND": "VERSION", "CNI_NETNS": "dummy", "CNI_IFNAME": "dummy", "CNI_PATH": "dummy"}
    expected = '{"cniVersion":"1.1.0","supportedVersions":[' + ",".join(f'"{name}"' for name in VERSIONS) + "]}\n"
    answer = toy(dummies, stdin)
    assert (answer.code, answer.stdout.decode()) == (0, expected)


def test_version_does_not_wait_for_the_end_of_stdin() -> None:
    reader, writer = os.pipe()
    try:
        assert json.loads(toy({"CNI_COMMAND": "VERSION"}, stdin=reader).stdout)["cniVersion"] == "1.1.0"
        os.write(writer, b'{"cniVersion":"0.4.0"}')
        assert json.loads(toy({"CNI_COMMAND": "VERSION"}, stdin=reader).stdout)["cniVersion"] == "0.4.0"
    finally:
        os.close(reader)
        os.close(writer)


# --- a result that cannot be delivered is undone


def test_a_result_that_the_version_cannot_hold_is_undone() -> None:
    answer = toy(environment("ADD"), {**CONF, "cniVersion": "0.2.0", "do": "no address"})
    assert "cannot convert: no valid IP addresses" in answer.error(7)["msg"]
    assert [call["verb"] for call in answer.calls] == ["ADD", "ADD"]  # the second is the undo


def test_a_result_that_nobody_reads_is_undone() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        answer = toy(environment("ADD"), CONF, stdout=writer)
    finally:
        os.close(writer)
    assert answer.code == 1
    assert len(answer.calls) == 2


# --- the plugin's own network namespace


@pytest.mark.parametrize("verb", ["ADD", "DEL"])
def test_the_plugins_own_namespace_is_refused_before_anything_is_done(verb: str) -> None:
    answer = toy(environment(verb, NETNS="/proc/self/ns/net"), CONF)
    assert "/proc/self/ns/net is the plugin's own network namespace" in answer.error(8)["msg"]
    assert answer.calls == []


@pytest.mark.parametrize("override", ["1", "TRUE", "true", "True"])
@pytest.mark.parametrize("verb", ["ADD", "DEL"])
def test_netns_override_allows_it(verb: str, override: str) -> None:
    answer = toy({**environment(verb, NETNS="/proc/self/ns/net"), "CNI_NETNS_OVERRIDE": override}, CONF)
    assert (answer.code, len(answer.calls)) == (0, 1)


@pytest.mark.parametrize("override", ["", "0", "false", "yes"])
def test_any_other_override_does_not(override: str) -> None:
    environ = {**environment("ADD", NETNS="/proc/self/ns/net"), "CNI_NETNS_OVERRIDE": override}
    toy(environ, CONF).error(8)


def test_check_in_the_plugins_own_namespace_changes_nothing_and_is_allowed() -> None:
    assert toy(environment("CHECK", NETNS="/proc/self/ns/net"), CONF).code == 0


# --- signals


def start(environ: dict[str, str], conf: dict[str, Any], pipe: int | None = None) -> subprocess.Popen[bytes]:
    """The toy, at the point where its verb has begun. `pipe` is its descriptor 9."""
    begin = (lambda: os.dup2(pipe, 9)) if pipe is not None else None
    process = subprocess.Popen(
        TOY,
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=begin,
        close_fds=pipe is None,
    )
    assert process.stdin and process.stderr
    process.stdin.write(json.dumps(conf).encode())
    process.stdin.close()
    process.stdin = None
    assert process.stderr.readline().startswith(b'{"verb"')
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_interrupts_add_with_an_error(number: signal.Signals) -> None:
    process = start(environment("ADD"), {**CONF, "do": "wait for a signal"})
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=60)
    error = Answer(subprocess.CompletedProcess(TOY, process.returncode, stdout, stderr)).error(11)
    assert error["msg"] == f"interrupted by {number.name}"


@pytest.mark.parametrize("verb", ["DEL", "GC"])
def test_a_signal_does_not_interrupt_what_cleans_up(verb: str) -> None:
    reader, writer = os.pipe()
    process = start(environment(verb), {**CONF, "do": "wait for stdin 9"}, reader)
    process.send_signal(signal.SIGTERM)
    os.write(writer, b"x")
    stdout, _ = process.communicate(timeout=60)
    os.close(reader)
    os.close(writer)
    assert (process.returncode, stdout) == (0, b"")
