"""The virtual board, on its MicroPython, against the list of what a board supplies."""

from __future__ import annotations

from pathlib import Path

from test_on_micropython import run

CHECK = """
import board, board_check
made = board.Board({path!r}, "ihd", bytes(8), "power", 30000, False)
print(board_check.faults_of(made), made.device_type)
made.trial_ms = None
print(len(board_check.faults_of(made)))
"""


def test_the_virtual_board_lacks_nothing(tmp_path: Path) -> None:
    flash = tmp_path / "flash"
    with flash.open("wb") as file:
        file.truncate(4 << 20)
    assert run("-c", CHECK.format(path=str(flash))).stdout == "[] 6\n1\n"
