"""The vocabulary of expectations: what a call came to, held against what the case says."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from conformance import data, recorder, state, subset
from conformance.call import Outcome
from conformance.excerpt import ending, short
from conformance.kernel import Picture

_CRASH = re.compile(r"^(Traceback \(most recent call last\):|panic: |goroutine \d+ \[|thread '.*' panicked at )", re.M)
_FREE_CODES = {10, *range(12, 50), *range(52, 100)}


@dataclass(frozen=True)
class Complaint:
    """What was expected and what was. `proves`: what it is held against; empty: that of the step or case."""

    expected: str
    actual: str
    proves: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scene:
    """Where a call was made. results: pod -> what its last ADD printed; result: of this call's attachment."""

    version: str
    pod: int
    ifname: str
    results: Mapping[int, Any]
    result: Any
    look: Callable[[int], Picture]
    changes: Callable[[str, list[str]], list[str]]
    delegate: tuple[recorder.Recorded, ...] = ()


def always(outcome: Outcome, version: str) -> Iterator[Complaint]:
    """What holds of every call. What is on stdout is judged for an ADD that succeeds, and elsewhere by the case."""
    if outcome.is_hung:
        yield Complaint("an end within the time limit", outcome.as_text(), ("ERR-1",))
    elif outcome.exit is None:
        yield Complaint("one JSON document on stdout", outcome.as_text(), ("RES-1",))
        return
    elif outcome.exit < 0:
        yield Complaint("an end of its own", outcome.as_text(), ("ERR-1",))
    elif outcome.exit > 0 and data.in_range(version, ">=1.0.0") and (crash := _CRASH.search(outcome.stderr)):
        yield Complaint(
            f"an error told, no crash ({crash[1].strip()!r} on stderr)",
            ending(outcome.stderr.rstrip(), 600),
            ("ERR-3",),
        )
    try:
        documents = outcome.documents()
    except ValueError as error:
        if outcome.verb == "ADD" and outcome.exit == 0:
            yield Complaint(f"nothing but JSON on stdout ({error})", outcome.as_text(), ("RES-1",))
        return
    if len(documents) > 1:
        yield Complaint("at most one JSON document on stdout", outcome.as_text(), ("RES-1",))
    code = documents[0].get("code") if documents and isinstance(documents[0], dict) and outcome.exit else None
    if isinstance(code, int) and code in _FREE_CODES:
        yield Complaint("an error code that the specification defines, or one from 100", f"code {code}", ("ERR-6",))


def judge(expect: Mapping[str, Any], outcome: Outcome, scene: Scene) -> Iterator[Complaint]:
    """What of an expectation is not so."""
    yield from _exit(expect, outcome, scene)
    if "stdout" in expect:
        yield from _stdout(expect["stdout"], outcome, may_fail=expect.get("exit") != 0)
    for words in expect.get("stderr", []):
        if words not in outcome.stderr:
            yield Complaint(f"{words!r} on stderr", repr(ending(outcome.stderr, 600)))
    if "result" in expect and outcome.exit == 0:
        yield from _result(expect["result"], outcome, scene)
    if "document" in expect:
        yield from _document(expect["document"], outcome, scene)
    if "within" in expect and outcome.seconds > expect["within"]:
        yield Complaint(f"an end within {expect['within']} s", f"{outcome.seconds:.2f} s")
    if "delegate" in expect:
        yield from (Complaint(*one) for one in recorder.complaints(expect["delegate"], scene.delegate, outcome))
    yield from _places(expect, scene)
    yield from _unchanged(expect, scene)


def _exit(expect: Mapping[str, Any], outcome: Outcome, scene: Scene) -> Iterator[Complaint]:
    wanted = expect.get("exit")
    if wanted is None:
        wanted = "error" if {"code", "mentions"} & expect.keys() else 0 if "result" in expect else None
    if outcome.exit is None or outcome.exit < 0:
        if wanted is not None:
            yield Complaint(f"exit {wanted}", outcome.as_text())
    elif wanted == "error" or (wanted == "any" and outcome.exit != 0):
        yield from _error(expect, outcome, scene)
    elif isinstance(wanted, int) and outcome.exit != wanted:
        yield Complaint(f"exit {wanted}", outcome.as_text())


