"""What on_rp2040.py plays with: firmware, keys, two releases; the same each time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from bootloader.trust import anchors
from hanboot import keys, provisioning, release, rp2040, rp2040_chip, uf2
from hanboot.image import Image

# boards/rp2040_han/board.py, behind the 512 KiB of the firmware
_FIRST = 128
MAP = {
    "anchors": (_FIRST, 16),
    "journal": (_FIRST + 16, 4),
    "slot0": (_FIRST + 20, 128),
    "slot1": (_FIRST + 148, 128),
    "data": (_FIRST + 276, 108),
}
_SECTOR_BYTES = 4096

_RELEASE = """
[image]
manufacturer_code = 0xFFF0
image_type = 0x0005
file_version = {version:#010x}
label = "{label}"
hardware = [0x0100, 0x01FF]
header_string = "hanboot faults"

[application]
sources = ["."]
entry = "app"
"""

_APPLICATION = """
import asyncio
import os

async def main(services):
    try:
        note = open(services.data + "/note").read()
    except OSError:
        note = "written by " + services.label
        with open(services.data + "/new", "w") as file:
            file.write(note)
        os.rename(services.data + "/new", services.data + "/note")
    services.confirm()
    services.show((services.label, note))
    while True:
        await asyncio.sleep_ms(50)
"""


@dataclass
class Product:
    """Attributes:
    flash: the firmware, and nothing else.
    cells: by role, head and table.
    images: releases, in order.
    labels: what each image, by its hash, shows.
    """

    flash: bytes
    cells: dict[int, tuple[bytes, bytes]]
    images: tuple[Image, ...]
    labels: dict[bytes, str]


def make(folder: Path) -> Product:
    manufacturer, supplier = _key(1), _key(2)
    first = _build(folder, manufacturer, "1.0", ())
    second = _build(folder, manufacturer, "2.0", (first,))
    # the manufacturer's last: it locks the region
    cells = {
        role: provisioning.encode_cell(
            provisioning.AnchorKey(role, key.public.kid, key.public.point, True, "test")
        )
        for role, key in ((anchors.SUPPLIER, supplier), (anchors.MANUFACTURER, manufacturer))
    }
    labels = {first.image_hash: "1.0", second.image_hash: "2.0"}
    return Product(_blank(), cells, (first, second), labels)


def _key(number: int) -> keys.PrivateKey:
    # any key does, and the same one gives the same octets to operate on
    return keys.PrivateKey(ec.derive_private_key(0x1234567 + number, ec.SECP256R1()))


def _blank() -> bytes:
    cells = bytearray(b"\xff" * rp2040_chip.FLASH_BYTES)
    firmware = uf2.load_rp2040(rp2040.firmware("ppmid"), rp2040_chip.FLASH_BYTES)
    for address, octets in firmware.blocks:
        at = address - uf2.RP2040_FLASH_ADDRESS
        cells[at : at + len(octets)] = octets
    assert len(cells) // _SECTOR_BYTES > _FIRST
    return bytes(cells)


def _build(folder: Path, key: keys.PrivateKey, label: str, follows: tuple[Image, ...]) -> Image:
    sources = folder / label
    sources.mkdir()
    version = int(label[0]) << 24
    (sources / "RELEASE.toml").write_text(_RELEASE.format(version=version, label=label))
    (sources / "app.py").write_text(_APPLICATION)
    described = release.with_predecessors(release.load(sources), follows)
    return release.build(described, key.public.kid, key.sign)
