"""The campaign: every single fault, every pair on the smallest device, triples by lot.

Work is cut into units that a pool of processes takes; what comes back is added up in a `Tally`.
"""

from __future__ import annotations

import multiprocessing
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import cases
import scenarios

from nor_faults import ERASE_KINDS, PROGRAM_KINDS, Fault

#: How often each single fault is drawn anew: the kinds that leave something to chance differ.
DRAWS = 3

#: In the order of a device's life; whatever else turns up comes behind.
PHASES = (
    "provision",
    "anchor update",
    "receive",
    "finalise",
    "activate",
    "first boot",
    "confirm",
    "counter",
    "history",
    "revert",
    "fall back",
    "refusal",
    "restart",
)
KINDS = tuple(dict.fromkeys(PROGRAM_KINDS[:-1] + ERASE_KINDS))

_Unit = tuple[str, tuple[object, ...]]


@dataclass
class Tally:
    """What a number of cases came to.

    cases, fired, recovered, violations: by (phase, kind) of the case's last fault
    """

    cases: Counter[tuple[str, str]] = field(default_factory=Counter)
    fired: Counter[tuple[str, str]] = field(default_factory=Counter)
    recovered: Counter[tuple[str, str]] = field(default_factory=Counter)
    violations: Counter[tuple[str, str]] = field(default_factory=Counter)
    #: (case, what does not hold), and cases with a fault that did not happen
    violated: list[tuple[str, str]] = field(default_factory=list)
    not_fired: list[str] = field(default_factory=list)
    #: cases in which a silent drop hit the very cells that were unstable (world.py)
    unsettled: int = 0

    def add(self, outcome: cases.Outcome) -> None:
        kind = outcome.case.rsplit(".", 2)[1]
        at = (outcome.phases[-1] if outcome.phases else "none", kind)
        self.cases[at] += 1
        self.unsettled += outcome.unsettled
        if outcome.fired == outcome.wanted:
            self.fired[at] += 1
        else:
            self.not_fired.append(outcome.case)
        if outcome.violation is None:
            self.recovered[at] += 1
        else:
            self.violations[at] += 1
            self.violated.append((outcome.case, outcome.violation))

    def update(self, other: Tally) -> None:
        self.cases.update(other.cases)
        self.fired.update(other.fired)
        self.recovered.update(other.recovered)
        self.violations.update(other.violations)
        self.violated += other.violated
        self.not_fired += other.not_fired
        self.unsettled += other.unsettled

    @property
    def total(self) -> int:
        return self.cases.total()


# --- what there is to do


def places(size: str = "") -> list[str]:
    """All scenarios, with the journal filled in every way that makes a difference."""
    return [
        cases.place_of(name, size, space)
        for name in scenarios.SCENARIOS
        for space in scenarios.SPACES
        # on a blank device there is nothing to fill
        if space is None or name != "provision"
    ]


def pair_places() -> list[str]:
    return [
        cases.place_of(name, "tiny-", space)
        for name, spaces in scenarios.PAIR_SPACES.items()
        for space in spaces
    ]


def single_cases(place: str, draws: int = DRAWS) -> Iterator[str]:
    for number, operation in enumerate(cases.plain(place)[1]):
        for kind in cases.kinds_of(operation):
            # nothing is left to chance when nothing happens
            for draw in range(1 if kind in ("not-started", "dropped") else draws):
                yield f"{place}@{number}.{kind}.{draw}"


def single_units(size: str = "", draws: int = DRAWS) -> list[_Unit]:
    return [("single", (place, draws)) for place in places(size)]


def double_units() -> list[_Unit]:
    return [
        ("double", (place, number, kind))
        for place in pair_places()
        for number, operation in enumerate(cases.plain(place)[1])
        for kind in cases.kinds_of(operation)
    ]


def triple_units(count: int, seed: int) -> list[_Unit]:
    each = 100
    return [("triple", (seed, first, min(each, count - first))) for first in range(0, count, each)]


