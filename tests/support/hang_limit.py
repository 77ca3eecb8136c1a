"""Ends a test that hangs, so that a wait in a test needs no limit of its own.

The limit counts the time that this process and those that it started get, not the wall's: on a busy
machine a test may take as long as it needs.
"""

from __future__ import annotations

import faulthandler
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import pytest

from hanboot.link.deadline import Deadline
from hanboot.link.process_clock import own_clock

#: Seldom: tests that measure memory would find that of a look.
_LOOK_S = 60.0


@contextmanager
def hang_limit(seconds: float, look_s: float = _LOOK_S) -> Iterator[None]:
    """Fails what takes longer, in whatever call the main thread waits.

    Args:
        seconds: how long.
        look_s: how often to look.
    """
    ended = threading.Event()
    main = threading.main_thread().ident
    assert main is not None

    def fail(number: int, frame: FrameType | None) -> None:
        faulthandler.dump_traceback(sys.__stderr__, all_threads=True)
        pytest.fail(f"hangs: took {seconds:g} s of its processes' time")

    deadline = Deadline(seconds, own_clock())

    def watch() -> None:
        while not ended.wait(look_s):
            if deadline.passed:
                signal.pthread_kill(main, signal.SIGUSR2)
                return

    before: Callable[..., object] | int | None = signal.signal(signal.SIGUSR2, fail)
    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield
    finally:
        ended.set()
        watching.join()
        signal.signal(signal.SIGUSR2, before)
