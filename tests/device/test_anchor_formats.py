# Trust anchors that a device of an earlier format wrote, or whose head is torn.

import unittest

import cells
import images
from anchors_rig import SECTORS, AnchorsTest, held_by
from ramboard import PowerCut, RamFlash

from hanbootloader.device import AnchorMemory
from hanbootloader.store.backup import Backup
from hanbootloader.store.journal import Journal
from hanbootloader.store.ledger import Ledger
from hanbootloader.trust import anchors, p256
from hanbootloader.trust.anchors import Anchors
from hanbootloader.trust.cell import (
    KEY_AGREEMENT,
    MANUFACTURER,
    SUPPLIER,
)
from nor import SECTOR_BYTES


# What power left of a head is made to stay as it was read.
class SealTest(AnchorsTest):
    def test_whole_head(self):
        self.put("supplier")
        self.assertEqual(self.flash.cells[255], 0)
        # as if power had failed before the seal
        self.flash.cells[255] = 0xFF
        # the same bytes once more, and then the seal
        operations = self.flash.operations
        self.held = self.opened()
        self.assertEqual(self.flash.operations, operations + 2)
        self.check_holds("supplier")
        self.assertEqual(self.flash.cells[255], 0)

    def test_torn_head(self):
        self.put("supplier")
        self.flash.cells[255] = 0xFF
        self.flash.cells[100] ^= 1
        self.held = self.opened()
        self.assertEqual(self.flash.cells[254], 0)
        # whatever it reads as later
        self.flash.cells[100] ^= 1
        self.check_holds()

    # what was given up is in doubt no more: the next wrong read there is one start's word again
    def test_nothing_is_left_in_doubt(self):
        self.put("supplier")
        self.flash.cells[255] = 0xFF
        self.flash.cells[100] ^= 1
        self.held = self.opened()
        self.assertEqual(self.flash.cells[254], 0)
        self.assertEqual(self.doubts(), [])

    # A sector that begins no cell is not looked at, whatever is in it: it is part of a place.
    def test_tables_are_no_heads(self):
        for role, usage in ((SUPPLIER, 0), (SUPPLIER, KEY_AGREEMENT), (MANUFACTURER, 0)):
            self.put("stranger", role=role, usage=usage)
        # the third's table is where a cell of format 1 may have begun
        self.assertTrue(self.flash.cells[5 * SECTOR_BYTES] != 0xFF)
        self.flash.cells[SECTOR_BYTES : SECTOR_BYTES + 5] = b"HBAC\x01"
        operations = self.flash.operations
        self.held = self.opened()
        self.assertEqual((self.flash.operations, self.doubts()), (operations, []))
        for cell in self.held.cells():
            self.assertEqual(cell.table is None, cell.usage == 0 and cell.role == SUPPLIER)

    def doubts(self):
        return self.held._memory._backup.doubts._noted

    # of a sealed head the void byte says nothing: it was never programmed
    def test_sealed_head_is_not_void(self):
        self.put("supplier")
        self.flash.cells[254] = 0xFE
        self.held = self.opened()
        self.check_holds("supplier")

    # a head that was sealed and does not check any more is left alone
    def test_sealed_head(self):
        self.put("supplier")
        self.flash.cells[100] ^= 1
        operations = self.flash.operations
        self.held = self.opened()
        self.check_holds()
        self.assertEqual(self.flash.operations, operations)
        self.flash.cells[100] ^= 1
        self.held = self.opened()
        self.check_holds("supplier")


