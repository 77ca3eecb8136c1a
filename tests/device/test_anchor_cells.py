# Heads of trust anchor cells, and key identifiers.

import unittest

import cells
import images
from outcome import refusal_of

from hanbootloader.reasons import (
    ACCEPTED,
    ANCHOR_MALFORMED,
)
from hanbootloader.trust import cell as cell_format
from hanbootloader.trust.cell import (
    ACCESS_CONTROL_BROKER,
    KEY_AGREEMENT,
    MANUFACTURER,
    SUPPLIER,
    Cell,
)
from hanbootloader.trust.kid import kid_of


class KidTest(unittest.TestCase):
    def test_known(self):
        # the key of the worked example in the documentation of formats
        key = bytes.fromhex(
            "D0A87A8789055CCBDBE567EA2930C44E7E2A8ED3091467B4AD123DCCB9560588"
            "CE8B3D41B9C77B45AF51C74AE0BA94B044F4BC4B9B6D15115FA9D2C124B464D0"
        )
        self.assertEqual(kid_of(key), bytes.fromhex("43CBB28D0C41EDD1"))


class CellTest(unittest.TestCase):
    def test_fields(self):
        cell = Cell(
            cells.head(
                "manufacturer",
                flags=0,
                sequence=0xFFFFFFFF,
                label=b"ACME PPMID",
                scope=(0x1234, 5),
                entity=b"\x01\x02\x03\x04\x05\x06\x07\x08",
            )
        )
        self.assertEqual((cell.role, cell.flags, cell.is_development), (MANUFACTURER, 0, False))
        self.assertEqual(cell.kid, images.kid("manufacturer"))
        self.assertEqual(cell.key, images.key("manufacturer"))
        self.assertEqual((cell.sequence, cell.scope), (0xFFFFFFFF, (0x1234, 5)))
        self.assertEqual(cell.entity, b"\x01\x02\x03\x04\x05\x06\x07\x08")
        self.assertEqual(cell.label.rstrip(b"\0"), b"ACME PPMID")
        self.assertTrue(Cell(cells.head("supplier")).is_development)

    # any byte that is not what it was: the digest at the end tells
    def test_every_byte(self):
        head = cells.head("manufacturer")
        self.assertEqual(len(head), cell_format.HEAD_BYTES)
        for at in range(len(head)):
            changed = bytearray(head)
            changed[at] ^= 0x10
            expected = 0 if at < 4 else 4 if at == 4 else 144
            self.assertEqual(refusal_of(Cell, changed), (ANCHOR_MALFORMED, expected))

    def test_length(self):
        head = cells.head("manufacturer")
        for octets in (b"", head[:-1], head + b"\0"):
            self.assertEqual(refusal_of(Cell, octets), (ANCHOR_MALFORMED, 0))

    def test_boundary_values(self):
        for fields, offset in (
            ({"role": 0}, 5),
            ({"role": 1}, 5),
            ({"role": 3}, 5),
            ({"role": 126}, 5),
            ({"role": 128}, 5),
            ({"role": SUPPLIER, "usage": KEY_AGREEMENT}, None),
            ({"role": ACCESS_CONTROL_BROKER, "usage": KEY_AGREEMENT}, None),
            ({"role": ACCESS_CONTROL_BROKER}, None),
            # an envelope is signed, and nothing is agreed with its maker
            ({"usage": KEY_AGREEMENT}, 5),
            ({"usage": 1}, 5),
            ({"usage": 255}, 5),
            ({"flags": 2}, 7),
            ({"flags": 255}, 7),
            ({"flags": 0}, None),
            ({"sequence": 0}, None),
        ):
            refusal = refusal_of(Cell, cells.head("manufacturer", **fields))
            expected = (ACCEPTED, -1) if offset is None else (ANCHOR_MALFORMED, offset)
            self.assertEqual((fields, refusal), (fields, expected))

    # bytes that a later format may use: what is not understood is not taken
    def test_bytes_without_a_meaning(self):
        for at in (120, 143):
            head = bytearray(cells.head("manufacturer")[:144])
            head[at] = 1
            octets = bytes(head) + images.sha256(head)
            self.assertEqual(refusal_of(Cell, octets), (ANCHOR_MALFORMED, 120))

    # what an older device was given about the key is not taken, the key is
    def test_old_format(self):
        cell = Cell(cells.old_head("manufacturer", kid=b"whatever", sequence=7))
        self.assertEqual((cell.kid, cell.sequence), (images.kid("manufacturer"), 7))
        self.assertEqual(cell.label.rstrip(b"\0"), b"old")

    # over every byte of head and table
    def test_fingerprint(self):
        cell = Cell(cells.head("manufacturer"))
        self.assertEqual(cell.fingerprint(), images.sha256(cell.head))
        cell.table = memoryview(b"table")
        self.assertEqual(cell.fingerprint(), images.sha256(cell.head + b"table"))


if __name__ == "__main__":
    unittest.main()
