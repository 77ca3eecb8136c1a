# The image reader: whatever the pieces, the same image; whatever the image, the same memory.

import unittest

import images
from memory import Meter
from outcome import refusal_of

from hanbootloader.image import cose, writer
from hanbootloader.image.reader import ImageReader, Sink
from hanbootloader.reasons import (
    ACCEPTED,
    ENVELOPE,
    HARDWARE_VERSION,
    LAYOUT,
    NOT_A_PREDECESSOR,
    SIZE_MISMATCH,
    Refused,
)

DCC_SAMPLE = __file__[: -len("test_reader.py")] + "../../../shared/data/dcc-esme-signed.ota"


# Writes down what it is called with; refuses where it is set to.
class Notes(Sink):
    def __init__(self, refuse_header=0, refuse_manifest=0):
        self.calls = []
        self.image = b""
        self.refuse_header = refuse_header
        self.refuse_manifest = refuse_manifest

    def on_header(self, header):
        self.calls.append("header %08x" % header.file_version)
        if self.refuse_header:
            raise Refused(self.refuse_header)

    def on_manifest(self, envelope, content):
        self.calls.append("manifest %s" % content.label)
        if self.refuse_manifest:
            raise Refused(self.refuse_manifest)

    def on_image(self, octets):
        if "image" not in self.calls:
            self.calls.append("image")
        self.image += bytes(octets)


def in_pieces(octets, piece_bytes):
    for at in range(0, len(octets), piece_bytes):
        yield octets[at : at + piece_bytes]


# All there is to know of a file that was read in `pieces`.
def read(pieces, total_bytes):
    notes = Notes()
    reader = ImageReader(total_bytes, notes)
    for piece in pieces:
        reader.feed(piece)
    reader.finish()
    return (
        notes.calls,
        notes.image,
        writer.encode_header(reader.header),
        writer.encode_manifest(reader.manifest),
        bytes(reader.envelope.signature),
        reader.image_bytes,
        reader.padding_is_zero,
        reader.trailer,
        reader.image_hash(),
        reader.payload_hash(),
    )


class PiecesTest(unittest.TestCase):
    def test_what_is_read(self):
        image = images.manufacturer_image("1.1.0")
        for supplier, trailer in ((None, None), ("supplier", "1.1.0, supplier")):
            octets = images.ota_image("1.1.0", supplier)
            found = read([octets], len(octets))
            self.assertEqual(found[0], ["header 01010000", "manifest 1.1.0", "image"])
            self.assertEqual(found[1], image)
            self.assertEqual(found[2], octets[:60])
            self.assertEqual(found[3], writer.encode_manifest(images.RELEASES["1.1.0"].manifest()))
            self.assertEqual(found[4], images.signature("1.1.0"))
            self.assertEqual(found[5:7], (len(image), True))
            self.assertEqual(found[7], trailer and b"\x00\x40" + images.signature(trailer))
            self.assertEqual(found[8], images.image_hash("1.1.0"))
            self.assertEqual(found[9], images.sha256(images.RELEASES["1.1.0"].payload()))

    def test_any_size_of_pieces(self):
        octets = images.ota_image("1.0.0", "supplier")
        expected = read([octets], len(octets))
        for piece_bytes in (1, 2, 3, 16, 19, 20, 21, 59, 60, 61, 66, 80, 255, 256, 1000, 4096):
            self.assertEqual(read(in_pieces(octets, piece_bytes), len(octets)), expected)

    def test_any_two_pieces(self):
        octets = images.ota_image("1.0.0", "supplier")
        expected = read([octets], len(octets))
        ends = list(range(260)) + list(range(len(octets) - 70, len(octets) + 1))
        for at in ends:
            self.assertEqual(read([octets[:at], b"", octets[at:]], len(octets)), expected)

    # the sender's buffer is used again as soon as feed returns
    def test_pieces_are_not_kept(self):
        octets = images.ota_image("1.0.0", "supplier")
        buffer = bytearray(100)

        def reused():
            for piece in in_pieces(octets, len(buffer)):
                buffer[: len(piece)] = piece
                yield memoryview(buffer)[: len(piece)]

        self.assertEqual(read(reused(), len(octets)), read([octets], len(octets)))

    def test_padding(self):
        octets = bytearray(images.ota_image("1.0.0"))
        octets[60 + len(images.manufacturer_image("1.0.0")) - 3000 - 1] = 1
        notes = Notes()
        reader = ImageReader(len(octets), notes)
        reader.feed(octets)
        self.assertFalse(reader.padding_is_zero)
        self.assertEqual(notes.image, octets[60:])


