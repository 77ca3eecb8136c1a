# The ledger: each transition survives a power cut as a whole, and the upgrade history is a chain.

import hashlib
import unittest

from outcome import reason_of
from ramboard import PowerCut, RamFlash

from hanbootloader.reasons import (
    FLASH_FAULT,
    NOT_A_PREDECESSOR,
    PAYLOAD_HASH,
    SLOT_DAMAGED,
    TRIAL_CRASHED,
    TRIAL_HUNG,
)
from hanbootloader.store import ledger
from hanbootloader.store.backup import Backup
from hanbootloader.store.journal import HISTORY_KEPT, Journal
from hanbootloader.store.ledger import Ledger, SlotRecord, VerdictRecord

SECTORS = 4


def opened(flash):
    return Ledger(Journal(flash.region(0, SECTORS)))


def hash_of(number):
    return hashlib.sha256(b"image %d" % number).digest()


def image(number, counter=0, point_of_no_return=False):
    return SlotRecord(
        ledger.STAGED, point_of_no_return, number, 1000 + number, counter, hash_of(number)
    )


def verdict(reason, number):
    return VerdictRecord(reason, -1, number, hash_of(number), 1, hash_of(1))


# Everything that a ledger knows, as plain values.
def all_of(held):
    last = held.verdict()
    return (
        [slot.pack() for slot in held.slots],
        held.attempts,
        held.security_counter,
        held.is_locked,
        last and last.pack(),
        [(event.index, event.event, event.to_version, event.chain) for event in held.history()],
    )


# The states of both slots.
def states(held):
    return [slot.state for slot in held.slots]


# Image `number` from upload to confirmation, in the slot that is free.
def upgrade(held, number, counter=0, point_of_no_return=False):
    index = held.free_slot()
    held.empty(index)
    held.stage(index, image(number, counter, point_of_no_return), verdict(0, number))
    held.activate(index)
    held.count_attempt(index)
    held.confirm(index)


class LedgerTest(unittest.TestCase):
    def setUp(self):
        self.flash = RamFlash(SECTORS)
        self.ledger = opened(self.flash)

    # what is known does not depend on whether power was lost
    def check_survives(self):
        self.assertEqual(all_of(opened(self.flash)), all_of(self.ledger))


# Security counter, lock and sequences have a second home.
class SecondHomeTest(unittest.TestCase):
    def setUp(self):
        self.journal, self.backup = RamFlash(SECTORS), RamFlash(2)

    def start(self):
        journal = Journal(self.journal.region(0, SECTORS))
        return Ledger(journal, Backup(self.backup.region(0, 2)))

    # Each home is lost in turn, with a start in between: what the other has comes back.
    def test_one_after_the_other(self):
        counter = (lambda held: upgrade(held, 1, counter=5), (5, False, {}))
        lock = (lambda held: held.keep_anchors({}), (0, True, {}))
        sequences = (lambda held: held.keep_anchors({127 << 8: 3}), (0, True, {127 << 8: 3}))
        for change, expected in (counter, lock, sequences):
            self.setUp()
            change(self.start())
            for lost in (self.journal, self.backup, self.journal, self.backup):
                lost.cells[:] = b"\xff" * len(lost.cells)
                held = self.start()
                self.assertEqual((held.security_counter, held.is_locked, held.sequences), expected)

    # and where nothing is lost a start costs nothing
    def test_nothing_lost(self):
        held = self.start()
        upgrade(held, 1, counter=5)
        held.keep_anchors({127 << 8: 3})
        before = bytes(self.journal.cells), bytes(self.backup.cells)
        self.start()
        self.assertEqual((bytes(self.journal.cells), bytes(self.backup.cells)), before)


