"""Espressif's esptool, run as a program of its own: it is under the GPL, and never imported.

What went wrong is read from what it prints.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hanboot.boards.esp32.chips import Chip
from hanboot.errors import CheckFailed, HanbootError, LinkError, NoDevice
from hanboot.link import port_errors

PROGRAM = "esptool"
_MAJOR = 5  # whose command names have hyphens
_VERSION = re.compile(r"^esptool(?:\.py)? v(\d+)\.(\S+)", re.MULTILINE)
_ANOTHER_CHIP = re.compile(r"This chip is ([\w-]+), not ([\w-]+)")
_FATAL = re.compile(r"(?:fatal error occurred|A serial exception error occurred): (.*)")
_PERCENT = re.compile(rb"(\d+)\.\d%")
_FLASH_SIZE = re.compile(r"Detected flash size: (\d+)(KB|MB)")
_MAC = re.compile(r"^MAC: +(\S+)", re.MULTILINE)

DOWNLOAD_MODE = "hold BOOT while you press EN, or hold BOOT while you plug the board in"


@dataclass(frozen=True)
class Piece:
    """Bytes for an address of flash."""

    address: int
    octets: bytes


@dataclass(frozen=True)
class Flash:
    """What a chip says of itself. mac: text, as esptool prints it."""

    size: int
    mac: str


class Esptool:
    """Commands to the ROM loader of the board at a port.

    Args:
        port: path or URL, which nothing else holds.
        chip: that is expected there.
    """

    def __init__(self, port: str, chip: Chip) -> None:
        self._program = find()
        self._port = port
        self._chip = chip

    def flash(self) -> Flash:
        """Asks the chip; every error that the port or another chip can be the reason of comes here.

        Raises:
            CheckFailed: another chip answers, or esptool is too old.
            NoDevice: the port cannot be opened.
            LinkError: no ROM loader answers.
        """
        output = self._run(["flash-id"])
        size, mac = _FLASH_SIZE.search(output), _MAC.search(output)
        if not size:
            raise LinkError(
                f"the board at {self._port} does not say how much flash it has",
                (_last_line(output) or "esptool printed nothing"),
                f"try by hand: {PROGRAM} --port {self._port} flash-id",
            )
        unit = 1024 if size[2] == "KB" else 1024 * 1024
        return Flash(int(size[1]) * unit, mac[1] if mac else "")

    def read(self, address: int, length: int, folder: Path) -> bytes:
        """Reads flash. folder: for a file on the way."""
        file = folder / "read.bin"
        self._run(["read-flash", hex(address), hex(length), str(file)])
        return file.read_bytes()

    def write(
        self,
        pieces: Sequence[Piece],
        flash_size: int,
        erases_all: bool,
        folder: Path,
        advance: Callable[[int, int], None],
    ) -> None:
        """Writes `pieces`, and then has the chip compare them once more.

        Args:
            flash_size: bytes, for the bootloader's header.
            erases_all: first, all of the flash.
            folder: for files on the way.
            advance: called with bytes written and bytes in all.

        Raises:
            LinkError: it broke off, or what is in flash is not what was written.
        """
        placed: list[str] = []
        for piece in pieces:
            file = folder / f"{piece.address:x}.bin"
            file.write_bytes(piece.octets)
            placed += [hex(piece.address), str(file)]
        size = ["--flash-size", f"{flash_size // (1024 * 1024)}MB"]
        command = ["write-flash", *(["--erase-all"] if erases_all else []), *size, *placed]
        self._run(command, _Progress([len(piece.octets) for piece in pieces], advance))
        self._run(["verify-flash", *size, *placed])

    def _run(self, command: Sequence[str], on_output: Callable[[bytes], None] | None = None) -> str:
        arguments = ["--chip", self._chip.name, "--port", self._port, *command]
        # no colours, and no width of a terminal that is not there
        environment = os.environ | {"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "200"}
        process = subprocess.Popen(
            [self._program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        output = bytearray()
        assert process.stdout is not None
        with process:
            while octets := os.read(process.stdout.fileno(), 4096):
                output += octets
                if on_output is not None:
                    on_output(octets)
        text = output.decode(errors="replace").replace("\r", "\n")
        _check_version(text)
        if process.returncode:
            raise explained(text, self._port, self._chip, command[0])
        return text


def find() -> str:
    """The program: on the path, or beside this Python.

    Raises:
        NoDevice: it is not installed.
    """
    beside = str(Path(sys.executable).parent)
    found = shutil.which(PROGRAM) or shutil.which(PROGRAM, path=beside)
    if found is None:
        raise NoDevice(
            "no esptool to write an ESP32 with",
            f"there is no program {PROGRAM} on the path",
            "install it: pip install 'hanboot[esp32]', or pipx install esptool",
        )
    return found


def explained(output: str, port: str, chip: Chip, command: str) -> HanbootError:
    """The error that esptool's `output` ends in. command: that was under way."""
    another = _ANOTHER_CHIP.search(output)
    if another:
        return CheckFailed(
            f"the board at {port} is not an {chip.title}",
            f"it is an {another[1]}; nothing was written",
            "give its own image with its own --chip, or check the port: hanboot board list",
        )
    fatal = _FATAL.search(output)
    why = fatal[1].split(" This can have many causes")[0].strip() if fatal else _last_line(output)
    if "Could not open" in why or "could not open port" in output:
        return NoDevice(
            f"esptool cannot open {port}",
            port_errors.why(why),
            "close the program that holds it, and check its name: hanboot board list",
        )
    if "Failed to connect" in output or (
        "Connecting..." in output and "Connected to" not in output
    ):
        return LinkError(
            f"no ESP32 at {port} answers as its ROM loader",
            f"{why or 'nothing came back'}; nothing was written",
            f"{DOWNLOAD_MODE}; then repeat the command",
        )
    is_written = command in ("write-flash", "verify-flash")
    return LinkError(
        f"esptool's {command} broke off at {port}",
        f"{why or 'it printed nothing'}; "
        + ("PART OF IT WAS WRITTEN" if is_written else "nothing was written"),
        "repeat the command: the ROM loader cannot be overwritten",
    )


def _check_version(output: str) -> None:
    found = _VERSION.search(output)
    if found and int(found[1]) < _MAJOR:
        raise CheckFailed(
            f"esptool {found[1]}.{found[2]} is too old",
            f"hanboot uses the commands of version {_MAJOR}",
            "pip install --upgrade esptool",
        )


def _last_line(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1] if lines else ""


class _Progress:
    """From percentages, which begin anew with each piece, to bytes."""

    def __init__(self, sizes: Sequence[int], advance: Callable[[int, int], None]) -> None:
        self._sizes = list(sizes)
        self._advance = advance
        self._piece = 0
        self._percent = 0

    def __call__(self, octets: bytes) -> None:
        for found in _PERCENT.finditer(octets):
            percent = int(found[1])
            if percent < self._percent and self._piece < len(self._sizes) - 1:
                self._piece += 1
            self._percent = percent
            done = sum(self._sizes[: self._piece]) + self._sizes[self._piece] * percent // 100
            self._advance(done, sum(self._sizes))
