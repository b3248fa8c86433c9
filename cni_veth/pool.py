"""What the server knows of its workers without asking: a page of memory that all of them share."""

from __future__ import annotations

import mmap
import os

LIMIT = 16  # workers: more than the processors only help while some wait for locks
ABSENT, IDLE, SERVING = 0, 1, 2


class Pool:
    """For each worker what it does and how many calls it has served; and a pipe that wakes the server."""

    def __init__(self) -> None:
        numbers = memoryview(mmap.mmap(-1, (2 * LIMIT + 2) * 8)).cast("Q")
        self._states, self._served = numbers[:LIMIT], numbers[LIMIT : 2 * LIMIT]
        self._alarms, self._strangers = numbers[-2:-1], numbers[-1:]
        self.wakeup, self.alarm = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    @property
    def served(self) -> int:
        return sum(self._served)

    @property
    def is_busy(self) -> bool:
        """Nobody would take the next call."""
        return IDLE not in self._states.tolist()

    def is_busy_still(self) -> bool:
        """For the server, which looks again and again while it is so, and else is to be woken."""
        if not self.is_busy:
            self._alarms[0] = 0
        return self.is_busy

    def set(self, number: int, state: int) -> None:
        self._states[number] = state

    def begin(self, number: int) -> None:
        """A worker takes a call; the last idle one wakes the server, unless that is awake."""
        self._states[number] = SERVING
        if self.is_busy and not self._alarms[0]:
            self._alarms[0] = 1
            self._wake()

    def meet_stranger(self) -> None:
        """A worker was called by a launcher of another build: was this program replaced?"""
        self._strangers[0] = 1
        self._wake()

    def has_met_stranger(self) -> bool:
        has_met, self._strangers[0] = bool(self._strangers[0]), 0
        return has_met

    def _wake(self) -> None:
        try:
            os.write(self.alarm, b"\0")
        except BlockingIOError:
            pass  # it has enough to read

    def end(self, number: int, is_served: bool) -> None:
        self._served[number] += is_served
        self._states[number] = IDLE
