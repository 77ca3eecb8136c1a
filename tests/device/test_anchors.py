# Trust anchor cells: written once at provisioning, afterwards only with a held key's signature,
# and there as a whole or not at all.

import unittest

import cells
import images
from outcome import refusal_of
from ramboard import PowerCut, RamFlash

from hanbootloader.device import AnchorMemory
from hanbootloader.reasons import (
    ACCEPTED,
    ANCHOR_MALFORMED,
    ANCHOR_SEQUENCE,
    ANCHOR_SIGNATURE,
    ANCHORS_LOCKED,
    FLASH_FAULT,
)
from hanbootloader.store.backup import Backup
from hanbootloader.store.journal import Journal
from hanbootloader.store.ledger import Ledger
from hanbootloader.trust import anchors, p256
from hanbootloader.trust import cell as cell_format
from hanbootloader.trust.anchors import TABLE_ROWS, Anchors
from hanbootloader.trust.cell import (
    ACCESS_CONTROL_BROKER,
    KEY_AGREEMENT,
    MANUFACTURER,
    SUPPLIER,
    Cell,
)
from hanbootloader.trust.kid import kid_of
from nor import SECTOR_BYTES

SECTORS = 16


# What is held: role -> (kid, sequence)
def held_by(held):
    return {cell.role: (cell.kid, cell.sequence) for cell in held.cells()}


def verified(cell, digest, signature):
    return cells.finish(cell.verify_steps(digest, signature))


class KidTest(unittest.TestCase):
    def test_known(self):
        # the key of the worked example in the documentation of formats
        key = bytes.fromhex(
            "D0A87A8789055CCBDBE567EA2930C44E7E2A8ED3091467B4AD123DCCB9560588"
            "CE8B3D41B9C77B45AF51C74AE0BA94B044F4BC4B9B6D15115FA9D2C124B464D0"
        )
        self.assertEqual(kid_of(key), bytes.fromhex("43CBB28D0C41EDD1"))


class CellTest(unittest.TestCase):
    def test_fields(self):
        cell = Cell(
            cells.head(
                "manufacturer",
                flags=0,
                sequence=0xFFFFFFFF,
                label=b"ACME PPMID",
                scope=(0x1234, 5),
                entity=b"\x01\x02\x03\x04\x05\x06\x07\x08",
            )
        )
        self.assertEqual((cell.role, cell.flags, cell.is_development), (MANUFACTURER, 0, False))
        self.assertEqual(cell.kid, images.kid("manufacturer"))
        self.assertEqual(cell.key, images.key("manufacturer"))
        self.assertEqual((cell.sequence, cell.scope), (0xFFFFFFFF, (0x1234, 5)))
        self.assertEqual(cell.entity, b"\x01\x02\x03\x04\x05\x06\x07\x08")
        self.assertEqual(cell.label.rstrip(b"\0"), b"ACME PPMID")
        self.assertTrue(Cell(cells.head("supplier")).is_development)

    # any byte that is not what it was: the digest at the end tells
    def test_every_byte(self):
        head = cells.head("manufacturer")
        self.assertEqual(len(head), cell_format.HEAD_BYTES)
        for at in range(len(head)):
            changed = bytearray(head)
            changed[at] ^= 0x10
            expected = 0 if at < 4 else 4 if at == 4 else 144
            self.assertEqual(refusal_of(Cell, changed), (ANCHOR_MALFORMED, expected))

    def test_length(self):
        head = cells.head("manufacturer")
        for octets in (b"", head[:-1], head + b"\0"):
            self.assertEqual(refusal_of(Cell, octets), (ANCHOR_MALFORMED, 0))

    def test_boundary_values(self):
        for fields, offset in (
            ({"role": 0}, 5),
            ({"role": 1}, 5),
            ({"role": 3}, 5),
            ({"role": 126}, 5),
            ({"role": 128}, 5),
            ({"role": SUPPLIER, "usage": KEY_AGREEMENT}, None),
            ({"role": ACCESS_CONTROL_BROKER, "usage": KEY_AGREEMENT}, None),
            ({"role": ACCESS_CONTROL_BROKER}, None),
            # an envelope is signed, and nothing is agreed with its maker
            ({"usage": KEY_AGREEMENT}, 5),
            ({"usage": 1}, 5),
            ({"usage": 255}, 5),
            ({"flags": 2}, 7),
            ({"flags": 255}, 7),
            ({"flags": 0}, None),
            ({"sequence": 0}, None),
        ):
            refusal = refusal_of(Cell, cells.head("manufacturer", **fields))
            expected = (ACCEPTED, -1) if offset is None else (ANCHOR_MALFORMED, offset)
            self.assertEqual((fields, refusal), (fields, expected))

    # bytes that a later format may use: what is not understood is not taken
    def test_bytes_without_a_meaning(self):
        for at in (120, 143):
            head = bytearray(cells.head("manufacturer")[:144])
            head[at] = 1
            octets = bytes(head) + images.sha256(head)
            self.assertEqual(refusal_of(Cell, octets), (ANCHOR_MALFORMED, 120))

    # what an older device was given about the key is not taken, the key is
    def test_old_format(self):
        cell = Cell(cells.old_head("manufacturer", kid=b"whatever", sequence=7))
        self.assertEqual((cell.kid, cell.sequence), (images.kid("manufacturer"), 7))
        self.assertEqual(cell.label.rstrip(b"\0"), b"old")

    # over every byte of head and table
    def test_fingerprint(self):
        cell = Cell(cells.head("manufacturer"))
        self.assertEqual(cell.fingerprint(), images.sha256(cell.head))
        cell.table = memoryview(b"table")
        self.assertEqual(cell.fingerprint(), images.sha256(cell.head + b"table"))


