# Flash as the store sees it, and the NOR flash of the virtual board that stands in for a chip.

import unittest

from outcome import refusal_of
from ramboard import PowerCut, RamFlash

from hanbootloader.reasons import FLASH_FAULT
from nor import PAGE_BYTES, SECTOR_BYTES


def numbered(length):
    return bytes([at * 7 & 0xFF for at in range(length)])


class NorTest(unittest.TestCase):
    def setUp(self):
        self.flash = RamFlash(4)

    # programming clears bits, and nothing but an erase sets them
    def test_program_clears(self):
        page = bytearray(b"\xff" * PAGE_BYTES)
        page[3] = 0xF0
        self.flash.program(0, page)
        self.assertEqual(self.flash.cells[3], 0xF0)
        page[3] = 0x30
        self.flash.program(0, page)
        self.assertEqual(self.flash.cells[3], 0x30)
        # FF leaves what is there
        self.flash.program(0, b"\xff" * PAGE_BYTES)
        self.assertEqual(self.flash.cells[3], 0x30)
        page[3] = 0x31
        with self.assertRaises(ValueError):
            self.flash.program(0, page)

    def test_whole_pages(self):
        for offset, length in ((1, PAGE_BYTES), (0, 255), (0, 257), (128, 128)):
            with self.assertRaises(ValueError):
                self.flash.program(offset, bytes(length))

    def test_erase_is_of_a_sector(self):
        for at in range(0, 3 * SECTOR_BYTES, PAGE_BYTES):
            self.flash.program(at, bytes(PAGE_BYTES))
        self.flash.erase(1)
        for sector, octet in ((0, 0), (1, 0xFF), (2, 0), (3, 0xFF)):
            at = sector * SECTOR_BYTES
            self.assertEqual((self.flash.cells[at], self.flash.cells[at + 4095]), (octet, octet))

    # MicroPython's block device interface
    def test_partition(self):
        partition = self.flash.partition(1, 2)
        self.assertEqual((partition.ioctl(4, 0), partition.ioctl(5, 0)), (2, SECTOR_BYTES))
        partition.writeblocks(0, bytes(SECTOR_BYTES))  # erases first
        partition.writeblocks(0, b"\x01" * SECTOR_BYTES)
        partition.writeblocks(1, b"\x02" * PAGE_BYTES, PAGE_BYTES)  # does not
        found = bytearray(8)
        partition.readblocks(0, found, SECTOR_BYTES - 4)
        self.assertEqual(found, b"\x01" * 4 + b"\xff" * 4)
        partition.ioctl(6, 0)
        self.assertEqual(partition.view[0], 0xFF)
        self.assertEqual(partition.view[SECTOR_BYTES + PAGE_BYTES], 2)
        self.assertEqual(len(partition.view), 2 * SECTOR_BYTES)

    def test_partition_has_an_end(self):
        partition = self.flash.partition(1, 2)
        for block, length, offset in ((2, PAGE_BYTES, 0), (1, 2 * PAGE_BYTES, 3840), (-1, 256, 0)):
            with self.assertRaises(OSError):
                partition.writeblocks(block, bytes(length), offset)
        with self.assertRaises(OSError):
            partition.ioctl(6, 2)
        with self.assertRaises(OSError):
            partition.readblocks(1, bytearray(SECTOR_BYTES + 1))


class RegionTest(unittest.TestCase):
    def setUp(self):
        self.flash = RamFlash(4)
        self.region = self.flash.region(1, 2)

    def test_size(self):
        self.assertEqual((self.region.sectors, self.region.sector_bytes), (2, 4096))
        self.assertEqual(self.region.size, 8192)

    # any offset, any length: around pages and sectors
    def test_program(self):
        for offset in (0, 1, 3, 255, 256, 257, 4090, 4096):
            for length in (0, 1, 3, 4, 252, 255, 256, 257, 512, 600):
                for sector in (0, 1):
                    self.region.erase(sector)
                octets = numbered(length)
                self.region.program(offset, octets)
                self.assertEqual(self.region.view[offset : offset + length], octets)
                self.assertTrue(self.region.is_erased(0, offset))
                self.assertTrue(self.region.is_erased(offset + length, self.region.size))
        # the sectors beside the region
        self.assertEqual(bytes(self.flash.cells[:4096]), b"\xff" * 4096)
        self.assertEqual(bytes(self.flash.cells[12288:]), b"\xff" * 4096)

    def test_pages_fill_bit_by_bit(self):
        octets = numbered(700)
        for at in range(0, 700, 7):
            self.region.program(100 + at, octets[at : at + 7])
        self.assertEqual(self.region.view[100:800], octets)

    def test_is_erased(self):
        self.region.program(1000, b"\xfe")
        for start, end, erased in (
            (0, 1000, True),
            (0, 1001, False),
            (1000, 1001, False),
            (1001, 8192, True),
            (999, 4096, False),
            (1000, 1000, True),
        ):
            self.assertEqual(self.region.is_erased(start, end), erased)

    # what did not take is known at once
    # power that fails within a commit leaves nothing, or a first octet that tells of it
    def test_commit(self):
        octets = bytes(range(1, 60))
        for cut_at, left in ((0, b"\xff" * 59), (1, b"\x01" + b"\xff" * 58), (-1, octets)):
            flash = RamFlash(2)
            region = flash.region(0, 2)
            flash.cut_at = cut_at
            try:
                region.commit(300, octets)
            except PowerCut:
                pass
            self.assertEqual(bytes(flash.cells[300:359]), left)
            self.assertEqual(region.is_begun(300), cut_at != 0)

    def test_fault(self):
        self.flash.stuck = (1,)
        self.assertEqual(refusal_of(self.region.program, 300, b"abc"), (FLASH_FAULT, 300))
        self.assertEqual(refusal_of(self.region.program, 4096, b"abc")[0], 0)
        self.flash.erase = lambda sector: None
        self.assertEqual(refusal_of(self.region.erase, 1), (FLASH_FAULT, 4096))


if __name__ == "__main__":
    unittest.main()
