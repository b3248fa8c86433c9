"""The terminal: one line on a tty, lines per area elsewhere; widths, colours, hostile text."""

import io
import re

import pytest

from conformance import results
from conformance.report import render
from conformance.report.terminal import Terminal

from .sample import VERSIONS, document, failure, hostile, large, mixed, run


class Tty(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr("conformance.report.terminal.FRAME", 0)


def summary(made: results.Document, stream: io.StringIO | None = None) -> str:
    stream = stream or io.StringIO()
    Terminal(stream, {}).summary(made)
    return stream.getvalue()


def test_on_a_tty_progress_is_one_line_within_the_width() -> None:
    stream = Tty()
    terminal = Terminal(stream, {"add": 2, "del": 1})
    terminal.started("add-plain@1.1.0")
    terminal.arrived(run("add-plain", "ADD-1"))
    terminal.started("del-" + "x" * 90 + "@1.1.0")
    terminal.arrived(run("add-plain", "ADD-1", version="1.0.0", failures=[failure("ADD-1")]))
    frames = stream.getvalue().split("\r\x1b[K")[1:]
    assert frames[0] == "0/3  0 passed, 0 failed  add-plain@1.1.0"
    assert frames[1] == "1/3  1 passed, 0 failed  "
    assert frames[-1].startswith("2/3  1 passed, 1 failed  del-xxx")
    assert all(len(frame) < 80 and "\n" not in frame for frame in frames)


def test_elsewhere_each_area_has_a_line_once_its_last_run_is_in() -> None:
    stream = io.StringIO()
    terminal = Terminal(stream, {"add": 2, "del": 1})
    terminal.started("add-a@1.1.0")
    terminal.arrived(run("add-a", "ADD-1"))
    assert stream.getvalue() == ""
    terminal.arrived(run("del-a", "DEL-3", failures=[failure("DEL-3")]))
    terminal.arrived(run("add-b", "ADD-1", verdict="na", reason="r"))
    assert stream.getvalue().splitlines() == [
        "del              0 passed, 1 failed",
        "add              1 passed, 0 failed, 1 not applicable",
    ]


def test_the_summary_has_the_table_each_failure_and_the_conclusion() -> None:
    text = summary(mixed(label="reference bridge"))
    assert re.search(r"^del( +1){5} +0 F1 +0 F1 B1$", text, re.M)
    assert re.search(r"^gc( +\N{EN DASH}){6} +0 W1$", text, re.M)
    failed = text[text.index("FAIL del-twice  at 1.0.0 1.1.0") :]
    for part in ("DEL-3 (MUST) DEL of what is gone succeeds", "SPEC.md#del", "step 1, call DEL", "expected exit 0",
                 "actual   exit 1", "replay   python -m conformance --plugin"):  # fmt: skip
        assert part in failed
    assert "BROKEN the world could not be made\n  del-hang" in text
    assert "WAIVED there is no GC by design\n  gc-error" in text
    assert "MUST   1 of 2 judged hold, 1 failed; 2 of 3 observable judged" in text
    assert text.endswith("FAILED: 1 of 2 MUSTs hold\n")


def test_a_case_that_fails_in_many_ways_names_its_clauses_once_and_shows_three() -> None:
    failures = [failure("DEL-3", what=f"call DEL ({n})") for n in range(5)]
    text = summary(document(run("del-many", "DEL-3", failures=failures)))
    assert text.count("DEL-3 (MUST)") == 1
    assert re.findall(r"call DEL \((\d)\)", text) == ["0", "1", "2"]
    assert "  and 2 more\n" in text
    assert text.count("replay ") == 1


def test_colour_is_for_a_tty_without_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[31;1mFAIL\x1b[0m" in summary(mixed(), Tty())
    assert "\x1b" not in summary(mixed())
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[31" not in summary(mixed(), Tty())


def test_hostile_text_writes_no_control_characters() -> None:
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\ud800]", summary(hostile()))


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
def test_tables_fit_the_width_and_show_every_version(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    text = summary(large(700))
    table = text[: text.index("passed; F failed")]
    for line in table.splitlines()[3:]:
        assert len(line) <= columns
    assert re.findall(r"\d\.\d\.\d", table[table.index("\n\n") :]) == VERSIONS


def test_a_stream_without_the_signs_gets_question_marks() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    Terminal(stream, {}).summary(mixed())
    assert re.search(rb"^gc( +\?){6} +0 W1$", raw.getvalue(), re.M)


def test_an_empty_session_is_not_judged() -> None:
    assert summary(document()).endswith("NOT JUDGED: the harness broke, or no case applied\n")


def left_out() -> list[results.Run]:
    runs = [run(f"m-{n}", "ADD-1", verdict="na", reason="the profile has no masquerade") for n in range(3)]
    runs += [run("k", "ADD-1", verdict="na", reason="for plugins of kind ipam")]
    runs += [run("w", "ADD-1", verdict="na", reason="the profile has chained")]
    runs += [run("old", "ADD-1", verdict="na", reason="the plugin does not list version 0.1.0")]
    part = [run("part", "ADD-1", verdict="na", reason="the profile has no x", version="1.0.0"), run("part", "ADD-1")]
    return [*runs, *part]


TOLD = "5 not applicable: masquerade (3 cases), without chained (1 case), kind ipam (1 case)"


def test_what_the_profile_lacks_is_shown_beside_the_score() -> None:
    text = " ".join(summary(document(*left_out())).split())
    assert f"CASES {TOLD} 8 runs" in text
    assert "CASES" not in summary(document(run("part", "ADD-1")))
    assert f"\n{TOLD}\n" in render("markdown", [document(*left_out())])


def test_an_early_end_is_told() -> None:
    runs = [run(f"h-{n}", "ADD-1", verdict="na", reason="not judged: the plugin hung in 5 runs") for n in range(2)]
    assert "NOT JUDGED: THE PLUGIN HUNG IN 5 RUNS (2 RUNS)" in summary(document(run("a", "ADD-1"), *runs))
    assert "not judged: the plugin hung in 5 runs (2 runs)" in render("markdown", [document(*runs)])
