# The second home of what a device must never lose, and the doubts of the start before.

import unittest

from ramboard import RamFlash
from store_rig import StoreRig

from hanbootloader.store.backup import Backup, pack_sequences, unpack_sequences
from hanbootloader.store.doubts import JOURNAL, PLACE, SLOT

SEQUENCES = {2 << 8: 7, 127 << 8: 0xFFFFFFFF, 4 << 8 | 4: 1}


def facts(backup):
    return backup.security_counter, backup.is_locked, backup.sequences, backup.worn


class BackupTest(unittest.TestCase):
    def setUp(self):
        self.flash = RamFlash(2)

    def opened(self):
        return Backup(self.flash.region(0, 2))

    def check(self, backup, *expected):
        self.assertEqual(facts(backup), expected)
        self.assertEqual(facts(self.opened()), expected)

    def test_new(self):
        self.check(self.opened(), 0, False, {}, [])
        self.assertEqual(self.flash.operations, 0)

    # each of the three alone, and back
    def test_keep(self):
        backup = self.opened()
        for kept in (
            (3, False, {}),
            (3, True, {}),
            (3, True, SEQUENCES),
            (0xFFFFFFFF, True, SEQUENCES),
            (0xFFFFFFFF, False, SEQUENCES),
            (0xFFFFFFFF, False, {2 << 8: 8}),
        ):
            backup.keep(*kept)
            self.check(backup, *kept, [])
            # what is kept already costs nothing
            operations = self.flash.operations
            backup.keep(*kept)
            self.assertEqual(self.flash.operations, operations)

    # what the caller does with its numbers later is not kept
    def test_a_copy(self):
        sequences = {2 << 8: 1}
        backup = self.opened()
        backup.keep(1, True, sequences)
        sequences[2 << 8] = 2
        self.assertEqual(backup.sequences, {2 << 8: 1})
        backup.keep(1, True, sequences)
        self.check(backup, 1, True, {2 << 8: 2}, [])

    def test_worn_places(self):
        backup = self.opened()
        for place, worn in ((5, [5]), (0, [5, 0]), (5, [5, 0]), (7, [5, 0, 7])):
            operations = self.flash.operations
            is_new = place not in backup.worn
            backup.note_worn(place)
            self.check(backup, 0, False, {}, worn)
            self.assertEqual(self.flash.operations > operations, is_new)

    # Flash that takes nothing more: the journal has it, and a worn place is known until a restart.
    def test_stuck(self):
        backup = self.opened()
        backup.keep(3, True, SEQUENCES)
        self.flash.stuck = (0, 1)
        backup.keep(4, True, {})
        backup.note_worn(5)
        self.assertEqual(facts(backup), (3, True, SEQUENCES, [5]))
        self.assertEqual(facts(self.opened()), (3, True, SEQUENCES, []))

    def test_power_cut(self):
        rig = StoreRig(lambda region, doubts: Backup(region))
        rig.opened().keep(3, True, {2 << 8: 1})
        self.assertTrue(rig.cut_everywhere(lambda b: b.keep(4, True, SEQUENCES), facts) >= 2)
        self.assertTrue(rig.cut_everywhere(lambda b: b.note_worn(1), facts) >= 2)

    def test_sequences(self):
        for sequences in ({}, {2 << 8: 0}, SEQUENCES):
            self.assertEqual(unpack_sequences(pack_sequences(sequences)), sequences)
        # what is cut short ends before what is cut
        octets = pack_sequences(SEQUENCES)
        self.assertEqual(len(octets), 18)
        for length, count in ((0, 0), (5, 0), (6, 1), (17, 2), (18, 3)):
            self.assertEqual(len(unpack_sequences(octets[:length])), count)


class DoubtsTest(unittest.TestCase):
    def setUp(self):
        self.flash = RamFlash(2)

    # a start
    def doubts(self):
        return Backup(self.flash.region(0, 2)).doubts

    def test_twice(self):
        for subject in (JOURNAL, SLOT, SLOT + 1, PLACE, PLACE + 15):
            doubts = self.doubts()
            self.assertFalse(doubts.weigh(subject, True))
            self.assertTrue(doubts.needs_restart)
            doubts = self.doubts()
            self.assertTrue(doubts.weigh(subject, True))
            self.assertFalse(doubts.needs_restart)
            # acted upon, so the next time is the first
            self.assertFalse(doubts.weigh(subject, False))
            self.assertFalse(self.doubts().weigh(subject, True))
            self.doubts().weigh(subject, False)

    def test_holds_again(self):
        self.doubts().weigh(SLOT, True)
        doubts = self.doubts()
        self.assertFalse(doubts.weigh(SLOT, False))
        self.assertFalse(doubts.needs_restart)
        self.assertFalse(self.doubts().weigh(SLOT, True))

    # One that holds does not end another's doubt, at this start or the next.
    def test_several(self):
        self.doubts().weigh(SLOT, True)
        doubts = self.doubts()
        doubts.weigh(JOURNAL, True)
        doubts.weigh(SLOT, False)
        self.assertTrue(doubts.needs_restart)
        doubts = self.doubts()
        self.assertTrue(doubts.weigh(JOURNAL, True))
        self.assertFalse(doubts.weigh(SLOT, True))

    def test_nothing_new_costs_nothing(self):
        doubts = self.doubts()
        doubts.weigh(SLOT, False)
        self.assertEqual(self.flash.operations, 0)
        doubts.weigh(SLOT, True)
        operations = self.flash.operations
        self.doubts().weigh(SLOT, True)
        self.assertEqual(self.flash.operations, operations)

    # A note that cannot be written must not keep the device in restarts.
    def test_stuck(self):
        self.flash.stuck = (0, 1)
        doubts = self.doubts()
        self.assertTrue(doubts.weigh(SLOT, True))
        self.assertFalse(doubts.needs_restart)

    def test_power_cut(self):
        rig = StoreRig(lambda region, doubts: Backup(region).doubts)

        def noted(doubts):
            return [subject for subject in (JOURNAL, SLOT) if subject in doubts._noted]

        rig.opened().weigh(JOURNAL, True)
        self.assertTrue(rig.cut_everywhere(lambda d: d.weigh(SLOT, True), noted) >= 2)


if __name__ == "__main__":
    unittest.main()
