# The commands of cluster 0x0019, octet by octet (ZigBee 095264r23 6.10), and what is not one.

import unittest
from binascii import unhexlify

from hanbootloader.han import ota_cluster as ota
from hanbootloader.han import zcl
from hanbootloader.han.zcl import Malformed

EUI64 = unhexlify("00db1234567890a1")
IDENTITY = {"manufacturer": 0xFFF0, "image_type": 0x0005, "version": 0x01020304}
ID_OCTETS = "f0ff" + "0500" + "04030201"


def fields(**more):
    values = dict(IDENTITY)
    values.update(more)
    return values


# (command, payload, values)
TABLE = (
    (ota.IMAGE_NOTIFY, "0001", {"payload_type": 0, "jitter": 1}),
    (
        ota.IMAGE_NOTIFY,
        "0164f0ff",
        {"payload_type": 1, "jitter": 100, "manufacturer": 0xFFF0},
    ),
    (
        ota.IMAGE_NOTIFY,
        "0264f0ff0500",
        {"payload_type": 2, "jitter": 100, "manufacturer": 0xFFF0, "image_type": 5},
    ),
    (ota.IMAGE_NOTIFY, "0332" + ID_OCTETS, fields(payload_type=3, jitter=50)),
    (ota.QUERY_NEXT_IMAGE, "00" + ID_OCTETS, fields(field_control=0)),
    (
        ota.QUERY_NEXT_IMAGE,
        "01" + ID_OCTETS + "0001",
        fields(field_control=1, hardware_version=0x0100),
    ),
    (ota.QUERY_NEXT_IMAGE_RESPONSE, "98", {"status": zcl.NO_IMAGE_AVAILABLE}),
    (ota.QUERY_NEXT_IMAGE_RESPONSE, "7e", {"status": zcl.NOT_AUTHORIZED}),
    (
        ota.QUERY_NEXT_IMAGE_RESPONSE,
        "00" + ID_OCTETS + "00000100",
        fields(status=0, image_size=0x10000),
    ),
    (
        ota.IMAGE_BLOCK,
        "00" + ID_OCTETS + "3c000000" + "32",
        fields(field_control=0, offset=60, max_bytes=50),
    ),
    (
        ota.IMAGE_BLOCK,
        "03" + ID_OCTETS + "3c000000" + "32" + "a19078563412db00" + "6400",
        fields(field_control=3, offset=60, max_bytes=50, eui64=EUI64, block_period=100),
    ),
    (
        ota.IMAGE_BLOCK,
        "02" + ID_OCTETS + "3c000000" + "32" + "6400",
        fields(field_control=2, offset=60, max_bytes=50, block_period=100),
    ),
    (
        ota.IMAGE_BLOCK_RESPONSE,
        "00" + ID_OCTETS + "3c000000" + "03" + "aabbcc",
        fields(status=0, offset=60, data=b"\xaa\xbb\xcc"),
    ),
    (
        ota.IMAGE_BLOCK_RESPONSE,
        "97" + "00000000" + "0a000000" + "c800",
        {
            "status": zcl.WAIT_FOR_DATA,
            "current_time": 0,
            "request_time": 10,
            "block_period": 200,
        },
    ),
    (ota.IMAGE_BLOCK_RESPONSE, "95", {"status": zcl.ABORT}),
    (ota.UPGRADE_END, "00" + ID_OCTETS, fields(status=0)),
    (ota.UPGRADE_END, "96" + ID_OCTETS, fields(status=zcl.INVALID_IMAGE)),
    (
        ota.UPGRADE_END_RESPONSE,
        ID_OCTETS + "01000000" + "ffffffff",
        fields(current_time=1, upgrade_time=ota.WAIT_FOR_ACTIVATION),
    ),
)


def plain(values):
    return {name: bytes(v) if isinstance(v, memoryview) else v for name, v in values.items()}


class CommandsTest(unittest.TestCase):
    def test_table(self):
        for command, octets, values in TABLE:
            octets = unhexlify(octets)
            self.assertEqual(ota.encode(command, values), octets)
            self.assertEqual(plain(ota.parse(command, octets)), values)

    # one octet fewer or more is malformed, whatever the command
    def test_every_other_length(self):
        for command, octets, _ in TABLE:
            octets = unhexlify(octets)
            for end in range(len(octets)):
                with self.assertRaises(Malformed):
                    ota.parse(command, octets[:end])
            with self.assertRaises(Malformed):
                ota.parse(command, octets + b"\0")

    def test_reserved_first_octets(self):
        for command, first in (
            (ota.IMAGE_NOTIFY, 4),
            (ota.QUERY_NEXT_IMAGE, 2),
            (ota.IMAGE_BLOCK, 4),
        ):
            with self.assertRaises(Malformed):
                ota.parse(command, bytes((first,)) + bytes(40))

    def test_values_that_do_not_fit(self):
        for values in (
            fields(status=256),
            fields(status=0, manufacturer=0x10000),
            fields(status=0, version=1 << 32),
            fields(status=0, version=-1),
        ):
            with self.assertRaises(ValueError):
                ota.encode(ota.UPGRADE_END, values)

    def test_directions(self):
        from_server = [command for command in range(8) if _is_known(command)]
        self.assertEqual(from_server, [0, 1, 2, 3, 5, 6, 7])
        self.assertEqual(
            [c for c in from_server if ota.is_from_server(c)],
            [
                ota.IMAGE_NOTIFY,
                ota.QUERY_NEXT_IMAGE_RESPONSE,
                ota.IMAGE_BLOCK_RESPONSE,
                ota.UPGRADE_END_RESPONSE,
            ],
        )

    # a page of blocks is not supported, nor are files of one device
    def test_unsupported(self):
        for command in (4, 8, 9, 0xFF):
            try:
                ota.is_from_server(command)
                self.fail("taken")
            except Malformed as malformed:
                self.assertEqual(malformed.status, zcl.UNSUP_COMMAND)


def _is_known(command):
    try:
        ota.is_from_server(command)
        return True
    except Malformed:
        return False


if __name__ == "__main__":
    unittest.main()
