# Trust anchor cells: written once at provisioning, afterwards only with a held key's signature,
# and there as a whole or not at all.

import unittest

import cells
import images
from outcome import refusal_of
from ramboard import PowerCut, RamFlash

from bootloader.reasons import (
    ACCEPTED,
    ANCHOR_MALFORMED,
    ANCHOR_SIGNATURE,
    ANCHORS_LOCKED,
    FLASH_FAULT,
)
from bootloader.trust import anchors
from bootloader.trust.anchors import MANUFACTURER, SUPPLIER, Anchors, Cell
from nor import SECTOR_BYTES

SECTORS = 15
COMB_BYTES = (0, 960, 1984, 4032, 8128, 16320)  # none; 4 to 8 rows


def opened(flash):
    return Anchors(flash.region(0, SECTORS))


def begin(held, head, signature=None):
    for _ in held.begin_steps(head, signature):
        pass


# What is held: role -> (kid, sequence)
def held_by(held):
    return {cell.role: (cell.kid, cell.sequence) for cell in held.cells()}


def verified(cell, digest, signature):
    steps = cell.verify_steps(digest, signature)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


class CellTest(unittest.TestCase):
    def test_fields(self):
        cell = Cell(cells.head("manufacturer", flags=0, sequence=0xFFFFFFFF, label=b"ACME PPMID"))
        self.assertEqual((cell.role, cell.flags, cell.is_development), (MANUFACTURER, 0, False))
        self.assertEqual(cell.kid, images.kid("manufacturer"))
        self.assertEqual(cell.key, images.key("manufacturer"))
        self.assertEqual((cell.sequence, cell.table_bytes), (0xFFFFFFFF, 0))
        self.assertEqual(cell.label.rstrip(b"\0"), b"ACME PPMID")
        self.assertTrue(Cell(cells.head("supplier")).is_development)

    # any octet that is not what it was: the digest at the end tells
    def test_every_octet(self):
        head = cells.head("manufacturer")
        self.assertEqual(len(head), anchors.HEAD_BYTES)
        for at in range(len(head)):
            changed = bytearray(head)
            changed[at] ^= 0x10
            refusal = refusal_of(Cell, changed)
            self.assertEqual(refusal, (ANCHOR_MALFORMED, 0 if at < 5 else 144))

    def test_length(self):
        head = cells.head("manufacturer")
        for octets in (b"", head[:-1], head + b"\0"):
            self.assertEqual(refusal_of(Cell, octets), (ANCHOR_MALFORMED, 0))

    def test_boundary_values(self):
        for field, value, offset in (
            ("role", 0, 5),
            ("role", 1, 5),
            ("role", 3, 5),
            ("role", 126, 5),
            ("role", 128, 5),
            ("flags", 2, 5),
            ("flags", 255, 5),
            ("flags", 0, None),
            ("flags", 1, None),
            ("sequence", 0, None),
            ("table", bytes(1), 84),
            ("table", bytes(64), 84),
            ("table", bytes(959), 84),
            ("table", bytes(961), 84),
            ("table", bytes(16321), 84),
        ):
            refusal = refusal_of(Cell, cells.head("manufacturer", **{field: value}))
            expected = (ACCEPTED, -1) if offset is None else (ANCHOR_MALFORMED, offset)
            row = (field, len(value) if field == "table" else value)
            self.assertEqual((row, refusal), (row, expected))

    # an octet that a later format may use: what is not understood is not believed
    def test_octet_without_a_meaning(self):
        head = bytearray(cells.head("manufacturer")[:144])
        for value in (1, 255):
            head[7] = value
            octets = bytes(head) + images.sha256(head)
            self.assertEqual(refusal_of(Cell, octets), (ANCHOR_MALFORMED, 5))

    # a table of a size that the arithmetic cannot use would verify nothing, for ever
    def test_size_of_table(self):
        for length in COMB_BYTES:
            cell = Cell(cells.head("manufacturer", table=bytes(length)))
            self.assertEqual(cell.table_bytes, length)


class AnchorsTest(unittest.TestCase):
    def setUp(self):
        self.flash = RamFlash(SECTORS)
        self.held = opened(self.flash)

    def check_holds(self, *names):
        expected = {
            cells.ROLES[name]: (images.kid(name), cells.SEQUENCES.get(name, 1)) for name in names
        }
        self.assertEqual(held_by(self.held), expected)
        self.assertEqual(held_by(opened(self.flash)), expected)


