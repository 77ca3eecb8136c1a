# What the HAN side remembers: originator counters that never go back, the activation that waits,
# the outcomes to report, and how far a download has come.

import unittest

from outcome import reason_of, refusal_of
from store_rig import StoreRig

from hanbootloader.reasons import FLASH_FAULT
from hanbootloader.store.han_records import (
    ORIGINATORS_MOST,
    OUTCOME_BYTES,
    OUTCOMES_MOST,
    Activation,
    HanRecords,
    Transfer,
)


def entity(number):
    return bytes((0x90, 0xB3, 0xD5, 0x1F, 0x30, 0, 0, number))


def activation(number, time=7):
    return Activation(bytes((number,)) * 32, 1 << 40 | number, time, entity(number))


def fields(waiting):
    return waiting and (waiting.image_hash, waiting.counter, waiting.time, waiting.originator)


def facts(records):
    return (
        [records.originator_counter(entity(number)) for number in range(ORIGINATORS_MOST + 2)],
        fields(records.activation()),
        records.time(),
        records.outcomes(),
    )


class RecordsTest(unittest.TestCase):
    def setUp(self):
        self.rig = StoreRig(HanRecords)

    def check(self, records, expected):
        self.assertEqual(facts(records), expected)
        self.assertEqual(facts(self.rig.opened()), expected)

    # facts of records with nothing but these
    def with_counters(self, **counters):
        found = [-1] * (ORIGINATORS_MOST + 2)
        for name, counter in counters.items():
            found[int(name[1:])] = counter
        return found

    def test_new(self):
        self.check(self.rig.opened(), (self.with_counters(), None, None, []))
        self.assertEqual(self.rig.flash.operations, 0)

    def test_counters(self):
        records = self.rig.opened()
        for number, counter, is_higher in (
            (1, 0, True),
            (1, 0, False),
            (1, 5, True),
            (1, 4, False),
            (1, 5, False),
            (2, 3, True),
            (1, (1 << 64) - 1, True),
            (1, (1 << 64) - 1, False),
            (2, 4, True),
        ):
            operations = self.rig.flash.operations
            found = records.raise_originator_counter(entity(number), counter)
            self.assertEqual((number, counter, found), (number, counter, is_higher))
            # one that is not higher costs nothing
            self.assertEqual(self.rig.flash.operations > operations, is_higher)
        self.check(records, (self.with_counters(n1=(1 << 64) - 1, n2=4), None, None, []))

    # One more entity than there is room for pushes out none.
    def test_too_many_originators(self):
        records = self.rig.opened()
        for number in range(ORIGINATORS_MOST):
            self.assertTrue(records.raise_originator_counter(entity(number), 10 + number))
        more = (entity(ORIGINATORS_MOST), 1)
        self.assertEqual(reason_of(records.raise_originator_counter, *more), FLASH_FAULT)
        self.assertTrue(records.raise_originator_counter(entity(3), 99))
        for held in (records, self.rig.opened()):
            found = [held.originator_counter(entity(number)) for number in range(9)]
            self.assertEqual(found, [10, 11, 12, 99, 14, 15, 16, 17, -1])

    def test_activation(self):
        records = self.rig.opened()
        kept = []
        for number, time in ((1, 7), (2, 0), (2, 0xFFFFFFFF)):
            records.replace_activation(activation(number, time), b"accepted")
            kept.append(b"accepted")
            expected = fields(activation(number, time))
            self.check(records, (self.with_counters(), expected, None, kept))
        records.replace_activation(None, b"cancelled")
        self.check(records, (self.with_counters(), None, None, kept + [b"cancelled"]))

    def test_time(self):
        records = self.rig.opened()
        for seconds in (0, 1, 0xFFFFFFFF):
            records.keep_time(seconds)
            self.check(records, (self.with_counters(), None, seconds, []))

    def test_outcomes(self):
        records = self.rig.opened()
        kept = []
        for number in range(OUTCOMES_MOST + 3):
            outcome = bytes((number,)) * (number * 16)
            kept = (kept + [outcome])[-OUTCOMES_MOST:]
            records.add_outcome(outcome)
            self.check(records, (self.with_counters(), None, None, kept))
        while kept:
            kept.pop(0)
            records.set_outcomes(list(kept))
            self.check(records, (self.with_counters(), None, None, kept))

    def test_outcome_lengths(self):
        records = self.rig.opened()
        records.add_outcome(b"")
        records.add_outcome(bytes(OUTCOME_BYTES))
        too_long = bytes(OUTCOME_BYTES + 1)
        self.assertEqual(reason_of(records.add_outcome, too_long), FLASH_FAULT)
        self.assertEqual(reason_of(records.set_outcomes, [too_long]), FLASH_FAULT)
        self.assertEqual(reason_of(records.replace_activation, None, too_long), FLASH_FAULT)
        self.assertEqual(records.outcomes(), [b"", bytes(OUTCOME_BYTES)])

    # as many of the longest as there can be, and everything else
    def test_full(self):
        records = self.rig.opened()
        for number in range(ORIGINATORS_MOST):
            records.raise_originator_counter(entity(number), number)
        records.replace_activation(activation(1), b"accepted")
        records.keep_time(9)
        outcomes = [bytes((number,)) * OUTCOME_BYTES for number in range(OUTCOMES_MOST)]
        for outcome in outcomes * 2:
            records.add_outcome(outcome)
        counters = list(range(ORIGINATORS_MOST)) + [-1, -1]
        self.check(records, (counters, fields(activation(1)), 9, outcomes))

    # No activation is lost between the two, and none is done twice.
    def test_power_cut_in_an_activation(self):
        records = self.rig.opened()
        records.replace_activation(activation(1), b"accepted")
        records.add_outcome(b"before")

        def change(records):
            records.replace_activation(None, b"activated")

        self.assertTrue(self.rig.cut_everywhere(change, facts) >= 2)

    def test_power_cut_in_a_counter(self):
        self.rig.opened().raise_originator_counter(entity(1), 5)

        def change(records):
            records.raise_originator_counter(entity(1), 6)

        self.assertTrue(self.rig.cut_everywhere(change, facts) >= 2)

    # the change that has to move to a fresh sector
    def test_power_cut_where_the_sector_is_full(self):
        records = self.rig.opened()
        records.raise_originator_counter(entity(1), 5)
        records.add_outcome(b"before")
        self.rig.fill(lambda records: records.keep_time(7))

        def change(records):
            records.keep_time(1 << 31)

        self.assertTrue(self.rig.cut_everywhere(change, facts) >= 4)

    def test_wrong_reads(self):
        records = self.rig.opened()
        records.raise_originator_counter(entity(1), 5)
        records.replace_activation(activation(1), b"accepted")
        records.add_outcome(b"outcome")

        def change(records):
            records.raise_originator_counter(entity(1), 6)

        self.assertTrue(self.rig.check_wrong_reads(change, facts, refusal_of) > 100)


