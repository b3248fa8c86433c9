"""SIGTERM, SIGINT, SIGHUP: an ADD is unwound, a DEL or GC finishes first (netavark#1223).

The way out of an ADD is an exception, which Python raises between any two steps. So a plugin notes the undo of
each effect before the effect, and delivers its result, which holds signals, within what its unwinding covers.
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # `signal` would import enum and functools (5 ms)

from cni.errors import TryAgainLater

_NAMES = {signal.SIGTERM: "SIGTERM", signal.SIGINT: "SIGINT", signal.SIGHUP: "SIGHUP"}
ENDING = tuple(_NAMES)


# Whose signals are for the call. In a worker: none; its launcher passes on what it was sent (`receive`).
own = ENDING
_does_interrupt = False


def prepare(verb: str) -> None:
    """Say what an ending signal does to a call of this verb."""
    global _does_interrupt
    _does_interrupt = verb not in ("DEL", "GC")
    for number in own:
        signal.signal(number, receive)


def hold() -> None:
    """From now on no ending signal interrupts: the work stands, or its unwinding has begun."""
    global _does_interrupt
    _does_interrupt = False


def receive(number: int, frame: object = None) -> None:
    """Raises TryAgainLater (11) where the call is to be broken off."""
    if _does_interrupt:
        hold()
        raise TryAgainLater(f"interrupted by {_NAMES[number]}", "what was begun has been undone")


def defaults() -> list[int]:
    """For a child: what we ignore (Python SIGPIPE as well) would stay ignored over exec."""
    return [*ENDING, signal.SIGPIPE]
