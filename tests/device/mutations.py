# What can be wrong with an image: each change of a good one, and the reason that it must give.
#
# The good one is release 1.1.0, offered to a device that runs 1.0.0. The changed manifests
# cannot be signed, but their reasons are found before a signature is looked at; a change that
# leaves the manifest right in every other way ends at the signature. What is changed behind the
# manifest is found after it.

import images

from hanbootloader.image import cbor, cose, manifest, ota, writer
from hanbootloader.reasons import (
    ACCEPTED,
    BELOW_MINIMUM_BASE,
    ENCODING,
    ENVELOPE,
    FIELD_CONTROL,
    FILE_IDENTIFIER,
    HARDWARE_VERSION,
    HEADER_MISMATCH,
    HEADER_VERSION,
    HIGH_S_SIGNATURE,
    IMAGE_TYPE,
    LAYOUT,
    MANIFEST_MALFORMED,
    MANUFACTURER_CODE,
    MANUFACTURER_SIGNATURE,
    NOT_A_PREDECESSOR,
    PADDING,
    PAYLOAD_HASH,
    SECURITY_COUNTER,
    SIZE_MISMATCH,
    SUPPLIER_SIGNATURE,
    TOO_LARGE,
    TRAILER,
    UNKNOWN_EVEN_KEY,
    UNKNOWN_SIGNER,
)
from hanbootloader.trust import p256

GONE = ("gone",)  # in place of a value: the key is left out
RELEASE = "1.1.0"

_HASH = bytes(32)


# ---- the manifest: (name, {key: value}, reason, offset of the refusal: the key)


# The octets of a manifest's map, with `changes`.
def content(fields, changes):
    fields = dict(fields)
    for key, value in changes.items():
        if value is GONE:
            fields.pop(key, None)
        else:
            fields[key] = value
    return cbor.encode(fields)


def _wrong(key, values):
    return [
        ("key %r: %r" % (key, value), {key: value}, MANIFEST_MALFORMED, key) for value in values
    ]


_NOT_AN_INTEGER = [GONE, None, True, "1", b"1", [1], {}]

MANIFEST = (
    _wrong(0, _NOT_AN_INTEGER + [-1, 0, 2, 1 << 32])
    + _wrong(2, _NOT_AN_INTEGER + [-1, 0x10000])
    + _wrong(4, _NOT_AN_INTEGER + [-1, 0x10000])
    + _wrong(6, _NOT_AN_INTEGER + [-1, 0x100000000])
    + _wrong(14, _NOT_AN_INTEGER + [-1, 0x100000000])
    + _wrong(16, _NOT_AN_INTEGER + [-1, 0x100000000])
    # [minimum, maximum]
    + _wrong(8, [GONE, None, 1, "", {}, [], [1], [1, 2, 3]])
    + _wrong(8, [[2, 1], [-1, 1], [0, 0x10000], [True, 1], [0, None], [0, [1]]])
    # [kind, length, SHA-256]
    + _wrong(10, [GONE, None, 1, {}, [], [0, 1], [0, 1, _HASH, 0]])
    + _wrong(10, [[kind, 1, _HASH] for kind in (1, 255, 256, -1, True, None, "")])
    + _wrong(10, [[0, length, _HASH] for length in (0, -1, 1 << 32, True, None, "1")])
    + _wrong(10, [[0, 1, digest] for digest in (b"", _HASH[1:], _HASH + b"\0", None, "0" * 32)])
    # [[version, hash or null, CPL Entry ID or null] ...]
    + _wrong(12, [GONE, None, 1, {}, _HASH, [1], [[]], [[1, None]], [[1, None, None, None]]])
    + _wrong(12, [[[version, None, None]] for version in (-1, 1 << 32, None, "1", True)])
    + _wrong(12, [[[1, digest, None]] for digest in (b"", _HASH[1:], _HASH + b"\0", "", False)])
    + _wrong(12, [[[1, None, entry]] for entry in (1, b"CPL", False, [], "x" * 257)])
    # a good one before it does not help
    + _wrong(12, [[[1, None, None], [1, None]]])
    # true, or absent
    + _wrong(18, [None, False, 1, "true"])
    # text of at most 256 octets
    + _wrong(1, [1, b"CPL", [], "x" * 257, "\u00fc" * 129])
    + _wrong(3, [1, b"label", True, "x" * 257])
    + _wrong(5, [1, b"address", {}, "x" * 257])
    # text of at most 32 octets
    + _wrong(7, [1, b"2", [], "x" * 33, "\u00fc" * 17])
    # keys are unsigned integers
    + [("key %r" % key, {key: 0}, MANIFEST_MALFORMED, 0) for key in (-1, -2, "", "label")]
    # even ones must be understood
    + [
        ("key %d" % key, {key: None}, UNKNOWN_EVEN_KEY, key)
        for key in (20, 22, 256, 0x7FFFFFFE, 0x80000000, 0xFFFFFFFFFFFFFFFE)
    ]
)

