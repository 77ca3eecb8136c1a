"""What holds for any octets: encoders and decoders agree, parsers refuse and never fail, and the
link finds the next good message behind whatever came before it."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import types
from binascii import crc_hqx

import cbor2
import images
import mutations
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from smp import packet

from hanbootloader.image import cbor, cose, manifest, ota, writer
from hanbootloader.image.reader import ImageReader, Sink
from hanbootloader.link import frame, smp
from hanbootloader.reasons import Refused
from hanbootloader.trust.anchors import Cell

ANY = st.binary(max_size=300)
UINT16 = st.integers(0, 0xFFFF)
UINT32 = st.integers(0, 0xFFFFFFFF)
HASH = st.binary(min_size=32, max_size=32)
TEXT = st.text(max_size=64)

SCALARS = (
    st.integers(-(1 << 64), (1 << 64) - 1)
    | st.binary(max_size=40)
    | st.text(max_size=40)
    | st.booleans()
    | st.none()
)
# the subset's depth is 6, a key included
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.integers(-(1 << 64), (1 << 64) - 1) | st.text(max_size=9), inner)
    ),
    max_leaves=12,
).filter(lambda value: depth(value) <= 6)


def depth(value: object) -> int:
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=1 if value else 0)
    return 1


def taken(reader: frame.FrameReader, octets: bytes) -> list[bytes | str]:
    return [each if isinstance(each, str) else bytes(each) for each in reader.feed(octets)]


def messages(found: list[bytes | str]) -> list[bytes]:
    return [each for each in found if isinstance(each, bytes)]


@st.composite
def in_pieces(draw: st.DrawFn, octets: bytes) -> list[bytes]:
    """`octets` cut anywhere, into any number of pieces, some of them empty."""
    cuts = sorted(draw(st.lists(st.integers(0, len(octets)), max_size=20)))
    return [octets[a:b] for a, b in zip([0, *cuts], [*cuts, len(octets)], strict=True)]


class TestCbor:
    @given(VALUES)
    def test_round_trip(self, value: object) -> None:
        for strict in (True, False):
            assert cbor.decode(cbor.encode(value), strict) == value

    @given(VALUES)
    def test_agrees_with_cbor2(self, value: object) -> None:
        assert cbor2.loads(cbor.encode(value)) == value
        assert cbor.decode(cbor2.dumps(value), strict=False) == value

    @given(ANY)
    @example(b"\x9b" + b"\xff" * 8)
    @example(b"\xbb" + b"\xff" * 8)
    @example(b"\x82" * 20)
    def test_what_is_taken_has_one_encoding(self, octets: bytes) -> None:
        try:
            value = cbor.decode(octets)
        except Refused:
            return
        assert cbor.encode(value) == octets

    @given(ANY)
    def test_lenient(self, octets: bytes) -> None:
        try:
            value = cbor.decode(octets, strict=False)
        except Refused:
            return
        assert cbor2.loads(octets) == value


PREDECESSORS = st.lists(st.tuples(UINT32, st.none() | HASH, st.none() | TEXT), max_size=10).map(
    tuple
)
HARDWARE = st.tuples(UINT16, UINT16).map(lambda pair: (min(pair), max(pair)))
MANIFESTS = st.builds(
    manifest.Manifest,
    UINT16,
    UINT16,
    UINT32,
    HARDWARE,
    st.just(manifest.KIND_ROMFS),
    st.integers(1, 0xFFFFFFFF),
    HASH,
    PREDECESSORS,
    UINT32,
    UINT32,
    st.booleans(),
    st.none() | TEXT,
    st.none() | TEXT,
    st.none() | TEXT,
)
HEADERS = st.builds(
    ota.Header, UINT16, UINT16, UINT32, UINT32, st.tuples(UINT16, UINT16), HASH, UINT16
)


class TestFormats:
    @given(MANIFESTS)
    def test_manifest(self, drawn: manifest.Manifest) -> None:
        assert vars(manifest.parse_manifest(writer.encode_manifest(drawn))) == vars(drawn)

    @given(HEADERS)
    def test_header(self, header: ota.Header) -> None:
        assert vars(ota.parse_header(writer.encode_header(header))) == vars(header)

    @given(UINT16.map(lambda value: value & 0xFF), st.binary(min_size=64, max_size=64))
    def test_trailer(self, force_replace: int, signature: bytes) -> None:
        found = ota.parse_trailer(writer.encode_trailer(ota.Trailer(force_replace, signature)))
        assert (found.force_replace, found.signature) == (force_replace, signature)

    @given(
        st.binary(min_size=8, max_size=8),
        st.binary(min_size=24, max_size=1962),
        st.binary(min_size=64, max_size=64).map(lambda octets: octets[:32] + b"\0" + octets[33:]),
    )
    def test_envelope(self, kid: bytes, content: bytes, signature: bytes) -> None:
        octets = writer.encode_envelope(kid, content, signature)
        found = cose.Envelope(octets)
        assert (found.kid, bytes(found.content), bytes(found.signature)) == (
            kid,
            content,
            signature,
        )
        assert cose.envelope_bytes(octets[: cose.HEAD_BYTES]) == len(octets)
        # a COSE library sees the same: RFC 9052 4.2
        tagged = cbor2.loads(octets)
        assert tagged.tag == 18
        assert list(tagged.value) == [b"\xa1\x01\x26", {4: kid}, content, signature]

    @given(ANY)
    def test_any_octets(self, octets: bytes) -> None:
        for parse in (
            manifest.parse_manifest,
            ota.parse_header,
            ota.parse_trailer,
            cose.Envelope,
            Cell,
        ):
            with contextlib.suppress(Refused):
                parse(octets)

    @given(st.data())
    def test_any_octets_behind_a_good_front(self, data: st.DataObject) -> None:
        good = images.ota_image("1.0.0", "supplier")
        front = data.draw(st.integers(0, len(good)))
        octets = good[:front] + data.draw(ANY)
        total = data.draw(st.just(len(octets)) | st.integers(0, 1 << 33))
        with contextlib.suppress(Refused):
            reader = ImageReader(total, Sink())
            for piece in data.draw(in_pieces(octets)):
                reader.feed(piece)
            reader.finish()


class Notes(Sink):
    def __init__(self) -> None:
        self.image = bytearray()

    def on_image(self, octets: memoryview) -> None:
        self.image += octets


class TestPieces:
    @given(st.data(), st.sampled_from(["1.0.0", "1.1.0"]), st.sampled_from([None, "supplier"]))
    def test_of_an_image(self, data: st.DataObject, name: str, supplier: str | None) -> None:
        octets = images.ota_image(name, supplier)
        notes = Notes()
        reader = ImageReader(len(octets), notes)
        for piece in data.draw(in_pieces(octets)):
            reader.feed(piece)
        reader.finish()
        assert notes.image == images.manufacturer_image(name)
        assert reader.image_hash() == images.image_hash(name)
        assert reader.payload_hash() == images.sha256(images.RELEASES[name].payload())
        assert reader.trailer == (octets[-66:] if supplier else None)

    def test_of_bad_images(self) -> None:
        """Whatever is wrong with an image, its pieces do not change what is said of it."""
        for name, octets, *_ in mutations.files():
            assert self.refusal(octets, 7) == self.refusal(octets, 5000), name

    def refusal(self, octets: bytes, piece_bytes: int) -> tuple[int, int]:
        try:
            reader = ImageReader(len(octets), Sink())
            for at in range(0, len(octets), piece_bytes):
                reader.feed(octets[at : at + piece_bytes])
            reader.finish()
        except Refused as refused:
            return refused.reason, refused.offset
        return 0, 0


MESSAGES = st.binary(min_size=8, max_size=frame.BUF_BYTES - 4)


class TestFrame:
    @given(MESSAGES)
    def test_agrees_with_smp(self, message: bytes) -> None:
        decoder = packet.decode()
        next(decoder)
        found = None
        for line in frame.encode(message).splitlines(keepends=True):
            try:
                decoder.send(line)
            except StopIteration as end:
                found = end.value
        assert found == message

    @given(MESSAGES, st.sampled_from([127, 128, 256, 512]))
    def test_takes_what_smp_sends(self, message: bytes, line_bytes: int) -> None:
        lines = b"".join(packet.encode(message, line_bytes))
        assert taken(frame.FrameReader(), lines) == [message]

    @given(st.data(), st.lists(MESSAGES, min_size=1, max_size=4))
    def test_any_pieces(self, data: st.DataObject, sent: list[bytes]) -> None:
        reader, found = frame.FrameReader(), []
        for piece in data.draw(in_pieces(b"".join(map(frame.encode, sent)))):
            found += taken(reader, piece)
        assert found == sent

    @given(st.data(), st.lists(st.binary(max_size=1500), max_size=4), MESSAGES)
    def test_behind_any_noise(
        self, data: st.DataObject, noise: list[bytes], message: bytes
    ) -> None:
        reader = frame.FrameReader()
        for octets in noise:
            taken(reader, octets)
        found: list[bytes | str] = []
        for piece in data.draw(in_pieces(frame.encode(message))):
            found += taken(reader, piece)
        assert messages(found)[-1:] == [message]

    @given(st.data(), MESSAGES, MESSAGES)
    def test_damaged_message(self, data: st.DataObject, message: bytes, next_one: bytes) -> None:
        """A damaged message is dropped or arrives as it was sent; the next one always arrives."""
        lines = frame.encode(message).splitlines(keepends=True)
        for _ in range(data.draw(st.integers(1, 3))):
            at = data.draw(st.integers(0, len(lines) - 1))
            change = data.draw(st.sampled_from(["lose", "repeat", "cut", "flip", "swap", "insert"]))
            if change == "lose":
                lines[at] = b""
            elif change == "repeat":
                lines.insert(at, lines[at])
            elif change == "cut":
                lines[at] = lines[at][: data.draw(st.integers(0, len(lines[at])))]
            elif change == "flip" and lines[at]:
                octet = data.draw(st.integers(0, len(lines[at]) - 1))
                flipped = bytearray(lines[at])
                flipped[octet] ^= data.draw(st.integers(1, 255))
                lines[at] = bytes(flipped)
            elif change == "swap":
                other = data.draw(st.integers(0, len(lines) - 1))
                lines[at], lines[other] = lines[other], lines[at]
            else:
                lines.insert(at, data.draw(st.binary(max_size=200)))
        found = messages(taken(frame.FrameReader(), b"".join(lines) + frame.encode(next_one)))
        assert found[-1] == next_one
        assert all(each == message for each in found[:-1])

    @given(st.lists(st.binary(max_size=2000), max_size=20))
    def test_nothing_grows(self, noise: list[bytes]) -> None:
        reader = frame.FrameReader()
        sizes = {name: sys.getsizeof(value) for name, value in vars(reader).items()}
        for octets in noise:
            taken(reader, octets)
        for name, size in sizes.items():
            assert sys.getsizeof(getattr(reader, name)) <= max(size, 40), name


@pytest.fixture(scope="module")
def crc_of_micropython() -> object:
    """`crc_hqx` as bootloader/link/frame.py has it where binascii lacks it."""
    binascii = types.ModuleType("binascii")
    import binascii as real

    for name in dir(real):
        if name != "crc_hqx":
            setattr(binascii, name, getattr(real, name))
    spec = importlib.util.spec_from_file_location("frame_without_crc", frame.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["binascii"] = binascii
    try:
        spec.loader.exec_module(module)
    finally:
        sys.modules["binascii"] = real
    assert module.crc_hqx is not crc_hqx
    return module.crc_hqx


class TestCrc:
    @given(octets=st.binary(max_size=1200), seed=UINT16)
    def test_both(self, crc_of_micropython, octets: bytes, seed: int) -> None:
        assert crc_of_micropython(octets, 0) == crc_hqx(octets, 0) == packet.crc16_func(octets)
        assert crc_of_micropython(octets, seed) == crc_hqx(octets, seed)


def echo(request: smp.Request) -> dict[str, object]:
    return {"r": request.text("d") or "", "n": request.uint("n", 0)}


class TestSmp:
    HEADERS = st.tuples(
        st.integers(0, 3), st.integers(0, 7), UINT16, st.integers(0, 255), st.integers(0, 255)
    )

    @given(HEADERS, VALUES)
    def test_round_trip(self, fields: tuple[int, int, int, int, int], body: object) -> None:
        version, operation, group, sequence, command = fields
        octets = smp.encode(version, operation, group, sequence, command, body)
        header = smp.parse_header(octets)
        assert header is not None
        assert [
            header.version,
            header.operation,
            header.group,
            header.sequence,
            header.command,
        ] == [version, operation, group, sequence, command]
        assert cbor.decode(octets[8:]) == body

    @given(ANY)
    def test_any_octets(self, octets: bytes) -> None:
        reply = answer(octets)
        assert reply is None or smp.parse_header(reply) is not None

    @settings(max_examples=300)
    @given(st.sampled_from([0, 2]), st.integers(0, 1), ANY | VALUES.map(cbor.encode))
    def test_any_body(self, operation: int, version: int, body: bytes) -> None:
        """A request gets its reply, whatever it carries."""
        header = smp.SmpHeader(version, operation, len(body), 0, 77, 0)
        reply = answer(header.encode() + body)
        assert reply is not None
        found = smp.parse_header(reply)
        assert found is not None
        assert (found.version, found.operation) == (version, operation + 1)
        assert (found.group, found.sequence, found.command) == (0, 77, 0)
        fields = cbor.decode(reply[8:])
        assert fields == {"rc": smp.EINVAL} or "r" in fields


def answer(message: bytes) -> bytes | None:
    steps = smp.Dispatcher({0: {0: (echo, echo)}}).answer_steps(memoryview(message))
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
