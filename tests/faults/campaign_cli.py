"""The fault campaign: `make faults`, or some of its parts."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import campaign_parts
from tally import Tally

ROOT = Path(__file__).resolve().parents[2]
REPORT = ROOT / "build" / "faults.json"
_SHOWN = 20  # of what is wrong


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="tests/faults",
        description="Runs the fault campaign; with names of cases, those alone.",
        epilog="Parts: "
        + "; ".join(
            f"{name}: {part.__doc__.rstrip('.')}" for name, part in campaign_parts.ALL.items()
        ),
    )
    parser.add_argument("case", nargs="*", help="e.g. small-upgrade/320@17.weak-new.0,3.prefix.1")
    parser.add_argument("--micropython", action="store_true", help="replay them on MicroPython")
    parser.add_argument(
        "--part", action="append", choices=campaign_parts.ALL, help="only this part"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at a time")
    parser.add_argument("--seed", type=int, default=1, help="of what is sampled (%(default)s)")
    parser.add_argument(
        "--share", type=float, default=1.0, help="of that, sampled: a quick look (%(default)s)"
    )
    parser.add_argument(
        "--whole", action="store_true", help="every draw and every pair: some two hours"
    )
    parser.add_argument(
        "--json", type=Path, help=f"report ({REPORT.relative_to(ROOT)} where all parts are run)"
    )
    options = parser.parse_args(arguments)
    if options.case:
        import replay

        return replay.main(options.case, options.micropython)
    names = options.part or list(campaign_parts.ALL)
    is_complete = not options.part and options.share == 1
    report = options.json or (REPORT if is_complete else None)
    asked = campaign_parts.Options(options.jobs, options.seed, options.share, options.whole)
    return run(names, asked, report)


def run(names: list[str], options: campaign_parts.Options, report: Path | None) -> int:
    print(f"seed {options.seed}, {options.jobs} processes", flush=True)
    found = {name: _timed(campaign_parts.ALL[name], options) for name in names}
    tally = Tally()
    for part in found.values():
        tally.update(part.tally)
    problems = [problem for part in found.values() for problem in part.problems]
    summary: dict[str, object] = {
        "seed": options.seed,
        "is_whole": options.is_whole,
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
        for line in _lines(name, value):
            print(line)
    _show(tally, problems)
    if report:
        details = {
            "violated": tally.violated,
            "cases_not_fired": tally.not_fired,
            "table": tally.as_json(),
            "seconds": {name: round(part.seconds) for name, part in found.items()},
            "cpu_seconds": {name: round(part.cpu_seconds) for name, part in found.items()},
        }
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text(json.dumps(summary | details, indent=1) + "\n")
        print(f"written to {report}")
    return 1 if tally.violated or tally.not_fired or problems else 0


def _timed(
    run_part: Callable[[campaign_parts.Options], campaign_parts.Part],
    options: campaign_parts.Options,
) -> campaign_parts.Part:
    wall_s, cpu_s = time.monotonic(), sum(os.times()[:4])
    part = run_part(options)
    part.seconds, part.cpu_seconds = time.monotonic() - wall_s, sum(os.times()[:4]) - cpu_s
    return part


def _lines(name: str, value: object) -> list[str]:
    if isinstance(value, dict):
        return [f"{name}: {key:<36}{json.dumps(its)}" for key, its in value.items()]
    return [f"{name:<22}{json.dumps(value)}"]


def _show(tally: Tally, problems: list[str]) -> None:
    for case, violation in tally.violated[:_SHOWN]:
        print(f"violation: {case}: not so: {violation}")
    for case in tally.not_fired[:_SHOWN]:
        print(f"not fired: {case}")
    for problem in problems[:_SHOWN]:
        print(f"problem: {problem}")
    if tally.violated or tally.not_fired:
        print("replay one with: python tests/faults CASE")
