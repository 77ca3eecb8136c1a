# An image's way onto the device: decided early, written, verified in steps, staged, activated.
# tests/device/test_mutations.py has everything that can be wrong with an image.

import unittest

import flows
import images
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
    FILE_IDENTIFIER,
    FLASH_FAULT,
    HASH_MISMATCH,
    MANUFACTURER_SIGNATURE,
    NO_IMAGE_HELD,
    NO_LONGER_ALLOWED,
    NOT_A_PREDECESSOR,
    NOT_PROVISIONED,
    PAYLOAD_HASH,
    SIZE_MISMATCH,
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

SHA = b"s" * 32  # a sender's name for a file: anything
V1_0, V1_1, V2_0 = images.V1_0, images.V1_1, images.V2_0

_STEPS = AnchorKeys.manufacturer_steps, AnchorKeys.supplier_steps


class InstallTest(unittest.TestCase):
    def setUp(self):
        self.use(flows.board_with("1.0.0"))

    def use(self, board):
        self.board = board
        self.device, _ = flows.start(board)
        self.installer = Installer(self.device)

    def write(self, offset, octets):
        return flows.write(self.installer, offset, octets)

    # Offers a release; returns the reason.
    def offer(self, name, supplier=None, sha=None):
        octets = images.ota_image(name, supplier)
        reason = reason_of(flows.send, self.installer, octets, 512, None, sha)
        flows.verify(self.installer)
        verdict = self.device.ledger.verdict()
        if reason:
            self.assertEqual(verdict.reason, reason)
        self.assertEqual(self.installer.state, IDLE)
        return verdict.reason

    def check_slots(self, *expected):
        self.assertEqual(tuple(flows.slots(self.device)), expected)
        # and after a reset
        self.assertEqual(tuple(flows.slots(self.board.device())), expected)


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


class PiecesTest(InstallTest):
    def setUp(self):
        InstallTest.setUp(self)
        self.octets = memoryview(images.ota_image("1.1.0"))
        self.total = len(self.octets)

    def finish(self, offset):
        while offset < self.total:
            offset = self.write(offset, self.octets[offset : offset + 500])
        flows.verify(self.installer)
        self.assertEqual(self.device.ledger.verdict().reason, ACCEPTED)
        self.assertEqual(self.device.image(1), images.manufacturer_image("1.1.0"))

    # (offset, end) of what is sent -> the offset wanted next
    def test_repeated_early_and_overlapping(self):
        self.installer.begin(self.total, None)
        for offset, end, wanted in (
            (0, 100, 100),
            (0, 100, 100),  # again: the answer was lost
            (50, 60, 100),  # lies in what is there
            (50, 150, 150),  # half of it is new
            (200, 300, 150),  # too early
            (151, 152, 150),
            (150, 150, 150),  # nothing
            (150, 151, 151),
            (0, 400, 400),
            (self.total, self.total, 400),
            (self.total + 1000, self.total + 1000, 400),
            (1 << 40, 1 << 40, 400),
        ):
            found = self.write(offset, self.octets[offset:end])
            self.assertEqual((offset, end, found), (offset, end, wanted))
        self.finish(400)

    def test_more_than_announced(self):
        self.installer.begin(self.total, None)
        self.write(0, self.octets[:1000])
        longer = memoryview(bytes(self.octets) + b"\0")
        refusal = reason_of(self.write, 1000, longer[1000:])
        self.assertEqual(refusal, SIZE_MISMATCH)

    # the last octets once more, because the answer to them was lost
    def test_last_piece_again(self):
        self.installer.begin(self.total, SHA)
        self.write(0, self.octets)
        self.assertEqual(self.write(self.total - 100, self.octets[-100:]), self.total)
        self.installer.step()
        self.assertEqual(self.write(self.total - 100, self.octets[-100:]), self.total)
        flows.verify(self.installer)
        self.assertEqual(self.write(self.total - 100, self.octets[-100:]), self.total)
        self.assertEqual(self.device.ledger.held(), 1)

    # nothing of an upload that broke off counts for the next: neither its signature, which was
    # good, nor where its octets went
    def test_begun_over_another(self):
        good, bad = images.ota_image("1.1.0"), images.ota_image("forged")
        for end in (100, 400, 3000, len(good)):
            self.use(flows.board_with("1.0.0"))
            self.installer.begin(len(good), SHA)
            self.write(0, memoryview(good)[:end])
            self.assertEqual(reason_of(flows.send, self.installer, bad), MANUFACTURER_SIGNATURE)
            flows.verify(self.installer)
            self.check_slots((V1_0, ledger.CONFIRMED), (0, ledger.EMPTY))
            self.assertEqual(self.offer("1.1.0"), ACCEPTED)
            self.assertEqual(self.device.image(1), images.manufacturer_image("1.1.0"))

    # as short as a header: it has its say
    def test_header_alone(self):
        octets = memoryview(images.ota_image("1.1.0"))[:60]
        self.assertEqual(self.installer.begin(60, None), 0)
        self.assertEqual(reason_of(self.write, 0, octets), SIZE_MISMATCH)
        self.assertEqual(reason_of(self.installer.begin, 59, None), FILE_IDENTIFIER)

    # octets that come while it is verified change nothing
    def test_more_while_it_is_verified(self):
        octets = images.ota_image("1.1.0")
        self.installer.begin(len(octets), None)
        self.write(0, memoryview(octets))
        self.assertEqual(self.installer.state, VERIFYING)
        for offset in (0, 1, len(octets)):
            self.assertEqual(self.write(offset, memoryview(octets + b"more")), len(octets))
        flows.verify(self.installer)
        self.assertEqual(self.device.ledger.verdict().reason, ACCEPTED)

    # the payload comes first: a trailer to octets that are not the signed ones says nothing
    def test_bad_payload_and_bad_trailer(self):
        octets = bytearray(images.ota_image("1.1.0", "supplier"))
        octets[-67] ^= 1
        octets[-65] = 0x41
        flows.send(self.installer, octets)
        flows.verify(self.installer)
        self.assertEqual(self.device.ledger.verdict().reason, PAYLOAD_HASH)


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


