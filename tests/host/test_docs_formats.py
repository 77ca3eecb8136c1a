"""docs/reference/formats.md: its example is read and made, its tables compared with the code."""

from __future__ import annotations

import contextlib
import importlib.util
import struct
from types import ModuleType

import cbor2
import flows
import pytest
import ramboard
from docs_pages import DOCS, blocks, section, tables, text_of
from outcome import refusal_of

from hanboot.explain.fields import MANIFEST_FIELDS
from hanboot.trust import comb
from hanboot.trust.keys import PublicKey
from hanbootloader import reasons
from hanbootloader.image import cose, manifest, ota, writer
from hanbootloader.image.reader import ImageReader, Sink
from hanbootloader.install import Installer
from hanbootloader.store import flash_map, ledger
from hanbootloader.trust import cell, p256


@pytest.fixture(scope="module")
def example() -> bytes:
    octets = b""
    for line in blocks(text_of("formats.md"), "hex")[0].splitlines():
        assert int(line[:4], 16) == len(octets)
        octets += bytes.fromhex(line[6:53])
    return octets


@pytest.fixture(scope="module")
def points() -> dict[str, bytes]:
    """Public keys x || y by their owner."""
    found: dict[str, bytes] = {}
    for line in blocks(text_of("formats.md"), "keys")[0].splitlines():
        name, _, number = line.split()
        found[name] = found.get(name, b"") + bytes.fromhex(number)
    return found


@pytest.fixture(scope="module")
def reader(example: bytes) -> ImageReader:
    found = ImageReader(len(example), Sink())
    for octet in range(len(example)):
        found.feed(example[octet : octet + 1])
    found.finish()
    return found


def test_the_example_says_what_its_notes_say(example, reader):
    header, found = reader.header, reader.manifest
    values = {
        "File version": header.file_version,
        "ZigBee stack version": header.stack_version,
        "Manufacturer code": header.manufacturer_code,
        "Image type": header.image_type,
        "Total Image size": len(example),
        "Minimum hardware version": header.hardware[0],
        "Maximum hardware version": header.hardware[1],
        "2 manufacturer_code": found.manufacturer_code,
        "4 image_type": found.image_type,
        "6 file_version": found.file_version,
        "14 minimum_base_version": found.minimum_base_version,
        "16 security_counter": found.security_counter,
    }
    listing = blocks(text_of("formats.md"), "hex")[0]
    notes = dict(line[55:].split(": ", 1) for line in listing.splitlines() if ": " in line[55:])
    for name, value in values.items():
        assert int(notes[name], 0) == value, name
    assert (found.label, found.cpl_entry_id, found.release_notes) == ("2.0.0", "PPMID-0003", None)
    assert found.point_of_no_return
    assert found.hardware == header.hardware
    assert [(v, bool(h), e) for v, h, e in found.predecessors] == [
        (0x01010000, True, "PPMID-0002"),
        (0x01020000, False, None),
    ]
    assert writer.encode_manifest(found) == bytes(reader.envelope.content)


def test_the_signatures_of_the_example_are_right(example, reader, points):
    signed = writer.to_be_signed(bytes(reader.envelope.content))
    image = example[ota.HEADER_BYTES : -ota.TRAILER_BYTES]
    trailer = ota.parse_trailer(reader.trailer)
    for owner, message, signature, digest in (
        ("manufacturer", signed, reader.envelope.signature, reader.envelope.digest()),
        ("supplier", image, trailer.signature, reader.image_hash()),
    ):
        key = PublicKey(points[owner])
        assert key.is_signature(message, bytes(signature))
        assert not key.is_signature(message + b"\0", bytes(signature))
        for table in (None, comb.build_table(key.point)):
            assert p256.verify(key.point, digest, signature, table)
            assert not p256.verify(key.point, digest[::-1], signature, table)
    assert reader.envelope.kid == PublicKey(points["manufacturer"]).kid


def test_the_example_is_cose_to_others(example, points):
    tag = cbor2.loads(example[ota.HEADER_BYTES :][:2048])
    protected, unprotected, content, signature = tag.value
    assert tag.tag == 18
    assert cbor2.loads(protected) == {1: -7}
    assert unprotected == {4: PublicKey(points["manufacturer"]).kid}
    assert cbor2.loads(content)[6] == 0x02000000
    message = cbor2.dumps(["Signature1", protected, b"", content])
    assert PublicKey(points["manufacturer"]).is_signature(message, signature)


