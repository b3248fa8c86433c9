"""The terminal: progress while runs arrive, then a table of areas and versions, the failures and the conclusion.

On a terminal the progress is one line that is rewritten; elsewhere (CI) each area gets a line when its last run is in.
"""

import os
import shutil
import textwrap
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TextIO

from conformance.report import (
    SIGN,
    WORD,
    Finding,
    absent,
    areas,
    conclusion,
    covered,
    failed_at,
    findings,
    held,
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
from conformance.results import LEVELS, Document, Run

COLOUR = {"pass": "32", "fail": "31;1", "broken": "35;1", "waived": "33", "na": "2", "bold": "1", "dim": "2"}
FRAME = 0.05  # seconds between two redraws
LONG = 1000  # characters of an expected or actual value
MANY = 3  # failures of a case that are shown


class Terminal:
    """Writes to `stream`; `planned`: area -> number of runs. A line that is redrawn, and colour, only on a tty."""

    def __init__(self, stream: TextIO, planned: Mapping[str, int]) -> None:
        self.stream = stream
        self.tty = stream.isatty()
        self.colour = self.tty and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self.width = max(40, shutil.get_terminal_size((100, 24)).columns)
        self.left = Counter(planned)
        self.total = sum(planned.values())
        self.count: Counter[str] = Counter()
        self.by_area: dict[str, Counter[str]] = {area: Counter() for area in planned}
        self.running: dict[str, None] = {}
        self.drawn = 0.0
        self.no_add = ""
        """A run that failed at its ADD, where no ADD of the session succeeded."""

    def started(self, run: str) -> None:
        """`run` ("case@version") is being played."""
        self.running[run] = None
        self._progress()

    def arrived(self, run: Run) -> None:
        """A settled run."""
        self.running.pop(f"{run['case']}@{run['version']}", None)
        area, verdict = run["area"], run["verdict"]
        self.count[verdict] += 1
        self.by_area.setdefault(area, Counter())[verdict] += 1
        self.left[area] -= 1
        if not self.tty and self.left[area] == 0:
            self._write(f"{line(area):<16} {self._counts(self.by_area[area])}\n")
        self._progress()

    def summary(self, document: Document) -> None:
        """What is said at the end."""
        if self.tty:
            self._write("\r\x1b[K")
        self._write(f"\n{self._paint('bold', name(document))}\n")
        plugin = document["plugin"]
        about = f"{plugin['path']}, profile {plugin['profile']}, sha256 {plugin['sha256'][:12]}, {document['machine']}"
        self._write(f"{line(about)}\n")
        self._tables(document)
        for found in findings(document).values():
            self._failed(found, document)
        for verdict in ("broken", "waived"):
            for reason, cases in reasons(document, verdict).items():
                self._write(f"\n{self._paint(verdict, verdict.upper())} {line(reason)}\n")
                self._wrapped("  ", " ".join(map(line, cases)))
        self._conclusion(document)

    def _progress(self) -> None:
        now = time.monotonic()
        if not self.tty or now - self.drawn < FRAME:
            return
        self.drawn = now
        text = f"{sum(self.count.values())}/{self.total}  {self._counts(self.count, painted=False)}"
        text += f"  {line(next(iter(self.running), ''))}"
        self._write(f"\r\x1b[K{text[: self.width - 1]}")

    def _counts(self, count: Mapping[str, int], painted: bool = True) -> str:
        shown = [(v, f"{count.get(v, 0)} {WORD[v]}") for v in SIGN if count.get(v, 0) or v in ("pass", "fail")]
        return ", ".join(self._paint(v, text) if painted and count.get(v, 0) else text for v, text in shown)

    def _tables(self, document: Document) -> None:
        """As many tables beside the areas' names as the width asks for."""
        known = versions([document])
        rows = [(area, _by_version(document, area)) for area in areas([document])]
        label = max([4, *(len(line(area)) for area, _ in rows)])
        texts = [_cell(count) for _, by_version in rows for count in by_version.values()]
        column = max([5, *(len(version) for version in known), *(len(text) for text in texts)])
        fits = max(1, (self.width - label) // (column + 2))
        for start in range(0, len(known), fits):
            part = known[start : start + fits]
            self._write("\n" + " " * label + "".join(f"  {version:>{column}}" for version in part) + "\n")
            for area, by_version in rows:
                cells = [by_version.get(version, Counter()) for version in part]
                painted = [self._paint(worst(count), f"{_cell(count):>{column}}") for count in cells]
                self._write(f"{line(area):<{label}}  " + "  ".join(painted) + "\n")
        if known:
            self._write(self._paint("dim", f"passed; F failed, B broken, W waived; {SIGN['na']} not applicable") + "\n")

    def _failed(self, found: Sequence[Finding], document: Document) -> None:
        """What failed in a case; clauses once, where one finding after the other names the same."""
        run, at = found[-1].run, failed_at(found)
        head = f"{self._paint('fail', 'FAIL')} {self._paint('bold', line(run['case']))}"
        self._write(f"\n{head}  {self._paint('dim', 'at ' + ' '.join(at))}\n")
        self._wrapped("  ", line(run["title"]))
        known = {entry["id"]: entry for entry in document["requirements"]}
        named: list[str] = []
        for finding, said in with_stderr(found[:MANY]):
            if finding.failure["proves"] != named:
                named = finding.failure["proves"]
                for proved in named:
                    self._clause(known.get(proved, {"id": proved, "level": finding.failure["level"]}))
            self._finding(finding, said, finding.versions != at)
        if len(found) > MANY:
            self._write(f"  and {len(found) - MANY} more\n")
        self._write(f"  replay   {line(run.get('replay', ''))}\n")

    def _clause(self, entry: Mapping[str, str]) -> None:
        self._wrapped("  ", f"{line(entry['id'])} ({entry['level'].upper()}) {line(entry.get('text', ''))}", "    ")
        if entry.get("anchor"):
            self._write(self._paint("dim", f"    {line(entry['anchor'])}") + "\n")

    def _finding(self, finding: Finding, said: str, with_versions: bool) -> None:
        failure = finding.failure
        at = self._paint("dim", f"  at {' '.join(finding.versions)}") if with_versions else ""
        self._write(f"  step {failure['step']}, {line(failure['what'])}{at}\n")
        self._wrapped("    expected ", plain(short(failure["expected"], LONG)))
        self._wrapped("    actual   ", plain(short(failure["actual"], LONG)))
        if said:
            self._wrapped("    stderr   ", plain(said))

    def _conclusion(self, document: Document) -> None:
        self._write("\n")
        for level in LEVELS:
            good, judged = held(document, level)
            count = tally(document, level)
            parts = [f"{good} of {judged} judged hold"]
            parts += [f"{count[v]} {WORD[v]}" for v in ("fail", "broken", "waived", "na") if count[v]]
            self._wrapped(f"{level.upper():<7}", f"{', '.join(parts)}; {covered(document, level)}")
        if left_out := absent(document):
            self._wrapped("CASES  ", left_out)
        if judged_blindly := unlisted(document):
            self._wrapped("NOTE   ", judged_blindly)
        if self.no_add:
            self._wrapped("HINT   ", f"every ADD failed; begin with {line(self.no_add)}: most cases need one")
        if early := stopped(document):
            self._write(self._paint("broken", early.upper()) + "\n")
        verdict = ("pass", "fail", "broken")[document["verdict"]]
        runs = self._counts(Counter(run["verdict"] for run in document["runs"]))
        self._write(f"{len(document['runs'])} runs in {document['seconds']:.1f} s: {runs}\n")
        self._write(self._paint(verdict, conclusion(document)) + "\n")
        self.stream.flush()

    def _wrapped(self, first: str, text: str, rest: str | None = None) -> None:
        """Paragraphs that keep their line breaks; long words (JSON) are cut at the width."""
        indent = " " * len(first) if rest is None else rest
        for paragraph in text.splitlines() or [""]:
            filled = textwrap.fill(paragraph, self.width, initial_indent=first, subsequent_indent=indent)
            self._write((filled or first.rstrip()) + "\n")
            first = indent

    def _paint(self, kind: str, text: str) -> str:
        return f"\x1b[{COLOUR[kind]}m{text}\x1b[0m" if self.colour and kind in COLOUR else text

    def _write(self, text: str) -> None:
        """In the stream's own encoding, with `?` for what it cannot say."""
        encoding = self.stream.encoding or "utf-8"
        try:
            self.stream.write(text.encode(encoding, "replace").decode(encoding))
            self.stream.flush()
        except BrokenPipeError:
            silence(self.stream)


def silence(stream: TextIO) -> None:
    """Nobody reads it any more: what is written to it, and what is left in its buffer, goes nowhere."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)


def _by_version(document: Document, area: str) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for run in document["runs"]:
        if run["area"] == area:
            found.setdefault(run["version"], Counter())[run["verdict"]] += 1
    return found


def _cell(count: Mapping[str, int]) -> str:
    """`12`, or `10 F2 W1`; a dash where nothing applies."""
    marks = [f"{verdict[0].upper()}{count[verdict]}" for verdict in ("fail", "broken", "waived") if count.get(verdict)]
    return " ".join([str(count["pass"])] * bool(count.get("pass") or marks) + marks) or SIGN["na"]