def draw_triple(seed: int, number: int) -> cases.Outcome:
    """Runs triple `number` of `seed`: three faults, each drawn from what then still happens."""
    dice = random.Random(f"{seed} {number}")
    while True:
        place = dice.choice(pair_places() + places("tiny-"))
        first = _draw(dice, cases.plain(place)[1])
        after_one = cases.Checkpoint(place, first)
        second = _draw(dice, after_one.operations())
        operations = after_one.operations_after(second)
        if operations:
            return after_one.run(second, _draw(dice, operations))


def _draw(dice: random.Random, operations: list[tuple[str, str, bool]]) -> Fault:
    number = dice.randrange(len(operations))
    return Fault(number, dice.choice(cases.kinds_of(operations[number])), dice.randrange(100))


# --- doing it


def _run_unit(unit: _Unit) -> Tally:
    what, arguments = unit
    tally = Tally()
    for outcome in _RUNNERS[what](*arguments):  # type: ignore[operator]
        tally.add(outcome)
    return tally


def _run_single(place: str, draws: int) -> Iterator[cases.Outcome]:
    for case in single_cases(place, draws):
        yield cases.run(case)


def _run_double(place: str, number: int, kind: str) -> Iterator[cases.Outcome]:
    checkpoint = cases.Checkpoint(place, Fault(number, kind))
    for second, operation in enumerate(checkpoint.operations()):
        for second_kind in cases.kinds_of(operation):
            yield checkpoint.run(Fault(second, second_kind))


def _run_triple(seed: int, first: int, count: int) -> Iterator[cases.Outcome]:
    for number in range(first, first + count):
        yield draw_triple(seed, number)


_RUNNERS = {"single": _run_single, "double": _run_double, "triple": _run_triple}


def run(units: Iterable[_Unit], jobs: int) -> Tally:
    """Runs `units` in so many processes."""
    cases.prepare()
    tally = Tally()
    with multiprocessing.get_context("fork").Pool(jobs) as pool:
        for part in pool.imap_unordered(_run_unit, units):
            tally.update(part)
    return tally


# --- showing it


def table(tally: Tally) -> str:
    """Phase by kind of fault: cases; then, for each, how many fired, recovered, violated."""
    phases = sorted(
        {phase for phase, _ in tally.cases},
        key=lambda phase: PHASES.index(phase) if phase in PHASES else len(PHASES),
    )
    kinds = [kind for kind in KINDS if any(key[1] == kind for key in tally.cases)]
    heads = [*kinds, "cases", "fired", "recovered", "violations"]
    widths = [max(len(head), 7) for head in heads]
    counters = (tally.cases, tally.fired, tally.recovered, tally.violations)

    def line(label: str, values: list[object]) -> str:
        cells = [str(value).rjust(width) for value, width in zip(values, widths, strict=True)]
        return f"{label:<14}" + " ".join(cells)

    lines = [line("phase", list(heads))]
    for phase in phases:
        row: list[object] = [tally.cases[phase, kind] or "-" for kind in kinds]
        lines.append(line(phase, row + [_sum(counter, phase=phase) for counter in counters]))
    names = ("cases", "fired", "recovered", "violations")
    for name, counter in zip(names, counters, strict=True):
        row = [_sum(counter, kind=kind) for kind in kinds]
        lines.append(line(name, row + ([""] * 4 if counter is not tally.cases else _totals(tally))))
    return "\n".join(lines)


def _sum(
    counter: Counter[tuple[str, str]], phase: str | None = None, kind: str | None = None
) -> int:
    return sum(
        count
        for (its_phase, its_kind), count in counter.items()
        if phase in (None, its_phase) and kind in (None, its_kind)
    )


def _totals(tally: Tally) -> list[object]:
    counters = (tally.cases, tally.fired, tally.recovered, tally.violations)
    return [counter.total() for counter in counters]


def as_json(tally: Tally) -> list[dict[str, object]]:
    return [
        {
            "phase": phase,
            "kind": kind,
            "cases": tally.cases[phase, kind],
            "fired": tally.fired[phase, kind],
            "recovered": tally.recovered[phase, kind],
            "violations": tally.violations[phase, kind],
        }
        for phase, kind in sorted(tally.cases)
    ]
