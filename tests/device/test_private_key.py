# Private-key arithmetic and GMAC: published answers, the smallest and largest scalars, what is
# refused. Wycheproof's vectors are in tests/host/test_wycheproof.py.

import hashlib
import os
import unittest
from binascii import hexlify, unhexlify

from outcome import reason_of

from hanbootloader.reasons import ACCEPTED, PEER_KEY, VERIFIER_FAULT
from hanbootloader.trust import aes, gmac, p256, private_key
from hanbootloader.trust.generator import GENERATOR_TABLE

# RFC 6979 A.2.5
KEY = unhexlify("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721")
PUBLIC = unhexlify(
    "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
    "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
)
SIGNATURES = (
    (
        b"sample",
        "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
        "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
    ),
    (
        b"test",
        "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367"
        "019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083",
    ),
)

# NIST CAVP, KAS_ECC_CDH_PrimitiveTest.txt, [P-256], counts 0 and 1: private, peer, secret
AGREEMENTS = (
    (
        "7d7dc5f71eb29ddaf80d6214632eeae03d9058af1fb6d22ed80badb62bc1a534",
        "700c48f77f56584c5cc632ca65640db91b6bacce3a4df6b42ce7cc838833d287"
        "db71e509e3fd9b060ddb20ba5c51dcc5948d46fbf640dfe0441782cab85fa4ac",
        "46fc62106420ff012e54a434fbdd2d25ccc5852060561e68040dd7778997bd7b",
    ),
    (
        "38f65d6dce47676044d58ce5139582d568f64bb16098d179dbab07741dd5caf5",
        "809f04289c64348c01515eb03d5ce7ac1a8cb9498f5caa50197e58d43a86a7ae"
        "b29d84e811197f25eba8f5194092cb6ff440e26d4421011372461f579271cda3",
        "057d636096cb80b67a8c038c890e887d1adfa4195e9b3ce241c8a778c59cda67",
    ),
)


def key_of(number):
    return number.to_bytes(32, "big")


class SignTest(unittest.TestCase):
    def test_published(self):
        for text, expected in SIGNATURES:
            digest = hashlib.sha256(text).digest()
            # blinding draws anew each time, and the outcome is the same
            for _ in range(2):
                found = private_key.sign(KEY, PUBLIC, digest)
                self.assertEqual(hexlify(found).decode(), expected)

    def test_verified_before_it_leaves(self):
        digest = hashlib.sha256(b"sample").digest()
        other = private_key.public_key(key_of(2))
        self.assertEqual(reason_of(private_key.sign, KEY, other, digest), VERIFIER_FAULT)

    def test_digests_at_the_edge(self):
        for digest in (bytes(32), b"\xff" * 32, key_of(p256.ORDER)):
            signature = private_key.sign(KEY, PUBLIC, digest)
            self.assertTrue(p256.verify(PUBLIC, digest, signature))
        for length in (0, 31, 33):
            self.assertRaises(ValueError, private_key.sign, KEY, PUBLIC, bytes(length))

    def test_every_randomness(self):
        urandom = os.urandom
        digest = hashlib.sha256(b"test").digest()
        for octet in (0, 0xFF):
            # a generator that repeats hides less, and changes nothing else
            private_key.os = FixedRandom(octet)
            try:
                found = private_key.sign(KEY, PUBLIC, digest)
            finally:
                private_key.os = os
            self.assertEqual(hexlify(found).decode(), SIGNATURES[1][1])
        self.assertTrue(os.urandom is urandom)


class FixedRandom:
    def __init__(self, octet):
        self.octet = octet

    def urandom(self, count):
        return bytes((self.octet,)) * count


class KeyTest(unittest.TestCase):
    def test_public(self):
        self.assertEqual(private_key.public_key(KEY), PUBLIC)
        generator = bytes(GENERATOR_TABLE[:64])
        self.assertEqual(private_key.public_key(key_of(1)), generator)
        opposite = private_key.public_key(key_of(p256.ORDER - 1))
        self.assertEqual(opposite[:32], generator[:32])
        y = int.from_bytes(generator[32:], "big") + int.from_bytes(opposite[32:], "big")
        self.assertEqual(y, p256.PRIME)

    def test_no_keys(self):
        for octets in (bytes(32), key_of(p256.ORDER), b"\xff" * 32, KEY[:31], KEY + b"\0", b""):
            self.assertFalse(private_key.is_private_key(octets))
            self.assertRaises(ValueError, private_key.public_key, octets)
            self.assertRaises(ValueError, private_key.agree, octets, PUBLIC)
        self.assertTrue(private_key.is_private_key(key_of(p256.ORDER - 1)))


