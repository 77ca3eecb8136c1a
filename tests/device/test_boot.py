# What starts: the image on trial three times at most, else the confirmed one, else the one before
# it; and nothing that does not verify.

import unittest

import cells
import flows
import images
from outcome import reason_of
from ramboard import MAP, Board, PowerCut

from hanbootloader import boot, policy, verify
from hanbootloader.device import Device
from hanbootloader.install import Installer
from hanbootloader.link import smp
from hanbootloader.link.groups.hanboot import HanbootGroup
from hanbootloader.reasons import (
    ACCEPTED,
    ANCHORS_LOCKED,
    ENVELOPE,
    FLASH_FAULT,
    MANUFACTURER_SIGNATURE,
    NOT_A_PREDECESSOR,
    PADDING,
    PAYLOAD_HASH,
    SECURITY_COUNTER,
    SLOT_DAMAGED,
    TRIAL_CRASHED,
    TRIAL_HUNG,
    TRIAL_NOT_STARTED,
    TRIAL_RUNNING,
    TRIAL_UNCONFIRMED,
    UNKNOWN_SIGNER,
)
from hanbootloader.store import ledger
from hanbootloader.store.flash import Region
from hanbootloader.trust import p256
from hanbootloader.trust.cell import SUPPLIER
from nor import SECTOR_BYTES

V1_0, V1_1, V1_2, V2_0 = images.V1_0, images.V1_1, images.V1_2, images.V2_0
CONFIRMED, TRIAL, PREVIOUS, REVERTED = (
    ledger.CONFIRMED,
    ledger.TRIAL,
    ledger.PREVIOUS,
    ledger.REVERTED,
)
EMPTY, PENDING, DAMAGED, STAGED = ledger.EMPTY, ledger.PENDING, ledger.DAMAGED, ledger.STAGED


class BootTest(unittest.TestCase):
    def setUp(self):
        self.board = flows.board_with("1.0.0")

    # Takes a release as far as its activation.
    def make_pending(self, name):
        flows.activate(self.board, name)
        device = self.board.device()
        self.assertEqual(device.ledger.slots[device.ledger.held()].state, PENDING)

    # A start: (file version that starts or None, slots)
    def start(self, hung=False):
        self.board.hung = hung
        self.device, chosen = flows.start(self.board)
        version = None
        if chosen is not None:
            index, content = chosen
            version = self.device.ledger.slots[index].file_version
            self.assertEqual(content.file_version, version)
        return version

    def check_start(self, version, slots, hung=False):
        self.assertEqual(self.start(hung), version)
        self.assertEqual(tuple(flows.slots(self.device)), slots)

    # Changes an octet of the image in a slot; at: negative from its end.
    def damage(self, slot, at):
        image = flows.start(self.board)[0].ledger.slots[slot].image_bytes
        place = MAP["slot%d" % slot][0] * 4096 + (at if at >= 0 else image + at)
        self.board.flash.cells[place] ^= 0x04

    def verdict(self):
        return self.board.device().ledger.verdict()

    # (event, reason, from, to) of the last event
    def last_event(self):
        event = self.board.device().ledger.history()[-1]
        return event.event, event.reason, event.from_version, event.to_version


class NothingTest(BootTest):
    def test_not_provisioned(self):
        self.board = Board()
        self.check_start(None, ((0, EMPTY), (0, EMPTY)))
        self.assertEqual(self.board.flash.operations, 0)

    def test_no_application(self):
        self.board = flows.board_with()
        self.check_start(None, ((0, EMPTY), (0, EMPTY)))

    # an image that was not activated does not start
    def test_staged(self):
        self.board = flows.board_with()
        device = self.board.device()
        installer = Installer(device)
        flows.send(installer, images.ota_image("1.0.0"))
        flows.verify(installer)
        self.check_start(None, ((V1_0, STAGED), (0, EMPTY)))


