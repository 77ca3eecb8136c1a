# Installation from pieces in any order and size, and uploads that go on.

import unittest

import flows
import images
from install_rig import SHA, V1_0, V1_1, InstallTest
from outcome import reason_of

from hanbootloader.install import RECEIVING, VERIFYING, Installer
from hanbootloader.reasons import (
    ACCEPTED,
    BELOW_MINIMUM_BASE,
    FILE_IDENTIFIER,
    MANUFACTURER_SIGNATURE,
    PAYLOAD_HASH,
    SIZE_MISMATCH,
)
from hanbootloader.store import ledger


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


if __name__ == "__main__":
    unittest.main()
