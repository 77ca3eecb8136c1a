"""Images on the host: what is read, shown, signed and verified; formats by other libraries."""

from __future__ import annotations

import datetime
import hashlib
import json
import logging
from pathlib import Path

import cbor2
import ecdsa
import images
import mutations
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loose_image import assemble

from hanboot.errors import BadFile, CheckFailed
from hanboot.image import ota_file, verify
from hanboot.image.describe import describe
from hanboot.image.ota_file import UNSIGNED
from hanboot.image.sign import (
    manufacturer_to_sign,
    sign,
    with_manufacturer_signature,
    with_supplier_signature,
)
from hanboot.trust import keys
from hanbootloader import policy, reasons
from hanbootloader.image import cbor, cose, manifest, ota, writer
from hanbootloader.image.manifest import Manifest
from hanbootloader.trust import p256

uint16, uint32 = st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF)
octets32 = st.binary(min_size=32, max_size=32)
octets64 = st.binary(min_size=64, max_size=64)
hardware = st.tuples(uint16, uint16).map(lambda pair: (min(pair), max(pair)))
texts = st.text(st.characters(codec="utf-8"), max_size=64)
maybe_text = st.none() | texts

headers = st.builds(
    ota.Header, uint16, uint16, uint32, uint32, hardware, octets32, stack_version=uint16
)
trailers = st.builds(ota.Trailer, st.integers(0, 255), octets64)
manifests = st.builds(
    Manifest,
    uint16,
    uint16,
    uint32,
    hardware,
    st.just(manifest.KIND_ROMFS),
    st.integers(1, 0xFFFFFFFF),
    octets32,
    st.lists(st.tuples(uint32, st.none() | octets32, maybe_text), max_size=8).map(tuple),
    uint32,
    uint32,
    st.booleans(),
    maybe_text,
    maybe_text,
    maybe_text,
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.binary(max_size=300)
    | st.text(st.characters(codec="utf-8"), max_size=80)
)
items = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.integers(-(2**64), 2**64 - 1) | texts, inner, max_size=4)
    ),
    max_leaves=8,
)


# --- round trips


@given(headers)
def test_header_round_trip(header):
    octets = writer.encode_header(header)
    assert len(octets) == ota.HEADER_BYTES
    assert vars(ota.parse_header(octets)) == vars(header)


@given(trailers)
def test_trailer_round_trip(trailer):
    octets = writer.encode_trailer(trailer)
    assert len(octets) == ota.TRAILER_BYTES
    assert vars(ota.parse_trailer(octets)) == vars(trailer)


@given(manifests)
def test_manifest_round_trip(content):
    octets = writer.encode_manifest(content)
    assert vars(manifest.parse_manifest(octets)) == vars(content)
    # with keys below 24 the deterministic order is that of the older canonical form, too
    assert cbor2.dumps(cbor2.loads(octets), canonical=True) == octets


@given(st.binary(min_size=8, max_size=8), st.binary(min_size=24, max_size=1900), octets64)
def test_envelope_round_trip(kid, content, signature):
    # the higher of two that verify alike is refused
    half = p256.ORDER // 2
    if int.from_bytes(signature[32:], "big") > half:
        with pytest.raises(reasons.Refused) as refused:
            cose.Envelope(writer.encode_envelope(kid, content, signature))
        assert refused.value.reason == reasons.HIGH_S_SIGNATURE
        signature = signature[:32] + half.to_bytes(32, "big")
    octets = writer.encode_envelope(kid, content, signature)
    assert cose.envelope_bytes(octets) == len(octets)
    envelope = cose.Envelope(octets)
    assert (envelope.kid, bytes(envelope.content)) == (kid, content)
    assert bytes(envelope.signature) == signature
    assert envelope.digest() == hashlib.sha256(writer.to_be_signed(content)).digest()
    # as another library sees it: RFC 9052 4.2
    tagged = cbor2.loads(octets)
    assert tagged.tag == 18
    assert list(tagged.value) == [cbor2.dumps({1: -7}), {4: kid}, content, signature]


