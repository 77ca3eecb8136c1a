# SMP over console: a damaged line costs its message and nothing else, whatever the damage.

import unittest
from binascii import b2a_base64

from memory import Meter

from hanbootloader.link.frame import BUF_BYTES, FrameReader, crc_hqx, encode

LONGEST = BUF_BYTES - 4  # octets of a message


def message(length, seed=0):
    return bytes([(at * 11 + seed) & 0xFF for at in range(length)])


# The lines of a message; line_bytes: decoded octets in each.
def lines_of(octets, line_bytes=93):
    packet = (len(octets) + 2).to_bytes(2, "big") + octets
    packet += crc_hqx(octets, 0).to_bytes(2, "big")
    lines = []
    for at in range(0, len(packet), line_bytes):
        marker = b"\x04\x14" if at else b"\x06\x09"
        lines.append(marker + b2a_base64(packet[at : at + line_bytes]))
    return lines


# What comes out of `octets`, taken in pieces: messages as bytes, typed lines as str.
def taken(octets, piece_bytes=256, reader=None):
    reader = reader or FrameReader()
    found = []
    for at in range(0, len(octets), piece_bytes):
        for each in reader.feed(memoryview(octets)[at : at + piece_bytes]):
            found.append(each if isinstance(each, str) else bytes(each))
    return found


class CrcTest(unittest.TestCase):
    # CRC-16/XMODEM in the catalogue of parametrised CRC algorithms (reveng), and two by hand:
    # the polynomial itself, and nothing
    def test_known(self):
        for octets, crc in (
            (b"123456789", 0x31C3),
            (b"", 0),
            (b"\0" * 100, 0),
            (b"\x01", 0x1021),
            (b"\x80", 0x9188),
            (b"\xff" * 2, 0x1D0F),
        ):
            self.assertEqual(crc_hqx(octets, 0), crc)
            self.assertEqual(crc_hqx(memoryview(octets), 0), crc)

    def test_in_parts(self):
        octets = message(1000)
        whole = crc_hqx(octets, 0)
        for at in (0, 1, 2, 3, 500, 999, 1000):
            self.assertEqual(crc_hqx(octets[at:], crc_hqx(octets[:at], 0)), whole)

    # over a message and its CRC it is zero
    def test_of_what_is_whole(self):
        for length in (1, 8, 255, 1020):
            octets = message(length)
            octets += crc_hqx(octets, 0).to_bytes(2, "big")
            self.assertEqual(crc_hqx(octets, 0), 0)


class EncodeTest(unittest.TestCase):
    def test_octets(self):
        # length 10, eight octets, CRC-16
        crc = crc_hqx(b"\x01\x02\x03\x04\x05\x06\x07\x08", 0)
        packet = b"\x00\x0a\x01\x02\x03\x04\x05\x06\x07\x08" + crc.to_bytes(2, "big")
        expected = b"\x06\x09" + b2a_base64(packet)
        self.assertEqual(encode(b"\x01\x02\x03\x04\x05\x06\x07\x08"), expected)

    def test_lines(self):
        for length in (8, 88, 89, 90, 181, 182, 183, 500, LONGEST):
            octets = encode(message(length))
            lines = octets[:-1].split(b"\n")
            self.assertEqual(octets[-1:], b"\n")
            self.assertEqual(b"".join(lines_of(message(length))), octets)
            for number, line in enumerate(lines):
                self.assertEqual(line[:2], b"\x04\x14" if number else b"\x06\x09")
                # each line can be decoded by itself, and with its end is 127 octets at most
                self.assertEqual(len(line) % 4, 2)
                self.assertTrue(len(line) <= 126)


