"""Registry and image say the same: entered, compared, refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from registries import SSC_COLUMNS, WHY, digest, entry, entry_of, fill, make_image, write_rows

from hanboot.errors import BadFile, CheckFailed
from hanboot.image import ota_file
from hanboot.image.ota_file import Image
from hanboot.registry.exchange import sheets
from hanboot.registry.exchange.table import SheetLayout
from hanboot.registry.images.submission import (
    check_image,
    check_rows,
    rows_from,
    submit,
)
from hanboot.registry.storage.store import Registry

FIRST = make_image(1, cpl_entry_id="E-1")
ROW = {
    "device_type": "PPMID",
    "status": "Active",
    "join_option": "2.4 GHz Only",
    "zigbee_vendor": "Example Radios",
    "zigbee_stack": "3.2",
    "zigbee_certificate": "ZCP-0001",
}
HEADINGS = ["CPL Entry ID", "Device Type", "CPL Status", "ZigBee Join Option", *SSC_COLUMNS]
CELLS = ["PPMID", "Active", "2.4 GHz Only", *SSC_COLUMNS.values()]


@pytest.fixture
def registry(registry: Registry) -> Registry:
    """A registry with the first version."""
    return fill(registry, [entry_of(FIRST, 1)])


def successor(**more: Any) -> Image:
    return make_image(2, [(1, FIRST.image_hash, "E-1")], **({"cpl_entry_id": "E-2"} | more))


def codes(compared: list) -> list[str]:
    return [d.code for comparison in compared for d in comparison.differences]


def test_what_a_row_leaves_out_comes_from_the_image(registry: Registry) -> None:
    made = successor(security_counter=3, point_of_no_return=True, minimum_base_version=1)
    done, compared = submit(registry, made, rows_from(ROW), "made", WHY)
    assert (done.added, codes(compared)) == (1, [])
    row = registry.entry("E-2")
    assert row.identity == (2, made.image_hash)
    assert row.predecessors == ("E-1",)
    assert row.device_model == 0x0005_0100
    assert (row.minimum_base_version, row.security_counter, row.point_of_no_return) == (1, 3, True)
    assert codes(check_image(registry, made)) == []


def test_a_row_in_a_file(registry: Registry, tmp_path: Path) -> None:
    path = write_rows(
        tmp_path / "row.csv",
        [
            [*HEADINGS, "Firmware Version"],
            ["E-2", *CELLS, ""],
        ],
    )
    with sheets.rows(path, SheetLayout()) as rows:
        submit(registry, successor(), rows, "row.csv", WHY)
    assert registry.entry("E-2").firmware_version == 2


def test_one_image_several_rows(registry: Registry, tmp_path: Path) -> None:
    first = make_image(8, hardware=(0x0100, 0x0101))
    columns = [*HEADINGS, "Device Model"]
    both = [["A", *CELLS, "00050100"], ["B", *CELLS, "00050101"]]
    with sheets.rows(write_rows(tmp_path / "r.csv", [columns, *both]), SheetLayout()) as rows:
        done, compared = submit(registry, first, rows, "r.csv", WHY)
    assert (done.added, len(compared)) == (2, 2)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"firmware_version": "00000003"}, "version"),
        ({"image_hash": "ab" * 32}, "hash"),
        ({"device_model": "00050200"}, "hardware"),
        ({"device_model": "00060100"}, "image-type"),
        ({"manufacturer_code": "FFF1"}, "manufacturer"),
        ({"device_type": "HCALCS", "device_model": "00050100"}, None),
        ({"predecessors": "N/A"}, "list"),
        ({"predecessors": "E-1, E-9"}, "list"),
        ({"cpl_entry_id": "E-7"}, "entry-id"),
        ({"security_counter": "9"}, "security-counter"),
        ({"minimum_base_version": "00000001"}, "minimum-base-version"),
        ({"point_of_no_return": "yes"}, "point-of-no-return"),
    ],
)
def test_what_differs_is_refused(
    registry: Registry, change: dict[str, str], code: str | None
) -> None:
    before = registry.entries()
    refused = (
        CheckFailed if code else BadFile
    )  # two device types of one model: a faulty row already
    with pytest.raises(refused) as caught:
        submit(registry, successor(), rows_from(ROW | change), "made", WHY)
    assert registry.entries() == before
    if code:
        assert code in codes(caught.value.compared)  # type: ignore[attr-defined]
        assert code in codes(check_rows(registry, successor(), rows_from(ROW | change), "made"))
    assert registry.entries() == before


def test_another_device_type_of_the_same_image_type(registry: Registry) -> None:
    """Other hardware, so another model; but the image type is that of a PPMID."""
    row = ROW | {"device_type": "HCALCS", "device_model": "00050101"}
    made = successor(hardware=(0x0100, 0x0101))
    assert "device-type" in codes(check_rows(registry, made, rows_from(row), "made"))


def test_a_list_that_lets_more_through(registry: Registry) -> None:
    other = entry(3, firmware_version=1)
    fill(registry, [other])
    by_version = make_image(2, [(1, None, None)], cpl_entry_id="E-2")
    row = ROW | {"predecessors": "E-1"}
    found = check_rows(registry, by_version, rows_from(row), "made")
    assert codes(found) == ["list"]
    assert "the image may follow E-3" in found[0].differences[0].text
    assert "without a hash" in found[0].notes[0]
    # named both, it is the same
    assert codes(check_rows(registry, by_version, rows_from(ROW), "made")) == []
    submit(registry, by_version, rows_from(ROW), "made", WHY)
    assert set(registry.entry("E-2").predecessors or ()) == {"E-1", "E-3"}


def test_a_list_that_lets_less_through(registry: Registry) -> None:
    fill(registry, [entry(3, firmware_version=3)])
    row = ROW | {"predecessors": "E-1, E-3"}
    found = check_rows(registry, successor(), rows_from(row), "made")
    assert "the row names E-3 (00000003), the image refuses it: not-a-predecessor" in (
        found[0].differences[0].text
    )


def test_a_minimum_base_version_counts(registry: Registry) -> None:
    made = successor(minimum_base_version=2)
    found = check_rows(registry, made, rows_from(ROW | {"predecessors": "E-1"}), "made")
    # the image names E-1, and its own minimum rules it out: the row cannot say that
    assert codes(found) == []
    assert registry.entry("E-1").firmware_version < 2


def test_predecessors_that_nobody_knows(registry: Registry) -> None:
    made = make_image(2, [(1, digest("unknown"), "E-1")], cpl_entry_id="E-2")
    found = check_rows(registry, made, rows_from(ROW), "made")
    assert set(codes(found)) == {"list"}


def test_no_row(registry: Registry) -> None:
    with pytest.raises(CheckFailed, match="has no row"):
        check_image(registry, make_image(5))
    with pytest.raises(CheckFailed, match="has no row"):
        submit(registry, make_image(5), None, "made", WHY)


def test_a_row_that_is_there_is_completed(registry: Registry) -> None:
    made = successor(security_counter=4)
    fill(registry, [entry_of(made, 2, [1])])
    done, compared = submit(registry, made, None, "made", WHY)
    assert (done.corrected, codes(compared)) == (1, [])
    assert registry.entry("E-2").security_counter == 4


def test_an_image_that_is_not_ours(registry: Registry) -> None:
    foreign = bytearray(make_image(9).octets)
    foreign[60:64] = b"\0\0\0\0"
    loaded = ota_file.load(bytes(foreign))
    assert loaded.manifest is None
    row = ROW | {"cpl_entry_id": "F-9", "predecessors": "N/A"}
    done, compared = submit(registry, loaded, rows_from(row), "made", WHY)
    assert done.added == 1
    assert "no list" in compared[0].notes[0]
    assert registry.entry("F-9").predecessors == ()