@given(items)
def test_cbor_round_trip(value):
    octets = cbor.encode(value)
    assert cbor.decode(octets) == value
    assert cbor2.loads(octets) == value


@given(st.binary(max_size=64))
def test_cbor_takes_nothing_that_others_read_otherwise(octets):
    try:
        value = cbor.decode(octets)
    except reasons.Refused:
        return
    assert cbor2.loads(octets) == value
    assert cbor.encode(value) == octets


@settings(max_examples=25)
@given(manifests, st.binary(min_size=1, max_size=400), st.binary(max_size=32), st.booleans())
def test_image_round_trip(content, payload, header_string, is_signed):
    content.payload_bytes, content.payload_hash = len(payload), hashlib.sha256(payload).digest()
    encoded = writer.encode_manifest(content)
    key = SIGNER
    signature = key.sign(writer.to_be_signed(encoded))
    envelope = writer.encode_envelope(key.public.kid, encoded, signature)
    loaded = ota_file.load(assemble(content, envelope, payload, header_string))
    if is_signed:
        loaded = ota_file.load(sign(loaded, key))
    assert vars(loaded.manifest) == vars(content)
    assert loaded.header.header_string.rstrip(b"\0") == header_string.rstrip(b"\0")
    assert loaded.manufacturer_image.endswith(payload)
    assert (loaded.image_bytes - len(payload)) % manifest.ALIGNMENT == 0
    assert (loaded.trailer is not None) == is_signed
    assert loaded.assumption is None


SIGNER = keys.generate()


# --- the envelope, by other libraries


def test_envelope_verifies_elsewhere(built, pairs):
    tagged = cbor2.loads(built.manufacturer_image)
    protected, unprotected, content, signature = tagged.value
    assert cbor2.loads(protected) == {1: -7}
    assert unprotected == {4: pairs.manufacturer.public.kid}
    # Sig_structure, RFC 9052 4.4
    message = cbor2.dumps(["Signature1", protected, b"", content])
    assert message == manufacturer_to_sign(built)
    key = ecdsa.VerifyingKey.from_string(pairs.manufacturer.public.point, ecdsa.NIST256p)
    assert key.verify(signature, message, hashlib.sha256)
    fields = cbor2.loads(content)
    assert fields[6] == 0x01010000
    assert fields[8] == [0x0100, 0x01FF]
    assert fields[18] is True
    payload = built.manufacturer_image[-fields[10][1] :]
    assert fields[10] == [0, len(payload), hashlib.sha256(payload).digest()]


def test_trailer_verifies_elsewhere(built, pairs):
    octets = sign(built, pairs.supplier)
    key = ecdsa.VerifyingKey.from_string(pairs.supplier.public.point, ecdsa.NIST256p)
    assert key.verify(octets[-64:], octets[60:-66], hashlib.sha256)
    assert octets[-66:-64] == b"\0\x40"
    assert int.from_bytes(octets[52:56], "little") == len(octets)


# --- described


