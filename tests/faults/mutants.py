"""Mutants of the accept path: each check of the device code is removed, turned round, or moved by
one, and the device tests must notice every time.

The checks are found in the code, so that a new one is covered on the day it is written:

- the condition of an `if`: never true where the body leaves (raise, return, continue, break), else
  always true; and turned round;
- each operand of `and` and `or`, each leg of `a < b < c`: left out;
- `<` for `<=` and so on, where a comparison decides;
- a truth that is returned or kept (`proofs.signer_known = ...`): always true, and turned round;
- each condition of a comprehension, and of `x if condition else y`;
- a call whose result nobody takes, and a `raise` that stands alone: left out.

mutant_run.py runs them. Some do what the original does; they are listed with the reason in
`equivalent_mutants.py`, and nothing else is excused.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BOOTLOADER = ROOT / "host_tools" / "hanbootloader"  # as modules are found

ACCEPT_PATH = (
    "policy.py",
    "admission.py",
    "cpl_entry.py",
    "verdict.py",
    "lives.py",
    "verify.py",
    "boot.py",
    "install.py",
    "device.py",
    "image/cbor.py",
    "image/cose.py",
    "image/manifest.py",
    "image/ota.py",
    "image/reader.py",
    "trust/anchors.py",
    "trust/cell.py",
    "trust/kid.py",
    "trust/p256.py",
    "store/backup.py",
    "store/doubts.py",
    "store/flash.py",
    "store/journal.py",
    "store/ledger.py",
    "store/slots.py",
)

_LEAVES = (ast.Raise, ast.Return, ast.Continue, ast.Break)
_MOVED = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}


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
        return f"{self.file}:{self.line}:{self.start}-{self.end}:{self.what}"

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What `equivalent_mutants.py` knows it by: lines move."""
        return (self.file, self.function, self.check, self.what)

    def apply(self, source: str) -> str:
        return source[: self.start] + self.instead + source[self.end :]


def mutants_of(file: str) -> list[Mutant]:
    source = (BOOTLOADER / file).read_text()
    found = set(_Finder(file, source).found())
    return sorted(found, key=lambda mutant: (mutant.start, mutant.what))


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
        for mutant in self._checks(node, function):
            # mutant_run.py changes functions; a check anywhere else would go unseen
            assert function, f"{self._file}:{mutant.line}: a check outside of any function"
            yield mutant
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Assert):
                continue  # for mypy
            if isinstance(child, ast.If) and ast.unparse(child.test) == "__debug__":
                continue  # no firmware has it
            if isinstance(child, ast.Raise) and not isinstance(node, (ast.If, ast.ExceptHandler)):
                yield self._make(child, function, "left out", "pass")
            yield from self._walk(child, function)

    def _checks(self, node: ast.AST, function: str) -> Iterator[Mutant]:
        make = self._make
        if isinstance(node, ast.If):
            leaves = any(isinstance(n, _LEAVES) for body in node.body for n in ast.walk(body))
            yield make(node.test, function, "removed", "(False)" if leaves else "(True)")
            yield make(node.test, function, "inverted", self._not(node.test))
        elif isinstance(node, ast.IfExp):
            yield make(node.test, function, "inverted", self._not(node.test))
        elif isinstance(node, ast.comprehension):
            for test in node.ifs:
                yield make(test, function, "removed", "(True)")
                yield make(test, function, "inverted", self._not(test))
        elif isinstance(node, ast.BoolOp):
            neutral = "True" if isinstance(node.op, ast.And) else "False"
            for value in node.values:
                # `x or b""` is a default, not a check
                if not isinstance(value, (ast.Constant, ast.Name)) or neutral == "True":
                    yield make(value, function, "left out", f"({neutral})")
        elif isinstance(node, ast.Compare):
            yield from self._comparisons(node, function)
        elif isinstance(node, (ast.Assign, ast.Return)) and _is_truth(node.value):
            assert node.value is not None
            yield make(node.value, function, "always true", "(True)")
            yield make(node.value, function, "inverted", self._not(node.value))
        elif isinstance(node, ast.Expr) and isinstance(node.value, (ast.Call, ast.YieldFrom)):
            yield make(node, function, "left out", "pass")

    def _comparisons(self, node: ast.Compare, function: str) -> Iterator[Mutant]:
        for at, operator in enumerate(node.ops):
            if len(node.ops) > 1:
                kept = [self._leg(node, leg) for leg in range(len(node.ops)) if leg != at]
                instead = "(" + " and ".join(kept) + ")"
                yield self._make(node, function, f"leg {at} left out", instead)
            moved = _MOVED.get(type(operator))
            if moved is not None:
                legs = [
                    self._leg(node, leg, moved() if leg == at else None)
                    for leg in range(len(node.ops))
                ]
                yield self._make(node, function, f"moved {at}", "(" + " and ".join(legs) + ")")

    def _leg(self, node: ast.Compare, leg: int, operator: ast.cmpop | None = None) -> str:
        terms = [node.left, *node.comparators]
        pair = ast.Compare(terms[leg], [operator or node.ops[leg]], [terms[leg + 1]])
        return ast.unparse(pair)

    def _make(self, node: ast.expr | ast.stmt, function: str, what: str, instead: str) -> Mutant:
        start, end = self._span(node)
        check = " ".join(self._source[start:end].split())
        return Mutant(self._file, node.lineno, function, what, check, instead, start, end)

    def _not(self, node: ast.expr) -> str:
        start, end = self._span(node)
        return f"(not ({self._source[start:end]}))"

    def _span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return (
            self._lines[node.lineno - 1] + node.col_offset,
            self._lines[node.end_lineno - 1] + node.end_col_offset,
        )


