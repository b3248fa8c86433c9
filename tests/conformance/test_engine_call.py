"""A call: its end, whatever the plugin does with its time and its output."""

import os
import resource
import time
from pathlib import Path

import pytest

from conformance import call, expect, pipes
from conformance.call import Outcome

from .child import plugin

PATH = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


def run(directory: Path, script: str, stdin: str = "", limit: float = 10) -> Outcome:
    return call.run(plugin(directory, script), "ADD", PATH, stdin, limit)


def printed(text: str, verb: str = "ADD", exit: int = 0) -> Outcome:
    return Outcome(verb, exit, text, "", 0.1, {}, "")


def test_input_and_output_larger_than_a_pipe(tmp_path: Path) -> None:
    text = "0123456789" * 100_000
    outcome = run(tmp_path, "cat; echo done >&2; exit 3", text)
    assert (outcome.exit, outcome.stdout, outcome.stderr) == (3, text, "done\n")


def test_input_that_is_not_read_is_no_harm(tmp_path: Path) -> None:
    assert run(tmp_path, "exit 4", "x" * 1_000_000).exit == 4


def test_a_hang_ends_at_the_limit(tmp_path: Path) -> None:
    outcome = run(tmp_path, "echo begun; sleep 1000", limit=0.3)
    assert (outcome.exit, outcome.stdout, outcome.is_hung) == (None, "begun\n", True)
    assert outcome.as_text() == "no end within the time limit: begun"


def test_a_hang_with_its_output_closed_is_one(tmp_path: Path) -> None:
    assert run(tmp_path, "exec >&- 2>&-; sleep 1000", limit=0.3).is_hung


def test_endless_output_is_ended_and_held_against_the_result(tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.monotonic()
    outcome = run(tmp_path, "yes '{}'", limit=30)
    assert time.monotonic() - begun < 15
    assert (outcome.exit, outcome.is_hung) == (None, False)
    assert "more than 8 MB on stdout" in outcome.as_text()
    assert [one.proves for one in expect.always(outcome, "1.1.0")] == [("RES-1",)]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB


def test_of_endless_logs_the_first_are_kept(tmp_path: Path) -> None:
    outcome = run(tmp_path, "head -c 20000000 /dev/zero >&2; echo '{}'", limit=30)
    assert outcome.exit == 0
    assert pipes.CAP <= len(outcome.stderr) < pipes.CAP + 200_000


@pytest.mark.parametrize(
    "text", ["[" * 200_000, '{"a":' * 200_000, "[" * 101 + "]" * 101, '{"a":' * 500 + "1" + "}" * 500]
)
def test_what_is_nested_beyond_reason_is_no_document(text: str) -> None:
    outcome = printed(text)
    with pytest.raises(ValueError):
        outcome.documents()
    assert outcome.document() is None
    assert [one.proves for one in expect.always(outcome, "1.1.0")] == [("RES-1",)]


def test_what_is_nested_within_reason_is_one() -> None:
    assert printed("[" * 90 + "]" * 90).documents()


def test_nothing_is_left_open(tmp_path: Path) -> None:
    before = os.listdir("/proc/self/fd")
    run(tmp_path, "exit 0", "{}")
    run(tmp_path, "sleep 1000", limit=0.1)
    assert os.listdir("/proc/self/fd") == before
