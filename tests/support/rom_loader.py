"""The ROM loader of an ESP32 at a pseudo terminal: esp32-mock-bootloader, as a process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from hanboot.boards.esp32.chips import Chip
from hanboot.boards.esp32.esptool import find

# It ends a client's session three seconds after the first of its files, whatever comes: too soon
# for an image of the real size.
_PROGRAM = """
import sys
from esp32_mock_bootloader import cli, server

server._FLASH_END_IDLE_SEC = 600.0
sys.exit(cli.main())
"""
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
            [sys.executable, "-c", _PROGRAM, "run", "--chip", self._chip.name, "--pty"],
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

    def holds(self, address: int, octets: bytes, folder: Path) -> bool:
        """Whether its flash has `octets` there: by their MD5, however many they are."""
        time.sleep(_BETWEEN_S)
        file = folder / "expected.bin"
        file.write_bytes(octets)
        command = [find(), "--chip", self._chip.name, "--port", self.port]
        verified = subprocess.run(
            [*command, "verify-flash", "--flash-size", "keep", hex(address), file],
            capture_output=True,
            check=False,
        )
        return verified.returncode == 0

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
