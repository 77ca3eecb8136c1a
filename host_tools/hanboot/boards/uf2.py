"""UF2, the format in which a Pico's boot ROM takes firmware (microsoft/uf2)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from hanboot import files
from hanboot.errors import BadFile

_BLOCK_BYTES = 512
_DATA_MAX_BYTES = 476
_MAGIC_START = (0x0A324655, 0x9E5D5157)
_MAGIC_END = 0x0AB16F30
_ESP_MAGIC = b"\xe9"  # begins what is flashed to the ESP32 family
_NOT_MAIN_FLASH = 0x00000001
_FAMILY_PRESENT = 0x00002000

#: Family of the RP2040, and where its flash is mapped (RP2040 datasheet 2.2).
RP2040_FAMILY = 0xE48BFF56
RP2040_FLASH_ADDRESS = 0x10000000


@dataclass(frozen=True)
class Uf2:
    """What a UF2 file writes. blocks: (address, octets), as they stand in the file."""

    family: int | None
    blocks: tuple[tuple[int, bytes], ...]

    @property
    def end(self) -> int:
        """The address behind the highest octet."""
        return max(address + len(octets) for address, octets in self.blocks)


def load(path: Path) -> Uf2:
    """Reads a UF2 file.

    Raises:
        BadFile: it is not one, or is damaged.
    """
    content = files.read(path)
    if content[:1] == _ESP_MAGIC:
        raise BadFile(
            f"{path} is not firmware for this board",
            f"byte 0 is {content[0]:02X}: it is an image for an ESP32",
            "hanboot board flash --chip esp32 --firmware FILE --port PORT",
        )
    if not content or len(content) % _BLOCK_BYTES:
        raise _bad(path, f"{len(content)} octets are no whole number of blocks of {_BLOCK_BYTES}")
    families: set[int | None] = set()
    blocks = []
    total = len(content) // _BLOCK_BYTES
    for number in range(total):
        block = content[number * _BLOCK_BYTES : (number + 1) * _BLOCK_BYTES]
        *start, flags, address, size, index, count, family = struct.unpack_from("<8I", block)
        if tuple(start) != _MAGIC_START or block[-4:] != struct.pack("<I", _MAGIC_END):
            raise _bad(path, f"block {number} does not begin and end as a UF2 block does")
        if size > _DATA_MAX_BYTES or (index, count) != (number, total):
            raise _bad(path, f"block {number} says it is {index} of {count}, with {size} octets")
        if not flags & _NOT_MAIN_FLASH:
            families.add(family if flags & _FAMILY_PRESENT else None)
            blocks.append((address, block[32 : 32 + size]))
    if len(families) != 1:
        raise _bad(path, f"it is for {len(families)} kinds of chip")
    return Uf2(families.pop(), tuple(blocks))


def load_rp2040(path: Path, flash_bytes: int) -> Uf2:
    """Reads a UF2 file for an RP2040 with `flash_bytes` of flash.

    Raises:
        BadFile: it is for another chip, does not fit, or is damaged.
    """
    found = load(path)
    if found.family != RP2040_FAMILY:
        named = "none" if found.family is None else f"{found.family:08X}"
        raise _bad(path, f"it is for chip family {named}, not RP2040 ({RP2040_FAMILY:08X})")
    lowest = min(address for address, _ in found.blocks)
    if lowest < RP2040_FLASH_ADDRESS or found.end > RP2040_FLASH_ADDRESS + flash_bytes:
        raise _bad(path, f"it writes {lowest:08X} to {found.end:08X}, outside the flash")
    return found


def _bad(path: Path, why: str) -> BadFile:
    return BadFile(
        f"{path} is not firmware for this board",
        why,
        "build it: make firmware BOARD=rp2040_han",
    )
