"""The fault campaign: `make faults`, or some of its parts."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import parts
from tally import Tally

ROOT = Path(__file__).resolve().parents[2]
REPORT = ROOT / "build" / "faults.json"
_SHOWN = 20  # of what is wrong


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="tests/faults",
        description="Runs the fault campaign; with names of cases, those alone.",
        epilog="Parts: "
        + "; ".join(f"{name}: {part.__doc__.rstrip('.')}" for name, part in parts.ALL.items()),
    )
    parser.add_argument("case", nargs="*", help="e.g. tiny-upgrade/320@17.weak-new.0,3.prefix.1")
    parser.add_argument("--micropython", action="store_true", help="replay them on MicroPython")
    parser.add_argument("--part", action="append", choices=parts.ALL, help="only this part")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at a time")
    parser.add_argument("--seed", type=int, default=1, help="of what is drawn by lot (%(default)s)")
    parser.add_argument(
        "--share", type=float, default=1.0, help="of what is drawn by lot (%(default)s)"
    )
    parser.add_argument(
        "--json", type=Path, help=f"report ({REPORT.relative_to(ROOT)} of a whole campaign)"
    )
    options = parser.parse_args(arguments)
    if options.case:
        import replay

        return replay.main(options.case, options.micropython)
    names = options.part or list(parts.ALL)
    report = options.json or (None if options.part else REPORT)
    return run(names, parts.Options(options.jobs, options.seed, options.share), report)


def run(names: list[str], options: parts.Options, report: Path | None) -> int:
    print(f"seed {options.seed}, {options.jobs} processes", flush=True)
    found = {name: parts.ALL[name](options) for name in names}
    tally = Tally()
    for part in found.values():
        tally.update(part.tally)
    problems = [problem for part in found.values() for problem in part.problems]
    summary: dict[str, object] = {
        "seed": options.seed,
        "violations": len(tally.violated),
        "not_fired": len(tally.not_fired),
        "problems": len(problems),
        "unsettled": tally.unsettled,
    }
    for part in found.values():
        summary |= part.fields
    if tally.total:
        print(tally.table())
    for name, value in summary.items():
        print(f"{name:<20} {json.dumps(value)}")
    _show(tally, problems)
    if report:
        details = {
            "violated": tally.violated,
            "cases_not_fired": tally.not_fired,
            "table": tally.as_json(),
            "seconds": {name: round(part.seconds, 1) for name, part in found.items()},
        }
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text(json.dumps(summary | details, indent=1) + "\n")
        print(f"written to {report}")
    return 1 if tally.violated or tally.not_fired or problems else 0


def _show(tally: Tally, problems: list[str]) -> None:
    for case, violation in tally.violated[:_SHOWN]:
        print(f"violation: {case}: not so: {violation}")
    for case in tally.not_fired[:_SHOWN]:
        print(f"not fired: {case}")
    for problem in problems[:_SHOWN]:
        print(f"problem: {problem}")
    if tally.violated or tally.not_fired:
        print("replay one with: python tests/faults CASE")
