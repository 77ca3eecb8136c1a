# The OTA Header and the trailer of a GBCS OTA Upgrade Image.

import unittest
from binascii import unhexlify

from outcome import refusal_of

from hanbootloader.image import ota, writer
from hanbootloader.reasons import (
    ACCEPTED,
    FIELD_CONTROL,
    FILE_IDENTIFIER,
    HEADER_VERSION,
    TRAILER,
)

# the header of DCC's published ESME test image
DCC_HEADER = unhexlify(
    "1ef1ee0b00013c0004001d120000dcacdcac0200"
    "4920616d20612047464920" + "45534d455b5d206669726d7761726520696d616765"
    "6901000011111112"
)


def changed(at, octets):
    return DCC_HEADER[:at] + octets + DCC_HEADER[at + len(octets) :]


class HeaderTest(unittest.TestCase):
    def test_dcc_sample(self):
        header = ota.parse_header(DCC_HEADER)
        self.assertEqual(header.manufacturer_code, 0x121D)
        self.assertEqual(header.image_type, 0x0000)
        self.assertEqual(header.file_version, 0xACDCACDC)
        self.assertEqual(header.stack_version, 0x0002)
        self.assertEqual(header.header_string, b"I am a GFI ESME[] firmware image")
        self.assertEqual(header.total_bytes, 361)
        self.assertEqual(header.hardware, (0x1111, 0x1211))
        self.assertEqual(writer.encode_header(header), DCC_HEADER)

    # GBCS 11.2.2: what the fields before the manufacturer code must be
    def test_fixed_fields(self):
        for at, octets, refusal in (
            (0, b"\x1f", (FILE_IDENTIFIER, 0)),
            (3, b"\x0c", (FILE_IDENTIFIER, 0)),
            (0, b"\x0b\xee\xf1\x1e", (FILE_IDENTIFIER, 0)),  # the other way round
            (4, b"\x01\x00", (HEADER_VERSION, 4)),
            (4, b"\x00\x02", (HEADER_VERSION, 4)),
            (6, b"\x3b", (HEADER_VERSION, 6)),
            (6, b"\x45", (HEADER_VERSION, 6)),  # 69: all optional fields
            (7, b"\x01", (HEADER_VERSION, 6)),
            (8, b"\x00", (FIELD_CONTROL, 8)),
            (8, b"\x05", (FIELD_CONTROL, 8)),  # a credential version, too
            (8, b"\x06", (FIELD_CONTROL, 8)),  # a destination, too
            (9, b"\x01", (FIELD_CONTROL, 8)),
        ):
            self.assertEqual(refusal_of(ota.parse_header, changed(at, octets)), refusal)

    # Any value of the others is for the decision to check, not for the parser.
    def test_free_fields(self):
        for at in range(10, ota.HEADER_BYTES):
            for octet in (b"\x00", b"\xff"):
                octets = changed(at, octet)
                self.assertEqual(writer.encode_header(ota.parse_header(octets)), octets)

    # header version before field control before length: the field control explains the length
    def test_order_of_the_checks(self):
        for at, octets, reason in (
            (0, b"\0" * 10, FILE_IDENTIFIER),
            (4, b"\0" * 6, HEADER_VERSION),
            (6, b"\0" * 4, FIELD_CONTROL),
        ):
            self.assertEqual(refusal_of(ota.parse_header, changed(at, octets))[0], reason)

    def test_every_cut(self):
        for end in range(ota.HEADER_BYTES):
            refusal = refusal_of(ota.parse_header, DCC_HEADER[:end])
            self.assertEqual(refusal, (FILE_IDENTIFIER, end))

    def test_views(self):
        header = ota.parse_header(memoryview(bytearray(DCC_HEADER + b"what follows")))
        self.assertEqual(writer.encode_header(header), DCC_HEADER)

    def test_boundary_values(self):
        for header in (
            ota.Header(0, 0, 0, 0, (0, 0), bytes(32), 0),
            ota.Header(
                0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, (0xFFFF, 0xFFFF), b"\xff" * 32, 0xFFFF
            ),
        ):
            octets = writer.encode_header(header)
            self.assertEqual(len(octets), ota.HEADER_BYTES)
            self.assertEqual(writer.encode_header(ota.parse_header(octets)), octets)


class TrailerTest(unittest.TestCase):
    SIGNATURE = bytes(range(64))

    def test_octets(self):
        octets = b"\x00\x40" + self.SIGNATURE
        self.assertEqual(writer.encode_trailer(ota.Trailer(0, self.SIGNATURE)), octets)
        found = ota.parse_trailer(octets)
        self.assertEqual((found.force_replace, found.signature), (0, self.SIGNATURE))

    # only a Communications Hub acts on it, so a device takes any
    def test_force_replace(self):
        for value in (0, 1, 2, 255):
            octets = writer.encode_trailer(ota.Trailer(value, self.SIGNATURE))
            self.assertEqual(ota.parse_trailer(octets).force_replace, value)

    def test_length_octet(self):
        for value in range(256):
            refusal = refusal_of(ota.parse_trailer, bytes((0, value)) + self.SIGNATURE)
            self.assertEqual(refusal, (ACCEPTED, -1) if value == 0x40 else (TRAILER, 1))

    def test_length(self):
        octets = writer.encode_trailer(ota.Trailer(0, self.SIGNATURE))
        for end in range(ota.TRAILER_BYTES):
            self.assertEqual(refusal_of(ota.parse_trailer, octets[:end])[0], TRAILER)
        self.assertEqual(refusal_of(ota.parse_trailer, octets + b"\0")[0], TRAILER)


if __name__ == "__main__":
    unittest.main()