class ConfirmedTest(BootTest):
    def test_again_and_again(self):
        for _ in range(5):
            self.check_start(V1_0, ((V1_0, CONFIRMED), (0, EMPTY)))

    # a start that changes nothing writes nothing new, and erases nothing
    def test_costs_no_flash(self):
        self.start()
        before = images.sha256(self.board.flash.cells)
        erased = len(self.board.flash.erased)
        self.start()
        self.assertEqual(len(self.board.flash.erased), erased)
        self.assertEqual(images.sha256(self.board.flash.cells), before)

    # a verification takes long: the watchdog must know that it goes on
    def test_watchdog(self):
        fed = []
        self.board.watchdog = lambda: fed.append(1)
        self.start()
        self.assertTrue(len(fed) > 30, len(fed))

    # any octet of it: envelope, padding, payload
    def test_damaged_anywhere(self):
        for at in (0, 8, 10, 17, 30, 100, 150, -3001, -3000, -1500, -1):
            self.setUp()
            self.damage(0, at)
            self.check_start(None, ((V1_0, DAMAGED), (0, EMPTY)))
            verdict = self.verdict()
            self.assertEqual((verdict.reason, verdict.offered_version), (SLOT_DAMAGED, V1_0))
            self.assertEqual(verdict.offered_hash, images.image_hash("1.0.0"))
            # it stays so, at no further cost: last records and sector records once more
            operations = self.board.flash.operations
            self.start()
            self.assertTrue(self.board.flash.operations - operations <= 5)
            # whole again: it starts again
            self.damage(0, at)
            self.check_start(V1_0, ((V1_0, CONFIRMED), (0, EMPTY)))

    # an image is not damaged because the verifier is
    def test_verifier_fault(self):
        passes = p256.self_test
        p256.self_test = lambda: False
        try:
            self.check_start(None, ((V1_0, CONFIRMED), (0, EMPTY)))
        finally:
            p256.self_test = passes
        self.check_start(V1_0, ((V1_0, CONFIRMED), (0, EMPTY)))

    # nor does what another key signed start: the successor of the manufacturer's
    def test_another_key(self):
        first, count = MAP["anchors"]
        for sector in range(first, first + count):
            self.board.flash.erase(sector)
        held = cells.opened(Region(*self.board.region("anchors")))
        cells.put_into(held, cells.head("stranger"))
        self.check_start(None, ((V1_0, DAMAGED), (0, EMPTY)))
        self.assertEqual(self.verdict().reason, SLOT_DAMAGED)

    # that very image, sent once more, is the cure; no other is, but one that may follow it
    def test_cure(self):
        self.damage(0, -1)
        self.start()
        installer = Installer(self.device)
        flows.send(installer, images.ota_image("1.0.0"))
        flows.verify(installer)
        self.assertEqual(self.verdict().reason, ACCEPTED)
        installer.activate(images.image_hash("1.0.0"))
        self.check_start(V1_0, ((V1_0, DAMAGED), (V1_0, TRIAL)))
        self.device.ledger.confirm(1)
        self.check_start(V1_0, ((0, EMPTY), (V1_0, CONFIRMED)))

    def test_successor_of_a_damaged_one(self):
        self.damage(0, -1)
        self.start()
        flows.install(self.board, "1.1.0")
        self.check_start(V1_1, ((0, EMPTY), (V1_1, CONFIRMED)))


