# Raspberry Pi Pico, or another RP2040 board with 2 MiB of flash.
#
# The firmware has the first 448 KiB of flash; the regions below follow it. Applications run in
# place, from flash that the chip maps into its memory.

import machine
import sys
import time

import _console
from _rp2 import Flash

from hanbootloader import board
from hanbootloader.compat import const
from hanbootloader.policy import DEVICE_TYPES
from hanbootloader.store import flash_map

# fmt: off
_SECTOR_BYTES  = const(4096)
_WATCHDOG_MS   = const(8300)        # an RP2040's lasts 8388 ms at most
_FEED_MS       = const(1000)
_FLUSH_MS      = const(50)          # for the last reply to leave by USB
_REASON        = const(0x40058008)  # WATCHDOG: REASON (RP2040 datasheet 4.7.6)
_REASON_TIMER  = const(0x01)        # it ran out; FORCE is a reset that software asked for
_SCRATCH4      = const(0x4005801C)  # WATCHDOG: SCRATCH4
_MAGIC         = 0x6AB73121         # there if the watchdog was to guard, not to reboot
# fmt: on

# The flash behind the firmware: first what came later, then the store where it always was.
_MAP = flash_map.place(store=16, more=0, end=400)

# mpconfigboard.h: "<name> <role> <variant>", to which MicroPython adds " with RP2040"
_NAME, _ROLE, _VARIANT = sys.implementation._machine.rsplit(" with ", 1)[0].rsplit(" ", 2)

DEVELOPMENT = _VARIANT == "development"

# machine.reset_cause() says watchdog for every reset but that of the supply. Read before the
# watchdog is started, which leaves the magic.
_HUNG = bool(machine.mem32[_REASON] & _REASON_TIMER) and machine.mem32[_SCRATCH4] == _MAGIC

_watchdog = machine.WDT(timeout=_WATCHDOG_MS)


class Console:
    readinto = staticmethod(_console.readinto)

    def write(self, octets):
        sys.stdout.buffer.write(octets)


class Board(board.Board):
    name = _NAME + " (development)" if DEVELOPMENT else _NAME
    tier = "development" if DEVELOPMENT else "product"
    role = _ROLE
    confirms_over_link = DEVELOPMENT
    manufacturer_code = 0xFFF0
    hardware_version = 0x0100
    device_type = image_type = DEVICE_TYPES[_ROLE]
    trial_ms = 30_000
    hung = _HUNG

    def __init__(self):
        self.serial = machine.unique_id()
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
        _watchdog.feed()

    def idle(self, duration_ms):
        time.sleep_ms(duration_ms)

    # A picture is a rule and a line for each of its own.
    def display(self, lines):
        self.console.write(b"+--\n")
        for line in lines:
            self.console.write(b"| " + line.encode() + b"\n")

    def report(self, error):
        sys.print_exception(error)

    def reset(self):
        time.sleep_ms(_FLUSH_MS)
        machine.reset()

    # For the prompt of development firmware: nobody else feeds the watchdog there.
    @staticmethod
    def keep_alive():
        machine.Timer(period=_FEED_MS, callback=lambda timer: _watchdog.feed())
