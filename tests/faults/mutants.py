"""Mutants of the accept path: each check of the device code is removed, and turned round, and the
device tests must notice every time.

The checks are found in the code, so that a new one is covered on the day it is written:

- the condition of an `if`: never true where the body leaves (raise, return, continue, break), else
  always true; and turned round;
- each operand of `and` and `or`, each leg of `a < b < c`: left out;
- a truth that is returned or kept (`proofs.signer_known = ...`): always true, and turned round;
- each condition of a comprehension, and of `x if condition else y`.

Every mutant runs in a process of its own, which ends at the first test that fails. Some mutants do
the same as the original; they are listed with the reason in `same.py`, and nothing else is excused.
"""

from __future__ import annotations

import argparse
import ast
import importlib.abc
import importlib.util
import io
import json
import multiprocessing
import os
import signal
import sys
import time
import unittest
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
BOOTLOADER = ROOT / "bootloader"

#: The accept path, and the tests that know each part best; all others come behind them.
ACCEPT_PATH = {
    "policy.py": ("test_policy", "test_mutations"),
    "verify.py": ("test_verify", "test_mutations", "test_boot"),
    "boot.py": ("test_boot",),
    "install.py": ("test_install", "test_mutations", "test_console"),
    "device.py": ("test_anchors", "test_boot", "test_install"),
    "image/cbor.py": ("test_cbor",),
    "image/cose.py": ("test_cose",),
    "image/manifest.py": ("test_manifest",),
    "image/ota.py": ("test_ota",),
    "image/reader.py": ("test_reader",),
    "trust/anchors.py": ("test_anchors",),
    "trust/p256.py": ("test_p256",),
    "store/flash.py": ("test_flash", "test_faults"),
    "store/journal.py": ("test_journal", "test_faults"),
    "store/ledger.py": ("test_ledger", "test_boot"),
    "store/slots.py": ("test_slots",),
}

#: Nothing in them is about what a device accepts, and they take long.
_LEFT_OUT = {"test_firmware", "test_firmware_credit", "test_frame"}

#: A mutant that does not end is noticed, too.
TIMEOUT_S = 60

_LEAVES = (ast.Raise, ast.Return, ast.Continue, ast.Break)


@dataclass(frozen=True)
class Mutant:
    file: str
    line: int
    function: str
    what: str
    #: the check as it stands in the code, and what takes its place
    check: str
    instead: str
    start: int
    end: int

    @property
    def name(self) -> str:
        return f"{self.file}:{self.line}:{self.start}:{self.what}"

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What `same.py` knows it by: lines move."""
        return (self.file, self.function, self.check, self.what)

    def apply(self, source: str) -> str:
        return source[: self.start] + self.instead + source[self.end :]


def mutants_of(file: str) -> list[Mutant]:
    source = (BOOTLOADER / file).read_text()
    return sorted(
        set(_Finder(file, source).found()), key=lambda mutant: (mutant.start, mutant.what)
    )


class _Finder:
    def __init__(self, file: str, source: str) -> None:
        self._file = file
        self._source = source
        # columns are octets of UTF-8; the device's code is ASCII
        assert source.isascii()
        self._lines = [0]
        for line in source.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))

    def found(self) -> Iterator[Mutant]:
        yield from self._walk(ast.parse(self._source), "")

    def _walk(self, node: ast.AST, function: str) -> Iterator[Mutant]:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            function = f"{function}.{node.name}" if function else node.name
        yield from self._checks(node, function)
        for child in ast.iter_child_nodes(node):
            yield from self._walk(child, function)

    def _checks(self, node: ast.AST, function: str) -> Iterator[Mutant]:
        make = self._make
        if isinstance(node, ast.If):
            leaves = any(isinstance(n, _LEAVES) for body in node.body for n in ast.walk(body))
            yield make(node.test, function, "removed", "False" if leaves else "True")
            yield make(node.test, function, "inverted", self._not(node.test))
        elif isinstance(node, ast.IfExp):
            yield make(node.test, function, "inverted", self._not(node.test))
        elif isinstance(node, ast.comprehension):
            for test in node.ifs:
                yield make(test, function, "removed", "True")
                yield make(test, function, "inverted", self._not(test))
        elif isinstance(node, ast.BoolOp):
            neutral = "True" if isinstance(node.op, ast.And) else "False"
            for value in node.values:
                # `x or b""` is a default, not a check
                if not isinstance(value, (ast.Constant, ast.Name)) or neutral == "True":
                    yield make(value, function, "left out", neutral)
        elif isinstance(node, ast.Compare) and len(node.ops) > 1:
            for at in range(len(node.ops)):
                yield self._without_leg(node, at, function)
        elif isinstance(node, (ast.Assign, ast.Return)) and _is_truth(node.value):
            assert node.value is not None
            yield make(node.value, function, "always true", "True")
            yield make(node.value, function, "inverted", self._not(node.value))

    def _make(self, node: ast.expr, function: str, what: str, instead: str) -> Mutant:
        start, end = self._span(node)
        check = " ".join(self._source[start:end].split())
        return Mutant(self._file, node.lineno, function, what, check, f"({instead})", start, end)

    def _not(self, node: ast.expr) -> str:
        return f"not ({self._text(node)})"

    def _without_leg(self, node: ast.Compare, leg: int, function: str) -> Mutant:
        terms = [node.left, *node.comparators]
        kept = []
        for at, operator in enumerate(node.ops):
            if at != leg:
                pair = ast.Compare(terms[at], [operator], [terms[at + 1]])
                kept.append(ast.unparse(pair))
        return self._make(node, function, f"leg {leg} left out", " and ".join(kept))

    def _span(self, node: ast.expr) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return (
            self._lines[node.lineno - 1] + node.col_offset,
            self._lines[node.end_lineno - 1] + node.end_col_offset,
        )

    def _text(self, node: ast.expr) -> str:
        start, end = self._span(node)
        return self._source[start:end]


def _is_truth(node: ast.expr | None) -> bool:
    """Whether `node` is true or false rather than a value."""
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, ast.Not)
    if isinstance(node, ast.BoolOp):
        return all(_is_truth(value) for value in node.values)
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id in ("any", "all", "bool")
    return isinstance(node, ast.Compare)


# --- running one


class _Serving(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives a mutated source for one module."""

    def __init__(self, name: str, path: Path, source: str) -> None:
        self._name, self._path, self._source = name, path, source

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        return importlib.util.spec_from_loader(fullname, self, origin=str(self._path))

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._source, str(self._path), "exec"), module.__dict__)


