# An ESP32 with 4 MiB of flash and hanboot's own firmware, partitions.csv.
#
# Both slots are in the one partition that the chip maps into its memory: applications run in place.

import sys
import vfs
from esp32 import Partition

import _console

import esp32_chip
from console_board import ConsoleBoard
from flash_view import View
from hanbootloader.compat import const
from hanbootloader.policy import DEVICE_TYPES
from sub_range import SubRange

# fmt: off
_SECTOR_BYTES = const(4096)
_BLOCK_COUNT  = const(4)      # MicroPython block device ioctl
_GET_SEGMENT  = const(2)      # of vfs.rom_ioctl (extmod/vfs.h)
_TASK_MS      = const(300)    # of the line at 115200 fill the ring; a task must not take longer
# fmt: on

# first sector in the mapped partition, sectors. Its first sector stays free: a slot must not be
# what MicroPython takes for a ROMFS to mount.
_MAPPED = {"slot0": (1, 128), "slot1": (129, 128)}

# mpconfigboard.h: "<name> <role> <variant>"
_NAME, _ROLE, _VARIANT = _console.BOARD.rsplit(" ", 2)

DEVELOPMENT = _VARIANT == "development"

esp32_chip.feed()


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
    hung = esp32_chip.HUNG
    line_bytes = _console.RING_BYTES
    line_pause_ms = _TASK_MS

    def __init__(self):
        self.serial = esp32_chip.serial()
        self.console = Console()
        self.data = Partition("data")
        # the one object that gives a memoryview; the map lasts for ever
        self._mapped = vfs.rom_ioctl(_GET_SEGMENT, 0)
        self._view = memoryview(self._mapped)
        if DEVELOPMENT:
            print("hanboot: development firmware: Ctrl-C gives a prompt; nothing is protected")

    def region(self, name):
        if name in _MAPPED:
            first, count = _MAPPED[name]
            start = first * _SECTOR_BYTES
            view = self._view[start : start + count * _SECTOR_BYTES]
            return SubRange(Partition("romfs"), first, count), view
        partition = Partition(name)
        return partition, View(partition, 0, partition.ioctl(_BLOCK_COUNT, 0) * _SECTOR_BYTES)

    def watchdog(self):
        esp32_chip.feed()
