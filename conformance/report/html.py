"""One HTML page without network: summary, matrix of cases, failures and requirements; several plugins side by side."""

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from importlib import resources

from conformance.report import (
    SIGN,
    WORD,
    absent,
    conclusion,
    covered,
    findings,
    held,
    judged_versions,
    line,
    name,
    reasons,
    short,
    stopped,
    tally,
    unlisted,
)
from conformance.report.html_cases import failures, linked, matrix
from conformance.report.markup import Markup, join, tag
from conformance.results import LEVELS, Document


def render(documents: Sequence[Document]) -> str:
    """The page; ValueError for no document."""
    if not documents:
        raise ValueError("no result document")
    title = "CNI conformance: " + ", ".join(name(document) for document in documents)
    style, script = (resources.files("conformance.report").joinpath(f"page.{end}").read_text() for end in ("css", "js"))
    digest = b64encode(sha256(script.encode()).digest()).decode()
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag(
            "meta",
            http_equiv="Content-Security-Policy",
            content=f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'",
        ),
        tag("title", title),
        tag("style", Markup(style)),
    )
    body = tag("body", _top(documents), tag("main", _parts(documents)), tag("script", Markup(script)))
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def _parts(documents: Sequence[Document]) -> Markup:
    return join(
        tag("section", [_card(document) for document in documents], class_="cards"),
        _filters(),
        matrix(documents),
        [failures(number, document, len(documents) > 1) for number, document in enumerate(documents)],
        _requirements(documents),
        [_asides(document, len(documents) > 1) for document in documents],
        tag("p", "No row is left by the filters.", id="none", hidden=True),
    )


def _top(documents: Sequence[Document]) -> Markup:
    links = [("#cases", "Cases"), ("#failures-0", "Failures"), ("#requirements", "Requirements")]
    if not any(findings(document) for document in documents[:1]):
        del links[1]
    nav = tag("nav", [tag("a", text, href=target) for target, text in links])
    return tag("header", tag("h1", "CNI conformance"), nav)


def _card(document: Document) -> Markup:
    plugin = document["plugin"]
    verdict = ("pass", "fail", "broken")[document["verdict"]]
    facts = [
        ("plugin", plugin["path"]),
        ("profile", plugin["profile"]),
        ("sha256", plugin["sha256"][:16]),
        ("versions", " ".join(judged_versions(document)) or "none"),
        ("judged", f"{document['started']}, {document['seconds']:.1f} s"),
        ("machine", document["machine"]),
    ]
    return tag(
        "article",
        tag("h2", name(document)),
        tag("p", f"{SIGN[verdict]} {conclusion(document)}", class_=f"verdict {verdict}"),
        tag("p", early, class_="verdict broken") if (early := stopped(document)) else None,
        tag("div", [_score(document, level) for level in LEVELS], class_="scores"),
        [tag("p", tag("small", told)) for told in (absent(document), unlisted(document)) if told],
        tag("dl", [join(tag("dt", key), tag("dd", line(value))) for key, value in facts]),
    )


def _score(document: Document, level: str) -> Markup:
    good, judged = held(document, level)
    count = tally(document, level)
    shown = [verdict for verdict in ("pass", "fail", "broken", "waived") if count[verdict]]
    bar = tag("div", [tag("i", class_=verdict, style=f"flex:{count[verdict]}") for verdict in shown], class_="bar")
    others = [f"{count[verdict]} {WORD[verdict]}" for verdict in ("fail", "broken", "waived") if count[verdict]]
    others.append(covered(document, level))
    return tag("div", tag("b", f"{good}/{judged}"), f" {level.upper()}", bar, tag("small", ", ".join(others)))


def _filters() -> Markup:
    def select(label: str, options: Sequence[tuple[str, str]]) -> Markup:
        return tag(
            "select", [tag("option", text, value=value) for value, text in options], data_by=label, aria_label=label
        )

    verdicts = [("", "any verdict"), *((verdict, WORD[verdict]) for verdict in SIGN)]
    levels = [("", "any level"), *((level, level.upper()) for level in LEVELS)]
    search = tag("input", type="search", placeholder="case, requirement, words", aria_label="search")
    legend = tag(
        "span", [tag("span", tag("b", SIGN[v], class_=f"v {v}"), f" {WORD[v]}") for v in SIGN], class_="legend"
    )
    return join(tag("form", search, select("verdict", verdicts), select("level", levels), hidden=True), legend)


def _requirements(documents: Sequence[Document]) -> Markup:
    known = {entry["id"]: entry for document in documents for entry in document["requirements"]}
    by = [{entry["id"]: entry["verdict"] for entry in document["requirements"]} for document in documents]
    rows = []
    for number, entry in known.items():
        verdicts = [verdict.get(number, "uncovered") for verdict in by]
        cells = [tag("td", SIGN[v], class_=f"v {v}", title=WORD[v]) for v in verdicts]
        text = tag(
            "td", entry["text"], tag("small", " (not observable)") if not entry.get("observable", True) else None
        )
        rows.append(
            tag("tr", tag("th", linked(entry), tag("small", entry["level"].upper()), scope="row"), cells, text,
                data_verdict=" ".join(dict.fromkeys(verdicts)), data_level=entry["level"])
        )  # fmt: skip
    names = [short(name(document), 40) for document in documents] if len(documents) > 1 else ["holds"]
    head = tag("thead", tag("tr", tag("th", "clause"), [tag("th", n, scope="col") for n in names], tag("th", "text")))
    table = tag("table", head, tag("tbody", rows), class_="clauses")
    return tag("section", tag("h2", "Requirements"), tag("div", table), id="requirements")


def _asides(document: Document, several: bool) -> Markup:
    parts = []
    for verdict in ("broken", "waived", "na"):
        if by := reasons(document, verdict):
            title = WORD[verdict].capitalize() + (f": {name(document)}" if several else "")
            entries = [join(tag("dt", line(reason)), tag("dd", ", ".join(cases))) for reason, cases in by.items()]
            parts.append(tag("details", tag("summary", tag("b", title)), tag("dl", entries), open=verdict == "broken"))
    return tag("section", parts, class_="asides") if parts else Markup()
