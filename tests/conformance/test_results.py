"""The result document: verdicts, waivers, coverage, the exit code, and files that are none."""

import json
from pathlib import Path

import pytest

from conformance import data, report, results

from .sample import REQUIREMENTS, document, failure, hostile, large, mixed, run

WAIVER = {"requirement": "DEL-3", "reason": "it is so by design"}


def verdict_of(made: results.Document, requirement: str) -> str:
    return next(str(entry["verdict"]) for entry in made["requirements"] if entry["id"] == requirement)


def test_a_run_without_failures_passed() -> None:
    made = run("del-twice", "DEL-3", "GC-1")
    assert (made["verdict"], made["level"]) == ("pass", "must")


def test_a_failure_has_the_highest_level_of_what_it_names_and_the_run_that_of_its_failures() -> None:
    made = run("gc-a", "ADD-1", "GC-1", failures=[failure("GC-1")])
    assert made["failures"][0]["level"] == "should"
    assert (made["verdict"], made["level"]) == ("fail", "should")


def test_an_unknown_requirement_is_a_must() -> None:
    assert run("add-a", "ADD-999")["level"] == "must"


def test_na_and_broken_stay() -> None:
    assert run("a-b", "ADD-1", verdict="na", reason="r", failures=[])["verdict"] == "na"
    assert run("a-b", "ADD-1", verdict="broken", reason="r", failures=[failure("ADD-1")])["verdict"] == "broken"


@pytest.mark.parametrize(
    ("waiver", "proves", "verdict"),
    [
        (WAIVER, ["DEL-3"], "waived"),
        (WAIVER | {"cases": ["del-*"]}, ["DEL-3"], "waived"),
        (WAIVER | {"cases": ["gc-*"]}, ["DEL-3"], "fail"),
        (WAIVER, ["DEL-3", "ADD-1"], "fail"),
        (WAIVER, ["ADD-1"], "fail"),
    ],
)
def test_a_waiver_covers_failures_that_name_nothing_else(
    waiver: dict[str, object], proves: list[str], verdict: str
) -> None:
    made = run("del-twice", "DEL-3", "ADD-1", failures=[failure(*proves)], waivers=[waiver])
    assert made["verdict"] == verdict
    assert made.get("reason", "") == ("it is so by design" if verdict == "waived" else "")


def test_a_waived_failure_beside_another_leaves_the_run_failed_by_the_other() -> None:
    made = run("del-twice", "DEL-3", failures=[failure("DEL-3"), failure("GC-1")], waivers=[WAIVER])
    assert (made["verdict"], made["level"]) == ("fail", "should")
    whole = document(made)
    assert verdict_of(whole, "DEL-3") == "waived"
    assert verdict_of(whole, "GC-1") == "fail"


def test_a_requirement_fails_only_by_a_failure_that_names_it() -> None:
    failed = run("del-a", "DEL-3", "ADD-1", failures=[failure("ADD-1")])
    assert verdict_of(document(failed), "ADD-1") == "fail"
    assert verdict_of(document(failed), "DEL-3") == "uncovered"
    assert verdict_of(document(failed, run("del-b", "DEL-3")), "DEL-3") == "pass"


def test_a_failure_names_a_requirement_beyond_those_of_the_case() -> None:
    assert verdict_of(document(run("del-a", "DEL-3", failures=[failure("ADD-1")])), "ADD-1") == "fail"


def test_one_broken_run_leaves_a_requirement_unproved() -> None:
    runs = [run("del-a", "DEL-3"), run("del-b", "DEL-3", verdict="broken", reason="r")]
    assert verdict_of(document(*runs), "DEL-3") == "broken"


def test_a_passed_run_beats_one_that_does_not_apply() -> None:
    na = run("del-b", "DEL-3", verdict="na", reason="r")
    assert verdict_of(document(na), "DEL-3") == "na"
    assert verdict_of(document(na, run("del-a", "DEL-3")), "DEL-3") == "pass"