def test_description_of_ours(built, first, pairs):
    octets = sign(built, pairs.supplier)
    described = json.loads(json.dumps(describe(ota_file.load(octets))))
    assert described["header"] == {
        "manufacturer_code": 0xFFF0,
        "image_type": 5,
        "file_version": 0x01010000,
        "file_version_hex": "01010000",
        "stack_version": 2,
        "header_string": "a test's image",
        "total_image_size": len(octets),
        "minimum_hardware_version": 0x0100,
        "maximum_hardware_version": 0x01FF,
    }
    assert described["manufacturer_image"] == {
        "offset": 60,
        "length": len(octets) - 126,
        "sha256": hashlib.sha256(octets[60:-66]).hexdigest(),
    }
    assert described["trailer"] == {"force_replace": 0, "signature": octets[-64:].hex()}
    payload = described["manifest"].pop("payload")
    assert payload["kind"] == 0
    assert payload["sha256"] == hashlib.sha256(octets[-66 - payload["length"] : -66]).hexdigest()
    assert described["manifest"] == {
        "format": 1,
        "manufacturer_code": 0xFFF0,
        "image_type": 5,
        "file_version": 0x01010000,
        "file_version_hex": "01010000",
        "hardware": [0x0100, 0x01FF],
        "predecessors": [
            {
                "file_version": 0x01000000,
                "file_version_hex": "01000000",
                "hash": first.image_hash.hex(),
                "cpl_entry_id": "TEST-0001",
            }
        ],
        "minimum_base_version": 0x01000000,
        "minimum_base_version_hex": "01000000",
        "security_counter": 1,
        "point_of_no_return": True,
        "cpl_entry_id": "TEST-0002",
        "label": "1.1.0",
        "release_notes": "https://example.com/1.1.0",
        "feature_version": "3.1 (meals)",
    }


def test_published_image(dcc):
    loaded = ota_file.load(dcc / "dcc-esme-signed.ota")
    described = describe(loaded)
    assert described["manifest"] is None
    assert described["header"]["manufacturer_code"] == 0x121D
    assert described["header"]["file_version_hex"] == "ACDCACDC"
    assert described["header"]["header_string"] == "I am a GFI ESME[] firmware image"
    assert described["manufacturer_image"] == {
        "offset": 60,
        "length": 235,
        "sha256": "7542f475e3f12eae887d81e32c46d313741d67076b13caec2f82e00ba5e1bb36",
    }
    assert described["trailer"]["force_replace"] == 0
    assert "octet 296 is 0x40" in loaded.assumption
    supplier = keys.load_public(dcc / "dcc-supplier-cert.pem")
    found = verify.verify(loaded, None, supplier)
    assert (found.manufacturer_signature, found.supplier_signature) == ("none", "valid")


def test_published_image_with_any_octet_changed(dcc):
    supplier = keys.load_public(dcc / "dcc-supplier-cert.pem")
    octets = (dcc / "dcc-esme-signed.ota").read_bytes()
    # neither Force Replace nor, which is a pity, the header are covered by the signature
    for at in (*range(60, 295), *range(296, 361)):
        changed = octets[:at] + bytes((octets[at] ^ 1,)) + octets[at + 1 :]
        with pytest.raises(CheckFailed):
            verify.verify(ota_file.load(changed), None, supplier)


# --- images that are not ours


def foreign(content: bytes) -> bytes:
    header = ota.Header(0x1234, 1, 2, 60 + len(content), (0, 0xFFFF), stack_version=3)
    return writer.encode_header(header) + content


def test_layout_of_a_foreign_image():
    signed = foreign(b"x" * 100 + b"\0\x40" + bytes(64))
    plain = foreign(b"x" * 100)
    assert ota_file.load(signed).image_bytes == 100
    assert ota_file.load(signed, "signed").image_bytes == 100
    assert ota_file.load(signed, "unsigned").image_bytes == 166
    assert ota_file.load(signed, "unsigned").trailer is None
    assert ota_file.load(plain).image_bytes == 100
    assert "no trailer" in ota_file.load(plain).assumption
    with pytest.raises(BadFile) as raised:
        ota_file.load(plain, "signed")
    assert raised.value.reason == reasons.TRAILER


@pytest.mark.parametrize("length", [1, 19, 20, 65, 66, 67, 68])
def test_short_foreign_image(length):
    # 66 octets that look like a trailer, and nothing before them, are no trailer
    content = (b"x" * length + b"\0\x40" + bytes(64))[-length:]
    loaded = ota_file.load(foreign(content))
    assert loaded.image_bytes == (length - 66 if length > 66 else length)


