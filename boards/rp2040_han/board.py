# Raspberry Pi Pico, or another RP2040 board with 2 MiB of flash.
#
# The firmware has the first 448 KiB of flash; the regions below follow it. Applications run in
# place, from flash that the chip maps into its memory.

import sys

import _console
from _rp2 import Flash

import rp2040_chip
from console_board import ConsoleBoard
from hanbootloader.compat import const
from hanbootloader.policy import DEVICE_TYPES
from hanbootloader.store import flash_map

_SECTOR_BYTES = const(4096)

# The flash behind the firmware: first what came later, then the store where it always was.
_MAP = flash_map.place(store=16, more=0, end=400)

# mpconfigboard.h: "<name> <role> <variant>", to which MicroPython adds " with RP2040"
_NAME, _ROLE, _VARIANT = sys.implementation._machine.rsplit(" with ", 1)[0].rsplit(" ", 2)

DEVELOPMENT = _VARIANT == "development"

rp2040_chip.feed()


class Console:
    readinto = staticmethod(_console.readinto)

    def write(self, octets):
        sys.stdout.buffer.write(octets)


class Board(ConsoleBoard):
    name = _NAME + " (development)" if DEVELOPMENT else _NAME
    tier = "development" if DEVELOPMENT else "product"
    role = _ROLE
    confirms_over_link = DEVELOPMENT
    manufacturer_code = 0xFFF0
    hardware_version = 0x0100
    device_type = image_type = DEVICE_TYPES[_ROLE]
    hung = rp2040_chip.HUNG

    def __init__(self):
        self.serial = rp2040_chip.serial()
        self.console = Console()
        self.data = self._flash("data")
        if DEVELOPMENT:
            print("hanboot: development firmware: Ctrl-C gives a prompt; nothing is protected")

    def _flash(self, name):
        first, count = _MAP[name]
        return Flash(start=first * _SECTOR_BYTES, len=count * _SECTOR_BYTES)

    def region(self, name):
        flash = self._flash(name)
        return flash, memoryview(flash)

    def watchdog(self):
        rp2040_chip.feed()
