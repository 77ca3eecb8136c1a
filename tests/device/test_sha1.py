# SHA-1 where MicroPython has none: the examples of FIPS 180-2, appendix A, and every length of a
# message around its padding.

import hashlib
import unittest

from hanbootloader.trust.sha1 import sha1

EXAMPLES = (
    (b"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
    (
        b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
    ),
    (b"", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
)


class Sha1Test(unittest.TestCase):
    def test_examples(self):
        for message, digest in EXAMPLES:
            self.assertEqual(sha1(message).digest(), bytes.fromhex(digest))

    # where this Python has its own to compare with
    @unittest.skipUnless(hasattr(hashlib, "sha1"), "no other SHA-1 here")
    def test_every_length(self):
        for length in range(131):
            message = bytes(range(length))
            self.assertEqual(sha1(message).digest(), hashlib.sha1(message).digest())


if __name__ == "__main__":
    unittest.main()
