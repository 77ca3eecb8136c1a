# Activation of what is staged.

import unittest

import flows
import images
from install_rig import V1_0, V1_1, V2_0, InstallTest
from outcome import reason_of
from ramboard import MAP

from hanbootloader.reasons import (
    ACCEPTED,
    HASH_MISMATCH,
    NO_IMAGE_HELD,
    NO_LONGER_ALLOWED,
    PAYLOAD_HASH,
)
from hanbootloader.store import ledger


class ActivateTest(InstallTest):
    HASH = images.image_hash("1.1.0")

    def activate(self, wanted):
        reason = reason_of(self.installer.activate, wanted)
        if reason:
            event, verdict = self.device.ledger.last_event()
            self.assertEqual(event, ledger.EVENT_NOT_ACTIVATED)
            self.assertEqual((verdict.reason, verdict.offered_hash), (reason, wanted))
            self.assertIsNone(self.board.device().ledger.last_event())
        return reason

    # GBCS CS06: no image held, hash differs
    def test_order(self):
        self.assertEqual(self.activate(self.HASH), NO_IMAGE_HELD)
        self.offer("1.1.0")
        self.assertEqual(self.activate(bytes(32)), HASH_MISMATCH)
        self.assertEqual(self.activate(images.image_hash("1.1.0 rebuilt")), HASH_MISMATCH)
        self.check_slots((V1_0, ledger.CONFIRMED), (V1_1, ledger.STAGED))
        self.assertEqual(self.activate(self.HASH), ACCEPTED)
        self.check_slots((V1_0, ledger.CONFIRMED), (V1_1, ledger.PENDING))

    def test_twice(self):
        self.offer("1.1.0")
        self.activate(self.HASH)
        operations = self.board.flash.operations
        self.assertEqual(self.activate(self.HASH), ACCEPTED)
        self.assertEqual(self.board.flash.operations, operations)

    def test_no_longer_allowed(self):
        self.offer("1.1.0")
        for version, image_hash in ((V2_0, bytes(32)), (V1_1, self.HASH)):
            running = self.device.ledger.slots[0]
            running.file_version, running.image_hash = version, image_hash
            self.assertEqual(self.activate(self.HASH), NO_LONGER_ALLOWED)
        # with the remedy
        self.assertEqual(self.device.ledger.last_event()[1].accepts, ((V1_0, None),))

    # a stray command: what was refused, and why, stays
    def test_does_not_cost_the_verdict(self):
        self.offer("2.0.0")
        before = self.device.ledger.verdict().pack()
        for wanted in (bytes(32), self.HASH):
            operations = self.board.flash.operations
            self.assertEqual(reason_of(self.installer.activate, wanted), NO_IMAGE_HELD)
            self.assertEqual(self.board.flash.operations, operations)
            for held in (self.device.ledger, self.board.device().ledger):
                self.assertEqual(held.verdict().pack(), before)
                self.assertEqual(held.offer().pack(), before)

    # a wish while it is verified comes true when it is accepted, and only then
    def test_while_it_is_verified(self):
        flows.send(self.installer, images.ota_image("1.1.0"))
        self.assertFalse(self.installer.will_activate())
        self.assertEqual(self.activate(self.HASH), ACCEPTED)
        self.assertTrue(self.installer.will_activate())
        self.check_slots((V1_0, ledger.CONFIRMED), (0, ledger.EMPTY))
        flows.verify(self.installer)
        self.check_slots((V1_0, ledger.CONFIRMED), (V1_1, ledger.PENDING))
        self.assertEqual(self.device.ledger.verdict().reason, ACCEPTED)

    def test_while_another_is_verified(self):
        flows.send(self.installer, images.ota_image("1.1.0"))
        self.assertEqual(self.activate(bytes(32)), NO_IMAGE_HELD)
        flows.verify(self.installer)
        self.check_slots((V1_0, ledger.CONFIRMED), (V1_1, ledger.STAGED))

    def test_wish_for_a_bad_image(self):
        octets = bytearray(images.ota_image("1.1.0"))
        octets[-1] ^= 1
        flows.send(self.installer, octets)
        self.activate(images.sha256(octets[60:]))
        flows.verify(self.installer)
        self.assertEqual(self.device.ledger.verdict().reason, PAYLOAD_HASH)
        self.check_slots((V1_0, ledger.CONFIRMED), (0, ledger.EMPTY))
        # nor for the next one
        self.assertEqual(self.offer("1.1.0"), ACCEPTED)
        self.check_slots((V1_0, ledger.CONFIRMED), (V1_1, ledger.STAGED))

    # an octet of it changed in flash since: it does not read, or boot will find it out
    def test_damaged_since(self):
        self.offer("1.1.0")
        at = MAP["slot1"][0] * 4096
        self.board.flash.cells[at] ^= 1
        self.assertTrue(self.activate(self.HASH) != ACCEPTED)
        self.check_slots((V1_0, ledger.CONFIRMED), (V1_1, ledger.STAGED))


if __name__ == "__main__":
    unittest.main()