class EndTest(unittest.TestCase):
    def test_complete_at_the_last_octet_only(self):
        octets = images.ota_image("1.0.0", "supplier")
        reader = ImageReader(len(octets), Sink())
        for at in range(len(octets)):
            self.assertEqual(reader.position, at)
            self.assertEqual(refusal_of(reader.finish), (SIZE_MISMATCH, at))
            reader.feed(octets[at : at + 1])
        self.assertEqual(refusal_of(reader.finish), (ACCEPTED, -1))

    def test_more_than_announced(self):
        octets = images.ota_image("1.0.0")
        for before in (0, 1, 60, len(octets)):
            notes = Notes()
            reader = ImageReader(len(octets), notes)
            reader.feed(octets[:before])
            refusal = refusal_of(reader.feed, octets[before:] + b"\0")
            self.assertEqual(refusal, (SIZE_MISMATCH, len(octets)))
            # nothing of the piece that was too long is passed on
            self.assertEqual(len(notes.image), max(0, before - 60))

    # LAYOUT names the first octet behind the Manufacturer Image
    def test_layout(self):
        octets = images.ota_image("1.0.0")
        ends = ((0, ACCEPTED), (1, LAYOUT), (65, LAYOUT), (66, ACCEPTED), (67, LAYOUT))
        for more, reason in ends:
            reader = ImageReader(len(octets) + more, Sink())
            refusal = refusal_of(reader.feed, octets)
            self.assertEqual(refusal, (reason, len(octets) if reason else -1))
        for fewer in (1, 66, 2999):
            reader = ImageReader(len(octets) - fewer, Sink())
            refusal = refusal_of(reader.feed, octets[:-fewer])
            self.assertEqual(refusal, (LAYOUT, len(octets)))


class SinkTest(unittest.TestCase):
    def test_refusal_ends_the_reading(self):
        octets = images.ota_image("1.0.0")
        envelope_bytes = cose.envelope_bytes(octets[60:])
        for notes, reason, position, calls in (
            (Notes(refuse_header=HARDWARE_VERSION), HARDWARE_VERSION, 60, 1),
            (Notes(refuse_manifest=NOT_A_PREDECESSOR), NOT_A_PREDECESSOR, 60 + envelope_bytes, 2),
        ):
            reader = ImageReader(len(octets), notes)
            self.assertEqual(refusal_of(reader.feed, octets)[0], reason)
            # as soon as the last octet of it is there
            self.assertEqual(reader.position, position)
            self.assertEqual((len(notes.calls), notes.image), (calls, b""))


class ForeignTest(unittest.TestCase):
    # a published DCC test image: its Manufacturer Image is none of ours
    def test_dcc_sample(self):
        try:
            with open(DCC_SAMPLE, "rb") as file:
                octets = file.read()
        except OSError:
            raise unittest.SkipTest("the sample is not part of this project")
        reader = ImageReader(len(octets), Sink())
        self.assertEqual(refusal_of(reader.feed, octets), (ENVELOPE, 0))
        self.assertEqual(reader.header.total_bytes, len(octets))
        self.assertEqual(reader.header.file_version, 0xACDCACDC)


class MemoryTest(unittest.TestCase):
    # octets in use at most while a file is read
    def peak(self, payload_bytes):
        total = sum([len(piece) for piece in images.pieces(payload_bytes)])
        with Meter() as meter:
            reader = ImageReader(total, Sink())
            for number, piece in enumerate(images.pieces(payload_bytes)):
                reader.feed(piece)
                if number % 16 == 2:
                    meter.look()
            reader.finish()
        return meter.peak

    def test_constant(self):
        self.peak(16384)
        small, large = self.peak(16384), self.peak(512 * 1024)
        self.assertTrue(large - small < 512, "%d, %d" % (small, large))
        self.assertTrue(large < 8192, large)


if __name__ == "__main__":
    unittest.main()