def test_names(file: str) -> list[str]:
    """The tests to run against a mutant of `file`, the likeliest to notice first."""
    first = [name for name in ACCEPT_PATH.get(file, ()) if name != "test_faults"]
    rest = {path.stem for path in (ROOT / "tests" / "device").glob("test_*.py")}
    return first + sorted(rest - set(first) - _LEFT_OUT)


def run(mutant: Mutant) -> tuple[str, str | None]:
    """Runs the tests against a mutant; (its name, the test that noticed or None)."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(reading)
            os.write(writing, _killer(mutant).encode()[:2000])
        except BaseException as error:  # also what a mutant raises while it is imported
            os.write(writing, f"{type(error).__name__} at import".encode())
        finally:
            os._exit(0)
    os.close(writing)
    deadline = time.monotonic() + TIMEOUT_S
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            os.close(reading)
            return mutant.name, "does not end"
        time.sleep(0.01)
    with os.fdopen(reading, "rb") as pipe:
        found = pipe.read().decode()
    return mutant.name, found or None


def _killer(mutant: Mutant) -> str:
    path = BOOTLOADER / mutant.file
    module = "bootloader." + mutant.file.removesuffix(".py").replace("/", ".")
    sys.meta_path.insert(0, _Serving(module, path, mutant.apply(path.read_text())))
    for folder in ("tests/faults", "tests/device", "boards/virtual", "."):
        sys.path.insert(0, str(ROOT / folder))
    sys.stdout = sys.stderr = io.StringIO()
    for name in test_names(mutant.file):
        suite = unittest.defaultTestLoader.loadTestsFromName(name)
        found = unittest.TextTestRunner(stream=io.StringIO(), failfast=True).run(suite)
        if not found.wasSuccessful():
            bad = found.failures + found.errors + [(case, "") for case in found.unexpectedSuccesses]
            return str(bad[0][0])
    return _campaign()


def _campaign() -> str:
    """A short campaign: every fault once on the smallest device."""
    import campaign
    import cases

    cases.prepare()
    for place in (
        "tiny-provision",
        "tiny-upgrade/320",
        "tiny-revert",
        "tiny-anchor",
        "tiny-fall-back",
    ):
        try:
            cases.plain(place)
        except Exception as error:
            return f"{place}: {error!r}"
        for case in campaign.single_cases(place, draws=1):
            violation = cases.run(case).violation
            if violation is not None:
                return f"{case}: {violation}"
    return ""


# --- running all


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--file", action="append", help="only this file of bootloader/")
    parser.add_argument("--every", type=int, default=1, help="only every n-th mutant")
    parser.add_argument("--list", action="store_true", help="only show them")
    parser.add_argument("--json", type=Path, help="write the result there")
    options = parser.parse_args(arguments)

    sys.path.insert(0, str(Path(__file__).parent))
    from same import SAME

    found = [mutant for file in options.file or ACCEPT_PATH for mutant in mutants_of(file)]
    same = [mutant for mutant in found if mutant.key in SAME]
    mutants = [mutant for mutant in found if mutant.key not in SAME][:: options.every]
    if options.list:
        for mutant in mutants:
            print(f"{mutant.name}  {mutant.check}  ->  {mutant.instead}")
        return 0
    with multiprocessing.get_context("fork").Pool(options.jobs) as pool:
        noticed = dict(pool.imap_unordered(run, mutants))
    alive = [mutant for mutant in mutants if noticed[mutant.name] is None]
    for mutant in alive:
        print(f"survives: {mutant.name} in {mutant.function}: {mutant.check} -> {mutant.instead}")
    unused = set(SAME) - {mutant.key for mutant in found} if not options.file else set()
    for key in unused:
        print(f"excused in same.py, but not there: {key}")
    print(f"{len(mutants)} mutants, {len(mutants) - len(alive)} noticed, {len(same)} the same")
    if options.json:
        report = {
            "mutants": len(mutants),
            "killed": len(mutants) - len(alive),
            "same": len(same),
            "survivors": [asdict(mutant) for mutant in alive],
            "noticed_by": noticed,
        }
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    return 1 if alive or unused else 0


if __name__ == "__main__":
    sys.exit(main())