class AnchorsTest(unittest.TestCase):
    def setUp(self):
        self.flash = RamFlash(SECTORS)
        self.held = self.opened()

    def opened(self, sectors=SECTORS):
        return cells.opened(self.flash.region(0, sectors))

    def put(self, name, signature=None, **more):
        return cells.put_into(self.held, cells.head(name, **more), signature)

    def refusal(self, name, signature=None, **more):
        return refusal_of(cells.put_into, self.held, cells.head(name, **more), signature)

    def provision(self):
        self.put("supplier")
        self.put("manufacturer")

    def check_holds(self, *names):
        expected = {
            cells.ROLES[name]: (images.kid(name), cells.SEQUENCES.get(name, 1)) for name in names
        }
        self.assertEqual(held_by(self.held), expected)
        self.assertEqual(held_by(self.opened()), expected)


class ProvisioningTest(AnchorsTest):
    def test_new(self):
        self.check_holds()
        self.assertFalse(self.held.is_provisioned)
        self.assertIsNone(self.held.cell(MANUFACTURER))
        self.assertIsNone(self.held.former(images.kid("manufacturer")))
        self.assertEqual(self.flash.operations, 0)

    def test_provision(self):
        self.assertTrue(self.put("supplier"))
        self.check_holds("supplier")
        # without the manufacturer's key nothing is locked, and nothing can be verified
        self.assertFalse(self.held.is_provisioned)
        self.assertTrue(self.put("manufacturer"))
        self.check_holds("supplier", "manufacturer")
        self.assertTrue(self.opened().is_provisioned)

    # all that a device has to hold, and a successor of each
    def test_every_role(self):
        uses = ((SUPPLIER, 0), (ACCESS_CONTROL_BROKER, KEY_AGREEMENT))
        for sequence in (1, 2):
            for role, usage in uses:
                self.assertTrue(self.put("stranger", role=role, usage=usage, sequence=sequence))
        self.put("manufacturer")
        self.put("next manufacturer", images.signature("next manufacturer, manufacturer"))
        for role, usage in uses + ((MANUFACTURER, 0),):
            self.assertEqual(self.opened().cell(role, usage).sequence, 2)
        self.assertTrue(self.opened().former(images.kid("manufacturer")) is not None)

    # the same once more: its answer was lost
    def test_held_already(self):
        self.provision()
        operations = self.flash.operations
        self.assertFalse(self.put("manufacturer"))
        self.assertFalse(self.put("supplier"))
        self.assertEqual(self.flash.operations, operations)

    def test_supplier_may_be_replaced_until_then(self):
        self.put("supplier")
        self.assertEqual(self.refusal("supplier", label=b"another"), (ANCHORS_LOCKED, 80))
        self.put("next supplier")
        self.check_holds("next supplier")

    def test_key_must_be_a_point(self):
        for key in (bytes(64), b"\xff" * 64, images.key("manufacturer")[:63] + b"\0"):
            self.assertEqual(self.refusal("manufacturer", key=key), (ANCHOR_MALFORMED, 16))
        self.assertEqual(self.flash.operations, 0)

    # a stranger's key under the manufacturer's identifier
    def test_identifier_must_be_the_keys(self):
        for kid in (images.kid("manufacturer"), bytes(8)):
            self.assertEqual(self.refusal("stranger", kid=kid), (ANCHOR_MALFORMED, 8))
        self.assertEqual(self.flash.operations, 0)

    def test_for_another_device_type(self):
        code, image_type = cells.SCOPE
        for scope, offset in (
            ((code ^ 1, image_type), 84),
            ((code, image_type ^ 1), 86),
            ((cell_format.ANY, image_type ^ 1), 86),
        ):
            refusal = self.refusal("manufacturer", scope=scope)
            self.assertEqual(refusal, (ANCHOR_MALFORMED, offset))
        self.put("manufacturer", scope=(code, image_type))
        self.check_holds("manufacturer")

    # one that leaves no room for a successor would be there for good
    def test_sequence(self):
        for sequence in (0xFFFFFFFF, 0xFFFFFFFE, 0x10000, 0xFFFF):
            refusal = self.refusal("supplier", sequence=sequence)
            self.assertEqual(refusal, (ANCHOR_SEQUENCE, 80))
        self.put("supplier", sequence=0xFFFE)
        self.assertEqual(self.refusal("supplier", sequence=0x1FFFE), (ANCHOR_SEQUENCE, 80))
        self.put("supplier", sequence=0x1FFFD)

    def test_old_format_is_not_taken(self):
        refusal = refusal_of(cells.put_into, self.held, cells.old_head("manufacturer"))
        self.assertEqual(refusal, (ANCHOR_MALFORMED, 4))


