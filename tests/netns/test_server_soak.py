"""A few thousand calls of every kind: nothing of the server grows, nothing is left (`make soak` makes 100,000)."""

from __future__ import annotations

from tests.soak import soak


def test_nothing_grows_and_nothing_is_left(built: None) -> None:
    assert soak(4000, workers=2) == []
