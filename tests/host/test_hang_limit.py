"""A test that hangs is ended, wherever it waits."""

import subprocess
import sys
import threading
from collections.abc import Callable

import pytest
from hang_limit import hang_limit

_HANGS = [sys.executable, "-c", "import threading; threading.Event().wait()"]


def wait_for_a_process() -> None:
    with subprocess.Popen(_HANGS) as process:
        try:
            process.wait()
        finally:
            process.kill()


def wait_for_a_thread() -> None:
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait)
    thread.start()
    try:
        thread.join()
    finally:
        ended.set()


def spin() -> None:
    while True:
        pass


@pytest.mark.parametrize("hangs", [wait_for_a_process, wait_for_a_thread, spin])
def test_what_hangs_is_ended(hangs: Callable[[], None]) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"hangs: took 0.2 s"), hang_limit(0.2, 0.05):
        hangs()


def test_what_ends_in_time_goes_on() -> None:
    with hang_limit(60):
        assert subprocess.run([sys.executable, "-c", ""]).returncode == 0