class TrialTest(BootTest):
    def setUp(self):
        BootTest.setUp(self)
        self.make_pending("1.1.0")

    def check_reverted(self, reason):
        self.check_start(V1_0, ((V1_0, CONFIRMED), (V1_1, REVERTED)))
        verdict = self.verdict()
        self.assertEqual((verdict.reason, verdict.offered_version), (reason, V1_1))
        self.assertEqual(verdict.offered_hash, images.image_hash("1.1.0"))
        self.assertEqual(verdict.running_version, V1_0)
        self.assertEqual(self.last_event(), (ledger.EVENT_REVERTED, reason, V1_1, V1_0))
        # and it stays with that
        self.check_start(V1_0, ((V1_0, CONFIRMED), (V1_1, REVERTED)))

    def test_three_starts(self):
        for attempt in (1, 2, 3):
            self.check_start(V1_1, ((V1_0, CONFIRMED), (V1_1, TRIAL)))
            self.assertEqual(self.device.ledger.attempts, attempt)
        self.check_reverted(TRIAL_NOT_STARTED)

    # how the last of them ended
    def test_how_they_ended(self):
        for reason in (TRIAL_CRASHED, TRIAL_UNCONFIRMED):
            self.setUp()
            for _ in range(3):
                self.start()
                self.device.ledger.note_trial(reason)
            self.check_reverted(reason)

    def test_hung(self):
        self.start()
        self.start(hung=True)
        self.start(hung=True)
        self.board.hung = True
        self.check_reverted(TRIAL_HUNG)

    # the watchdog that bit before the trial has nothing to do with it
    def test_hung_before(self):
        self.check_start(V1_1, ((V1_0, CONFIRMED), (V1_1, TRIAL)), hung=True)
        self.assertEqual(self.device.ledger.trial_reason, 0)

    def test_confirm(self):
        for starts in (1, 2, 3):
            self.setUp()
            for _ in range(starts):
                self.start()
            self.device.ledger.confirm(1)
            for _ in range(4):
                self.check_start(V1_1, ((V1_0, PREVIOUS), (V1_1, CONFIRMED)))
            self.assertEqual(self.last_event(), (ledger.EVENT_CONFIRMED, 0, V1_0, V1_1))

    # a reverted image can be sent again, and has its three starts again
    def test_second_try(self):
        for _ in range(3):
            self.start()
        self.check_reverted(TRIAL_NOT_STARTED)
        self.make_pending("1.1.0")
        for attempt in (1, 2, 3):
            self.check_start(V1_1, ((V1_0, CONFIRMED), (V1_1, TRIAL)))
            self.assertEqual(self.device.ledger.attempts, attempt)

    # a first image has nothing to go back to
    def test_first_image(self):
        self.board = flows.board_with()
        self.make_pending("1.0.0")
        for _ in range(3):
            self.check_start(V1_0, ((V1_0, TRIAL), (0, EMPTY)))
        self.check_start(None, ((V1_0, REVERTED), (0, EMPTY)))
        self.assertEqual(self.verdict().reason, TRIAL_NOT_STARTED)
        flows.install(self.board, "1.0.0")
        self.check_start(V1_0, ((V1_0, CONFIRMED), (0, EMPTY)))


