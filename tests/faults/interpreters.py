"""Cases on MicroPython's unix port, and whether they end there as they end on CPython."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cases

ROOT = Path(__file__).resolve().parents[2]
MICROPYTHON = ROOT / ".toolchain" / "bin" / "micropython"

_FOLDERS = ("tests/faults", "tests/device", "boards/virtual", "host_tools")
_HEAP = "64M"  # the flash of every board that a case begins with
_EACH = 100  # cases that one process runs


def micropython(script: str, lines: Sequence[str] = ()) -> list[Any]:
    """Runs tests/faults/`script` with `lines` as its input; the JSON of each line it prints."""
    done = subprocess.run(
        [MICROPYTHON, "-X", f"heapsize={_HEAP}", ROOT / "tests" / "faults" / script],
        input="\n".join(lines),
        env={"MICROPYPATH": ":".join([".frozen", *(str(ROOT / name) for name in _FOLDERS)])},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(
            f"{script} on MicroPython ended with {done.returncode}\n{done.stdout}{done.stderr}"
        )
    return [json.loads(line) for line in done.stdout.splitlines()]


def differences(names: Sequence[str], jobs: int) -> Iterator[tuple[str, str | None]]:
    """Runs cases on both; yields (case, how they differ), None where they do not."""
    pieces = [names[at : at + _EACH] for at in range(0, len(names), _EACH)]
    with ThreadPoolExecutor(jobs) as pool:
        for piece, found in zip(
            pieces, pool.map(lambda piece: micropython("on_micropython.py", piece), pieces)
        ):
            for name, there in zip(piece, found, strict=True):
                here = cases.facts_of(name)
                is_same = json.dumps(here) == json.dumps(there)
                yield name, None if is_same else f"CPython: {here}; MicroPython: {there}"
