# The journal: what was appended holds, all entries of a record or none, wherever power fails.

import unittest

from outcome import refusal_of
from ramboard import PowerCut, RamFlash

from hanbootloader.reasons import ACCEPTED, FLASH_FAULT
from hanbootloader.store.journal import HISTORY, HISTORY_KEPT, Journal
from nor import SECTOR_BYTES

SECTORS = 4


def opened(flash, sectors=SECTORS):
    return Journal(flash.region(0, sectors))


# Everything that a journal holds, as copies.
def held(journal):
    latest = {key: journal.latest(key) for key in range(1, 10)}
    return (
        {key: bytes(value) for key, value in latest.items() if value is not None},
        [(key, bytes(value)) for key, value in journal.history()],
    )


# A flash with the octets that another one holds.
def copy_of(octets, sectors=SECTORS):
    flash = RamFlash(sectors)
    flash.cells[:] = octets
    return flash


class AppendTest(unittest.TestCase):
    def setUp(self):
        self.flash = RamFlash(SECTORS)

    def test_never_written(self):
        journal = opened(self.flash)
        self.assertEqual(held(journal), ({}, []))
        self.assertIsNone(journal.latest(1))
        # looking costs nothing
        self.assertEqual(self.flash.operations, 0)

    def test_latest_of_each_key(self):
        journal = opened(self.flash)
        journal.append([(1, b"one"), (2, b"two")])
        journal.append([(1, b"uno")])
        journal.append([(3, b"")])
        expected = {1: b"uno", 2: b"two", 3: b""}
        self.assertEqual(held(journal), (expected, []))
        self.assertEqual(held(opened(self.flash)), (expected, []))

    def test_later_of_two_in_one_record(self):
        opened(self.flash).append([(1, b"first"), (1, b"second")])
        self.assertEqual(held(opened(self.flash))[0], {1: b"second"})

    def test_any_length(self):
        for length in (0, 1, 2, 3, 4, 5, 248, 249, 250, 255, 256, 257, 1000):
            value = bytes([length & 0xFF]) * length
            opened(self.flash).append([(1, value), (2, b"end")])
            self.assertEqual(held(opened(self.flash))[0], {1: value, 2: b"end"})

    def test_history_is_kept_in_order(self):
        journal = opened(self.flash)
        for number in range(HISTORY_KEPT + 5):
            journal.append([(HISTORY, b"event %d" % number), (1, b"state %d" % number)])
            first = max(0, number + 1 - HISTORY_KEPT)
            events = [(HISTORY, b"event %d" % n) for n in range(first, number + 1)]
            self.assertEqual(held(journal), ({1: b"state %d" % number}, events))
            self.assertEqual(held(opened(self.flash)), held(journal))

    def test_opening_changes_nothing(self):
        journal = opened(self.flash)
        for number in range(100):
            journal.append([(1, b"state %d" % number)])
        before = bytes(self.flash.cells)
        erased = len(self.flash.erased)
        for _ in range(3):
            opened(self.flash)
        self.assertTrue(self.flash.cells == before)
        self.assertEqual(len(self.flash.erased), erased)


