"""The picture, as SVG: latency by mode and verb, and the cost of an ADD against the leases beside it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from html import escape

from tests.bench.figures import quantile
from tests.bench.samples import NAMES, Run, Samples
from tests.bench.table import call

WIDTH = 960
LEFT, RIGHT = 64, 936
MARGIN = 44
"""Between the frame and the first mark."""
CLASSES = {title: name for name, title in NAMES.items()}

_STYLE = """
text { font: 13px system-ui, sans-serif; fill: var(--ink) } .title { font-size: 16px; font-weight: 600 }
.soft { fill: var(--soft) } .middle { text-anchor: middle } .end { text-anchor: end }
.surface { fill: var(--surface) } .grid { stroke: var(--grid) } .range { stroke-width: 3; opacity: .5 }
.line { fill: none; stroke-width: 2 } .mark { stroke: var(--surface); stroke-width: 1.5 }
"""
_COLOURS = {
    "light": {
        "surface": "#ffffff", "ink": "#1f2328", "soft": "#59636e", "grid": "#d9dee3",
        "reference": "#6b7280", "server": "#0969da", "standalone": "#c2570c", "killed": "#8250df",
    },
    "dark": {
        "surface": "#0d1117", "ink": "#e6edf3", "soft": "#9198a1", "grid": "#2a313a",
        "reference": "#a3abb5", "server": "#58a6ff", "standalone": "#f0883e", "killed": "#bc8cff",
    },
}  # fmt: skip
_SHAPES = {
    "reference": "M-5,-5H5V5H-5Z",
    "server": "M0,-6A6,6 0 1 1 0,6A6,6 0 1 1 0,-6Z",
    "standalone": "M0,-7L6.5,5H-6.5Z",
    "killed": "M0,-7L6.5,0L0,7L-6.5,0Z",
}


class Log:
    """Values of a logarithmic axis to points. `ticks` are 1, 2 and 5 of each decade, the axis ends at one."""

    def __init__(self, values: Iterable[float], begin: float, end: float) -> None:
        found = list(values)
        decades = range(math.floor(math.log10(min(found))), math.ceil(math.log10(max(found))) + 1)
        steps = [float(f"{digit}e{decade}") for decade in decades for digit in (1, 2, 5)]
        low = max(step for step in steps if step <= min(found))
        high = min(step for step in steps if step >= max(found) and step > low)
        self.ticks = [step for step in steps if low <= step <= high]
        self.begin, self.end = begin, end

    def __call__(self, value: float) -> float:
        low, high = math.log10(self.ticks[0]), math.log10(self.ticks[-1])
        return round(self.begin + (math.log10(value) - low) / (high - low) * (self.end - self.begin), 1)


def svg(run: Run) -> str:
    """A document; a part that was not measured is left out. It follows the reader's colour scheme."""
    panels: list[str] = []
    y = 84
    for part, panel in (("latency", _latency), ("leases", _leases)):
        if samples := run.part(part):
            panels += panel(samples, y, y + 270)
            y += 370
    titles = [title for title in CLASSES if any(title in row for row in run.samples.values())]
    height = y - 24
    body = [f'<rect class="surface" width="{WIDTH}" height="{height}" rx="8"/>', *_legend(titles), *panels]
    footer = [_text(LEFT, height - 14, f"{run.machine}; marks are medians, bars reach from min to p99", "soft")]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
            f"<title>Milliseconds per call of {escape(', '.join(titles))}</title>",
            f"<style>{_style()}</style>",
            *body,
            *footer,
            "</svg>\n",
        ]
    )


def _latency(samples: Samples, top: float, bottom: float) -> list[str]:
    """One column per call, the contenders beside one another in it."""
    scale = Log([1000 * s for row in samples.values() for found in row.values() for s in found], bottom, top)
    drawn = _axis(scale, top, "Latency of one call (ms, logarithmic)")
    step = (RIGHT - LEFT) / len(samples)
    for number, (key, row) in enumerate(samples.items()):
        centre = LEFT + (number + 0.5) * step
        if number:
            x = round(LEFT + number * step, 1)
            drawn.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{top}" y2="{bottom}"/>')
        drawn.append(_text(centre, bottom + 22, call(key), "middle"))
        for place, (title, seconds) in enumerate(row.items()):
            x = round(centre + (place - (len(row) - 1) / 2) * 22, 1)
            drawn += _mark(title, x, scale, [1000 * s for s in seconds])
    return drawn