class StatesTest(LedgerTest):
    def test_new(self):
        held = self.ledger
        self.assertEqual(states(held), [ledger.EMPTY, ledger.EMPTY])
        self.assertEqual((held.attempts, held.security_counter, held.trial_reason), (0, 0, 0))
        self.assertEqual((held.verdict(), held.history()), (None, []))
        self.assertEqual((held.find(ledger.CONFIRMED), held.held(), held.free_slot()), (-1, -1, 0))

    # (transition, states, free slot, slot held)
    def test_two_upgrades(self):
        held = self.ledger
        for transition, expected, free, waiting in (
            (lambda: held.stage(0, image(1), verdict(0, 1)), (ledger.STAGED, ledger.EMPTY), 0, 0),
            (lambda: held.activate(0), (ledger.PENDING, ledger.EMPTY), 0, 0),
            (lambda: held.count_attempt(0), (ledger.TRIAL, ledger.EMPTY), -1, -1),
            (lambda: held.confirm(0), (ledger.CONFIRMED, ledger.EMPTY), 1, -1),
            (
                lambda: held.stage(1, image(2), verdict(0, 2)),
                (ledger.CONFIRMED, ledger.STAGED),
                1,
                1,
            ),
            (lambda: held.activate(1), (ledger.CONFIRMED, ledger.PENDING), 1, 1),
            (lambda: held.count_attempt(1), (ledger.CONFIRMED, ledger.TRIAL), -1, -1),
            (lambda: held.confirm(1), (ledger.PREVIOUS, ledger.CONFIRMED), 0, -1),
            (lambda: held.empty(0), (ledger.EMPTY, ledger.CONFIRMED), 0, -1),
        ):
            transition()
            self.assertEqual(tuple(states(held)), expected)
            self.assertEqual((held.free_slot(), held.held()), (free, waiting))
            self.check_survives()

    # once provisioned, for ever
    def test_lock(self):
        self.assertFalse(self.ledger.is_locked)
        self.ledger.keep_anchors({})
        self.check_survives()
        operations = self.flash.operations
        self.ledger.keep_anchors({})
        self.assertEqual(self.flash.operations, operations)
        upgrade(self.ledger, 1)
        self.assertTrue(opened(self.flash).is_locked)

    def test_what_a_slot_holds(self):
        self.ledger.stage(1, image(7, 0xFFFFFFFF, True), verdict(0, 7))
        slot = opened(self.flash).slots[1]
        self.assertEqual(slot.state, ledger.STAGED)
        self.assertEqual((slot.file_version, slot.image_bytes), (7, 1007))
        self.assertEqual((slot.security_counter, slot.image_hash), (0xFFFFFFFF, hash_of(7)))
        self.assertIs(slot.point_of_no_return, True)

    # emptying what is empty, and the same verdict once more, cost no flash
    def test_nothing_new_costs_nothing(self):
        self.ledger.record(verdict(PAYLOAD_HASH, 1))
        operations = self.flash.operations
        self.ledger.empty(0)
        self.ledger.empty(1)
        self.ledger.record(verdict(PAYLOAD_HASH, 1))
        self.assertEqual(self.flash.operations, operations)
        self.ledger.record(verdict(PAYLOAD_HASH, 2))
        self.assertTrue(self.flash.operations > operations)


