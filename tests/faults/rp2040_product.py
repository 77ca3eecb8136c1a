"""What on_rp2040.py plays with: keys and two releases, the same each time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import small_release
from cryptography.hazmat.primitives.asymmetric import ec

from hanboot.device import provisioning
from hanboot.image.ota_file import Image
from hanboot.trust import keys
from hanbootloader.store import flash_map

#: boards/rp2040_han/board.py, in sectors of all of the flash.
MAP = flash_map.place(store=128, more=112, end=512)

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
    cells: heads, by role.
    images: releases, in order.
    labels: what each image, by its hash, shows.
    """

    cells: dict[int, bytes]
    images: tuple[Image, ...]
    labels: dict[bytes, str]


def make(folder: Path) -> Product:
    manufacturer, supplier = _key(1), _key(2)
    first = _build(folder, manufacturer, "1.0", ())
    second = _build(folder, manufacturer, "2.0", (first,))
    # the manufacturer's last: it locks the region
    anchor_keys = provisioning.development_keys(manufacturer.public, supplier.public)
    cells = {key.role: provisioning.encode_cell(key) for key in reversed(anchor_keys)}
    labels = {first.image_hash: "1.0", second.image_hash: "2.0"}
    return Product(cells, (first, second), labels)


def _key(number: int) -> keys.PrivateKey:
    # any key does, and the same one gives the same octets to operate on
    return keys.PrivateKey(ec.derive_private_key(0x1234567 + number, ec.SECP256R1()))


def _build(folder: Path, key: keys.PrivateKey, label: str, follows: tuple[Image, ...]) -> Image:
    sources = folder / label
    small_release.write(sources, label, int(label[0]) << 24, _APPLICATION)
    return small_release.build(sources, key, follows)