def _leases(samples: Samples, top: float, bottom: float) -> list[str]:
    """One line per contender. No leases have no logarithm: they stand a decade left of the fewest."""
    adds = {int(key.case): row for key, row in samples.items() if key.verb == "ADD"}
    fewest = min((count for count in adds if count), default=1)
    places = {count: count or fewest / 10 for count in adds}
    across = Log(places.values(), LEFT + MARGIN, RIGHT - MARGIN)
    scale = Log([1000 * s for row in adds.values() for found in row.values() for s in found], bottom, top)
    drawn = _axis(scale, top, "ADD beside leases that are in the store (ms, both axes logarithmic)")
    drawn += [_text(across(places[count]), bottom + 22, f"{count:,}", "middle") for count in adds]
    drawn.append(_text((LEFT + RIGHT) / 2, bottom + 44, "leases in the store before the call", "soft middle"))
    for title in dict.fromkeys(title for row in adds.values() for title in row):
        points = {across(places[count]): row[title] for count, row in adds.items() if title in row}
        line = " ".join(f"{x},{scale(1000 * statistics.median(found))}" for x, found in points.items())
        drawn.append(f'<polyline class="line" points="{line}" stroke="var(--{CLASSES[title]})"/>')
        for x, found in points.items():
            drawn += _mark(title, x, scale, [1000 * s for s in found])
        x, found = points.popitem()
        last = 1000 * statistics.median(found)
        drawn.append(_text(x + 14, scale(last) + 4, f"{last:.3g}"))
    return drawn


def _axis(scale: Log, top: float, title: str) -> list[str]:
    drawn = [_text(LEFT, top - 16, title, "title")]
    for tick in scale.ticks:
        y = scale(tick)
        drawn.append(f'<line class="grid" x1="{LEFT}" x2="{RIGHT}" y1="{y}" y2="{y}"/>')
        drawn.append(_text(LEFT - 8, y + 4, f"{tick:g}", "soft end"))
    return drawn


def _mark(title: str, x: float, scale: Log, found: Sequence[float]) -> list[str]:
    """The range from min to p99, and the median upon it."""
    name = CLASSES[title]
    low, middle, high = min(found), statistics.median(found), quantile(found, 0.99)
    span = f'x1="{x}" x2="{x}" y1="{scale(low)}" y2="{scale(high)}"'
    hint = f"<title>{escape(title)}: median {middle:.3g} ms, min {low:.3g}, p99 {high:.3g}</title>"
    return [f'<line class="range" {span} stroke="var(--{name})"/>', _shape(name, x, scale(middle), hint)]


def _shape(name: str, x: float, y: float, inside: str = "") -> str:
    place = f'transform="translate({x},{y})"'
    return f'<path class="mark" d="{_SHAPES[name]}" {place} fill="var(--{name})">{inside}</path>'


def _legend(titles: Sequence[str]) -> list[str]:
    drawn = []
    for number, title in enumerate(titles):
        x = LEFT + 8 + 220 * number
        drawn += [_shape(CLASSES[title], x, 32), _text(x + 14, 36.5, title)]
    return drawn


def _text(x: float, y: float, text: str, classes: str = "") -> str:
    named = f' class="{classes}"' if classes else ""
    return f'<text x="{x:g}" y="{y:g}"{named}>{escape(text)}</text>'


def _style() -> str:
    light, dark = (
        "svg { " + "; ".join(f"--{name}: {colour}" for name, colour in colours.items()) + " }"
        for colours in _COLOURS.values()
    )
    return f"{light}\n@media (prefers-color-scheme: dark) {{ {dark} }}{_STYLE}"