class BadPendingTest(BootTest):
    # An octet changed after it was verified: it never starts.
    def test_damaged(self):
        envelope_bytes = len(images.manufacturer_image("1.1.0")) - 5000
        for at, reason in (
            (0, ENVELOPE),
            (9, UNKNOWN_SIGNER),
            (-5001, PADDING),
            (-5000, PAYLOAD_HASH),
            (-1, PAYLOAD_HASH),
        ):
            for trials in (0, 1):
                self.setUp()
                self.make_pending("1.1.0")
                # before the first start, or between two
                for _ in range(trials):
                    self.assertEqual(self.start(), V1_1)
                slot = MAP["slot1"][0] * 4096
                self.board.flash.cells[slot + (at if at >= 0 else envelope_bytes + 5000 + at)] ^= 1
                self.check_start(V1_0, ((V1_0, CONFIRMED), (V1_1, REVERTED)))
                self.assertEqual((at, self.verdict().reason), (at, reason))

    def test_signature(self):
        self.make_pending("1.1.0")
        envelope = images.manufacturer_image("1.1.0")
        at = envelope.find(images.signature("1.1.0"))
        self.board.flash.cells[MAP["slot1"][0] * 4096 + at] ^= 1
        self.check_start(V1_0, ((V1_0, CONFIRMED), (V1_1, REVERTED)))
        self.assertEqual(self.verdict().reason, MANUFACTURER_SIGNATURE)

    # nothing is wrong with an image because the verifier is
    def test_verifier_fault(self):
        for trials in (0, 1):
            self.setUp()
            self.make_pending("1.1.0")
            for _ in range(trials):
                self.start()
            passes = p256.self_test
            p256.self_test = lambda: False
            try:
                state = TRIAL if trials else PENDING
                self.check_start(None, ((V1_0, CONFIRMED), (V1_1, state)))
            finally:
                p256.self_test = passes
            self.check_start(V1_1, ((V1_0, CONFIRMED), (V1_1, TRIAL)))

    # a manufacturer's cell that cannot be read says nothing about an image, either
    def test_no_anchor(self):
        self.make_pending("1.1.0")
        at = 2 * SECTOR_BYTES
        self.assertEqual(bytes(self.board.flash.cells[at : at + 4]), b"HBAC")
        self.board.flash.cells[at + 20] ^= 1
        self.check_start(None, ((V1_0, CONFIRMED), (V1_1, PENDING)))
        self.board.flash.cells[at + 20] ^= 1
        self.check_start(V1_1, ((V1_0, CONFIRMED), (V1_1, TRIAL)))

    # The decision once more, over what runs now: what it may follow may have changed.
    def test_no_longer_allowed(self):
        for change, reason in (
            (("file_version", V2_0), NOT_A_PREDECESSOR),
            (("state", EMPTY), NOT_A_PREDECESSOR),
        ):
            self.setUp()
            self.make_pending("1.1.0")
            device = self.board.device()
            setattr(device.ledger.slots[0], *change)
            self.assertIsNone(boot._choose_new(device))
            self.assertEqual(device.ledger.verdict().reason, reason)
            self.assertEqual(device.ledger.slots[1].state, REVERTED)

    def test_security_counter(self):
        self.make_pending("1.1.0")
        device = self.board.device()
        device.ledger.security_counter = 2
        self.assertIsNone(boot._choose_new(device))
        self.assertEqual(device.ledger.verdict().reason, SECURITY_COUNTER)


class CounterTest(BootTest):
    # never before it is confirmed: a revert must find the older image allowed
    def test_rises_on_confirmation_only(self):
        flows.install(self.board, "1.1.0")
        self.make_pending("2.0.0")
        for _ in range(3):
            self.assertEqual(self.start(), V2_0)
            self.assertEqual(self.device.ledger.security_counter, 1)
        self.assertEqual(self.start(), V1_1)
        self.assertEqual(self.device.ledger.security_counter, 1)
        flows.install(self.board, "2.0.0")
        self.assertEqual(self.board.device().ledger.security_counter, 2)