class TrialTest(LedgerTest):
    def setUp(self):
        LedgerTest.setUp(self)
        upgrade(self.ledger, 1, counter=3)
        self.ledger.stage(1, image(2, counter=5), verdict(0, 2))
        self.ledger.activate(1)

    def test_attempts_are_counted(self):
        for attempt in (1, 2, 3, 4):
            self.ledger.count_attempt(1)
            self.assertEqual(self.ledger.attempts, attempt)
            self.check_survives()

    def test_counter_rises_on_confirmation_only(self):
        for transition in (
            lambda: None,
            lambda: self.ledger.count_attempt(1),
            lambda: self.ledger.note_trial(TRIAL_HUNG),
        ):
            transition()
            self.assertEqual(opened(self.flash).security_counter, 3)
        self.ledger.confirm(1)
        self.assertEqual(opened(self.flash).security_counter, 5)

    # how a start ended is written once, however often that is said
    def test_note_twice(self):
        self.ledger.count_attempt(1)
        self.ledger.note_trial(TRIAL_HUNG)
        operations = self.flash.operations
        self.ledger.note_trial(TRIAL_HUNG)
        self.assertEqual(self.flash.operations, operations)

    def test_counter_never_falls(self):
        self.ledger.confirm(1)
        upgrade(self.ledger, 3, counter=0)
        self.assertEqual(opened(self.flash).security_counter, 5)

    def test_revert(self):
        self.ledger.count_attempt(1)
        self.ledger.note_trial(TRIAL_CRASHED)
        self.assertEqual(opened(self.flash).trial_reason, TRIAL_CRASHED)
        self.ledger.revert(1, verdict(TRIAL_CRASHED, 2))
        self.assertEqual(states(self.ledger), [ledger.CONFIRMED, ledger.REVERTED])
        self.assertEqual((self.ledger.attempts, self.ledger.security_counter), (0, 3))
        self.assertEqual(self.ledger.verdict().reason, TRIAL_CRASHED)
        event = self.ledger.history()[-1]
        self.assertEqual((event.event, event.reason), (ledger.EVENT_REVERTED, TRIAL_CRASHED))
        self.assertEqual((event.from_version, event.to_version), (2, 1))
        self.assertEqual((event.from_hash, event.to_hash), (hash_of(2), hash_of(1)))
        # the slot is there for the next one, whose trial begins afresh
        self.assertEqual(self.ledger.free_slot(), 1)
        self.check_survives()
        self.ledger.stage(1, image(3), verdict(0, 3))
        self.ledger.activate(1)
        self.ledger.count_attempt(1)
        self.assertEqual((self.ledger.attempts, self.ledger.trial_reason), (1, 0))

    def test_previous_is_kept(self):
        self.ledger.count_attempt(1)
        self.ledger.confirm(1)
        self.assertEqual(states(self.ledger), [ledger.PREVIOUS, ledger.CONFIRMED])
        event = self.ledger.history()[-1]
        self.assertEqual((event.event, event.from_version, event.to_version), (1, 1, 2))

    def test_point_of_no_return(self):
        self.ledger.slots[1].point_of_no_return = True
        # not before it is confirmed
        self.ledger.count_attempt(1)
        self.assertEqual(states(self.ledger), [ledger.CONFIRMED, ledger.TRIAL])
        self.ledger.confirm(1)
        self.assertEqual(states(self.ledger), [ledger.EMPTY, ledger.CONFIRMED])
        self.check_survives()

    # what verifies no longer is still the device's firmware, and no other takes its place
    def test_damaged(self):
        held = self.ledger
        damage = lambda: held.damage(0, verdict(SLOT_DAMAGED, 1))  # noqa: E731
        for change, state in (
            (damage, ledger.DAMAGED),
            (lambda: held.repair(0), ledger.CONFIRMED),
        ):
            change()
            self.assertEqual(held.slots[0].state, state)
            self.assertEqual((held.confirmed(), held.free_slot()), (0, 1))
            self.check_survives()
            operations = self.flash.operations
            change()
            self.assertEqual(self.flash.operations, operations)
            self.assertEqual(held.last_event()[0], ledger.EVENT_DAMAGED)
        damage()
        # what is confirmed over it came from it, and cannot go back to it
        held.count_attempt(1)
        held.confirm(1)
        event = held.history()[-1]
        self.assertEqual((event.from_version, event.to_version), (1, 2))
        self.assertEqual(states(held), [ledger.EMPTY, ledger.CONFIRMED])

    def test_fall_back(self):
        self.ledger.count_attempt(1)
        self.ledger.confirm(1)
        self.ledger.fall_back(0, verdict(SLOT_DAMAGED, 2))
        self.assertEqual(states(self.ledger), [ledger.CONFIRMED, ledger.EMPTY])
        event = self.ledger.history()[-1]
        self.assertEqual((event.event, event.reason), (ledger.EVENT_FELL_BACK, SLOT_DAMAGED))
        self.assertEqual((event.from_version, event.to_version), (2, 1))
        self.check_survives()


class VerdictTest(LedgerTest):
    TABLE = (
        VerdictRecord(NOT_A_PREDECESSOR, -1, 2, None, 1, hash_of(1)),
        VerdictRecord(PAYLOAD_HASH, 0, 2, hash_of(2), 0, None),
        VerdictRecord(255, 0x7FFFFFFF, 0xFFFFFFFF, hash_of(2), 0xFFFFFFFF, hash_of(1), 0xFFFFFFFF),
        VerdictRecord(
            1, 0, 0, None, 0, None, 0, ((1, None), (2, hash_of(2)), (0xFFFFFFFF, None)), 3
        ),
        VerdictRecord(1, 0, 0, None, 0, None, 5, tuple([(n, hash_of(n)) for n in range(8)]), 8),
    )

    def check_equal(self, found, expected):
        for name in (
            "reason",
            "offset",
            "offered_version",
            "offered_hash",
            "running_version",
            "running_hash",
            "minimum_base_version",
            "accepts",
            "accepts_total",
        ):
            self.assertEqual((name, getattr(found, name)), (name, getattr(expected, name)))

    def test_round_trip(self):
        for expected in self.TABLE:
            self.ledger.record(expected)
            self.check_equal(self.ledger.verdict(), expected)
            self.check_equal(opened(self.flash).verdict(), expected)

    # more predecessors than are kept: how many there were is still known
    def test_many_predecessors(self):
        accepts = tuple([(n, None) for n in range(40)])
        for total, kept in ((40, 40), (1000, 255)):
            self.ledger.record(VerdictRecord(1, 0, 0, None, 0, None, 0, accepts, total))
            found = self.ledger.verdict()
            self.assertEqual(found.accepts, accepts[: ledger.ACCEPTS_KEPT])
            self.assertEqual(found.accepts_total, kept)

    # keys and lengths in an image may be larger than any offset
    def test_large_offset(self):
        for offset in (0x80000000, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFE):
            self.ledger.record(VerdictRecord(1, offset, 0, None, 0, None))
            self.assertEqual(self.ledger.verdict().offset, 0x7FFFFFFF)

    def test_survives_what_comes_after(self):
        self.ledger.record(self.TABLE[4])
        for number in range(1, 30):
            self.ledger.stage(0, image(number), self.TABLE[4])
            self.ledger.empty(0)
        self.check_equal(opened(self.flash).verdict(), self.TABLE[4])


