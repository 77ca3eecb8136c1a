# The example of a radio: a co-processor that speaks TI's Monitor and Test API, played here octet by
# octet.

import sys
import unittest
from binascii import unhexlify

sys.path.append(__file__[: -len("tests/device/test_serial_radio.py")] + "boards/common")

from ramboard import Console

from serial_radio import SerialRadio

OWN = unhexlify("00db1234567890a4")
HUB = unhexlify("00db1234567890a1")
ZCL = unhexlify("190000" + "0064")


def mt(text):
    body = unhexlify(text.replace(" ", ""))
    body = bytes((len(body) - 2,)) + body
    check = 0
    for octet in body:
        check ^= octet
    return b"\xfe" + body + bytes((check,))


def incoming(address, frame, broadcast=0):
    head = "4481 0000 1900 %s 01 01 %02x 80 00 00000000 07 %02x" % (address, broadcast, len(frame))
    return mt(head + "".join(["%02x" % octet for octet in frame]))


class SerialRadioTest(unittest.TestCase):
    def setUp(self):
        self.port = Console()
        self.radio = SerialRadio(self.port, OWN, HUB)

    def receive(self):
        found = self.radio.receive()
        return None if found is None else found[:3] + (bytes(found[3]),)

    def test_send(self):
        self.assertTrue(self.radio.send(HUB, 0x0019, ZCL))
        self.assertEqual(self.port.outgoing, mt("2401 0000 01 01 1900 01 10 1e 05 1900000064"))
        # to whom there is no known way: as lost
        self.assertFalse(self.radio.send(OWN, 0x0019, ZCL))
        self.assertFalse(self.radio.send(HUB, 0x0019, bytes(251)))

    # no hub is known: the coordinator is asked
    def test_to_whoever(self):
        self.assertTrue(self.radio.send(b"\xff" * 8, 0x0019, ZCL))
        self.assertEqual(self.port.outgoing[4:6], b"\0\0")

    def test_receive(self):
        self.port.incoming = incoming("0000", ZCL)
        self.assertEqual(self.receive(), (HUB, 0x0019, False, ZCL))
        self.assertEqual(self.receive(), None)
        self.port.incoming = incoming("0000", ZCL, 1)
        self.assertEqual(self.receive(), (HUB, 0x0019, True, ZCL))

    # a sender that is not known is looked up first, and then known
    def test_look_up(self):
        other = unhexlify("00db1234567890bb")
        self.port.incoming = incoming("3412", ZCL)
        self.assertEqual(self.receive(), None)
        self.assertEqual(self.port.outgoing, mt("2741 3412"))
        self.port.incoming = mt("6741 bb9078563412db00")
        self.assertEqual(self.receive(), (other, 0x0019, False, ZCL))
        self.port.incoming = incoming("3412", ZCL)
        self.assertEqual(self.receive(), (other, 0x0019, False, ZCL))
        self.assertTrue(self.radio.send(other, 0x0019, ZCL))

    def test_not_to_be_found(self):
        self.port.incoming = incoming("3412", ZCL) + mt("6741 0000000000000000")
        self.assertEqual(self.receive(), None)
        self.assertEqual(self.receive(), None)

    # in pieces of any size, with noise before and between
    def test_pieces(self):
        stream = b"\x00\xfe\xff\xfe" + incoming("0000", ZCL) + b"noise\xfe" + incoming("0000", ZCL)
        found = []
        for octet in stream:
            self.port.incoming += bytes((octet,))
            received = self.receive()
            if received is not None:
                found.append(received)
        # what follows the second noise waits for what its first octets announce
        self.assertEqual(found[0], (HUB, 0x0019, False, ZCL))
        self.port.incoming = incoming("0000", ZCL) * 16
        for _ in range(20):
            received = self.receive()
            if received is not None:
                found.append(received)
        self.assertTrue(len(found) >= 15)

    def test_damaged(self):
        whole = incoming("0000", ZCL)
        for at in range(len(whole)):
            self.setUp()
            damaged = bytearray(whole)
            damaged[at] ^= 0x04
            self.port.incoming = bytes(damaged) + bytes(300)
            self.assertEqual(self.receive(), None, str(at))

    # lengths that do not agree
    def test_lies(self):
        for text in (
            "4481 0000 1900 0000 01 01 00 80 00 00000000 07 06 1900000064",
            "4481 0000 1900 0000 01 01 00 80 00 00000000 07",
            "4481",
            "6741 bb",
        ):
            self.port.incoming = mt(text)
            self.assertEqual(self.receive(), None)


if __name__ == "__main__":
    unittest.main()
