"""Says on stderr how far a long run is: in place on a terminal, else a line now and then."""

from __future__ import annotations

import sys
import time

_EVERY_S = 15.0


class Progress:
    def __init__(self, what: str) -> None:
        self._what = what
        self._started_s = self._said_s = time.monotonic()
        self._in_place = sys.stderr.isatty()
        self("begins")

    def __call__(self, text: str) -> None:
        now_s = time.monotonic()
        is_due = now_s - self._said_s >= (0.2 if self._in_place else _EVERY_S)
        if is_due or text == "begins":
            self._said_s = now_s
            self._write(text)

    def end(self, text: str) -> None:
        """The last word."""
        self._write(text)
        if self._in_place:
            sys.stderr.write("\n")

    def _write(self, text: str) -> None:
        line = f"{self._what}: {text}, {time.monotonic() - self._started_s:.0f} s"
        sys.stderr.write(f"\r{line:<78}" if self._in_place else line + "\n")
        sys.stderr.flush()
