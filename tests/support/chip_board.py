"""A board on an emulated RP2040 in this very process: what happens on it is timed by the chip's own
clock, its console is a line of known speed, its flash a list of operations that power can fail in.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hanboot.boards import rp2040_chip, uf2
from hanboot.device.client import Device
from hanboot.link.transport import Transport

#: 115200 baud, 8N1: ten bits an octet.
LINE_115200 = 11.52  # octets per millisecond

_ERASED = b"\xff"


@dataclass(frozen=True)
class Operation:
    """One erase or program.

    Attributes:
        what: "erase" or "program".
        start, octets: where in flash, and how much.
        time_ms: since the chip's last reset.
    """

    what: str
    start: int
    octets: int
    time_ms: float


class _Direction:
    """Octets on the way in one direction. rate: octets per millisecond; None is at once."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._queue = bytearray()
        self._began_ms = 0.0
        #: Octets put on the line so far.
        self.total = 0

    def put(self, octets: bytes, now_ms: float) -> None:
        if not self._queue:
            self._began_ms = now_ms
        self._queue += octets
        self.total += len(octets)

    def take(self, now_ms: float) -> bytes:
        """The octets that have arrived by now."""
        count = len(self._queue)
        if self._rate is not None:
            count = min(count, int((now_ms - self._began_ms) * self._rate))
            self._began_ms += count / self._rate
        octets = bytes(self._queue[:count])
        del self._queue[:count]
        return octets

    def clear(self) -> None:
        self._queue.clear()


