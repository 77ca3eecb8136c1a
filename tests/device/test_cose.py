# The envelope: a COSE_Sign1 of one fixed shape.

import hashlib
import unittest
from binascii import unhexlify

from outcome import refusal_of

from hanbootloader.image import cose, writer
from hanbootloader.reasons import ACCEPTED, ENVELOPE, HIGH_S_SIGNATURE
from hanbootloader.trust import p256

KID = b"kid of 8"
SIGNATURE = bytes(range(64))

# RFC 9052 appendix C.2.1, COSE_Sign1 with ES256, and the key '11' of C.7.1
RFC_CONTENT = b"This is the content."
RFC_SIGNATURE = unhexlify(
    "8eb33e4ca31d1c465ab05aac34cc6b23d58fef5c083106c4d25a91aef0b0117e"
    "2af9a291aa32e14ab834dc56ed2a223444547e01f11d3b0916e5a4c345cacb36"
)
RFC_KEY = unhexlify(
    "bac5b11cad8f99f9c72b05cf4b9e26d244dc189f745228255a219a86d6a09eff"
    "20138bf82dc1b6d562be0fa54ab7804a3a64b6d72ccfed6b6fb6ed28bbfc117e"
)


def envelope(content_bytes):
    return writer.encode_envelope(KID, bytes(content_bytes), SIGNATURE)


# What reading `octets` comes to: by their head, and as a whole.
def measured(octets):
    return refusal_of(cose.envelope_bytes, octets)


def read(octets):
    return refusal_of(cose.Envelope, octets)


class SignedTest(unittest.TestCase):
    # what we would sign for RFC 9052's content is what its authors signed
    def test_rfc_9052(self):
        digest = hashlib.sha256(writer.to_be_signed(RFC_CONTENT)).digest()
        self.assertTrue(p256.verify(RFC_KEY, digest, RFC_SIGNATURE))
        digest = hashlib.sha256(writer.to_be_signed(RFC_CONTENT + b"!")).digest()
        self.assertFalse(p256.verify(RFC_KEY, digest, RFC_SIGNATURE))

    # its key identifier has two octets, ours eight
    def test_rfc_9052_is_none_of_ours(self):
        octets = unhexlify("d28443a10126a10442313154") + RFC_CONTENT + b"\x58\x40" + RFC_SIGNATURE
        self.assertEqual(read(octets), (ENVELOPE, 0))

    def test_digest_is_of_what_was_to_be_signed(self):
        for length in (24, 255, 256, 1962):
            content = bytes(length)
            read = cose.Envelope(writer.encode_envelope(KID, content, SIGNATURE))
            self.assertEqual(read.digest(), hashlib.sha256(writer.to_be_signed(content)).digest())