class HistoryTest(LedgerTest):
    def test_chain(self):
        for number in range(1, HISTORY_KEPT + 10):
            upgrade(self.ledger, number)
        raw = Journal(self.flash.region(0, SECTORS)).history()
        events = opened(self.flash).history()
        self.assertEqual(len(events), HISTORY_KEPT)
        self.assertEqual([event.index for event in events], list(range(9, 9 + HISTORY_KEPT)))
        for at in range(1, len(events)):
            digest = hashlib.sha256(raw[at - 1][1]).digest()
            self.assertEqual(events[at].chain, digest)
            self.assertEqual(events[at].from_hash, events[at - 1].to_hash)
        self.check_survives()

    def test_first(self):
        upgrade(self.ledger, 1)
        (first,) = self.ledger.history()
        self.assertEqual((first.index, first.event, first.reason), (0, 1, 0))
        self.assertEqual((first.from_version, first.from_hash), (0, None))
        self.assertEqual((first.to_version, first.to_hash), (1, hash_of(1)))
        self.assertEqual(first.chain, bytes(32))


# An upgrade over image 1 and one that fails, transition by transition.
def transitions(held):
    return (
        lambda: held.stage(1, image(2, counter=2), verdict(0, 2)),
        lambda: held.activate(1),
        lambda: held.count_attempt(1),
        lambda: held.confirm(1),
        lambda: held.empty(0),
        lambda: held.stage(0, image(3, counter=3), verdict(0, 3)),
        lambda: held.activate(0),
        lambda: held.count_attempt(0),
        lambda: held.note_trial(TRIAL_HUNG),
        lambda: held.revert(0, verdict(TRIAL_HUNG, 3)),
        lambda: held.record(verdict(PAYLOAD_HASH, 4)),
        lambda: held.damage(1, verdict(SLOT_DAMAGED, 3)),
        lambda: held.keep_anchors({}),
    )


class PowerCutTest(LedgerTest):
    # Every flash operation of these is cut, at some octets of it: the ledger is as it was before
    # the transition, or as it is after it, verdict and history included.
    def test_every_operation(self):
        upgrade(self.ledger, 1, counter=1)
        known = [all_of(self.ledger)]
        for transition in transitions(self.ledger):
            transition()
            known.append(all_of(self.ledger))
        for cut_bytes in (0, 5, 60, 200):
            operation = 0
            while self.cut(operation, cut_bytes, known):
                operation += 1
            self.assertTrue(operation > 10, operation)

    # Whether there was anything to cut.
    def cut(self, operation, cut_bytes, known):
        flash = RamFlash(SECTORS)
        held = opened(flash)
        upgrade(held, 1, counter=1)
        flash.cut_at = flash.operations + operation
        flash.cut_bytes = cut_bytes
        done = 0
        try:
            for transition in transitions(held):
                transition()
                done += 1
            return False
        except PowerCut:
            flash.cut_at = -1
        found = opened(flash)
        self.assertTrue(all_of(found) in known[done : done + 2], (operation, cut_bytes))
        self.assertTrue(found.confirmed() >= 0)
        return True

    # A flash that takes nothing any more: what could not be written did not happen.
    def test_flash_fault(self):
        upgrade(self.ledger, 1)
        before = all_of(self.ledger)
        self.flash.stuck = range(SECTORS)
        for call, arguments in (
            (self.ledger.stage, (1, image(2), verdict(0, 2))),
            (self.ledger.empty, (0,)),
            (self.ledger.confirm, (1,)),
            (self.ledger.revert, (0, verdict(1, 1))),
        ):
            self.assertEqual(reason_of(call, *arguments), FLASH_FAULT)
            self.assertEqual(all_of(self.ledger), before)
        self.flash.stuck = ()
        self.assertEqual(all_of(opened(self.flash)), before)


if __name__ == "__main__":
    unittest.main()