class TakeTest(unittest.TestCase):
    def test_any_length(self):
        lengths = list(range(8, 300)) + list(range(LONGEST - 100, LONGEST + 1))
        for length in lengths:
            octets = message(length)
            self.assertEqual(taken(encode(octets)), [octets])

    def test_any_pieces(self):
        octets = encode(message(300))
        for piece_bytes in (1, 2, 3, 7, 63, 126, 127, 128, 1000):
            self.assertEqual(taken(octets * 3, piece_bytes), [message(300)] * 3)

    # a header at least, and no more than parameters report
    def test_boundary_lengths(self):
        for length, fits in (
            (0, False),
            (7, False),
            (8, True),
            (LONGEST, True),
            (LONGEST + 1, False),
        ):
            found = taken(encode(message(length)) + encode(message(20)))
            self.assertEqual(found, [message(length)] * fits + [message(20)])

    # the length octets say anything
    def test_announced_lengths(self):
        good = encode(message(20))
        for announced in list(range(0, 9)) + [22, 23, 500, 1021, 1023, 1024, 0x7FFF, 0xFFFF]:
            packet = announced.to_bytes(2, "big") + message(20) + b"\0\0"
            line = b"\x06\x09" + b2a_base64(packet)
            self.assertEqual((announced, taken(line + good)), (announced, [message(20)]))

    # some clients send long lines: up to 512 octets without the end
    def test_long_lines(self):
        for line_bytes in (3, 30, 93, 300, 381):
            octets = message(900)
            lines = lines_of(octets, line_bytes)
            self.assertEqual(taken(b"".join(lines)), [octets])
        # 384 octets are 512 in base64, 514 with the marker
        lines = lines_of(message(900), 384)
        self.assertEqual(len(lines[0]), 515)
        self.assertEqual(taken(b"".join(lines) + encode(message(20))), [message(20)])

    def test_carriage_returns(self):
        octets = encode(message(300)).replace(b"\n", b"\r\n")
        self.assertEqual(taken(octets), [message(300)])


# A message of four lines, damaged; then a good one.
class DamageTest(unittest.TestCase):
    LINES = lines_of(message(300))
    GOOD = message(50, 3)

    def check(self, lines, damaged_arrives=False):
        reader = FrameReader()
        expected = [message(300)] * damaged_arrives + [self.GOOD]
        self.assertEqual(taken(b"".join(lines) + encode(self.GOOD), 100, reader), expected)
        return reader.dropped

    def test_lost_line(self):
        for lost in range(4):
            self.check(self.LINES[:lost] + self.LINES[lost + 1 :])

    def test_repeated_line(self):
        # the first begins afresh
        self.check(self.LINES[:1] + self.LINES, True)
        self.check(self.LINES[:3] + self.LINES, True)
        for repeated in (1, 2):
            self.check(self.LINES[: repeated + 1] + self.LINES[repeated:])
        # behind its end there is nothing that it could go on with
        self.check(self.LINES + self.LINES[3:], True)

    def test_repeated_message(self):
        self.assertEqual(taken(b"".join(self.LINES * 2)), [message(300)] * 2)

    def test_swapped_lines(self):
        a, b, c, d = self.LINES
        for lines in ((a, c, b, d), (b, a, c, d), (d, c, b, a)):
            self.check(list(lines))

    def test_truncated_line(self):
        for number in range(4):
            line = self.LINES[number]
            for end in (0, 1, 2, 3, 4, 30, len(line) - 3, len(line) - 2):
                cut = line[:end] + b"\n"
                self.check(self.LINES[:number] + [cut] + self.LINES[number + 1 :])

    def test_truncated_message(self):
        whole = b"".join(self.LINES)
        for end in range(0, len(whole) - 1, 5):
            self.check([whole[:end] + b"\n"])
            # not even the end of the line: the next message begins in it
            self.check([whole[:end]])

    def test_any_octet_changed(self):
        whole = b"".join(self.LINES)
        for at in range(len(whole)):
            for octet in (0x00, 0x0A, 0x20, 0x41, 0xFF, whole[at] ^ 0x01):
                if octet != whole[at]:
                    changed = whole[:at] + bytes((octet,)) + whole[at + 1 :]
                    found = taken(changed + encode(self.GOOD))
                    # what is left of a line may look like something typed
                    found = [each for each in found if not isinstance(each, str)]
                    self.assertEqual(found[-1], self.GOOD)
                    self.assertTrue(found[:-1] in ([], [message(300)]), at)

    # log lines, typed lines and noise between the lines of a message do not disturb it
    def test_interleaved_text(self):
        for between in (b"\n", b"\r\n", b"balance\n", b"\x80\xff noise\n", b"x" * 600 + b"\n"):
            lines = []
            for line in self.LINES:
                lines += [between, line]
            found = [each for each in taken(b"".join(lines)) if not isinstance(each, str)]
            # a line that is too long may have been one of the message's own
            self.assertEqual(found, [] if len(between) > 512 else [message(300)])

    def test_interleaved_messages(self):
        other = lines_of(message(200, 9))
        for lines, arrives in (
            # the later of two messages stands
            (self.LINES[:2] + other, [message(200, 9)]),
            (self.LINES[:1] + other[:1] + self.LINES[1:] + other[1:], []),
        ):
            self.assertEqual(taken(b"".join(lines) + encode(self.GOOD)), arrives + [self.GOOD])

    def test_continuation_of_nothing(self):
        self.assertEqual(self.check(self.LINES[1:] * 5), 0)

    def test_not_base64(self):
        for line in (b"\x06\x09\n", b"\x06\x09A\n", b"\x06\x09AAA\n", b"\x06\x09====\n"):
            self.assertTrue(self.check([line]) >= 1)
        for line in (b"\x04\x14A\n", b"\x04\x14AAAAA\n"):
            self.check(self.LINES[:1] + [line])

    def test_dropped_are_counted(self):
        for lines, dropped in (
            ([], 0),
            (self.LINES[:1], 1),
            ([b"x" * 600 + b"\n"], 1),
            ([b"\xff\n"], 1),
            ([b"\xff\n"] * 9, 9),
        ):
            self.assertEqual(self.check(lines), dropped)


