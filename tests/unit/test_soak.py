"""What the soak calls growth, and of whom."""

from __future__ import annotations

import pytest

from tests.soak import GROWTH, Sample, Watch

BEFORE = Sample(descriptors=12, threads=1, pss=10_000_000, rss=16_000_000)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"descriptors": 13}, "descriptors grew from 12 to 13"),
        ({"threads": 2}, "threads grew from 1 to 2"),
        ({"rss": BEFORE.rss + GROWTH + 1}, "memory (RSS) grew from 16.00 to 17.05 MB"),
    ],
)
def test_each_kind_of_growth_is_said(change: dict[str, int], says: str) -> None:
    assert BEFORE._replace(**change).grown_from(BEFORE) == [says]


def test_less_and_a_little_more_memory_are_no_growth() -> None:
    assert BEFORE._replace(rss=BEFORE.rss + GROWTH, pss=99_000_000).grown_from(BEFORE) == []
    assert BEFORE._replace(descriptors=11, rss=0).grown_from(BEFORE) == []


def test_a_process_is_compared_with_itself_after_its_own_warm_up() -> None:
    watch = Watch(warm_up=100)
    cold, leaking = BEFORE._replace(descriptors=8), BEFORE._replace(descriptors=14)
    watch.note(0, {1: cold})
    watch.note(100, {1: BEFORE})
    watch.note(150, {1: BEFORE, 2: cold})
    watch.note(240, {1: BEFORE, 2: BEFORE})
    assert watch.problems(least=1) == []
    assert watch.problems(least=2) == ["only 1 of 2 processes lived long enough to be compared"]
    watch.note(250, {1: BEFORE, 2: BEFORE})
    watch.note(300, {1: BEFORE, 2: leaking})
    assert watch.problems(least=2) == ["process 2: descriptors grew from 12 to 14"]


def test_a_process_that_is_gone_is_not_compared() -> None:
    watch = Watch(warm_up=0)
    watch.note(0, {1: BEFORE, 2: BEFORE})
    watch.note(10, {1: BEFORE, 3: BEFORE})
    assert watch.problems(least=2) == []
