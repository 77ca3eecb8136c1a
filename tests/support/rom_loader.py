"""The ROM loader of an ESP32 at a pseudo terminal: esp32-mock-bootloader, as a process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from hanboot.boards.esp32.chips import Chip
from hanboot.boards.esp32.esptool import find

_PROGRAM = Path(sys.executable).with_name("esp32-mock-bootloader")
#: It needs a moment between two clients.
_BETWEEN_S = 1.0


class RomLoader:
    """Plugged in while it is entered: flash of 4 MiB, erased, which lasts as long.

    It knows no reset and runs nothing.
    """

    def __init__(self, chip: Chip) -> None:
        self._chip = chip

    def __enter__(self) -> RomLoader:
        self._process = subprocess.Popen(
            [_PROGRAM, "run", "--chip", self._chip.name, "--pty"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        self.port = self._process.stdout.readline().strip()
        assert os.path.exists(self.port), self.port
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def read(self, address: int, length: int, folder: Path) -> bytes:
        """What is in its flash, as esptool reads it."""
        time.sleep(_BETWEEN_S)
        file = folder / "read.bin"
        command = [find(), "--chip", self._chip.name, "--port", self.port]
        subprocess.run(
            [*command, "read-flash", hex(address), hex(length), file],
            check=True,
            capture_output=True,
        )
        return file.read_bytes()

    def write(self, address: int, octets: bytes, folder: Path) -> None:
        """Puts something there, as somebody did before."""
        file = folder / "write.bin"
        file.write_bytes(octets)
        command = [find(), "--chip", self._chip.name, "--port", self.port]
        subprocess.run(
            [*command, "write-flash", "--flash-size", "keep", hex(address), file],
            check=True,
            capture_output=True,
        )
        time.sleep(_BETWEEN_S)
