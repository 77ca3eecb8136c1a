"""OTA Upgrade Images, read from files.

Any GBCS image can be read. In ours the manifest tells where the Manufacturer Image ends; in one
that is not ours nothing does, so the end is inferred from the length octet of the signature, and
`Image.assumption` says so.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from hanboot import files
from hanboot.errors import BadFile
from hanboot.explain.fields import HEADER_FIELDS, place_of
from hanboot.explain.reasons import explain
from hanbootloader import policy, reasons
from hanbootloader.image import cose, ota
from hanbootloader.image.manifest import Manifest
from hanbootloader.image.reader import ImageReader, Sink

#: How an image that is not ours ends: with a trailer (GBCS 11.2.3) or without.
Layout = Literal["signed", "unsigned"]

UNSIGNED = bytes(64)  # in the place of a signature that is yet to be made


@dataclass(frozen=True, kw_only=True)
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

    @classmethod
    def load(cls, source: Path | bytes, layout: Layout | None = None) -> Image:
        """Reads an OTA Upgrade Image, see `load`."""
        return load(source, layout)

    @property
    def manufacturer_image(self) -> bytes:
        """What the manufacturer signs and the hash covers (GBCS 11.2.2)."""
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
    """The octets of a file for a device to check.

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
        name=name,
        octets=octets,
        header=reader.header,
        image_bytes=reader.image_bytes,
        trailer=trailer,
        envelope=reader.envelope,
        manifest=reader.manifest,
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
        name=name,
        octets=octets,
        header=header,
        image_bytes=(at if trailer else len(octets)) - ota.HEADER_BYTES,
        trailer=trailer,
        assumption=f"not made by hanboot; {seen} (GBCS 11.2.3)",
    )


def _malformed(name: str, octets: bytes, refused: reasons.Refused) -> BadFile:
    words = explain(refused.reason)
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
    where = place_of(refused.reason, offset)
    for start, size, _ in HEADER_FIELDS:
        if offset == start and where.endswith("(GBCS 11.2.2)") and size <= 4:
            value = int.from_bytes(octets[start : start + size], "little")
            is_length = start == ota.TOTAL_BYTES_AT
            where += f" is {value}" if is_length else f" is 0x{value:0{2 * size}X}"
    if refused.reason == reasons.SIZE_MISMATCH:
        return f"{where}, but the file holds {length} octets"
    return f"{where}: {explain(refused.reason).meaning}"