def test_a_run_that_was_not_played_says_nothing_of_a_requirement() -> None:
    made = document(run("del-a", "DEL-3", verdict="na", reason=results.INTERRUPTED), run("add-a", "ADD-1"))
    assert verdict_of(made, "DEL-3") == "uncovered"
    assert made["verdict"] == 2


def test_exit_codes() -> None:
    good, broken = run("add-a", "ADD-1"), run("add-b", "ADD-1", verdict="broken", reason="r")
    must, should = (run("x-y", name, failures=[failure(name)]) for name in ("ADD-1", "GC-1"))
    assert results.exit_code([good]) == 0
    assert results.exit_code([good, should]) == 0
    assert results.exit_code([good, should], "should") == 1
    assert results.exit_code([good, must]) == 1
    assert results.exit_code([good, broken]) == 2
    assert results.exit_code([must, broken]) == 1
    unplayed = run("add-c", "ADD-1", verdict="na", reason=results.INTERRUPTED)
    assert results.exit_code([good, unplayed]) == 2
    assert results.exit_code([must, unplayed]) == 1
    assert results.exit_code([]) == 2
    assert results.exit_code([run("a-b", "ADD-1", verdict="na", reason="r")]) == 2


def test_coverage_and_score_count_by_level() -> None:
    made = mixed()
    assert made["coverage"]["must"] == {"all": 4, "observable": 3, "covered": 2, "na": 0, "missing": ["CHK-9"]}
    assert made["coverage"]["should"] == {"all": 1, "observable": 1, "covered": 1, "na": 0, "missing": []}
    assert made["score"]["must"] == {"pass": 12, "fail": 2, "na": 0, "waived": 0, "broken": 1}
    assert made["score"]["should"] == {"pass": 0, "fail": 0, "na": 1, "waived": 1, "broken": 0}


def test_what_binds_runtimes_is_left_out() -> None:
    runtime = {"id": "RT-2", "level": "must", "text": "x", "anchor": "#a", "binds": "runtime"}
    made = document(run("add-a", "ADD-1"), requirements=[*REQUIREMENTS, runtime])
    assert made["coverage"]["must"]["all"] == 4
    assert "RT-2" not in [entry["id"] for entry in made["requirements"]]


def test_a_link_goes_to_the_text_that_has_the_requirement() -> None:
    texts = [{"source": "SPEC", "version": v, "url": f"https://example.org/{v}"} for v in ("0.2.0", "0.4.0", "1.1.0")]
    wanted = {None: "1.1.0", "0.3.1": "0.2.0", "0.4.0": "0.4.0", "1.0.0": "0.4.0", "0.1.0": "0.2.0"}
    for until, version in wanted.items():
        entry = {"source": "SPEC", "anchor": "#add", "until": until}
        assert results.link(entry, texts) == f"https://example.org/{version}#add"
    assert results.link({"source": "SPEC", "anchor": "#add"}) == "SPEC.md#add"


@pytest.mark.parametrize("made", [mixed(), hostile(), document(), large()], ids=["mixed", "hostile", "empty", "large"])
def test_a_document_is_valid_and_comes_back_as_it_was(made: results.Document, tmp_path: Path) -> None:
    assert data.wrong("results", made) == ""
    (tmp_path / "r.json").write_text(report.render("json", [made]))
    assert results.read(tmp_path / "r.json") == json.loads(json.dumps(made))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "no result document"),
        (b'{"format": 2}', "no result document"),
        (b'{"cniVersion": "1.1.0", "ips": []}', "no result document"),
    ],
    ids=["empty", "binary", "deep", "list", "other format", "result of a plugin"],
)
def test_foreign_files_are_named(content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / "other.json").write_bytes(content)
    with pytest.raises(results.NotResults, match=says) as caught:
        results.read(tmp_path / "other.json")
    assert "other.json" in str(caught.value)


def test_a_document_with_one_wrong_verdict_is_refused(tmp_path: Path) -> None:
    made = mixed()
    made["runs"][0]["verdict"] = "fail onclick=x"
    (tmp_path / "r.json").write_text(report.render("json", [made]))
    with pytest.raises(results.NotResults, match="verdict"):
        results.read(tmp_path / "r.json")