class MoveTest(unittest.TestCase):
    # Values of one key that fill sector after sector: each is there, and the sectors wear evenly.
    def test_many_moves(self):
        flash = RamFlash(SECTORS)
        journal = opened(flash)
        journal.append([(2, b"from the beginning")])
        for number in range(20):
            journal.append([(HISTORY + number % 3, b"event %d" % number)])
        for number in range(2000):
            journal.append([(1, b"%0100d" % number)])
        latest, history = held(opened(flash))
        self.assertEqual(latest, {1: b"%0100d" % 1999, 2: b"from the beginning"})
        numbers = range(20 - HISTORY_KEPT, 20)
        self.assertEqual(history, [(HISTORY + n % 3, b"event %d" % n) for n in numbers])
        wear = [flash.erased.count(sector) for sector in range(SECTORS)]
        self.assertTrue(max(wear) - min(wear) <= 1, wear)
        self.assertTrue(min(wear) > 10, wear)

    # every way in which a record can meet the end of its sector
    def test_to_the_last_octet(self):
        for length in range(40, 80):
            flash = RamFlash(SECTORS)
            journal = opened(flash)
            for number in range(120):
                value = bytes([number]) * length
                journal.append([(1, value)])
            self.assertEqual(held(opened(flash))[0], {1: value})
            # and goes on from there
            opened(flash).append([(1, b"more")])
            self.assertEqual(held(opened(flash))[0], {1: b"more"})

    def test_two_sectors(self):
        flash = RamFlash(2)
        journal = opened(flash, 2)
        for number in range(300):
            journal.append([(1, b"%060d" % number)])
            if number % 50 == 0:
                journal = opened(flash, 2)
        self.assertEqual(held(opened(flash, 2))[0], {1: b"%060d" % 299})

    def test_as_much_as_a_sector_holds(self):
        flash = RamFlash(SECTORS)
        journal = opened(flash)
        journal.append([(1, b"stays")])
        # sector record, "stays" as moved, and head, entry, CRC and padding of this one
        most = SECTOR_BYTES - 12 - 16 - 12
        for length, reason in ((most, ACCEPTED), (most + 4, FLASH_FAULT), (0xFFFF, FLASH_FAULT)):
            refusal = refusal_of(journal.append, [(2, bytes(length))])
            self.assertEqual((length, refusal[0]), (length, reason))
            expected = {1: b"stays", 2: bytes(most)}
            self.assertEqual(held(journal)[0], expected)
            self.assertEqual(held(opened(flash))[0], expected)


class FaultTest(unittest.TestCase):
    # A sector whose cells no longer take what is programmed is passed over.
    def test_stuck_sectors(self):
        for stuck in ((1,), (1, 2), (3,), (2, 3)):
            flash = RamFlash(SECTORS)
            journal = opened(flash)
            flash.stuck = stuck
            for number in range(200):
                journal.append([(1, b"%060d" % number)])
                self.assertEqual(journal.latest(1), b"%060d" % number)
            self.assertEqual(held(opened(flash))[0], {1: b"%060d" % 199})

    def test_sector_that_fails_in_use(self):
        flash = RamFlash(SECTORS)
        journal = opened(flash)
        for number in range(10):
            journal.append([(1, b"%d" % number)])
        flash.stuck = (0,)
        journal.append([(1, b"elsewhere")])
        self.assertEqual(held(journal)[0], {1: b"elsewhere"})
        self.assertEqual(held(opened(flash))[0], {1: b"elsewhere"})

    # Nothing takes: that is said, and what held still holds.
    def test_all_stuck(self):
        flash = RamFlash(SECTORS)
        journal = opened(flash)
        journal.append([(1, b"before")])
        flash.stuck = range(SECTORS)
        self.assertEqual(refusal_of(journal.append, [(1, b"after")])[0], FLASH_FAULT)
        self.assertEqual(held(journal)[0], {1: b"before"})
        flash.stuck = ()
        self.assertEqual(held(opened(flash))[0], {1: b"before"})
        journal.append([(1, b"after")])
        self.assertEqual(held(opened(flash))[0], {1: b"after"})

    # flash that never was a journal
    def test_garbage(self):
        for octets in (bytes(4096), b"\x53" * 4096, b"\x52\x00" * 2048, bytes(range(256)) * 16):
            flash = copy_of(octets * SECTORS)
            journal = opened(flash)
            self.assertEqual(held(journal), ({}, []))
            journal.append([(1, b"begins")])
            self.assertEqual(held(opened(flash))[0], {1: b"begins"})


# What is being appended when power fails, and the octets of its record.
NEW = [(1, b"state new"), (2, b"verdict new"), (HISTORY, b"event new")]
NEW_BYTES = 4 + 3 * 3 + 29 + 4 + 2


