"""How many flash operations each scenario takes, as recorded in operations.json.

One more than recorded is wear and time that somebody should want; one less may be a check, a copy
or a commit that went missing. And each case is called by the number of its operation.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

import campaign
import cases

RECORD = Path(__file__).with_name("operations.json")


def recorded() -> dict[str, str]:
    found = json.loads(RECORD.read_text())
    assert isinstance(found, dict)
    return found


def count_all() -> dict[str, str]:
    cases.prepare()
    return {place: count(place) for place in campaign.places() + campaign.places("small-")}


def count(place: str) -> str:
    """In words: starts, and for each phase its operations; those that change no cell as well."""
    starts, operations = cases.plain(place)
    phases: dict[str, Counter[str]] = {}
    for phase, name, changes in operations:
        phases.setdefault(phase, Counter())[name if changes else "again"] += 1
    counts = [
        f"{phase} "
        + "+".join(f"{names[name]} {name}" for name in ("erase", "program", "again") if names[name])
        for phase, names in phases.items()
    ]
    return "; ".join([f"{starts} starts", *counts])


def changes() -> list[str]:
    """What is not as recorded: one line for each scenario."""
    before, now = recorded(), count_all()
    return [
        f"{place}\n  recorded: {before.get(place)}\n  now:      {now.get(place)}"
        for place in sorted(before.keys() | now.keys())
        if before.get(place) != now.get(place)
    ]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="tests/faults operations", description="Compares operation counts with the record."
    )
    parser.add_argument("--record", action="store_true", help="take them as they are now")
    options = parser.parse_args(arguments)
    if options.record:
        RECORD.write_text(json.dumps(count_all(), indent=1) + "\n")
        return 0
    found = changes()
    print("\n".join(found) or "as recorded")
    return 1 if found else 0
