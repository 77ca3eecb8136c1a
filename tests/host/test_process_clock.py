"""Waits for a board that runs here count the time that its process gets."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hanboot.link import virtual
from hanboot.link.process_clock import ProcessClock, family_waited_s, own_clock, waited_s
from hanboot.link.serial import SerialTransport, deadline_for

_BUSY = "while True: pass"


class Machine:
    """A clock, and processes that wait for a processor."""

    def __init__(self) -> None:
        self.now = 100.0
        self.number: int | None = 7
        self.waited: dict[int, float] = {7: 3.0}
        self.clock = ProcessClock(lambda: self.number, lambda: self.now, self.waited.get)


def test_a_wait_for_a_processor_does_not_count() -> None:
    machine = Machine()
    began = machine.clock()
    machine.now += 10
    machine.waited[7] += 4
    assert machine.clock() - began == 6
    # it slept, or ran
    machine.now += 2
    assert machine.clock() - began == 8


def test_a_board_that_was_reset_is_another_process() -> None:
    machine = Machine()
    began = machine.clock()
    machine.now += 10
    machine.number, machine.waited[8] = 8, 1.5
    assert machine.clock() - began == 8.5
    machine.now += 10
    machine.waited[8] += 5
    assert machine.clock() - began == 13.5


def test_it_never_goes_back() -> None:
    machine = Machine()
    machine.now += 10
    before = machine.clock()
    # the system counts a wait once it has ended
    machine.waited[7] += 9
    assert machine.clock() == before
    machine.now += 10
    assert machine.clock() == before + 1


def test_every_wait_ends() -> None:
    """A state folder may name any process: one that never runs, one after another, or old ones."""
    machine = Machine()
    machine.waited[8] = 5_000.0
    began = machine.clock()
    for step in range(100):
        machine.now += 1
        for number in machine.waited:
            machine.waited[number] += 1
        machine.number = 7 + step % 2
        machine.clock()
    assert machine.clock() - began == pytest.approx(100 / 20)


def test_a_number_that_is_used_again() -> None:
    machine = Machine()
    began = machine.clock()
    machine.now += 10
    machine.waited[7] = 0.0
    assert machine.clock() - began == 10


def test_by_a_process_that_waited_long_before() -> None:
    """What it waited before does not slow down what is waited for from here on."""
    machine = Machine()
    machine.now += 10
    machine.waited[7] = 5_000.0
    began = machine.clock()
    machine.now += 10
    assert machine.clock() - began == pytest.approx(9.5)
    machine.number, machine.waited[8] = 8, 5_000.0
    machine.now += 2
    began = machine.clock()
    machine.now += 10
    assert machine.clock() - began == pytest.approx(10 - 2 / 20)


@pytest.mark.parametrize("state", ["stopped", "zombie", "dead"])
def test_a_process_that_does_nothing_more(state: str) -> None:
    process = subprocess.Popen([sys.executable, "-c", _BUSY])
    try:
        if state == "stopped":
            process.send_signal(signal.SIGSTOP)
        else:
            process.kill()
        if state == "dead":
            process.wait()
        else:
            os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        machine_s = 0.0
        clock = ProcessClock(lambda: process.pid, lambda: machine_s)
        began = clock()
        machine_s += 5
        assert clock() - began == 5
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("number", [None, 9])
def test_without_a_process_it_is_the_machine_s(number: int | None) -> None:
    machine = Machine()
    machine.number = number
    began = machine.clock()
    machine.now += 10
    assert machine.clock() - began == 10


@pytest.fixture
def both() -> Iterator[list[int]]:
    """Two processes, started by this one, that share a processor."""
    if waited_s(os.getpid()) is None:
        pytest.skip("this system does not tell what a process waits")
    processor = min(os.sched_getaffinity(0))
    processes = [subprocess.Popen([sys.executable, "-c", _BUSY]) for _ in range(2)]
    for process in processes:
        os.sched_setaffinity(process.pid, {processor})
    yield [process.pid for process in processes]
    for process in processes:
        process.kill()
        process.wait()


def share(clock: ProcessClock) -> float:
    """How much of a second a clock counts."""
    began, clock_began = time.monotonic(), clock()
    time.sleep(1.0)
    return (clock() - clock_began) / (time.monotonic() - began)


def test_two_that_share_a_processor(both: list[int]) -> None:
    # half of it, but for the slices at either end
    assert share(ProcessClock(lambda: both[0])) < 0.8


def test_what_those_wait_that_it_started(both: list[int]) -> None:
    assert share(own_clock()) < 0.2
    waited = [waited_s(process) or 0.0 for process in both]
    assert sum(waited) <= (family_waited_s(os.getpid()) or 0.0)


def test_what_its_threads_wait(both: list[int]) -> None:
    """One that shares a processor with the two."""
    ended = threading.Event()

    def spin() -> None:
        os.sched_setaffinity(threading.get_native_id(), {min(os.sched_getaffinity(0))})
        while not ended.is_set():
            pass

    thread = threading.Thread(target=spin)
    before = family_waited_s(os.getpid()) or 0.0
    own_before = waited_s(os.getpid()) or 0.0
    others_before = sum(waited_s(process) or 0.0 for process in both)
    thread.start()
    try:
        time.sleep(1.0)
        own = (waited_s(os.getpid()) or 0.0) - own_before
        others = sum(waited_s(process) or 0.0 for process in both) - others_before
        counted = (family_waited_s(os.getpid()) or 0.0) - before
    finally:
        ended.set()
        thread.join()
    assert counted - own - others > 0.2


def test_a_board_that_runs_here_is_counted_by_its_process(tmp_path: Path) -> None:
    # this very process plays the board
    (tmp_path / virtual.PROCESS_FILE).write_text(f"{os.getpid()}\n")
    clock = SerialTransport(f"virtual:{tmp_path}").clock
    assert isinstance(clock, ProcessClock)
    assert clock._process() == os.getpid()
    (tmp_path / virtual.PROCESS_FILE).write_text("")
    assert clock._process() is None
    assert SerialTransport("/dev/ttyACM0").clock is time.monotonic
    assert 4.0 < deadline_for("/dev/ttyACM0", 5.0).left <= 5.0