def progress(transfer):
    return transfer.name(), transfer.offset()


class TransferTest(unittest.TestCase):
    def setUp(self):
        self.rig = StoreRig(Transfer)

    def test_new(self):
        self.assertEqual(progress(self.rig.opened()), (b"", 0))
        self.assertEqual(self.rig.flash.operations, 0)

    def test_way(self):
        transfer = self.rig.opened()
        for act, argument, expected in (
            ("begin", b"header", (b"header", 0)),
            ("advance", 4096, (b"header", 4096)),
            ("advance", 8192, (b"header", 8192)),
            # the same from its beginning
            ("begin", b"header", (b"header", 0)),
            ("advance", 0xFFFFFFFF, (b"header", 0xFFFFFFFF)),
            # another one
            ("begin", b"x" * 64, (b"x" * 64, 0)),
            # none
            ("begin", b"", (b"", 0)),
        ):
            getattr(transfer, act)(argument)
            for held in (transfer, self.rig.opened()):
                self.assertEqual((act, argument, progress(held)), (act, argument, expected))

    def test_nothing_new_costs_nothing(self):
        transfer = self.rig.opened()
        transfer.begin(b"")
        self.assertEqual(self.rig.flash.operations, 0)
        transfer.begin(b"header")
        operations = self.rig.flash.operations
        transfer.begin(b"header")
        self.assertEqual(self.rig.flash.operations, operations)

    # some 200 sectors of a slot go into one erase
    def test_wear(self):
        transfer = self.rig.opened()
        transfer.begin(b"header")
        for sector in range(1, 1001):
            transfer.advance(4096 * sector)
        self.assertTrue(4 <= len(self.rig.flash.erased) <= 6, len(self.rig.flash.erased))
        self.assertEqual(progress(self.rig.opened()), (b"header", 4096 * 1000))

    def test_power_cut(self):
        for begun, change in (
            (None, lambda transfer: transfer.begin(b"header")),
            (b"header", lambda transfer: transfer.advance(4096)),
            (b"header", lambda transfer: transfer.begin(b"")),
            (b"header", lambda transfer: transfer.begin(b"another")),
        ):
            self.rig = StoreRig(Transfer)
            if begun:
                self.rig.opened().begin(begun)
            self.assertTrue(self.rig.cut_everywhere(change, progress) >= 2)

    def test_wrong_reads(self):
        transfer = self.rig.opened()
        transfer.begin(b"header")
        transfer.advance(4096)

        def change(transfer):
            transfer.advance(8192)

        self.assertTrue(self.rig.check_wrong_reads(change, progress, refusal_of) > 30)


if __name__ == "__main__":
    unittest.main()