class ProvisioningTest(AnchorsTest):
    def test_new(self):
        self.check_holds()
        self.assertFalse(self.held.is_provisioned)
        self.assertIsNone(self.held.cell(MANUFACTURER))
        self.assertEqual(self.flash.operations, 0)

    def test_provision(self):
        cells.put(self.held, "supplier")
        self.check_holds("supplier")
        # without the manufacturer's key nothing is locked, and nothing can be verified
        self.assertFalse(self.held.is_provisioned)
        cells.put(self.held, "manufacturer")
        self.check_holds("supplier", "manufacturer")
        self.assertTrue(opened(self.flash).is_provisioned)

    def test_supplier_may_be_replaced_until_then(self):
        cells.put(self.held, "supplier")
        refusal = refusal_of(begin, self.held, cells.head("supplier"))
        self.assertEqual(refusal, (ANCHORS_LOCKED, 80))
        cells.put(self.held, "next supplier")
        self.check_holds("next supplier")

    def test_key_must_be_a_point(self):
        for key in (bytes(64), b"\xff" * 64, images.key("manufacturer")[:63] + b"\0"):
            refusal = refusal_of(begin, self.held, cells.head("manufacturer", key=key))
            self.assertEqual(refusal, (ANCHOR_MALFORMED, 16))
        self.assertEqual(self.flash.operations, 0)

    def test_commit_needs_a_beginning(self):
        self.assertEqual(refusal_of(self.held.commit)[0], ANCHOR_MALFORMED)
        self.assertEqual(refusal_of(self.held.write, 0, b"table")[0], ANCHOR_MALFORMED)
        begin(self.held, cells.head("manufacturer"))
        self.held.commit()
        # once more: the answer to it was lost
        operations = self.flash.operations
        self.held.commit()
        self.assertEqual(self.flash.operations, operations)
        self.check_holds("manufacturer")
        refusal_of(begin, self.held, cells.head("supplier"))
        self.assertEqual(refusal_of(self.held.commit)[0], ANCHOR_MALFORMED)

    # a beginning that is refused leaves nothing that could be committed
    def test_refused_beginning(self):
        begin(self.held, cells.head("supplier"))
        refusal_of(begin, self.held, bytes(anchors.HEAD_BYTES))
        self.assertEqual(refusal_of(self.held.commit)[0], ANCHOR_MALFORMED)
        self.check_holds()


class TableTest(AnchorsTest):
    def setUp(self):
        AnchorsTest.setUp(self)
        self.comb = cells.table("manufacturer")

    def test_used(self):
        cells.put(self.held, "manufacturer", self.comb)
        digest = images.sha256(b"anything")
        for held in (self.held, opened(self.flash)):
            cell = held.cell(MANUFACTURER)
            self.assertEqual(cell.table, self.comb)
            self.assertFalse(verified(cell, digest, bytes(64)))

    # with a table and without, the same signatures are right
    def test_verifies(self):
        update = images.sha256(anchors.update_to_be_signed(cells.head("next supplier")))
        right = images.signature("next supplier, manufacturer")
        wrong = images.signature("next supplier, stranger")
        for comb in (self.comb, b""):
            held = opened(RamFlash(SECTORS))
            cells.put(held, "manufacturer", comb)
            cell = held.cell(MANUFACTURER)
            self.assertTrue(verified(cell, update, right))
            self.assertFalse(verified(cell, update, wrong))

    def test_any_order_of_pieces(self):
        begin(self.held, cells.head("manufacturer", self.comb))
        for at in (500, 0, 700, 200):
            end = {0: 200, 200: 500, 500: 700, 700: 960}[at]
            self.held.write(at, self.comb[at:end])
            # once more: the answer to it was lost
            self.held.write(at, self.comb[at:end])
        self.held.commit()
        self.check_holds("manufacturer")

    def test_beyond_its_end(self):
        begin(self.held, cells.head("manufacturer", self.comb))
        for offset, length in ((960, 1), (959, 2), (0, 961), (1 << 40, 1)):
            refusal = refusal_of(self.held.write, offset, bytes(length))
            self.assertEqual(refusal, (ANCHOR_MALFORMED, 84))

    # other octets over those that are there: flash cannot take them
    def test_changed_piece(self):
        begin(self.held, cells.head("manufacturer", self.comb))
        self.held.write(0, self.comb[:100])
        refusal = refusal_of(self.held.write, 50, b"\xff" * 100)
        self.assertEqual(refusal[0], FLASH_FAULT)

    def test_not_the_one_announced(self):
        for octets in (self.comb[:-1], self.comb[:-1] + b"\0", b""):
            begin(self.held, cells.head("manufacturer", self.comb))
            self.held.write(0, octets)
            self.assertEqual(refusal_of(self.held.commit), (ANCHOR_MALFORMED, 88))
            self.check_holds()
        # a table of another key
        comb = images.key("stranger") + self.comb[64:]
        refusal = refusal_of(cells.put, self.held, "manufacturer", comb)
        self.assertEqual(refusal, (ANCHOR_MALFORMED, 88))

    # a table that lost a bit is not used, and its cell not believed
    def test_damaged(self):
        cells.put(self.held, "manufacturer", self.comb)
        self.flash.cells[256 + 500] ^= 1
        self.held = opened(self.flash)
        self.assertFalse(self.held.is_provisioned)