class TableTest(AnchorsTest):
    def setUp(self):
        AnchorsTest.setUp(self)
        self.put("manufacturer")

    # the device's own, and what any other way of computing it gives
    def test_is_the_keys(self):
        comb = cells.finish(p256.table_steps(images.key("manufacturer"), 4))
        for held in (self.held, self.opened()):
            table = bytes(held.cell(MANUFACTURER).table)
            self.assertEqual(len(table), p256.table_bytes(TABLE_ROWS))
            self.assertEqual(table[:64], images.key("manufacturer"))
        self.assertEqual(
            cells.finish(p256.table_steps(p256.GENERATOR_TABLE[:64], 6)), p256.GENERATOR_TABLE
        )
        self.assertEqual(comb.hex(), images.signed.TABLES["manufacturer"])

    # with it and without, the same signatures are right
    def test_verifies(self):
        update = images.sha256(cell_format.update_to_be_signed(cells.head("next supplier")))
        right = images.signature("next supplier, manufacturer")
        wrong = images.signature("next supplier, stranger")
        cell = self.held.cell(MANUFACTURER)
        for table in (cell.table, None):
            cell.table = table
            self.assertTrue(verified(cell, update, right))
            self.assertFalse(verified(cell, update, wrong))

    # One that lost a bit anywhere is not used, nor is another key's: verifying takes longer.
    def test_damaged(self):
        for at in (0, 64, 4031, 4032, 4063):
            self.flash.cells[SECTOR_BYTES + at] ^= 1
            cell = self.opened().cell(MANUFACTURER)
            self.assertIsNone(cell.table)
            self.assertEqual(cell.kid, images.kid("manufacturer"))
            self.flash.cells[SECTOR_BYTES + at] ^= 1
        self.assertTrue(self.opened().cell(MANUFACTURER).table is not None)

    def test_of_another_key(self):
        table = cells.finish(p256.table_steps(images.key("stranger"), TABLE_ROWS))
        for digest in (
            images.sha256(images.key("stranger") + table),
            images.sha256(table),
        ):
            octets = table + digest
            self.flash.cells[SECTOR_BYTES : SECTOR_BYTES + len(octets)] = octets
            self.assertIsNone(self.opened().cell(MANUFACTURER).table)