def _is_truth(node: ast.expr | None) -> bool:
    """Whether `node` is true or false rather than a value."""
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, ast.Not)
    if isinstance(node, ast.BoolOp):
        return all(_is_truth(value) for value in node.values)
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id in ("any", "all", "bool")
    return isinstance(node, ast.Compare)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="mutants", description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--file", action="append", help="only this file of bootloader/")
    parser.add_argument("--every", type=int, default=1, help="only every n-th mutant")
    parser.add_argument("--seconds", type=float, help="begin no more of them after so long")
    parser.add_argument("--list", action="store_true", help="only show them")
    parser.add_argument("--json", type=Path, help="write the result there")
    options = parser.parse_args(arguments)

    from equivalent_mutants import EQUIVALENT

    found = [mutant for file in options.file or ACCEPT_PATH for mutant in mutants_of(file)]
    same = [mutant for mutant in found if mutant.key in EQUIVALENT]
    mutants = [mutant for mutant in found if mutant.key not in EQUIVALENT][:: options.every]
    if options.list:
        for mutant in mutants:
            print(f"{mutant.name}  {mutant.check}  ->  {mutant.instead}")
        return 0

    import mutant_run

    began = time.monotonic()
    noticed = mutant_run.run_all(mutants, options.jobs, options.seconds)
    alive = [mutant for mutant in mutants if noticed.get(mutant.name) == ""]
    for mutant in alive:
        print(f"survives: {mutant.name} in {mutant.function}: {mutant.check} -> {mutant.instead}")
    unused = set(EQUIVALENT) - {mutant.key for mutant in found} if not options.file else set()
    for key in unused:
        print(f"excused in equivalent_mutants.py, but not there: {key}")
    killed = len(noticed) - len(alive)
    not_run = len(mutants) - len(noticed)
    seconds = time.monotonic() - began
    print(
        f"{len(noticed)} mutants, {killed} noticed, {len(alive)} not; {len(same)} do the same as "
        f"the original; {not_run} not run; {seconds:.0f} s"
    )
    if options.json:
        report = {
            "mutants": len(noticed),
            "killed": killed,
            "same": len(same),
            "not_run": not_run,
            "seconds": round(seconds, 1),
            "survivors": [asdict(mutant) for mutant in alive],
            "noticed_by": noticed,
        }
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    return 1 if alive or unused else 0


if __name__ == "__main__":
    sys.exit(main())
