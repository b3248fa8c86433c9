"""A run written into docs/performance.md, between its marks, and its picture beside it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from tests.bench.plot import svg
from tests.bench.samples import Run
from tests.bench.table import tables
from tests.world.places import REPOSITORY

PAGE = REPOSITORY / "docs/performance.md"
BEGIN, END = "<!-- bench: begin, written by `make bench RECORD=1` -->", "<!-- bench: end -->"


def write(run: Run, page: Path = PAGE) -> None:
    """ValueError where the page has not its two marks."""
    page.write_text(replaced(page.read_text(), run, date.today().isoformat()))
    page.with_suffix(".svg").write_text(svg(run))


def replaced(text: str, run: Run, day: str) -> str:
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"no {BEGIN} and {END}")
    harness = sorted(run.harness)[len(run.harness) // 2] * 1000
    told = f"{day}: {run.machine}. Starting any program (/bin/true) costs {harness:.1f} ms of each call."
    return "\n".join([head + BEGIN, "", told, "", *tables(run), "", END]) + tail
