"""A board in BOOTSEL mode without the board: a folder for its disk, a thread for its boot ROM."""

from __future__ import annotations

import dataclasses
import struct
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from hanboot.boards import uf2
from hanboot.device import records
from hanboot.device.records import Tier

RP2040 = "UF2 Bootloader v3.0\nModel: Raspberry Pi RP2\nBoard-ID: RPI-RP2\n"
RP2350 = "UF2 Bootloader v1.0\nModel: Raspberry Pi RP2350\nBoard-ID: RP2350\n"

_BLOCK_BYTES = 512
_DATA_BYTES = 256
_LOOK_S = 0.02


def make_uf2(content: bytes, family: int = uf2.RP2040_FAMILY, first: int = 0) -> bytes:
    """A UF2 that writes `content` from `first` octets into the flash."""
    count = -(-len(content) // _DATA_BYTES)
    blocks = []
    for index in range(count):
        address = uf2.RP2040_FLASH_ADDRESS + first + index * _DATA_BYTES
        numbers = (0x2000, address, _DATA_BYTES, index, count, family)
        data = content[index * _DATA_BYTES : (index + 1) * _DATA_BYTES].ljust(476, b"\0")
        head = struct.pack("<8I", 0x0A324655, 0x9E5D5157, *numbers)
        blocks.append(head + data + struct.pack("<I", 0x0AB16F30))
    return b"".join(blocks)


def firmware(role: str = "ppmid", length: int = 200_000) -> bytes:
    """A UF2 that says what it is as our firmware does: a virtual board, which plays the Pico."""
    return make_uf2(f"virtual {role} product with RP2040\0".encode().ljust(length, b"\x55"))


class Disk:
    """The disk; while it is entered, whole UF2 files make it go, as the boot ROM does.

    Args:
        folder: of the disk; made.
        info: its INFO_UF2.TXT.
        on_taken: called with the octets of the UF2 once the disk is gone.
    """

    def __init__(
        self,
        folder: Path,
        info: str = RP2040,
        on_taken: Callable[[bytes], None] = lambda octets: None,
    ) -> None:
        self.folder = folder
        self._on_taken = on_taken
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        folder.mkdir()
        (folder / "INFO_UF2.TXT").write_text(info)
        (folder / "INDEX.HTM").write_text("<html></html>")

    def __enter__(self) -> Disk:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())

    def vanish(self) -> None:
        self.folder.rename(self.folder.with_name(f"{self.folder.name}-gone"))

    def _watch(self) -> None:
        while not self._ended.wait(_LOOK_S):
            for path in self.folder.glob("*.uf2"):
                octets = path.read_bytes()
                if _is_whole(octets):
                    self.vanish()
                    self._on_taken(octets)
                    return


def _is_whole(octets: bytes) -> bool:
    if len(octets) < _BLOCK_BYTES:
        return False
    (count,) = struct.unpack_from("<I", octets, 24)
    return len(octets) == count * _BLOCK_BYTES


def play_product(monkeypatch: pytest.MonkeyPatch) -> None:
    """Virtual boards say that they are products."""
    parse = records.parse_identity
    monkeypatch.setattr(
        records,
        "parse_identity",
        lambda fields: dataclasses.replace(parse(fields), tier=Tier.PRODUCT),
    )
