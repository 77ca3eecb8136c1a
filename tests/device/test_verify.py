# Verification of a Manufacturer Image in flash: what it proves of each damage, in short steps.

import unittest

import cells
import flows
import images
from outcome import refusal_of
from ramboard import RamFlash

from hanbootloader import verify
from hanbootloader.image import cose, writer
from hanbootloader.policy import VerificationResult
from hanbootloader.reasons import ACCEPTED, ENVELOPE, LAYOUT
from hanbootloader.verify import AnchorKeys

IMAGE = images.manufacturer_image("1.1.0")
PAYLOAD_BYTES = 5000
FRONT_BYTES = len(IMAGE) - PAYLOAD_BYTES  # envelope and padding


def anchors_of(*names):
    held = cells.opened(RamFlash(16).region(0, 16))
    for name in names:
        cells.put_into(held, cells.head(name))
    return held


class FrontTest(unittest.TestCase):
    def test_good(self):
        envelope, content = verify.read_front(memoryview(IMAGE))
        self.assertEqual(envelope.kid, images.kid("manufacturer"))
        expected = writer.encode_manifest(images.RELEASES["1.1.0"].manifest())
        self.assertEqual(writer.encode_manifest(content), expected)

    # as long as the manifest says, and not an octet more
    def test_length(self):
        for image, reason in (
            (IMAGE, ACCEPTED),
            (IMAGE + b"\0", LAYOUT),
            (IMAGE[:-1], LAYOUT),
            (IMAGE[:FRONT_BYTES], LAYOUT),
            (IMAGE[:100], ENVELOPE),
            (IMAGE[:20], ENVELOPE),
            (IMAGE[:19], ENVELOPE),
            (IMAGE[:1], ENVELOPE),
            (b"", ENVELOPE),
            (b"\xff" * 4096, ENVELOPE),
            (bytes(4096), ENVELOPE),
        ):
            refusal = refusal_of(verify.read_front, memoryview(image))
            self.assertEqual((len(image), refusal[0]), (len(image), reason))

    # less than what tells the length of an envelope, and just that much
    def test_no_front(self):
        octets = images.manufacturer_image("1.1.0")
        for length in range(cose.HEAD_BYTES):
            refusal = refusal_of(verify.read_front, memoryview(octets)[:length])
            self.assertEqual(refusal, (ENVELOPE, length))
        refusal = refusal_of(verify.read_front, memoryview(bytes(cose.HEAD_BYTES)))
        self.assertEqual(refusal, (ENVELOPE, 0))


class ImageTest(unittest.TestCase):
    # padding, payload hash, signer, signature
    def prove(self, image, held):
        result = VerificationResult()
        content = flows.finish(verify.image_steps(memoryview(image), held, result))
        self.assertEqual(content.file_version, images.V1_1)
        return (
            result.padding_is_zero,
            result.payload_hash_matches,
            result.signer_known,
            result.manufacturer_valid,
        )

    def test_table(self):
        held = anchors_of("manufacturer")
        signature_at = IMAGE.find(images.signature("1.1.0"))
        for name, at, expected in (
            ("good", None, (True, True, True, True)),
            ("padding", FRONT_BYTES - 1, (False, True, True, True)),
            ("first of the payload", FRONT_BYTES, (True, False, True, True)),
            ("last of the payload", len(IMAGE) - 1, (True, False, True, True)),
            ("key identifier", 9, (True, True, False, False)),
            ("signature", signature_at, (True, True, True, False)),
        ):
            image = bytearray(IMAGE)
            if at is not None:
                image[at] ^= 1
            self.assertEqual((name, self.prove(image, held)), (name, expected))

    def test_anchors(self):
        for names, expected in (
            ((), (True, True, False, False)),
            (("supplier",), (True, True, False, False)),
            (("stranger",), (True, True, False, False)),
            (("supplier", "manufacturer"), (True, True, True, True)),
        ):
            self.assertEqual((names, self.prove(IMAGE, anchors_of(*names))), (names, expected))

    # the link is served and the watchdog fed in between
    def test_steps(self):
        steps = list(
            verify.image_steps(memoryview(IMAGE), anchors_of("manufacturer"), VerificationResult())
        )
        self.assertTrue(len(steps) > 30, len(steps))


class SupplierTest(unittest.TestCase):
    # None: there is none, which is for the decision to check
    def test_table(self):
        image_hash = images.image_hash("1.1.0")
        right = images.signature("1.1.0, supplier")
        for names, signature, valid in (
            (("supplier",), right, True),
            (("supplier",), images.signature("1.1.0, stranger"), False),
            (("supplier",), bytes(64), False),
            (("supplier",), None, None),
            # no signature is right where no key is trusted
            ((), right, False),
            ((), None, None),
            (("manufacturer",), right, False),
        ):
            result = VerificationResult()
            held = anchors_of(*names)
            flows.finish(AnchorKeys(held).supplier_steps(image_hash, signature, result))
            self.assertEqual((names, result.supplier_valid), (names, valid))


if __name__ == "__main__":
    unittest.main()