class FallBackTest(BootTest):
    # The confirmed image is damaged: back to the one before, whatever the pathway says.
    def test_previous(self):
        flows.install(self.board, "1.1.0")
        self.damage(1, -1)
        self.check_start(V1_0, ((V1_0, CONFIRMED), (0, EMPTY)))
        self.assertEqual(self.verdict().reason, SLOT_DAMAGED)
        event = (ledger.EVENT_FELL_BACK, SLOT_DAMAGED, V1_1, V1_0)
        self.assertEqual(self.last_event(), event)
        self.check_start(V1_0, ((V1_0, CONFIRMED), (0, EMPTY)))
        # and up again
        flows.install(self.board, "1.1.0")
        self.check_start(V1_1, ((V1_0, PREVIOUS), (V1_1, CONFIRMED)))

    def test_both_damaged(self):
        flows.install(self.board, "1.1.0")
        self.damage(1, -1)
        place = MAP["slot0"][0] * 4096
        self.board.flash.cells[place + 200] ^= 1
        self.check_start(None, ((V1_0, PREVIOUS), (V1_1, DAMAGED)))
        self.assertEqual(self.verdict().reason, SLOT_DAMAGED)

    # an image that raised the counter, or was a point of no return, leaves no way back
    def test_no_way_back(self):
        flows.install(self.board, "1.1.0")
        flows.install(self.board, "2.0.0")
        self.damage(0, -1)
        self.check_start(None, ((V2_0, DAMAGED), (V1_1, PREVIOUS)))
        self.board = flows.board_with("1.0.0", "1.1.0")
        flows.install(self.board, "2.1.0")
        self.assertEqual(flows.slots(self.board.device())[1], (0, EMPTY))
        self.damage(0, -1)
        self.check_start(None, ((images.V2_1, DAMAGED), (0, EMPTY)))

    # an image that failed its trial is no way back
    def test_not_to_a_reverted_one(self):
        self.make_pending("1.1.0")
        for _ in range(4):
            self.start()
        self.damage(0, -1)
        self.check_start(None, ((V1_0, DAMAGED), (V1_1, REVERTED)))

    # a point of no return is one only once it is confirmed
    def test_unconfirmed_point_of_no_return(self):
        flows.install(self.board, "1.1.0")
        self.make_pending("2.1.0")
        for _ in range(3):
            self.assertEqual(self.start(), images.V2_1)
        self.assertEqual(self.start(), V1_1)


# The manufacturer's key has a successor. The old one vouches for what was confirmed under it, and
# for nothing else.
class RotationTest(BootTest):
    def rotate(self):
        device = self.board.device()
        signature = images.signature("next manufacturer, manufacturer")
        self.assertTrue(cells.put(device, "next manufacturer", signature))

    def test_what_is_confirmed_goes_on(self):
        self.rotate()
        self.check_start(V1_0, ((V1_0, CONFIRMED), (0, EMPTY)))

    # other bytes under the same signature are another image: the hash tells
    def test_exactly_what_is_confirmed(self):
        self.rotate()
        device = self.board.device()
        result = policy.VerificationResult()
        for digest, known in ((images.image_hash("1.0.0"), True), (bytes(32), False)):
            flows.finish(verify.image_steps(device.image(0), device.anchors, result, digest))
            self.assertEqual((known, result.signer_known), (known, known))
        flows.finish(verify.image_steps(device.image(0), device.anchors, result, None))
        self.assertFalse(result.signer_known)

    def test_an_offer_under_the_old_key(self):
        self.rotate()
        installer = Installer(self.board.device())
        erased = len(self.board.flash.erased)
        reason = reason_of(flows.send, installer, images.ota_image("1.1.0"))
        self.assertEqual(reason, UNKNOWN_SIGNER)
        # nothing is erased for it
        self.assertEqual(len(self.board.flash.erased), erased)

    def test_an_offer_under_the_new_one(self):
        self.rotate()
        flows.install(self.board, "1.1.0 next")
        self.check_start(V1_1, ((V1_0, PREVIOUS), (V1_1, CONFIRMED)))

    # back to the image before, which only the old key signed
    def test_back_to_the_previous_one(self):
        self.rotate()
        flows.install(self.board, "1.1.0 next")
        self.damage(1, -1)
        self.check_start(V1_0, ((V1_0, CONFIRMED), (0, EMPTY)))

    # what was staged before, and not confirmed, does not start
    def test_what_was_staged(self):
        self.make_pending("1.1.0")
        self.rotate()
        self.check_start(V1_0, ((V1_0, CONFIRMED), (V1_1, REVERTED)))
        self.assertEqual(self.verdict().reason, UNKNOWN_SIGNER)

    def test_not_in_a_trial(self):
        self.make_pending("1.1.0")
        self.check_start(V1_1, ((V1_0, CONFIRMED), (V1_1, TRIAL)))
        signature = images.signature("next manufacturer, manufacturer")
        reason = reason_of(cells.put, self.device, "next manufacturer", signature)
        self.assertEqual(reason, TRIAL_RUNNING)

    # The old cell does not come back, wherever it is written, once its successor is remembered.
    def test_lost_successor(self):
        self.rotate()
        first, count = MAP["anchors"]
        for sector in range(first, first + count):
            octets = bytes(self.board.flash.cells[sector * 4096 : sector * 4096 + 96])
            if octets[16:80] == images.key("next manufacturer"):
                self.board.flash.cells[sector * 4096 + 20] ^= 1
        self.check_start(None, ((V1_0, CONFIRMED), (0, EMPTY)))
        self.assertEqual(reason_of(cells.put, self.device, "manufacturer"), ANCHORS_LOCKED)

    # Beginning a published successor again and again wears no flash.
    def test_again_and_again(self):
        self.rotate()
        signature = images.signature("next manufacturer, manufacturer")
        device = self.board.device()
        operations = self.board.flash.operations
        for _ in range(3):
            self.assertFalse(cells.put(device, "next manufacturer", signature))
            self.assertEqual(reason_of(cells.put, device, "manufacturer"), ANCHORS_LOCKED)
        self.assertEqual(self.board.flash.operations, operations)


