"""The benchmark's picture."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from tests.bench.plot import CLASSES, WIDTH, Log, svg
from tests.bench.samples import NAMES, Key, Run
from tests.unit.bench_run import invented

_SVG = "{http://www.w3.org/2000/svg}"


def test_decades_are_equally_far() -> None:
    scale = Log([1, 100], 0, 200)
    assert [scale(value) for value in (1, 10, 100)] == [0, 100, 200]


@pytest.mark.parametrize(
    ("values", "ticks"),
    [([3, 4], [2, 5]), ([0.3, 1], [0.2, 0.5, 1]), ([5, 5], [5, 10]), ([1, 1], [1, 2]), ([9, 11], [5, 10, 20])],
)
def test_an_axis_begins_and_ends_at_a_tick(values: list[float], ticks: list[float]) -> None:
    scale = Log(values, 100, 0)
    assert scale.ticks == ticks
    assert all(0 <= scale(value) <= 100 for value in values)


def test_every_contender_has_a_mark_per_call_and_one_in_the_legend() -> None:
    root = ElementTree.fromstring(svg(invented()))
    fills = [mark.get("fill") for mark in root.iter(f"{_SVG}path")]
    assert {name: fills.count(f"var(--{name})") for name in NAMES} == {name: 7 + 4 + 1 for name in NAMES}


def test_nothing_lies_outside_the_picture() -> None:
    root = ElementTree.fromstring(svg(invented()))
    height = float(root.get("viewBox", "").split()[3])
    for line in root.iter(f"{_SVG}line"):
        assert all(0 <= float(line.get(x, "")) <= WIDTH for x in ("x1", "x2"))
        assert all(0 <= float(line.get(y, "")) <= height for y in ("y1", "y2"))


def test_axes_units_and_contenders_are_named() -> None:
    words = [text.text or "" for text in ElementTree.fromstring(svg(invented())).iter(f"{_SVG}text")]
    assert set(CLASSES) <= set(words)
    assert any("(ms, logarithmic)" in word for word in words)
    assert {"ADD dual stack", "60,000", "0", "leases in the store before the call"} <= set(words)
    assert any("<CPUs>" in word for word in words)


def test_both_schemes_know_every_colour() -> None:
    style = ElementTree.fromstring(svg(invented())).findtext(f"{_SVG}style") or ""
    light, _, dark = style.partition("@media (prefers-color-scheme: dark)")
    for name in (*NAMES, "surface", "ink", "soft", "grid"):
        assert f"--{name}: #" in light and f"--{name}: #" in dark


def test_a_part_that_was_not_measured_is_left_out() -> None:
    run = Run("a machine", [])
    run.add(Key("leases", "ADD", "0"), "cni-veth, server", 0.002)
    assert "Latency" not in svg(run)
