# The model of esp32.Partition (boards/esp32_model) and what boards/esp32_stock puts on it. What it
# answers to a board's questions is asked in tests/esp32.

import esp32
import random
import struct
import unittest

from nor_faults import Fault, FaultyFlash, PowerCut

from flash_view import View
from hanbootloader.reasons import Refused
from hanbootloader.store.flash import PAGE_BYTES, Region
from nor import SECTOR_BYTES, NorFlash

SECTORS = 3
FIRST = 20  # sector of the partition "part"
TABLE_AT = 0x8000


def row(kind, subtype, sector, sectors, label):
    place = sector * SECTOR_BYTES, sectors * SECTOR_BYTES
    return struct.pack("<HBBII16sI", 0x50AA, kind, subtype, *place, label, 0)


def cells(*rows):
    flash = bytearray(b"\xff" * ((FIRST + SECTORS + 1) * SECTOR_BYTES))
    octets = b"".join(rows)
    flash[TABLE_AT : TABLE_AT + len(octets)] = octets
    return flash


PART = row(1, 0x9F, FIRST, SECTORS, b"part")


def attached(flash_class=NorFlash, *faults):
    flash = flash_class(cells(PART, row(0, 0, 16, 4, b"factory")), *faults)
    esp32.attach(flash)
    return flash, esp32.Partition("part")


class PartitionTest(unittest.TestCase):
    # any reads and writes, against bytes in memory
    def test_like_memory(self):
        random.seed(7)
        flash, part = attached()
        size = SECTORS * SECTOR_BYTES
        model = bytearray(b"\xff" * size)
        for _ in range(300):
            at, length = random.getrandbits(14) % size, random.getrandbits(10)
            block, within = divmod(at, SECTOR_BYTES)
            kind = random.getrandbits(2)
            if kind == 0:
                part.ioctl(6, block)
                start = block * SECTOR_BYTES
                model[start : start + SECTOR_BYTES] = b"\xff" * SECTOR_BYTES
            elif at + length > size:
                octets = bytearray(length)
                self.assertRaises(OSError, part.readblocks, block, octets, within)
                self.assertRaises(OSError, part.writeblocks, block, octets, within)
            elif kind == 1:
                found = bytearray(length)
                # an offset leads across blocks, too
                part.readblocks(0, found, at)
                self.assertEqual(found, model[at : at + length])
            else:
                octets = bytes([random.getrandbits(8) for _ in range(length)])
                part.writeblocks(block, octets, within)
                for index in range(length):
                    model[at + index] &= octets[index]
        self.assertEqual(
            bytes(flash.view(FIRST * SECTOR_BYTES, FIRST * SECTOR_BYTES + size)), model
        )
        # nothing reached its neighbours
        self.assertEqual(flash.cells[(FIRST + SECTORS) * SECTOR_BYTES :], b"\xff" * SECTOR_BYTES)

    def test_no_memoryview(self):
        _, part = attached()
        self.assertRaises(TypeError, memoryview, part)

    def test_only_what_is_modelled(self):
        self.assertRaises(ValueError, esp32.attach, NorFlash(cells()))
        self.assertRaises(ValueError, esp32.attach, NorFlash(cells(PART, row(1, 0, 16, 2, b"ota"))))

    # each piece of a page is an operation of the flash, which can fail
    def test_faults_beneath(self):
        _, part = attached(FaultyFlash, (Fault(2, "prefix"),))
        try:
            part.writeblocks(0, bytes(3 * PAGE_BYTES), PAGE_BYTES // 2)
            self.fail("power was to be cut")
        except PowerCut:
            pass
        found = bytearray(4 * PAGE_BYTES)
        part.readblocks(0, found)
        self.assertEqual(found[: PAGE_BYTES // 2], b"\xff" * (PAGE_BYTES // 2))
        # two operations were whole, the third in part, the fourth never began
        self.assertEqual(found[PAGE_BYTES // 2 : 2 * PAGE_BYTES], bytes(3 * PAGE_BYTES // 2))
        self.assertEqual(found[3 * PAGE_BYTES :], b"\xff" * PAGE_BYTES)

    def test_a_dropped_write_is_seen_by_the_store(self):
        _, part = attached(FaultyFlash, (Fault(0, "dropped"),))
        region = Region(part, View(part, 0, SECTORS * SECTOR_BYTES))
        self.assertRaises(Refused, region.program, 0, b"hanboot")

    def test_as_the_store_sees_it(self):
        _, part = attached()
        region = Region(part, View(part, 0, SECTORS * SECTOR_BYTES))
        self.assertEqual((region.sectors, region.sector_bytes), (SECTORS, SECTOR_BYTES))
        region.program(SECTOR_BYTES - 3, b"hanboot" * 100)
        self.assertEqual(bytes(region.view[SECTOR_BYTES - 3 :][:7]), b"hanboot")
        region.erase(0)
        region.erase(1)
        self.assertTrue(region.is_erased(0, region.size))
        # an empty slice asks nothing of the flash, wherever it is
        self.assertEqual(bytes(region.view[-SECTOR_BYTES:-SECTOR_BYTES]), b"")


if __name__ == "__main__":
    unittest.main()