# One start's word is not enough for what cannot be undone.
class DoubtTest(BootTest):
    # what a start does: "restart", or the version that it starts
    def once(self):
        device = Device(self.board)
        chosen = boot.choose(device)
        if device.doubts.needs_restart:
            return "restart"
        return None if chosen is None else device.ledger.slots[chosen[0]].file_version

    def test_confirmed_image(self):
        at = MAP["slot0"][0] * 4096 + 300
        self.board.flash.cells[at] ^= 1
        before = self.board.device().ledger.slots[0].pack()
        self.assertEqual(self.once(), "restart")
        self.assertEqual(self.board.device().ledger.slots[0].pack(), before)
        # it reads right again
        self.board.flash.cells[at] ^= 1
        self.assertEqual(self.once(), V1_0)
        # and wrong: that is the first time again
        self.board.flash.cells[at] ^= 1
        self.assertEqual(self.once(), "restart")
        self.assertIsNone(self.once())
        self.assertEqual(self.board.device().ledger.slots[0].state, DAMAGED)

    def test_pending_image(self):
        self.make_pending("1.1.0")
        at = MAP["slot1"][0] * 4096 + 300
        self.board.flash.cells[at] ^= 1
        self.assertEqual(self.once(), "restart")
        self.board.flash.cells[at] ^= 1
        self.assertEqual(self.once(), V1_1)

    # The one before is read wrong in the very start that gives the confirmed one up.
    def test_previous_image(self):
        flows.install(self.board, "1.1.0")
        self.damage(1, -1)
        self.assertEqual(self.once(), "restart")
        at = MAP["slot0"][0] * 4096 + 300
        self.board.flash.cells[at] ^= 1
        self.assertEqual(self.once(), "restart")
        self.board.flash.cells[at] ^= 1
        # a start in doubt changes nothing
        slots = flows.slots(self.board.device())
        self.assertEqual(slots, [(V1_0, PREVIOUS), (V1_1, CONFIRMED)])
        self.assertEqual(self.once(), V1_0)
        slots = flows.slots(self.board.device())
        self.assertEqual(slots, [(V1_0, CONFIRMED), (0, EMPTY)])
        self.check_no_notes()

    # What was acted upon is in doubt no longer.
    def test_notes_end(self):
        self.make_pending("1.1.0")
        self.damage(1, -1)
        self.assertEqual((self.once(), self.once()), ("restart", V1_0))
        self.assertEqual(flows.slots(self.board.device())[1], (V1_1, REVERTED))
        self.check_no_notes()
        self.damage(0, -1)
        self.assertEqual((self.once(), self.once()), ("restart", None))
        self.assertEqual(flows.slots(self.board.device())[0], (V1_0, DAMAGED))
        self.check_no_notes()

    def check_no_notes(self):
        self.assertEqual(self.board.device().doubts._noted, [])

    # Nothing is in doubt because the verifier is at fault: the link is served at once.
    def test_verifier_fault(self):
        passes = p256.self_test
        p256.self_test = lambda: False
        try:
            self.assertIsNone(self.once())
        finally:
            p256.self_test = passes
        self.check_no_notes()
        self.assertEqual(self.once(), V1_0)

    # What was noted of an image is no word on the next one in its slot.
    def test_next_image_in_the_slot(self):
        flows.install(self.board, "1.1.0")
        self.damage(1, -1)
        at = MAP["slot0"][0] * 4096 + 1000
        self.board.flash.cells[at] ^= 1
        # both are given up; the one before stays where it is, and in doubt
        while self.once() == "restart":
            pass
        self.assertEqual(flows.slots(self.board.device()), [(V1_0, PREVIOUS), (V1_1, DAMAGED)])
        self.make_pending("1.1.0")
        self.board.flash.cells[at] ^= 1
        self.assertEqual(self.once(), "restart")
        self.board.flash.cells[at] ^= 1
        self.assertEqual(self.once(), V1_1)

    # Nor what was noted of a trust anchor's place on the cell that is written there, wherever power
    # fails meanwhile.
    def test_next_cell_in_the_place(self):
        device = self.board.device()
        for place in range(2, 8):
            device.ledger._backup.note_worn(place)
        at = MAP["anchors"][0] * SECTOR_BYTES + 20
        self.board.flash.cells[at] ^= 1
        while self.once() == "restart":
            pass
        self.board.device()
        octets = bytes(self.board.flash.cells)
        signature = images.signature("next supplier, manufacturer")
        whole = operation = 0
        while True:
            self.board.flash.cells[:] = octets
            device = self.board.device()
            self.board.flash.cut_at = self.board.flash.operations + operation
            try:
                cells.put(device, "next supplier", signature)
                break
            except PowerCut:
                operation += 1
            self.board.flash.cut_at = -1
            cut = bytes(self.board.flash.cells)
            held = self.board.device().anchors.cell(SUPPLIER)
            if held is None:
                continue
            # the same with one start that reads it wrong
            whole += 1
            self.board.flash.cells[:] = cut
            self.board.flash.cells[at] ^= 1
            self.once()
            self.board.flash.cells[at] ^= 1
            self.assertEqual(self.board.device().anchors.cell(SUPPLIER).head, held.head)
        self.assertTrue(whole > 1, whole)

    # The newest record, the sector record, an anchor's head: nothing is given up at the first look.
    def test_journal_and_anchors(self):
        journal = MAP["journal"][0] * 4096
        newest = max([at for at in range(4096) if self.board.flash.cells[journal + at] != 0xFF])
        for at in (journal, journal + 4, journal + newest - 30, MAP["anchors"][0] * 4096 + 20):
            for bit in range(8):
                before = flows.slots(self.board.device()), self.board.device().ledger.is_locked
                self.board.flash.cells[at] ^= 1 << bit
                self.assertEqual((at, bit, self.once()), (at, bit, "restart"))
                self.board.flash.cells[at] ^= 1 << bit
                self.assertEqual(self.once(), V1_0)
                device = self.board.device()
                self.assertEqual((flows.slots(device), device.ledger.is_locked), before)

    # Where a note cannot be kept, the device does not restart for ever.
    def test_worn_backup(self):
        first, count = MAP["backup"]
        self.board.flash.stuck = range(first, first + count)
        self.board.flash.cells[MAP["slot0"][0] * 4096 + 300] ^= 1
        self.assertIsNone(self.once())

    # A journal that is lost as a whole takes neither counter nor lock with it.
    def test_lost_journal(self):
        first, count = MAP["journal"]
        for sector in range(first, first + count):
            self.board.flash.erase(sector)
        device = self.board.device()
        self.assertEqual((device.ledger.security_counter, device.ledger.is_locked), (1, True))


