"""Runs cases alone and says what happens in them, start by start."""

from __future__ import annotations

import json
import os
import sys

import cases
import home_faults
import interpreters
import long_run
import on_rp2040
import scenarios
import transient_reads
from nor_faults import Fault, parse_faults

#: Places whose cases are not played by a Simulation on CPython.
_DATA_REGION = ("mkfs", "reverted", "confirmed")


def main(names: list[str], on_micropython: bool) -> int:
    cases.prepare()
    good = True
    on_chip = []
    for name in names:
        place, _, faults = name.partition("@")
        try:
            if "#" in place:
                good = _end(name, True, transient_reads.replay(name)) and good
            elif place in home_faults.SCENARIOS:
                outcome = home_faults.run(name)
                fired = outcome.fired == outcome.wanted
                good = _end(name, fired, outcome.violation) and good
            elif place == on_rp2040.PLACE:
                on_chip.append(parse_faults(faults))
            else:
                good = replay(name, on_micropython) and good
        except (KeyError, ValueError):
            known = (*scenarios.SCENARIOS, *home_faults.SCENARIOS)
            print(
                f"{name} is no case\n"
                "a case is PLACE@OPERATION.KIND.DRAW, with a comma between two faults\n"
                f"take one from a report; the scenarios are {', '.join(known)}",
                file=sys.stderr,
            )
            return 2
    return 0 if _replay_on_chip(on_chip) and good else 1


def _replay_on_chip(faults: list[list[Fault]]) -> bool:
    """All of them in one run, as what leads to them is the same; whether all held."""
    good = True
    missing = {f"{on_rp2040.PLACE}@{','.join(map(repr, each))}" for each in faults}
    for found in on_rp2040.run(os.cpu_count() or 1, on_rp2040.only(faults)) if faults else ():
        print(f"{found.case}: power fails while {found.phase}")
        fired = found.fired == found.case.count(",") + 1
        good = _end(found.case, fired, found.violation) and good
        missing.remove(found.case)
    for case in sorted(missing):
        good = _end(case, False, None)
    return good


def replay(name: str, on_micropython: bool) -> bool:
    """Prints what happens; whether all held."""
    place = name.partition("@")[0]
    if place == long_run.PLACE:
        lived = long_run.live(name, tell=lambda text: print("  " + text))
        return _end(name, True, lived.violation)
    if place in _DATA_REGION:
        ((_, fired, violation),) = interpreters.micropython("data_region.py", [name])
        return _end(name, fired, violation)
    if on_micropython:
        ((_, wanted, phases, violation, *rest),) = interpreters.micropython(
            "on_micropython.py", [name]
        )
        print(f"{name}, on MicroPython: faults while {phases}; {json.dumps(rest)}")
        return _end(name, len(phases) == wanted, violation)
    print(f"{name}: {scenarios.SCENARIOS[cases.parse_place(place)[0]].about}")
    outcome = cases.run(name, tell=lambda text: print("  " + text))
    if outcome.unsettled:
        print("  a drop hit cells that were unstable: only what starts was checked (simulation.py)")
    return _end(name, outcome.fired == outcome.wanted, outcome.violation)


def _end(name: str, fired: bool, violation: str | None) -> bool:
    if violation is not None:
        print(f"{name}: VIOLATION: not so: {violation}")
    elif not fired:
        print(f"{name}: NOT FIRED: a fault of it never happened")
    else:
        print(f"{name}: recovered")
    return fired and violation is None
