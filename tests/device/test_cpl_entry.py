# A board that demands the CPL entry of what comes by cable: which images that lets in. Nothing here
# can sign, so the signature is taken for right; tests/host/test_cpl_entry_signed.py has real ones.

import unittest

import flows
import images
from outcome import reason_of, refusal_of

from hanbootloader import cpl_entry
from hanbootloader.image import cbor, writer
from hanbootloader.install import Installer
from hanbootloader.reasons import ACCEPTED, CPL_ENTRY, CPL_ENTRY_MISSING
from hanbootloader.store.ledger import EMPTY, STAGED
from hanbootloader.trust import p256
from hanbootloader.trust.kid import kid_of

SHA = b"s" * 32
MODEL = (images.MANUFACTURER_CODE, images.IMAGE_TYPE, 0x0102)


class SignedByAll:
    is_signed = True

    def is_public_key(self, key):
        return p256.is_public_key(key)

    def verify_steps(self, key, digest, signature):
        yield
        return self.is_signed


def fields_of(image_hash, version=images.V1_1, model=MODEL):
    return {0: 1, 2: model[0], 4: model[1], 6: model[2], 8: version, 10: image_hash, 12: "Active"}


def token(image_hash, version=images.V1_1, model=MODEL, signer="supplier", more=b""):
    fields = fields_of(image_hash, version, model)
    if more:
        fields[1] = more
    return writer.encode_envelope(images.kid(signer), cbor.encode(fields), bytes(64))


# What an entry must be, whatever key signed it.
class EntryTest(unittest.TestCase):
    DIGEST = bytes(range(32))

    # (reason, key at fault) of an entry with these changes; None leaves a key out
    def refusal(self, changes):
        fields = fields_of(self.DIGEST)
        fields.update(changes)
        for key in [key for key in fields if fields[key] is None]:
            del fields[key]
        return refusal_of(cpl_entry.parse_entry, cbor.encode(fields))

    def test_good(self):
        entry = cpl_entry.parse_entry(
            cbor.encode(fields_of(self.DIGEST, 0xFFFFFFFF, (0, 1, 0xFFFF)))
        )
        self.assertEqual(entry.model, (0, 1, 0xFFFF))
        self.assertEqual((entry.file_version, entry.image_hash), (0xFFFFFFFF, self.DIGEST))
        # what a later registry says besides, under an odd key
        for key in (1, 3, 5, 13, 255, 0x10001):
            self.assertEqual(self.refusal({key: "more"}), (ACCEPTED, -1))

    def test_refused(self):
        for key, value, at in (
            (0, None, 0),
            (0, 0, 0),
            (0, 2, 0),
            (0, True, 0),
            (2, None, 2),
            (2, 0x10000, 2),
            (2, -1, 2),
            (4, "5", 4),
            (4, 0x10000, 4),
            (6, False, 6),
            (6, 0x10000, 6),
            (8, None, 8),
            (8, 1 << 32, 8),
            (8, b"\0", 8),
            (10, None, 10),
            (10, bytes(31), 10),
            (10, bytes(33), 10),
            (10, "x" * 32, 10),
            (12, None, 12),
            (12, "Removed", 12),
            (12, "Withdrawn", 12),
            (12, "active", 12),
            (12, b"Active", 12),
            # an even key must be understood
            (14, 1, 0),
            (256, 1, 0),
            (-1, 1, 0),
            (-2, 1, 0),
            ("status", 1, 0),
        ):
            found = self.refusal({key: value})
            self.assertEqual((key, value, found), (key, value, (CPL_ENTRY, at)))

    def test_no_map(self):
        for content in ([], 1, "Active", b""):
            found = refusal_of(cpl_entry.parse_entry, cbor.encode(content))
            self.assertEqual(found, (CPL_ENTRY, 0))


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

    # over the whole length that a request may have, and no more
    def test_length(self):
        digest = images.image_hash("1.1.0")
        at_most = cpl_entry.ENTRY_MAX_BYTES
        filler = at_most - len(token(digest, more=b"x" * 300)) + 300
        for more, outcome in ((filler, ACCEPTED), (filler + 1, CPL_ENTRY)):
            octets = token(digest, more=b"x" * more)
            self.assertEqual(len(octets) - at_most, more - filler)
            self.assertEqual(reason_of(self.give, octets), outcome)

    # The identifier is the key's, and the key is one.
    def test_signer(self):
        other = token(images.image_hash("1.1.0"), signer="stranger")
        self.assertEqual(reason_of(self.give, other), CPL_ENTRY)
        self.board.cpl_key = bytes(64)
        unsigned = writer.encode_envelope(
            kid_of(bytes(64)), cbor.encode(fields_of(bytes(32))), bytes(64)
        )
        self.assertEqual(reason_of(self.give, unsigned), CPL_ENTRY)

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
