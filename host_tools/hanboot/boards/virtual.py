"""The virtual board: the device code in a MicroPython process, its flash in a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hanboot.boards import device_code
from hanboot.boards.process import BoardProcess, run_until_stopped
from hanboot.boards.roles import FLASH_BYTES, ROLES
from hanboot.errors import BadFile
from hanboot.image.ota_file import Image
from hanbootloader.store import flash_map

__all__ = ["ROLES", "VirtualBoard", "run_until_stopped"]

#: The bootloader's modules are frozen on a chip; here the network's take some 100 KiB of heap, with
#: pointers of twice a chip's size.
HEAP = "320k"


class VirtualBoard(BoardProcess):
    """One virtual board on a state folder.

    Args:
        state: folder with the flash; made if it is not there.
        role: one of ROLES; None takes what the folder holds, or "ppmid".
        trial_ms: how long an application may take to confirm.
        on_text: called with each line of text that the device writes.
        serial: EUI-64 of a new device; None draws one.
        like: an image whose device a new one is, by manufacturer code, image type and lowest
            hardware version; None for the example's.

    Raises:
        BadFile: the folder holds a device of another role or EUI-64, or another board.
    """

    kind = "virtual"
    name = "a virtual"
    flash_bytes = FLASH_BYTES + flash_map.sectors(flash_map.MORE) * flash_map.SECTOR_BYTES

    def __init__(
        self,
        state: Path,
        role: str | None = None,
        trial_ms: int = 30_000,
        on_text: Callable[[str], None] = lambda line: None,
        serial: bytes | None = None,
        like: Image | None = None,
    ) -> None:
        self._given_serial = serial
        self._like = like
        super().__init__(state, role, on_text)
        if serial is not None and self._serial != serial.hex():
            raise BadFile(
                f"{state} holds another device",
                f"its EUI-64 is {self._serial}, not {serial.hex()}",
                "give another folder with --state",
            )
        self._trial_ms = trial_ms
        #: From the next start on: whether power fails in each, when an application is to start.
        self.is_cut = False

    def _new_serial(self) -> bytes:
        return self._given_serial or super()._new_serial()

    def _new_model(self) -> str:
        if self._like is None:
            return ""
        header = self._like.header
        numbers = (header.manufacturer_code, header.image_type, header.hardware[0])
        return ":".join(f"{number:04X}" for number in numbers)

    def _prepare(self) -> None:
        self._micropython = device_code.micropython()
        self._code = device_code.compiled(device_code.modules_in(device_code.VIRTUAL))

    def _command(self) -> tuple[list[str], dict[str, str]]:
        command = [
            str(self._micropython),
            "-X",
            f"heapsize={HEAP}",
            str(device_code.VIRTUAL / "main.py"),
            str(self._code),
            str(self.flash),
            self.role,
            self._serial,
            self.cause,
            str(self._trial_ms),
            str(int(self.is_cut)),
            self._model,
        ]
        return command, {}
