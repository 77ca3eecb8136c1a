"""Fuzzing guided by coverage (atheris): what arrives may be anything.

    reader     a file, in pieces, up to the decision (OTA Header, envelope, manifest)
    cbor       CBOR, strict and lenient, against cbor2
    envelope   COSE_Sign1, against cbor2
    manifest   the manifest alone, against cbor2
    frames     octets of the line: frames, typed text, noise
    commands   SMP requests to a whole device in some state, any group and command; and uploads

What must hold, fuzz_targets.py says. Each target is a process of its own that begins with good
files, and with the inputs that crashed it once (tests/faults/crashes). A new one is left in
build/fuzz; put it there, so that tests/host/test_fuzz_targets.py plays it from then on.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOUND = ROOT / "build" / "fuzz"

#: Parts of the time. A command costs a hundred times what a parser does, and there is most to find.
SHARES = {
    "commands": 5,
    "network": 4,
    "reader": 2,
    "frames": 1,
    "cbor": 1,
    "envelope": 1,
    "manifest": 1,
    "zcl": 1,
    "gbcs": 1,
}

#: Longest input. A file is longer than this by its payload, in which nothing is parsed.
_MOST_BYTES = 1400

#: No input of this size may ask for more at once, or take longer.
_MALLOC_MB = 16
_TIMEOUT_S = 20

_MISSING = """\
atheris is not installed, so nothing can be fuzzed
it has wheels for CPython on Linux x86-64 alone, and this is {} on {}
run make setup there, or leave this part of the campaign to a machine that has it"""


@dataclass
class Fuzzed:
    inputs: int
    crashes: int
    seconds: float
    #: what the process wrote, where it crashed
    report: str


def fuzz(target: str, seconds: float, seed: int) -> Fuzzed:
    """Fuzzes one target for so long, or up to its first crash."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(Path(__file__).parent), "fuzz", "--corpus", folder]
        command += ["--target", target, "--seconds", str(seconds), "--seed", str(seed)]
        began = time.monotonic()
        found = subprocess.run(command, capture_output=True, text=True, errors="replace")
        output = found.stdout + found.stderr
        counts = [int(count) for count in re.findall(r"^#(\d+)\t", output, re.MULTILINE)]
        done = re.search(r"Done (\d+) runs", output)
        kept = [path for path in Path(folder).iterdir() if not path.name.startswith("seed-")]
        kept = [path for path in kept if re.match("(crash|oom|timeout|leak)-", path.name)]
        FOUND.mkdir(parents=True, exist_ok=True)
        for path in kept:
            (FOUND / f"{target}-{path.name}").write_bytes(path.read_bytes())
        crashed = found.returncode != 0 or done is None
        return Fuzzed(
            int(done[1]) if done else max(counts, default=0),
            int(crashed),
            round(time.monotonic() - began, 1),
            output[-4000:] if crashed else "",
        )


def _in_this_process(target: str, seconds: int, seed: int, corpus: Path) -> int:
    import atheris

    with atheris.instrument_imports(include=["hanbootloader"]):
        import fuzz_targets
    fuzz_targets.signatures.remember()
    for number, octets in enumerate(fuzz_targets.beginnings(target)):
        (corpus / f"seed-{number:03}").write_bytes(octets[:_MOST_BYTES])
    atheris.Setup(
        [
            "fuzz",
            f"-max_total_time={seconds}",
            f"-seed={seed}",
            f"-max_len={_MOST_BYTES}",
            "-rss_limit_mb=1024",
            f"-malloc_limit_mb={_MALLOC_MB}",
            f"-timeout={_TIMEOUT_S}",
            f"-artifact_prefix={corpus}/",
            str(corpus),
        ],
        fuzz_targets.TARGETS[target],
    )
    atheris.Fuzz()
    return 0


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--target", choices=SHARES, help="only this one")
    parser.add_argument("--seconds", type=float, default=120, help="how long, all jobs together")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the result there")
    parser.add_argument("--input", type=Path, help="play this input alone; needs --target")
    parser.add_argument("--corpus", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.input:
        if options.target is None:
            parser.error("--input needs --target")
        import fuzz_targets

        fuzz_targets.signatures.remember()
        fuzz_targets.TARGETS[options.target](options.input.read_bytes())
        return 0
    try:
        import atheris  # noqa: F401
    except ImportError:
        python = ".".join(map(str, sys.version_info[:2]))
        print(_MISSING.format(f"CPython {python}", sys.platform), file=sys.stderr)
        return 2
    if options.corpus:
        seconds = max(1, int(options.seconds))
        return _in_this_process(options.target, seconds, options.seed, options.corpus)
    return _all(options)


def _all(options: argparse.Namespace) -> int:
    targets = [options.target] if options.target else list(SHARES)
    whole = sum(SHARES[target] for target in targets)
    jobs = min(options.jobs, len(targets))

    def one(target: str) -> Fuzzed:
        seconds = options.seconds * jobs * SHARES[target] / whole
        # one job cannot take longer than all of it
        return fuzz(target, min(seconds, options.seconds), options.seed)

    began = time.monotonic()
    with ThreadPoolExecutor(jobs) as pool:
        found = dict(zip(targets, pool.map(one, targets), strict=True))
    for target, fuzzed in found.items():
        said = "crashed" if fuzzed.crashes else "no crash"
        print(f"{target:9} {fuzzed.inputs:9} inputs in {fuzzed.seconds:.0f} s, {said}")
        if fuzzed.crashes:
            print(fuzzed.report)
    crashes = sum(fuzzed.crashes for fuzzed in found.values())
    if crashes:
        print(f"what crashed it is in {FOUND}; play it with --target and --input")
    if options.json:
        report = {
            "inputs": sum(fuzzed.inputs for fuzzed in found.values()),
            "crashes": crashes,
            "seconds": round(time.monotonic() - began, 1),
            "by_target": {target: asdict(fuzzed) for target, fuzzed in found.items()},
        }
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    return 1 if crashes else 0