def test_signing_keeps_what_a_foreign_header_says(pairs):
    loaded = ota_file.load(foreign(b"x" * 100))
    octets = sign(loaded, pairs.supplier)
    assert octets[:52] == loaded.octets[:52]
    assert octets[56:160] == loaded.octets[56:]
    verify.verify(ota_file.load(octets), None, pairs.supplier.public)


def test_signing_again_replaces_the_trailer(built, pairs):
    once = with_supplier_signature(built, bytes(64), force_replace=1)
    again = sign(ota_file.load(once), pairs.supplier)
    assert len(again) == len(once)
    assert again[-66] == 1
    assert ota_file.load(again).image_hash == built.image_hash
    verify.verify(ota_file.load(again), pairs.manufacturer.public, pairs.supplier.public)


# --- signatures made elsewhere


def test_unsigned_image(built, pairs):
    unsigned = ota_file.load(with_manufacturer_signature(built, UNSIGNED))
    assert not unsigned.is_signed
    with pytest.raises(CheckFailed, match="not signed yet"):
        verify.verify(unsigned, pairs.manufacturer.public, None)
    signature = pairs.manufacturer.sign(manufacturer_to_sign(unsigned))
    attached = ota_file.load(with_manufacturer_signature(unsigned, signature))
    assert attached.is_signed
    verify.verify(attached, pairs.manufacturer.public, None)


def test_no_place_for_a_signature(built, pairs):
    with pytest.raises(CheckFailed, match="no place"):
        with_manufacturer_signature(ota_file.load(foreign(b"x" * 100)), bytes(64))
    signed = ota_file.load(sign(built, pairs.supplier))
    with pytest.raises(CheckFailed, match="covers the manufacturer's"):
        with_manufacturer_signature(signed, bytes(64))


# --- malformed and wrong files


_BEFORE_PARSING = (
    reasons.MANUFACTURER_CODE,
    reasons.IMAGE_TYPE,
    reasons.HARDWARE_VERSION,
    reasons.HEADER_MISMATCH,
)


def test_mutations():
    device = policy.DeviceFacts(
        images.MANUFACTURER_CODE, images.IMAGE_TYPE, 0x0102, policy.PPMID, 512 * 1024, 1
    )
    running = policy.RunningFirmware(
        images.V1_0, hashlib.sha256(images.ota_image("1.0.0")[60:]).digest()
    )
    anchors = [keys.PublicKey(images.key(name)) for name in ("manufacturer", "supplier")]
    count = 0
    for name, octets, reason, offset in mutations.files():
        decision = verify.decide(octets, device, running, *anchors)
        assert (name, decision.reason) == (name, reason)
        if offset is not None:
            assert (name, decision.offset) == (name, offset)
        # what does not parse, does not for the device's reason, unless that one came earlier
        try:
            describe(ota_file.load(octets))
            continue
        except BadFile as error:
            found = error
        assert found.reason == decision.reason or decision.reason in _BEFORE_PARSING
        assert all(line and "\n" not in line for line in found.lines)
        count += 1
    assert count > 500


def test_verification_of_our_image(built, first, pairs):
    manufacturer, supplier = pairs.manufacturer.public, pairs.supplier.public
    found = verify.verify(built, manufacturer, None)
    assert (found.manufacturer_signature, found.supplier_signature) == ("valid", "none")
    signed = ota_file.load(sign(built, pairs.supplier))
    found = verify.verify(signed, None, supplier)
    assert (found.manufacturer_signature, found.supplier_signature) == ("not checked", "valid")
    verify.verify(built, manufacturer, supplier, supplier_required=False)
    verify.verify(first, manufacturer, None)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda octets: octets[:10] + b"\x34\x12" + octets[12:], reasons.HEADER_MISMATCH),
        (lambda octets: octets[:14] + b"\x01" + octets[15:], reasons.HEADER_MISMATCH),
        (lambda octets: octets[:56] + b"\xff\x02" + octets[58:], reasons.HARDWARE_VERSION),
        (lambda octets: octets[:-1] + bytes((octets[-1] ^ 1,)), reasons.PAYLOAD_HASH),
        (
            lambda octets: octets[:70] + bytes((octets[70] ^ 1,)) + octets[71:],
            reasons.UNKNOWN_SIGNER,
        ),
    ],
)
def test_wrong_octets(built, pairs, change, reason):
    with pytest.raises(CheckFailed) as raised:
        verify.verify(ota_file.load(change(built.octets)), pairs.manufacturer.public, None)
    assert raised.value.reason == reason


