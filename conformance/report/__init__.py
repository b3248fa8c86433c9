"""Reports: texts made from result documents (conformance/results.py), and what the formats share.

What a plugin printed is hostile: each format escapes all text of a document, and `plain` takes the control characters.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from conformance.excerpt import ending as ending
from conformance.excerpt import short as short
from conformance.results import INTERRUPTED, LEVELS, VERDICTS, Document

FORMATS = ("json", "junit", "markdown", "html", "badge")
SEVERAL = ("markdown", "html")  # the formats that show several documents side by side

SIGN = {"pass": "✓", "fail": "✗", "broken": "!", "waived": "~", "na": "\N{EN DASH}", "uncovered": "?"}
WORD = {
    "pass": "passed",
    "fail": "failed",
    "broken": "broken",
    "waived": "waived",
    "na": "not applicable",
    "uncovered": "not judged",
}


def render(kind: str, documents: Sequence[Document]) -> str:
    """The report of one of FORMATS; ValueError where it shows one document only and several are given."""
    if kind not in SEVERAL and len(documents) != 1:
        raise ValueError(f"{kind} is made from one result document, not {len(documents)}")
    text: str = import_module(f"conformance.report.{kind}").render(documents)
    return text


def plain(text: str) -> str:
    """The text with what a terminal, an XML parser or a reader would stumble over written as an escape: \\x1b."""
    return "".join(c if c in "\n\t" or c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def line(text: str) -> str:
    """`plain` on one line."""
    return " ".join(plain(text).split())


def name(document: Document) -> str:
    """What a reader knows the plugin by."""
    plugin = document["plugin"]
    return line(plugin["label"] or plugin["name"])


def order(version: str) -> tuple[int, ...]:
    """The sort key of a specification version."""
    return tuple(int(part) for part in version.split("."))


def versions(documents: Iterable[Document]) -> list[str]:
    """All specification versions with a run, oldest first."""
    return sorted({run["version"] for document in documents for run in document["runs"]}, key=order)


def judged_versions(document: Document) -> list[str]:
    """The versions at which a case was judged: neither those that the plugin does not list nor those left out."""
    return sorted({run["version"] for run in document["runs"] if run["verdict"] != "na"}, key=order)


def worst(verdicts: Iterable[str]) -> str:
    """The one verdict for several: fail before broken, waived, pass, na."""
    found = set(verdicts)
    return next((verdict for verdict in VERDICTS if verdict in found), "na")


def areas(documents: Iterable[Document]) -> dict[str, dict[str, str]]:
    """area -> case id -> title, in the order of the documents."""
    found: dict[str, dict[str, str]] = {}
    for document in documents:
        for run in document["runs"]:
            found.setdefault(run["area"], {}).setdefault(run["case"], run["title"])
    return found


def tally(document: Document, level: str) -> Counter[str]:
    """verdict -> how many requirements of the level."""
    return Counter(entry["verdict"] for entry in document["requirements"] if entry["level"] == level)


def held(document: Document, level: str) -> tuple[int, int]:
    """How many requirements of the level hold, of how many that were judged."""
    counts = tally(document, level)
    return counts["pass"], sum(counts[verdict] for verdict in ("pass", "fail", "broken", "waived"))


def covered(document: Document, level: str) -> str:
    """How many requirements of the level, of those that can be told from outside, were judged in this session."""
    return "{covered} of {observable} observable judged".format(**document["coverage"][level])


def conclusion(document: Document) -> str:
    """The verdict in a sentence."""
    good, judged = held(document, "must")
    counts = [(tally(document, level)["fail"], level.upper()) for level in LEVELS]
    failed = " and ".join(f"{count} {level}" for count, level in counts if count)
    if document["verdict"] == 1 and not tally(document, "must")["fail"]:
        return f"FAILED: {failed} failed, no MUST"
    if document["verdict"] == 1:
        return f"FAILED: {good} of {judged} MUSTs hold"
    if document["verdict"] == 2:
        is_interrupted = any(run.get("reason") == INTERRUPTED for run in document["runs"])
        return f"NOT JUDGED: {'interrupted' if is_interrupted else 'the harness broke, or no case applied'}"
    rest = f"; {failed} failed" if failed else ""
    if not judged:
        return f"NO MUST JUDGED{rest}"
    return f"PASSED: {good} of {judged} MUSTs hold" + (", the others are waived" if good < judged else "") + rest


VOLATILE = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}|\bveth\w+|\d+")
"""What differs between two runs at the same fault: MACs, random names, numbers."""


@dataclass
class Finding:
    """One failure, with all versions at which the case failed in this way; `failure` and `run` are the newest one's."""

    run: dict[str, Any]
    failure: dict[str, Any]
    versions: list[str]


