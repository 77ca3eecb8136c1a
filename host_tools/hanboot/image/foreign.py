"""What can be read of an OTA file that no device would take: where its parts seem to be.

For files of other tools: containers, padding, sizes that count something else, other field control,
ZCL sub-elements, text encodings. Whatever is inferred says so.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import Any

from hanboot.explain.versions import version_text
from hanbootloader.image import ota

_IDENTIFIER = (0x0BEEF11E).to_bytes(4, "little")
#: Up to the Total Image size, ZCL 11.4.2; the optional fields follow.
_FIXED_BYTES = 56
_UTF8_MARK = b"\xef\xbb\xbf"
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
#: How archives begin whose content cannot be read as it stands.
_ARCHIVES = ((b"\x1f\x8b", "gzip"), (b"PK\x03\x04", "zip"), (b"\xfd7zXZ", "xz"), (b"7z\xbc", "7z"))

_SUBELEMENT_BYTES = 6  # tag and length, ZCL 11.4.3
_UPGRADE_IMAGE_TAG = 0x0000

# field control bits (ZCL 11.4.2.4) and the octets of their fields
_CREDENTIAL, _DESTINATION, _HARDWARE = 0x0001, 0x0002, 0x0004


@dataclass
class Reading:
    """What was found.

    Attributes:
        offset: where the OTA Header stands; -1 if there is none.
        header: its fields, by name.
        remarks: what is unusual, a line each; those that are inferred say so.
        parts: (name, offset, octets) of what follows the header, inferred.
    """

    offset: int = -1
    header: dict[str, Any] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    parts: list[tuple[str, int, int]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "offset": self.offset if self.offset >= 0 else None,
            "header": self.header or None,
            "remarks": self.remarks,
            "parts": [
                {"name": name, "offset": offset, "length": length, "inferred": True}
                for name, offset, length in self.parts
            ],
        }


def read(octets: bytes) -> Reading:
    """Reads what it can; never fails."""
    reading = Reading()
    inner = _decoded(octets, reading)
    reading.offset = inner.find(_IDENTIFIER)
    if reading.offset < 0:
        reading.remarks.append("the identifier 1E F1 EE 0B is nowhere in it")
        reading.remarks += (
            f"it begins as a {name} archive does: unpack it first"
            for start, name in _ARCHIVES
            if octets.startswith(start)
        )
        return reading
    if reading.offset:
        reading.remarks.append(
            f"the OTA Header begins at octet {reading.offset}: what is before it is a container's"
        )
    _read_header(inner[reading.offset :], reading)
    return reading


def _decoded(octets: bytes, reading: Reading) -> bytes:
    """The octets behind base64 or hex, if the file is such text."""
    text = b"".join(octets.removeprefix(_UTF8_MARK).split())
    for name, decode in (("hex", binascii.unhexlify), ("base64", _from_base64)):
        try:
            found = decode(text)
        except (binascii.Error, ValueError):
            continue
        if _IDENTIFIER in found:
            reading.remarks.append(f"the file is {name} text; its octets were decoded")
            return found
    return octets


def _from_base64(text: bytes) -> bytes:
    # RFC 4648: the alphabet for URLs and file names, too, which may come without padding
    standard = text.translate(_URL_SAFE).rstrip(b"=")
    return base64.b64decode(standard + b"=" * (-len(standard) % 4), validate=True)


def _read_header(octets: bytes, reading: Reading) -> None:
    if len(octets) < _FIXED_BYTES:
        reading.remarks.append(
            f"it ends {len(octets)} octets into the OTA Header, which has {_FIXED_BYTES} at least"
        )
        return

    def uint(at: int, size: int) -> int:
        return int.from_bytes(octets[at : at + size], "little")

    control, length, total = uint(8, 2), uint(6, 2), uint(52, 4)
    header: dict[str, Any] = {
        "header_version": f"0x{uint(4, 2):04X}",
        "header_length": length,
        "field_control": f"0x{control:04X}",
        "manufacturer_code": f"0x{uint(10, 2):04X}",
        "image_type": f"0x{uint(12, 2):04X}",
        "file_version": version_text(uint(14, 4)),
        "stack_version": f"0x{uint(18, 2):04X}",
        "header_string": octets[20:52].rstrip(b"\0").decode("ascii", "backslashreplace"),
        "total_image_size": total,
    }
    at = _FIXED_BYTES
    for bit, name, size in (
        (_CREDENTIAL, "security_credential_version", 1),
        (_DESTINATION, "upgrade_file_destination", 8),
        (_HARDWARE, "minimum_hardware_version", 2),
        (_HARDWARE, "maximum_hardware_version", 2),
    ):
        if control & bit and at + size <= len(octets):
            value = octets[at : at + size]
            header[name] = value.hex() if size == 8 else int.from_bytes(value, "little")
            at += size
    reading.header = header
    if control != _HARDWARE:
        reading.remarks.append(
            f"field control is 0x{control:04X}; GBCS 11.2.2 has 0x0004, hardware versions alone"
        )
    if length != at:
        reading.remarks.append(f"header length says {length}, its fields take {at} octets")
    _read_rest(octets, at, total, reading)


def _read_rest(octets: bytes, at: int, total: int, reading: Reading) -> None:
    base, size = max(reading.offset, 0), len(octets)
    if size - total == ota.TRAILER_BYTES and octets[total + 1 : total + 2] == b"\x40":
        reading.remarks.append(
            f"Total Image size {total} does not count the {ota.TRAILER_BYTES} octets of the trailer"
        )
        total = size
    elif size > total and not any(octets[total:]):
        reading.remarks.append(f"{size - total} zero octets follow its end: padding")
    elif size > total:
        reading.remarks.append(f"{size - total} octets follow its end, as Total Image size has it")
    elif size < total:
        reading.remarks.append(f"{total - size} octets are missing at its end")
    end = min(total, size)
    if octets[at : at + 2] == _UPGRADE_IMAGE_TAG.to_bytes(2, "little"):
        length = int.from_bytes(octets[at + 2 : at + 6], "little")
        if 0 < length <= end - at - _SUBELEMENT_BYTES:
            reading.remarks.append(
                f"octet {base + at} seems to begin a ZCL sub-element 'upgrade image' of {length} "
                "octets, which GBCS 11.2.2 does not have"
            )
            reading.parts.append(("sub-element header", base + at, _SUBELEMENT_BYTES))
            at += _SUBELEMENT_BYTES
    trailer = end - ota.TRAILER_BYTES
    if trailer > at and octets[trailer + 1] == 0x40:
        reading.parts.append(("Manufacturer Image", base + at, trailer - at))
        reading.parts.append(("trailer", base + trailer, ota.TRAILER_BYTES))
    elif end > at:
        reading.parts.append(("Manufacturer Image", base + at, end - at))
