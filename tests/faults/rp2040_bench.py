"""An emulated RP2040 and its client, for on_rp2040.py.

At each erase and program the supply is asked whether power fails there: it may let the process
fork, so that the child's power fails and the parent's does not.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from chip_board import ChipBoard, ChipDevice

from hanboot.boards import rp2040, rp2040_chip
from hanboot.device.records import Identity
from hanboot.image.ota_file import Image

_SETTLE_MS = 20_000  # of the chip's time
_LOOK_MS = 200
_RESTARTS_MOST = 8


class PowerLostError(Exception):
    pass


class Bench:
    """A board with the product's firmware, and what is done with it.

    Attributes:
        board: the board.
        device: the client's view of it.
        phase: what is being done.

    Args:
        flash: file for the board's flash.
        supply: asked at each operation (before, after of what it changes), also while a child
            recovers; returns what power leaves of it, None if there is no cut.
    """

    def __init__(self, flash: Path, supply: Callable[[bytes, bytes], bytes | None]) -> None:
        self.phase = "provision"
        self.board = ChipBoard(flash, rp2040.firmware("ppmid"), supply=supply)
        self.board.on_end = self._on_end
        self.device = ChipDevice(self.board)

    def _on_end(self, how: str) -> None:
        if how == rp2040_chip.POWER:
            raise PowerLostError
        self.phase = "first boot"

    def restart(self) -> None:
        """Power is back, and so is the client."""
        self.board.restart(rp2040_chip.POWER)
        self.device = ChipDevice(self.board)

    def upgrade(self, image: Image) -> None:
        self.phase = "receive"
        self.device.upload(image.octets)
        self.phase = "finalise"
        self.device.wait_verified()
        self.phase = "activate"
        self.device.activate(image.image_hash)
        self.device.reset()
        self.device.wait_outcome(image.image_hash)

    def settle(self) -> Identity:
        """Runs on until nothing is on trial, over as many restarts as it takes."""
        before = self.board.starts
        while True:
            identity = self.device.identity()
            if identity.slot("trial") is None:
                return identity
            assert self.board.chip.time_ms < _SETTLE_MS, "the device does not settle"
            assert self.board.starts - before <= _RESTARTS_MOST, "restarts without end"
            self.board.run_for(_LOOK_MS)

    def wait_shown(self, wanted: str) -> str:
        """The first line on the display with `wanted` in it."""
        self.board.wait_text(wanted, _SETTLE_MS)
        return next(line for line in self.shown() if wanted in line)

    def shown(self) -> list[str]:
        """What the console said besides frames, since the last start."""
        return [line for _, line in self.board.texts]
