"""The parts of the campaign, each a function of the options that returns a `Part`."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import campaign
import cases
import endurance as endurance_of
import interpreters
import partitions
import soak as soaking
from nor_faults import Fault
from progress import Progress
from tally import Tally

_HERE = Path(__file__).parent


@dataclass
class Options:
    """jobs: processes at a time. seed: of all that is sampled. share: of what is tried.

    is_whole: every draw of every single fault and every pair, for which there is no time in a
    nightly run; another seed draws others.
    """

    jobs: int
    seed: int = 1
    share: float = 1.0
    is_whole: bool = False

    def of(self, count: int) -> int:
        return max(1, round(count * self.share))

    def part_of(self, units: list[campaign.Unit]) -> list[campaign.Unit]:
        """All of them, or a sampled share."""
        return random.Random(self.seed).sample(units, self.of(len(units)))


@dataclass
class Part:
    """fields: for the JSON. tally: of its cases. problems: what makes the campaign fail besides."""

    fields: dict[str, object] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0
    cpu_seconds: float = 0.0


# How much is sampled, so that all of it is done within 30 minutes on two cores
_PAIRS_SHARE = 1 / 16
_TRIPLES = 2_000
_TRIPLES_WHOLE = 10_000
_COMPARED = 750
_LIVES = 100
_CHIP_EVERY = 4
_MUTANT_SECONDS = 240
_FUZZ_SECONDS = 120
_RUNNER_SECONDS_MOST = 600


def _units(name: str, units: list[campaign.Unit], options: Options) -> Part:
    progress = Progress(f"{name} faults")

    def on_progress(done: int, tally: Tally) -> None:
        progress(
            f"{done} of {len(units)} units, {tally.total} cases, {len(tally.violated)} violations"
        )

    tally = campaign.run(units, options.jobs, on_progress)
    progress.end(f"{tally.total} cases, {len(tally.violated)} violations")
    return Part({f"{name}_cases": tally.total}, tally)


def single(options: Options) -> Part:
    """Every operation of every scenario fails in every way; whole: often where chance counts."""
    cases.prepare()
    only = None if options.is_whole else options.seed
    return _units("single", options.part_of(campaign.single_units(only=only)), options)


def kept(options: Options) -> Part:
    """Devices whose flash an earlier hanboot wrote: each operation fails in each way."""
    cases.prepare()
    return _units("kept", options.part_of(campaign.kept_units()), options)


def double(options: Options) -> Part:
    """On the smallest device: pairs of faults, the second in the recovery from the first."""
    cases.prepare()
    units = campaign.drawn_double_units(options.seed)
    if not options.is_whole:
        units = random.Random(options.seed).sample(units, round(len(units) * _PAIRS_SHARE))
    return _units("double", options.part_of(units), options)


def transient(options: Options) -> Part:
    """One bit reads wrong, once or for a whole start, alone or with a power cut."""
    cases.prepare()
    return _units("transient", campaign.transient_units(options.share), options)


def triple(options: Options) -> Part:
    """Three faults each, sampled."""
    count = options.of(_TRIPLES_WHOLE if options.is_whole else _TRIPLES)
    return _units("triple", campaign.triple_units(count, options.seed), options)


def micropython(options: Options) -> Part:
    """Sampled cases: on MicroPython they end as on CPython, down to the last cell."""
    progress = Progress("MicroPython")
    cases.prepare()
    dice = random.Random(options.seed)
    places = campaign.places() + campaign.places("small-")
    names = list(chain.from_iterable(map(campaign.single_cases, places)))
    part = Part()
    drawn = dice.sample(names, options.of(_COMPARED))
    for done, (case, difference) in enumerate(interpreters.differences(drawn, options.jobs), 1):
        if difference:
            part.problems.append(f"{case}: {difference}")
        progress(f"{done} of {len(drawn)} cases, {len(part.problems)} differ from CPython")
    part.fields = {"micropython_cases": len(drawn), "micropython_differ": len(part.problems)}
    progress.end(f"{len(drawn)} cases, {len(part.problems)} differ from CPython")
    return part


def data_region(options: Options) -> Part:
    """The first format of the data region fails, on MicroPython, whose littlefs it is."""
    progress = Progress("data region")
    part = Part()
    for case, fired, violation in interpreters.micropython("data_region.py"):
        kind = case.rsplit(".", 2)[1] if "@" in case else "none"
        part.tally.add(case, "data region", kind, fired, violation)
    part.fields = {"data_region_cases": part.tally.total}
    progress.end(f"{part.tally.total} cases, {len(part.tally.violated)} violations")
    return part


def esp32(options: Options) -> Part:
    """On the smallest device with the partitions of an ESP32: a third of the single faults."""
    partitions.use()
    cases.forget_places()
    try:
        cases.prepare()
        units = campaign.single_units("small-", 0)
        drawn = random.Random(options.seed).sample(units, options.of(len(units) // 3))
        return _units("esp32", drawn, options)
    finally:
        partitions.leave()
        cases.forget_places()


def home(options: Options) -> Part:
    """On a Home Area Network: an upgrade, commands and a date, each operation in each way."""
    cases.prepare()
    return _units("home", options.part_of(campaign.home_units()), options)


def rp2040(options: Options) -> Part:
    """Power cuts on the emulated RP2040 with the product's firmware."""
    import on_rp2040

    progress = Progress("emulated RP2040")
    part = Part()
    every = round((1 if options.is_whole else _CHIP_EVERY) / options.share)

    def plan(number: int, length: int) -> Sequence[list[Fault]]:
        return () if (number + options.seed) % every else on_rp2040.plan(number, length)

    for found in on_rp2040.run(options.jobs, plan, lambda count: progress(f"{count} cuts")):
        faults = found.case.count(",") + 1
        kind = found.case.rsplit(".", 2)[1]
        part.tally.add(found.case, found.phase, kind, found.fired == faults, found.violation)
    part.fields = {"rp2040_cases": part.tally.total}
    progress.end(f"{part.tally.total} cases, {len(part.tally.violated)} violations")
    return part


