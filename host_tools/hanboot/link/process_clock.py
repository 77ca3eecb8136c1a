"""Clocks for boards and servers that are processes on this machine.

Where there is more to do than processors, such a process stands still most of the time: by a clock
on the wall it would seem dead.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

from hanboot.link.deadline import Clock

#: Nanoseconds that a process ran, and that it could have run but waited for a processor
#: (Documentation/scheduler/sched-stats.rst of Linux).
_STATISTICS = "/proc/{}/schedstat"
_THREADS = "/proc/{}/task"
_CHILDREN = "/proc/{}/task/{}/children"

#: So much slower than the machine's clock it goes at most: every wait ends, whichever process it is
#: that a state folder names.
_SLOWEST = 20.0


def waited_s(process: int) -> float | None:
    """Seconds that a process has waited for a processor; None where the system does not tell."""
    try:
        return int(Path(_STATISTICS.format(process)).read_text().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return None


def family_waited_s(process: int) -> float | None:
    """The same for all threads of a process, and of those that it started, as long as they live."""
    own = waited_s(process)
    if own is None:
        return None
    with contextlib.suppress(OSError):
        for thread in os.listdir(_THREADS.format(process)):
            if thread != str(process):
                own += waited_s(int(thread)) or 0.0
            with open(_CHILDREN.format(process, thread)) as children:
                own += sum(family_waited_s(int(child)) or 0.0 for child in children.read().split())
    return own


class ProcessClock:
    """Seconds in which a process ran or slept: what it waits for a processor does not count, but
    for a twentieth.

    Args:
        process: called for its number; None while there is none. It may become another: a board
            that was reset is a new process.
        clock: of the machine.
        waited: called with the number, for the seconds that it has waited since its start.
    """

    def __init__(
        self,
        process: Callable[[], int | None],
        clock: Clock = time.monotonic,
        waited: Callable[[int], float | None] = waited_s,
    ) -> None:
        self._process = process
        self._clock = clock
        self._waited = waited
        self._number: int | None = None
        self._number_waited_s = 0.0
        self._waited_s = 0.0
        # that the process can have waited and was not seen to
        self._unseen_s = 0.0
        self._machine_s = self._now_s = clock()
        self._look(0.0)

    def __call__(self) -> float:
        """Seconds since some point in time; they never go back."""
        machine_s = self._clock()
        passed_s = machine_s - self._machine_s
        self._machine_s = machine_s
        self._waited_s += self._look(passed_s)
        # the system may count a wait when it is over, later than it was
        self._now_s = max(self._now_s + passed_s / _SLOWEST, machine_s - self._waited_s)
        return self._now_s

    def _look(self, passed_s: float) -> float:
        """Seconds waited since the last look, which was `passed_s` ago."""
        number = self._process()
        waited_s = None if number is None else self._waited(number)
        self._unseen_s += passed_s
        if waited_s is None:
            return 0.0
        # one that is seen for the first time has waited since its start, which was after the last
        # look, unless it is the first of all
        is_first, before_s = self._number is None, self._number_waited_s
        if number != self._number:
            self._unseen_s, before_s = passed_s, 0.0
        self._number, self._number_waited_s = number, waited_s
        if is_first:
            return 0.0
        # the number may be another process's by now, which has waited less, or before all this
        seen_s = min(max(0.0, waited_s - before_s), self._unseen_s)
        self._unseen_s -= seen_s
        return seen_s


def own_clock() -> ProcessClock:
    """What to count waits by for threads of this process, and for processes that it started."""
    return ProcessClock(os.getpid, waited=family_waited_s)
