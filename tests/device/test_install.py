# Installation: what is accepted, what is refused and why, and how much memory it takes.

import unittest

import flows
import images
from install_rig import SHA, V1_0, V1_1, InstallTest
from memory import Meter
from outcome import reason_of
from ramboard import MAP, Board, erases

from hanbootloader import policy
from hanbootloader.image import cose
from hanbootloader.install import IDLE, RECEIVING, VERIFYING, Installer
from hanbootloader.reasons import (
    ACCEPTED,
    ALREADY_RUNNING,
    BELOW_MINIMUM_BASE,
    FLASH_FAULT,
    MANUFACTURER_SIGNATURE,
    NOT_A_PREDECESSOR,
    NOT_PROVISIONED,
    SUPPLIER_MISSING,
    SUPPLIER_SIGNATURE,
    TRIAL_CRASHED,
    TRIAL_RUNNING,
    UNKNOWN_SIGNER,
    VERIFIER_FAULT,
    Refused,
)
from hanbootloader.store import ledger
from hanbootloader.trust import p256
from hanbootloader.verify import AnchorKeys

_STEPS = AnchorKeys.manufacturer_steps, AnchorKeys.supplier_steps


class AcceptedTest(InstallTest):
    def test_whole_way(self):
        octets = images.ota_image("1.1.0")
        self.assertEqual(self.installer.progress(), (IDLE, 0, 0))
        self.assertEqual(self.installer.begin(len(octets), SHA), 0)
        self.assertEqual(self.installer.progress(), (RECEIVING, 0, len(octets)))
        self.assertEqual(self.write(0, memoryview(octets)[:1000]), 1000)
        self.assertEqual(self.installer.progress(), (RECEIVING, 1000, len(octets)))
        self.assertEqual(self.write(1000, memoryview(octets)[1000:]), len(octets))
        self.assertEqual(self.installer.progress(), (VERIFYING, len(octets), len(octets)))
        self.assertEqual(self.installer.arriving(), (V1_1, images.image_hash("1.1.0")))
        # nothing counts before it is verified
        self.check_slots((V1_0, ledger.CONFIRMED), (0, ledger.EMPTY))
        flows.verify(self.installer)
        self.assertEqual(self.installer.progress(), (IDLE, 0, 0))
        self.assertIsNone(self.installer.arriving())
        self.check_slots((V1_0, ledger.CONFIRMED), (V1_1, ledger.STAGED))
        self.assertEqual(self.device.image(1), images.manufacturer_image("1.1.0"))
        self.installer.activate(images.image_hash("1.1.0"))
        self.check_slots((V1_0, ledger.CONFIRMED), (V1_1, ledger.PENDING))

    def test_verdict(self):
        self.assertEqual(self.offer("1.1.0"), ACCEPTED)
        for device in (self.device, self.board.device()):
            verdict = device.ledger.verdict()
            self.assertEqual(verdict.offered_version, V1_1)
            self.assertEqual(verdict.offered_hash, images.image_hash("1.1.0"))
            self.assertEqual(verdict.running_version, V1_0)
            self.assertEqual(verdict.running_hash, images.image_hash("1.0.0"))
            self.assertEqual(verdict.accepts, ())

    def test_any_pieces(self):
        octets = images.ota_image("1.1.0")
        for piece_bytes in (1, 59, 60, 61, 80, 256, 381, 1000, len(octets)):
            self.use(flows.board_with("1.0.0"))
            flows.send(self.installer, octets, piece_bytes)
            flows.verify(self.installer)
            self.assertEqual(self.device.ledger.held(), 1)
            self.assertEqual(self.device.image(1), images.manufacturer_image("1.1.0"))

    # budget: one erase for each sector of the slot that is used, two for the journal
    def test_erases(self):
        for name in ("1.1.0", "1.2.0", "2.0.0"):
            self.use(flows.board_with("1.0.0"))
            if name != "1.1.0":
                flows.install(self.board, "1.1.0")
            before = len(self.board.flash.erased)
            journal = erases(self.board, "journal")
            flows.install(self.board, name)
            used = -(-len(images.manufacturer_image(name)) // 4096)
            journal = erases(self.board, "journal") - journal
            self.assertTrue(journal <= 2, journal)
            self.assertEqual(len(self.board.flash.erased) - before, used + journal)

    # The link is served in between: many short steps, for each of the two signatures.
    def test_verification_is_in_steps(self):
        octets = memoryview(images.ota_image("1.1.0", "supplier"))
        self.installer.begin(len(octets), SHA)
        steps = [None for _ in self.installer.write_steps(0, octets)]
        self.assertTrue(len(steps) > 30, len(steps))
        steps = 0
        while self.installer.busy:
            self.assertEqual(self.device.ledger.held(), -1)
            self.assertTrue(self.installer.step())
            steps += 1
        self.assertTrue(steps > 30, steps)
        self.assertEqual(self.device.ledger.held(), 1)
        self.assertFalse(self.installer.step())

    # what is staged is replaced by the next image, once that one's manifest is allowed
    def test_next_image_replaces_it(self):
        self.offer("1.1.0")
        octets = images.ota_image("1.1.0 rebuilt")
        envelope_bytes = cose.envelope_bytes(octets[60:])
        self.installer.begin(len(octets), None)
        for at in range(60 + envelope_bytes):
            self.check_slots((V1_0, ledger.CONFIRMED), (V1_1, ledger.STAGED))
            self.write(at, memoryview(octets)[at : at + 1])
        self.check_slots((V1_0, ledger.CONFIRMED), (0, ledger.EMPTY))
        flows.send(self.installer, octets)
        flows.verify(self.installer)
        self.assertEqual(self.device.ledger.slots[1].image_hash, images.image_hash("1.1.0 rebuilt"))

    def test_refused_image_leaves_it(self):
        self.offer("1.1.0")
        for name, reason in (
            ("2.0.0", BELOW_MINIMUM_BASE),
            ("stranger's", UNKNOWN_SIGNER),
            ("forged", MANUFACTURER_SIGNATURE),
        ):
            self.assertEqual(self.offer(name), reason)
            self.assertEqual(self.device.image(1), images.manufacturer_image("1.1.0"))
        self.installer.activate(images.image_hash("1.1.0"))
        self.check_slots((V1_0, ledger.CONFIRMED), (V1_1, ledger.PENDING))

    def test_erase(self):
        self.offer("1.1.0")
        self.installer.erase()
        self.check_slots((V1_0, ledger.CONFIRMED), (0, ledger.EMPTY))
        # while it arrives, and while it is verified
        octets = images.ota_image("1.1.0")
        for end in (0, 1000, len(octets)):
            self.installer.begin(len(octets), SHA)
            self.write(0, memoryview(octets)[:end])
            self.installer.erase()
            self.assertEqual(self.installer.state, IDLE)
            self.assertFalse(self.installer.step())
        self.assertEqual(self.offer("1.1.0", sha=SHA), ACCEPTED)

    # nothing is held: what runs is not touched, whichever slot it is in; and what is held in the
    # first slot goes as well
    def test_erase_in_either_slot(self):
        self.use(flows.board_with("1.0.0", "1.1.0"))
        self.installer.erase()
        self.check_slots((V1_0, ledger.PREVIOUS), (V1_1, ledger.CONFIRMED))
        self.assertEqual(self.offer("2.0.0"), ACCEPTED)
        self.assertEqual(self.device.ledger.held(), 0)
        self.installer.erase()
        self.check_slots((0, ledger.EMPTY), (V1_1, ledger.CONFIRMED))

    # What is held is known by the name of its file, and what arrives once its header is there.
    def test_what_it_is_called(self):
        octets = images.ota_image("1.1.0")
        self.installer.begin(len(octets), b"a")
        self.assertIsNone(self.installer.arriving())
        self.write(0, memoryview(octets)[:512])
        self.assertEqual(self.installer.name, b"a")
        self.installer.drop()
        self.assertEqual((self.installer.name, self.installer.state), (None, IDLE))
        flows.send(self.installer, octets, sha=b"b")
        flows.verify(self.installer)
        self.assertTrue(self.installer.is_staged(b"b"))
        self.assertFalse(self.installer.is_staged(b"a"))


class RefusedTest(InstallTest):
    # (release offered, supplier, reason)
    def test_table(self):
        for name, supplier, reason in (
            ("1.0.0", None, ALREADY_RUNNING),
            ("1.2.0", None, NOT_A_PREDECESSOR),
            ("2.0.0", None, BELOW_MINIMUM_BASE),
            ("stranger's", None, UNKNOWN_SIGNER),
            ("forged", None, MANUFACTURER_SIGNATURE),
            ("1.1.0", "stranger", SUPPLIER_SIGNATURE),
            ("1.1.0", "supplier", ACCEPTED),
            ("1.1.0", None, ACCEPTED),
        ):
            self.assertEqual((name, self.offer(name, supplier)), (name, reason))
            held = self.device.ledger.held()
            self.assertEqual(held, -1 if reason else 1)

    # a file that is refused when it is announced is not called by the name of the one before
    def test_refused_before_its_header(self):
        octets = images.ota_image("1.1.0")
        self.installer.begin(len(octets), None)
        self.write(0, octets[:512])
        self.device.started = self.device.ledger.free_slot()
        self.assertEqual(reason_of(self.installer.begin, len(octets), None), TRIAL_RUNNING)
        self.assertEqual(self.device.ledger.verdict().offered_version, 0)

    # the same version with another hash is another firmware
    def test_by_hash(self):
        for running, reason in (("1.1.0", ACCEPTED), ("1.1.0 rebuilt", NOT_A_PREDECESSOR)):
            self.use(flows.board_with("1.0.0", running))
            self.assertEqual(self.offer("1.2.0"), reason)

    # GBCS: only a PPMID's and an IHD's images may come without a supplier signature
    def test_supplier_is_required(self):
        self.use(Board(policy.ESME))
        flows.cells.provision(self.device)
        for supplier, reason in (
            (None, SUPPLIER_MISSING),
            ("stranger", SUPPLIER_SIGNATURE),
            ("supplier", ACCEPTED),
        ):
            octets = b""
            if supplier != "stranger":
                self.assertEqual(self.offer("1.0.0", supplier), reason)
                continue
            octets = bytearray(images.ota_image("1.0.0", "supplier"))
            octets[-1] ^= 1
            flows.send(self.installer, octets)
            flows.verify(self.installer)
            self.assertEqual(self.device.ledger.verdict().reason, reason)

    def test_remedy(self):
        for running, name, reason, minimum, accepts in (
            ("1.0.0", "2.0.0", BELOW_MINIMUM_BASE, V1_1, ((V1_1, None),)),
            ("1.0.0", "1.2.0", NOT_A_PREDECESSOR, 0, ((V1_1, images.image_hash("1.1.0")),)),
            ("1.1.0", "1.1.0 rebuilt", NOT_A_PREDECESSOR, 0, ((V1_0, None),)),
            ("1.1.0", "1.0.0", NOT_A_PREDECESSOR, 0, ()),
        ):
            self.use(flows.board_with(*("1.0.0", "1.1.0")[: 1 if running == "1.0.0" else 2]))
            self.assertEqual(self.offer(name), reason)
            # kept over a reset
            for device in (self.device, self.board.device()):
                verdict = device.ledger.verdict()
                self.assertEqual(verdict.reason, reason)
                self.assertEqual(verdict.offered_version, images.RELEASES[name].file_version)
                self.assertEqual(verdict.running_version, images.RELEASES[running].file_version)
                self.assertEqual(verdict.running_hash, images.image_hash(running))
                self.assertEqual(verdict.minimum_base_version, minimum)
                self.assertEqual((verdict.accepts, verdict.accepts_total), (accepts, len(accepts)))

    # what would be refused all the same is no remedy; the first eight of many are named
    def test_remedy_of_many(self):
        predecessors = tuple([(V1_1 + n, None, None) for n in range(20)])
        more = {"predecessors": predecessors, "minimum_base_version": V1_1 + 5}
        reason_of(self.send_pieces, images.pieces(1000, **more))
        verdict = self.device.ledger.verdict()
        self.assertEqual(verdict.reason, BELOW_MINIMUM_BASE)
        self.assertEqual(verdict.accepts, tuple([(V1_1 + n, None) for n in range(5, 13)]))
        self.assertEqual(verdict.accepts_total, 15)

    def send_pieces(self, pieces, total=None):
        offset = 0
        for piece in pieces:
            if not offset:
                self.installer.begin(int.from_bytes(piece[52:56], "little"), None)
            offset = self.write(offset, memoryview(piece))
        return offset

    # Budget: a wrong predecessor is refused within 4 KiB, however large the image and its list.
    def test_early(self):
        facts = self.device.facts()
        facts.slot_bytes = 1 << 20
        self.device.facts = lambda: facts
        predecessors = tuple([(n, bytes(32), None) for n in range(40)])
        for more in ({"predecessors": ()}, {"predecessors": predecessors}):
            pieces = list(images.pieces(512 * 1024, **more))
            octets = memoryview(pieces[0] + pieces[1] + pieces[2])
            total = sum([len(piece) for piece in pieces])
            for piece_bytes in (85, 256, 1000):
                self.assertEqual(self.octets_taken(octets, total, piece_bytes) <= 4096, True)
                self.assertEqual(self.device.ledger.verdict().reason, NOT_A_PREDECESSOR)
        self.assertEqual(erases(self.board, "slot1"), 0)

    def octets_taken(self, octets, total, piece_bytes):
        offset = self.installer.begin(total, None)
        while offset < len(octets):
            try:
                offset = self.write(offset, octets[offset : offset + piece_bytes])
            except Refused:
                return offset + piece_bytes
        return offset

    # Octet by octet: no erase before the last octet of the manifest has come and was allowed.
    def test_nothing_is_erased_before_it_is_allowed(self):
        octets = memoryview(images.ota_image("1.1.0"))
        front = 60 + cose.envelope_bytes(octets[60:])
        self.installer.begin(len(octets), None)
        for at in range(front):
            self.assertEqual(erases(self.board, "slot1"), 0)
            self.write(at, octets[at : at + 1])
        flows.send(self.installer, octets)
        self.assertEqual(erases(self.board, "slot1"), 2)

    def test_not_provisioned(self):
        self.use(Board())
        operations = self.board.flash.operations
        self.assertEqual(self.offer("1.0.0"), NOT_PROVISIONED)
        # it costs no flash, and is gone with the next start
        self.assertEqual(self.board.flash.operations, operations)
        self.assertIsNone(self.board.device().ledger.verdict())

    # both slots are needed until the trial ends
    def test_trial_running(self):
        self.offer("1.1.0")
        self.installer.activate(images.image_hash("1.1.0"))
        self.device, chosen = flows.start(self.board)
        self.assertEqual(chosen[0], 1)
        self.installer = Installer(self.device)
        operations = self.board.flash.operations
        self.assertEqual(self.offer("1.1.0 rebuilt"), TRIAL_RUNNING)
        # the verdict on the image on trial is the kept one, and is reported again after any change
        self.assertEqual(self.board.flash.operations, operations)
        self.assertEqual(self.board.device().ledger.verdict().reason, ACCEPTED)
        self.device.ledger.note_trial(TRIAL_CRASHED)
        self.assertEqual(self.device.ledger.verdict().reason, ACCEPTED)
        self.check_slots((V1_0, ledger.CONFIRMED), (V1_1, ledger.TRIAL))

    def test_first_image_must_be_a_first_one(self):
        self.use(flows.board_with())
        for name, reason in (("1.1.0", NOT_A_PREDECESSOR), ("2.0.0", BELOW_MINIMUM_BASE)):
            self.assertEqual(self.offer(name), reason)
            self.assertIsNone(self.device.ledger.verdict().running_hash)
        self.assertEqual(self.offer("1.0.0"), ACCEPTED)

    # a slot that does not take what is programmed; then one that does
    def test_flash_fault(self):
        self.board.flash.stuck = range(MAP["slot1"][0], MAP["slot1"][0] + 4)
        self.assertEqual(self.offer("1.1.0"), FLASH_FAULT)
        self.board.flash.stuck = ()
        self.assertEqual(self.offer("1.1.0"), ACCEPTED)

    # arithmetic that fails its known answers accepts nothing, and erases nothing
    def test_verifier_fault(self):
        passes = p256.self_test
        p256.self_test = lambda: False
        try:
            self.assertEqual(self.offer("1.1.0"), VERIFIER_FAULT)
        finally:
            p256.self_test = passes
        self.assertEqual(erases(self.board, "slot1"), 0)
        self.assertEqual(self.offer("1.1.0"), ACCEPTED)

    # once refused, the rest of the file is not taken
    def test_what_comes_after(self):
        octets = memoryview(images.ota_image("2.0.0"))
        self.installer.begin(len(octets), SHA)
        self.assertEqual(reason_of(self.write, 0, octets[:1000]), BELOW_MINIMUM_BASE)
        self.assertEqual(self.write(1000, octets[1000:2000]), 0)
        self.assertEqual(self.installer.state, IDLE)
        # the same file from the beginning: the same answer
        self.assertEqual(self.installer.begin(len(octets), SHA), 0)
        self.assertEqual(reason_of(self.write, 0, octets[:1000]), BELOW_MINIMUM_BASE)


# Memory that an application keeps is missing here.
class NoMemoryTest(InstallTest):
    def no_memory(self, *arguments):
        raise MemoryError
        yield

    def tearDown(self):
        AnchorKeys.manufacturer_steps, AnchorKeys.supplier_steps = _STEPS

    # what was read and not accepted is not gone on with
    def test_at_the_signature(self):
        octets = memoryview(images.ota_image("1.1.0"))
        AnchorKeys.manufacturer_steps = self.no_memory
        self.installer.begin(len(octets), SHA)
        self.assertEqual(reason_of(self.write, 0, octets[:1000]), VERIFIER_FAULT)
        self.assertEqual(self.device.ledger.verdict().reason, VERIFIER_FAULT)
        self.assertEqual(self.device.ledger.verdict().offered_version, V1_1)
        self.assertEqual(self.installer.progress(), (IDLE, 0, 0))
        self.assertEqual(self.write(1000, octets[1000:]), 0)
        self.assertEqual(erases(self.board, "slot1"), 0)
        AnchorKeys.manufacturer_steps = _STEPS[0]
        self.assertEqual(self.offer("1.1.0", sha=SHA), ACCEPTED)

    # no client waits for this answer: it is in the verdict, and the device is free for the next
    def test_at_the_end(self):
        AnchorKeys.supplier_steps = self.no_memory
        self.assertEqual(self.offer("1.1.0"), VERIFIER_FAULT)
        self.assertFalse(self.installer.busy)
        self.assertEqual(self.device.ledger.verdict().offered_version, V1_1)
        AnchorKeys.supplier_steps = _STEPS[1]
        self.assertEqual(self.offer("1.1.0"), ACCEPTED)


class MemoryTest(InstallTest):
    # Budget: 24 KiB above idle, and the same for a small and a larger image.
    def peak(self, name):
        self.use(flows.board_with("1.0.0"))
        octets = memoryview(images.ota_image(name))
        buffer = bytearray(300)
        with Meter() as meter:
            offset = self.installer.begin(len(octets), SHA)
            while offset < len(octets):
                piece = octets[offset : offset + 300]
                buffer[: len(piece)] = piece
                offset = self.write(offset, memoryview(buffer)[: len(piece)])
                meter.look()
            while self.installer.step():
                meter.look()
        self.assertEqual(self.device.ledger.held(), 1)
        return meter.peak

    # an envelope as full as they come, of predecessors and of what no device knows: the signature,
    # which is not theirs, is looked at
    def test_full_envelope(self):
        many = tuple([(V1_0 + n, None, None) for n in range(230)])
        pieces = list(images.pieces(4096, predecessors=many))
        data = memoryview(pieces[0] + pieces[1])
        self.assertTrue(1950 < cose.envelope_bytes(data[60:]) <= 2048)
        for _ in range(2):
            self.use(flows.board_with("1.0.0"))
            with Meter() as meter:
                offset = self.installer.begin(len(data) + 4096, SHA)
                reason = ACCEPTED
                while offset < len(data) and not reason:
                    piece = bytes(data[offset : offset + 300])
                    reason = reason_of(self.write, offset, memoryview(piece))
                    offset += len(piece)
                    meter.look()
            self.assertEqual(reason, MANUFACTURER_SIGNATURE)
        self.assertTrue(meter.peak < 24 * 1024, meter.peak)

    def test_bounded(self):
        self.peak("1.1.0")
        small, large = self.peak("1.1.0 rebuilt"), self.peak("1.1.0")
        self.assertTrue(max(small, large) < 24 * 1024, (small, large))
        self.assertTrue(abs(small - large) < 512, (small, large))


if __name__ == "__main__":
    unittest.main()
