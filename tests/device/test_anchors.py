# Trust anchors: what is written, updated, and survives a cut of power.

import unittest

import cells
import images
from anchors_rig import SECTORS, AnchorsTest, held_by
from outcome import refusal_of
from ramboard import PowerCut, RamFlash

from hanbootloader.reasons import (
    ACCEPTED,
    ANCHOR_MALFORMED,
    ANCHOR_SEQUENCE,
    ANCHOR_SIGNATURE,
    ANCHORS_LOCKED,
    FLASH_FAULT,
)
from hanbootloader.trust import cell as cell_format
from hanbootloader.trust import p256
from hanbootloader.trust.anchors import TABLE_ROWS
from hanbootloader.trust.cell import (
    ACCESS_CONTROL_BROKER,
    KEY_AGREEMENT,
    MANUFACTURER,
    SUPPLIER,
)
from nor import SECTOR_BYTES


def verified(cell, digest, signature):
    return cells.finish(cell.verify_steps(digest, signature))


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
