# The virtual board: a process of MicroPython's unix port with the flash of a Pico in a file.
#
# The file is mapped, so that applications run in place as they do from real flash. The console is
# standard input and output. The supervisor that started the process (hanboot.boards.process) ends
# one that does not feed its watchdog, as the real one resets the chip, and starts it again.

import sys
import time

from hanbootloader import board
from hanbootloader.policy import DEVICE_TYPES
from hanbootloader.store import flash_map
from mapped import RESET_EXIT, Watchdog, libc, mapped
from nor import SECTOR_BYTES, NorFlash, Partition

# of a Pico, and behind it what an RP2040 takes from its firmware's part
_SECTORS = 512
_MORE = 16
_WATCHDOG_S = 8  # an RP2040's lasts 8.3 s at most

_MAP = flash_map.place(store=0, more=_SECTORS, end=_SECTORS)

_own_id = libc.func("i", "getpid", "")
_kill = libc.func("i", "kill", "ii")
_SIGKILL = 9  # as the supervisor cuts the supply


# The data region of a board whose supply is cut when an application is about to start: that is when
# the region is read first.
class _Cut(Partition):
    def readblocks(self, block, buffer, within=0):
        _kill(_own_id(), _SIGKILL)


class Console:
    # Standard input does not block: the supervisor made it so.
    def readinto(self, buffer):
        count = sys.stdin.buffer.readinto(buffer)
        if count == 0:
            # the supervisor is gone
            sys.exit(0)
        return count or 0

    def write(self, octets):
        sys.stdout.buffer.write(octets)


class Board(board.Board):
    name = "virtual"
    tier = "virtual"
    confirms_over_link = True
    manufacturer_code = 0xFFF0
    hardware_version = 0x0100

    # path: the flash file. cause: of the last reset, 'watchdog' or another. is_cut: see _Cut.
    # model: manufacturer code, image type and hardware version in hex, with colons; "" for the
    # example's
    def __init__(self, path, role, serial, cause, trial_ms, is_cut, model=""):
        self._flash = NorFlash(mapped(path, (_SECTORS + _MORE) * SECTOR_BYTES))
        self._watchdog = Watchdog(path)
        self.role = role
        self.device_type = self.image_type = DEVICE_TYPES[role]
        if model:
            numbers = [int(number, 16) for number in model.split(":")]
            self.manufacturer_code, self.image_type, self.hardware_version = numbers
        self.serial = serial
        self.hung = cause == "watchdog"
        self.trial_ms = trial_ms
        self.console = Console()
        self.data = (_Cut if is_cut else Partition)(self._flash, *_MAP["data"])

    def _partition(self, name):
        return Partition(self._flash, *_MAP[name])

    def region(self, name):
        partition = self._partition(name)
        return partition, partition.view

    def watchdog(self):
        self._watchdog.feed(_WATCHDOG_S)

    def idle(self, duration_ms):
        time.sleep_ms(duration_ms)

    # A picture is a rule and a line for each of its own.
    def display(self, lines):
        picture = ["+" + "-" * 31] + ["| " + line for line in lines]
        self.console.write(("\n".join(picture) + "\n").encode())

    def report(self, error):
        sys.print_exception(error)

    def reset(self):
        sys.exit(RESET_EXIT)
