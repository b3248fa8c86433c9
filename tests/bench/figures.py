"""The arithmetic: quantiles, and the ratio of two medians with its spread."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence
from typing import NamedTuple

RESAMPLES = 1000


class Ratio(NamedTuple):
    """ours / reference; `low` to `high` is the 95 % bootstrap interval."""

    of_medians: float
    low: float
    high: float


def quantile(samples: Sequence[float], share: float) -> float:
    """By nearest rank: a sample that was taken, so p99 of fewer than 100 is the largest."""
    return sorted(samples)[max(0, math.ceil(share * len(samples)) - 1)]


def ratio(ours: Sequence[float], reference: Sequence[float]) -> Ratio:
    """The percentile bootstrap: each side is drawn again from itself, the same way at every run."""
    dice = random.Random(1)
    drawn = [_redrawn(ours, dice) / _redrawn(reference, dice) for _ in range(RESAMPLES)]
    medians = statistics.median(ours) / statistics.median(reference)
    return Ratio(medians, quantile(drawn, 0.025), quantile(drawn, 0.975))


def _redrawn(samples: Sequence[float], dice: random.Random) -> float:
    return statistics.median(dice.choices(samples, k=len(samples)))