class FormTest(unittest.TestCase):
    def test_octets(self):
        octets = writer.encode_envelope(KID, b"c" * 24, SIGNATURE)
        self.assertEqual(
            octets,
            unhexlify("d28443a10126a10448")
            + KID
            + b"\x58\x18"
            + b"c" * 24
            + b"\x58\x40"
            + SIGNATURE,
        )
        found = cose.Envelope(octets)
        self.assertEqual(found.kid, KID)
        self.assertEqual(bytes(found.content), b"c" * 24)
        self.assertEqual(bytes(found.signature), SIGNATURE)

    # (octets of content, octets of envelope)
    def test_boundary_lengths(self):
        for content, total in ((24, 109), (255, 340), (256, 342), (1962, 2048)):
            octets = envelope(content)
            self.assertEqual(len(octets), total)
            self.assertEqual(cose.envelope_bytes(octets[: cose.HEAD_BYTES]), total)
            self.assertEqual(len(cose.Envelope(octets).content), content)
        for content in (0, 23, 1963, 65536):
            with self.assertRaises(ValueError):
                envelope(content)

    def test_only_whole_parts_are_assembled(self):
        for kid, signature in (
            (KID[:7], SIGNATURE),
            (KID + b"!", SIGNATURE),
            (KID, SIGNATURE[:63]),
        ):
            with self.assertRaises(ValueError):
                writer.encode_envelope(kid, bytes(24), signature)

    # The length of the content stands at 17: shortest form, and no longer than a device reads.
    def test_length_of_content(self):
        for head, refusal in (
            ("5818", (ACCEPTED, -1)),
            ("58ff", (ACCEPTED, -1)),
            ("590100", (ACCEPTED, -1)),
            ("5907aa", (ACCEPTED, -1)),  # 1962
            ("5907ab", (ENVELOPE, 17)),
            ("59ffff", (ENVELOPE, 17)),
            ("5817", (ENVELOPE, 17)),  # not the shortest form
            ("5900ff", (ENVELOPE, 17)),
            ("57", (ENVELOPE, 17)),  # no manifest is that short
            ("40", (ENVELOPE, 17)),
            ("5a00000100", (ENVELOPE, 17)),
            ("5f", (ENVELOPE, 17)),
            ("7818", (ENVELOPE, 17)),  # a text
        ):
            octets = envelope(24)[:17] + unhexlify(head) + bytes(8)
            self.assertEqual((head, measured(octets[: cose.HEAD_BYTES])), (head, refusal))

    def test_every_octet_of_the_frame(self):
        octets = envelope(24)
        frame = list(range(9)) + [17, len(octets) - 66, len(octets) - 65]
        for at in range(len(octets)):
            changed = bytearray(octets)
            changed[at] ^= 0x01
            reason, offset = read(changed)
            if at in frame:
                self.assertEqual(reason, ENVELOPE)
                self.assertTrue(offset in (0, 17, len(octets) - 66))
            elif at == 18:  # the length of the content
                self.assertEqual(reason, ENVELOPE)
            else:
                self.assertEqual(reason, ACCEPTED)

    # the content is an octet string with its length in one octet or two, and nothing else
    def test_head_of_the_content(self):
        for length in (64, 300):
            good = envelope(length)
            for code in range(256):
                octets = good[:17] + bytes((code,)) + good[18:]
                if code in (0x58, 0x59):
                    continue
                self.assertEqual(measured(octets), (ENVELOPE, 17))
                self.assertEqual(read(octets), (ENVELOPE, 17))

    # just enough octets to tell the length, and not the right ones
    def test_head_alone(self):
        self.assertEqual(read(bytes(cose.HEAD_BYTES)), (ENVELOPE, 0))

    def test_every_cut_and_what_follows(self):
        octets = envelope(300)
        for end in range(len(octets)):
            self.assertEqual(read(octets[:end]), (ENVELOPE, end))
        self.assertEqual(read(octets + b"\0"), (ENVELOPE, len(octets) + 1))

    # (r, s) and (r, n - s) verify alike: only the lower is taken, or one image had two hashes
    def test_lower_signature(self):
        order = p256.ORDER
        front = writer.encode_envelope(KID, bytes(24), bytes(64))[:-64]
        for s, reason in (
            (0, ACCEPTED),
            (1, ACCEPTED),
            (order // 2, ACCEPTED),
            (order // 2 + 1, HIGH_S_SIGNATURE),
            (order - 1, HIGH_S_SIGNATURE),
            (order, HIGH_S_SIGNATURE),
            ((1 << 256) - 1, HIGH_S_SIGNATURE),
        ):
            octets = front + b"\xff" * 32 + s.to_bytes(32, "big")
            expected = (reason, len(octets) - 32 if reason else -1)
            self.assertEqual((s, read(octets)), (s, expected))

    def test_is_prefix_of(self):
        octets = envelope(24)
        found = cose.Envelope(octets)
        self.assertTrue(found.is_prefix_of(memoryview(octets + bytes(100))))
        self.assertFalse(found.is_prefix_of(memoryview(octets[:-1])))
        self.assertFalse(found.is_prefix_of(memoryview(octets[:-1] + b"\xff" + bytes(100))))


if __name__ == "__main__":
    unittest.main()
