"""The bars: which ratio each mode has to keep, to the reference as a rule."""

from __future__ import annotations

from typing import NamedTuple

from tests.bench.figures import Ratio, ratio
from tests.bench.samples import IN_PROCESS, REFERENCE, SERVER, STANDALONE, Key, Run


class Bar(NamedTuple):
    limit: float
    is_rate: bool = False
    """Calls or pods per second: more is better."""
    own: Key | None = None
    """Held against the contender's own samples there."""
    is_seconds: bool = False
    """Held against a second."""

    def holds(self, ratio: Ratio) -> bool:
        return ratio.of_medians >= self.limit if self.is_rate else ratio.of_medians <= self.limit

    def __str__(self) -> str:
        unit = " s" if self.is_seconds else " of its own" if self.own else ""
        return f"{'≥' if self.is_rate else '≤'} {self.limit:g}{unit}"


def _pair(key: Key, server: float, standalone: float, is_rate: bool = False) -> dict[tuple[Key, str], Bar]:
    return {(key, SERVER): Bar(server, is_rate), (key, STANDALONE): Bar(standalone, is_rate)}


def _flat(verb: str, title: str) -> dict[tuple[Key, str], Bar]:
    """At 60,000 leases a call may cost 1.3 times what it does at none."""
    return {(Key("store", verb, "60000"), title): Bar(0.77, is_rate=True, own=Key("store", verb, "0"))}


BARS = {
    **_pair(Key("latency", "ADD", "IPv4"), 0.35, 5),
    **_pair(Key("latency", "ADD", "dual stack"), 0.4, 5),
    **_pair(Key("latency", "CHECK", "IPv4"), 0.4, 8),
    **_pair(Key("latency", "CHECK", "dual stack"), 0.4, 8),
    **_pair(Key("latency", "DEL", "IPv4"), 0.15, 3),
    **_pair(Key("latency", "DEL", "dual stack"), 0.15, 3),
    **_pair(Key("parallel", "ADD", "16"), 3, 0.4, is_rate=True),
    **_pair(Key("leases", "ADD", "60000"), 0.01, 0.1),
    **_flat("ADD", SERVER),
    **_flat("DEL", SERVER),
    **_flat("ADD", STANDALONE),
    **_flat("DEL", STANDALONE),
    **_flat("ADD", IN_PROCESS),
    **_flat("DEL", IN_PROCESS),
    (Key("last", "ADD", "/16"), SERVER): Bar(0.01, is_seconds=True),
    (Key("last", "ADD", "/16"), IN_PROCESS): Bar(0.01, is_seconds=True),
    (Key("collect", "GC", "10,000 leases"), SERVER): Bar(1, is_seconds=True),
    (Key("collect", "GC", "10,000 leases"), STANDALONE): Bar(1, is_seconds=True),
    (Key("collect", "GC", "10,000 leases"), IN_PROCESS): Bar(1, is_seconds=True),
    (Key("conflist", "ADD", "bridge + ipMasq"), SERVER): Bar(0.12),
    (Key("conflist", "DEL", "bridge + ipMasq"), SERVER): Bar(0.06),
    **_pair(Key("conflist", "ADD", "whole conflist"), 0.1, 1),
    (Key("conflist", "DEL", "whole conflist"), SERVER): Bar(0.1),
    (Key("elements", "ADD", "5000"), SERVER): Bar(1.3, own=Key("elements", "ADD", "0")),
    (Key("throughput", "TCP", "pod to pod"), STANDALONE): Bar(0.97, is_rate=True),
    (Key("throughput", "TCP", "pod to outside"), STANDALONE): Bar(0.97, is_rate=True),
    (Key("throughput", "TCP", "pod to pod, guarded"), STANDALONE): Bar(0.9, is_rate=True),
}


def measured(run: Run, key: Key, title: str) -> Ratio | None:
    """What the bar is about, or, where there is none, the ratio to the reference; None where that was not measured."""
    bar, row = BARS.get((key, title)), run.samples.get(key, {})
    against = row.get(REFERENCE, [])
    if bar and bar.is_seconds:
        against = [1.0]
    elif bar and bar.own:
        against = run.samples.get(bar.own, {}).get(title, [])
    return ratio(row[title], against) if title in row and against else None