class UpdateTest(AnchorsTest):
    def setUp(self):
        AnchorsTest.setUp(self)
        cells.provision(self.held)

    def test_needs_a_signature(self):
        head = cells.head("next supplier")
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
            erased = len(self.flash.erased)
            refusal = refusal_of(begin, self.held, head, signature)
            self.assertEqual(refusal[0], reason)
            self.assertEqual(refusal_of(self.held.commit)[0], ANCHOR_MALFORMED)
            self.assertEqual(len(self.flash.erased), erased)
        self.check_holds("supplier", "manufacturer")

    # the key that is replaced, or the manufacturer's
    def test_who_may_sign(self):
        for signer in ("manufacturer", "supplier"):
            self.setUp()
            signature = images.signature("next supplier, " + signer)
            cells.put(self.held, "next supplier", signature=signature)
            self.check_holds("next supplier", "manufacturer")
            # the same update does not go in twice, nor the older cell again
            for name in ("next supplier", "supplier"):
                refusal = refusal_of(begin, self.held, cells.head(name), signature)
                self.assertEqual(refusal, (ANCHORS_LOCKED, 80))

    # the signature is for that head and no other
    def test_other_head(self):
        signature = images.signature("next supplier, manufacturer")
        for changes in ({"flags": 0}, {"sequence": 3}, {"label": b"someone"}):
            refusal = refusal_of(
                begin, self.held, cells.head("next supplier", **changes), signature
            )
            self.assertEqual(refusal[0], ANCHOR_SIGNATURE)

    def test_supplier_may_not_name_the_manufacturer(self):
        head = cells.head("stranger", sequence=2)
        for signature in (None, images.signature("next supplier, supplier")):
            self.assertTrue(refusal_of(begin, self.held, head, signature)[0] != ACCEPTED)
        self.check_holds("supplier", "manufacturer")

    # A device that remembers that it was provisioned takes no cell without a signature, even where
    # those that it had cannot be read any more.
    # Where octet 0 of the head of place `place` lies.
    def head_at(self, place):
        return place * 5 * SECTOR_BYTES

    # a key that was replaced is gone from flash
    def test_old_one_is_erased(self):
        cells.put(self.held, "next supplier", signature=self.signature("next supplier"))
        found = bytes(self.flash.cells)
        self.assertTrue(found.find(images.key("next supplier")) >= 0)
        self.assertEqual(found.find(images.key("supplier")), -1)

    # a head that does not read right once it is written: the old cell is not erased for it
    def test_new_one_that_does_not_load(self):
        self.held._load = lambda place: None
        cells.put(self.held, "next supplier", signature=self.signature("next supplier"))
        self.assertTrue(bytes(self.flash.cells).find(images.key("supplier")) >= 0)

    # power failed before the old one was erased: the higher sequence counts, wherever it lies
    def test_both_are_there(self):
        old = cells.head("supplier")
        new = cells.head("next supplier")
        same = cells.head("next supplier", label=b"another of that sequence")
        for heads, kid in (
            ((old, new), images.kid("next supplier")),
            ((new, old), images.kid("next supplier")),
        ):
            flash = RamFlash(SECTORS)
            for place, head in enumerate(heads):
                flash.region(0, SECTORS).program(self.head_at(place), head)
            self.assertEqual(opened(flash).cell(SUPPLIER).kid, kid)
        # of two with one sequence, which begin_steps lets nobody write, the first
        flash = RamFlash(SECTORS)
        for place, head in enumerate((new, same)):
            flash.region(0, SECTORS).program(self.head_at(place), head)
        self.assertEqual(opened(flash).cell(SUPPLIER).label, bytes(Cell(new).label))

    # a region with a place for each role, and none to write a successor to
    def test_no_free_place(self):
        flash = RamFlash(SECTORS)
        held = Anchors(flash.region(0, 10))
        cells.provision(held)
        head, signature = cells.head("next supplier"), self.signature("next supplier")
        self.assertEqual(refusal_of(begin, held, head, signature)[0], ANCHORS_LOCKED)
        self.assertEqual(held_by(Anchors(flash.region(0, 10)))[SUPPLIER][1], 1)

    def signature(self, name):
        return images.signature(name + ", manufacturer")


