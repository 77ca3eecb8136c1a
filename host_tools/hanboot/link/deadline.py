"""A point in time to be done by, in place of arithmetic on clocks."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Seconds since some point in time.
Clock = Callable[[], float]


class Deadline:
    """Runs from its making.

    Args:
        seconds: how long.
        clock: that they are counted by.
    """

    def __init__(self, seconds: float, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._end = clock() + seconds

    @property
    def left(self) -> float:
        """Seconds left, never below zero."""
        return max(0.0, self._end - self._clock())

    @property
    def passed(self) -> bool:
        return self.left == 0.0


class StallTimer:
    """Counts the time in which nothing changes, so that a slow device may take its time.

    Args:
        seconds: how long a state may last.
        changes_most: how many changes of state there may be, so that every wait ends.
        clock: that seconds are counted by.
    """

    def __init__(self, seconds: float, changes_most: int, clock: Clock = time.monotonic) -> None:
        self._seconds = seconds
        self._changes_left = changes_most
        self._clock = clock
        self._state: object = None
        self._deadline = Deadline(seconds, clock)

    def stalled(self, state: object) -> bool:
        """Takes note of the state; whether it has lasted, or changed, for too long."""
        if state != self._state:
            self._state = state
            self._changes_left -= 1
            self._deadline = Deadline(self._seconds, self._clock)
        return self._deadline.passed or self._changes_left < 0
