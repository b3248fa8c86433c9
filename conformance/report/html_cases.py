"""The HTML page's cases: the matrix, and what failed, clause by clause."""

from collections.abc import Sequence
from typing import Any

from conformance.report import SIGN, WORD, Finding, areas, failed_at, findings, line, name, short, versions, worst
from conformance.report.markup import Markup, join, tag
from conformance.results import LEVELS, VERDICTS, Document, Run

LONG = 4000  # characters of an expected or actual value, and of a call's stdout and stderr each


def matrix(documents: Sequence[Document]) -> Markup:
    """Rows: cases by area. Columns: versions of the one document, or plugins."""
    single = len(documents) == 1
    known = versions(documents)
    columns: list[str] = known if single else [short(name(document), 40) for document in documents]
    links = [_targets(number, document) for number, document in enumerate(documents)]
    by: dict[str, dict[Any, list[Run]]] = {}
    for number, document in enumerate(documents):
        for run in document["runs"]:
            key = known.index(run["version"]) if single else number
            by.setdefault(run["case"], {}).setdefault(key, []).append(run)
    bodies = []
    for area, cases in areas(documents).items():
        rows = [tag("tr", tag("th", area, colspan=len(columns) + 1, scope="rowgroup"), class_="area")]
        for case, title in cases.items():
            runs = by[case]
            cells = [_cell(runs.get(n, []), links[0 if single else n].get(case)) for n in range(len(columns))]
            every = [run for some in runs.values() for run in some]
            rows.append(_row(every, tag("th", tag("span", case), tag("small", title), scope="row"), cells))
        bodies.append(tag("tbody", rows))
    head = tag("thead", tag("tr", tag("th", "case"), [tag("th", column, scope="col") for column in columns]))
    note = "" if single else "The worst verdict of all versions; with a count where only some of them have it."
    table = tag("table", head, bodies, class_="matrix" if single else "matrix several")
    return tag("section", tag("h2", "Cases"), tag("p", note) if note else None, tag("div", table), id="cases")


def _row(runs: Sequence[Run], head: Markup, cells: Sequence[Markup]) -> Markup:
    verdicts = " ".join(sorted({run["verdict"] for run in runs}))
    level = min((run["level"] for run in runs), key=LEVELS.index)
    proves = " ".join(sorted({proved for run in runs for proved in run["proves"]}))
    return tag("tr", head, cells, data_verdict=verdicts, data_level=level, data_words=proves)


def _cell(runs: Sequence[Run], target: str | None) -> Markup:
    if not runs:
        return tag("td", class_="v")
    verdict = worst(run["verdict"] for run in runs)
    alike = [run for run in runs if run["verdict"] == verdict]
    reason = next((run["reason"] for run in alike if run.get("reason")), "")
    count = tag("small", f"{len(alike)}/{len(runs)}") if len(alike) < len(runs) and verdict in VERDICTS[:3] else None
    said = WORD[verdict] + (f": {line(short(reason, 300))}" if reason else "")
    sign = (
        tag("a", SIGN[verdict], href=f"#{target}", aria_label=said) if verdict == "fail" and target else SIGN[verdict]
    )
    return tag("td", sign, count, class_=f"v {verdict}", title=said)


def _targets(number: int, document: Document) -> dict[str, str]:
    """case -> the id of its failures' element."""
    return {case: f"f{number}-{position}" for position, case in enumerate(findings(document))}


def failures(number: int, document: Document, several: bool) -> Markup:
    """What failed in the document that is this number of the page's, or nothing."""
    by = findings(document)
    if not by:
        return Markup()
    targets = _targets(number, document)
    known = {entry["id"]: entry for entry in document["requirements"]}
    title = f"Failures of {name(document)}" if several else "Failures"
    stories = [_story(targets[case], found, known) for case, found in by.items()]
    return tag("section", tag("h2", title), stories, id=f"failures-{number}")


def _story(target: str, found: Sequence[Finding], known: dict[str, dict[str, Any]]) -> Markup:
    run = found[-1].run
    at = failed_at(found)
    summary = tag("summary", tag("b", run["case"]), f" {run['title']} ", tag("small", f"at {' '.join(at)}"))
    calls = [
        tag(
            "div",
            tag("b", f"step {call['step']}: {call['verb']}, exit {call['exit']}, {call['seconds']:.3f} s"),
            [join(tag("small", key), tag("pre", short(call[key], LONG))) for key in ("stdout", "stderr") if call[key]],
        )
        for call in run.get("calls", [])
    ]
    return tag(
        "details",
        summary,
        [_finding(finding, known, len(at)) for finding in found],
        tag("small", "replay"),
        tag("pre", line(run.get("replay", ""))),
        tag("details", tag("summary", f"calls at {run['version']}"), calls) if calls else None,
        id=target,
        class_="story",
        data_verdict="fail",
        data_level=min((finding.failure["level"] for finding in found), key=LEVELS.index),
        data_words=" ".join({proved for finding in found for proved in finding.failure["proves"]}),
    )


def _finding(finding: Finding, known: dict[str, dict[str, Any]], all_versions: int) -> Markup:
    failure = finding.failure
    clauses = [_clause(known.get(proved, {"id": proved, "level": failure["level"]})) for proved in failure["proves"]]
    only = f" (at {' '.join(finding.versions)})" if len(finding.versions) < all_versions else ""
    return tag(
        "div",
        tag("ul", clauses),
        tag("p", f"step {failure['step']}, {line(failure['what'])}{only}"),
        tag("dl", tag("dt", "expected"), tag("dd", tag("pre", short(failure["expected"], LONG))),
            tag("dt", "actual"), tag("dd", tag("pre", short(failure["actual"], LONG)))),
        class_="finding",
    )  # fmt: skip


def _clause(entry: dict[str, Any]) -> Markup:
    return tag("li", linked(entry), f" {entry['level'].upper()} {entry.get('text', '')}")


def linked(entry: dict[str, Any]) -> Markup:
    """The id of a requirement, as a link where its anchor is a web address."""
    anchor = entry.get("anchor", "")
    if anchor.startswith("https://"):
        return tag("a", entry["id"], href=anchor, rel="noreferrer")
    return tag("b", entry["id"], title=anchor or None)