def test_wrong_signers(built, first, pairs):
    manufacturer, supplier = pairs.manufacturer.public, pairs.supplier.public
    signed = ota_file.load(sign(built, pairs.stranger))
    for subject, arguments, reason in (
        (built, (pairs.stranger.public, None), reasons.UNKNOWN_SIGNER),
        (built, (manufacturer, supplier), reasons.SUPPLIER_MISSING),
        (signed, (manufacturer, supplier), reasons.SUPPLIER_SIGNATURE),
        (ota_file.load(foreign(b"x" * 100)), (manufacturer, None), reasons.ENVELOPE),
        (ota_file.load(foreign(b"x" * 100)), (None, supplier), reasons.SUPPLIER_MISSING),
    ):
        with pytest.raises(CheckFailed) as raised:
            verify.verify(subject, *arguments)
        assert raised.value.reason == reason


def test_offset_field_and_clause_of_malformed_files(built):
    octets = built.octets
    content = bytes(built.envelope.content)

    def with_content(changes):
        fields = {**cbor2.loads(content), **changes}
        envelope = writer.encode_envelope(bytes(8), cbor.encode(fields), bytes(64))
        return assemble(built.manifest, envelope, b"", b"")

    for changed, why in (
        (b"", "it holds 0 octets, and an OTA Header has 60"),
        (octets[:59], "it holds 59 octets"),
        (octets[:60], "octet 52, Total Image size (GBCS 11.2.2) is"),
        (octets[:-1], f"the file holds {len(octets) - 1} octets"),
        (b"PK" + octets[2:], "octet 0, OTA upgrade file identifier (GBCS 11.2.2) is 0x0BEE4B50"),
        (octets[:8] + b"\0" + octets[9:], "octet 8, OTA Header field control (GBCS 11.2.2) is 0x0"),
        (octets[:6] + b"\x45" + octets[7:], "octet 6, OTA Header length (GBCS 11.2.2) is 0x0045"),
        (with_content({8: [2, 1]}), "manifest key 8 (hardware) must be [minimum, maximum]"),
        (with_content({3: "x" * 257}), "manifest key 3 (label) must be text of at most 256"),
        (with_content({20: 1}), "manifest key 20: the manifest holds a rule"),
        (with_content({10: [0, 9999, bytes(32)]}), "octet "),
    ):
        with pytest.raises(BadFile) as raised:
            ota_file.load(changed)
        assert why in raised.value.why, changed[:60]
    with pytest.raises(BadFile, match="holds more than"):
        ota_file.load(Path("/dev/zero"))


# --- certificates


def test_validity(pairs, caplog):
    first = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    last = datetime.datetime(2021, 1, 1, tzinfo=datetime.UTC)
    key = keys.PublicKey(pairs.supplier.public.point, (first, last))
    with caplog.at_level(logging.WARNING):
        verify.check_validity(key, "c.pem", None)
        assert "the certificate c.pem has expired" in caplog.text
        caplog.clear()
        verify.check_validity(key, "c.pem", datetime.datetime(2020, 6, 1).astimezone())
        verify.check_validity(pairs.supplier.public, "k.pem", first)
        assert not caplog.records
    with pytest.raises(CheckFailed, match="not valid on 2019"):
        verify.check_validity(key, "c.pem", first - datetime.timedelta(days=1))