# A record that goes bad long after it was written, with good ones behind it.
class RotTest(unittest.TestCase):
    def test_one_flipped_bit(self):
        flash = RamFlash(SECTORS)
        journal = opened(flash)
        for number in range(3):
            journal.append([(1, b"state %d" % number), (HISTORY, b"event %d" % number)])
        written = bytes(flash.cells)
        start = written.find(b"state 1")
        for at in range(start, start + len(b"state 1")):
            rotten = copy_of(written)
            rotten.cells[at] ^= 1
            expected = ({1: b"state 2"}, [(HISTORY, b"event 0"), (HISTORY, b"event 2")])
            self.assertEqual(held(opened(rotten)), expected)
            # it has moved to where nothing is bad, and goes on
            opened(rotten).append([(2, b"more")])
            expected[0][2] = b"more"
            self.assertEqual(held(opened(rotten)), expected)

    def test_of_the_last_record(self):
        flash = RamFlash(SECTORS)
        journal = opened(flash)
        journal.append([(1, b"before")])
        journal.append([(1, b"after")])
        flash.cells[bytes(flash.cells).find(b"after")] ^= 1
        # it cannot be told from a torn one
        self.assertEqual(held(opened(flash))[0], {1: b"before"})

    # What another program put into a record is not read as a record, whatever it looks like.
    def test_a_record_within_a_record(self):
        inner = RamFlash(SECTORS)
        opened(inner).append([(1, b"forged")])
        forged = bytes(inner.cells)[12:40]
        flash = RamFlash(SECTORS)
        journal = opened(flash)
        journal.append([(1, b"true")])
        journal.append([(2, b"pad" + forged)])
        flash.cells[bytes(flash.cells).find(b"pad")] ^= 1
        self.assertEqual(held(opened(flash))[0], {1: b"true"})


class PowerCutTest(unittest.TestCase):
    # A journal with something of every kind, `free` octets before its sector is full.
    def filled(self, free):
        flash = RamFlash(SECTORS)
        journal = opened(flash)
        for number in range(5):
            journal.append([(HISTORY, b"event %d" % number), (1, b"state %d" % number)])
        journal.append([(2, b"verdict")])
        # the rest of the sector by records of up to 800 octets, 11 of them around the value
        end = SECTOR_BYTES
        while flash.cells[end - 1] == 0xFF:
            end -= 1
        left = SECTOR_BYTES - free - (end + 3 & ~3)
        while left:
            length = left if left <= 800 else min(800, left - 12)
            journal.append([(3, bytes(length - 11))])
            left -= length
        return flash

    # Power fails at every octet of the record, and half-way through the bits of the octet there.
    def test_torn_record(self):
        flash = self.filled(1000)
        before = bytes(flash.cells)
        old = held(opened(copy_of(before)))
        opened(flash).append(NEW)
        after = bytes(flash.cells)
        new = held(opened(flash))
        changed = [at for at in range(len(after)) if after[at] != before[at]]
        whole = 0
        for at in range(changed[0], changed[-1] + 2):
            for mask in (0xFF, 0xAA, 0x0F):
                octet = bytes([after[at] | (before[at] & mask)])
                torn = copy_of(after[:at] + octet + before[at + 1 :])
                journal = opened(torn)
                found = held(journal)
                # all of it, or nothing
                self.assertTrue(found in (old, new), at)
                whole += found == new
                # it opens the same way again, and takes what comes next
                self.assertEqual(held(opened(torn)), found)
                journal = opened(torn)
                journal.append([(4, b"next")])
                self.assertEqual(held(opened(torn))[0][4], b"next")
                self.assertEqual(held(opened(torn))[1], found[1])
        # the record counts when it is there, and not before
        self.assertTrue(1 <= whole <= 6, whole)

    # Power fails at every operation of an append, with so much of the operation done: also of
    # those that move everything to another sector.
    def test_cut_at_every_operation(self):
        # it fits; it just fits; it does not
        for free, least in ((1000, 1), (NEW_BYTES, 1), (NEW_BYTES - 4, 10), (0, 10)):
            flash = self.filled(free)
            before = bytes(flash.cells)
            old = held(opened(copy_of(before)))
            opened(flash).append(NEW)
            new = held(opened(flash))
            for cut_bytes in (0, 1, 4, 13, 100, 255, 256, 4095):
                operation = 0
                while self.cut(before, operation, cut_bytes, old, new):
                    operation += 1
                self.assertTrue(operation >= least, operation)

    # Whether the append was cut at all.
    def cut(self, before, operation, cut_bytes, old, new):
        flash = copy_of(before)
        journal = opened(flash)
        flash.cut_at = flash.operations + operation
        flash.cut_bytes = cut_bytes
        try:
            journal.append(NEW)
            return False
        except PowerCut:
            flash.cut_at = -1
        found = held(opened(flash))
        self.assertTrue(found in (old, new), (operation, cut_bytes))
        # and again while the mess is being cleaned up
        self.cut_while_opening(bytes(flash.cells), found)
        opened(flash).append([(4, b"next")])
        self.assertEqual(held(opened(flash))[0][4], b"next")
        return True

    def cut_while_opening(self, before, expected):
        for operation in range(3):
            flash = copy_of(before)
            flash.cut_at = operation
            flash.cut_bytes = 6
            try:
                opened(flash)
            except PowerCut:
                pass
            flash.cut_at = -1
            self.assertEqual(held(opened(flash)), expected)

    # The very last record may rest on cells that took it only just: it is programmed once more.
    def test_last_record_is_refreshed(self):
        flash = self.filled(1000)
        opened(flash).append(NEW)
        operations = flash.operations
        opened(flash)
        # sector record and last record, a page each or two
        self.assertTrue(2 <= flash.operations - operations <= 3)


