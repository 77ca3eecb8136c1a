# That the flash of the fault campaign fails as it says: each kind of fault leaves what its name
# promises, and nothing that NOR flash could not hold.

import hashlib
import unittest

from nor_faults import (
    ERASE_KINDS,
    PROGRAM_KINDS,
    Dice,
    Fault,
    FaultyFlash,
    PowerCut,
    parse_faults,
    torn,
)

from nor import PAGE_BYTES, SECTOR_BYTES

_DRAWS = 20
_WEAK = ("weak-old", "weak", "weak-new")

# a page that is programmed over one that holds some octets already; FF leaves a cell as it is
_OLD = b"\xff" * 16 + b"kept" + b"\xff" * (PAGE_BYTES - 20)
_WRITTEN = b"\xff" * 20 + bytes([at * 7 & 0xFF for at in range(PAGE_BYTES - 40)]) + b"\xff" * 20
_NEW = _OLD[:20] + _WRITTEN[20:]
_SECTOR_OLD = bytes([at * 3 & 0xFF for at in range(SECTOR_BYTES)])
_SECTOR_NEW = b"\xff" * SECTOR_BYTES


_ONES = [bin(octet).count("1") for octet in range(256)]


def _number(octets):
    return int.from_bytes(octets, "big")


# How many bits of `octets` are ones.
def _ones(octets):
    return sum([_ONES[octet] for octet in octets])


# The bits in which two differ.
def _changes(old, new):
    return bytes([a ^ b for a, b in zip(old, new)])


# A flash of two sectors in which the page or the sector at 0 has failed as `kind`.
def _failed(name, kind, number=0):
    flash = FaultyFlash(bytearray(2 * SECTOR_BYTES), [Fault(0, kind, number)])
    flash.cells[:] = b"\xff" * (2 * SECTOR_BYTES)
    flash.cells[: len(_OLD)] = _OLD
    if name == "erase":
        flash.cells[:SECTOR_BYTES] = _SECTOR_OLD
    try:
        if name == "erase":
            flash.erase(0)
        else:
            flash.program(0, _WRITTEN)
        was_cut = False
    except PowerCut:
        was_cut = True
    return flash, was_cut


def _program(kind):
    return [bytes(_failed("program", kind, draw)[0].cells[:PAGE_BYTES]) for draw in range(_DRAWS)]


def _erase(kind):
    return [bytes(_failed("erase", kind, draw)[0].cells[:SECTOR_BYTES]) for draw in range(_DRAWS)]


_OPERATIONS = (
    ("program", PROGRAM_KINDS, _OLD, _NEW),
    ("erase", ERASE_KINDS, _SECTOR_OLD, _SECTOR_NEW),
)