# Well-formed, and not what it was: (name, {key: value}, reason)
_V1_0, _V1_1 = images.V1_0, images.V1_1
CHANGED = (
    ("another manufacturer code", {2: 0xFFF1}, HEADER_MISMATCH),
    ("another image type", {4: 6}, HEADER_MISMATCH),
    ("another file version", {6: _V1_1 + 1}, HEADER_MISMATCH),
    ("another minimum hardware version", {8: [0x00FF, 0x01FF]}, HEADER_MISMATCH),
    ("another maximum hardware version", {8: [0x0100, 0x0200]}, HEADER_MISMATCH),
    ("a payload one octet longer", {10: [0, 5001, _HASH]}, LAYOUT),
    ("a payload one octet shorter", {10: [0, 4999, _HASH]}, LAYOUT),
    ("a payload as long as integers go", {10: [0, 0xFFFFFFFF, _HASH]}, LAYOUT),
    ("no predecessors", {12: []}, NOT_A_PREDECESSOR),
    ("an older predecessor", {12: [[_V1_0 - 1, None, None]]}, NOT_A_PREDECESSOR),
    ("a newer predecessor", {12: [[_V1_0 + 1, None, None]]}, NOT_A_PREDECESSOR),
    ("a predecessor built otherwise", {12: [[_V1_0, _HASH, None]]}, NOT_A_PREDECESSOR),
    ("a minimum base above what runs", {14: _V1_0 + 1}, BELOW_MINIMUM_BASE),
    ("the largest minimum base", {14: 0xFFFFFFFF}, BELOW_MINIMUM_BASE),
    ("a security counter below the device's", {16: 0}, SECURITY_COUNTER),
    # nothing but the signature tells
    ("a payload with another hash", {10: [0, 5000, _HASH]}, MANUFACTURER_SIGNATURE),
    ("a minimum base that is met", {14: _V1_0}, MANUFACTURER_SIGNATURE),
    ("a higher security counter", {16: 0xFFFFFFFF}, MANUFACTURER_SIGNATURE),
    ("a point of no return", {18: True}, MANUFACTURER_SIGNATURE),
    ("a CPL Entry ID", {1: "CPL-9999"}, MANUFACTURER_SIGNATURE),
    ("another label", {3: "1.1.1"}, MANUFACTURER_SIGNATURE),
    ("no label", {3: GONE}, MANUFACTURER_SIGNATURE),
    ("a null in place of each text", {1: None, 3: None, 5: None, 7: None}, MANUFACTURER_SIGNATURE),
    ("an unknown odd key", {19: 0}, MANUFACTURER_SIGNATURE),
)


# ---- the OTA Header: (name, offset, octets, reason, offset of the refusal)

HEADER = (
    ("file identifier", 0, b"\x1e\xf1\xee\x0c", FILE_IDENTIFIER, 0),
    ("header version", 4, b"\x00\x02", HEADER_VERSION, 4),
    ("header length below", 6, b"\x38\x00", HEADER_VERSION, 6),
    ("header length above", 6, b"\x3d\x00", HEADER_VERSION, 6),
    ("field control", 8, b"\x05\x00", FIELD_CONTROL, 8),
    ("manufacturer code", 10, b"\xf1\xff", MANUFACTURER_CODE, 10),
    ("image type", 12, b"\x06\x00", IMAGE_TYPE, 12),
    ("file version", 14, b"\x01", HEADER_MISMATCH, -1),
    # no rule gives these a meaning for a device, and no signature covers them
    ("stack version", 18, b"\x03\x00", ACCEPTED, -1),
    ("header string", 20, b"any text" * 4, ACCEPTED, -1),
    ("Total Image size below", 52, b"\0\0\0\0", SIZE_MISMATCH, 52),
    ("Total Image size above", 52, b"\xff\xff\xff\xff", SIZE_MISMATCH, 52),
    # the device's is 0x0102
    ("minimum hardware version above the device's", 56, b"\x03\x01", HARDWARE_VERSION, 56),
    ("maximum hardware version below the device's", 58, b"\x01\x01", HARDWARE_VERSION, 56),
    ("minimum hardware version just met", 56, b"\x02\x01", HEADER_MISMATCH, -1),
    ("maximum hardware version just met", 58, b"\x02\x01", HEADER_MISMATCH, -1),
    ("hardware versions the wrong way round", 56, b"\xff\x01\x00\x01", HARDWARE_VERSION, 56),
)


