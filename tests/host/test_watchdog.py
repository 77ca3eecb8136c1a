"""The watchdog of a board that is a process counts the time that the process gets."""

import subprocess
from pathlib import Path

import pytest
from rig import ROOT

from hanboot.boards import device_code
from hanboot.boards.watchdog import ProcessWatchdog

_FEEDS = """
from mapped import Watchdog
import sys

watchdog = Watchdog(sys.argv[1])
for seconds in sys.argv[2:]:
    watchdog.feed(int(seconds))
"""


class Bench:
    """A watchdog, and a clock that stands for the time of the board's process."""

    def __init__(self, folder: Path) -> None:
        self.flash = folder / "flash.bin"
        self.now = 100.0
        self.clocks = 0
        self.watchdog = ProcessWatchdog(self.flash, self._make_clock)

    def _make_clock(self):
        self.clocks += 1
        return lambda: self.now

    def feed(self, *seconds: int) -> None:
        """As the device's own code does."""
        micropython = device_code.micropython()
        subprocess.run(
            [micropython, "-c", _FEEDS, self.flash, *map(str, seconds)],
            env={"MICROPYPATH": f"{device_code.VIRTUAL}:.frozen"},
            check=True,
        )


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


needs_micropython = pytest.mark.skipif(
    not (ROOT / ".toolchain/bin/micropython").exists(),
    reason="MicroPython is missing; run: make setup",
)


def test_without_a_watchdog_nothing_bites(bench: Bench) -> None:
    bench.now += 1000
    assert not bench.watchdog.bites()
    assert bench.clocks == 0


@needs_micropython
def test_it_bites_who_does_not_feed_it(bench: Bench) -> None:
    bench.feed(8)
    assert not bench.watchdog.bites()
    bench.now += 7.9
    assert not bench.watchdog.bites()
    bench.now += 0.2
    assert bench.watchdog.bites()


@needs_micropython
def test_who_feeds_it_may_go_on(bench: Bench) -> None:
    for _ in range(3):
        bench.feed(8)
        assert not bench.watchdog.bites()
        bench.now += 7
        assert not bench.watchdog.bites()
    # another timeout
    bench.feed(8, 20)
    assert not bench.watchdog.bites()
    bench.now += 19
    assert not bench.watchdog.bites()
    # for good
    bench.feed(0)
    bench.now += 1000
    assert not bench.watchdog.bites()


@needs_micropython
def test_the_next_start_is_without_one(bench: Bench) -> None:
    bench.feed(8)
    assert not bench.watchdog.bites()
    bench.now += 9
    bench.watchdog.start()
    assert not bench.watchdog.bites()
    # its clock is the next process's
    bench.feed(8)
    assert not bench.watchdog.bites()
    assert bench.clocks == 2
