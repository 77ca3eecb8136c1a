"""OTA Upgrade Images: read, described, signed.

Any GBCS image can be read. In ours the manifest tells where the Manufacturer Image ends; in one
that is not ours nothing does, so the end is inferred from the length octet of the signature, and
`Image.assumption` says so.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from bootloader import policy, reasons
from bootloader.image import cose, ota, writer
from bootloader.image.manifest import OUR_FORMAT, Manifest, padding_bytes
from bootloader.image.reader import ImageReader, Sink
from hanboot import files
from hanboot.errors import BadFile, Refused
from hanboot.explain import reasons as explain
from hanboot.trust.keys import PrivateKey, canonical_signature

#: How an image that is not ours ends: with a trailer (GBCS 11.2.3) or without.
Layout = Literal["signed", "unsigned"]

UNSIGNED = bytes(64)  # in the place of a signature that is yet to be made


@dataclass(frozen=True)
class Image:
    """An OTA Upgrade Image that can be read; nothing is said of its signatures.

    Attributes:
        name: what to call it, e.g. the file's name.
        octets: the whole file.
        header: the OTA Header.
        image_bytes: octets of the Manufacturer Image.
        trailer: Force Replace and Authorising Remote Party Signature, if there.
        envelope: COSE_Sign1 at the front; None if the image is not ours.
        manifest: what the envelope holds; None if the image is not ours.
        assumption: what was assumed of an image that is not ours; None for ours.
    """

    name: str
    octets: bytes
    header: ota.Header
    image_bytes: int
    trailer: ota.Trailer | None
    envelope: cose.Envelope | None = None
    manifest: Manifest | None = None
    assumption: str | None = None

    @property
    def manufacturer_image(self) -> bytes:
        return self.octets[ota.HEADER_BYTES : ota.HEADER_BYTES + self.image_bytes]

    @cached_property
    def image_hash(self) -> bytes:
        """Manufacturer Image Hash, GBCS 11.2.4."""
        return hashlib.sha256(self.manufacturer_image).digest()

    @property
    def is_signed(self) -> bool:
        """Whether there is a manufacturer's signature, right or wrong."""
        return self.envelope is not None and bytes(self.envelope.signature) != UNSIGNED


def read(path: Path) -> bytes:
    """The octets of an image file, whatever they are.

    Raises:
        BadFile: it cannot be read.
    """
    return files.read(path)


def read_to_send(path: Path) -> bytes:
    """The octets of a file for a device to judge.

    Raises:
        BadFile: it cannot be read, or is no OTA upgrade file at all.
    """
    octets = read(path)
    try:
        ota.parse_header(octets)
    except reasons.Refused as refused:
        if refused.reason == reasons.FILE_IDENTIFIER:
            raise _malformed(path.name, octets, refused) from None
    return octets


def load(source: Path | bytes, layout: Layout | None = None) -> Image:
    """Reads an OTA Upgrade Image.

    Args:
        source: the file, or its octets.
        layout: how an image that is not ours ends; None infers it.

    Raises:
        BadFile: it is malformed; `reason` and `offset` are what a device would find.
    """
    name, octets = (
        (source.name, read(source)) if isinstance(source, Path) else ("the image", source)
    )
    sizes = _Sizes(len(octets))
    try:
        reader = ImageReader(len(octets), sizes)
        reader.feed(octets)
        reader.finish()
        trailer = ota.parse_trailer(reader.trailer) if reader.trailer else None
    except reasons.Refused as refused:
        # no envelope of ours at the front, or no room for one
        is_foreign = refused.reason == reasons.ENVELOPE and refused.offset == 0
        is_short = ota.HEADER_BYTES < len(octets) < ota.HEADER_BYTES + cose.HEAD_BYTES
        if sizes.header is None or not (is_foreign or is_short):
            raise _malformed(name, octets, refused) from None
        return _load_foreign(name, octets, sizes.header, layout)
    assert reader.header is not None
    return Image(
        name, octets, reader.header, reader.image_bytes, trailer, reader.envelope, reader.manifest
    )