# Octets that no journal would write, where one might be taken in by them.
class FormTest(unittest.TestCase):
    def setUp(self):
        self.flash = RamFlash(SECTORS)
        self.journal = opened(self.flash)
        self.journal.append([(1, b"true")])
        self.end = self.journal._end

    def program(self, at, octets):
        self.flash.region(0, SECTORS).program(at, octets)

    # a record of an earlier use of the sector
    def test_other_generation(self):
        other = self.journal._record(0x52, b"\x01\x05\x00stale", 2)
        self.program(self.end, other)
        self.assertEqual(held(opened(self.flash))[0], {1: b"true"})

    # one that goes on in the next sector
    def test_across_sectors(self):
        value = bytes(3000)
        self.journal.append([(2, value)])
        record = self.journal._record(0x52, b"\x01\xe5\x03" + b"x" * 997, 1)
        self.assertTrue(self.journal._end + 3 < SECTOR_BYTES)
        self.program(SECTOR_BYTES - 8, record)
        self.journal._end = SECTOR_BYTES - 8
        self.assertEqual(self.journal._read(SECTOR_BYTES - 8, 0x52), b"")

    # a sector that begins with what is no sector record
    def test_kind_of_the_first_record(self):
        self.program(SECTOR_BYTES, self.journal._record(0x52, b"\x09\x00\x00\x00", 9))
        self.assertEqual(held(opened(self.flash))[0], {1: b"true"})

    # a sector record that power tore does not check, and never will
    def test_torn_sector_record(self):
        record = self.journal._record(0x53, b"\x02\x00\x00\x00", 2)
        self.program(SECTOR_BYTES, record[:6])
        self.assertEqual(held(opened(self.flash))[0], {1: b"true"})
        self.assertEqual(bytes(self.flash.cells[SECTOR_BYTES : SECTOR_BYTES + 12]), bytes(12))
        # once is enough
        journal = opened(self.flash)
        self.assertEqual((journal._sector, self.flash.erased), (2, [0, 2]))

    # its cells are weak: should it check tomorrow, it has been outranked before it was made void,
    # as power may fail in that, too
    def test_torn_sector_record_reads_well_later(self):
        record = self.journal._record(0x53, b"\x02\x00\x00\x00", 2)
        self.program(SECTOR_BYTES, record[:6])
        opened(self.flash)
        self.flash.cells[SECTOR_BYTES : SECTOR_BYTES + 12] = record
        journal = opened(self.flash)
        self.assertEqual(held(journal)[0], {1: b"true"})
        journal.append([(1, b"new")])
        self.flash.cells[SECTOR_BYTES : SECTOR_BYTES + 12] = record
        self.assertEqual(held(opened(self.flash))[0], {1: b"new"})

    # where there is no third sector
    def test_torn_sector_record_of_two(self):
        flash = RamFlash(2)
        opened(flash, 2).append([(1, b"true")])
        flash.region(0, 2).program(SECTOR_BYTES, b"S\x02\x04")
        journal = opened(flash, 2)
        self.assertEqual((held(journal)[0], flash.erased), ({1: b"true"}, [0]))
        self.assertEqual(bytes(flash.cells[SECTOR_BYTES : SECTOR_BYTES + 12]), bytes(12))
        journal.append([(1, b"new")])
        self.assertEqual(held(opened(flash, 2))[0], {1: b"new"})

    # nor any other than that for what cannot stay in the first
    def test_torn_record_and_sector_record_of_two(self):
        flash = RamFlash(2)
        journal = opened(flash, 2)
        journal.append([(1, b"true")])
        flash.cells[journal._end + 50] = 0
        flash.region(0, 2).program(SECTOR_BYTES, b"S\x02\x04")
        for _ in range(2):
            journal = opened(flash, 2)
            self.assertEqual((held(journal)[0], journal._sector), ({1: b"true"}, 1))

    # the sector before is whole until it is used again
    def test_sector_before(self):
        while self.journal._sector == 0:
            self.journal.append([(1, bytes(200))])
        before = bytes(self.flash.cells[:SECTOR_BYTES])
        opened(self.flash)
        self.assertEqual(bytes(self.flash.cells[:SECTOR_BYTES]), before)

    # what went bad is left for a fresh sector at once
    def test_moves_away_from_rot(self):
        self.journal.append([(2, b"rots")])
        self.journal.append([(3, b"behind")])
        self.flash.cells[bytes(self.flash.cells).find(b"rots")] ^= 1
        for _ in range(2):
            journal = opened(self.flash)
            self.assertEqual(journal._sector, 1)
            self.assertEqual(held(journal)[0], {1: b"true", 3: b"behind"})

    # of two bad records one behind the other, nothing leads further
    def test_two_in_a_row(self):
        for value in (b"rots", b"also", b"behind"):
            self.journal.append([(2, value)])
        cells = bytes(self.flash.cells)
        for value in (b"rots", b"also"):
            self.flash.cells[cells.find(value)] ^= 1
        self.assertEqual(held(opened(self.flash))[0], {1: b"true"})

    # a record that power tore in its middle: its sector takes nothing more
    def test_moves_away_from_a_torn_record(self):
        self.flash.cells[self.end + 50] = 0
        journal = opened(self.flash)
        self.assertEqual((journal._sector, self.flash.erased), (1, [0, 1]))
        self.assertEqual(held(opened(self.flash))[0], {1: b"true"})


