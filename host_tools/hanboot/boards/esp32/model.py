"""ESP32 boards without a board: boards/esp32_stock and esp32_han on a model of the chip.

The model (boards/esp32_model) is the API of MicroPython on the chip, not the chip: partitions byte
by byte, watchdog, reset cause and MAC, on a flash file with a partition table. What it runs is what
`hanboot board deploy` copies to a real board, with the heap that is left there; or what a product's
firmware holds, with the partition that it maps.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hanboot.boards import device_code
from hanboot.boards.esp32 import table
from hanboot.boards.esp32.chips import PARTITIONS, TABLE_AT
from hanboot.boards.process import BoardProcess

MODEL = device_code.BOARDS / "esp32_model"

FLASH_BYTES = 4 * 1024 * 1024

HEAP = "216k"
"""An ESP32 with stock MicroPython has some 52 KB left with the bootloader in memory (docs/design/
budgets.md). This leaves twice as much: so much more do objects of a 64-bit process take."""


def blank_flash(partitions: Path = PARTITIONS) -> bytes:
    """Erased flash with a partition table of hanboot's, as `board flash` leaves it."""
    flash = bytearray(b"\xff" * FLASH_BYTES)
    octets = table.load(partitions).encode()
    flash[TABLE_AT : TABLE_AT + len(octets)] = octets
    return bytes(flash)


class Esp32Board(BoardProcess):
    """One ESP32 with stock MicroPython and hanboot's partition table, on a state folder.

    Args:
        state: folder with the flash; made if it is not there.
        role: one of ROLES; None takes what the folder holds, or "ppmid".
        trial_ms: how long an application may take to confirm.
        on_text: called with each line of text that the device writes.

    Raises:
        BadFile: the folder holds a device of another role, or another board.
    """

    kind = "esp32"
    name = "a model of an ESP32 as"
    flash_bytes = FLASH_BYTES
    #: Of its partition table, and its heap.
    partitions = PARTITIONS
    heap = HEAP

    def __init__(
        self,
        state: Path,
        role: str | None = None,
        trial_ms: int = 30_000,
        on_text: Callable[[str], None] = lambda line: None,
    ) -> None:
        super().__init__(state, role, on_text)
        self._trial_ms = trial_ms
        #: From the next start on: whether power fails in each, when an application is to start.
        self.is_cut = False

    def _new_flash(self) -> bytes:
        return blank_flash(self.partitions)

    def _modules(self) -> dict[str, Path]:
        """What it runs beside the bootloader, by name."""
        virtual = device_code.modules_in(device_code.VIRTUAL)
        own = device_code.modules_in(MODEL)
        model = {name: own[name] for name in ("begin", "esp32", "machine")}
        return self._board_modules() | model | {name: virtual[name] for name in ("mapped", "nor")}

    def _board_modules(self) -> dict[str, Path]:
        return device_code.board_modules("esp32_stock", "esp32")

    def _new_serial(self) -> bytes:
        # a MAC of our own making, locally administered, as an EUI-64
        serial = super()._new_serial()
        return serial[:3] + b"\xff\xfe" + serial[5:]

    def _prepare(self) -> None:
        self._micropython = device_code.micropython()
        self._code = device_code.compiled(self._modules())

    def _command(self) -> tuple[list[str], dict[str, str]]:
        command = [
            str(self._micropython),
            *("-X", f"heapsize={self.heap}"),
            str(MODEL / "main.py"),
            *(str(self._code), str(self.flash), self.role, self._serial, self.cause),
            *(str(self._trial_ms), str(int(self.is_cut)), self.kind),
        ]
        # main.py needs one module before the code is mounted
        return command, {"MICROPYPATH": f"{device_code.VIRTUAL}:.frozen"}


class Esp32Product(Esp32Board):
    """One ESP32 with hanboot's own firmware, boards/esp32_han: its slots are mapped."""

    kind = "esp32_han"
    name = "a model of an ESP32 product as"
    partitions = device_code.BOARDS / "esp32_han" / "partitions.csv"
    #: Its modules are frozen on a chip; here some 60 KiB of them lie in the heap.
    heap = "280k"

    def _board_modules(self) -> dict[str, Path]:
        return device_code.board_modules("esp32_han")
