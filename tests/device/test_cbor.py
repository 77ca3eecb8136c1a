# The CBOR subset: what it encodes, what it takes, and what it refuses.

import unittest
from binascii import unhexlify

from outcome import refusal_of

from hanbootloader.image import cbor
from hanbootloader.reasons import ACCEPTED, ENCODING

# RFC 8949 appendix A: (value, encoding)
EXAMPLES = (
    (0, "00"),
    (1, "01"),
    (10, "0a"),
    (23, "17"),
    (24, "1818"),
    (25, "1819"),
    (100, "1864"),
    (1000, "1903e8"),
    (1000000, "1a000f4240"),
    (1000000000000, "1b000000e8d4a51000"),
    (18446744073709551615, "1bffffffffffffffff"),
    (-18446744073709551616, "3bffffffffffffffff"),
    (-1, "20"),
    (-10, "29"),
    (-100, "3863"),
    (-1000, "3903e7"),
    (False, "f4"),
    (True, "f5"),
    (None, "f6"),
    (b"", "40"),
    (b"\x01\x02\x03\x04", "4401020304"),
    ("", "60"),
    ("a", "6161"),
    ("IETF", "6449455446"),
    ('"\\', "62225c"),
    ("\u00fc", "62c3bc"),
    ("\u6c34", "63e6b0b4"),
    ("\U00010151", "64f0908591"),
    ([], "80"),
    ([1, 2, 3], "83010203"),
    ([1, [2, 3], [4, 5]], "8301820203820405"),
    (list(range(1, 26)), "98190102030405060708090a0b0c0d0e0f101112131415161718181819"),
    ({}, "a0"),
    ({1: 2, 3: 4}, "a201020304"),
    ({"a": 1, "b": [2, 3]}, "a26161016162820203"),
    (["a", {"b": "c"}], "826161a161626163"),
    (
        {"a": "A", "b": "B", "c": "C", "d": "D", "e": "E"},
        "a56161614161626142616361436164614461656145",
    ),
)

# RFC 8949 appendix A: well-formed, and not in the subset
OUTSIDE = (
    "c249010000000000000000",  # bignum
    "f90000",  # 0.0
    "fa47c35000",  # 100000.0
    "fb3ff199999999999a",  # 1.1
    "f7",  # undefined
    "f0",  # simple(16)
    "f8ff",  # simple(255)
    "c11a514b67b0",  # tag 1
    "d818456449455446",  # tag 24
    "5f42010243030405ff",  # strings of indefinite length
    "7f657374726561646d696e67ff",
)

# RFC 8949 appendix A: arrays and maps of indefinite length, which only a lenient reader takes
INDEFINITE = (
    ("9fff", []),
    ("9f018202039f0405ffff", [1, [2, 3], [4, 5]]),
    ("9f01820203820405ff", [1, [2, 3], [4, 5]]),
    ("83018202039f0405ff", [1, [2, 3], [4, 5]]),
    ("83019f0203ff820405", [1, [2, 3], [4, 5]]),
    ("9f" + "".join(["%02x" % n for n in range(1, 24)]) + "18181819ff", list(range(1, 26))),
    ("bf61610161629f0203ffff", {"a": 1, "b": [2, 3]}),
    ("826161bf61626163ff", ["a", {"b": "c"}]),
    ("bf6346756ef563416d7421ff", {"Fun": True, "Amt": -2}),
    ("bfff", {}),
)

# RFC 8949 appendix F: not well-formed
MALFORMED = {
    "nothing": "",
    "a head is cut": (
        "18 19 1a 1b 1901 1a0102 1b01020304050607 38 58 78 98 9a01ff00 b8 d8 f8 f900"
    ),
    "fewer octets than announced": (
        "41 61 5affffffff00 5bffffffffffffffff010203 7affffffff00 7b7fffffffffffffff010203"
    ),
    "fewer items than announced": (
        "81 818181818181818181 8200 a1 a20102 a100 a2000000"
        " 9bffffffffffffffff00 bbffffffffffffffff0000"
    ),
    "reserved additional information": (
        "1c 1d 1e 3c 3d 3e 5c 5d 5e 7c 7d 7e 9c 9d 9e bc bd be dc dd de fc fd fe"
    ),
    "simple values in two octets": "f800 f801 f818 f81f",
    "break, or indefinite length, where there is none": (
        "ff 81ff 8200ff a1ff a1ff00 a100ff 1f 3f df"
    ),
}

