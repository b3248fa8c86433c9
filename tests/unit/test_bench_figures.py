"""The benchmark's arithmetic: quantiles, ratios, bars."""

from __future__ import annotations

import pytest

from tests.bench.bars import BARS, Bar
from tests.bench.figures import Ratio, quantile, ratio
from tests.bench.samples import IN_PROCESS, NAMES, REFERENCE, Key, Run


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.99, 99), (0.5, 50), (0.501, 51), (0.001, 1), (0, 1), (1, 100)],
)
def test_a_quantile_is_the_nearest_rank(share: float, expected: float) -> None:
    assert quantile(range(100, 0, -1), share) == expected


def test_p99_of_few_samples_is_the_largest() -> None:
    assert quantile([3.0, 9.0, 1.0], 0.99) == 9.0


def test_the_ratio_is_that_of_the_medians() -> None:
    found = ratio([1.0, 2.0, 90.0], [7.0, 8.0, 9.0])
    assert found.of_medians == 0.25


def test_equal_samples_have_no_spread() -> None:
    assert ratio([2.0] * 5, [4.0] * 7) == Ratio(0.5, 0.5, 0.5)


def test_the_spread_holds_the_ratio_and_shrinks_with_more_samples() -> None:
    ours, reference = [8.0, 9.0, 10.0, 11.0, 12.0], [18.0, 19.0, 20.0, 21.0, 22.0]
    few, many = ratio(ours, reference), ratio(ours * 20, reference * 20)
    assert few.low < few.of_medians < few.high
    assert few.low >= 8 / 22 and few.high <= 12 / 18
    assert many.high - many.low < few.high - few.low


def test_the_spread_is_the_same_at_every_reading() -> None:
    samples = [1.0, 5.0, 2.0, 4.0], [3.0, 8.0, 7.0, 9.0]
    assert ratio(*samples) == ratio(*samples)


@pytest.mark.parametrize(
    ("bar", "of_medians", "holds"),
    [
        (Bar(0.35), 0.35, True),
        (Bar(0.35), 0.351, False),
        (Bar(3, is_rate=True), 3, True),
        (Bar(3, is_rate=True), 2.99, False),
    ],
)
def test_a_time_holds_below_its_bar_and_a_rate_above(bar: Bar, of_medians: float, holds: bool) -> None:
    assert bar.holds(Ratio(of_medians, 0, 9)) is holds


def test_every_mode_with_a_bar_is_one_of_ours() -> None:
    assert {title for _, title in BARS} <= {*NAMES.values(), IN_PROCESS} - {REFERENCE}
    assert len(BARS) == 36


def test_a_run_comes_back_from_its_json() -> None:
    run = Run("a machine", [0.5])
    run.add(Key("latency", "ADD", "IPv4"), REFERENCE, 1.5)
    run.add(Key("leases", "ADD", "0"), REFERENCE, 2.5)
    assert Run.from_json(run.as_json()) == run


def test_contenders_are_listed_in_one_order_whoever_had_the_first_turn() -> None:
    run, key = Run("a machine", []), Key("latency", "ADD", "IPv4")
    for title in reversed(NAMES.values()):
        run.add(key, title, 1.0)
    assert list(run.part("latency")[key]) == list(NAMES.values())
