"""Fields of header and manifest by name, and the place of a reason among them."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from hanbootloader import reasons
from hanbootloader.image import manifest, ota

# in their order, ZCL 11.4.2 and GBCS 11.2.2
_HEADER_NAMES = (
    "OTA upgrade file identifier",
    "OTA Header version",
    "OTA Header length",
    "OTA Header field control",
    "Manufacturer code",
    "Image type",
    "File version",
    "ZigBee stack version",
    "OTA Header string",
    "Total Image size",
    "Minimum hardware version",
    "Maximum hardware version",
)


def _header_fields() -> Iterator[tuple[int, int, str]]:
    layout = re.findall(r"\d*[HIs]", ota.HEADER_LAYOUT)
    offset = 0
    for code, name in zip(layout, _HEADER_NAMES, strict=True):
        octets = struct.calcsize("<" + code)
        yield offset, octets, name
        offset += octets


#: Fields of the OTA Header: (offset, octets, name)
HEADER_FIELDS = tuple(_header_fields())

#: What the manifest must hold under each key: (name, rule)
MANIFEST_FIELDS = {
    manifest.FORMAT: ("format", "1"),
    manifest.MANUFACTURER_CODE: ("manufacturer_code", "0 to 0xFFFF"),
    manifest.IMAGE_TYPE: ("image_type", "0 to 0xFFFF"),
    manifest.FILE_VERSION: ("file_version", "0 to 0xFFFFFFFF"),
    manifest.HARDWARE: ("hardware", "[minimum, maximum], 0 to 0xFFFF, the maximum not below"),
    manifest.PAYLOAD: ("payload", "[0 for ROMFS, length, SHA-256]"),
    manifest.PREDECESSORS: (
        "predecessors",
        "a list of [file_version, hash or null, CPL Entry ID or null]",
    ),
    manifest.MINIMUM_BASE_VERSION: ("minimum_base_version", "0 to 0xFFFFFFFF"),
    manifest.SECURITY_COUNTER: ("security_counter", "0 to 0xFFFFFFFF"),
    manifest.POINT_OF_NO_RETURN: ("point_of_no_return", "true, or absent"),
    manifest.CPL_ENTRY_ID: ("cpl_entry_id", "text of at most 256 octets"),
    manifest.LABEL: ("label", "text of at most 256 octets"),
    manifest.RELEASE_NOTES: ("release_notes", "text of at most 256 octets"),
    manifest.FEATURE_VERSION: ("feature_version", "text of at most 32 octets"),
}

# reasons whose offset is an octet of the file, within the OTA Header
_IN_HEADER = (
    reasons.FILE_IDENTIFIER,
    reasons.HEADER_VERSION,
    reasons.FIELD_CONTROL,
    reasons.SIZE_MISMATCH,
    reasons.MANUFACTURER_CODE,
    reasons.IMAGE_TYPE,
    reasons.HARDWARE_VERSION,
)


def place_of(reason: int, offset: int) -> str:
    """Where `reason` was found: offset, field and clause; empty where it concerns no one place.

    Args:
        offset: as `hanbootloader.reasons.Refused` carries it with `reason`.
    """
    if offset < 0:
        return ""
    if reason in _IN_HEADER:
        for start, _, name in HEADER_FIELDS:
            if start == offset:
                return f"octet {offset}, {name} (GBCS 11.2.2)"
        if reason == reasons.FILE_IDENTIFIER:
            return f"octet {offset}, where it ends, before the end of a header (GBCS 11.2.2)"
        return f"octet {offset} (GBCS 11.2.2)"
    if reason == reasons.ENVELOPE:
        return f"octet {ota.HEADER_BYTES + offset}, COSE_Sign1 (RFC 9052 4.2)"
    if reason == reasons.ENCODING:
        return f"octet {offset} of the manifest (RFC 8949 4.2.1)"
    if reason == reasons.UNKNOWN_EVEN_KEY:
        return f"manifest key {offset}"
    if reason == reasons.MANIFEST_MALFORMED:
        name, rule = MANIFEST_FIELDS.get(offset, ("unknown", ""))
        return f"manifest key {offset} ({name}) must be {rule}"
    if reason == reasons.LAYOUT:
        return f"octet {offset} (GBCS 11.2.2)"
    if reason == reasons.TRAILER:
        return f"octet {offset} of the trailer (GBCS 11.2.3)"
    return f"octet {offset}"
