"""The bars: which ratio ours / reference each mode has to keep."""

from __future__ import annotations

from typing import NamedTuple

from tests.bench.figures import Ratio
from tests.bench.samples import REFERENCE, SERVER, STANDALONE, Key, Run


class Bar(NamedTuple):
    limit: float
    is_rate: bool = False
    """Pods or bits per second: more is better."""
    base: Key | None = None
    """The row of the same contender that it is compared with, instead of the reference."""

    def holds(self, ratio: Ratio) -> bool:
        return ratio.of_medians >= self.limit if self.is_rate else ratio.of_medians <= self.limit

    def __str__(self) -> str:
        return f"{'≥' if self.is_rate else '≤'} {self.limit:g}"


def _pair(key: Key, server: float, standalone: float, is_rate: bool = False) -> dict[tuple[Key, str], Bar]:
    return {(key, SERVER): Bar(server, is_rate), (key, STANDALONE): Bar(standalone, is_rate)}


BARS = {
    **_pair(Key("latency", "ADD", "IPv4"), 0.35, 5),
    **_pair(Key("latency", "ADD", "dual stack"), 0.4, 5),
    **_pair(Key("latency", "CHECK", "IPv4"), 0.4, 8),
    **_pair(Key("latency", "CHECK", "dual stack"), 0.4, 8),
    **_pair(Key("latency", "DEL", "IPv4"), 0.15, 3),
    **_pair(Key("latency", "DEL", "dual stack"), 0.15, 3),
    **_pair(Key("parallel", "ADD", "16"), 3, 0.4, is_rate=True),
    **_pair(Key("leases", "ADD", "60000"), 0.01, 0.1),
    (Key("conflist", "ADD", "bridge + ipMasq"), SERVER): Bar(0.12),
    (Key("conflist", "DEL", "bridge + ipMasq"), SERVER): Bar(0.06),
    **_pair(Key("conflist", "ADD", "whole conflist"), 0.1, 1),
    (Key("conflist", "DEL", "whole conflist"), SERVER): Bar(0.1),
    (Key("elements", "ADD", "5000"), SERVER): Bar(1.3, base=Key("elements", "ADD", "0")),
    (Key("throughput", "TCP", "pod to pod"), STANDALONE): Bar(0.97, is_rate=True),
    (Key("throughput", "TCP", "pod to outside"), STANDALONE): Bar(0.97, is_rate=True),
    (Key("throughput", "TCP", "pod to pod, guarded"), STANDALONE): Bar(0.9, is_rate=True),
}


def compared(run: Run, key: Key, title: str) -> tuple[list[float], list[float]] | None:
    """A row's samples of a contender and those that its bar, or else the table, holds them against."""
    row = run.samples.get(key, {})
    bar = BARS.get((key, title))
    if bar is not None and bar.base is not None:
        against = run.samples.get(bar.base, {}).get(title)
    else:
        against = row.get(REFERENCE) if title != REFERENCE else None
    return (row[title], against) if title in row and against else None
