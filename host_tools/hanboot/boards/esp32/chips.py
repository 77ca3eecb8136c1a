"""What differs between the chips of the ESP32 family, in one place.

Only the ESP32 was tried; the rest is Espressif's documentation, and pages say *not tried*.
"""

from __future__ import annotations

from dataclasses import dataclass

from hanboot.errors import WrongUsage
from hanboot.installation import BOARDS

PARTITIONS = BOARDS / "esp32_stock" / "partitions.csv"
"""The partition table that a board with stock MicroPython gets."""

TABLE_AT = 0x8000
"""Where MicroPython's builds keep the partition table (CONFIG_PARTITION_TABLE_OFFSET)."""

APP_AT = 0x10000
"""Where they keep the app."""


@dataclass(frozen=True)
class Chip:
    """One chip of the family.

    Attributes:
        name: as esptool's `--chip` takes it.
        title: what people call it, and esptool prints.
        image_id: chip id in the header of its images (esp_app_format.h, esp_chip_id_t).
        bootloader_at: where the ROM looks for the second-stage bootloader; an image of
            MicroPython for the whole flash begins there.
        is_tried: whether hanboot ran on it.
    """

    name: str
    title: str
    image_id: int
    bootloader_at: int
    is_tried: bool = False

    @property
    def remark(self) -> str:
        return "" if self.is_tried else f"hanboot was not tried on an {self.title}"


CHIPS = (
    Chip("esp32", "ESP32", 0, 0x1000, is_tried=True),
    Chip("esp32s2", "ESP32-S2", 2, 0x1000),
    Chip("esp32c3", "ESP32-C3", 5, 0x0),
    Chip("esp32s3", "ESP32-S3", 9, 0x0),
    Chip("esp32c6", "ESP32-C6", 13, 0x0),
)
NAMES = tuple(chip.name for chip in CHIPS)


def by_name(name: str) -> Chip:
    """The chip that `--chip` names.

    Raises:
        WrongUsage: there is none of that name.
    """
    for chip in CHIPS:
        if chip.name == name:
            return chip
    raise WrongUsage(f"no chip is called {name}", "hanboot does not know it", ", ".join(NAMES))


def by_image_id(image_id: int) -> Chip | None:
    """The chip whose images have this id; None for one that hanboot does not know."""
    return next((chip for chip in CHIPS if chip.image_id == image_id), None)
