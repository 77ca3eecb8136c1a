# A board that demands the CPL entry of what comes by cable: which images that lets in. Nothing here
# can sign, so the signature is taken for right; tests/host/test_cpl_entry_signed.py has real ones.

import unittest

import flows
import images
from outcome import reason_of

from hanbootloader import cpl_entry
from hanbootloader.image import cbor, writer
from hanbootloader.install import Installer
from hanbootloader.reasons import ACCEPTED, CPL_ENTRY, CPL_ENTRY_MISSING
from hanbootloader.store.ledger import EMPTY, STAGED
from hanbootloader.trust import p256

SHA = b"s" * 32
MODEL = (images.MANUFACTURER_CODE, images.IMAGE_TYPE, 0x0102)


class SignedByAll:
    is_signed = True

    def is_public_key(self, key):
        return p256.is_public_key(key)

    def verify_steps(self, key, digest, signature):
        yield
        return self.is_signed


def token(image_hash, version=images.V1_1, model=MODEL):
    fields = {0: 1, 2: model[0], 4: model[1], 6: model[2], 8: version, 10: image_hash, 12: "Active"}
    return writer.encode_envelope(images.kid("supplier"), cbor.encode(fields), bytes(64))


class CplEntryTest(unittest.TestCase):
    def setUp(self):
        cpl_entry.p256 = self.signer = SignedByAll()
        self.board = flows.board_with("1.0.0")
        self.board.cpl_key = images.key("supplier")
        self.octets = memoryview(images.ota_image("1.1.0"))
        self.right = token(images.image_hash("1.1.0"))
        self.installer = Installer(flows.start(self.board)[0])

    def tearDown(self):
        cpl_entry.p256 = p256

    def give(self, octets):
        return flows.finish(self.installer.put_entry_steps(octets))

    # What comes of an image: the reason, and the state of its slot
    def outcome(self):
        flows.verify(self.installer)
        store = self.installer._device.ledger
        return store.verdict().reason, store.slots[1].state

    def by_cable(self, start, end):
        flows.finish(self.installer.write_steps(start, self.octets[start:end]))

    def by_network(self, start, end):
        flows.finish(self.installer.write_steps(start, self.octets[start:end], False))

    def test_by_cable(self):
        self.assertEqual(reason_of(self.installer.begin, len(self.octets), SHA), CPL_ENTRY_MISSING)
        for octets, outcome in (
            (token(bytes(32)), (CPL_ENTRY_MISSING, EMPTY)),
            (token(images.image_hash("1.1.0"), images.V1_2), (CPL_ENTRY_MISSING, EMPTY)),
            (self.right, (ACCEPTED, STAGED)),
        ):
            self.assertTrue(self.give(octets))
            flows.send(self.installer, self.octets)
            self.assertEqual(self.outcome(), outcome)

    def test_a_board_that_does_not_ask(self):
        self.board.cpl_key = None
        self.assertFalse(self.give(b""))
        flows.send(self.installer, self.octets)
        self.assertEqual(self.outcome(), (ACCEPTED, STAGED))

    def test_refused(self):
        for at in range(3):
            model = list(MODEL)
            model[at] += 1
            wrong = token(images.image_hash("1.1.0"), model=model)
            self.assertEqual(reason_of(self.give, wrong), CPL_ENTRY)
        self.signer.is_signed = False
        self.assertEqual(reason_of(self.give, self.right), CPL_ENTRY)
        self.assertEqual(reason_of(self.installer.begin, len(self.octets), SHA), CPL_ENTRY_MISSING)

    def test_by_network(self):
        end = len(self.octets)
        self.assertEqual(self.installer.begin(end, SHA, 0, False), 0)
        self.by_network(0, 1000)
        # it goes on where it was
        self.assertEqual(self.installer.begin(end, SHA, 0, False), 1000)
        self.by_network(1000, end)
        # what comes too late to be taken spoils nothing
        self.by_cable(0, end)
        self.assertEqual(self.outcome(), (ACCEPTED, STAGED))

    def test_a_part_by_cable(self):
        end = len(self.octets)
        for first, last in ((0, 1), (1000, 1001), (end - 1, end)):
            self.installer.begin(end, SHA, 0, False)
            self.by_network(0, first)
            self.by_cable(first, last)
            self.by_network(last, end)
            self.assertEqual(self.outcome(), (CPL_ENTRY_MISSING, EMPTY))

    # A name is anyone's.
    def test_neither_goes_on_with_the_other_s(self):
        end = len(self.octets)
        self.give(self.right)
        self.installer.begin(end, SHA, 0, False)
        self.by_network(0, 1000)
        self.assertEqual(self.installer.begin(end, SHA), 0)
        self.by_cable(0, 1000)
        self.assertEqual(self.installer.begin(end, SHA), 1000)
        self.assertEqual(self.installer.begin(end, SHA, 0, False), 0)


if __name__ == "__main__":
    unittest.main()