# well-formed, and not the shortest or not in order: only a lenient reader takes them
NOT_DETERMINISTIC = (
    ("1817", 23),
    ("190018", 24),
    ("1900ff", 255),
    ("1a0000ffff", 65535),
    ("1b00000000ffffffff", 4294967295),
    ("3817", -24),
    ("5801ff", b"\xff"),
    ("780161", "a"),
    ("980100", [0]),
    ("b8010002", {0: 2}),
    ("a202000100", {2: 0, 1: 0}),
    ("a2616200616100", {"b": 0, "a": 0}),
    ("a22000186400", {-1: 0, 100: 0}),
)

# text that is not UTF-8, RFC 3629: MicroPython alone would take the first six
NOT_TEXT = (
    "62c080",  # overlong
    "62c1bf",
    "63e09fbf",
    "64f08fbfbf",
    "63eda080",  # surrogate
    "64f4908080",  # above 10FFFF
    "64f5808080",
    "61c3",  # cut
    "62c328",
    "6180",  # a continuation by itself
    "61ff",
)
TEXT = (
    ("62c280", "\u0080"),
    ("63e0a080", "\u0800"),
    ("63ed9fbf", "\ud7ff"),
    ("63ee8080", "\ue000"),
    ("64f0908080", "\U00010000"),
    ("64f48fbfbf", "\U0010ffff"),
)


class EncodeTest(unittest.TestCase):
    def test_examples(self):
        for value, encoding in EXAMPLES:
            self.assertEqual(cbor.encode(value), unhexlify(encoding))

    # RFC 8949 4.2.1: keys in bytewise order of their encodings, not of their values
    def test_order_of_keys(self):
        encoding = cbor.encode({"aa": 5, -1: 3, "z": 4, 100: 2, 10: 1})
        self.assertEqual(encoding, unhexlify("a50a011864022003617a0462616105"))

    def test_other_types_of_octets_and_lists(self):
        for value in (bytearray(b"ab"), memoryview(b"ab")):
            self.assertEqual(cbor.encode(value), b"\x42ab")
        self.assertEqual(cbor.encode((1, (2,))), cbor.encode([1, [2]]))

    def test_what_has_no_encoding(self):
        for value, error in (
            (1 << 64, ValueError),
            (-1 - (1 << 64), ValueError),
            (set(), TypeError),
        ):
            with self.assertRaises(error):
                cbor.encode(value)