# ---- whole files


class Good:
    # The good file and its parts.
    def __init__(self):
        self.file = images.ota_image(RELEASE)
        self.header = ota.parse_header(self.file)
        self.payload = images.RELEASES[RELEASE].payload()
        self.content = writer.encode_manifest(images.RELEASES[RELEASE].manifest())
        self.envelope = self.file[60:]
        self.envelope = self.envelope[: cose.envelope_bytes(self.envelope)]
        self.payload_at = len(self.file) - len(self.payload)

    # with `octets` in place of those at `at`
    def put(self, at, octets):
        return self.file[:at] + octets + self.file[at + len(octets) :]

    def flip(self, at):
        return self.put(at, bytes((self.file[at] ^ 0x01,)))

    # with a Total Image size that fits `octets`
    def sized(self, octets):
        return octets[:52] + len(octets).to_bytes(4, "little") + octets[56:]

    # with other octets for a manifest, under a signature that is not theirs
    def with_content(self, octets):
        return self.with_envelope(
            writer.encode_envelope(images.kid("manufacturer"), octets, bytes(64))
        )

    def with_envelope(self, envelope):
        image = images.assemble(envelope, self.payload)
        return self.sized(self.file[: ota.HEADER_BYTES] + image)

    def with_trailer(self, octets):
        return self.sized(self.file + octets)


# Each changed file: (name, octets, reason, offset of the refusal or None for any)
def files():
    good = Good()
    yield "nothing", good.file, ACCEPTED, None
    for name, at, octets, reason, offset in HEADER:
        yield name, good.put(at, octets), reason, offset
    for maker in (_manifests, _envelopes, _lengths, _octets, _trailers):
        yield from maker(good)


def _manifests(good):
    fields = cbor.decode(good.content)
    for name, changes, reason, offset in MANIFEST:
        yield name, good.with_content(content(fields, changes)), reason, offset
    for name, changes, reason in CHANGED:
        yield name, good.with_content(content(fields, changes)), reason, None
    for name, octets in (
        ("an octet behind the manifest", good.content + b"\0"),
        ("a manifest that ends early", good.content[:-1]),
        ("a manifest of zeros", bytes(len(good.content))),
        ("a manifest that is a text", b"\x78\x40" + b"m" * 65),
    ):
        yield name, good.with_content(octets), ENCODING, None
    yield (
        "a manifest that is a list",
        good.with_content(b"\x98\x20" + bytes(32)),
        MANIFEST_MALFORMED,
        0,
    )


def _envelopes(good):
    for at in range(9):
        yield "frame of the envelope, %d" % at, good.flip(60 + at), ENVELOPE, None
    yield "length of the manifest", good.flip(60 + 17), ENVELOPE, None
    signature_at = 60 + len(good.envelope) - 66
    for at in (0, 1):
        yield "frame of the signature, %d" % at, good.flip(signature_at + at), ENVELOPE, None
    for at in range(2, 66, 21):
        yield "signature, %d" % at, good.flip(signature_at + at), MANUFACTURER_SIGNATURE, None
    for at in range(9, 17):
        yield "key identifier, %d" % at, good.flip(60 + at), UNKNOWN_SIGNER, None
    # the high-S form of the signature, which verifies as well: its image would have another hash
    octets = good.file[signature_at + 34 : signature_at + 66]
    high_s = p256.ORDER - int.from_bytes(octets, "big")
    octets = good.put(signature_at + 34, high_s.to_bytes(32, "big"))
    yield "a high-S signature", octets, HIGH_S_SIGNATURE, None
    for r in (bytes(32), b"\xff" * 32):
        octets = good.put(signature_at + 2, r)
        yield "a signature out of range", octets, MANUFACTURER_SIGNATURE, None


