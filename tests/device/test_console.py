# The console: damaged requests and rubbish on its line, and typed lines for the application.

import unittest

import cells
import flows
import images
from console_rig import HAN, READ, WRITE, ConsoleTest
from memory import Meter

from hanbootloader.image import cbor
from hanbootloader.link import frame, smp


class LineTest(ConsoleTest):
    GOOD = frame.encode(smp.encode(1, READ, 0, 200, 0, {"d": "still there"}))

    # Whatever was on the line, the next good request is answered.
    def check_alive(self):
        replies = self.line.exchange(self.GOOD)
        self.assertTrue(replies, "no reply")
        self.assertEqual(cbor.decode(replies[-1][8:]), {"r": "still there"})

    def test_malformed_bodies(self):
        for body in (b"\xff", b"\xbf\0\xff", b"\xa1", b"\x80", b"\x9b" + b"\xff" * 8):
            for group, command in ((0, 0), (1, 0), (1, 1), (HAN, 1)):
                for version in (0, 1):
                    for operation in (READ, WRITE):
                        header = smp.SmpHeader(version, operation, len(body), group, 1, command)
                        (reply,) = self.line.exchange(frame.encode(header.encode() + body))
                        fields = cbor.decode(reply[8:])
                        self.assertTrue(fields in ({"rc": smp.EINVAL}, {"rc": smp.NOTSUP}))
        self.check_alive()

    def test_what_is_no_request(self):
        for message in (
            bytes(8)[:-1] + b"\x05" + b"more",  # not the length that it says
            smp.encode(1, 1, 0, 1, 0, {"r": "a reply"}),
            smp.encode(1, 3, 0, 1, 0, {}),
        ):
            self.assertEqual(self.line.exchange(frame.encode(message)), [])
            self.check_alive()

    def test_rubbish(self):
        every = bytes(range(256))
        for noise in (
            every,
            every * 10,
            b"\xff" * 5000,
            b"\x00" * 5000,
            b"\x06\x09" * 600,
            b"\x06\x09\x04\x14\n" * 100,
            b"\x06\x09" + b"A" * 600,
            b"\n" * 1000,
            images.payload_octets("noise", 4000),
            self.GOOD[:-3],
            self.GOOD[:10],
        ):
            for end in (b"\n", b""):
                self.line.exchange(noise + end)
                self.check_alive()
                # in one go with it
                replies = self.line.exchange(noise + end + self.GOOD)
                self.assertEqual(cbor.decode(replies[-1][8:]), {"r": "still there"})

    # Each octet of each kind of request changed: no crash, an answer or none, and life goes on.
    def test_damaged_requests(self):
        octets = images.ota_image("1.1.0")
        for message in (
            smp.encode(1, WRITE, 1, 7, 1, {"off": 0, "len": len(octets), "data": octets[:60]}),
            smp.encode(1, WRITE, 1, 7, 0, {"hash": bytes(32), "confirm": True}),
            smp.encode(1, READ, HAN, 7, 2, {"from": 0}),
            smp.encode(0, WRITE, HAN, 7, 4, {"head": cells.head("stranger")[:40]}),
        ):
            for at in range(len(message)):
                for flip in (0x01, 0x20, 0x80):
                    changed = bytearray(message)
                    changed[at] ^= flip
                    self.line.exchange(frame.encode(bytes(changed)))
            self.check_alive()
        self.assertEqual(flows.confirmed(self.line.device)[0], images.V1_0)

    # several requests in one go, and requests in any pieces
    def test_pieces(self):
        requests = [smp.encode(1, READ, 0, n, 0, {"d": "x" * 100}) for n in range(10)]
        octets = b"".join([frame.encode(request) for request in requests])
        for piece_bytes in (1, 3, 100, 256, 5000):
            replies = []
            for at in range(0, len(octets), piece_bytes):
                replies += self.line.exchange(octets[at : at + piece_bytes])
            self.assertEqual([reply[6] for reply in replies], list(range(10)))

    # a flash that takes nothing any more is an error, not an end
    def test_flash_fault(self):
        self.line.upload(images.ota_image("1.1.0"))
        self.board.flash.stuck = range(27)
        self.assertTrue("off" not in self.ask(WRITE, 1, 5))
        octets = images.ota_image("1.1.0 rebuilt")
        reply = self.ask(WRITE, 1, 1, {"off": 0, "len": len(octets), "data": octets[:900]})
        self.assertTrue("off" not in reply, reply)
        self.check_alive()

    def test_memory(self):
        every = bytes(range(256))
        with Meter() as meter:
            for round_ in range(30):
                self.board.console.incoming = every
                while self.line.console.poll():
                    pass
                self.board.console.incoming = self.GOOD
                while self.line.console.poll():
                    pass
                self.board.console.outgoing = b""
                meter.look()
                if round_ == 2:
                    early = meter.peak
        self.assertTrue(meter.peak - early < 256, (early, meter.peak))


class TypedLinesTest(ConsoleTest):
    def test_lines(self):
        self.assertIsNone(self.line.console.readline())
        self.line.exchange(b"balance\r\ntop-up 10.00\n")
        self.assertEqual(self.line.console.readline(), "balance")
        self.assertEqual(self.line.console.readline(), "top-up 10.00")
        self.assertIsNone(self.line.console.readline())

    # an application that does not read does not fill the memory
    def test_last_ones_are_kept(self):
        self.line.exchange(b"".join([b"line %d\n" % n for n in range(10)]))
        kept = []
        while True:
            line = self.line.console.readline()
            if line is None:
                break
            kept.append(line)
        self.assertEqual(kept, ["line 6", "line 7", "line 8", "line 9"])

    def test_between_requests(self):
        replies = self.line.exchange(b"balance\n" + LineTest.GOOD + b"help\n")
        self.assertEqual(len(replies), 1)
        self.assertEqual(self.line.console.readline(), "balance")
        self.assertEqual(self.line.console.readline(), "help")

    def test_say(self):
        self.line.console.say("Balance 12.34")
        self.assertEqual(self.board.console.outgoing, b"Balance 12.34\n")


if __name__ == "__main__":
    unittest.main()
