# The second home of what a device must never lose, and the doubts of the start before.

import unittest

from ramboard import RamFlash
from store_rig import StoreRig

from hanbootloader.reasons import ENCODING, PAYLOAD_HASH, UNKNOWN_SIGNER
from hanbootloader.store.backup import Backup, pack_sequences, unpack_sequences
from hanbootloader.store.doubts import HAN, JOURNAL, KEYS, PLACE, TRANSFER
from hanbootloader.store.journal import Journal

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
        for subject in (JOURNAL, TRANSFER, HAN, KEYS, PLACE, PLACE + 15):
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
        self.doubts().weigh(TRANSFER, True)
        doubts = self.doubts()
        self.assertFalse(doubts.weigh(TRANSFER, False))
        self.assertFalse(doubts.needs_restart)
        self.assertFalse(self.doubts().weigh(TRANSFER, True))

    # One that holds does not end another's doubt, at this start or the next.
    def test_several(self):
        self.doubts().weigh(TRANSFER, True)
        doubts = self.doubts()
        doubts.weigh(JOURNAL, True)
        doubts.weigh(TRANSFER, False)
        self.assertTrue(doubts.needs_restart)
        doubts = self.doubts()
        self.assertTrue(doubts.weigh(JOURNAL, True))
        self.assertFalse(doubts.weigh(TRANSFER, True))

    def test_nothing_new_costs_nothing(self):
        doubts = self.doubts()
        doubts.weigh(TRANSFER, False)
        self.assertEqual(self.flash.operations, 0)
        doubts.weigh(TRANSFER, True)
        operations = self.flash.operations
        self.doubts().weigh(TRANSFER, True)
        self.assertEqual(self.flash.operations, operations)

    # The reason is kept for good, so it, too, is what two starts say.
    def test_an_image(self):
        for index in (0, 1):
            self.assertFalse(self.doubts().weigh_image(index, UNKNOWN_SIGNER))
            doubts = self.doubts()
            self.assertFalse(doubts.weigh_image(index, ENCODING))
            self.assertTrue(doubts.needs_restart)
            self.assertFalse(self.doubts().weigh_image(1 - index, UNKNOWN_SIGNER))
            doubts = self.doubts()
            self.assertTrue(doubts.weigh_image(index, UNKNOWN_SIGNER))
            self.assertFalse(doubts.needs_restart)
            # with it goes all that was noted of this image, and nothing of the other
            doubts.settle_image(index)
            doubts = self.doubts()
            self.assertTrue(doubts.weigh_image(1 - index, UNKNOWN_SIGNER))
            doubts.settle_image(1 - index)
            self.assertFalse(self.doubts().weigh_image(index, ENCODING))
            self.doubts().settle_image(index)

    def test_an_image_among_others(self):
        doubts = self.doubts()
        for subject in (JOURNAL, PLACE + 15):
            doubts.weigh(subject, True)
        doubts.weigh_image(1, PAYLOAD_HASH)
        doubts.settle_image(0)
        doubts.settle_image(1)
        doubts = self.doubts()
        self.assertTrue(doubts.weigh(JOURNAL, True))
        self.assertTrue(doubts.weigh(PLACE + 15, True))
        self.assertFalse(doubts.weigh_image(1, PAYLOAD_HASH))

    # Noted by a hanboot that noted no reason (2 and slot): one more restart, and the note is gone.
    def test_an_earlier_note(self):
        journal = Journal(self.flash.region(0, 2), is_copy=True)
        journal.append([(4, bytes((2, 3, JOURNAL)))])
        doubts = self.doubts()
        self.assertFalse(doubts.weigh_image(0, PAYLOAD_HASH))
        doubts.settle_image(0)
        self.assertEqual(self.noted(), bytes((3, JOURNAL)))
        self.doubts().settle_image(1)
        self.assertEqual(self.noted(), bytes((JOURNAL,)))

    def noted(self):
        return bytes(Journal(self.flash.region(0, 2), is_copy=True).latest(4))

    def test_settled_costs_nothing(self):
        self.doubts().settle_image(0)
        self.assertEqual(self.flash.operations, 0)

    # A note that cannot be written must not keep the device in restarts.
    def test_stuck(self):
        self.flash.stuck = (0, 1)
        doubts = self.doubts()
        self.assertTrue(doubts.weigh(TRANSFER, True))
        self.assertFalse(doubts.needs_restart)

    def test_power_cut(self):
        rig = StoreRig(lambda region, doubts: Backup(region).doubts)

        def noted(doubts):
            return [subject for subject in (JOURNAL, TRANSFER) if subject in doubts._noted]

        rig.opened().weigh(JOURNAL, True)
        self.assertTrue(rig.cut_everywhere(lambda d: d.weigh(TRANSFER, True), noted) >= 2)


if __name__ == "__main__":
    unittest.main()