class _Sizes(Sink):
    """Keeps the header once its size is right."""

    def __init__(self, file_bytes: int) -> None:
        self._file_bytes = file_bytes
        self.header: ota.Header | None = None

    def on_header(self, header: ota.Header) -> None:
        device = fitting_device(header, self._file_bytes)
        if policy.check_header(header, self._file_bytes, device) == reasons.SIZE_MISMATCH:
            raise reasons.Refused(reasons.SIZE_MISMATCH, ota.TOTAL_BYTES_AT)
        self.header = header


def fitting_device(
    header: ota.Header, file_bytes: int, device_type: int = policy.PPMID
) -> policy.DeviceFacts:
    """The device that an image with `header` is for."""
    return policy.DeviceFacts(
        header.manufacturer_code, header.image_type, header.hardware[0], device_type, file_bytes, 0
    )


def _load_foreign(name: str, octets: bytes, header: ota.Header, layout: Layout | None) -> Image:
    at = len(octets) - ota.TRAILER_BYTES
    try:
        # at least one octet of Manufacturer Image stands before a trailer
        trailer = ota.parse_trailer(octets[max(at, ota.HEADER_BYTES + 1) :])
    except reasons.Refused as refused:
        if layout == "signed":
            raise _malformed(name, octets, refused) from None
        trailer = None
    if layout == "unsigned":
        trailer = None
    if layout:
        seen = f"it is taken to be {layout}, as you say"
    elif trailer:
        seen = f"octet {at + 1} is 0x40, so the last 66 octets are taken for a trailer"
    else:
        seen = "no 0x40 stands before the last 64 octets, so it is taken to have no trailer"
    return Image(
        name,
        octets,
        header,
        (at if trailer else len(octets)) - ota.HEADER_BYTES,
        trailer,
        assumption=f"not made by hanboot; {seen} (GBCS 11.2.3)",
    )


def _malformed(name: str, octets: bytes, refused: reasons.Refused) -> BadFile:
    words = explain.explain(refused.reason)
    return BadFile(
        f"{name} is malformed: {words.name}",
        _cause(octets, refused),
        words.remedy,
        reason=refused.reason,
        offset=refused.offset,
    )


def _cause(octets: bytes, refused: reasons.Refused) -> str:
    length, offset = len(octets), refused.offset
    if length < ota.HEADER_BYTES:
        return f"it holds {length} octets, and an OTA Header has 60 (GBCS 11.2.2)"
    if refused.reason == reasons.SIZE_MISMATCH and offset != ota.TOTAL_BYTES_AT:
        return f"it ends after {length} octets, before the end of what must follow (GBCS 11.2.2)"
    where = explain.place(refused.reason, offset)
    for start, size, _ in explain.HEADER_FIELDS:
        if offset == start and where.endswith("(GBCS 11.2.2)") and size <= 4:
            value = int.from_bytes(octets[start : start + size], "little")
            is_length = start == ota.TOTAL_BYTES_AT
            where += f" is {value}" if is_length else f" is 0x{value:0{2 * size}X}"
    if refused.reason == reasons.SIZE_MISMATCH:
        return f"{where}, but the file holds {length} octets"
    return f"{where}: {explain.explain(refused.reason).meaning}"


# --- described


def describe(image: Image) -> dict[str, Any]:
    """What `hanboot image inspect --json` prints: names and values, octet strings in hex."""
    header, trailer = image.header, image.trailer
    return {
        "header": {
            "manufacturer_code": header.manufacturer_code,
            "image_type": header.image_type,
            **_version("file_version", header.file_version),
            "stack_version": header.stack_version,
            "header_string": header_text(header),
            "total_image_size": header.total_bytes,
            "minimum_hardware_version": header.hardware[0],
            "maximum_hardware_version": header.hardware[1],
        },
        "manufacturer_image": {
            "offset": ota.HEADER_BYTES,
            "length": image.image_bytes,
            "sha256": image.image_hash.hex(),
        },
        "trailer": {
            "force_replace": trailer.force_replace,
            "signature": bytes(trailer.signature).hex(),
        }
        if trailer
        else None,
        "manifest": _describe_manifest(image.manifest) if image.manifest else None,
    }


