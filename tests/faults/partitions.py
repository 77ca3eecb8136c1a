# The campaign's boards with the partitions of an ESP32: esp32.Partition's model lies between the
# store and the flash that fails, and reading copies (boards/common/flash_view.py). A case has the
# name that it has elsewhere.

from esp32 import Partition

from faultboard import FaultBoard

from flash_view import View
from nor import SECTOR_BYTES

_mapped = FaultBoard.region


def _region(board, name):
    first, count = board.map[name]
    size = count * SECTOR_BYTES
    partition = Partition.place(board.flash, name, first * SECTOR_BYTES, size)
    return partition, View(partition, 0, size)


# From here on, boards have partitions.
def use():
    FaultBoard.region = _region


# From here on, flash is mapped again.
def leave():
    FaultBoard.region = _mapped