def soak(options: Options) -> Part:
    """Long lives of random upgrades, faults and restarts."""
    progress = Progress("soak")
    soaked = soaking.run(
        options.seed,
        options.jobs,
        options.of(_LIVES),
        on_progress=lambda soaked: progress(str(soaked)),
    )
    part = Part({f"soak_{name}": getattr(soaked, name) for name in ("lives", "upgrades", "faults")})
    part.tally.violated = soaked.violated
    progress.end(str(soaked))
    return part


def endurance(options: Options) -> Part:
    """Erases per upgrade, and how the journal spreads them."""
    progress = Progress("endurance")
    measured = endurance_of.measure()
    part = Part({"endurance": measured.as_json()}, problems=measured.problems())
    progress.end(f"{measured.upgrades} upgrades")
    return part


def _runner(
    name: str, fields: dict[str, str], bad: Callable[[dict[str, int]], int], *arguments: str
) -> Part:
    """Runs `python tests/faults NAME --json FILE`; fields: ours by those of its JSON."""
    progress = Progress(name)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        try:
            done = subprocess.run(
                [sys.executable, _HERE, name, "--json", report, *arguments],
                stdout=subprocess.PIPE,
                text=True,
                check=False,
                timeout=_RUNNER_SECONDS_MOST,
            )
            found = json.loads(report.read_text())
        except subprocess.TimeoutExpired:
            return Part(problems=[f"{name}: not done in {_RUNNER_SECONDS_MOST} s"])
        except FileNotFoundError:
            said = f"{name}: ended with {done.returncode}, no report\n{done.stdout}"
            return Part(problems=[said])
    part = Part({ours: found[theirs] for theirs, ours in fields.items()})
    if bad(found) or done.returncode:
        part.problems.append(f"{name}: {done.stdout}")
    progress.end(", ".join(f"{count} {key}" for key, count in part.fields.items()))
    return part


def mutants(options: Options) -> Part:
    """Each check of the accept path removed or inverted: a test must fail."""
    fields = {"mutants": "mutants", "killed": "mutants_killed", "not_run": "mutants_not_run"}
    return _runner(
        "mutants",
        fields,
        lambda found: found["mutants"] - found["killed"],
        *_within(options, _MUTANT_SECONDS),
    )


def _within(options: Options, seconds: float) -> list[str]:
    return ["--jobs", str(options.jobs), "--seconds", str(options.of(round(seconds)))]


def fuzz(options: Options) -> Part:
    """Hostile octets for everything that parses."""
    fields = {"inputs": "fuzz_inputs", "crashes": "fuzz_crashes"}
    return _runner("fuzz", fields, lambda found: found["crashes"], *_within(options, _FUZZ_SECONDS))


#: In the order in which they are run: what finds most, soonest, first.
ALL: dict[str, Callable[[Options], Part]] = {
    "data": data_region,
    "micropython": micropython,
    "single": single,
    "kept": kept,
    "double": double,
    "transient": transient,
    "triple": triple,
    "soak": soak,
    "endurance": endurance,
    "esp32": esp32,
    "home": home,
    "rp2040": rp2040,
    "mutants": mutants,
    "fuzz": fuzz,
}