# What power left of a head is made to stay as it was read.
class SealTest(AnchorsTest):
    def test_whole_head(self):
        cells.put(self.held, "supplier")
        self.assertEqual(self.flash.cells[255], 0)
        # as if power had failed before the seal
        self.flash.cells[255] = 0xFF
        # the same octets once more, and then the seal
        operations = self.flash.operations
        self.held = opened(self.flash)
        self.assertEqual(self.flash.operations, operations + 2)
        self.assertEqual(self.flash.cells[255], 0)
        self.check_holds("supplier")
        self.assertEqual(self.flash.operations, operations + 2)

    def test_torn_head(self):
        octets = cells.head("supplier")
        self.flash.region(0, SECTORS).program(0, octets[:100])
        self.held = opened(self.flash)
        self.check_holds()
        self.assertEqual((self.flash.cells[254], self.flash.cells[255]), (0, 0xFF))
        # its cells were weak, and read as they should from now on: too late
        self.flash.cells[:176] = octets
        self.held = opened(self.flash)
        self.check_holds()
        # the place can be used again
        cells.put(self.held, "supplier")
        self.check_holds("supplier")

    # power failed while a head was made void, which left the cell there weak; it checked, after all
    def test_void_behind_a_seal(self):
        cells.put(self.held, "supplier")
        self.flash.cells[254] = 0
        self.held = opened(self.flash)
        self.check_holds("supplier")


class LockedTest(AnchorsTest):
    def test_nothing_held(self):
        self.held.is_locked = True
        for name in ("supplier", "manufacturer"):
            for signature, reason in (
                (None, ANCHORS_LOCKED),
                (bytes(64), ANCHOR_SIGNATURE),
                (images.signature("next supplier, manufacturer"), ANCHOR_SIGNATURE),
            ):
                refusal = refusal_of(begin, self.held, cells.head(name), signature)
                self.assertEqual(refusal[0], reason)
        self.assertEqual(self.flash.operations, 0)

    # what is left of them can still sign
    def test_supplier_held(self):
        cells.put(self.held, "supplier")
        self.held.is_locked = True
        cells.put(self.held, "next supplier", signature=images.signature("next supplier, supplier"))
        self.check_holds("next supplier")


class PowerCutTest(unittest.TestCase):
    # Every operation of provisioning and of an update, cut: each role has its old cell or its new
    # one, and the whole can be done again.
    def test_every_operation(self):
        signature = images.signature("next supplier, manufacturer")
        operation = 0
        while self.cut(operation, signature):
            operation += 1
        self.assertTrue(operation >= 19, operation)

    def provision(self, held, signature):
        done = held_by(held)
        comb = cells.table("manufacturer")
        if SUPPLIER not in done:
            cells.put(held, "supplier")
        if MANUFACTURER not in done:
            cells.put(held, "manufacturer", comb)
        if done.get(SUPPLIER) != (images.kid("next supplier"), 2):
            cells.put(held, "next supplier", signature=signature)

    def cut(self, operation, signature):
        for cut_bytes in (0, 100, 4000):
            flash = RamFlash(SECTORS)
            flash.cut_at, flash.cut_bytes = operation, cut_bytes
            held = opened(flash)
            try:
                self.provision(held, signature)
                return False
            except PowerCut:
                flash.cut_at = -1
            found = held_by(opened(flash))
            for role, known in found.items():
                names = [name for name in cells.ROLES if cells.ROLES[name] == role]
                self.assertTrue(known[0] in [images.kid(name) for name in names])
            # what was held before this operation is held still, or its successor
            self.assertTrue(set(held_by(held)) <= set(found))
            self.provision(opened(flash), signature)
            self.assertEqual(
                held_by(opened(flash)),
                {
                    SUPPLIER: (images.kid("next supplier"), 2),
                    MANUFACTURER: (images.kid("manufacturer"), 1),
                },
            )
        return True


if __name__ == "__main__":
    unittest.main()
