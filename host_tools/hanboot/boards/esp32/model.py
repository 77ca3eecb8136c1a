"""The ESP32 board without a board: boards/esp32_stock on a model of the chip, in a process.

The model (boards/esp32_model) is the API of MicroPython on the chip, not the chip: partitions byte
by byte, watchdog, reset cause and MAC, on a flash file with a partition table. What it runs is what
`hanboot board deploy` copies to a real board, with the heap that is left there.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

from hanboot.boards import device_code
from hanboot.boards.esp32 import table
from hanboot.boards.esp32.chips import TABLE_AT
from hanboot.boards.process import BoardProcess

MODEL = device_code.BOARDS / "esp32_model"
PARTITIONS = device_code.BOARDS / "esp32_stock" / "partitions.csv"

FLASH_BYTES = 4 * 1024 * 1024

HEAP = "232k"
"""An ESP32 has 80 KB left with all of the bootloader in memory. This leaves 160 KB: objects of a
64-bit process take twice as much."""

_RESET_EXIT = 64  # boards/esp32_model/machine.py


def modules() -> dict[str, Path]:
    """What the model runs beside the bootloader, by name."""
    virtual = device_code.modules_in(device_code.VIRTUAL)
    own = device_code.modules_in(MODEL)
    for name in ("main", "answer", "questions"):
        del own[name]
    code = device_code.stock_modules("esp32_stock", "esp32")
    return code | own | {name: virtual[name] for name in ("mapped", "nor")}


def blank_flash() -> bytes:
    """Erased flash with hanboot's partition table, as `board flash` leaves it."""
    flash = bytearray(b"\xff" * FLASH_BYTES)
    octets = table.load(PARTITIONS).encode()
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
        return blank_flash()

    def _new_serial(self) -> bytes:
        # a MAC of our own making, locally administered, as an EUI-64
        serial = super()._new_serial()
        return serial[:3] + b"\xff\xfe" + serial[5:]

    def _prepare(self) -> None:
        self._code = device_code.compiled(modules())

    def _command(self) -> tuple[list[str], dict[str, str]]:
        command = [
            str(device_code.micropython()),
            *("-X", f"heapsize={HEAP}"),
            str(MODEL / "main.py"),
            *(str(self._code), str(self.flash), self.role, self._serial, self.cause),
            *(str(self._trial_ms), str(int(self.is_cut))),
        ]
        # main.py needs one module before the code is mounted
        return command, {"MICROPYPATH": f"{device_code.VIRTUAL}:.frozen"}

    def _cause_of(self, code: int) -> str | None:
        return {-signal.SIGALRM: "watchdog", _RESET_EXIT: "reset"}.get(code)
