"""What the benchmark prints and records."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench import record
from tests.bench.plot import svg
from tests.bench.samples import REFERENCE, SERVER, STANDALONE, Key, Run
from tests.bench.table import missed, tables, verdict
from tests.unit.bench_run import invented


def _row(lines: list[str], *cells: str) -> list[str]:
    """The one row that begins with these cells, an empty first cell being that of the row above."""
    first = ""
    found = []
    for line in lines:
        row = [cell.strip() for cell in line.strip("|").split("|")]
        first = row[0] or first
        if [first, *row[1 : len(cells)]] == list(cells):
            found.append(row)
    assert len(found) == 1, found
    return found[0]


def test_a_row_says_what_was_measured_and_whether_its_bar_holds() -> None:
    lines = tables(invented())
    assert _row(lines, "ADD IPv4", REFERENCE) == ["ADD IPv4", REFERENCE, "3", "9.00", "10.0", "11.0", "", "", "", ""]
    server = _row(lines, "ADD IPv4", SERVER)
    assert server[3:7] == ["1.80", "2.00", "2.20", "0.200"]
    assert server[8:] == ["≤ 0.35", "held"]
    assert _row(lines, "DEL IPv4", SERVER)[8:] == ["≤ 0.15", "NOT held"]
    assert _row(lines, "VERSION", SERVER)[8:] == ["", ""]


def test_rates_and_leases_have_their_own_units() -> None:
    lines = tables(invented())
    assert _row(lines, "ADD, 16 at a time", SERVER)[5:9] == ["400", "4.00", "4.00 to 4.00", "≥ 3"]
    assert _row(lines, "ADD, 60,000 leases", REFERENCE)[4] == "1010"


def test_the_cost_of_an_add_is_told_in_milliseconds_and_megabytes() -> None:
    assert _row(tables(invented()), "IPv4", SERVER)[2:] == ["3.00", "", "1.00", "40.0", ""]


def test_bars_that_do_not_hold_are_named() -> None:
    assert missed(invented()) == [
        f"DEL IPv4 ({SERVER})",
        f"DEL dual stack ({SERVER})",
        f"ADD, 60,000 leases ({SERVER})",
        f"ADD, 60,000 leases ({STANDALONE})",
        f"ADD of bridge + ipMasq ({SERVER})",
        f"DEL of bridge + ipMasq ({SERVER})",
        f"ADD of whole conflist ({SERVER})",
        f"ADD of whole conflist ({STANDALONE})",
        f"DEL of whole conflist ({SERVER})",
        f"ADD, 5,000 pods ({SERVER})",
        f"TCP pod to pod ({STANDALONE})",
        f"TCP pod to outside ({STANDALONE})",
    ]
    assert verdict(invented()).startswith("Bars: 24 held, 12 not held, 0 not measured. Not held: DEL IPv4 (")


def test_beside_other_pods_a_row_is_held_against_the_one_with_none() -> None:
    lines = tables(invented())
    assert _row(lines, "ADD, 5,000 pods", SERVER)[6:] == ["1.50", "1.50 to 1.50", "≤ 1.3 of its own", "NOT held"]
    assert _row(lines, "ADD, 0 pods", SERVER)[6:] == ["", "", "", ""]


def test_what_was_not_measured_is_neither_told_nor_missed() -> None:
    run = Run("a machine", [0.001])
    run.add(Key("latency", "ADD", "IPv4"), SERVER, 0.002)
    assert missed(run) == []
    assert verdict(run) == "Bars: 0 held, 0 not held, 36 not measured."
    assert not any("leases" in line for line in tables(run))
    assert _row(tables(run), "ADD IPv4", SERVER)[6:] == ["", "", "", ""]


def test_every_line_of_a_table_is_as_wide() -> None:
    widths = {len(line) for line in tables(invented())[2:20] if line.startswith("|")}
    assert len(widths) == 1


def test_a_record_replaces_what_stood_between_the_marks() -> None:
    page = f"before\n{record.BEGIN}\nold\n{record.END}\nafter\n"
    once = record.replaced(page, invented(), "2026-01-02")
    assert once.startswith(f"before\n{record.BEGIN}\n") and once.endswith(f"{record.END}\nafter\n")
    assert "old" not in once and "2026-01-02" in once and "costs 2.0 ms" in once
    assert record.replaced(once, invented(), "2026-01-02") == once


def test_the_picture_is_written_beside_the_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"{record.BEGIN}{record.END}")
    record.write(invented(), page)
    assert "| ADD IPv4 " in page.read_text()
    assert (tmp_path / "page.svg").read_text() == svg(invented())


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="bench"):
        record.replaced("nothing", invented(), "2026-01-02")


def test_the_page_has_its_marks() -> None:
    assert "2026-01-02" in record.replaced(record.PAGE.read_text(), invented(), "2026-01-02")
