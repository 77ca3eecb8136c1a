# The manifest: a round trip, its octets, every boundary, and what each wrong value is called.
# tests/device/mutations.py has the same faults in whole images.

import unittest
from binascii import unhexlify

import mutations
from outcome import refusal_of

from hanbootloader.image import cbor, manifest, writer
from hanbootloader.image.manifest import parse_manifest, read_feature_version
from hanbootloader.reasons import ACCEPTED, ENCODING, MANIFEST_MALFORMED, UNKNOWN_EVEN_KEY

HASH = bytes(range(32))

# Manifest -> octets, as docs/reference/formats.md would draw it
OCTETS = (
    "ac"  # map of 12
    "0001"  # 0: format 1
    "0163" + "43504c"  # 1: "CPL"
    "0219fff0"  # 2: manufacturer code
    "0361" + "78"  # 3: "x"
    "0405"  # 4: image type
    "061a01010000"  # 6: file version
    "0882" + "190100" + "1901ff"  # 8: [minimum, maximum]
    "0a83" + "00" + "18c8" + "5820" + "%(hash)s"  # 10: [kind, length, SHA-256]
    "0c82" + "83" + "1a01000000f6f6" + "83" + "05" + "5820%(hash)s" + "6161"  # 12
    "0e1a00ff0000"  # 14: minimum base version
    "1007"  # 16: security counter
    "12f5"  # 18: point of no return
)


def whole():
    return manifest.Manifest(
        0xFFF0,
        0x0005,
        0x01010000,
        (0x0100, 0x01FF),
        manifest.KIND_ROMFS,
        200,
        HASH,
        ((0x01000000, None, None), (5, HASH, "a")),
        0x00FF0000,
        7,
        True,
        "CPL",
        "x",
    )


def fields_of(found):
    return tuple([getattr(found, name) for name in FIELDS])


FIELDS = (
    "manufacturer_code",
    "image_type",
    "file_version",
    "hardware",
    "payload_kind",
    "payload_bytes",
    "payload_hash",
    "predecessors",
    "minimum_base_version",
    "security_counter",
    "point_of_no_return",
    "cpl_entry_id",
    "label",
    "release_notes",
    "feature_version",
)


# The manifest of `whole` with `changes` (key -> value; a key of mutations.GONE is left out).
def changed(changes):
    return mutations.content(cbor.decode(writer.encode_manifest(whole())), changes)


def parsed(changes):
    return parse_manifest(changed(changes))


class FormTest(unittest.TestCase):
    def test_octets(self):
        hexadecimal = "".join(["%02x" % octet for octet in HASH])
        octets = unhexlify(OCTETS % {"hash": hexadecimal})
        self.assertEqual(writer.encode_manifest(whole()), octets)
        self.assertEqual(fields_of(parse_manifest(octets)), fields_of(whole()))

    def test_round_trip_of_the_least(self):
        least = manifest.Manifest(0, 0, 0, (0, 0), 0, 1, bytes(32), ())
        found = parse_manifest(writer.encode_manifest(least))
        self.assertEqual(fields_of(found), fields_of(least))
        self.assertEqual(found.predecessors, ())
        self.assertFalse(found.point_of_no_return)
        self.assertEqual((found.cpl_entry_id, found.label, found.release_notes), (None,) * 3)

    def test_round_trip_of_the_most(self):
        text = "\u6c34" * 85 + "!"  # 256 octets
        most = manifest.Manifest(
            0xFFFF,
            0xFFFF,
            0xFFFFFFFF,
            (0xFFFF, 0xFFFF),
            0,
            0xFFFFFFFF,
            b"\xff" * 32,
            tuple([(0xFFFFFFFF - n, HASH, text) for n in range(3)]),
            0xFFFFFFFF,
            0xFFFFFFFF,
            True,
            text,
            text,
            text,
            text[:10] + "ab",  # 32 octets
        )
        self.assertEqual(fields_of(parse_manifest(writer.encode_manifest(most))), fields_of(most))

    def test_payload_is_aligned(self):
        for envelope_bytes, padding in ((16, 0), (17, 15), (31, 1), (32, 0), (2048, 0), (2047, 1)):
            self.assertEqual(manifest.padding_bytes(envelope_bytes), padding)


