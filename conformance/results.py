"""The result document: what a session of the suite knows at its end, and all that the reports are made from.

A run is a dict as `schemas/results.schema.json` describes it: one case at one specification version. The engine makes
it with `case`, `area`, `title`, `version`, `proves`, `seconds`, `failures`, `calls`, `replay` (and `verdict` with
`reason` where it is "na" or "broken"); `settle` adds what follows from the requirements and the waivers.
"""

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from conformance import data

Document = dict[str, Any]
Run = dict[str, Any]

FORMAT = 1
SUITE = "0.1.0"
LEVELS = ("must", "should", "may")
VERDICTS = ("fail", "broken", "waived", "pass", "na")


INTERRUPTED = "not judged: the session was interrupted"
"""Reason of a run that was not played."""


class NotResults(ValueError):
    """A file that is no result document of this format; the text says which file and why."""


def levels(requirements: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """requirement id -> "must", "should" or "may"."""
    return {requirement["id"]: requirement["level"] for requirement in requirements}


def highest(proves: Iterable[str], level_of: Mapping[str, str]) -> str:
    """The highest level among these requirements; "must" for none or unknown ones: nothing is judged too mildly."""
    named = [level_of.get(requirement, "must") for requirement in proves]
    return min(named, key=LEVELS.index, default="must")


def settle(run: Run, level_of: Mapping[str, str], waivers: Sequence[Mapping[str, Any]] = ()) -> Run:
    """Complete a run in place and return it: levels, the waived failures, the verdict and its reason.

    A failure is waived when each requirement that it names is waived for this case; a run is waived when all its
    failures are. "na" and "broken" stay as the engine said.
    """
    failures = run.setdefault("failures", [])
    for failure in failures:
        failure["level"] = highest(failure["proves"], level_of)
        if reason := _waived(run["case"], failure["proves"], waivers):
            failure["waived"] = reason
    counted = [failure for failure in failures if "waived" not in failure]
    if run.get("verdict") not in ("na", "broken"):
        run["verdict"] = "fail" if counted else "waived" if failures else "pass"
    if run["verdict"] == "waived":
        run["reason"] = "; ".join(dict.fromkeys(failure["waived"] for failure in failures))
    run["level"] = min((f["level"] for f in counted), key=LEVELS.index, default=highest(run["proves"], level_of))
    return run


def _waived(case: str, proves: Sequence[str], waivers: Sequence[Mapping[str, Any]]) -> str:
    reasons = []
    for requirement in proves:
        for waiver in waivers:
            if waiver["requirement"] == requirement and any(fnmatchcase(case, p) for p in waiver.get("cases", ["*"])):
                reasons.append(waiver["reason"])
                break
        else:
            return ""
    return "; ".join(dict.fromkeys(reasons))


def build(
    *,
    requirements: Sequence[Mapping[str, Any]],
    runs: Sequence[Run],
    plugin: Mapping[str, Any],
    started: str,
    seconds: float,
    strict: str = "must",
    documents: Sequence[Mapping[str, Any]] = (),
) -> Document:
    """The document of settled runs.

    requirements, documents: those of requirements.json; what binds runtimes is left out. plugin: path, name, profile,
    sha256, versions, label. started: UTC, ISO 8601 with Z. strict: the level whose failure (or that of a higher one)
    makes the exit code 1.
    """
    requirements = [
        {**requirement, "anchor": link(requirement, documents)}
        for requirement in requirements
        if requirement.get("binds", "plugin") == "plugin"
    ]
    judged = [_requirement(requirement, runs) for requirement in requirements]
    return {
        "format": FORMAT,
        "suite": SUITE,
        "plugin": dict(plugin),
        "started": started,
        "seconds": round(seconds, 3),
        "machine": f"{os.uname().sysname} {os.uname().release} {os.uname().machine}",
        "strict": strict,
        "verdict": exit_code(runs, strict),
        "coverage": coverage(requirements, judged),
        "score": score(runs),
        "requirements": judged,
        "runs": list(runs),
    }


def link(requirement: Mapping[str, Any], documents: Sequence[Mapping[str, Any]] = ()) -> str:
    """Where a requirement is written: in the newest text of its source that is not after its `until`."""

    def number(version: str) -> tuple[int, ...]:
        return tuple(int(part) for part in version.split("."))

    anchor, source, until = requirement.get("anchor", ""), requirement.get("source", ""), requirement.get("until")
    texts = sorted((d for d in documents if d["source"] == source), key=lambda d: number(d["version"]))
    before = [d for d in texts if until is None or number(d["version"]) <= number(until)]
    chosen = before[-1] if before else texts[0] if texts else None
    return f"{chosen['url']}{anchor}" if chosen else f"{source and source + '.md'}{anchor}"


def exit_code(runs: Sequence[Run], strict: str = "must") -> int:
    """0 all held, 1 something of level `strict` or above failed, 2 nothing was judged, or not all: it broke or was
    interrupted."""
    counts = LEVELS[: LEVELS.index(strict) + 1]
    if any(run["verdict"] == "fail" and run["level"] in counts for run in runs):
        return 1
    has_end = not any(run["verdict"] == "broken" or run.get("reason") == INTERRUPTED for run in runs)
    if not has_end or all(run["verdict"] == "na" for run in runs):
        return 2
    return 0


def score(runs: Sequence[Run]) -> dict[str, dict[str, int]]:
    """level -> verdict -> how many runs."""
    counts = Counter((run["level"], run["verdict"]) for run in runs)
    return {level: {verdict: counts[level, verdict] for verdict in VERDICTS} for level in LEVELS}


def _requirement(requirement: Mapping[str, Any], runs: Sequence[Run]) -> dict[str, Any]:
    found = {verdict for run in runs if (verdict := _held(requirement["id"], run))}
    verdict = next((verdict for verdict in VERDICTS if verdict in found), "uncovered")
    entry = {key: requirement.get(key, "") for key in ("id", "level", "text", "anchor")}
    return entry | {"observable": requirement.get("observable", True), "verdict": verdict}


def _held(requirement: str, run: Run) -> str:
    """What a run says of a requirement; nothing ("") where it failed by something else."""
    named = [failure for failure in run["failures"] if requirement in failure["proves"]]
    if run["verdict"] in ("fail", "waived") and named:
        return "waived" if all("waived" in failure for failure in named) else "fail"
    is_unplayed = run["verdict"] == "na" and run.get("reason", "").startswith("not judged: ")
    if requirement not in run["proves"] or run["verdict"] in ("fail", "waived") or is_unplayed:
        return ""
    return str(run["verdict"])


def coverage(requirements: Sequence[Mapping[str, Any]], judged: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """level -> all, observable, covered, na (only by cases that do not apply), missing (observable ids of no case)."""
    verdict = {entry["id"]: entry["verdict"] for entry in judged}
    found: dict[str, Any] = {}
    for level in LEVELS:
        ids = [r["id"] for r in requirements if r["level"] == level]
        seen = [r["id"] for r in requirements if r["level"] == level and r.get("observable", True)]
        missing = [name for name in seen if verdict[name] == "uncovered"]
        na = sum(verdict[name] == "na" for name in seen)
        covered = len(seen) - na - len(missing)
        found[level] = {"all": len(ids), "observable": len(seen), "covered": covered, "na": na, "missing": missing}
    return found


def read(path: str | Path) -> Document:
    """The document in a file. Raises NotResults for a foreign file, OSError for one that cannot be read."""
    try:
        document = json.loads(Path(path).read_bytes())
    except (ValueError, RecursionError) as error:
        raise NotResults(f"{path}: no JSON: {error}") from None
    if text := data.wrong("results", document):
        raise NotResults(f"{path}: no result document of format {FORMAT}: {text}")
    return dict(document)
