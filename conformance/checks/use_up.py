"""Pod after pod is added, until there are no addresses left."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from conformance.expect import Complaint

if TYPE_CHECKING:
    from conformance.steps import Player


def check(player: "Player", most: int = 8) -> Iterator[Complaint]:
    """Leaves at least pod 1 attached."""
    for pod in range(1, most + 1):
        outcome = player.call({"call": "ADD", "pod": pod})
        if outcome.exit:
            if pod == 1:
                yield Complaint("an ADD that succeeds, of the first pod", outcome.as_text())
            return
    yield Complaint(f"an ADD that fails, within {most} pods", "all succeeded")
