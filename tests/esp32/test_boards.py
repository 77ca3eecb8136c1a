"""The two ESP32 boards, by the list of what a board supplies."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from rig import ROOT

from hanboot.boards import device_code
from hanboot.boards.esp32.model import Esp32Board, Esp32Product, blank_flash

CHECK = Path(__file__).with_name("check_board.py")


@pytest.mark.parametrize(
    ("board", "folder", "says"),
    [
        (Esp32Board, "esp32_stock", "partitioned 0200defffeadbeef 259 False"),
        (Esp32Product, "esp32_han", "product 0200defffeadbeef 4095 False"),
    ],
)
def test_nothing_is_missing(
    board: type[Esp32Board], folder: str, says: str, tmp_path: Path
) -> None:
    flash = tmp_path / "flash.bin"
    flash.write_bytes(blank_flash(board.partitions))
    # `chip` is what deploy calls it
    (tmp_path / "chip.py").symlink_to(device_code.COMMON / "esp32_chip.py")
    names = [folder, "common", "esp32_model", "virtual"]
    path = [*(str(ROOT / "boards" / name) for name in names), str(tmp_path)]
    done = subprocess.run(
        [device_code.micropython(), "-X", "heapsize=1M", CHECK, flash, board.kind],
        env={"MICROPYPATH": ":".join([*path, str(ROOT / "host_tools"), ".frozen"])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == says
    assert "fault:" not in done.stdout