class FlashFaultTest(BootTest):
    # A journal that takes nothing more does not keep a device from starting what was confirmed.
    def test_journal_stuck(self):
        first, count = MAP["journal"]
        self.make_pending("1.1.0")
        self.board.flash.stuck = range(first, first + count)
        self.assertEqual(self.start(), V1_0)
        # and the image that was to start, whose start cannot be counted, says so
        event, verdict = self.device.ledger.last_event()
        self.assertEqual((event, verdict.reason), (ledger.EVENT_NOT_STARTED, FLASH_FAULT))
        self.assertEqual((verdict.offered_version, verdict.running_version), (V1_1, V1_0))
        self.assertEqual(verdict.offered_hash, images.image_hash("1.1.0"))
        # over the link: an event, and the verdict on the offer stays what it was
        group = HanbootGroup(self.device, Installer(self.device))
        read = group.commands()[1][0]
        reply = read(smp.Request(smp.READ, {"event": True}))
        self.assertEqual((reply["kind"], reply["reason"]), ("not started", FLASH_FAULT))
        self.assertEqual(read(smp.Request(smp.READ, {}))["reason"], ACCEPTED)

    # A way back that the journal did not take: what runs is not written over all the same.
    def test_started_is_not_written(self):
        flows.install(self.board, "1.1.0")
        self.damage(1, -1)
        first, count = MAP["journal"]
        self.board.flash.stuck = range(first, first + count)
        self.assertEqual(self.start(), V1_0)
        self.board.flash.stuck = ()
        self.assertEqual(self.device.started, self.device.ledger.free_slot())
        installer = Installer(self.device)
        self.assertEqual(reason_of(installer.begin, 1000, None), TRIAL_RUNNING)

    # nor does it where it was stuck before it could remember that the device is provisioned
    def test_journal_stuck_from_the_beginning(self):
        self.board = Board()
        held = cells.opened(Region(*self.board.region("anchors")))
        for name in ("supplier", "manufacturer"):
            cells.put_into(held, cells.head(name))
        first, count = MAP["journal"]
        self.board.flash.stuck = range(first, first + count)
        self.assertIsNone(self.start())
        self.assertTrue(self.device.anchors.is_provisioned)
        self.assertFalse(self.device.ledger.is_locked)