class KindsTest(unittest.TestCase):
    def test_the_supply_is_cut_but_for_dropped(self):
        for name, kinds, _, _ in _OPERATIONS:
            for kind in kinds:
                flash, was_cut = _failed(name, kind)
                self.assertEqual(was_cut, kind != "dropped", kind)
                self.assertEqual(flash.fired, 1, kind)

    def test_nothing_is_left_of_what_did_not_happen(self):
        for kind in ("not-started", "dropped"):
            self.assertEqual(set(_program(kind)), {_OLD})
            self.assertEqual(set(_erase(kind)), {_SECTOR_OLD})

    def test_prefix_is_new_up_to_a_place_and_old_behind_it(self):
        for found, old, new in ((_program, _OLD, _NEW), (_erase, _SECTOR_OLD, _SECTOR_NEW)):
            lengths = []
            for cells in found("prefix"):
                length = max([at + 1 for at in range(len(old)) if cells[at] != old[at]])
                self.assertEqual(cells, new[:length] + old[length:])
                lengths.append(length)
            self.assertTrue(len(set(lengths)) > _DRAWS // 4)

    def test_last_octet_is_half_done(self):
        half = 0
        for cells in _program("last-octet"):
            differing = [at for at in range(PAGE_BYTES) if cells[at] != _NEW[at]]
            at = differing[0]
            half += cells[at] != _OLD[at]
            self.assertEqual(cells[at + 1 :], _OLD[at + 1 :])
        self.assertTrue(half > _DRAWS // 4, half)

    def test_bits_are_a_part_anywhere(self):
        for found, old, new in ((_program, _OLD, _NEW), (_erase, _SECTOR_OLD, _SECTOR_NEW)):
            shares = []
            for cells in found("bits"):
                changed, wanted = _changes(old, cells), _changes(old, new)
                self.assertTrue(all([a & b == a for a, b in zip(changed, wanted)]))
                self.assertTrue(any(changed))
                self.assertTrue(changed != wanted)
                shares.append(_ones(changed) * 8 // _ones(wanted))
            # few, half, nearly all
            self.assertTrue(min(shares) <= 1 and max(shares) >= 6, shares)

    def test_mixed_has_pieces_of_all_sorts(self):
        sorts = {"old": 0, "erased": 0, "random": 0}
        for cells in _erase("mixed"):
            for at in range(0, SECTOR_BYTES, 64):
                piece = cells[at : at + 64]
                if piece == _SECTOR_OLD[at : at + 64]:
                    sorts["old"] += 1
                elif piece == b"\xff" * 64:
                    sorts["erased"] += 1
                else:
                    sorts["random"] += 1
        for sort in sorts:
            self.assertTrue(sorts[sort] > _DRAWS * 10, sorts)

    def test_program_never_sets_a_bit(self):
        for kind in PROGRAM_KINDS:
            for draw in range(_DRAWS):
                flash, _ = _failed("program", kind, draw)
                for _ in range(4):
                    flash.restart()
                    cells = _number(flash.cells[:PAGE_BYTES])
                    self.assertTrue(cells | _number(_OLD) == _number(_OLD), kind)
                    # and clears none that was not to be cleared
                    self.assertTrue(cells & _number(_NEW) == _number(_NEW), kind)

    def test_nothing_else_changes(self):
        for name, kinds, old, _ in _OPERATIONS:
            for kind in kinds:
                flash, _ = _failed(name, kind)
                rest = flash.cells[len(old) : 2 * SECTOR_BYTES]
                self.assertEqual(bytes(rest), b"\xff" * len(rest), kind)


class WeakTest(unittest.TestCase):
    # Draws in which the cells read otherwise after some of a few restarts.
    def _unstable(self, name, kind, old):
        count = 0
        for draw in range(_DRAWS):
            flash, _ = _failed(name, kind, draw)
            seen = set()
            for _ in range(8):
                flash.restart()
                seen.add(bytes(flash.cells[: len(old)]))
            count += len(seen) > 1
        return count

    def test_cells_read_otherwise_after_a_restart(self):
        for name, _, old, _ in _OPERATIONS:
            for kind in _WEAK:
                self.assertTrue(self._unstable(name, kind, old) > _DRAWS // 2, kind)
            self.assertEqual(self._unstable(name, "bits", old), 0)

    def test_some_read_otherwise_at_each_access(self):
        count = 0
        for draw in range(_DRAWS):
            flash, _ = _failed("program", "weak", draw)
            view = flash.view(0, PAGE_BYTES)
            count += len(set([bytes(view[:]) for _ in range(8)])) > 1
        # one half of the faults
        self.assertTrue(_DRAWS // 5 < count < _DRAWS - _DRAWS // 5, count)

    def test_weak_old_looks_old_and_weak_new_looks_new(self):
        for kind, looks in (("weak-old", _OLD), ("weak-new", _NEW)):
            alike = 0
            for cells in _program(kind):
                alike += cells == looks
            self.assertTrue(alike > _DRAWS // 3, (kind, alike))

    def test_programming_the_same_settles_them(self):
        for kind in _WEAK:
            flash, _ = _failed("program", kind)
            flash.program(0, _WRITTEN)
            self.assertTrue(flash.is_stable, kind)
            for _ in range(8):
                flash.restart()
                self.assertEqual(bytes(flash.cells[:PAGE_BYTES]), _NEW, kind)

    def test_erasing_settles_them(self):
        for name, _, _, _ in _OPERATIONS:
            for kind in _WEAK:
                flash, _ = _failed(name, kind)
                flash.erase(0)
                self.assertTrue(flash.is_stable, kind)
                flash.restart()
                self.assertEqual(bytes(flash.cells[:SECTOR_BYTES]), _SECTOR_NEW, kind)

    def test_ones_settle_nothing(self):
        flash, _ = _failed("program", "weak")
        flash.program(0, b"\xff" * PAGE_BYTES)
        self.assertFalse(flash.is_stable)

    def test_a_drop_on_unstable_cells_is_remembered(self):
        flash, _ = _failed("program", "weak")
        flash.faults.append(Fault(0, "dropped"))
        flash.program(0, _WRITTEN)
        self.assertTrue(flash.is_unsettled)


class StrictTest(unittest.TestCase):
    def setUp(self):
        self.flash = FaultyFlash(bytearray(b"\xff" * (2 * SECTOR_BYTES)))

    def test_a_one_over_a_zero_is_the_callers_fault(self):
        self.flash.program(0, b"\x00" * PAGE_BYTES)
        with self.assertRaises(ValueError):
            self.flash.program(0, b"\x01" * PAGE_BYTES)

    def test_half_a_page_is_the_callers_fault(self):
        partition = self.flash.partition(0, 2)
        for octets, within in ((b"\x00" * PAGE_BYTES, 8), (b"\x00" * 100, 0)):
            with self.assertRaises(ValueError):
                partition.writeblocks(0, octets, within)

    def test_an_erase_is_of_its_sector_alone(self):
        self.flash.cells[:] = bytes(2 * SECTOR_BYTES)
        self.flash.erase(1)
        self.assertEqual(bytes(self.flash.cells), bytes(SECTOR_BYTES) + b"\xff" * SECTOR_BYTES)


class NamesTest(unittest.TestCase):
    def test_faults_are_counted_from_the_one_before(self):
        flash = FaultyFlash(
            bytearray(b"\xff" * SECTOR_BYTES), parse_faults("2.dropped.0,1.prefix.3")
        )
        fired = []
        flash.on_fault = lambda fault: fired.append(repr(fault))
        for page in range(4):
            flash.program(page * PAGE_BYTES, bytes(PAGE_BYTES))
        self.assertEqual(fired, ["2.dropped.0"])
        with self.assertRaises(PowerCut):
            flash.program(4 * PAGE_BYTES, bytes(PAGE_BYTES))
        self.assertEqual(fired, ["2.dropped.0", "1.prefix.3"])
        # pages 0, 1 and 3 were programmed, 2 was dropped
        self.assertEqual([flash.cells[page * PAGE_BYTES] for page in range(4)], [0, 0, 0xFF, 0])

    def test_the_same_name_leaves_the_same(self):
        for name, kinds, _, _ in _OPERATIONS:
            for kind in kinds:
                one, other = _failed(name, kind, 7)[0], _failed(name, kind, 7)[0]
                for _ in range(3):
                    one.restart()
                    other.restart()
                    self.assertEqual(bytes(one.cells), bytes(other.cells), kind)

    def test_another_draw_leaves_something_else(self):
        for kind in ("prefix", "bits", "last-octet"):
            self.assertTrue(len(set(_program(kind))) > _DRAWS // 4, kind)

    # The octets are the same on CPython and MicroPython, this year and next.
    def test_chance_is_drawn_from_a_text(self):
        # SHA-256 of "17.bits.0 0", then of "17.bits.0 1"
        octets = Dice("17.bits.0").octets(40)
        self.assertEqual(octets[:4], b"\x8a\xd5\xfa\xfb")
        self.assertEqual(octets[32:36], hashlib.sha256(b"17.bits.0 1").digest()[:4])

    def test_what_cannot_be_torn_is_left_as_it_is(self):
        for kind in PROGRAM_KINDS:
            self.assertEqual(torn(kind, _OLD, _OLD, Dice("")).octets, _OLD, kind)


if __name__ == "__main__":
    unittest.main()