class NoiseTest(unittest.TestCase):
    GOOD = message(150)

    # noise that does not even end: the first line begins in the middle of it
    def test_before_a_message(self):
        noise = bytes([octet for octet in range(256) if octet != 0x0A]) * 8
        for length in list(range(1, 70)) + list(range(500, 530)) + [1000, 2000]:
            for piece_bytes in (1, 100, 5000):
                found = taken(noise[-length:] + encode(self.GOOD), piece_bytes)
                self.assertEqual((length, found), (length, [self.GOOD]))

    # the marker itself may be half noise
    def test_of_markers(self):
        for noise in (b"\x06", b"\x06\x06", b"\x09\x06", b"\x06\x09", b"\x04\x14", b"\x06\x09\x06"):
            for length in (0, 509, 510, 511, 512, 513):
                for piece_bytes in (1, 7, 5000):
                    found = taken(b"x" * length + noise + encode(self.GOOD), piece_bytes)
                    self.assertEqual((noise, length, found), (noise, length, [self.GOOD]))

    def test_behind_a_message(self):
        reader = FrameReader()
        for _ in range(3):
            found = taken(encode(self.GOOD) + b"\x00\xff\x06\x09AAAA", 50, reader)
            self.assertEqual(found, [self.GOOD])

    # however much of it there is, nothing grows
    def test_memory(self):
        reader = FrameReader()
        noise = bytes(range(256)) * 4
        with Meter() as meter:
            for _ in range(50):
                taken(noise, 200, reader)
                taken(b"x" * 1024, 200, reader)
                meter.look()
                idle = meter.peak
            self.assertTrue(idle < 512, idle)


class TextTest(unittest.TestCase):
    def test_typed_lines(self):
        for typed, text in (
            (b"balance\n", "balance"),
            (b"top-up 10.00\r\n", "top-up 10.00"),
            (b"  spaces\t \n", "spaces"),
            (b"x" * 80 + b"\n", "x" * 80),
            (b"x" * 81 + b"\n", "x" * 80),
            (b"x" * 512 + b"\n", "x" * 80),
            (b"x" * 513 + b"\n", None),
            (b"\n", None),
            (b"\r\n", None),
            (b" \t\n", None),
            (b"bell\x07\n", None),
            (b"caf\xc3\xa9\n", None),
            (b"\x7f\n", None),
            (b"~\n", "~"),
        ):
            for piece_bytes in (1, 1000):
                found = taken(typed, piece_bytes)
                self.assertEqual((typed, found), (typed, [] if text is None else [text]))

    def test_half_a_line_waits(self):
        reader = FrameReader()
        self.assertEqual(taken(b"bal", 1, reader), [])
        self.assertEqual(taken(b"ance\nto", 2, reader), ["balance"])
        self.assertEqual(taken(b"p\n", 1, reader), ["top"])


if __name__ == "__main__":
    unittest.main()
