"""Images of MicroPython for the family: taken apart, and every damage seen before anything is
written."""

from __future__ import annotations

from pathlib import Path

import esp_images
import pytest
from rig import ROOT

from hanboot.boards.esp32 import chips, flash, image, table
from hanboot.boards.esp32.chips import APP_AT, PARTITIONS, TABLE_AT, Chip
from hanboot.errors import BadFile

ESP32 = chips.by_name("esp32")
#: A stock image, which `make setup` brings.
STOCK_IMAGE = ROOT / ".toolchain" / "esp32" / "ESP32_GENERIC-1.25.0.bin"


@pytest.mark.parametrize("chip", chips.CHIPS, ids=lambda chip: chip.name)
def test_every_chip_has_its_own_offset(chip: Chip, file: Path) -> None:
    file.write_bytes(esp_images.micropython(chip))
    content = flash.load(file, chip)
    places = [piece.address for piece in content.pieces]
    assert places == [0x1000 if chip.name in ("esp32", "esp32s2") else 0, TABLE_AT, APP_AT]
    assert content.micropython.version == esp_images.VERSION
    assert content.micropython.app == esp_images.app(chip)


def test_micropython_s_own() -> None:
    content = flash.load(STOCK_IMAGE, ESP32)
    assert content.micropython.text == "MicroPython v1.25.0 for ESP32"
    assert [len(piece.octets) for piece in content.pieces] == [23_264, 0xC00, 1_640_800]


def test_firmware_of_our_own_keeps_its_table(file: Path) -> None:
    own = table.load(ROOT / "boards" / "esp32_han" / "partitions.csv")
    file.write_bytes(esp_images.micropython(ESP32, partitions=own))
    content = flash.load(file, ESP32)
    assert content.table == own
    assert content.micropython.text.startswith("hanboot's firmware")


def _refused(file: Path, octets: bytes, why: str, chip: Chip = ESP32) -> None:
    file.write_bytes(octets)
    with pytest.raises(BadFile) as caught:
        image.load(file, chip)
    assert why in " ".join(caught.value.lines)


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"", "byte 0 is not E9"),
        (b"text", "byte 0 is not E9"),
        (b"UF2\n" + bytes(508), "it is a UF2 file, for boards with an RP2040"),
        (esp_images.app(ESP32), "it is an app alone, without a bootloader"),
        (esp_images.program(ESP32, bytes(100)), "no partition table is at 0x8000"),
        (esp_images.micropython(chips.by_name("esp32s2")), "which is an ESP32-S2"),
        (esp_images.micropython(ESP32)[: APP_AT - 0x1000], "an app begins at"),
        (esp_images.micropython(ESP32, b"\xff" * 100), "says chip 65535"),
        (
            esp_images.micropython(ESP32, esp_images.app(chips.by_name("esp32s3"))),
            "which is an ESP32-S3",
        ),
        (esp_images.micropython(ESP32, esp_images.app(ESP32, banner="ESP-AT")), "MicroPython"),
    ],
)
def test_another_file(file: Path, octets: bytes, why: str) -> None:
    _refused(file, octets, why)


@pytest.mark.parametrize("at", [40, 5_000, 61_440 + 500, 61_440 + 50_000])
def test_a_damaged_byte(file: Path, at: int) -> None:
    octets = bytearray(file.read_bytes())
    octets[at] ^= 0x10
    _refused(file, bytes(octets), "damaged: byte")
    # two that the checksum does not see
    octets[at + 1] ^= 0x10
    _refused(file, bytes(octets), "damaged: its SHA-256")


@pytest.mark.parametrize("length", [10, 24, 31, 5_000, 61_440 + 20, 61_440 + 30_000, -1, -32, -33])
def test_cut_short(file: Path, length: int) -> None:
    _refused(file, file.read_bytes()[:length], "")


def test_an_app_that_is_too_long(file: Path) -> None:
    file.write_bytes(esp_images.micropython(ESP32, esp_images.app(ESP32, 0x1F0000)))
    with pytest.raises(BadFile, match="does not fit the partition table"):
        flash.load(file, ESP32, PARTITIONS)
