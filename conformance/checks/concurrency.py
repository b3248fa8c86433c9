"""Many pods at once: every ADD succeeds, no two have an address in common, and after as many DELs nothing is left."""

import time
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from conformance import expect, state
from conformance.call import Outcome
from conformance.excerpt import short
from conformance.expect import Complaint

if TYPE_CHECKING:
    from conformance.steps import Player

_LIMIT = 90.0  # seconds for all of them


def check(player: "Player", pods: int = 64) -> Iterator[Complaint]:
    """`pods` ADDs begun before the first is waited for, then the DELs likewise."""
    numbers = range(1, pods + 1)
    for number in numbers:
        player.pod(number)
    before = player.snapshot()
    added = _all(player, "ADD", numbers)
    yield from _failures(player, added)
    if any(outcome.exit != 0 for outcome in added):
        return
    yield from _duplicates(player)
    if "interface" in player.profile.get("features", []):
        yield from _links(player)
    deleted = _all(player, "DEL", numbers)
    yield from _failures(player, deleted)
    if lines := player.changes(before, ["stays"]):
        yield Complaint(f"nothing left after {pods} DELs", short("; ".join(lines), 1500), ("DEL-1",))


def _all(player: "Player", verb: str, numbers: range) -> list[Outcome]:
    steps = [{"call": verb, "pod": number} for number in numbers]
    calls = [player.calling(step) for step in steps]
    for calling in calls:
        calling.send()
    deadline = time.monotonic() + _LIMIT
    outcomes = [calling.end(max(0.1, deadline - time.monotonic())) for calling in calls]
    for step, outcome in zip(steps, outcomes, strict=True):
        player.keep(step, outcome)
    return outcomes


def _failures(player: "Player", outcomes: list[Outcome]) -> Iterator[Complaint]:
    failed = [outcome for outcome in outcomes if outcome.exit != 0]
    if failed:
        what = f"{len(failed)} of {len(outcomes)}, such as: {failed[0].as_text()}"
        yield Complaint(f"{len(outcomes)} {failed[0].verb}s at once succeed", what)
    wrong = {one.expected: one for outcome in outcomes for one in expect.always(outcome, player.version)}
    yield from wrong.values()


def _duplicates(player: "Player") -> Iterator[Complaint]:
    told = Counter(ip for result in player.results.values() for ip in state.addresses_of(result, "eth0"))
    if twice := {ip: count for ip, count in told.items() if count > 1}:
        yield Complaint("no address given twice", str(twice))


def _links(player: "Player") -> Iterator[Complaint]:
    for number, result in player.results.items():
        wanted = {"is": "up", "addresses": "as result"}
        for expected, actual in state.complaints(wanted, "eth0", f"pod {number}", player.world.look(number), result):
            yield Complaint(expected, actual)
