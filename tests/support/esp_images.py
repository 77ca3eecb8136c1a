"""Images for ESP32 boards, made as ESP-IDF makes them: for tests of what reads and writes them."""

from __future__ import annotations

import functools
import hashlib
import operator
import random
import struct

from hanboot.boards.esp32 import table
from hanboot.boards.esp32.chips import APP_AT, TABLE_AT, Chip

VERSION = "v1.25.0"
TABLE = table.PartitionTable(
    (
        table.PartitionRow("nvs", 1, 2, 0x9000, 0x6000),
        table.PartitionRow("factory", 0, 0, APP_AT, 0x1F0000),
        table.PartitionRow("vfs", 1, 0x81, 0x200000, 0x200000),
    )
)


def program(chip: Chip, *segments: bytes, has_digest: bool = True) -> bytes:
    """Header, segments, checksum and SHA-256."""
    octets = struct.pack(
        "<BBBBI4xHBHH4xB", 0xE9, len(segments), 2, 0x20, 0, chip.image_id, 0, 0, 0, has_digest
    )
    for segment in segments:
        octets += struct.pack("<II", 0x3F400020, len(segment)) + segment
    octets += bytes(15 - len(octets) % 16)
    octets += bytes([functools.reduce(operator.xor, b"".join(segments), 0xEF)])
    return octets + (hashlib.sha256(octets).digest() if has_digest else b"")


def app(
    chip: Chip, length: int = 60_000, banner: str = f"MicroPython {VERSION} on 2025-04-15"
) -> bytes:
    """An app that says what it is, with `length` bytes that hardly compress."""
    description = struct.pack("<I", 0xABCD5432) + bytes(252)
    return program(
        chip, description + banner.encode() + bytes(8), random.Random(1).randbytes(length)
    )


def micropython(
    chip: Chip, the_app: bytes | None = None, partitions: table.PartitionTable = TABLE
) -> bytes:
    """An image for the whole flash, as micropython.org offers it."""
    flash = bytearray(b"\xff" * APP_AT) + (app(chip) if the_app is None else the_app)
    for at, octets in (
        (chip.bootloader_at, program(chip, random.Random(2).randbytes(9_000))),
        (TABLE_AT, partitions.encode()),
    ):
        flash[at : at + len(octets)] = octets
    return bytes(flash[chip.bootloader_at :])
