"""Boards that run on this machine as fast as tests need them, by the names of `board run`."""

from __future__ import annotations

from hanboot.boards.esp32.model import Esp32Board, Esp32Product
from hanboot.boards.virtual import VirtualBoard

#: A class of them; each is made from state folder, role, trial_ms and on_text.
LocalBoard = type[VirtualBoard] | type[Esp32Board]

BOARDS: dict[str, LocalBoard] = {
    board.kind: board for board in (VirtualBoard, Esp32Board, Esp32Product)
}