@pytest.mark.parametrize(
    ("running", "reason"),
    [
        ((0x01010000, "named"), reasons.ACCEPTED),
        ((0x01010000, "other"), reasons.NOT_A_PREDECESSOR),
        ((0x01020000, "other"), reasons.ACCEPTED),
        ((0x01000000, "other"), reasons.BELOW_MINIMUM_BASE),
        (None, reasons.BELOW_MINIMUM_BASE),
    ],
)
def test_a_device_checks_the_example(example, reader, points, running, reason):
    board = ramboard.Board()
    device = board.device()
    for owner, role in (("supplier", cell.SUPPLIER), ("manufacturer", cell.MANUFACTURER)):
        head = cell.encode_head(
            role, cell.DIGITAL_SIGNATURE, cell.DEVELOPMENT, points[owner], 1, owner.encode()
        )
        for _ in device.put_anchor_steps(head, None):
            pass
    if running:
        version, which = running
        first, *_ = reader.manifest.predecessors
        digest = first[1] if which == "named" else bytes(range(32))
        device.ledger.slots[0] = ledger.SlotRecord(ledger.TRIAL, False, version, 100, 0, digest)
        device.ledger.confirm(0)
    installer = Installer(board.device())
    # refused or not, the verdict says so
    with contextlib.suppress(reasons.Refused):
        flows.send(installer, example)
        flows.verify(installer)
    assert board.device().ledger.verdict().reason == reason


def load_example_maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "make_example", DOCS / "reference" / "make_example.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_example_can_be_made_anew():
    maker = load_example_maker()
    pieces, _, _ = maker.example()

    # offsets and notes; keys, hashes and signatures differ each time
    def frame_of(listing: str) -> list[str]:
        return [line[:4] + line[53:] for line in listing.splitlines()]

    on_page = blocks(text_of("formats.md"), "hex")[0]
    assert frame_of(maker.listing(pieces)) == frame_of(on_page)


def test_offsets_of_each_table_have_no_gap():
    totals = {}
    for rows in tables(text_of("formats.md")):
        if rows[0][:2] != ["offset", "octets"]:
            continue
        end = 0
        for offset, octets, *_ in rows[1:]:
            # a record's body has no fixed length
            if not (offset.isdigit() and octets.isdigit()):
                break
            assert int(offset) == end, rows[0]
            end += int(octets)
        totals.setdefault(rows[0][2], end)
    event = struct.calcsize(ledger._EVENT)
    head = struct.calcsize(ledger._VERDICT_HEAD) + struct.calcsize(ledger._MODEL)
    assert totals == {
        "field": totals["field"],
        "field of a record": 4,
        "field of a slot": ledger._SLOT_BYTES,
        "field of the tail": struct.calcsize(ledger._TAIL),
        "field of an accepted firmware": ledger._ACCEPT_BYTES,
    }
    for text, octets in (
        ("### Last verdict", head),
        ("### Upgrade history", event),
        ("## Trust anchor cell", cell.HEAD_BYTES),
        ("## OTA Upgrade Image", ota.HEADER_BYTES),
    ):
        rows = tables(section(text_of("formats.md"), text.lstrip("# ")))[0]
        assert int(rows[-1][0]) + int(rows[-1][1]) == octets, text


def test_the_flash_map_is_the_code_s():
    rows = tables(section(text_of("formats.md"), "Flash map"))[0][1:]
    listed = [(row[0].strip("`"), row[1]) for row in rows]
    regions = flash_map.STORE + flash_map.MORE
    assert listed == [(name, str(count) if count else "what is left") for name, count in regions]


def test_the_manifest_table_is_the_parser_s(reader):
    rows = {
        int(row[0]): row[3] for row in tables(section(text_of("formats.md"), "Manifest"))[0][1:]
    }
    assert set(rows) == set(MANIFEST_FIELDS)
    fields = cbor2.loads(bytes(reader.envelope.content))
    for key, present in rows.items():
        content = {k: v for k, v in fields.items() if k != key}
        found = refusal_of(manifest.parse_manifest, cbor2.dumps(content, canonical=True))
        is_required = found == (reasons.MANIFEST_MALFORMED, key)
        assert is_required or found == (reasons.ACCEPTED, -1)
        assert present == ("required" if is_required else "optional"), key


def test_a_high_s_signature_is_refused(reader, points):
    """formats.md says so: the other signature verifies, too, and the format refuses it."""
    signature = bytes(reader.envelope.signature)
    high_s = signature[:32] + (p256.ORDER - int.from_bytes(signature[32:], "big")).to_bytes(
        32, "big"
    )
    assert p256.verify(points["manufacturer"], reader.envelope.digest(), high_s)
    envelope = writer.encode_envelope(reader.envelope.kid, bytes(reader.envelope.content), high_s)
    with pytest.raises(reasons.Refused) as refused:
        cose.Envelope(envelope)
    assert refused.value.reason == reasons.HIGH_S_SIGNATURE