def _describe_manifest(manifest: Manifest) -> dict[str, Any]:
    return {
        "format": OUR_FORMAT,
        "manufacturer_code": manifest.manufacturer_code,
        "image_type": manifest.image_type,
        **_version("file_version", manifest.file_version),
        "hardware": list(manifest.hardware),
        "payload": {
            "kind": manifest.payload_kind,
            "length": manifest.payload_bytes,
            "sha256": manifest.payload_hash.hex(),
        },
        "predecessors": [
            {
                **_version("file_version", version),
                "hash": digest.hex() if digest else None,
                "cpl_entry_id": entry,
            }
            for version, digest, entry in manifest.predecessors
        ],
        **_version("minimum_base_version", manifest.minimum_base_version),
        "security_counter": manifest.security_counter,
        "point_of_no_return": manifest.point_of_no_return,
        "cpl_entry_id": manifest.cpl_entry_id,
        "label": manifest.label,
        "release_notes": manifest.release_notes,
    }


def _version(name: str, version: int) -> dict[str, int | str]:
    return {name: version, f"{name}_hex": f"{version:08X}"}


def header_text(header: ota.Header) -> str:
    """The OTA Header string, without the zero octets at its end."""
    return header.header_string.rstrip(b"\0").decode("ascii", "backslashreplace")


# --- put together


def assemble(manifest: Manifest, envelope: bytes, payload: bytes, header_string: bytes) -> bytes:
    """An image of ours, without a trailer.

    Args:
        manifest: what `envelope` holds.
        envelope: COSE_Sign1, as `bootloader.image.writer.encode_envelope` makes it.
        payload: what follows, as `manifest` describes it.
        header_string: at most 32 octets, free text.
    """
    image = envelope + bytes(padding_bytes(len(envelope))) + payload
    header = ota.Header(
        manifest.manufacturer_code,
        manifest.image_type,
        manifest.file_version,
        ota.HEADER_BYTES + len(image),
        manifest.hardware,
        header_string.ljust(32, b"\0"),
    )
    return writer.encode_header(header) + image


def manufacturer_to_sign(image: Image) -> bytes:
    """What the manufacturer signs: the Sig_structure of the envelope (RFC 9052 4.4).

    Raises:
        Refused: the image has no envelope.
    """
    return writer.to_be_signed(bytes(_envelope(image).content))


def with_manufacturer_signature(image: Image, signature: bytes) -> bytes:
    """The file with `signature` (r || s) in its envelope.

    Raises:
        Refused: the image has no envelope, or a trailer, which signs the envelope as it was.
    """
    envelope = _envelope(image)
    if image.trailer:
        raise Refused(
            f"cannot put a manufacturer's signature into {image.name}",
            "it has a supplier's signature, which covers the manufacturer's",
            "take the image as it was built, and have the supplier sign it last",
        )
    canonical = canonical_signature(signature)
    signed = writer.encode_envelope(envelope.kid, bytes(envelope.content), canonical)
    return image.octets[: ota.HEADER_BYTES] + signed + image.manufacturer_image[len(signed) :]


def with_supplier_signature(image: Image, signature: bytes, force_replace: int = 0) -> bytes:
    """The file with a trailer (GBCS 11.2.3), in place of the one that it may have.

    Args:
        signature: r || s over the Manufacturer Image.
        force_replace: the octet of that name.
    """
    trailer = writer.encode_trailer(ota.Trailer(force_replace, signature))
    octets = image.manufacturer_image + trailer
    header = ota.parse_header(image.octets)
    header.total_bytes = ota.HEADER_BYTES + len(octets)
    return writer.encode_header(header) + octets


def sign(image: Image, key: PrivateKey) -> bytes:
    """The file signed by the supplier, as Authorising Remote Party."""
    force_replace = image.trailer.force_replace if image.trailer else 0
    return with_supplier_signature(image, key.sign(image.manufacturer_image), force_replace)


def _envelope(image: Image) -> cose.Envelope:
    if image.envelope is None:
        words = explain.explain(reasons.ENVELOPE)
        raise Refused(
            f"{image.name} has no place for a manufacturer's signature",
            words.meaning,
            words.remedy,
            reason=reasons.ENVELOPE,
        )
    return image.envelope
