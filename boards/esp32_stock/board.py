# An ESP32 with stock MicroPython and a partition table of hanboot's (partitions.csv), for
# prototypes: NOT PROTECTED (prototype.py).
#
# Slots, journal and anchors are partitions of their own, and the data region is a littlefs in one.
# Stock builds map no partition into memory: reading copies.

from esp32 import Partition

from flash_view import View
from prototype import Prototype, provide_vfs

_BLOCK_COUNT = 4  # MicroPython block device ioctl
_BLOCK_BYTES = 5

provide_vfs()


class Board(Prototype):
    name = "stock MicroPython on an ESP32, NOT PROTECTED"
    tier = "partitioned"

    def __init__(self):
        Prototype.__init__(self)
        self.data = Partition("data")

    def region(self, name):
        partition = Partition(name)
        return partition, View(
            partition, 0, partition.ioctl(_BLOCK_COUNT, 0) * partition.ioctl(_BLOCK_BYTES, 0)
        )
