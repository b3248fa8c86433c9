"""JSON, JUnit, Markdown, the badge, and what all reports share."""

import json
import re
import xml.etree.ElementTree as ET

import pytest

from conformance import report, results

from .sample import HOSTILE, VERSIONS, document, failure, hostile, large, mixed, run

CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
SUITE = {"name", "package", "id", "hostname", "timestamp", "time", "tests", "failures", "errors", "skipped"}


@pytest.mark.parametrize("kind", report.FORMATS)
@pytest.mark.parametrize("made", [mixed(), hostile(), document(), large()], ids=["mixed", "hostile", "empty", "large"])
def test_every_report_of_every_document_is_text_without_control_characters(kind: str, made: results.Document) -> None:
    text = report.render(kind, [made])
    text.encode()
    assert not CONTROL.search(text)


@pytest.mark.parametrize("kind", report.FORMATS)
def test_several_documents_are_shown_or_refused(kind: str) -> None:
    both = [mixed(label="first one"), mixed(label="second one")]
    if kind in report.SEVERAL:
        text = report.render(kind, both)
        assert "first one" in text
        assert "second one" in text
    else:
        with pytest.raises(ValueError, match="one result document, not 2"):
            report.render(kind, both)
    with pytest.raises(ValueError, match="result document"):
        report.render(kind, [])


def test_plain_shows_what_it_takes() -> None:
    assert report.plain("a\x1b[1m\r\n\tü✓\ud800\u202e") == "a\\x1b[1m\\r\n\tü✓\\ud800\\u202e"
    assert report.line("a\r\n b\t c ") == "a\\r b c"
    assert report.short("abcdef", 6) == "abcdef"
    assert report.short("abcdef", 2) == "ab… (4 more)"


def test_failures_that_differ_in_the_version_alone_are_one_finding() -> None:
    failures = {
        v: failure("DEL-3", expected=f"veth{v[0]}a, 02:0{v[0]}:00:00:00:0a", actual=v) for v in ("1.1.0", "0.4.0")
    }
    runs = [run("del-a", "DEL-3", version=version, failures=[one]) for version, one in failures.items()]
    other = run("del-a", "DEL-3", version="1.0.0", failures=[failure("DEL-3", step=2)])
    found = report.findings(document(*runs, other))["del-a"]
    assert [finding.versions for finding in found] == [["0.4.0", "1.1.0"], ["1.0.0"]]
    assert found[0].failure["actual"] == "1.1.0"


def test_waived_failures_are_no_findings() -> None:
    waiver = {"requirement": "DEL-3", "reason": "by design"}
    failures = [failure("DEL-3"), failure("ADD-1")]
    ((found,),) = report.findings(document(run("del-a", "DEL-3", failures=failures, waivers=[waiver]))).values()
    assert found.failure["proves"] == ["ADD-1"]


def test_conclusions() -> None:
    waiver = {"requirement": "ADD-1", "reason": "by design"}
    waived = run("add-b", "ADD-1", failures=[failure("ADD-1")], waivers=[waiver])
    assert report.conclusion(document(run("add-a", "ADD-1"))) == "PASSED: 1 of 1 MUSTs hold"
    assert report.conclusion(document(waived)) == "PASSED: 0 of 1 MUSTs hold, the others are waived"
    assert report.conclusion(mixed()) == "FAILED: 1 of 2 MUSTs hold"
    should = document(run("gc-a", "GC-1", failures=[failure("GC-1")]))
    assert report.conclusion(should) == "NO MUST JUDGED; 1 SHOULD failed"
    both = document(run("add-a", "ADD-1"), run("gc-a", "GC-1", failures=[failure("GC-1")]))
    assert report.conclusion(both) == "PASSED: 1 of 1 MUSTs hold; 1 SHOULD failed"
    assert report.conclusion(should | {"verdict": 1}) == "FAILED: 1 SHOULD failed, no MUST"
    assert report.conclusion(document()) == "NOT JUDGED: the harness broke, or no case applied"
    unplayed = run("add-c", "ADD-1", verdict="na", reason=results.INTERRUPTED)
    assert report.conclusion(document(run("add-a", "ADD-1"), unplayed)) == "NOT JUDGED: interrupted"


