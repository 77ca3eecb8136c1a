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
