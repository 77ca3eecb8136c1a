"""Devices whose flash an earlier hanboot wrote (tests/kept_flash), as a beginning of cases: each
goes on to 2.0.0. On CPython alone, and with signatures that were really made.

    kept-pending@17.weak.0
"""

from __future__ import annotations

import functools
import io
import tarfile
from pathlib import Path

import rules
from faultboard import MAPS, FaultBoard
from nor_faults import Fault
from simulation import Simulation

from hanbootloader.image import ota
from nor import SECTOR_BYTES

SIZE = "kept-"
GOAL = "2.0.0"

_ARCHIVE = Path(__file__).parent.parent / "kept_flash" / "kept_flash.tar.xz"

#: Where the regions that those boards had begin, in sectors, and how long their slots were.
_FIRST = {"rp2040": 128}
_ORDER = (("anchors", 16), ("journal", 4), ("slot0", 128), ("slot1", 128))

_FOLLOWS: dict[str, tuple[str | None, ...]] = {
    "1.0.0": (None,),
    "1.1.0": ("1.0.0",),
    "2.0.0-crashes": ("1.1.0",),
    "2.0.0": ("1.1.0",),
    "2.1.0": ("2.0.0",),
}


@functools.cache
def _archive() -> dict[str, bytes]:
    found = {}
    with tarfile.open(_ARCHIVE) as archive:
        for entry in archive:
            file = archive.extractfile(entry)
            assert file is not None
            found[entry.name] = file.read()
    return found


@functools.cache
def names() -> list[str]:
    """Of the devices that are kept."""
    return sorted(name.partition("/")[0] for name in _archive() if name.endswith("/flash.bin"))


@functools.cache
def kept_regions(name: str) -> dict[str, bytes]:
    """The regions that the device had, whole."""
    flash = io.BytesIO(_archive()[f"{name}/flash.bin"])
    flash.seek(_FIRST.get(name, 0) * SECTOR_BYTES)
    return {region: flash.read(sectors * SECTOR_BYTES) for region, sectors in _ORDER}


@functools.cache
def beginning(name: str) -> bytes:
    """The cells of a board with that flash; its slots are cut to what images take of them."""
    board = FaultBoard(MAPS[SIZE])
    for region, octets in kept_regions(name).items():
        first, count = board.map[region]
        size = count * SECTOR_BYTES
        assert not octets[size:].strip(b"\xff"), f"{region} of {name} holds more than {size} bytes"
        board.flash.cells[first * SECTOR_BYTES : first * SECTOR_BYTES + size] = octets[:size]
    return board.cells()


class _Rules(rules.Rules):
    """Of the images that were signed then."""

    def ota_image(self, name: str) -> bytes:
        return _archive()[f"{name}.ota"]

    def manufacturer_image(self, name: str) -> bytes:
        octets = self.ota_image(name)
        # a supplier's signature follows it: tag, length and r || s of GBCS 11.2.5
        return octets[ota.HEADER_BYTES : -ota.TRAILER_BYTES]

    def image_hash(self, name: str) -> bytes:
        return rules.images.sha256(self.manufacturer_image(name))


@functools.cache
def _rules() -> _Rules:
    return _Rules(_FOLLOWS, dict.fromkeys(_FOLLOWS, 1))


def simulation(name: str, faults: list[Fault]) -> Simulation:
    """The simulation of the kept device `name`."""
    return Simulation(FaultBoard(MAPS[SIZE], beginning(name), faults), _rules(), GOAL)
