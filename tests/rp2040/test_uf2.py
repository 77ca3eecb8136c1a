"""Firmware files: what is not for an RP2040 of 2 MiB is refused, with a reason."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from hanboot.boards import uf2
from hanboot.boards.roles import FLASH_BYTES
from hanboot.errors import BadFile

_START = uf2.RP2040_FLASH_ADDRESS
_RP2350_ARM = 0xE48BFF59
_FAMILY_PRESENT = 0x2000
_NOT_MAIN_FLASH = 0x0001


def _block(
    address: int = _START,
    index: int = 0,
    count: int = 1,
    size: int = 256,
    family: int = uf2.RP2040_FAMILY,
    flags: int = _FAMILY_PRESENT,
) -> bytes:
    head = struct.pack("<8I", 0x0A324655, 0x9E5D5157, flags, address, size, index, count, family)
    return head + bytes(range(256)).ljust(476, b"\0") + struct.pack("<I", 0x0AB16F30)


def _load(folder: Path, content: bytes) -> uf2.Uf2:
    path = folder / "firmware.uf2"
    path.write_bytes(content)
    return uf2.load_rp2040(path, FLASH_BYTES)


def test_blocks(tmp_path: Path) -> None:
    blocks = [
        _block(count=3),
        _block(0, 1, 3, flags=_NOT_MAIN_FLASH, family=0),  # a comment to whoever reads it
        _block(_START + 256, 2, 3),
    ]
    found = _load(tmp_path, b"".join(blocks))
    assert found.blocks == ((_START, bytes(range(256))), (_START + 256, bytes(range(256))))
    assert found.end == _START + 512


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no whole number of blocks"),
        (_block()[:-1], "no whole number of blocks"),
        (bytes(512), "block 0 does not begin and end"),
        (_block()[:-4] + bytes(4), "block 0 does not begin and end"),
        (_block(count=2), "says it is 0 of 2"),
        (_block(index=1), "says it is 1 of 1"),
        (_block(size=477), "with 477 octets"),
        (_block(count=2) + _block(_START + 256, 1, 2, family=_RP2350_ARM), "2 kinds of chip"),
        (_block(flags=_NOT_MAIN_FLASH), "0 kinds of chip"),
        (_block(family=_RP2350_ARM), "chip family E48BFF59"),
        (_block(flags=0), "chip family none"),
        (_block(address=0x20000000), "outside the flash"),
        (_block(address=_START + FLASH_BYTES), "outside the flash"),
        (_block(address=_START + FLASH_BYTES - 128), "outside the flash"),
        (_block(address=_START - 256), "outside the flash"),
    ],
)
def test_refused(tmp_path: Path, content: bytes, why: str) -> None:
    with pytest.raises(BadFile) as refused:
        _load(tmp_path, content)
    assert why in refused.value.why
    assert "\n" not in str(refused.value)


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(BadFile):
        uf2.load(tmp_path / "none.uf2")
