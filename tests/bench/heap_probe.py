"""The memory of firmware that is only measured, read from outside: the most that was in use after a
collection, under a collector that runs often."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import bench_firmware
from chip_board import ChipBoard

#: Allocated between two collections where it is looked at closely.
COLLECT_BYTES = 2048
# While it receives, a device does the same over and over: it is looked at closely at both ends of
# a transfer and now and then between, or it would take the emulator hours.
LOOK_BYTES = 8192
_LOOK_EVERY_BYTES = 128 * 1024
_SELDOM_BYTES = 1024 * 1024
_IDLE_MS = 500


class HeapProbe:
    """Of a board that runs the application of firmware that is only measured.

    Args:
        board: the chip.
        uf2: its firmware.
    """

    def __init__(self, board: ChipBoard, uf2: Path = bench_firmware.UF2) -> None:
        self._board = board
        self._peak_at, self._total_at, self._collect_at = (
            bench_firmware.symbol(f"bench_{name}", uf2)
            for name in ("heap_peak", "heap_total", "collect_bytes")
        )

    @property
    def peak(self) -> int:
        """Octets in use after a collection, at most; those that were free may be in pieces."""
        return self._board.read_word(self._peak_at)

    @property
    def total(self) -> int:
        """Octets of the heap."""
        return self._board.read_word(self._total_at)

    def collect_often(self, is_often: bool = True) -> None:
        self._board.write_word(self._collect_at, COLLECT_BYTES if is_often else _SELDOM_BYTES)

    def restart(self) -> None:
        """Forgets what was seen."""
        self._board.write_word(self._peak_at, 0)

    def idle(self, ask: Callable[[], object]) -> int:
        """Octets in use while the application idles and the link answers what `ask` asks, once."""
        self.collect_often()
        self._board.run_for(_IDLE_MS)
        self.restart()
        ask()
        self._board.run_for(_IDLE_MS)
        idle = self.peak
        assert idle, "nothing was collected while it idled"
        self.restart()
        return idle

    def look(self, done: int, total: int) -> None:
        """Looks closely, or not, after so many octets of a transfer."""
        is_end = total - done <= LOOK_BYTES
        self.collect_often(is_end or done % _LOOK_EVERY_BYTES < LOOK_BYTES)
