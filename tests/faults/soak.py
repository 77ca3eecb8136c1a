"""Random upgrades, faults and restarts for as long as wanted; what the seed gives can be repeated.

python tests/faults soak --seed N --minutes M
python tests/faults soak@N.7                     device 7 of seed N alone, told start by start
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import cases
import long_run
from progress import Progress


@dataclass
class Soaked:
    """What a number of lives came to.

    Attributes:
        unsettled: lives that ended at the one pair of faults that no device can notice.
    """

    lives: int = 0
    upgrades: int = 0
    restarts: int = 0
    faults: int = 0
    reverted: int = 0
    refused: int = 0
    damaged: int = 0
    unsettled: int = 0
    violated: list[tuple[str, str]] = field(default_factory=list)

    def add(self, other: Soaked) -> None:
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    def __str__(self) -> str:
        return (
            f"{self.lives} devices, {self.upgrades} upgrades, {self.restarts} starts, "
            f"{self.faults} faults, {len(self.violated)} violations"
        )


def _live(case: str) -> Soaked:
    lived = long_run.live(case)
    return Soaked(
        1,
        lived.upgrades,
        lived.simulation.restarts,
        lived.faults,
        lived.reverted,
        lived.refused,
        lived.damaged,
        int(lived.is_unsettled),
        [] if lived.violation is None else [(case, lived.violation)],
    )


def run(
    seed: int,
    jobs: int,
    lives: int | None = None,
    minutes: float | None = None,
    on_progress: Callable[[Soaked], None] = lambda soaked: None,
) -> Soaked:
    """Lives so many lives, or for so long."""
    cases.prepare()
    end_s = None if minutes is None else time.monotonic() + 60 * minutes
    total = Soaked()
    with multiprocessing.get_context("fork").Pool(jobs) as pool:
        for names in _batches(seed, 10 * jobs, lives):
            for soaked in pool.imap_unordered(_live, names):
                total.add(soaked)
                on_progress(total)
            if end_s is not None and time.monotonic() >= end_s:
                break
    return total


def _batches(seed: int, size: int, lives: int | None) -> Iterator[list[str]]:
    numbers: Iterator[int] = itertools.count() if lives is None else iter(range(lives))
    while batch := list(itertools.islice(numbers, size)):
        yield [f"{long_run.PLACE}@{seed}.{number}" for number in batch]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="tests/faults soak", description="Random upgrades, faults and restarts."
    )
    parser.add_argument("--seed", type=int, help="of all that is drawn (drawn itself)")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (%(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at a time")
    options = parser.parse_args(arguments)
    seed = random.randrange(1_000_000) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    progress = Progress("soak")
    soaked = run(seed, options.jobs, None, options.minutes, lambda soaked: progress(str(soaked)))
    progress.end(str(soaked))
    for name, value in vars(soaked).items():
        if name != "violated":
            print(f"{name:<12}{value:>9}")
    for case, violation in soaked.violated:
        print(f"violation: {case}: not so: {violation}")
        print(f"replay it with: python tests/faults {case}")
    return 1 if soaked.violated else 0
