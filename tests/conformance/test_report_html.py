"""The HTML page: one file, well-formed, everything escaped, and each link leads somewhere."""

import re
from html.parser import HTMLParser

import pytest

from conformance import report, results
from conformance.report import markup

from .sample import HOSTILE, VERSIONS, document, failure, hostile, large, mixed, run

VOID = {"meta", "input"}


class Page(HTMLParser):
    """Elements with attributes and text; fails for tags that do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.stack: list[str] = []
        self.feed(text)
        self.close()
        assert self.stack == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.stack[-1] if self.stack else "", data))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def page(*documents: results.Document) -> Page:
    return Page(report.render("html", documents))


MANY = [mixed(label="one"), hostile(), large(70, label="three"), document(label="four")]


@pytest.mark.parametrize(
    "documents",
    [[mixed()], [hostile()], [document()], [large()], MANY],
    ids=["mixed", "hostile", "empty", "large", "many"],
)
def test_pages_are_well_formed_with_unique_ids_and_links_that_lead_somewhere(
    documents: list[results.Document],
) -> None:
    shown = page(*documents)
    ids = [attributes["id"] for _, attributes in shown.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    local = [str(a["href"])[1:] for a in shown.all("a") if str(a["href"]).startswith("#")]
    assert local
    assert set(local) <= set(ids)


def test_the_page_needs_no_network_and_runs_no_script_but_its_own() -> None:
    shown = page(hostile())
    assert len(shown.all("script")) == len(shown.all("style")) == 1
    assert not {"link", "img", "iframe", "object", "base"} & {tag for tag, _ in shown.elements}
    for _, attributes in shown.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "src"]
        assert str(attributes.get("href", "#")).startswith(("#", "https://"))
    policy = next(str(m["content"]) for m in shown.all("meta") if "http-equiv" in m)
    assert policy.startswith("default-src 'none'")
    assert "script-src 'sha256-" in policy
    style = next(text for tag, text in shown.texts if tag == "style")
    assert not re.search("url|@import", style)


def test_hostile_text_is_shown_as_text() -> None:
    shown = page(hostile())
    pres = [text for tag, text in shown.texts if tag == "pre"]
    assert report.plain(HOSTILE) in pres
    assert sum("<script>alert(1)" in text for _, text in shown.texts) >= 8


def test_a_link_that_is_no_web_address_is_no_link() -> None:
    for anchor, linked in (("https://example.org/SPEC.md#del", True), ("javascript:alert(1)", False), ("#a", False)):
        entry = {"id": "DEL-3", "level": "must", "text": "t", "anchor": anchor}
        shown = page(document(run("del-a", "DEL-3", failures=[failure("DEL-3")]), requirements=[entry]))
        assert (anchor in [a["href"] for a in shown.all("a")]) is linked


def test_cells_have_a_sign_and_a_word_beside_their_colour() -> None:
    text = report.render("html", [mixed()])
    assert '<td class="v pass" title="passed">✓</td>' in text
    assert '<td class="v fail" title="failed"><a href="#f0-0" aria-label="failed">✗</a></td>' in text
    assert '<td class="v waived" title="waived: there is no GC by design">~</td>' in text
    assert '<td class="v broken" title="broken: the world could not be made">!</td>' in text
    assert '<td class="v na" title="not applicable: GC is of 1.1.0">\N{EN DASH}</td>' in text


def test_the_matrix_of_one_document_has_a_column_per_version() -> None:
    text = report.render("html", [mixed()])
    assert "".join(f'<th scope="col">{version}</th>' for version in VERSIONS) in text
    row = re.search(r"<tr[^>]*><th scope=\"row\"><span>del-twice.*?</tr>", text)
    assert row
    assert re.findall("[✓✗]", row[0]) == [*"✓✓✓✓✓✗✗"]
    assert 'data-verdict="fail pass" data-level="must" data-words="DEL-3"' in row[0]


def test_several_plugins_stand_side_by_side_with_a_count_where_versions_differ() -> None:
    text = report.render("html", [mixed(label="one"), document(run("del-twice", "DEL-3"), label="two")])
    assert '<th scope="col">one</th><th scope="col">two</th>' in text
    row = re.search(r"<tr[^>]*><th scope=\"row\"><span>del-twice.*?</tr>", text)
    assert row
    assert "<small>2/7</small>" in row[0]
    assert re.findall("[✓✗]", row[0]) == ["✗", "✓"]


def test_a_failure_shows_clause_expectation_replay_and_calls() -> None:
    call = {"step": 1, "verb": "DEL", "exit": 1, "seconds": 0.1, "stdout": "the output", "stderr": ""}
    text = report.render("html", [document(run("del-a", "DEL-3", failures=[failure("DEL-3")], calls=[call]))])
    story = text[text.index('<details id="f0-0"') :]
    for part in ("DEL-3", "MUST", "DEL of what is gone succeeds", "step 1, call DEL", "exit 0", "exit 1",
                 "python -m conformance", "step 1: DEL, exit 1", "the output"):  # fmt: skip
        assert part in story


def test_fifteen_hundred_runs_make_a_page_of_less_than_a_megabyte() -> None:
    assert len(report.render("html", [large(1500)]).encode()) < 1_000_000


def test_markup_escapes_children_and_attributes() -> None:
    made = markup.tag("a", "<&>", [markup.Markup("<b>"), '"'], class_='"><', data_x="\x00", hidden=True, id=None)
    assert made == '<a class="&quot;&gt;&lt;" data-x="\\x00" hidden>&lt;&amp;&gt;<b>&quot;</a>'


def test_a_card_says_what_its_score_leaves_out_and_why_the_session_ended_early() -> None:
    runs = [
        run("ports-open", verdict="na", reason="the profile has no host-ports"),
        run("del-twice", "DEL-3", verdict="na", reason="not judged: the machine has no memory left"),
    ]
    texts = [text for _, text in page(document(*runs)).texts]
    assert "1 not applicable: host-ports (1 case)" in texts
    assert "not judged: the machine has no memory left (1 run)" in texts
    assert not [text for _, text in page(document()).texts if "not applicable:" in text or "not judged:" in text]
