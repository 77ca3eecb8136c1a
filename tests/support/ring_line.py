"""A line at 115200 8N1 to a board that keeps what comes in a ring, and drops what does not fit.

As a UART console under MicroPython: its interrupt handler fills a ring of 260 bytes, of which 259
hold data, while the program does something else.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
import tty
from collections import deque
from collections.abc import Iterator

_BYTES_PER_MS = 11.52
_READ_BYTES = 256  # that the board's loop takes at once (bootloader/link/console.py)
_LOOK_S = 0.001


class RingLine:
    """From a pseudo terminal of its own, `port`, to the one at `board_port`.

    The line's time is counted in milliseconds of its own, so that a machine that is busy elsewhere
    loses nothing that a board would not lose.

    Args:
        board_port: path of the board's console.
        ring_bytes: that the ring holds.
        stall_ms: how long the board's program keeps from reading, each time it has read.
    """

    def __init__(self, board_port: str, ring_bytes: int, stall_ms: int) -> None:
        self._board = os.open(board_port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self._near, self._far = os.openpty()
        for descriptor in (self._board, self._far):
            tty.setraw(descriptor)
        os.set_blocking(self._near, False)
        self.port = os.ttyname(self._far)
        self._ring_bytes = ring_bytes
        self._stall_ms = stall_ms
        self._waiting: deque[int] = deque()  # on the line
        self._ring = bytearray()
        self._due = 0.0
        self._stalled_ms = 0
        #: Bytes dropped.
        self.dropped = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        for descriptor in (self._board, self._near, self._far):
            os.close(descriptor)

    def _run(self) -> None:
        then = time.monotonic()
        while not self._stop.is_set():
            select.select([self._near, self._board], [], [], _LOOK_S)
            with contextlib.suppress(BlockingIOError, OSError):
                self._waiting.extend(os.read(self._near, 65536))
            with contextlib.suppress(BlockingIOError, OSError):
                os.write(self._near, os.read(self._board, 65536))
            now = time.monotonic()
            for _ in range(int((now - then) * 1000)):
                self._tick()
                then += 0.001

    def _tick(self) -> None:
        """A millisecond of the line, and of the board's program."""
        self._due = min(self._due + _BYTES_PER_MS, len(self._waiting))
        while self._due >= 1 and self._waiting:
            self._due -= 1
            octet = self._waiting.popleft()
            if len(self._ring) < self._ring_bytes:
                self._ring.append(octet)
            else:
                self.dropped += 1
        self._stalled_ms += 1
        if self._stalled_ms > self._stall_ms and self._ring:
            with contextlib.suppress(BlockingIOError):
                sent = os.write(self._board, bytes(self._ring[:_READ_BYTES]))
                del self._ring[:sent]
            self._stalled_ms = 0


@contextlib.contextmanager
def ring_line(board_port: str, ring_bytes: int = 259, stall_ms: int = 30) -> Iterator[RingLine]:
    made = RingLine(board_port, ring_bytes, stall_ms)
    try:
        yield made
    finally:
        made.close()
