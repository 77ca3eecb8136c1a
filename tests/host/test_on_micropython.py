"""Every file of tests/device, on the MicroPython that plays the device as well."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
MICROPYTHON = ROOT / ".toolchain" / "bin" / "micropython"

FILES = sorted((ROOT / "tests" / "device").glob("test_*.py"))

HEAP = "2M"
"""The tests hold a board's flash and what they compare it with on the heap; what the device itself
may use is measured in them."""

PATH = (
    ".frozen",
    str(ROOT / "host_tools"),  # hanbootloader: the folder bootloader/
    str(ROOT / ".toolchain" / "lib"),  # micropython-unittest
    *(str(ROOT / "boards" / name) for name in ("virtual", "stock", "common", "esp32_model")),
)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [MICROPYTHON, "-X", f"heapsize={HEAP}", *arguments],
        env={"MICROPYPATH": ":".join(PATH)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )


def test_there_are_files() -> None:
    assert len(FILES) > 15


def test_it_is_micropython() -> None:
    found = run("-c", "import sys; print(sys.implementation.name, pow(3, -1, 7))")
    assert found.stdout == "micropython 0\n"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_file(file: Path) -> None:
    found = run(str(file))
    # a file that forgets to run its tests, or a runner that gives up, must not pass
    last = found.stdout.rstrip().rpartition("\n")[2]
    assert found.returncode == 0, f"{file.name} on MicroPython:\n{found.stdout}"
    assert re.fullmatch(r"Ran [1-9]\d* tests( \(\d+ skipped\))?", last), found.stdout


def test_a_failure_is_seen(tmp_path: Path) -> None:
    bad = tmp_path / "test_bad.py"
    bad.write_text(
        "import unittest\n"
        "class BadTest(unittest.TestCase):\n"
        "    def test_it(self):\n"
        "        self.assertEqual(1, 2)\n"
        "unittest.main()\n"
    )
    found = run(str(bad))
    assert found.returncode != 0
    assert "AssertionError" in found.stdout
