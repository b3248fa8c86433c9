"""Markdown: conclusion, matrix and failures of one document; of several the plugins side by side."""

import re
from collections.abc import Sequence

from conformance.report import (
    SIGN,
    WORD,
    Finding,
    absent,
    areas,
    conclusion,
    findings,
    held,
    judged_versions,
    line,
    name,
    plain,
    reasons,
    short,
    stopped,
    tally,
    unlisted,
    versions,
    with_stderr,
    worst,
)
from conformance.results import LEVELS, Document

LONG = 2000  # characters of an expected or actual value
LEGEND = " · ".join(f"{SIGN[verdict]} {word}" for verdict, word in WORD.items())


def render(documents: Sequence[Document]) -> str:
    """The text; ValueError for no document."""
    if not documents:
        raise ValueError("no result document")
    parts = _single(documents[0]) if len(documents) == 1 else _several(documents)
    return "\n".join(parts) + "\n"


def _single(document: Document) -> list[str]:
    plugin = document["plugin"]
    lines = [f"# CNI conformance: {text(name(document))}", "", f"**{conclusion(document)}**", ""]
    lines += _table(["", ""], [
        ["plugin", code(plugin["path"])],
        ["sha256", code(plugin["sha256"])],
        ["profile", text(plugin["profile"])],
        ["judged", f"{text(document['started'])}, {document['seconds']:.1f} s, {text(document['machine'])}"],
    ])  # fmt: skip
    lines += ["", *_scores([document]), "", *_left_out(document), "## Cases", "", LEGEND, ""]
    known = versions([document])
    by = {(run["case"], run["version"]): run["verdict"] for run in document["runs"]}
    for area, cases in areas([document]).items():
        rows = [[text(case), *(SIGN[by.get((case, version), "na")] for version in known)] for case in cases]
        lines += [f"### {text(area)}", "", *_table(["case", *known], rows), ""]
    return [*lines, *_failures(document, "##"), *_asides(document)]


def _several(documents: Sequence[Document]) -> list[str]:
    names = [text(name(document)) for document in documents]
    lines = ["# CNI conformance", "", *_scores(documents), "", "## Cases", ""]
    lines += [f"{LEGEND}. The worst of all versions.", ""]
    seen: list[dict[str, list[str]]] = []
    for document in documents:
        seen.append({})
        for run in document["runs"]:
            seen[-1].setdefault(run["case"], []).append(run["verdict"])
    for area, cases in areas(documents).items():
        rows = [[text(case), *(SIGN[worst(by[case])] if case in by else "" for by in seen)] for case in cases]
        lines += [f"### {text(area)}", "", *_table(["case", *names], rows), ""]
    lines += ["## Requirements", ""]
    held_by = [{entry["id"]: entry["verdict"] for entry in document["requirements"]} for document in documents]
    known = {entry["id"]: entry for document in documents for entry in document["requirements"]}
    rows = [
        [text(number), entry["level"].upper(), *(SIGN[by[number]] if number in by else "" for by in held_by)]
        for number, entry in known.items()
    ]
    lines += [*_table(["requirement", "level", *names], rows), ""]
    for document, shown in zip(documents, names, strict=True):
        lines += [
            f"## {shown}",
            "",
            f"**{conclusion(document)}**",
            "",
            *_left_out(document),
            *_failures(document, "###"),
        ]
    return lines


def _left_out(document: Document) -> list[str]:
    return [
        part for told in (absent(document), unlisted(document), stopped(document)) if told for part in (text(told), "")
    ]


def _scores(documents: Sequence[Document]) -> list[str]:
    rows = []
    for document in documents:
        row = [text(name(document)), " ".join(judged_versions(document)) or "none"]
        for level in LEVELS:
            good, judged = held(document, level)
            count = tally(document, level)
            others = [f"{count[verdict]} {verdict}" for verdict in ("fail", "broken", "waived") if count[verdict]]
            row += [", ".join([f"{good}/{judged}", *others])]
        row += ["{covered}/{observable}".format(**document["coverage"]["must"])]
        rows.append(row)
    return _table(["plugin", "versions", *(level.upper() for level in LEVELS), "observable MUSTs judged"], rows)


def _failures(document: Document, mark: str) -> list[str]:
    found = findings(document)
    if not found:
        return []
    lines = [f"{mark} Failures", ""]
    known = {entry["id"]: entry for entry in document["requirements"]}
    for case, some in found.items():
        lines += [f"{mark}# {text(case)}: {text(some[-1].run['title'])}", ""]
        for proved in dict.fromkeys(proved for finding in some for proved in finding.failure["proves"]):
            entry = known.get(proved, {"level": "", "text": "", "anchor": ""})
            lines += [f"- {_linked(proved, entry['anchor'])} {entry['level'].upper()}: {text(entry['text'])}"]
        story = "\n\n".join(_story(finding, said) for finding, said in with_stderr(some))
        story += f"\n\nreplay   {line(some[-1].run.get('replay', ''))}"
        fence = "`" * max([3, *(len(ticks) + 1 for ticks in re.findall("`+", story))])
        lines += ["", f"{fence}text", story, fence, ""]
    return lines


def _linked(proved: str, anchor: str) -> str:
    """The id, as a link where the anchor is a web address without anything that ends a link."""
    return f"[{text(proved)}]({anchor})" if re.fullmatch(r"https://[\w./#-]+", anchor) else text(proved)


def _story(finding: Finding, said: str) -> str:
    failure = finding.failure
    return f"""step {failure["step"]}, {line(failure["what"])}, at {" ".join(finding.versions)}
expected {plain(short(failure["expected"], LONG))}
actual   {plain(short(failure["actual"], LONG))}{f"{chr(10)}stderr   {plain(said)}" if said else ""}"""


def _asides(document: Document) -> list[str]:
    lines = []
    for verdict, title in (("broken", "Broken"), ("waived", "Waived"), ("na", "Not applicable")):
        if by := reasons(document, verdict):
            rows = [[text(reason), ", ".join(map(text, cases))] for reason, cases in by.items()]
            lines += [f"## {title}", "", *_table(["reason", "cases"], rows), ""]
    missing = [requirement for level in LEVELS for requirement in document["coverage"][level]["missing"]]
    return [*lines, "## Not judged", "", ", ".join(map(text, missing)), ""] if missing else lines


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def text(value: str) -> str:
    """Any text as Markdown that shows it and does nothing else, also within a table."""
    escaped = re.sub(r"[\\`*_\[\]#|~<>&@]|:(?=//)", lambda found: f"&#{ord(found[0])};", line(value))
    return short(escaped, 1000)


def code(value: str) -> str:
    """`text` in a fixed-width font."""
    return f"<code>{text(value)}</code>"
