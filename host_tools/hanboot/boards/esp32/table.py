"""Partition tables of ESP-IDF: a CSV file, its rules, and the bytes at 0x8000.

A row is 32 bytes: AA 50, type, subtype, offset (4), size (4), label (16), flags (4), little-endian.
The rows end with EB EB, 14 x FF and the MD5 of the rows; FF fills 0xC00 bytes (ESP-IDF programming
guide, 'Partition Tables').
"""

from __future__ import annotations

import csv
import hashlib
import re
import struct
from dataclasses import dataclass
from pathlib import Path

from hanboot import files
from hanboot.boards.esp32.chips import APP_AT, TABLE_AT
from hanboot.errors import BadFile

TABLE_BYTES = 0xC00
SECTOR_BYTES = 4096
APP_ALIGN_BYTES = 0x10000

TYPES = {"app": 0x00, "data": 0x01}
SUBTYPES = {
    "app": {"factory": 0x00, "test": 0x20} | {f"ota_{n}": 0x10 + n for n in range(16)},
    "data": {
        "ota": 0x00,
        "phy": 0x01,
        "nvs": 0x02,
        "coredump": 0x03,
        "nvs_keys": 0x04,
        "fat": 0x81,
        "spiffs": 0x82,
        "littlefs": 0x83,
    },
}
_FLAGS = {"encrypted": 1, "readonly": 2}
_LABEL_BYTES = 16
_ROW = struct.Struct("<2sBBII16sI")
_ROW_MAGIC = b"\xaa\x50"
_MD5_MAGIC = b"\xeb\xeb" + b"\xff" * 14
_SIZE = re.compile(r"(0x[0-9a-fA-F]+|[0-9]+)([kKmM]?)")
_UNITS = {"": 1, "k": 1024, "m": 1024 * 1024}


@dataclass(frozen=True)
class PartitionRow:
    """One row. type, subtype: numbers as the bytes hold them; offset, size: bytes."""

    label: str
    type: int
    subtype: int
    offset: int
    size: int
    flags: int = 0

    @property
    def end(self) -> int:
        return self.offset + self.size

    @property
    def text(self) -> str:
        return f"{self.label} ({self.offset:#x} to {self.end:#x})"


@dataclass(frozen=True)
class PartitionTable:
    """The rows of a table that keeps the rules."""

    partitions: tuple[PartitionRow, ...]

    def get(self, label: str) -> PartitionRow | None:
        return next((row for row in self.partitions if row.label == label), None)

    @property
    def end(self) -> int:
        """Bytes of flash that it needs."""
        return max(row.end for row in self.partitions)

    def encode(self) -> bytes:
        """The 0xC00 bytes at 0x8000."""
        rows = b"".join(
            _ROW.pack(
                _ROW_MAGIC,
                row.type,
                row.subtype,
                row.offset,
                row.size,
                row.label.encode(),
                row.flags,
            )
            for row in self.partitions
        )
        return (rows + _MD5_MAGIC + hashlib.md5(rows).digest()).ljust(TABLE_BYTES, b"\xff")


def load(path: Path) -> PartitionTable:
    """Reads a table from a CSV file, and checks its rules.

    Raises:
        BadFile: a row cannot be read, or the chip's bootloader or MicroPython would not take it.
    """
    text = files.read(path).decode("utf-8", "replace")
    rows: list[tuple[int, PartitionRow]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            fields = [field.strip() for field in next(csv.reader([line]))]
            rows.append((number, _row(path, number, fields)))
    _check(path, rows)
    return PartitionTable(tuple(row for _, row in rows))


def decode(octets: bytes) -> PartitionTable | None:
    """The table in the bytes at 0x8000; None where there is none, or a damaged one."""
    rows: list[PartitionRow] = []
    for at in range(0, len(octets) - _ROW.size + 1, _ROW.size):
        magic, kind, subtype, offset, size, label, flags = _ROW.unpack_from(octets, at)
        if magic != _ROW_MAGIC:
            end = octets[at : at + _ROW.size]
            is_whole = end == _MD5_MAGIC + hashlib.md5(octets[:at]).digest()
            return PartitionTable(tuple(rows)) if rows and is_whole else None
        text = label.rstrip(b"\0").decode("ascii", "replace")
        rows.append(PartitionRow(text, kind, subtype, offset, size, flags))
    return None


# --- a row


def _row(path: Path, number: int, fields: list[str]) -> PartitionRow:
    if not 5 <= len(fields) <= 6:
        raise _bad(path, number, f"it has {len(fields)} fields: name, type, subtype, offset, size")
    label, kind, subtype, offset, size = fields[:5]
    if not label or len(label.encode()) >= _LABEL_BYTES:
        raise _bad(path, number, f"the name {label!r} is not of 1 to {_LABEL_BYTES - 1} characters")
    flags = 0
    for flag in filter(None, (fields[5:] or [""])[0].split(":")):
        if flag not in _FLAGS:
            raise _bad(path, number, f"flag {flag!r} must be one of {', '.join(_FLAGS)}")
        flags |= _FLAGS[flag]
    type_number = _number(path, number, "type", kind, TYPES)
    names = SUBTYPES.get(kind, {})
    return PartitionRow(
        label,
        type_number,
        _number(path, number, "subtype", subtype, names),
        _bytes(path, number, "offset", offset),
        _bytes(path, number, "size", size),
        flags,
    )


def _number(path: Path, number: int, what: str, text: str, names: dict[str, int]) -> int:
    if text in names:
        return names[text]
    try:
        value = int(text, 0)
    except ValueError:
        value = -1
    if not 0 <= value <= 0xFE:
        known = ", ".join(names) or "a number"
        raise _bad(path, number, f"{what} {text!r} is not a number up to 0xFE, nor one of {known}")
    return value


def _bytes(path: Path, number: int, what: str, text: str) -> int:
    found = _SIZE.fullmatch(text)
    if not found:
        raise _bad(path, number, f"{what} {text!r} is no number, such as 0x10000, 64K or 1M")
    return int(found[1], 0) * _UNITS[found[2].lower()]


# --- the rules


def _check(path: Path, rows: list[tuple[int, PartitionRow]]) -> None:
    if not rows:
        raise _bad(path, 1, "it has no row")
    end, before = TABLE_AT + SECTOR_BYTES, "the partition table itself"
    labels: set[str] = set()
    for number, row in rows:
        align = APP_ALIGN_BYTES if row.type == TYPES["app"] else SECTOR_BYTES
        if row.offset % align or row.size % SECTOR_BYTES or not row.size:
            raise _bad(
                path, number, f"{row.text} is not a whole number of sectors, from {align:#x} on"
            )
        if row.offset < end:
            raise _bad(path, number, f"{row.text} begins before {before} ends, at {end:#x}")
        if row.label in labels:
            raise _bad(path, number, f"there are two partitions {row.label}")
        labels.add(row.label)
        end, before = row.end, row.label
    if len(rows) * _ROW.size + 32 > TABLE_BYTES:
        raise _bad(path, rows[-1][0], f"{len(rows)} rows do not fit {TABLE_BYTES} bytes")
    apps = [row for _, row in rows if row.type == TYPES["app"]]
    if not apps or apps[0].offset != APP_AT:
        raise _bad(path, rows[-1][0], f"no app begins at {APP_AT:#x}, where MicroPython's is")


def _bad(path: Path, number: int, why: str) -> BadFile:
    return BadFile(
        f"{path} is not a partition table", f"line {number}: {why}", "correct that row of the file"
    )
