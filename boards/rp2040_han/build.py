"""Builds the firmware: `make firmware BOARD=rp2040_han [ROLE=ihd] [VARIANT=development]`.

Leaves UF2, ELF, link map and a size report in build/rp2040_han/. The same inputs give the same
octets. With BOARD_DIR=path it builds that folder in place of this one: a copy of it that a
manufacturer changed, wherever it is. What it leaves is in build/, in a folder of the same name.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

sys.path.append(str(ROOT / "boards" / "toolchain"))

import frozen  # noqa: E402
from system import ToolchainError  # noqa: E402


def build(board: Path, role: str, development: bool, out: Path) -> None:
    """Builds one variant of the board in the folder `board`."""
    name = f"hanboot-{role}" + ("-development" if development else "")
    tree = out / name
    command = [sys.executable, str(ROOT / "boards" / "toolchain"), "rp2"]
    command += ["--board-dir", str(board), "--build", str(tree), "-D", f"HANBOOT_ROLE={role}"]
    if development:
        command += ["-D", "MICROPY_BOARD_VARIANT=DEVELOPMENT"]
        command += ["--manifest", str(board / "development_manifest.py")]
    if subprocess.run(command, stdout=subprocess.DEVNULL).returncode:
        sys.exit(1)
    tree = tree.resolve()
    report = size_report(board, tree)
    if report["free_flash"] < 0:
        sys.exit(f"the firmware is {-report['free_flash']} octets too long for its part of flash")
    for suffix, source in (("uf2", "uf2"), ("elf", "elf"), ("map", "elf.map")):
        shutil.copyfile(tree / f"firmware.{source}", out / f"{name}.{suffix}")
    (out / f"{name}.size.json").write_text(json.dumps(report, indent=2) + "\n")
    print(f"{out / name}.uf2: " + ", ".join(f"{what} {size}" for what, size in report.items()))


def size_report(board: Path, tree: Path) -> dict[str, int]:
    """Octets of the parts, from the linked firmware."""
    symbols = _symbols(tree / "firmware.elf")
    firmware = (tree / "firmware.bin").stat().st_size
    storage, romfs = (_setting(board, name) for name in ("FLASH_STORAGE_BYTES", "ROMFS_BYTES"))
    flash = 2 * 1024 * 1024
    return {
        "firmware": firmware,
        "free_flash": flash - storage - romfs - firmware,
        # what the firmware would be shorter by without the bootloader; asyncio and the board's own
        # modules stay
        "frozen_bytes": frozen.frozen_bytes(tree, "hanbootloader"),
        "heap": symbols["__GcHeapEnd"][0] - symbols["__GcHeapStart"][0],
    }


def _symbols(elf: Path) -> dict[str, tuple[int, int]]:
    """Address and size of each symbol."""
    listing = subprocess.run(
        ["arm-none-eabi-nm", "-S", str(elf)], capture_output=True, text=True, check=True
    ).stdout
    found = {}
    for line in listing.splitlines():
        *numbers, _, name = line.split()
        if numbers:
            found[name] = (int(numbers[0], 16), int(numbers[1], 16) if len(numbers) > 1 else 0)
    return found


def _setting(board: Path, name: str) -> int:
    header = board / "mpconfigboard.h"
    match = re.search(rf"#define MICROPY_HW_{name} \(([0-9* ]+)\)", header.read_text())
    if not match:
        raise ToolchainError(f"{header} defines no MICROPY_HW_{name} as a product of numbers")
    product = 1
    for factor in match[1].split("*"):
        product *= int(factor)
    return product


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--role", choices=("ppmid", "ihd", "hcalcs"), default="ppmid")
    parser.add_argument("--variant", choices=("product", "development"), default="product")
    parser.add_argument("--board-dir", type=Path, default=Path(__file__).parent)
    parser.add_argument("--out", type=Path, help="default: build/ and the name of the folder")
    arguments = parser.parse_args()
    board = arguments.board_dir.resolve()
    out = arguments.out or ROOT / "build" / board.name
    try:
        if not (board / "mpconfigboard.cmake").exists():
            raise ToolchainError(f"{board} is no board: it holds no mpconfigboard.cmake")
        out.mkdir(parents=True, exist_ok=True)
        build(board, arguments.role, arguments.variant == "development", out)
    except ToolchainError as error:
        sys.exit(f"build: {error}")


if __name__ == "__main__":
    main()