class ResumeTest(PiecesTest):
    def test_same_file(self):
        self.installer.begin(self.total, SHA)
        for end in (1, 59, 60, 300, 2000):
            self.write(0, self.octets[:end])
            self.assertEqual(self.installer.begin(self.total, SHA), end)
        self.finish(2000)
        # it is there: nothing is wanted
        operations = self.board.flash.operations
        self.assertEqual(self.installer.begin(self.total, SHA), self.total)
        self.assertEqual(self.board.flash.operations, operations)
        self.check_slots((V1_0, ledger.CONFIRMED), (V1_1, ledger.STAGED))

    def test_while_it_is_verified(self):
        octets = memoryview(images.ota_image("1.1.0", "supplier"))
        self.installer.begin(len(octets), SHA)
        self.write(0, octets)
        self.installer.step()
        self.assertEqual(self.installer.begin(len(octets), SHA), len(octets))
        self.assertEqual(self.installer.state, VERIFYING)
        self.finish(self.total)

    # staged, and another file under its name
    def test_same_name_as_the_staged_one(self):
        length = len(images.ota_image("1.1.0"))
        self.assertEqual(self.offer("1.1.0", sha=SHA), ACCEPTED)
        self.assertEqual(self.installer.begin(length, SHA), length)
        self.assertEqual(self.installer.begin(length + 1, SHA), 0)

    def test_another_file(self):
        for total, sha in (
            (self.total, b"t" * 32),
            (self.total + 1, SHA),
            (self.total, None),
            (self.total, b""),
        ):
            for end in (1000, self.total):
                self.installer.begin(self.total, SHA)
                self.write(0, self.octets[:end])
                self.assertEqual(self.installer.begin(total, sha), 0)
                self.assertEqual(self.installer.progress(), (RECEIVING, 0, total))
                self.installer.erase()
        self.installer.begin(self.total, None)
        self.finish(0)

    # files without a name are never taken for the same
    def test_without_a_name(self):
        for sha in (None, b""):
            self.installer.begin(self.total, sha)
            self.write(0, self.octets[:1000])
            self.assertEqual(self.installer.begin(self.total, sha), 0)

    # a reset forgets what was half there, and keeps what was staged
    def test_after_a_reset(self):
        self.installer.begin(self.total, SHA)
        self.write(0, self.octets[:3000])
        self.device, _ = flows.start(self.board)
        self.installer = Installer(self.device)
        self.check_slots((V1_0, ledger.CONFIRMED), (0, ledger.EMPTY))
        self.assertEqual(self.installer.begin(self.total, SHA), 0)
        self.finish(0)

    # once it is no longer held, it is wanted again
    def test_after_it_was_dropped(self):
        self.installer.begin(self.total, SHA)
        self.finish(0)
        self.installer.erase()
        self.assertEqual(self.installer.begin(self.total, SHA), 0)

    def test_after_another_was_refused(self):
        self.installer.begin(self.total, SHA)
        self.finish(0)
        self.assertEqual(self.offer("2.0.0"), BELOW_MINIMUM_BASE)
        # staged still, and can be activated
        self.installer.activate(images.image_hash("1.1.0"))


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
