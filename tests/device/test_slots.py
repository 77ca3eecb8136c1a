# Writing an image to a slot: the same octets whatever the pieces, one erase for each sector used.

import unittest

import images
from ramboard import RamFlash

from hanbootloader.store.slots import SlotWriter

SLOT_SECTORS = 3


def write(flash, octets, piece_bytes):
    writer = SlotWriter(flash.region(1, SLOT_SECTORS))
    view = memoryview(octets)
    for at in range(0, len(octets), piece_bytes):
        writer.write(view[at : at + piece_bytes])
    writer.finish()


class SlotWriterTest(unittest.TestCase):
    def test_any_pieces(self):
        octets = images.payload_octets("slot", 4096 + 300)
        for piece_bytes in (1, 3, 16, 255, 256, 257, 511, 512, 1000, 5000):
            flash = RamFlash(5)
            write(flash, octets, piece_bytes)
            self.assertEqual(flash.cells[4096 : 4096 + len(octets)], octets)
            # what follows in the sector stays erased, and the neighbours are left alone
            rest = bytes(flash.cells[4096 + len(octets) : 3 * 4096])
            self.assertEqual(rest, b"\xff" * len(rest))
            self.assertEqual(flash.erased, [1, 2])

    # (octets, sectors erased, pages programmed)
    def test_boundary_lengths(self):
        for length, sectors, pages in (
            (0, 0, 0),
            (1, 1, 1),
            (255, 1, 1),
            (256, 1, 1),
            (257, 1, 2),
            (4095, 1, 16),
            (4096, 1, 16),
            (4097, 2, 17),
            (SLOT_SECTORS * 4096, 3, 48),
        ):
            flash = RamFlash(5)
            write(flash, bytes(length), 1000)
            self.assertEqual(len(flash.erased), sectors)
            self.assertEqual(flash.operations, sectors + pages)

    # what the slot held before is gone, sector by sector
    def test_over_an_older_image(self):
        flash = RamFlash(5)
        write(flash, bytes(3 * 4096), 4096)
        octets = images.payload_octets("newer", 5000)
        write(flash, octets, 333)
        self.assertEqual(flash.cells[4096 : 4096 + 5000], octets)
        self.assertEqual(flash.cells[4096 + 5000], 0xFF)
        self.assertEqual(flash.cells[3 * 4096], 0)  # not used, not erased


if __name__ == "__main__":
    unittest.main()
