"""The tables: Markdown, figures of every contender beside those of the reference, and the bars."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from tests.bench.bars import BARS, measured
from tests.bench.figures import quantile
from tests.bench.samples import REFERENCE, Key, Run, Samples

_HEAD = ["min", "median", "p99", "÷ reference", "95 % of it", "bar", ""]


def tables(run: Run) -> list[str]:
    """Lines; a part that was not measured is left out."""
    lines: list[str] = []
    for part, title, unit, scale in (
        ("latency", "One call", "ms", 1e3),
        ("parallel", "Many at a time", "pods per second", 1),
        ("leases", "Beside leases that are in the store", "ms", 1e3),
        ("store", "The IPAM plugin alone, beside leases", "calls per second", 1),
        ("last", "The IPAM plugin alone, the last free address", "ms", 1e3),
        ("collect", "The IPAM plugin alone, all leases are garbage", "ms", 1e3),
        ("conflist", "A whole conflist: ours is one plugin, the reference's a chain with iptables", "ms", 1e3),
        ("elements", "Beside the rules of other pods; ÷ with none", "ms", 1e3),
        ("throughput", "What a TCP stream carries", "Gbit/s", 1e-9),
    ):
        if samples := run.part(part):
            lines += [f"**{title}** ({unit})", "", *_compared(run, samples, scale), ""]
    if run.part("cpu"):
        lines += ["**What one ADD uses**", "", *_used(run), ""]
    return [*lines, verdict(run)]


def missed(run: Run) -> list[str]:
    """The bars that were measured and do not hold."""
    return [f"{call(key)} ({title})" for key, title in BARS if _holds(run, key, title) is False]


def verdict(run: Run) -> str:
    found = [_holds(run, key, title) for key, title in BARS]
    counts = f"Bars: {found.count(True)} held, {found.count(False)} not held, {found.count(None)} not measured."
    return f"{counts} Not held: {'; '.join(missed(run))}." if missed(run) else counts


def _holds(run: Run, key: Key, title: str) -> bool | None:
    found = measured(run, key, title)
    return BARS[key, title].holds(found) if found else None


def call(key: Key) -> str:
    """What was called, in words."""
    if key.part == "parallel":
        return f"{key.verb}, {key.case} at a time"
    if key.part in ("leases", "store"):
        return f"{key.verb}, {int(key.case):,} leases{' (ipam alone)' if key.part == 'store' else ''}"
    if key.part == "elements":
        return f"{key.verb}, {int(key.case):,} pods"
    if key.part == "conflist":
        return f"{key.verb} of {key.case}"
    return f"{key.verb} {key.case}".strip()


def _compared(run: Run, samples: Samples, scale: float) -> list[str]:
    rows = [["call", "who", "n", *_HEAD]]
    for key, row in samples.items():
        for title, found in row.items():
            figures = [min(found), statistics.median(found), quantile(found, 0.99)]
            told = "" if title != next(iter(row)) else call(key)
            rows.append([told, title, str(len(found)), *(_number(figure * scale) for figure in figures)])
            rows[-1] += _beside(run, key, title)
    return _markdown(rows, left=2)


def _beside(run: Run, key: Key, title: str) -> list[str]:
    found, bar = measured(run, key, title), BARS.get((key, title))
    if found is None or title == REFERENCE:
        return ["", "", "", ""]
    figures = [_number(found.of_medians), f"{_number(found.low)} to {_number(found.high)}"]
    return [*figures, *([str(bar), "held" if bar.holds(found) else "NOT held"] if bar else ["", ""])]


def _used(run: Run) -> list[str]:
    """Medians. What the server holds it holds once for all pods."""
    columns = {
        "CPU of the call, ms": ("cpu", 1e3),
        "CPU of the server, ms": ("server cpu", 1e3),
        "largest process of the call, MB": ("peak", 1e-6),
        "server PSS, MB": ("server PSS", 1e-6),
        "server RSS, MB": ("server RSS", 1e-6),
    }
    rows = [["ADD", "who", *columns]]
    for (_, _, stack), row in run.part("cpu").items():
        for title in row:
            found = [run.samples.get(Key(part, "ADD", stack), {}).get(title) for part, _ in columns.values()]
            scales = [scale for _, scale in columns.values()]
            told = stack if title == next(iter(row)) else ""
            figures = [_number(statistics.median(f) * s) if f else "" for f, s in zip(found, scales, strict=True)]
            rows.append([told, title, *figures])
    return _markdown(rows, left=2)


def _number(value: float) -> str:
    """About three significant digits."""
    digits = next(digits for least, digits in ((100, 0), (10, 1), (1, 2), (0.1, 3), (0, 4)) if value >= least)
    return f"{value:.{digits}f}"


def _markdown(rows: Sequence[Sequence[str]], left: int) -> list[str]:
    """The first `left` columns are words."""
    widths = [max(2, *map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        [
            cell.ljust(width) if number < left else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        for row in rows
    ]
    rule = ["-" * width if number < left else "-" * (width - 1) + ":" for number, width in enumerate(widths)]
    return [f"| {' | '.join(line)} |" for line in (lines[0], rule, *lines[1:])]
