"""Fuzzing, guided by coverage where atheris installs: what arrives may be anything.

One process per target, with seeds from good files and a fixed number of runs:

    reader     a file, in pieces, up to the decision (OTA Header, envelope, manifest)
    cbor       CBOR, strict and lenient
    envelope   COSE_Sign1
    manifest   the manifest alone
    frames     octets of the line: frames, typed text, noise
    commands   SMP requests to a whole device, any group and command, any CBOR; and an upload

What must hold, fuzz_targets.py says.
"""

from __future__ import annotations

import argparse
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

try:
    import atheris
except ImportError:  # no wheel for this Python or machine
    atheris = None

ROOT = Path(__file__).resolve().parents[2]

#: Longest input. A file is longer than this by its payload, in which nothing is parsed.
_MOST_BYTES = 1400

#: Runs per target in a campaign; a command costs a hundred times what a parser does.
RUNS = {
    "reader": 150_000,
    "cbor": 300_000,
    "envelope": 300_000,
    "manifest": 300_000,
    "frames": 150_000,
    "commands": 6_000,
}


# --- running


@dataclass
class Fuzzed:
    target: str
    inputs: int
    crashes: int
    report: str


def run_all(jobs: int, share: float = 1.0, seed: int = 1) -> list[Fuzzed]:
    """Fuzzes every target, so many at a time; share: of the usual number of runs."""

    def one(target: str) -> Fuzzed:
        return _run_target(target, max(1, int(RUNS[target] * share)), seed)

    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(one, sorted(RUNS, key=lambda target: target != "commands")))


def _run_target(target: str, runs: int, seed: int) -> Fuzzed:
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            str(Path(__file__).parent),
            "fuzz",
            target,
            f"--runs={runs}",
            f"--seed={seed}",
        ]
        found = subprocess.run(
            [*command, f"--corpus={folder}"], capture_output=True, text=True, errors="replace"
        )
        output = found.stdout + found.stderr
        done = re.search(r"Done (\d+) ", output)
        kept = sorted(Path(folder).glob("*crash-*"))
        if kept:
            target_folder = ROOT / "build" / "fuzz"
            target_folder.mkdir(parents=True, exist_ok=True)
            for path in kept:
                (target_folder / f"{target}-{path.name}").write_bytes(path.read_bytes())
        crashed = found.returncode != 0 or not done
        return Fuzzed(target, int(done[1]) if done else 0, int(crashed), output if crashed else "")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("target", choices=RUNS)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--input", type=Path, help="run this input alone")
    options = parser.parse_args(arguments)
    if atheris is not None and not options.input:
        with atheris.instrument_imports(include=["bootloader"]):
            import fuzz_targets
    else:
        import fuzz_targets
    fuzz_targets.signatures.remember()
    target = fuzz_targets.TARGETS[options.target]
    if options.input:
        target(options.input.read_bytes())
        return 0
    seeds = [seed[:_MOST_BYTES] for seed in fuzz_targets.seeds()[options.target]]
    if atheris is None:
        return _without_guidance(target, seeds, options.runs, options.seed)
    for number, seed in enumerate(seeds):
        (options.corpus / f"seed-{number:03}").write_bytes(seed)
    atheris.Setup(
        [
            "fuzz",
            f"-runs={options.runs}",
            f"-seed={options.seed}",
            f"-max_len={_MOST_BYTES}",
            "-rss_limit_mb=1024",
            "-timeout=20",
            "-print_final_stats=0",
            f"-artifact_prefix={options.corpus}/",
            str(options.corpus),
        ],
        target,
    )
    atheris.Fuzz()
    return 0


def _without_guidance(
    target: Callable[[bytes], None], seeds: list[bytes], runs: int, number: int
) -> int:
    """Random changes of the seeds, where there is no atheris."""
    dice = random.Random(number)
    for _ in range(runs):
        octets = bytearray(dice.choice(seeds))
        for _ in range(dice.randrange(1, 9)):
            at = dice.randrange(len(octets) + 1)
            octets[at : at + dice.choice((0, 1, 1, 4))] = dice.randbytes(dice.choice((0, 1, 1, 4)))
        target(bytes(octets))
    print(f"Done {runs} runs")
    return 0