def test_json_is_the_document() -> None:
    assert json.loads(report.render("json", [mixed()])) == mixed()


def test_junit_has_a_suite_per_area_and_a_case_per_run() -> None:
    root = ET.fromstring(report.render("junit", [mixed()]))
    counts = [tuple(s.attrib[k] for k in ("name", "tests", "failures", "errors", "skipped")) for s in root]
    assert counts == [("add", "7", "0", "0", "0"), ("del", "8", "2", "1", "0"), ("gc", "2", "0", "0", "2")]
    cases = {case.attrib["name"]: case for case in root.iter("testcase")}
    assert len(cases) == 17
    failed = cases["del-twice@1.1.0"].find("failure")
    assert failed is not None and failed.attrib == {"type": "must", "message": "DEL-3: call DEL: expected exit 0"}
    assert "replay: python -m conformance" in (failed.text or "")
    skipped = cases["gc-error@1.1.0"].find("skipped")
    assert skipped is not None and skipped.attrib["message"] == "waived: there is no GC by design"
    assert cases["del-hang@1.1.0"].find("error") is not None
    assert len(cases["add-plain@1.1.0"]) == 0


def test_junit_has_the_elements_and_attributes_that_the_schemas_of_ant_and_jenkins_share() -> None:
    allowed = {
        "testsuites": set(),
        "testsuite": SUITE,
        "properties": set(),
        "property": {"name", "value"},
        "testcase": {"name", "classname", "time"},
        "failure": {"type", "message"},
        "error": {"type", "message"},
        "skipped": {"message"},
        "system-out": set(),
        "system-err": set(),
    }
    for made in (mixed(), hostile(), document(), large(70)):
        root = ET.fromstring(report.render("junit", [made]))
        for element in root.iter():
            assert set(element.attrib) == allowed[element.tag]
        for suite in root:
            tags = [child.tag for child in suite]
            assert tags == ["properties", *["testcase"] * (len(tags) - 3), "system-out", "system-err"]
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.attrib["timestamp"])
            assert all(len(case) <= 1 for case in suite.iter("testcase"))


def test_markdown_of_one_document_has_the_matrix_the_failures_and_the_asides() -> None:
    text = report.render("markdown", [mixed(label="a | b")])
    assert "# CNI conformance: a &#124; b" in text
    assert f"| case | {' | '.join(VERSIONS)} |" in text
    assert "| del-twice | ✓ | ✓ | ✓ | ✓ | ✓ | ✗ | ✗ |" in text
    assert "step 1, call DEL, at 1.0.0 1.1.0\nexpected exit 0\nactual   exit 1\n\nreplay   python" in text
    assert "- DEL-3 MUST: DEL of what is gone succeeds" in text
    assert "| there is no GC by design | gc-error |" in text
    assert "## Not judged\n\nCHK-9, DNS-1\n" in text


def test_markdown_of_several_shows_the_worst_of_all_versions_and_leaves_unknown_cases_empty() -> None:
    text = report.render("markdown", [mixed(label="one"), document(run("del-twice", "DEL-3"), label="two")])
    assert "| case | one | two |" in text
    assert "| del-twice | ✗ | ✓ |" in text
    assert "| add-plain | ✓ |  |" in text
    assert "| DEL-3 | MUST | ✗ | ✓ |" in text


def test_markdown_escapes_outside_of_fences_and_fences_are_longer_than_any_run_within() -> None:
    lines = iter(report.render("markdown", [hostile()]).splitlines())
    for shown in lines:
        if fence := re.match("(`{3,})text$", shown):
            inside = []
            while (shown := next(lines)) != fence[1]:
                inside.append(shown)
            assert any("`````" in row for row in inside)
        else:
            assert "<script" not in shown
            assert "[31m" not in shown
            assert "http://" not in shown
        if shown.startswith("| "):
            assert not re.search(r"(?<! )\|(?! |$)", shown)


