"""Partition tables: those of boards/, and the rules that a CSV file has to keep."""

from __future__ import annotations

from pathlib import Path

import pytest
from esp_idf_defs.partitions import PartitionTable
from rig import ROOT

from hanboot.boards.esp32 import table
from hanboot.errors import BadFile
from hanbootloader.store import flash_map

TABLES = sorted(ROOT.glob("boards/*/partitions.csv"))
STOCK = ROOT / "boards" / "esp32_stock" / "partitions.csv"


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.parent.name)
def test_bytes_as_an_independent_implementation_makes_them(path: Path) -> None:
    expected = PartitionTable.from_csv(path.read_text()).to_binary()
    assert table.load(path).encode() == expected


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.parent.name)
def test_there_and_back(path: Path) -> None:
    loaded = table.load(path)
    assert table.decode(loaded.encode()) == loaded
    # with the flash behind it, as it is read from a board
    assert table.decode(loaded.encode() + b"\xff" * 1024) == loaded


def test_fits_four_mebibytes_with_micropython_s_own_app() -> None:
    loaded = table.load(STOCK)
    assert loaded.end == 4 * 1024 * 1024
    app = loaded.get("factory")
    assert app is not None
    assert (app.offset, app.size) == (0x10000, 1984 * 1024)


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.parent.name)
def test_the_regions_of_the_flash_map(path: Path) -> None:
    loaded = table.load(path)
    for name, sectors in (*flash_map.STORE, *flash_map.MORE):
        row = loaded.get(name)
        if row is None:
            # in the partition that is mapped (boards/esp32_han/board.py)
            assert name in ("slot0", "slot1")
            assert loaded.get("romfs")
        elif name != "data":
            assert row.size == sectors * flash_map.SECTOR_BYTES, name


@pytest.mark.parametrize("at", [0, 2, 12, 40, 0x120, 0x15F])
def test_damaged_bytes_are_no_table(at: int) -> None:
    octets = bytearray(table.load(STOCK).encode())
    octets[at] ^= 1
    assert table.decode(bytes(octets)) is None


def test_no_table() -> None:
    assert table.decode(b"") is None
    assert table.decode(b"\xff" * table.TABLE_BYTES) is None
    assert table.decode(bytes(table.TABLE_BYTES)) is None


APP = "factory, app, factory, 0x10000, 1M\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "line 1: it has no row"),
        ("# nothing\n", "it has no row"),
        ("nvs, data, nvs, 0x9000\n", "line 1: it has 4 fields"),
        ("a, b, c, d, e, f, g\n", "it has 7 fields"),
        ("nvs, date, nvs, 0x9000, 4K\n", "type 'date' is not"),
        ("nvs, data, nvz, 0x9000, 4K\n", "subtype 'nvz' is not"),
        ("nvs, data, 0xff, 0x9000, 4K\n", "subtype '0xff' is not"),
        ("nvs, data, nvs, here, 4K\n", "offset 'here' is no number"),
        ("nvs, data, nvs, 0x9000, 4G\n", "size '4G' is no number"),
        ("nvs, data, nvs, 0x9000, 4K, secret\n", "flag 'secret' must be one of"),
        ("a_name_that_is_long, data, nvs, 0x9000, 4K\n", "is not of 1 to 15 characters"),
        ("nvs, data, nvs, 0x9100, 4K\n" + APP, "is not a whole number of sectors"),
        ("nvs, data, nvs, 0x9000, 100\n" + APP, "is not a whole number of sectors"),
        ("nvs, data, nvs, 0x9000, 0\n" + APP, "is not a whole number of sectors"),
        ("nvs, data, nvs, 0x8000, 4K\n" + APP, "begins before the partition table itself"),
        ("factory, app, factory, 0x11000, 1M\n", "from 0x10000 on"),
        (APP + "a, data, fat, 0x100000, 4K\n", "line 2: a (0x100000 to 0x101000) begins before"),
        (APP + "b, data, fat, 0x10f000, 4K\n", "begins before factory ends, at 0x110000"),
        (APP + "factory, data, fat, 0x200000, 4K\n", "two partitions factory"),
        ("nvs, data, nvs, 0x9000, 4K\n", "no app begins at 0x10000"),
        (
            APP + "".join(f"p{n}, data, fat, {0x200000 + n * 4096:#x}, 4K\n" for n in range(95)),
            "do not fit 3072 bytes",
        ),
    ],
)
def test_a_rule_is_broken(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "partitions.csv"
    path.write_text(text)
    with pytest.raises(BadFile) as caught:
        table.load(path)
    assert why in " ".join(caught.value.lines)