class PowerCutTest(BootTest):
    # Power fails at each flash operation of a whole upgrade: the device starts 1.0.0 or 1.1.0, and
    # the upgrade can be done again.
    def test_every_operation(self):
        operation = 0
        while self.cut(operation):
            operation += 1
        # erases and pages of the slot, and six records
        self.assertTrue(operation > 30, operation)

    def cut(self, operation):
        for cut_bytes in (0, 130):
            board = self.restored()
            board.flash.cut_at = board.flash.operations + operation
            board.flash.cut_bytes = cut_bytes
            try:
                flows.install(board, "1.1.0")
                return False
            except PowerCut:
                board.flash.cut_at = -1
            device, chosen = flows.start(board)
            self.assertTrue(chosen is not None, operation)
            version = device.ledger.slots[chosen[0]].file_version
            self.assertTrue(version in (V1_0, V1_1), operation)
            if device.ledger.find(TRIAL) >= 0:
                device.ledger.confirm(chosen[0])
            if version == V1_0:
                flows.install(board, "1.1.0")
            device, chosen = flows.start(board)
            self.assertEqual(flows.confirmed(device), (V1_1, images.image_hash("1.1.0")))
            self.assertEqual(device.ledger.security_counter, 1)
        return True

    # The board of setUp, as it was then.
    def restored(self):
        if not hasattr(self, "octets"):
            self.octets = bytes(self.board.flash.cells)
        self.board.flash.cells[:] = self.octets
        return self.board


if __name__ == "__main__":
    unittest.main()