def findings(document: Document) -> dict[str, list[Finding]]:
    """case -> the failures of its failed runs, waived ones left out, those that differ only in the version as one."""
    found: dict[str, dict[tuple[Any, ...], Finding]] = {
        case: {} for cases in areas([document]).values() for case in cases
    }
    for run in sorted(document["runs"], key=lambda run: order(run["version"])):
        for failure in run["failures"]:
            if run["verdict"] == "fail" and "waived" not in failure:
                key = (failure["step"], failure["what"], VOLATILE.sub("#", failure["expected"]), *failure["proves"])
                finding = found[run["case"]].setdefault(key, Finding(run, failure, []))
                finding.run, finding.failure = run, failure
                if run["version"] not in finding.versions:
                    finding.versions.append(run["version"])
    steps = ((case, sorted(some.values(), key=lambda one: one.failure["step"])) for case, some in found.items())
    return {case: some for case, some in steps if some}


TAIL, LINES = 600, 8  # characters and lines of what a plugin said on stderr, at its end


def with_stderr(found: Iterable[Finding]) -> Iterator[tuple[Finding, str]]:
    """Each with what the plugin said last on stderr in the one call of the step; empty where that is shown already."""
    shown: set[str] = set()
    for finding in found:
        step = finding.failure["step"]
        said = [call["stderr"] for call in finding.run.get("calls", []) if call["step"] == step]
        text = said[0].strip() if len(said) == 1 else ""
        is_new = text not in shown and text[-60:] not in finding.failure["actual"]
        shown.add(text)
        yield finding, ending(text, TAIL, LINES) if is_new else ""


def failed_at(found: Iterable[Finding]) -> list[str]:
    """The versions of several findings, oldest first."""
    return sorted({version for finding in found for version in finding.versions}, key=order)


def reasons(document: Document, verdict: str) -> dict[str, list[str]]:
    """reason -> the cases of this verdict, once each."""
    found: dict[str, dict[str, None]] = {}
    for run in document["runs"]:
        if run["verdict"] == verdict:
            found.setdefault(run.get("reason", ""), {})[run["case"]] = None
    return {reason: list(cases) for reason, cases in found.items()}


_LACK = re.compile(
    r"the profile has no (?P<feature>.+)|the profile has (?P<without>.+)|for plugins of (?P<kind>kind .+)"
)


def absent(document: Document) -> str:
    """What a score leaves out: "12 not applicable: masquerade (6 cases), …", by what the profile lacks, or has; empty
    if nothing. Cases that apply at some version, or for whose versions the plugin is too old, are not counted."""
    lacks: dict[str, str] = {}
    for run in document["runs"]:
        found = _LACK.fullmatch(run.get("reason", "")) if run["verdict"] == "na" else None
        if found:
            feature, without, kind = found.group("feature", "without", "kind")
            lacks.setdefault(run["case"], f"without {without}" if without else feature or kind)
    for run in document["runs"]:
        if run["verdict"] != "na":
            lacks.pop(run["case"], None)
    parts = [
        f"{line(name)} ({n} case{'s' * (n > 1)})" for name, n in sorted(Counter(lacks.values()).items(), key=_rank)
    ]
    return f"{len(lacks)} not applicable: {', '.join(parts)}" if parts else ""


def _rank(counted: tuple[str, int]) -> tuple[bool, int]:
    """Features first, and what most cases ask for."""
    return counted[0].startswith("kind "), -counted[1]


def stopped(document: Document) -> str:
    """Why a session came to an early end; empty if it did not."""
    told = (run.get("reason", "") for run in document["runs"] if run["verdict"] == "na")
    found = Counter(reason for reason in told if reason.startswith("not judged: "))
    return "; ".join(f"{line(reason)} ({n} run{'s' * (n > 1)})" for reason, n in found.items())


def unlisted(document: Document) -> str:
    """Where the plugin does not say which versions it supports; empty if it does."""
    if document["plugin"]["versions"] or not judged_versions(document):
        return ""
    return "VERSION was not answered by a list of versions: the plugin was judged at all of them"