class AgreeTest(unittest.TestCase):
    def test_published(self):
        for own, peer, secret in AGREEMENTS:
            found = private_key.agree(unhexlify(own), unhexlify(peer))
            self.assertEqual(hexlify(found).decode(), secret)

    def test_both_sides(self):
        for number in (1, 2, 15, 16, 17, p256.ORDER - 1, p256.ORDER // 2):
            own = key_of(number)
            theirs = private_key.agree(KEY, private_key.public_key(own))
            self.assertEqual(private_key.agree(own, PUBLIC), theirs)

    def test_points_of_other_curves(self):
        x, y = PUBLIC[:32], PUBLIC[32:]
        for peer in (
            bytes(64),
            x + x,
            x + key_of(int.from_bytes(y, "big") ^ 1),
            key_of(p256.PRIME) + y,
            b"\xff" * 64,
            PUBLIC[:63],
            b"\x04" + PUBLIC,
        ):
            self.assertEqual(reason_of(private_key.agree, KEY, peer), PEER_KEY)
        self.assertEqual(reason_of(private_key.agree, KEY, PUBLIC), ACCEPTED)


class SelfTestTest(unittest.TestCase):
    def test_a_wrong_answer_ends_it(self):
        right = private_key._add
        digest = hashlib.sha256(b"test").digest()

        def wrong(one, other):
            x, y, z = right(one, other)
            return x ^ 1, y, z

        for call in (
            lambda: private_key.sign(KEY, PUBLIC, digest),
            lambda: private_key.agree(KEY, PUBLIC),
        ):
            private_key._passed = None
            private_key._add = wrong
            try:
                self.assertEqual(reason_of(call), VERIFIER_FAULT)
                # and stays so
                private_key._add = right
                self.assertEqual(reason_of(call), VERIFIER_FAULT)
            finally:
                private_key._add = right
                private_key._passed = None
        private_key.sign(KEY, PUBLIC, digest)


class AesTest(unittest.TestCase):
    def test_published(self):
        # FIPS 197, appendices B and C.1
        for key, block, expected in (
            (
                "2b7e151628aed2a6abf7158809cf4f3c",
                "3243f6a8885a308d313198a2e0370734",
                "3925841d02dc09fbdc118597196a0b32",
            ),
            (
                "000102030405060708090a0b0c0d0e0f",
                "00112233445566778899aabbccddeeff",
                "69c4e0d86a7b0430d8cdb78070b4c55a",
            ),
        ):
            cipher = aes.Cipher(unhexlify(key))
            self.assertEqual(hexlify(cipher.encrypt(unhexlify(block))).decode(), expected)

    def test_lengths(self):
        for length in (0, 15, 17, 32):
            self.assertRaises(ValueError, aes.Cipher, bytes(length))
            self.assertRaises(ValueError, aes.Cipher(bytes(16)).encrypt, bytes(length))

    # a port with cryptolib uses it
    def test_native(self):
        class Native:
            def __init__(self, key, mode):
                self.mode = mode

            def encrypt(self, block):
                return b"%d" % self.mode + block[1:]

        before = aes._aes
        aes._aes = Native
        try:
            self.assertEqual(aes.Cipher(bytes(16)).encrypt(bytes(16)), b"1" + bytes(15))
        finally:
            aes._aes = before


class GmacTest(unittest.TestCase):
    def test_self_test(self):
        self.assertTrue(gmac.self_test())
        right = gmac._multiply
        gmac._passed = None
        gmac._multiply = lambda x, y: right(x, y) ^ 1
        try:
            self.assertRaises(ValueError, gmac.tag, bytes(16), bytes(12), b"")
        finally:
            gmac._multiply = right
            gmac._passed = None

    def test_empty(self):
        # McGrew and Viega, "The Galois/Counter Mode of Operation", test case 1
        found = gmac.tag(bytes(16), bytes(12), b"")
        self.assertEqual(hexlify(found).decode(), "58e2fccefa7e3061367f1d57a4e7455a")

    def test_is_equal(self):
        self.assertTrue(gmac.is_equal(b"abc", b"abc"))
        for other in (b"abd", b"bbc", b"ab", b"abcd", b""):
            self.assertFalse(gmac.is_equal(b"abc", other))

    def test_lengths(self):
        for length in (0, 11, 13):
            self.assertRaises(ValueError, gmac.tag, bytes(16), bytes(length), b"")


if __name__ == "__main__":
    unittest.main()