class UpdateTest(AnchorsTest):
    def setUp(self):
        AnchorsTest.setUp(self)
        self.provision()

    def test_needs_a_signature(self):
        for signature, reason in (
            (None, ANCHORS_LOCKED),
            (b"", ANCHORS_LOCKED),
            (bytes(63), ANCHORS_LOCKED),
            (bytes(65), ANCHORS_LOCKED),
            (bytes(64), ANCHOR_SIGNATURE),
            (images.signature("next supplier, stranger"), ANCHOR_SIGNATURE),
            # a right signature of the manufacturer's, over something else
            (images.signature("1.1.0"), ANCHOR_SIGNATURE),
        ):
            operations = self.flash.operations
            self.assertEqual(self.refusal("next supplier", signature)[0], reason)
            self.assertEqual(self.flash.operations, operations)
        self.check_holds("supplier", "manufacturer")

    # the key that is replaced, or the manufacturer's
    def test_who_may_sign(self):
        for signer in ("manufacturer", "supplier"):
            self.setUp()
            signature = images.signature("next supplier, " + signer)
            self.assertTrue(self.put("next supplier", signature))
            self.check_holds("next supplier", "manufacturer")
            # a supplier's key vouches for no envelope, the one before least of all
            self.assertIsNone(self.held.former(images.kid("supplier")))
            # the same update is there, and the older cell does not go in again
            self.assertFalse(self.put("next supplier", signature))
            self.assertEqual(self.refusal("supplier", signature), (ANCHORS_LOCKED, 80))

    # the signature is for that head and no other
    def test_other_head(self):
        signature = images.signature("next supplier, manufacturer")
        for changes in ({"flags": 0}, {"sequence": 3}, {"label": b"someone"}):
            refusal = self.refusal("next supplier", signature, **changes)
            self.assertEqual(refusal[0], ANCHOR_SIGNATURE)

    # a successor under a wrong role
    def test_supplier_may_not_name_the_manufacturer(self):
        for signature in (None, images.signature("next manufacturer, supplier")):
            refusal = self.refusal("next manufacturer", signature)
            self.assertTrue(refusal[0] in (ANCHORS_LOCKED, ANCHOR_SIGNATURE))
        self.check_holds("supplier", "manufacturer")

    # From the successor on the old key names no other.
    def test_manufacturer(self):
        self.put("next manufacturer", images.signature("next manufacturer, manufacturer"))
        self.check_holds("supplier", "next manufacturer")
        former = self.held.former(images.kid("manufacturer"))
        self.assertEqual(former.key, images.key("manufacturer"))
        self.assertIsNone(self.held.former(images.kid("next manufacturer")))
        self.assertIsNone(self.held.former(images.kid("stranger")))
        for signer, reason in (("manufacturer", ANCHOR_SIGNATURE), ("next manufacturer", ACCEPTED)):
            signature = images.signature("manufacturer again, " + signer)
            refusal = self.refusal("manufacturer", signature, sequence=3)
            self.assertEqual((signer, refusal[0]), (signer, reason))

    # An old cell that is written back to flash never counts again.
    def test_written_back(self):
        before = bytes(self.flash.cells)
        self.held._memory.sequences()[SUPPLIER << 8] = 2
        self.flash.cells[:] = before
        self.held._load()
        self.assertIsNone(self.held.cell(SUPPLIER))
        self.assertEqual(self.refusal("supplier")[0], ANCHORS_LOCKED)

    # of cells of one identity the higher sequence counts, wherever it lies
    def test_both_are_there(self):
        old, new = cells.head("supplier"), cells.head("next supplier")
        same = cells.head("next supplier", label=b"another of that sequence")
        for heads, expected in (((old, new), new), ((new, old), new), ((new, same), new)):
            self.flash = RamFlash(SECTORS)
            for place, head in enumerate(heads):
                self.flash.region(0, SECTORS).program(place * 2 * SECTOR_BYTES, head)
            self.assertEqual(self.opened().cell(SUPPLIER).head, expected)

    # Former keys stay while they are needed, and go when a place is.
    def test_places(self):
        self.flash = RamFlash(6)
        self.held = self.opened(6)
        self.provision()
        signature = images.signature("next manufacturer, manufacturer")
        self.put("next manufacturer", signature)
        supplier = cells.head("next supplier")
        by_old = images.signature("next supplier, next manufacturer")
        kept = [images.kid("manufacturer")]
        for kept_kids in (kept, None):
            refusal = refusal_of(
                cells.put_into, self.held, supplier, by_old, cells.SCOPE, kept_kids
            )
            self.assertTrue(refusal[0] != ACCEPTED)
        self.assertTrue(self.held.former(kept[0]) is not None)
        cells.put_into(self.held, supplier, by_old, cells.SCOPE, [])
        self.assertIsNone(self.held.former(kept[0]))
        self.assertEqual(self.opened(6).cell(SUPPLIER).kid, images.kid("next supplier"))

    # A key that may vouch takes one place, however many cells named it: else the region would be
    # full of them, and no key of the device could be succeeded any more.
    def test_one_place_for_a_former_key(self):
        self.flash = RamFlash(6)
        self.held = self.opened(6)
        self.provision()
        kept = [images.kid("manufacturer")]
        for name, signature, more in (
            ("manufacturer", "manufacturer again, manufacturer", {"sequence": 3}),
            ("next supplier", "next supplier, manufacturer", {}),
        ):
            head = cells.head(name, **more)
            cells.put_into(self.held, head, images.signature(signature), cells.SCOPE, kept)
        self.check_holds_of(6, MANUFACTURER, kept[0], 3)
        self.check_holds_of(6, SUPPLIER, images.kid("next supplier"), 2)

    # A cell of another role keeps no place with the manufacturer's key in it.
    def test_former_key_in_another_role(self):
        self.flash = RamFlash(SECTORS)
        self.held = self.opened()
        kept = [images.kid("manufacturer")]
        key = images.key("manufacturer")
        for sequence in range(1, SECTORS):
            head = cells.head("supplier", usage=KEY_AGREEMENT, key=key, sequence=sequence)
            self.assertTrue(cells.put_into(self.held, head, None, cells.SCOPE, kept))
        self.provision()
        self.put("next manufacturer", images.signature("next manufacturer, manufacturer"))
        self.check_holds_of(SECTORS, MANUFACTURER, images.kid("next manufacturer"), 2)

    def check_holds_of(self, sectors, role, kid, sequence):
        found = self.opened(sectors).cell(role)
        self.assertEqual((found.kid, found.sequence), (kid, sequence))

    # Each successor goes to the next place, so that none wears before the others.
    def test_places_in_turn(self):
        self.flash = RamFlash(SECTORS)
        self.held = self.opened()
        places = SECTORS // 2
        for sequence in range(places + 3):
            self.flash.erased = []
            self.put("supplier", sequence=sequence)
            place = sequence % places
            self.assertEqual(self.flash.erased, [2 * place, 2 * place + 1])
        # where none takes it, each that is free was tried, and none of them twice over
        self.flash.stuck = range(SECTORS)
        self.flash.erased = []
        self.assertEqual(self.refusal("supplier", sequence=places + 3), (FLASH_FAULT, -1))
        tried = [sector // 2 for sector in self.flash.erased if sector % 2 == 0]
        self.assertEqual(tried, [3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 0, 0, 1, 1])

    # Written and read back, and gone when it is looked for: that is not taken for written.
    def test_not_there_after_all(self):
        # none of its kind before, and one before
        for name, more in (("supplier", {"usage": KEY_AGREEMENT}), ("next supplier", {})):
            self.flash = RamFlash(SECTORS)
            self.held = self.opened()
            self.put("supplier")
            load = self.held._load

            def lose(load=load):
                # place 1 is the next
                self.flash.cells[2 * SECTOR_BYTES + 100] ^= 1
                load()

            self.held._load = lose
            self.assertEqual((name, self.refusal(name, **more)), (name, (FLASH_FAULT, -1)))

    # A device that has no supplier's cell yet gets one, by the manufacturer's word alone.
    def test_none_before(self):
        self.flash = RamFlash(SECTORS)
        self.held = self.opened()
        self.put("manufacturer")
        self.held.is_locked = True
        wrong = images.signature("next supplier, stranger")
        self.assertEqual(self.refusal("next supplier", wrong)[0], ANCHOR_SIGNATURE)
        self.assertTrue(self.put("next supplier", images.signature("next supplier, manufacturer")))
        self.check_holds("next supplier", "manufacturer")

    # Locked, and no cell that can be read: no key is left to name another.
    def test_locked_without_a_cell(self):
        self.flash = RamFlash(SECTORS)
        self.held = self.opened()
        self.held.is_locked = True
        self.assertEqual(self.refusal("manufacturer"), (ANCHORS_LOCKED, -1))
        signature = images.signature("next supplier, supplier")
        self.assertEqual(self.refusal("next supplier", signature), (ANCHOR_SIGNATURE, -1))
        self.assertEqual(self.flash.operations, 0)

    # A place that does not take what is written is passed over, and never tried again.
    def test_worn_place(self):
        self.flash.stuck = (4, 5)
        self.put("next supplier", images.signature("next supplier, manufacturer"))
        self.check_holds("next supplier", "manufacturer")
        self.assertEqual(self.held._memory.worn(), [2])
        self.flash.stuck = range(SECTORS)
        head = cells.head("next manufacturer")
        signature = images.signature("next manufacturer, manufacturer")
        refusal_of(cells.put_into, self.held, head, signature)
        operations = self.flash.operations
        for _ in range(3):
            refusal_of(cells.put_into, self.held, head, signature)
        self.assertEqual(self.flash.operations, operations)


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


class PowerCutTest(AnchorsTest):
    # Power fails at each flash operation of provisioning and of an update.
    def test_every_operation(self):
        signature = images.signature("next supplier, manufacturer")
        operation = 0
        while self.cut(operation, signature):
            operation += 1
        self.assertTrue(operation >= 50, operation)

    def all(self, signature):
        done = held_by(self.held)
        if SUPPLIER not in done:
            self.put("supplier")
        if MANUFACTURER not in done:
            self.put("manufacturer")
        if done.get(SUPPLIER) != (images.kid("next supplier"), 2):
            self.put("next supplier", signature)

    def cut(self, operation, signature):
        for cut_bytes in (0, 100, 4000):
            self.flash = RamFlash(SECTORS)
            self.flash.cut_at, self.flash.cut_bytes = operation, cut_bytes
            self.held = self.opened()
            try:
                self.all(signature)
                return False
            except PowerCut:
                self.flash.cut_at = -1
            held = held_by(self.held)
            self.held = self.opened()
            found = held_by(self.held)
            for role, known in found.items():
                names = [name for name in cells.ROLES if cells.ROLES[name] == role]
                self.assertTrue(known[0] in [images.kid(name) for name in names])
            # what was held before this operation is held still, or its successor
            self.assertTrue(set(held) <= set(found))
            self.all(signature)
            self.assertEqual(
                held_by(self.opened()),
                {
                    SUPPLIER: (images.kid("next supplier"), 2),
                    MANUFACTURER: (images.kid("manufacturer"), 1),
                },
            )
        return True


if __name__ == "__main__":
    unittest.main()