def _error(expect: Mapping[str, Any], outcome: Outcome, scene: Scene) -> Iterator[Complaint]:
    if outcome.exit == 0:
        yield Complaint("a failure", outcome.as_text())
        return
    document = outcome.document()
    wrong = "no single JSON object" if document is None else data.wrong("error", document)
    if document is None or wrong:
        yield Complaint(f"an error document on stdout ({wrong})", outcome.as_text(), _of_documents(outcome, scene))
        return
    if "code" in expect:
        codes = expect["code"] if isinstance(expect["code"], list) else [expect["code"]]
        if document["code"] not in codes:
            yield Complaint(f"error code {' or '.join(map(str, codes))}", outcome.as_text())
    text = f"{document['msg']} {document.get('details', '')}".lower()
    missing = [words for words in expect.get("mentions", []) if words.lower() not in text]
    if missing:
        yield Complaint(f"an error that mentions {', '.join(missing)}", outcome.as_text())


def _of_documents(outcome: Outcome, scene: Scene) -> tuple[str, ...]:
    """The requirement that a failure prints an error document."""
    if data.in_range(scene.version, "<1.0.0"):
        return ("ERR-2",)
    return ("STATUS-2",) if outcome.verb == "STATUS" and data.in_range(scene.version, ">=1.1.0") else ("ERR-3",)


def _stdout(wanted: str, outcome: Outcome, may_fail: bool) -> Iterator[Complaint]:
    if wanted == "empty" and outcome.stdout.strip() and (may_fail or outcome.exit == 0):
        yield Complaint("nothing on stdout", outcome.as_text())
    if wanted == "one document" and outcome.document() is None:
        yield Complaint("one JSON object on stdout", outcome.as_text())


def _result(wanted: Mapping[str, Any], outcome: Outcome, scene: Scene) -> Iterator[Complaint]:
    document = outcome.document()
    if document is None:
        yield Complaint("a result on stdout", outcome.as_text(), ("RES-1",))
        return
    if document.get("cniVersion") != scene.version:
        found = f"cniVersion {document.get('cniVersion')!r}"
        yield Complaint(f"a result with cniVersion {scene.version}", found, ("RES-2",))
    if wrong := data.wrong(f"result-{scene.version}", document):
        in_03 = data.in_range(scene.version, ">=0.3.0 <1.0.0")
        id = "RES-3" if data.in_range(scene.version, "<0.3.0") else "RES-4" if in_03 else "RES-5"
        yield Complaint(f"a result of the form of {scene.version} ({wrong})", outcome.as_text(), (id,))
    for text in subset.mismatches(wanted, document, scene.results):
        yield Complaint(f"a result as the case says: {text}", outcome.as_text())


def _document(wanted: Mapping[str, Any], outcome: Outcome, scene: Scene) -> Iterator[Complaint]:
    document = outcome.document()
    if document is None:
        is_error = outcome.exit != 0 and outcome.verb != "VERSION"
        ids = _of_documents(outcome, scene) if is_error else ()
        yield Complaint("one JSON object on stdout", outcome.as_text(), ids)
        return
    if outcome.verb == "VERSION" and outcome.exit == 0 and (wrong := data.wrong("version", document)):
        yield Complaint(f"an answer to VERSION of the right form ({wrong})", outcome.as_text(), ("VER-1",))
    for text in subset.mismatches(wanted, document, scene.results):
        yield Complaint(f"a document as the case says: {text}", outcome.as_text())


def _places(expect: Mapping[str, Any], scene: Scene) -> Iterator[Complaint]:
    for key in ("pod", "node"):
        wanted = expect.get(key, [])
        for one in wanted if isinstance(wanted, list) else [wanted]:
            number = one.get("n", scene.pod) if key == "pod" else 0
            place = f"pod {number}" if number else "node"
            link = one.get("link", scene.ifname)
            result = scene.result if number in (0, scene.pod) else scene.results.get(number)
            for expected, actual in state.complaints(one, link, place, scene.look(number), result):
                yield Complaint(expected, actual)


def _unchanged(expect: Mapping[str, Any], scene: Scene) -> Iterator[Complaint]:
    for since, stays in (
        (expect.get("unchanged"), []),
        (expect.get("unchanged but", {}).get("since"), expect.get("unchanged but", {}).get("except", [])),
    ):
        if since and (lines := scene.changes(since, stays)):
            yield Complaint(f"everything as at {since!r}", short("; ".join(lines), 1500))