# Cells of format 1, as a device of the state before holds them.
class MigrationTest(AnchorsTest):
    def setUp(self):
        AnchorsTest.setUp(self)
        region = self.flash.region(0, SECTORS)
        for sector, head in (
            (0, cells.old_head("supplier", sequence=3)),
            (5, cells.old_head("manufacturer")),
        ):
            region.program(sector * SECTOR_BYTES, head)
            region.program(sector * SECTOR_BYTES + 255, b"\0")
            # a table of the sender's making, into the next sector
            region.program(sector * SECTOR_BYTES + 256, b"\x5a" * 4032)
        self.held = self.opened()

    def test_counts_before(self):
        self.assertEqual(
            held_by(self.held),
            {SUPPLIER: (images.kid("supplier"), 3), MANUFACTURER: (images.kid("manufacturer"), 1)},
        )
        for cell in self.held.cells():
            self.assertIsNone(cell.table)

    # Format 1 had room for a table as long as the sender liked: what lies where a table of today
    # would, with the digest of one, is not taken for the device's own.
    def test_table_of_the_senders(self):
        # as many rows as the device's own: a mutation run has fewer
        table = b"\x5a" * p256.table_bytes(anchors.TABLE_ROWS)
        octets = table + images.sha256(images.key("supplier") + table)
        self.flash.cells[SECTOR_BYTES : SECTOR_BYTES + len(octets)] = octets
        self.assertIsNone(self.opened().cell(SUPPLIER).table)

    # a head counts where its format has it, and nowhere else
    def test_place_of_another_format(self):
        for sector, head in ((5, cells.head("supplier")), (2, cells.old_head("supplier"))):
            self.flash = RamFlash(SECTORS)
            self.flash.region(0, SECTORS).program(sector * SECTOR_BYTES, head)
            self.assertEqual(held_by(self.opened()), {})

    # of two alike the first counts, in this format, too
    def test_both_are_there(self):
        self.flash = RamFlash(SECTORS)
        first = cells.old_head("supplier")
        for sector, head in ((0, first), (5, cells.old_head("supplier", label=b"another"))):
            self.flash.region(0, SECTORS).program(sector * SECTOR_BYTES, head)
        self.assertEqual(self.opened().cell(SUPPLIER).head, first)

    # A key that is none verifies nothing, in either format: its cell is left as it is.
    def test_key_that_is_none(self):
        self.flash = RamFlash(SECTORS)
        head = bytearray(cells.old_head("supplier")[:144])
        head[79] ^= 1
        octets = bytes(head) + images.sha256(head)
        self.flash.region(0, SECTORS).program(0, octets + bytes(80))
        self.held = self.opened()
        operations = self.flash.operations
        for _ in self.held.migrate_steps():
            pass
        self.assertTrue(self.held.cell(SUPPLIER).is_old)
        self.assertEqual(self.flash.operations, operations)

    # Something is in doubt, and this start writes nothing: no cell anew, no seal.
    def test_in_doubt(self):
        self.flash.cells[5 * SECTOR_BYTES + 100] ^= 1
        backup = Backup(RamFlash(2).region(0, 2))
        memory = AnchorMemory(Ledger(Journal(RamFlash(2).region(0, 2)), backup), backup)
        region = self.flash.region(0, SECTORS)
        held = Anchors(region, memory)
        self.assertTrue(memory.is_in_doubt())
        self.flash.cells[255] = 0xFF
        operations = self.flash.operations
        for again in (held, Anchors(region, memory)):
            for _ in again.migrate_steps():
                pass
            self.assertEqual(held_by(again), {SUPPLIER: (images.kid("supplier"), 3)})
        self.assertEqual(self.flash.operations, operations)

    def test_migrates(self):
        before = held_by(self.held)
        for _ in self.held.migrate_steps():
            pass
        for held in (self.held, self.opened()):
            self.assertEqual(held_by(held), before)
            # the old cell is of the key that counts
            self.assertIsNone(held.former(images.kid("manufacturer")))
            for cell in held.cells():
                self.assertFalse(cell.is_old)
                self.assertTrue(cell.table is not None)
        operations = self.flash.operations
        for _ in self.held.migrate_steps():
            pass
        self.assertEqual(self.flash.operations, operations)

    def test_power_cut(self):
        before, octets = held_by(self.held), bytes(self.flash.cells)
        operation, is_done = 0, False
        while not is_done:
            for cut_bytes in (0, 100, 4000):
                self.flash = RamFlash(SECTORS)
                self.flash.cells[:] = octets
                self.flash.cut_at, self.flash.cut_bytes = operation, cut_bytes
                try:
                    for _ in self.opened().migrate_steps():
                        pass
                    is_done = True
                except PowerCut:
                    self.flash.cut_at = -1
                self.held = self.opened()
                self.assertEqual(held_by(self.held), before)
                for _ in self.held.migrate_steps():
                    pass
                self.assertEqual(held_by(self.opened()), before)
                self.assertFalse(any([cell.is_old for cell in self.opened().cells()]))
            operation += 1
        self.assertTrue(operation > 40)


if __name__ == "__main__":
    unittest.main()