class DecodeTest(unittest.TestCase):
    def check_refused(self, encoding, offset=None, strict=True):
        refusal = refusal_of(cbor.decode, unhexlify(encoding), strict)
        expected = (ENCODING, refusal[1] if offset is None else offset)
        self.assertEqual((encoding, refusal), (encoding, expected))

    def test_examples(self):
        for value, encoding in EXAMPLES:
            for strict in (True, False):
                found = cbor.decode(unhexlify(encoding), strict)
                self.assertEqual((found, type(found)), (value, type(value)))

    def test_outside_the_subset(self):
        for encoding in OUTSIDE:
            self.check_refused(encoding)
            self.check_refused(encoding, strict=False)

    def test_malformed(self):
        for encodings in MALFORMED.values():
            for encoding in encodings.split(" "):
                self.check_refused(encoding)
                self.check_refused(encoding, strict=False)

    def test_every_cut_of_an_example(self):
        for _, encoding in EXAMPLES:
            for end in range(0, len(encoding), 2):
                self.check_refused(encoding[:end])

    def test_not_deterministic(self):
        for encoding, value in NOT_DETERMINISTIC:
            self.check_refused(encoding)
            self.assertEqual(cbor.decode(unhexlify(encoding), False), value)

    def test_indefinite(self):
        for encoding, value in INDEFINITE:
            self.check_refused(encoding)
            self.assertEqual(cbor.decode(unhexlify(encoding), False), value)
            # cut anywhere, or without its end
            for end in range(2, len(encoding), 2):
                self.check_refused(encoding[:end], strict=False)
        for encoding in (
            "bf00ff",
            "bf0001",
            "bf00010002ff",
            "bf9fff00ff",
            "9f00ff00",
            "bfbfff00ff",
        ):
            self.check_refused(encoding, strict=False)
        # as deep as any other
        self.assertEqual(cbor.decode(unhexlify("9f9f9f9f9fffffffffff"), False), [[[[[]]]]])
        for nested in ("9f" * 7 + "ff" * 7, "81" * 6 + "80"):
            self.check_refused(nested, 6, strict=False)

    def test_text(self):
        for encoding, text in TEXT:
            self.assertEqual(cbor.decode(unhexlify(encoding)), text)
        for encoding in NOT_TEXT:
            self.check_refused(encoding, 0)
            self.check_refused(encoding, 0, strict=False)

    # a second value of a key would be the reader's choice
    def test_a_key_stands_once(self):
        for encoding in ("a201000100", "a20100180100", "a2616100616100"):
            self.check_refused(encoding)
            self.check_refused(encoding, strict=False)

    def test_keys_are_integers_or_text(self):
        for key in ("4161", "80", "a0", "f4", "f5", "f6"):
            self.check_refused("a1" + key + "00", 1)
            self.check_refused("a1" + key + "00", 1, strict=False)

    # 28 to 31 are no lengths, however many octets follow; nor are a simple value and a float that
    # would be false, true or null if they were
    def test_reserved(self):
        for major in range(8):
            for argument in (28, 29, 30, 31):
                # maps and arrays may be of indefinite length
                for strict in (True,) if argument == 31 and major in (4, 5) else (True, False):
                    octets = bytes((major << 5 | argument,)) + b"\xff" * 128
                    self.assertEqual(refusal_of(cbor.decode, octets, strict), (ENCODING, 0))
        for encoding in ("f814", "f815", "f816", "f90014", "fa00000015", "fb0000000000000016"):
            self.check_refused(encoding, 0, strict=True)
            self.check_refused(encoding, 0, strict=False)

    # a tag is no simple value
    def test_tags(self):
        for encoding in ("d4", "d5", "d6", "d400"):
            self.check_refused(encoding, 0, strict=True)
            self.check_refused(encoding, 0, strict=False)

    # refused for its length, before its items are read
    def test_list_longer_than_what_is_left(self):
        self.check_refused("8201", 0)
        self.check_refused("9bffffffffffffffff01", 0)

    # MicroPython takes more for UTF-8 than there is: what stands against it, without what CPython
    # would refuse of itself
    def test_utf8(self):
        for encoding, good in (
            ("", True),
            ("7f", True),
            ("c280", True),
            ("dfbf", True),
            ("e0a080", True),
            ("ed9fbf", True),
            ("ee8080", True),
            ("efbfbf", True),
            ("f0908080", True),
            ("f48fbfbf", True),
            ("61c3bc62", True),
            ("c080", False),
            ("c1bf", False),
            ("e09fbf", False),
            ("eda080", False),
            ("edbfbf", False),
            ("f08fbfbf", False),
            ("f4908080", False),
            ("f5808080", False),
            ("ff808080", False),
            ("c27f", False),
            ("c2c0", False),
            ("61c080", False),
        ):
            found = cbor._is_utf8(memoryview(unhexlify(encoding)))
            self.assertEqual((encoding, found), (encoding, good))

    def test_utf8_is_asked(self):
        asked, cbor._is_utf8 = cbor._is_utf8, lambda octets: False
        try:
            self.check_refused("6161", 0)
        finally:
            cbor._is_utf8 = asked

    def test_nesting(self):
        # five around an integer, and no more
        for deepest, taken in (("8181818181" + "00", True), ("818181818181" + "00", False)):
            refusal = refusal_of(cbor.decode, unhexlify(deepest))
            self.assertEqual(refusal, (ACCEPTED, -1) if taken else (ENCODING, 6))
        for deepest, taken in (("a100" * 5 + "00", True), ("a100" * 6 + "00", False)):
            refusal = refusal_of(cbor.decode, unhexlify(deepest))
            self.assertEqual(refusal, (ACCEPTED, -1) if taken else (ENCODING, 11))

    # maps as keys of maps as keys: no deeper than anything else
    def test_nesting_of_keys(self):
        for octets in (b"\xa1" * 1000, b"\x81" * 1000, b"\xa1\x00" * 500):
            for strict in (True, False):
                self.assertEqual(refusal_of(cbor.decode, octets, strict)[0], ENCODING)
        self.assertEqual(refusal_of(cbor.decode, b"\xa1" * 1000), (ENCODING, 2))

    def test_offset_is_where_the_fault_is(self):
        for encoding, offset in (
            ("8300011817", 3),  # the item that is not the shortest
            ("a200010002", 3),  # the key that stands twice
            ("820041", 3),  # octets that are not there
            ("0000", 1),  # what follows the item
        ):
            self.check_refused(encoding, offset)

    def test_views_are_not_copies(self):
        octets = bytearray(unhexlify("8243616263" + "6161"))
        view, text = cbor.decode(octets, False, True)
        octets[2] = 0x78
        self.assertEqual((bytes(view), text), (b"xbc", "a"))
        self.assertEqual(cbor.decode(octets)[0], b"xbc")


if __name__ == "__main__":
    unittest.main()
