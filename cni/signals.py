"""SIGTERM, SIGINT, SIGHUP: an ADD is unwound, a DEL or GC finishes first (netavark#1223).

The way out of an ADD is an exception, which Python raises between any two steps. So a plugin notes the undo of
each effect before the effect, and delivers its result, which holds signals, within what its unwinding covers.
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # `signal` would import enum and functools (5 ms)

from cni.errors import TryAgainLater

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

_NAMES = {signal.SIGTERM: "SIGTERM", signal.SIGINT: "SIGINT", signal.SIGHUP: "SIGHUP"}
ENDING = tuple(_NAMES)


def prepare(verb: str) -> None:
    """Say what an ending signal does to a call of this verb."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN if verb in ("DEL", "GC") else _interrupt)


def hold() -> None:
    """From now on no ending signal interrupts: the work stands, or its unwinding has begun."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)


def defaults() -> list[int]:
    """For a child: what we ignore (Python SIGPIPE as well) would stay ignored over exec."""
    return [*ENDING, signal.SIGPIPE]


def _interrupt(number: int, frame: object) -> NoReturn:
    hold()
    raise TryAgainLater(f"interrupted by {_NAMES[number]}", "what was begun has been undone")
