"""Runs mutants against the device tests, quickly enough to do it for all of them every time.

The tests are imported once. A first run of each, in a process of its own, tells how long it takes
and which functions of the bootloader it enters. Then each mutant is one fork: the code of its
function is exchanged, and the tests that enter it run, the shortest first, up to the first that
fails. A test that does not enter a function cannot notice a change of it.

What a test may use is CPU time, not time: a busy machine kills no mutant.
"""

from __future__ import annotations

import os
import pickle
import resource
import signal
import sys
import time
import types
import unittest
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import signatures
from mutants import BOOTLOADER, ROOT, Mutant

#: Nothing in them is about what a device accepts, and they take long.
_LEFT_OUT = ("test_firmware", "test_firmware_credit", "test_frame", "test_stock")

#: A signature is verified once and remembered, but not where it is the signature that is tested.
_VERIFIER = "trust/p256.py"

#: CPU seconds for a test that takes no time; each gets many times what it takes besides.
_LEAST_S = 1.0
_TIMES = 10
_MEMORY_BYTES = 4 << 30

ENDLESS = "does not end"


@dataclass(frozen=True)
class _Test:
    number: int
    seconds: float
    #: whether signatures are verified each time
    verifies: bool
    #: (file of bootloader/, first line) of each function that it enters
    entered: frozenset[tuple[str, int]]


class _Tests:
    def __init__(self) -> None:
        folder = ROOT / "tests" / "device"
        names = sorted(path.stem for path in folder.glob("test_*.py"))
        loaded = unittest.defaultTestLoader.loadTestsFromNames(
            [name for name in names if name not in _LEFT_OUT]
        )
        self.cases = list(_flat(loaded))

    def run(self, number: int, verifies: bool) -> str:
        """What failed; "" if nothing did."""
        if verifies:
            signatures.forget()
        else:
            signatures.remember()
        case = self.cases[number]
        result = unittest.TestResult()
        unittest.TestSuite([case]).run(result)
        return "" if result.wasSuccessful() else case.id()


def _flat(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from _flat(test)
        elif isinstance(test, unittest.TestCase):
            yield test


def run_all(mutants: list[Mutant], jobs: int, seconds: float | None) -> dict[str, str]:
    """Runs them; name -> the test that noticed, "" where none did. Those that did not begin within
    `seconds` are left out."""
    tests = _Tests()
    known = _look(tests)
    began = time.monotonic()
    waiting = list(reversed(mutants))
    running: dict[int, tuple[Mutant, int]] = {}
    noticed: dict[str, str] = {}
    while waiting or running:
        if seconds is not None and time.monotonic() - began > seconds:
            waiting.clear()
        while waiting and len(running) < jobs:
            mutant = waiting.pop()
            child, pipe = _fork(lambda mutant=mutant: _killer(mutant, tests, known))
            running[child] = mutant, pipe
        if not running:
            break
        child, status = os.wait()
        mutant, pipe = running.pop(child)
        with os.fdopen(pipe, "rb") as reading:
            found = reading.read()
        if not (found or os.WIFSIGNALED(status)):
            raise SystemExit(f"{mutant.name}: no result; did a file change meanwhile?")
        if os.WIFSIGNALED(status):
            noticed[mutant.name] = f"{ENDLESS} (signal {os.WTERMSIG(status)})"
        else:
            noticed[mutant.name] = pickle.loads(found)
    return noticed


def _fork(work: Any) -> tuple[int, int]:
    """Does `work` in a process of its own; (its id, where its pickled result is to be read)."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child:
        os.close(writing)
        return child, reading
    try:
        os.close(reading)
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        with os.fdopen(writing, "wb") as pipe:
            pickle.dump(work(), pipe)
    finally:
        os._exit(0)


def _look(tests: _Tests) -> list[_Test]:
    """Runs every test as it is: all must pass."""
    _, pipe = _fork(lambda: [_looked(tests, number) for number in range(len(tests.cases))])
    with os.fdopen(pipe, "rb") as reading:
        found: list[_Test | str] = pickle.loads(reading.read())
    os.wait()
    failed = [each for each in found if isinstance(each, str)]
    if failed:
        raise SystemExit("these fail without any mutant: " + ", ".join(failed))
    known = [each for each in found if isinstance(each, _Test)]
    return sorted(known, key=lambda test: test.seconds)


def _looked(tests: _Tests, number: int) -> _Test | str:
    """A test is content with a remembered signature, or needs one that is verified."""
    is_of_verifier = type(tests.cases[number]).__module__ == "test_p256"
    for verifies in (True,) if is_of_verifier else (False, True):
        entered: set[tuple[str, int]] = set()
        began = time.process_time()
        sys.settrace(_tracer(entered))
        try:
            failed = tests.run(number, verifies)
        finally:
            sys.settrace(None)
        if not failed:
            return _Test(number, time.process_time() - began, verifies, frozenset(entered))
    return failed


def _tracer(entered: set[tuple[str, int]]) -> Callable[[types.FrameType, str, object], None]:
    prefix = str(BOOTLOADER) + os.sep

    def trace(frame: types.FrameType, event: str, argument: object) -> None:
        code = frame.f_code
        if code.co_filename.startswith(prefix):
            entered.add((code.co_filename[len(prefix) :], code.co_firstlineno))

    return trace


# --- one mutant, in its process


def _killer(mutant: Mutant, tests: _Tests, known: list[_Test]) -> str:
    name = "hanbootloader." + mutant.file.removesuffix(".py").replace("/", ".")
    path = BOOTLOADER / mutant.file
    lines = set(_exchange(sys.modules[name], path, mutant))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    for test in known:
        if not any((mutant.file, line) in test.entered for line in lines):
            continue
        if mutant.file == _VERIFIER and not test.verifies:
            continue
        signal.setitimer(signal.ITIMER_PROF, _LEAST_S + _TIMES * test.seconds)
        failed = tests.run(test.number, test.verifies)
        if failed:
            return failed
    return ""


def _exchange(module: types.ModuleType, path: Path, mutant: Mutant) -> Iterator[int]:
    """Gives the functions of `module` the code that the mutant has for them; yields the first lines
    of those that differ. Whoever holds one of the functions holds the mutant's then."""
    source = path.read_text()
    names = {"__name__": module.__name__}
    exec(compile(mutant.apply(source), str(path), "exec"), names)
    for old, new in _functions(module.__dict__, names, module.__name__):
        if old.__code__ != new.__code__:
            yield old.__code__.co_firstlineno
            old.__code__ = new.__code__


def _functions(
    old: Any, new: Any, module: str
) -> Iterator[tuple[types.FunctionType, types.FunctionType]]:
    for name, value in list(old.items()):
        other = new.get(name)
        if isinstance(value, type) and value.__module__ == module:
            yield from _functions(dict(vars(value)), vars(other), module)
        elif isinstance(value, property) and value.fget is not None:
            yield value.fget, other.fget  # type: ignore[misc]
        elif isinstance(value, types.FunctionType) and value.__module__ == module:
            yield value, other
