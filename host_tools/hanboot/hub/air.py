"""A line like a home's: frames get lost, come late, twice, or in another order.

What happens is drawn from a seed, so that a run can be repeated.
"""

from __future__ import annotations

import heapq
import itertools
import random
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Weather:
    """How bad a line is.

    Attributes:
        loss: share of frames that never arrive, 0 to 1.
        duplicates: share that arrives twice.
        reorder: share that is overtaken by the next.
        delay_s: how long a frame takes at most; at least, nothing.
    """

    loss: float = 0.0
    duplicates: float = 0.0
    reorder: float = 0.0
    delay_s: float = 0.0


class Air(Generic[T]):
    """One direction of a line to one device.

    Args:
        weather: how bad it is.
        seed: of everything that is drawn.
    """

    def __init__(self, weather: Weather, seed: int) -> None:
        self._weather = weather
        self._random = random.Random(seed)
        self._order = itertools.count()
        self._under_way: list[tuple[float, int, T]] = []
        self.sent = 0
        self.lost = 0

    def put(self, frame: T, now: float) -> None:
        """Sends a frame at `now`, in seconds."""
        draw, weather = self._random.random, self._weather
        self.sent += 1
        copies = 2 if draw() < weather.duplicates else 1
        if draw() < weather.loss:
            self.lost += 1
            copies = 0
        for _ in range(copies):
            due = now + draw() * weather.delay_s
            if draw() < weather.reorder:
                # behind one that is sent within the next delay, or just behind the next
                due += max(weather.delay_s, 0.05)
            heapq.heappush(self._under_way, (due, next(self._order), frame))

    def arrived(self, now: float) -> list[T]:
        """The frames that have arrived by `now`."""
        frames = []
        while self._under_way and self._under_way[0][0] <= now:
            frames.append(heapq.heappop(self._under_way)[2])
        return frames

    @property
    def is_empty(self) -> bool:
        return not self._under_way
