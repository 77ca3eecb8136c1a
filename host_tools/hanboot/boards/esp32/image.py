"""An image of MicroPython for the whole flash of an ESP32: bootloader, partition table, app.

Both programs in it have a header of 24 bytes, segments, a checksum that ends a row of 16 bytes, and
mostly a SHA-256 (ESP-IDF programming guide, 'App Image Format').
"""

from __future__ import annotations

import hashlib
import re
import struct
from dataclasses import dataclass
from pathlib import Path

from hanboot import files
from hanboot.boards.esp32 import chips, table
from hanboot.boards.esp32.chips import APP_AT, TABLE_AT, Chip
from hanboot.boards.esp32.table import PartitionTable
from hanboot.errors import BadFile

_HEADER = struct.Struct("<BBBBI4xHBHH4xB")
_SEGMENT = struct.Struct("<II")
_MAGIC = 0xE9
_SEGMENTS_MOST = 16
_CHECKSUM_SEED = 0xEF
_DESCRIPTION_AT = _HEADER.size + _SEGMENT.size
_DESCRIPTION_MAGIC = struct.pack("<I", 0xABCD5432)  # esp_app_desc_t, begins an app's first segment
_UF2_MAGIC = b"UF2\n"
_MICROPYTHON = re.compile(rb"MicroPython (v[0-9][^ \0]{0,30}) on")
_WHERE = "take the .bin for the whole flash of your board from micropython.org/download"


@dataclass(frozen=True)
class Micropython:
    """What is taken from MicroPython's image.

    Attributes:
        version: such as "v1.25.0".
        table: its own partition table.
        bootloader: the second-stage bootloader, for the chip's `bootloader_at`.
        app: for `APP_AT`.
    """

    path: Path
    chip: Chip
    version: str
    table: PartitionTable
    bootloader: bytes
    app: bytes

    @property
    def text(self) -> str:
        what = "hanboot's firmware on MicroPython" if self.is_ours else "MicroPython"
        return f"{what} {self.version} for {self.chip.title}"

    @property
    def is_ours(self) -> bool:
        """Whether it has partitions for hanboot already: boards/esp32_han was built into it."""
        return all(self.table.get(label) for label in ("anchors", "journal", "data"))


def load(path: Path, chip: Chip) -> Micropython:
    """Takes MicroPython's image apart; every byte that will be written is checked first.

    Raises:
        BadFile: it is for another chip or another kind of board, is not MicroPython for the whole
            flash, or is damaged.
    """
    octets = files.read(path)
    if octets[:4] == _UF2_MAGIC:
        raise _bad(path, "it is a UF2 file, for boards with an RP2040", "give it without --chip")
    if not octets or octets[0] != _MAGIC:
        raise _bad(path, f"byte 0 is not {_MAGIC:02X}, which begins an image", _WHERE)
    if octets[_DESCRIPTION_AT : _DESCRIPTION_AT + 4] == _DESCRIPTION_MAGIC:
        raise _bad(path, "it is an app alone, without a bootloader", _WHERE)
    _check_chip(path, octets, 0, chip)
    bootloader = _program(path, octets, 0, "bootloader")
    table_at, app_at = TABLE_AT - chip.bootloader_at, APP_AT - chip.bootloader_at
    own = table.decode(octets[table_at : table_at + table.TABLE_BYTES])
    if own is None:
        raise _bad(path, f"no partition table is at {TABLE_AT:#x} (byte {table_at} of it)", _WHERE)
    if len(octets) <= app_at:
        raise _bad(path, f"it ends at byte {len(octets)}, and an app begins at {app_at}", _WHERE)
    _check_chip(path, octets, app_at, chip)
    app = _program(path, octets, app_at, "app")
    named = _MICROPYTHON.search(app)
    if not named:
        raise _bad(path, "its app does not say that it is MicroPython", _WHERE)
    return Micropython(path, chip, named[1].decode("ascii", "replace"), own, bootloader, app)


def _check_chip(path: Path, octets: bytes, at: int, chip: Chip) -> None:
    image_id = int.from_bytes(octets[at + 12 : at + 14], "little")
    if image_id != chip.image_id:
        other = chips.by_image_id(image_id)
        raise BadFile(
            f"{path} is not for an {chip.title}",
            f"byte {at + 12} says chip {image_id}"
            + (f", which is an {other.title}" if other else ""),
            f"give its image, or --chip {other.name}" if other else "give its image",
        )


def _program(path: Path, octets: bytes, start: int, what: str) -> bytes:
    """The program at byte `start`, by the lengths in it, checksum and digest checked."""

    def cut_short() -> BadFile:
        return _bad(path, f"the {what} from byte {start} on is cut short at {len(octets)}", _WHERE)

    if len(octets) < start + _HEADER.size:
        raise cut_short()
    magic, count, *_, has_digest = _HEADER.unpack_from(octets, start)
    if magic != _MAGIC or not 0 < count <= _SEGMENTS_MOST:
        raise _bad(path, f"no {what} begins at byte {start}", _WHERE)
    at, checksum = start + _HEADER.size, _CHECKSUM_SEED
    for _ in range(count):
        if len(octets) < at + _SEGMENT.size:
            raise cut_short()
        _, length = _SEGMENT.unpack_from(octets, at)
        at += _SEGMENT.size
        if len(octets) < at + length:
            raise cut_short()
        checksum ^= _xor(octets[at : at + length])
        at += length
    # the checksum is the last byte of the row
    end = start + ((at - start) // 16 + 1) * 16
    if len(octets) < end + (32 if has_digest else 0):
        raise cut_short()
    if octets[end - 1] != checksum:
        raise _bad(
            path,
            f"the {what} is damaged: byte {end - 1} is {octets[end - 1]:02X}, not {checksum:02X}",
            _WHERE,
        )
    if not has_digest:
        return octets[start:end]
    if octets[end : end + 32] != hashlib.sha256(octets[start:end]).digest():
        raise _bad(path, f"the {what} is damaged: its SHA-256 at byte {end} differs", _WHERE)
    return octets[start : end + 32]


def _xor(octets: bytes) -> int:
    """All bytes, XORed: as integers, halved until one is left."""
    width = 1 << max(0, len(octets) - 1).bit_length()
    value = int.from_bytes(octets, "little")
    while width > 1:
        width //= 2
        value = (value >> 8 * width) ^ (value & ((1 << 8 * width) - 1))
    return value


def _bad(path: Path, why: str, remedy: str) -> BadFile:
    return BadFile(f"{path} is not an image of MicroPython for this board", why, remedy)