# Sectors that are just full, in a region that ends there.
class FullTest(unittest.TestCase):
    def filled(self):
        flash = RamFlash(2)
        journal = opened(flash, 2)
        while journal._sector < 1 or 2 * SECTOR_BYTES - journal._end > 900:
            journal.append([(1, bytes(500))])
        journal.append([(2, bytes(2 * SECTOR_BYTES - journal._end - 11))])
        self.assertEqual(journal._end, 2 * SECTOR_BYTES)
        return flash, journal

    def test_opens(self):
        flash, journal = self.filled()
        self.assertEqual(held(opened(flash, 2)), held(journal))

    def test_last_record_rots(self):
        flash, _ = self.filled()
        flash.cells[2 * SECTOR_BYTES - 8] ^= 1
        self.assertEqual(held(opened(flash, 2))[0], {1: bytes(500)})

    # what is replaced is not copied: there is no room for both
    def test_large_value_replaces_itself(self):
        flash = RamFlash(2)
        journal = opened(flash, 2)
        for number in range(4):
            journal.append([(1, bytes([number]) * 2500)])
        self.assertEqual(held(opened(flash, 2))[0], {1: b"\x03" * 2500})

    # nor is an event that the new one drives out
    def test_full_history_of_large_events(self):
        flash = RamFlash(2)
        journal = opened(flash, 2)
        for number in range(3 * HISTORY_KEPT):
            journal.append([(HISTORY, bytes([number]) * 240)])
        expected = [(HISTORY, bytes([n]) * 240) for n in range(2 * HISTORY_KEPT, 3 * HISTORY_KEPT)]
        self.assertEqual(held(opened(flash, 2))[1], expected)

    # a move that fills the sector to its last octet
    def test_move_that_just_fits(self):
        for more, reason in ((0, ACCEPTED), (1, FLASH_FAULT)):
            journal = opened(RamFlash(2), 2)
            length = SECTOR_BYTES - 12 - 11 + more
            self.assertEqual(refusal_of(journal.append, [(1, bytes(length))])[0], reason)


if __name__ == "__main__":
    unittest.main()
