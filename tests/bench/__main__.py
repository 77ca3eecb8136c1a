"""`make bench`: what the design has budgets for, measured. Nothing here is asserted.

    python tests/bench                  everything, half an hour
    python tests/bench chip             the emulated RP2040 alone
    python tests/bench chip arithmetic  of it: network, heap_512k, product, heap_16k, arithmetic,
                                        private
    python tests/bench registry         registry and inventory alone
    python tests/bench chain            a distribution to 50,000 devices alone
    python tests/bench library          the library's pages with 200 readers alone

Leaves build/bench.json, and build/bench-registry.json and the like of the others.
"""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from hanboot.boards import rp2040

ROOT = Path(__file__).resolve().parents[2]

# as tests/conftest.py does: bench_network fills flash on a board in memory, of tests/device
for folder in ("tests/support", "tests/device", "boards/virtual"):
    sys.path.append(str(ROOT / folder))

import bench_chip  # noqa: E402
import bench_network  # noqa: E402
from progress_line import say  # noqa: E402

OUT = ROOT / "build"

#: Name, what it is, the most or the least that the design allows, unit.
BUDGETS: list[tuple[str, str, tuple[str, float] | None, str]] = [
    ("p256_ms", "P-256 verification, ours", None, "ms"),
    ("p256_mbedtls_ms", "P-256 verification, mbedTLS's C code", None, "ms"),
    ("p256_ratio_mbedtls", "ours to mbedTLS's, in the same run", ("<=", 0.55), ""),
    ("sign_ms", "P-256 signature, checked before it leaves", None, "ms"),
    ("agree_ms", "P-256 key agreement", None, "ms"),
    ("private_test_ms", "known-answer test before the first of both", None, "ms"),
    ("gmac_ms", "GMAC over the 145 octets of a CS06 command", None, "ms"),
    ("sha256_ms_per_kib", "SHA-256 of 1 KiB", None, "ms"),
    ("verdict_ms_256k", "last octet to verdict, 256 KiB, two signatures", None, "ms"),
    ("heap_peak_16k", "heap above idle, receiving and verifying 16 KiB", ("<=", 24576), "octets"),
    ("heap_peak_512k", "the same, 511 KiB", ("<=", 24576), "octets"),
    ("han_heap_peak_64k", "the same, 64 KiB over the network", ("<=", 24576), "octets"),
    ("han_heap_left", "heap left then, at the least", None, "octets"),
    ("han_frames_per_s", "frames a second, both ways, blocks of 50 octets", None, ""),
    ("han_octets_per_s", "octets of the image a second, the same", None, ""),
    ("han_octets_again", "octets that were sent more than once then", None, "octets"),
    ("boot_ms_4k", "reset to first line, 4 KiB application", None, "ms"),
    ("boot_ms_64k", "the same, 64 KiB", ("<=", 600), "ms"),
    ("boot_ms_256k", "the same, 256 KiB", None, "ms"),
    ("refusal_octets", "sent before a refusal for its predecessors", ("<=", 4096), "octets"),
    ("line_efficiency", "payload octets an octet sent, 115200 8N1", (">=", 0.70), ""),
    ("line_use", "share of the time that the line to the device is busy", None, ""),
    ("erases_per_slot_sector", "erases of an upgrade for each sector used", ("<=", 1), ""),
    ("journal_erases", "erases of an upgrade in the journal", ("<=", 2), ""),
    ("programs_per_page", "programs of an upgrade for each page of the image", None, ""),
    ("frozen_bytes", "frozen bootloader", ("<=", 65536), "octets"),
    ("han_frozen_bytes", "the same with its HAN side", ("<=", 98304), "octets"),
]

#: What can be measured alone.
MEASUREMENTS: dict[str, Callable[[Path], dict[str, float]]] = {
    "network": bench_network.network,
    "heap_512k": lambda folder: {"heap_peak_512k": bench_chip.heap_peak(folder, 511)},
    "product": bench_chip.product,
    "heap_16k": lambda folder: {"heap_peak_16k": bench_chip.heap_peak(folder, 16)},
    "arithmetic": bench_chip.arithmetic,
    "private": bench_chip.private,
}


def _run(name: str) -> dict[str, float]:
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        figures = MEASUREMENTS[name](Path(folder))
    say(f"{name}, {time.monotonic() - began:.0f} s: {_short(figures)}")
    return figures


def _try(name: str) -> dict[str, float] | None:
    """None if it failed: the others are measured all the same."""
    try:
        return _run(name)
    except Exception:
        say(f"{name} failed\n{traceback.format_exc()}")
        return None


def chip(names: Sequence[str]) -> int:
    """Measures the emulated RP2040 and writes build/bench.json; returns how much failed.

    Args:
        names: of `MEASUREMENTS`; the other figures stay as an earlier run left them.
    """
    build = ROOT / "boards" / "rp2040_han" / "build.py"
    subprocess.run([sys.executable, str(build)], check=True, stdout=sys.stderr)
    size = json.loads(rp2040.firmware("ppmid").with_suffix(".size.json").read_text())
    bench_chip.prepare()
    found = {"frozen_bytes": float(size["frozen_bytes"])}
    if "network" in names:
        found |= bench_network.prepare()
    say(f"measuring an emulated RP2040: {', '.join(names)}")
    result = OUT / "bench.json"
    found = (json.loads(result.read_text()) if result.exists() else {}) | found
    failed = 0
    with multiprocessing.get_context("fork").Pool(2) as pool:
        for figures in pool.imap_unordered(_try, names):
            if figures is None:
                failed += 1
                continue
            found |= figures
            result.write_text(json.dumps(found, indent=2) + "\n")
    _show(found)
    return failed


#: Benches that are scripts of their own.
_APART = ("registry", "chain", "library")


def apart(name: str) -> None:
    """Runs a bench that is a script of its own, and shows its own table."""
    bench = Path(__file__).with_name(f"bench_{name}.py")
    subprocess.run([sys.executable, str(bench)], check=True)


def _show(found: dict[str, float]) -> None:
    table = Table(title="emulated RP2040 at 125 MHz")
    for column in ("figure", "what", "budget"):
        table.add_column(column)
    table.add_column("measured", justify="right")
    table.add_column("")
    for name, what, budget, unit in BUDGETS:
        if name not in found:
            continue
        value = found[name]
        bound = f"{budget[0]} {budget[1]:g} {unit}".strip() if budget else ""
        table.add_row(name, what, bound, _number(value, unit), _verdict(value, budget))
    Console().print(table)


def _verdict(value: float, budget: tuple[str, float] | None) -> str:
    if budget is None:
        return ""
    relation, bound = budget
    return "met" if (value <= bound if relation == "<=" else value >= bound) else "NOT MET"


def _number(value: float, unit: str = "") -> str:
    text = f"{value:.0f}" if value == int(value) or value >= 1000 else f"{value:.3g}"
    return f"{text} {unit}".strip()


def _short(figures: dict[str, float]) -> str:
    return ", ".join(f"{name} {_number(value)}" for name, value in figures.items())


def main(arguments: list[str]) -> int:
    part, *names = arguments or ("all",)
    if part not in ("all", "chip", *_APART) or set(names) - set(MEASUREMENTS):
        print(f"{' '.join(arguments)} is no part to measure", file=sys.stderr)
        print((__doc__ or "").partition("\n\n")[2], file=sys.stderr)
        return 2
    failed = 0
    if part not in _APART:
        failed = chip([name for name in MEASUREMENTS if not names or name in names])
    for name in _APART:
        if part in ("all", name):
            apart(name)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