# The one field that a device reads at each question for its identity.
class FeatureVersionTest(unittest.TestCase):
    def test_as_the_whole_manifest_has_it(self):
        for text in (None, "", "2.1", "x" * 32):
            found = whole()
            found.feature_version = text
            content = writer.encode_manifest(found)
            self.assertEqual(parse_manifest(content).feature_version, text)
            self.assertEqual(read_feature_version(content), text)

    # What comes after it is not looked at, however long the list of predecessors.
    def test_reads_no_further(self):
        found = whole()
        found.feature_version = "2.1"
        content = writer.encode_manifest(found)
        end = content.find(unhexlify("0c82"))
        self.assertEqual(read_feature_version(content[: end + 1]), "2.1")
        self.assertEqual(refusal_of(read_feature_version, content[:end]), (ENCODING, end))

    # A slot may hold anything by now.
    def test_what_is_no_manifest(self):
        for changes in ({7: 1}, {7: "x" * 33}, {7: b"2.1"}):
            refusal = refusal_of(read_feature_version, changed(changes))
            self.assertEqual((changes, refusal), (changes, (MANIFEST_MALFORMED, 7)))
        content = changed({})
        for first in range(256):
            # whatever it says, and no other exception
            refusal_of(read_feature_version, bytes((first,)) + content[1:])
        for end in range(len(content)):
            refusal_of(read_feature_version, content[:end])


class ParseTest(unittest.TestCase):
    def test_every_wrong_value(self):
        for name, changes, reason, offset in mutations.MANIFEST:
            refusal = refusal_of(parse_manifest, changed(changes))
            self.assertEqual((name, refusal), (name, (reason, offset)))

    def test_odd_keys_may_be_ignored(self):
        for key in (9, 23, 25, 0xFFFF, 0xFFFFFFFFFFFFFFFF):
            for value in (0, "text", [1, {2: None}], {}):
                self.assertEqual(fields_of(parsed({key: value})), fields_of(whole()))

    def test_odd_keys_may_be_absent(self):
        found = parsed({1: mutations.GONE, 3: mutations.GONE})
        self.assertEqual((found.cpl_entry_id, found.label), (None, None))

    def test_lowest_unknown_even_key_is_named(self):
        refusal = refusal_of(parse_manifest, changed({4096: 0, 20: 0, 22: 0, 24: 0, 256: 0}))
        self.assertEqual(refusal, (UNKNOWN_EVEN_KEY, 20))

    # what can be read comes before what must be understood
    def test_order_of_the_checks(self):
        for changes, refusal in (
            ({20: 0, 2: "text"}, (MANIFEST_MALFORMED, 2)),
            ({20: 0, 0: 2}, (MANIFEST_MALFORMED, 0)),
            ({0: 2, 2: "text", 8: 1}, (MANIFEST_MALFORMED, 0)),
        ):
            self.assertEqual(refusal_of(parse_manifest, changed(changes)), refusal)

    def test_encoding(self):
        octets = writer.encode_manifest(whole())
        for text, offset in (
            (b"", 0),
            (octets + b"\0", len(octets)),
            (octets[:-1], len(octets) - 1),
            # keys out of order: 18 before 16
            (octets[:-4] + octets[-2:] + octets[-4:-2], len(octets) - 2),
            # 16: 7 in two octets
            (octets[:-3] + b"\x18\x07" + octets[-2:], len(octets) - 3),
        ):
            self.assertEqual(refusal_of(parse_manifest, text), (ENCODING, offset))

    def test_not_a_map(self):
        for value in ([], 1, None, "text", b"octets"):
            refusal = refusal_of(parse_manifest, cbor.encode(value))
            self.assertEqual(refusal, (MANIFEST_MALFORMED, 0))

    def test_every_cut(self):
        octets = writer.encode_manifest(whole())
        for end in range(len(octets)):
            self.assertEqual(refusal_of(parse_manifest, octets[:end])[0], ENCODING)

    def test_number_of_predecessors(self):
        for count in (0, 1, 23, 24, 40):
            entries = [[n, HASH, None] for n in range(count)]
            self.assertEqual(len(parsed({12: entries}).predecessors), count)

    def test_views(self):
        self.assertEqual(
            refusal_of(parse_manifest, memoryview(writer.encode_manifest(whole()))), (ACCEPTED, -1)
        )


if __name__ == "__main__":
    unittest.main()
