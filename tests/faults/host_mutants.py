"""Mutants of the host's link and device client, against their unit tests on a fake transport.

The same changes as of the accept path (`mutants.py`). Each mutant is one fork: the changed source
takes the place of its module, and the tests run up to the first that fails.
"""

from __future__ import annotations

import argparse
import ast
import importlib.abc
import importlib.machinery
import importlib.util
import os
import resource
import sys
import time
import types
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from mutants import ROOT, Mutant, _Finder

HANBOOT = ROOT / "host_tools" / "hanboot"
FILES = (
    "link/deadline.py",
    "link/smp.py",
    "device/client.py",
    "device/records.py",
    "device/reply.py",
    "device/upgrade.py",
)
TESTS = (
    "tests/host/test_link.py",
    "tests/host/test_device_questions.py",
    "tests/host/test_device_resets.py",
    "tests/host/test_device_upload.py",
    "tests/host/test_device_verdict.py",
    "tests/host/test_upgrade_paths.py",
    "tests/host/test_replies.py",
)

#: CPU seconds for a run of the tests, which takes one or two.
_CPU_S = 8

#: Mutants that no test of a fake can tell from the original, with the reason; by file, function,
#: check and kind.
EQUIVALENT: dict[tuple[str, str, str, str], str] = {
    ("device/client.py", "Device.wait_verified", "held.firmware", "left out"): (
        "`slot_with` finds slots with firmware only; the check is for mypy"
    ),
}


def mutants_of(file: str) -> list[Mutant]:
    """The mutants of the functions of a module; what stands outside of them is for mypy."""
    source = (HANBOOT / file).read_text()
    finder = _Finder(file, source)
    found: set[Mutant] = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found |= set(finder._walk(node, ""))
    return sorted(found, key=lambda mutant: (mutant.start, mutant.what))


class _Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads one module from changed source."""

    def __init__(self, name: str, source: str) -> None:
        self._name = name
        self._source = source

    def find_spec(
        self, fullname: str, path: object, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        return importlib.util.spec_from_loader(fullname, self)

    def exec_module(self, module: types.ModuleType) -> None:
        exec(compile(self._source, f"<mutant of {self._name}>", "exec"), module.__dict__)


def is_noticed(mutant: Mutant) -> bool:
    """Runs the tests on a mutant, in a process of its own."""
    process = os.fork()
    if not process:
        os._exit(_run(mutant))
    _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status) != 0


def _run(mutant: Mutant) -> int:
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S))
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    name = "hanboot." + mutant.file.removesuffix(".py").replace("/", ".")
    source = (HANBOOT / mutant.file).read_text()
    sys.meta_path.insert(0, _Changed(name, mutant.apply(source)))
    import pytest

    try:
        return int(
            pytest.main(["-x", "-q", "-p", "no:cacheprovider", *(str(ROOT / t) for t in TESTS)])
        )
    except BaseException:
        return 1


def survivors(mutants: Sequence[Mutant], jobs: int) -> Iterator[Mutant]:
    """Those that no test notices."""
    with ThreadPoolExecutor(jobs) as pool:
        for mutant, noticed in zip(mutants, pool.map(is_noticed, mutants), strict=True):
            if not noticed:
                yield mutant


def _share(text: str) -> float:
    share = float(text)
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError("must be above 0, and at most 1")
    return share


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="host-mutants", description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--file", action="append", help="only this file of hanboot/")
    parser.add_argument(
        "--share", type=_share, default=1.0, help="of the whole, sampled (%(default)s)"
    )
    options = parser.parse_args(arguments)
    import pytest  # noqa: F401  once, before the forks

    found = [mutant for file in options.file or FILES for mutant in mutants_of(file)]
    mutants = [mutant for mutant in found if mutant.key not in EQUIVALENT]
    mutants = mutants[:: round(1 / options.share)]
    began = time.monotonic()
    alive = 0
    for mutant in survivors(mutants, options.jobs):
        alive += 1
        where, check = f"{mutant.name} in {mutant.function}", f"{mutant.check} -> {mutant.instead}"
        print(f"survives: {where}: {check}", flush=True)
    unused = set(EQUIVALENT) - {mutant.key for mutant in found} if not options.file else set()
    for key in unused:
        print(f"excused, but not there: {key}")
    print(
        f"{len(mutants)} mutants, {len(mutants) - alive} noticed, {alive} not; "
        f"{time.monotonic() - began:.0f} s"
    )
    return 1 if alive or unused else 0


if __name__ == "__main__":
    sys.exit(main())
