"""The campaign: every single fault, every pair on the smallest device, sampled triples.

Work is cut into units that a pool of processes takes; what comes back is added up in a `Tally`.
"""

from __future__ import annotations

import multiprocessing
import random
from collections.abc import Callable, Iterator

import cases
import home_faults
import kept_devices
import scenarios
import transient_reads
from nor_faults import Fault
from rules import Violation
from tally import Tally

#: How often each single fault is drawn anew. What looks as if nothing had happened, and is seen
#: later, is the rarest.
DRAWS = {
    "not-started": 1,
    "dropped": 1,
    "prefix": 2,
    "bits": 3,
    "last-octet": 2,
    "mixed": 3,
    "remain-450": 2,
    "remain-35": 2,
    "weak": 3,
    "weak-new": 3,
    "weak-old": 5,
}

Unit = tuple[str, tuple[object, ...]]


# --- what there is to do


def places(size: str = "") -> list[str]:
    """All scenarios, with the journal filled in every way that makes a difference."""
    return [
        cases.place_of(name, size, space)
        for name in scenarios.SCENARIOS
        for space in scenarios.spaces_of(name)
    ]


def pair_places() -> list[str]:
    return [
        cases.place_of(name, "small-", space)
        for name, spaces in scenarios.PAIR_SPACES.items()
        for space in spaces
    ]


def single_cases(place: str, only: int | None = None) -> Iterator[str]:
    """only: this draw of each fault, in place of all of DRAWS."""
    for number, operation in enumerate(cases.plain(place)[1]):
        for kind in cases.kinds_of(operation):
            every = range(DRAWS[kind])
            for draw in every if only is None else (every[only % len(every)],):
                yield f"{place}@{number}.{kind}.{draw}"


def single_units(size: str = "", only: int | None = None) -> list[Unit]:
    return [("single", (place, only)) for place in places(size)]


def kept_units() -> list[Unit]:
    """Devices that an earlier hanboot left."""
    kept = [cases.place_of(name, kept_devices.SIZE) for name in kept_devices.names()]
    return [("single", (place, 0)) for place in kept]


def double_units() -> list[Unit]:
    return [
        ("double", (place, number, kind))
        for place in pair_places()
        for number, operation in enumerate(cases.plain(place)[1])
        for kind in cases.kinds_of(operation)
    ]


def drawn_double_units(seed: int) -> list[Unit]:
    """What a whole campaign tries: every pair, and a quarter where scenarios.py says so."""
    every, some = [], []
    for unit in double_units():
        name = cases.parse_place(str(unit[1][0]))[0]
        (some if name in scenarios.VARIANTS else every).append(unit)
    return every + random.Random(seed).sample(some, len(some) // 4)


def transient_units(share: float) -> list[Unit]:
    return [("transient", (unit, share)) for unit in transient_reads.units()]


def home_units() -> list[Unit]:
    return [
        ("home", (name, number))
        for name in home_faults.SCENARIOS
        for number in range(len(home_faults.plain(name)))
    ]


def triple_units(count: int, seed: int) -> list[Unit]:
    each = 100
    return [("triple", (seed, first, min(each, count - first))) for first in range(0, count, each)]


def draw_triple(seed: int, number: int) -> cases.CaseResult:
    """Runs triple `number` of `seed`: three faults, each drawn from what then still happens."""
    dice = random.Random(f"{seed} {number}")
    while True:
        place = dice.choice(pair_places() + places("small-"))
        first = draw(dice, cases.plain(place)[1])
        after_one = cases.Checkpoint(place, first)
        operations = after_one.operations()
        if not operations:
            continue
        second = draw(dice, operations)
        try:
            operations = after_one.operations_after(second)
        except Violation:
            return after_one.run(second)
        if operations:
            return after_one.run(second, draw(dice, operations))


def draw(dice: random.Random, operations: list[tuple[str, str, bool]]) -> Fault:
    number = dice.randrange(len(operations))
    return Fault(number, dice.choice(cases.kinds_of(operations[number])), dice.randrange(100))


# --- doing it


def _run_unit(unit: Unit) -> Tally:
    what, arguments = unit
    tally = Tally()
    try:
        for outcome in _RUNNERS[what](*arguments):  # type: ignore[operator]
            count(tally, outcome)
    except Violation as violation:
        # on the way to the cases: they are not run
        tally.violated.append((f"{what} {arguments}", violation.args[0]))
    return tally


def count(tally: Tally, outcome: cases.CaseResult) -> None:
    kind = outcome.kind or outcome.case.rsplit(".", 2)[1]
    phase = outcome.phases[-1] if outcome.phases else "none"
    fired = outcome.fired == outcome.wanted
    tally.add(outcome.case, phase, kind, fired, outcome.violation)
    tally.unsettled += outcome.unsettled


def _run_single(place: str, draws: int | None) -> Iterator[cases.CaseResult]:
    for case in single_cases(place, draws):
        yield cases.run(case)


def _run_double(place: str, number: int, kind: str) -> Iterator[cases.CaseResult]:
    checkpoint = cases.Checkpoint(place, Fault(number, kind))
    for second, operation in enumerate(checkpoint.operations()):
        for second_kind in cases.kinds_of(operation):
            yield checkpoint.run(Fault(second, second_kind))


def _run_triple(seed: int, first: int, count: int) -> Iterator[cases.CaseResult]:
    for number in range(first, first + count):
        yield draw_triple(seed, number)


def _run_transient(unit: transient_reads.Unit, share: float) -> Iterator[cases.CaseResult]:
    for found in transient_reads.run_unit(unit, share):
        outcome = cases.CaseResult(found.case, 1)
        outcome.phases, outcome.violation = [found.region], found.violation
        outcome.kind = found.kind
        yield outcome


def _run_home(scenario: str, number: int) -> Iterator[cases.CaseResult]:
    for case in home_faults.names(scenario, number):
        yield home_faults.run(case)


_RUNNERS = {
    "home": _run_home,
    "transient": _run_transient,
    "single": _run_single,
    "double": _run_double,
    "triple": _run_triple,
}


def run(
    units: list[Unit],
    jobs: int,
    on_progress: Callable[[int, Tally], None] = lambda done, tally: None,
) -> Tally:
    """Runs `units` in so many processes. on_progress: told how many are done, and what came."""
    cases.prepare()
    tally = Tally()
    with multiprocessing.get_context("fork").Pool(jobs) as pool:
        for done, part in enumerate(pool.imap_unordered(_run_unit, units), 1):
            tally.update(part)
            on_progress(done, tally)
    return tally
