"""The watchdog of a board that is a process on this machine."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from pathlib import Path

from hanboot.link.deadline import Clock, Deadline

#: What a board's process leaves for its supervisor (boards/virtual/mapped.py): how often it has fed
#: its watchdog, modulo 256, and the seconds until it must do so again; 0 is no watchdog.
_BYTES = 2


class ProcessWatchdog:
    """Counts the seconds for the board's process, by the time that the process gets.

    Args:
        flash: the board's flash file, which the file of the watchdog lies beside.
        make_clock: of the board's process; called whenever that has started.
    """

    def __init__(self, flash: Path, make_clock: Callable[[], Clock]) -> None:
        self._make_clock = make_clock
        file = flash.with_name(f"{flash.name}.watchdog")
        file.write_bytes(bytes(_BYTES))
        with file.open("r+b") as opened:
            self._cells = mmap.mmap(opened.fileno(), _BYTES)
        self.start()

    def start(self) -> None:
        """To be called when the process is about to start: no watchdog runs."""
        self._cells[:] = self._fed = bytes(_BYTES)
        self._clock: Clock | None = None

    def bites(self) -> bool:
        """Whether the process has not fed it in time, as far as looks at it tell."""
        fed = self._cells[:]
        if fed != self._fed:
            self._fed = fed
            self._clock = self._clock or self._make_clock()
            self._deadline = Deadline(fed[1], self._clock)
        return bool(fed[1]) and self._deadline.passed
