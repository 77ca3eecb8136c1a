# ZCL frames: header, Default Response, Read Attributes. Expected octets: ZCL8 2.4 and 2.5, and the
# same frames as zigpy writes them (tests/host/test_zigpy.py).

import unittest
from binascii import unhexlify

from hanbootloader.han import zcl


def status_of(call, *arguments):
    try:
        call(*arguments)
    except zcl.Malformed as malformed:
        return malformed.status
    return zcl.SUCCESS


class HeaderTest(unittest.TestCase):
    # (octets, global, from server, sequence, command, payload, no default, manufacturer)
    TABLE = (
        ("010001", False, False, 0, 1, "", False, None),
        ("112a05aabb", False, False, 0x2A, 5, "aabb", True, None),
        ("19ff00", False, True, 0xFF, 0, "", True, None),
        ("09000300", False, True, 0, 3, "00", False, None),
        ("10070b0196", True, False, 7, 0x0B, "0196", True, None),
        ("18070b0196", True, True, 7, 0x0B, "0196", True, None),
        ("0cf0ff0900", True, True, 9, 0, "", False, 0xFFF0),
        ("1df0ff0900ff", False, True, 9, 0, "ff", True, 0xFFF0),
    )

    def test_table(self):
        for octets, is_global, from_server, sequence, command, payload, quiet, code in self.TABLE:
            octets = unhexlify(octets)
            frame = zcl.parse(octets)
            found = (frame.is_global, frame.from_server, frame.sequence, frame.command)
            self.assertEqual(found, (is_global, from_server, sequence, command))
            self.assertEqual(bytes(frame.payload), unhexlify(payload))
            self.assertEqual((frame.no_default, frame.manufacturer), (quiet, code))
            self.assertEqual(frame.encode(), octets)

    def test_malformed(self):
        # too short; reserved types; reserved bits; a manufacturer code cut off
        for octets in ("", "01", "0100", "020001", "030001", "210001", "410001", "810001"):
            self.assertEqual(status_of(zcl.parse, unhexlify(octets)), zcl.MALFORMED_COMMAND)
        for end in range(5):
            octets = unhexlify("0cf0ff0900")[:end]
            self.assertEqual(status_of(zcl.parse, octets), zcl.MALFORMED_COMMAND)

    def test_default_response(self):
        request = zcl.parse(unhexlify("094205"))
        response = zcl.default_response(request, zcl.NOT_AUTHORIZED)
        self.assertEqual(response.encode(), unhexlify("10420b057e"))
        self.assertEqual(zcl.parse_default_response(response.payload), (5, zcl.NOT_AUTHORIZED))
        for payload in (b"", b"\x05", b"\x05\x7e\x00"):
            self.assertEqual(status_of(zcl.parse_default_response, payload), zcl.MALFORMED_COMMAND)


class AttributesTest(unittest.TestCase):
    EUI64 = unhexlify("90b3d51f30010002")

    def test_read(self):
        octets = zcl.encode_read((0x0000, 0x0006))
        self.assertEqual(octets, unhexlify("00000600"))
        self.assertEqual(zcl.parse_read(octets), [0, 6])
        self.assertEqual(status_of(zcl.parse_read, octets[:3]), zcl.MALFORMED_COMMAND)

    def test_response(self):
        records = [
            (0x0000, zcl.EUI64, self.EUI64),
            (0x0001, zcl.UINT32, 0x12345678),
            (0x0006, zcl.ENUM8, 1),
            (0x0042, None, None),
            (0x0009, zcl.UINT16, 0x0102),
        ]
        octets = zcl.encode_read_response(records)
        expected = "0000" + "00f0" + "020001301fd5b390" + "0100" + "0023" + "78563412"
        expected += "0600" + "0030" + "01" + "4200" + "86" + "0900" + "0021" + "0201"
        self.assertEqual(octets, unhexlify(expected))
        self.assertEqual(
            zcl.parse_read_response(octets), {0: self.EUI64, 1: 0x12345678, 6: 1, 9: 0x0102}
        )

    # Cut anywhere else than between two records it is malformed.
    def test_every_cut(self):
        octets = zcl.encode_read_response([(0, zcl.UTC, 5), (1, zcl.BITMAP8, 3)])
        for end in range(len(octets) + 1):
            status = zcl.SUCCESS if end in (0, 8, 13) else zcl.MALFORMED_COMMAND
            self.assertEqual(status_of(zcl.parse_read_response, octets[:end]), status)

    def test_unknown_type(self):
        octets = unhexlify("0000" + "00" + "42" + "0161")  # a text: of no use here
        self.assertEqual(status_of(zcl.parse_read_response, octets), zcl.MALFORMED_COMMAND)


if __name__ == "__main__":
    unittest.main()
