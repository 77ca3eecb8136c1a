# A board in memory: NOR flash that counts, and fails where it is set to; a console that is two
# byte strings.

import images
from power_cut import PowerCut

from hanbootloader import board, boot, policy
from hanbootloader.store.flash import Region
from nor import SECTOR_BYTES, NorFlash, Partition

# first sector and sectors of each region
MAP = {
    "anchors": (0, 16),
    "journal": (16, 4),
    "slot0": (20, 4),
    "slot1": (24, 4),
    "backup": (28, 2),
    "keys": (30, 2),
    "transfer": (32, 2),
    "han": (34, 4),
}
SECTORS = 38


class RamFlash(NorFlash):
    # cells: what to use for it, in place of fresh memory
    def __init__(self, sectors, cells=None):
        NorFlash.__init__(self, cells or bytearray(sectors * SECTOR_BYTES))
        for sector in range(sectors):
            NorFlash.erase(self, sector)
        self.erased = []  # sectors, in order
        self.operations = 0
        self.cut_at = -1  # number of the operation that power fails in
        self.cut_bytes = 0  # how much of it still happens
        self.stuck = ()  # sectors whose cells no longer take what is programmed

    def _cut(self):
        self.operations += 1
        return self.operations - 1 == self.cut_at

    def erase(self, sector):
        if self._cut():
            at = sector * SECTOR_BYTES
            self.cells[at : at + self.cut_bytes] = b"\xff" * self.cut_bytes
            raise PowerCut
        self.erased.append(sector)
        NorFlash.erase(self, sector)

    def program(self, offset, octets):
        if self._cut():
            left = bytes(octets[: self.cut_bytes])
            NorFlash.program(self, offset, left + b"\xff" * (len(octets) - len(left)))
            raise PowerCut
        if offset // SECTOR_BYTES not in self.stuck:
            NorFlash.program(self, offset, octets)

    def partition(self, first, count):
        return Partition(self, first, count)

    # [first, first + count) as the store sees it
    def region(self, first, count):
        partition = self.partition(first, count)
        return Region(partition, partition.view)


class Console:
    # octets in `incoming` arrive at once; what is written gathers in `outgoing`
    def __init__(self):
        self.incoming = b""
        self.outgoing = b""

    def readinto(self, buffer):
        count = min(len(buffer), len(self.incoming))
        buffer[:count] = self.incoming[:count]
        self.incoming = self.incoming[count:]
        return count

    def write(self, octets):
        self.outgoing += octets


# There is one board at a time: a small heap does not give room for several, one after the other.
_CELLS = bytearray(SECTORS * SECTOR_BYTES)


class Board(board.Board):
    name = "ram"
    tier = "virtual"
    role = "ppmid"
    confirms_over_link = True
    serial = b"\x00\x01\x02\x03\x04\x05\x06\x07"
    manufacturer_code = images.MANUFACTURER_CODE
    image_type = images.IMAGE_TYPE
    hardware_version = 0x0102
    trial_ms = 1000

    def __init__(self, device_type=policy.PPMID):
        self.device_type = device_type
        self.flash = RamFlash(SECTORS, _CELLS)
        self.console = Console()
        self.data = None
        self.hung = False
        self.shown = ()

    def region(self, name):
        partition = self.flash.partition(*MAP[name])
        return partition, partition.view

    def watchdog(self):
        pass

    def idle(self, duration_ms):
        pass

    def display(self, lines):
        self.shown = lines

    def report(self, error):
        self.reported = error

    def reset(self):
        pass

    # The device after a reset, and after the restart that it asks for where something is in doubt:
    # everything is read anew from flash.
    def device(self):
        device = boot.open_device(self)
        while device.doubts.needs_restart:
            device = boot.open_device(self)
        return device


# Sectors of `name` that were erased.
def erases(board, name):
    first, count = MAP[name]
    return len([sector for sector in board.flash.erased if first <= sector < first + count])