def _lengths(good):
    # the file is what it says, and not what the manifest says
    for extra in (1, 2, 65, 67, 4096):
        yield "%d octets behind" % extra, good.with_trailer(bytes(extra)), LAYOUT, None
        # not even what it says
        yield "%d octets unannounced" % extra, good.file + bytes(extra), SIZE_MISMATCH, None
    for missing in (1, 65, 66, 67, 4096):
        octets = good.file[:-missing]
        yield "%d octets missing" % missing, good.sized(octets), LAYOUT, None
        yield "%d octets missing of those announced" % missing, octets, SIZE_MISMATCH, None
    # cut at every octet of the first 512, whether or not the header was made to fit
    for end in range(512):
        # what is shorter than a header is no OTA upgrade file
        reason = FILE_IDENTIFIER if end < ota.HEADER_BYTES else SIZE_MISMATCH
        yield "cut at %d" % end, good.file[:end], reason, None
        if end >= ota.HEADER_BYTES:
            at_manifest = end >= 60 + len(good.envelope)
            reason = LAYOUT if at_manifest else SIZE_MISMATCH
            yield "ends at %d" % end, good.sized(good.file[:end]), reason, None


def _octets(good):
    padding_at = 60 + len(good.envelope)
    for at in range(padding_at, good.payload_at):
        yield "padding, %d" % at, good.flip(at), PADDING, None
    for at in (good.payload_at, good.payload_at + 2500, len(good.file) - 1):
        yield "payload, %d" % at, good.flip(at), PAYLOAD_HASH, None


def _trailers(good):
    right = ota.Trailer(0, images.signature(RELEASE + ", supplier"))
    wrong = images.signature(RELEASE + ", stranger")
    yield "a trailer", good.with_trailer(writer.encode_trailer(right)), ACCEPTED, None
    for value in (1, 255):
        octets = writer.encode_trailer(ota.Trailer(value, right.signature))
        yield "Force Replace %d" % value, good.with_trailer(octets), ACCEPTED, None
    for value in (0, 0x3F, 0x41, 0xFF):
        octets = bytes((0, value)) + right.signature
        yield "length of the signature %d" % value, good.with_trailer(octets), TRAILER, None
    swapped = right.signature[32:] + right.signature[:32]
    for name, octets in (("a stranger's", wrong), ("no", bytes(64)), ("a swapped", swapped)):
        octets = writer.encode_trailer(ota.Trailer(0, octets))
        yield name + " supplier signature", good.with_trailer(octets), SUPPLIER_SIGNATURE, None


# Files of a boundary length, for a slot of so many octets: (name, octets, reason). Their payload
# is longer than that of the release, so they end at the signature.
def boundary_files(slot_bytes):
    good = Good()
    fields = cbor.decode(good.content)
    for name, image_bytes, reason in (
        ("as large as a slot", slot_bytes, MANUFACTURER_SIGNATURE),
        ("a slot and one octet", slot_bytes + 1, TOO_LARGE),
        ("a slot and what could be a trailer", slot_bytes + ota.TRAILER_BYTES, TOO_LARGE),
        ("a slot, what could be a trailer, and an octet", slot_bytes + 67, TOO_LARGE),
    ):
        yield name, _of_length(good, fields, image_bytes), reason
    for payload_bytes in (1, 15, 16, 17, 255, 256, 257, 4095, 4096, 4097):
        name = "payload of %d" % payload_bytes
        yield name, _of_payload(good, fields, payload_bytes), MANUFACTURER_SIGNATURE


def _of_payload(good, fields, payload_bytes):
    good.payload = images.payload_octets("boundary", payload_bytes)
    payload = [manifest.KIND_ROMFS, payload_bytes, images.sha256(good.payload)]
    return good.with_content(content(fields, {10: payload}))


def _of_length(good, fields, image_bytes):
    # the envelope is as long for any payload of this order
    guess = image_bytes - 512
    front = len(_of_payload(good, fields, guess)) - ota.HEADER_BYTES - guess
    return _of_payload(good, fields, image_bytes - front)
