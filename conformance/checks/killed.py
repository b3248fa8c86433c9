"""SIGKILL to the plugin and all it started, at random points of ADD: DEL then leaves nothing.

The next ADD works."""

import random
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from conformance.excerpt import short
from conformance.expect import Complaint

if TYPE_CHECKING:
    from conformance.steps import Player

_GRACE = 3.0  # for what undoes the ADD of a caller that is gone


def check(player: "Player", kills: int = 12, seed: int = 0) -> Iterator[Complaint]:
    """So many kills, spread over the time that an undisturbed ADD takes; the first complaint ends it."""
    rolled = f"{player.world.setting.seed}-{seed}-{player.version}"
    dice = random.Random(rolled)
    first = player.call({"call": "ADD"})
    player.call({"call": "DEL"})
    if first.exit != 0:
        yield Complaint("an ADD to begin with", first.as_text())
        return
    before = player.snapshot()
    for number in range(1, kills + 1):
        after = dice.uniform(0, first.seconds)
        where = f"(kill {number} after {after * 1000:.1f} ms, seed {rolled})"
        for complaint in _kill(player, before, after):
            yield Complaint(f"{complaint.expected} {where}", complaint.actual, complaint.proves)
            return


def _kill(player: "Player", before: dict[tuple[str, str, str, str], str], after: float) -> Iterator[Complaint]:
    calling = player.calling({"call": "ADD"})
    calling.send()
    time.sleep(after)
    calling.kill()
    calling.end()
    for step in ({"call": "DEL", "prevResult": "none"}, {"call": "ADD"}, {"call": "DEL"}):
        outcome = player.call(step)
        if outcome.exit != 0:
            then = "after a killed ADD" if step["call"] == "DEL" else "once the killed ADD was deleted"
            yield Complaint(f"{step['call']} succeeds {then}", outcome.as_text())
            return
        if step["call"] == "DEL" and (lines := _left(player, before)):
            yield Complaint("nothing left after DEL", short("; ".join(lines), 1500), ("DEL-1",))
            return


def _left(player: "Player", before: dict[tuple[str, str, str, str], str]) -> list[str]:
    deadline = time.monotonic() + _GRACE
    while (lines := player.changes(before, ["stays"])) and time.monotonic() < deadline:
        pass
    return lines