class ChipBoard:
    """The supply, the reset line and the console of one emulated board.

    Args:
        flash: file that holds its flash; made with `image` in it.
        image: UF2 to flash.
        rate: octets per millisecond that its console takes and gives; None is as USB does.
        supply: asked at each operation of the flash, as `rp2040_chip.Chip` asks it.
        held: what flash holds besides the image, by its offset.

    Raises:
        ValueError: what it holds begins where the image has not ended.
    """

    def __init__(
        self,
        flash: Path,
        image: Path,
        rate: float | None = None,
        supply: Callable[[bytes, bytes], bytes | None] = lambda before, after: None,
        held: Mapping[int, bytes] | None = None,
    ) -> None:
        cells = bytearray(_ERASED * rp2040_chip.FLASH_BYTES)
        for address, octets in uf2.load_rp2040(image, len(cells)).blocks:
            start = address - uf2.RP2040_FLASH_ADDRESS
            cells[start : start + len(octets)] = octets
        image_end = len(cells.rstrip(_ERASED))
        for start, octets in (held or {}).items():
            if start < image_end:
                raise ValueError(f"{image} reaches up to {image_end:#x}, beyond {start:#x}")
            cells[start : start + len(octets)] = octets
        flash.write_bytes(cells)
        self.flash = flash
        self._supply = supply
        self._earlier_ms = 0.0
        self.starts = 0
        self.operations: list[Operation] = []
        #: (time, line) of what the console wrote since the last reset.
        self.texts: list[tuple[float, str]] = []
        self._text = bytearray()
        #: Called at every start.
        self.on_start: Callable[[], None] = lambda: None
        #: Called at every end with how it ended; what it raises, nobody starts the board after.
        self.on_end: Callable[[str], None] = lambda how: None
        self.set_rate(rate)
        self._start(rp2040_chip.POWER)

    def set_rate(self, rate: float | None) -> None:
        self.to_chip, self.from_chip = _Direction(rate), _Direction(rate)

    def _start(self, cause: str) -> None:
        self.chip = rp2040_chip.EmulatedChip(
            self.flash, bytes(range(8)), cause, self._on_output, self._on_flash, self._supply
        )
        self.starts += 1
        self.texts.clear()
        self._text.clear()
        #: When the chip took the last of the octets that were sent to it.
        self.taken_ms = 0.0
        self.on_start()

    def _on_flash(self, what: str, start: int, octets: int) -> None:
        self.operations.append(Operation(what, start, octets, self.chip.time_ms))

    def _on_output(self, octets: bytes) -> None:
        now_ms = self.chip.time_ms
        self.from_chip.put(octets, now_ms)
        self._text += octets
        *lines, rest = self._text.split(b"\n")
        self._text = bytearray(rest)
        for line in lines:
            if not line.startswith((b"\x06", b"\x04")):
                self.texts.append((now_ms, line.decode(errors="replace").rstrip()))

    @property
    def seconds(self) -> float:
        """The chip's time, all starts together."""
        return (self._earlier_ms + self.chip.time_ms) / 1000

    def restart(self, cause: str) -> None:
        """Ends this start, whatever it is doing, and begins another."""
        self._earlier_ms += self.chip.time_ms
        self.chip.close()
        self.to_chip.clear()
        self.from_chip.clear()
        self._start(cause)

    def move_to(self, flash: Path, cells: bytes) -> None:
        """Goes on with a flash of its own, which holds `cells`."""
        flash.write_bytes(cells)
        with flash.open("r+b") as file:
            os.dup2(file.fileno(), self.chip._file)
        self.flash = flash

    def step(self) -> None:
        """Runs on for about a millisecond, up to a reset, or on from there."""
        if self.chip.ended is not None:
            self.on_end(self.chip.ended)
            self.restart(self.chip.ended)
        chip = self.chip
        was_unsent = chip.unsent
        chip.send(self.to_chip.take(chip.time_ms))
        chip.run()
        if was_unsent and not chip.unsent:
            self.taken_ms = chip.time_ms

    def run_for(self, duration_ms: float) -> None:
        """Runs on for so much of the chip's time; a reset on the way begins it anew."""
        chip, end_ms = self.chip, self.chip.time_ms + duration_ms
        while self.chip.time_ms < end_ms:
            self.step()
            if self.chip is not chip:
                chip, end_ms = self.chip, duration_ms

    def wait_text(self, wanted: str, within_ms: float) -> float:
        """When the console wrote a line with `wanted` in it, since the last reset; waits for it for
        so long, over resets."""
        end_s = self.seconds + within_ms / 1000
        while True:
            for time_ms, line in self.texts:
                if wanted in line:
                    return time_ms
            if self.seconds > end_s:
                raise TimeoutError(f"no line with {wanted!r} within {within_ms:g} ms: {self.texts}")
            self.step()

    def wait_reset_text(self, wanted: str, within_ms: float) -> float:
        """The same, once the chip was reset."""
        chip = self.chip
        while self.chip is chip:
            self.step()
        return self.wait_text(wanted, within_ms)

    def stack_used(self, bottom: int, top: int) -> int:
        """The most octets of the stack between these addresses that were in use since the reset,
        interrupts included: RAM is all zeros after it."""
        for address in range(bottom, top, 4):
            if self.read_word(address):
                return top - address
        return 0

    def read_word(self, address: int) -> int:
        return int(self.chip._mcu.read_uint32(address))

    def write_word(self, address: int, value: int) -> None:
        self.chip._mcu.write_uint32(address, value)

    def close(self) -> None:
        self.chip.close()


class _Line(Transport):
    """The console of the chip, which is always there."""

    name = "the emulated chip"

    def __init__(self, board: ChipBoard) -> None:
        self._board = board
        self._received = bytearray()

    def _receive(self) -> None:
        self._received += self._board.from_chip.take(self._board.chip.time_ms)

    def open(self) -> None:
        pass

    def write(self, octets: bytes) -> None:
        self._board.to_chip.put(octets, self._board.chip.time_ms)

    def read(self) -> bytes:
        self._receive()
        if not self._received:
            self._board.step()
            self._receive()
        octets = bytes(self._received)
        self._received.clear()
        return octets

    def close(self) -> None:
        pass


class ChipDevice(Device):
    """The device on a `ChipBoard`; waits are counted by the chip's clock."""

    def __init__(self, board: ChipBoard) -> None:
        super().__init__(_Line(board), clock=lambda: board.seconds)