def test_the_badge_counts_the_musts_of_the_newest_version() -> None:
    good = report.render("badge", [document(run("add-a", "ADD-1", version="0.4.0"), run("add-a", "ADD-1"))])
    root = ET.fromstring(good)
    assert root.attrib["aria-label"] == "CNI 1.1.0: 1/1 MUST"
    assert "#2e7d32" in good
    bad = report.render("badge", [mixed()])
    assert "1/2 MUST" in bad
    assert "#c62828" in bad
    assert "not judged" in report.render("badge", [document()])
    assert "url(http" not in good and "@import" not in good


@pytest.mark.parametrize("kind", ["badge", "html", "markdown"])
def test_versions_are_those_that_were_judged(kind: str) -> None:
    na = run("add-a", "ADD-1", verdict="na", reason="the plugin does not list version 1.1.0")
    text = report.render(kind, [document(run("add-a", "ADD-1", version="0.4.0"), na, versions=["0.4.0"])])
    judged = {"badge": "CNI 0.4.0:", "html": "<dt>versions</dt><dd>0.4.0</dd>", "markdown": "| 0.4.0 | 1/1 |"}
    assert judged[kind] in text


def test_what_a_plugin_said_last_on_stderr_is_shown_once_beside_its_failures() -> None:
    said = "\n".join(f"line {n}" for n in range(100))
    call = {"step": 1, "verb": "ADD", "exit": 1, "seconds": 0.1, "stdout": "", "stderr": said}
    failures = [failure("DEL-3", expected=text) for text in ("one", "two")]
    text = report.render("markdown", [document(run("del-a", "DEL-3", failures=failures, calls=[call]))])
    assert re.findall("^stderr .*\n.*", text, re.M) == ["stderr   (726 more) …line 92\nline 93"]
    assert text.count("line 99\n") == 1
    crash = [failure("DEL-3", actual=said)]
    assert "stderr  " not in report.render("markdown", [document(run("d", "DEL-3", failures=crash, calls=[call]))])
    other = {**call, "step": 2}
    assert "stderr  " not in report.render("markdown", [document(run("d", "DEL-3", failures=failures, calls=[other]))])


def test_endings_are_marked() -> None:
    assert report.ending("one\ntwo", 7) == "one\ntwo"
    assert report.ending("one\ntwo", 6) == "(4 more) …two"
    assert report.ending("one\ntwo", 100, 1) == "(4 more) …two"
    assert report.ending("abcdef", 2) == "(4 more) …ef"


def test_junit_counts_as_failed_what_fails_the_session() -> None:
    runs = [run("gc-a", "GC-1", failures=[failure("GC-1")]), run("del-a", "DEL-3", failures=[failure("DEL-3")])]
    for strict, failed, skipped in (("must", 1, 1), ("should", 2, 0)):
        root = ET.fromstring(report.render("junit", [document(*runs) | {"strict": strict}]))
        assert sum(int(suite.attrib["failures"]) for suite in root) == failed == len(root.findall(".//failure"))
        assert sum(int(suite.attrib["skipped"]) for suite in root) == skipped == len(root.findall(".//skipped"))


def test_a_plugin_that_lists_no_versions_is_said_to() -> None:
    for kind in ("markdown", "html"):
        told = "VERSION was not answered by a list of versions"
        assert told in report.render(kind, [document(run("add-a", "ADD-1"), versions=[])])
        assert told not in report.render(kind, [mixed()])


def test_hostile_text_is_hostile() -> None:
    assert CONTROL.search(HOSTILE)


def test_markdown_links_only_web_addresses_that_end_where_they_should() -> None:
    for anchor, linked in (
        ("https://example.org/SPEC.md#del", True),
        ("https://a.b/) [x](y", False),
        ("javascript:a", False),
    ):
        entry = {"id": "DEL-3", "level": "must", "text": "t", "anchor": anchor}
        made = document(run("del-a", "DEL-3", failures=[failure("DEL-3")]), requirements=[entry])
        assert ("](" in report.render("markdown", [made])) is linked
