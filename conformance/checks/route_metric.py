"""The routes that a result tells have metric 0 in the pod."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from conformance import documents
from conformance.expect import Complaint

if TYPE_CHECKING:
    from conformance.steps import Player


def check(player: "Player", pod: int = 1) -> Iterator[Complaint]:
    """IPv4 only: the kernel itself gives a route of IPv6 without a metric 1024."""
    outcome = player.call({"call": "ADD", "pod": pod})
    if outcome.exit != 0 or pod not in player.results:
        yield Complaint("an ADD that succeeds", outcome.as_text())
        return
    told = {route.get("dst") for route in documents.routes(player.results[pod])}
    for route in player.world.look(pod).routes:
        if route["dst"] in told and "." in route["dst"] and route["priority"]:
            yield Complaint(f"the route to {route['dst']} has metric 0", str(route["priority"]))
