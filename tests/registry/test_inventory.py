"""The inventory: devices, what they need, what they report."""

from __future__ import annotations

import csv
import datetime
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st
from registries import DEVICE_ID, WHY, FakeDevice, digest, entry, fill, write_rows

from hanboot.errors import BadFile, WrongUsage
from hanboot.inventory import enrolment, pending, reports
from hanboot.inventory.devices import DeviceRecord, Inventory, device_id, parse_device_id
from hanboot.inventory.reports import FirmwareReport
from hanboot.registry.entry import Model
from hanboot.registry.storage.database import Database
from hanboot.registry.storage.store import Registry

CODE, MODEL = 0xFFF0, 0x0005_0100


def number(n: int) -> str:
    return device_id(n.to_bytes(8, "big"))


def device(n: int, version: int = 1, **more: object) -> DeviceRecord:
    values = {
        "device_id": number(n),
        "device_type": "PPMID",
        "manufacturer_code": CODE,
        "device_model": MODEL,
        "firmware_version": version,
        "image_hash": digest(f"E-{version}"),
    }
    return DeviceRecord(**(values | more))  # type: ignore[arg-type]


@pytest.fixture
def inventory(registry: Registry) -> Inventory:
    fill(registry, [entry(1), entry(2, [1]), entry(3, [2]), entry(4, [9], firmware_version=0)])
    return Inventory(registry.database)


# --- devices


def test_devices_come_out_as_they_went_in(inventory: Inventory) -> None:
    made = [device(n, 1 + n % 3) for n in range(1200)]
    assert inventory.add(made) == 1200
    assert list(inventory.devices()) == made
    assert inventory.find([number(3), number(9999)]) == {number(3): made[3]}
    assert len(list(inventory.devices(firmware=2))) == 400
    assert list(inventory.devices(model=Model(1, 1))) == []


def test_a_device_is_added_once(inventory: Inventory) -> None:
    for twice in ([device(1), device(1)], [device(2), device(n=2, version=2)]):
        with pytest.raises(WrongUsage, match="already"):
            inventory.add(twice)
        assert list(inventory.devices()) == []
    inventory.add([device(1)])
    with pytest.raises(WrongUsage, match="already"):
        inventory.add([device(n) for n in range(5)])
    assert len(list(inventory.devices())) == 1


def test_devices_that_report_something_else(inventory: Inventory) -> None:
    made = [
        device(1),
        device(2, reported_version=1, reported_hash=digest("E-1")),
        device(3, reported_version=2),
        device(4, reported_version=1, reported_hash=digest("other")),
        device(5, image_hash=None, reported_version=1, reported_hash=digest("other")),
    ]
    inventory.add(made)
    expected = [number(3), number(4)]
    assert [d.device_id for d in made if d.differs] == expected
    assert [d.device_id for d in inventory.devices(differing=True)] == expected


@pytest.mark.parametrize("text", [DEVICE_ID, "0000000000000001", "00:00:00:00:00:00:00:01"])
def test_device_ids(text: str) -> None:
    assert parse_device_id(text) == DEVICE_ID
    for wrong in (text[:-1], text + "0", text.replace("1", "g")):
        with pytest.raises(WrongUsage):
            parse_device_id(wrong)


# --- entering

HEADINGS = ["Device ID", "Device Type", "Manufacturer Code", "Device Model", "Firmware Version"]
GOOD = ["0000000000000001", "PPMID", "FFF0", "00050100", "00000001"]


def test_devices_from_a_file(inventory: Inventory, tmp_path: Path) -> None:
    rows = [HEADINGS, GOOD, ["00-00-00-00-00-00-00-02", *GOOD[1:]]]
    assert enrolment.add_file(inventory, write_rows(tmp_path / "d.csv", rows)).added == 2
    assert next(iter(inventory.devices())) == device(1, image_hash=None)


@pytest.mark.parametrize(("at", "text"), [(0, "1"), (1, "FRIDGE"), (2, "FFF"), (3, ""), (4, "1.0")])
def test_a_faulty_device_file(inventory: Inventory, tmp_path: Path, at: int, text: str) -> None:
    bad = ["0000000000000002", *GOOD[1:]]
    bad[at] = text
    faults: list[object] = []
    path = write_rows(tmp_path / "d.csv", [HEADINGS, GOOD, bad])
    with pytest.raises(BadFile):
        enrolment.add_file(inventory, path, on_fault=faults.append)
    assert str(faults[0]).startswith(f"{'ABCDE'[at]}3 ")
    assert list(inventory.devices()) == []


@pytest.mark.parametrize(
    "rows", [[HEADINGS[1:]], [[*HEADINGS, "Colour"]], [], [HEADINGS, GOOD, GOOD]]
)
def test_device_files_that_are_none(inventory: Inventory, tmp_path: Path, rows: list) -> None:
    with pytest.raises(BadFile):
        enrolment.add_file(inventory, write_rows(tmp_path / "d.csv", rows))
    assert list(inventory.devices()) == []


def test_a_device_as_it_says_of_itself() -> None:
    target = FakeDevice(entry(1).identity)
    made = enrolment.from_identity(target.identity(), "2026-01-01T00:00:00Z")
    assert made.device_id == DEVICE_ID
    assert (made.firmware_version, made.image_hash) == entry(1).identity
    assert not made.differs


# --- pending


def test_what_devices_need(registry: Registry, inventory: Inventory, tmp_path: Path) -> None:
    inventory.add(
        [device(n, 1) for n in range(5)]
        + [device(n, 2) for n in range(5, 8)]
        + [device(n, 3) for n in range(8, 10)]
        + [device(10, 0, image_hash=digest("E-4")), device(11, 7)]
        + [device(12, 1, state="Suspended"), device(13, 1, image_hash=None)]
        + [device(14, 1, device_model=9)]
    )
    needs = list(pending.needs(registry, inventory))
    found = [
        (n.running.firmware_version, n.running.devices, [s.cpl_entry_id for s in n.steps], n.why)
        for n in needs
    ]
    assert [f[:3] for f in found] == [
        (0, 1, []),
        (1, 1, ["E-2", "E-3"]),  # by its version alone
        (1, 5, ["E-2", "E-3"]),
        (2, 3, ["E-3"]),
        (7, 1, []),
        (1, 1, []),  # no such model
    ]
    assert [bool(f[3]) for f in found] == [True, False, False, False, True, True]
    assert pending.write_devices(tmp_path / "pending.csv", inventory, needs) == 12
    with (tmp_path / "pending.csv").open(newline="") as file:
        written = list(csv.DictReader(file))
    assert len(written) == 12
    assert Counter(row["Steps"] for row in written) == {"E-2 E-3": 6, "E-3": 3, "": 3}


# --- reports


def report(n: int, version: int, at: int, how: reports.ReportKind = "daily") -> FirmwareReport:
    return FirmwareReport(
        number(n),
        f"2026-01-01T00:00:{at:02}Z",
        Model(CODE, MODEL),
        "PPMID",
        version,
        digest(f"E-{version}"),
        how,
    )


def test_a_million_reports_are_no_storm() -> None:
    """Scaled down: 100,000 devices with consecutive IDs, over the 1440 minutes of a day."""
    per_minute = Counter(reports.due_second(number(n)) // 60 for n in range(100_000))
    mean = 100_000 / 1440
    assert len(per_minute) == 1440
    # what chance gives: six standard deviations
    assert max(per_minute.values()) < mean + 6 * mean**0.5
    assert min(per_minute.values()) > mean - 6 * mean**0.5
    assert reports.due_second(DEVICE_ID) == reports.due_second(DEVICE_ID)


said = st.builds(
    report,
    st.integers(0, 3),
    st.integers(1, 3),
    st.integers(0, 9),
    st.sampled_from(reports.REPORT_KINDS),
)


@given(words=st.lists(said, max_size=20), order=st.randoms())
def test_batches_say_what_the_reports_said(
    tmp_path_factory: pytest.TempPathFactory, words: list[FirmwareReport], order
) -> None:
    path = tmp_path_factory.mktemp("reports") / "r.jsonl"
    reports.append(path, words)
    assert {(r.device_id, r.at) for r in reports.read(path)} == {
        (r.device_id, r.at) for r in reports.merge(words)
    }
    # in pieces, in any order: the last word is the same, where times tell it
    if len({(r.device_id, r.at) for r in words}) == len(words):
        shuffled = list(words)
        order.shuffle(shuffled)
        assert reports.merge(shuffled) == reports.merge(words)


def test_many_devices_of_one_firmware_are_one_line() -> None:
    lines = list(reports.batches(report(n, 1 + n % 2, 5) for n in range(1000)))
    assert len(lines) == 2


def test_reports_flag_and_local_updates_change(registry: Registry, inventory: Inventory) -> None:
    inventory.add([device(n, 1) for n in range(5)])
    words = [
        report(0, 1, 1),
        report(1, 2, 1),
        report(2, 2, 1, "local"),
        report(2, 1, 0, "local"),
        report(99, 1, 1),
    ]
    merged = reports.merge_into(inventory, words)
    assert (merged.reports, merged.updated) == (5, 3)
    assert merged.unknown == (number(99),)
    # local updates are banned: what was updated so is flagged
    assert merged.differing == (number(1), number(2))
    again = reports.merge_into(inventory, words)
    assert (again.updated, again.unchanged) == (0, 3)

    with registry.changing(WHY) as writer:
        writer.set("local_updates", "allowed")
    merged = reports.merge_into(
        inventory, [report(3, 2, 1, "local"), report(4, 77, 1, "local"), report(2, 2, 2, "local")]
    )
    assert merged.differing == (number(4),)  # not on the CPL
    held = inventory.find([number(n) for n in range(5)])
    assert [held[number(n)].firmware_version for n in range(5)] == [1, 1, 2, 2, 1]
    assert [held[number(n)].differs for n in range(5)] == [False, True, False, False, True]


@pytest.mark.parametrize(
    "line",
    [
        "rubbish",
        "[]",
        "{}",
        '{"model":"FFF0","device_type":"PPMID","file_version":"00000001","hash":null,'
        '"how":"daily","devices":{}}',
        '{"model":"FFF0 00050100","device_type":"PPMID","file_version":"1","hash":null,'
        '"how":"daily","devices":{}}',
        '{"model":"FFF0 00050100","device_type":"PPMID","file_version":"00000001","hash":"ab",'
        '"how":"daily","devices":{}}',
        '{"model":"FFF0 00050100","device_type":"PPMID","file_version":"00000001","hash":null,'
        '"how":"weekly","devices":{}}',
        '{"model":"FFF0 00050100","device_type":"PPMID","file_version":"00000001","hash":null,'
        '"how":"daily","devices":{"1":"2026-01-01T00:00:00Z"}}',
        '{"model":"FFF0 00050100","device_type":"PPMID","file_version":"00000001","hash":null,'
        '"how":"daily","devices":{"0000000000000001":5}}',
        "[" * 100_000,
    ],
)
def test_a_line_that_is_no_batch(inventory: Inventory, tmp_path: Path, line: str) -> None:
    inventory.add([device(1)])
    path = tmp_path / "r.jsonl"
    reports.append(path, [report(1, 2, 1)])
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(BadFile, match="line 2"):
        reports.merge_into(inventory, reports.read(path))
    assert list(inventory.devices()) == [device(1)]


# --- as Read Inventory gives it


def test_the_cpl_status_is_that_of_the_day(
    run: Callable[..., Result], run_json: Callable[..., Any], tmp_path: Path
) -> None:
    listed = entry(1, expires_on=datetime.date(2026, 6, 30), status_since=None)
    with Registry(Database(str(tmp_path / "registry.db"), create=True)) as registry:
        fill(registry, [listed, entry(2, firmware_version=1)])
        Inventory(registry.database).add(
            [
                device(1, image_hash=listed.image_hash),
                device(2, image_hash=None),
                device(3, image_hash=digest("none")),
            ]
        )
    for day, status, either in (
        ("2026-06-30", "Active", "Active"),
        ("2026-07-01", "Expired", "Ambiguous"),
    ):
        found = run_json("inventory", "list", "--on", day)
        assert [d["CPLStatus"] for d in found] == [status, either, "Not listed"]
        assert status in run("inventory", "list", "--on", day).stdout.splitlines()[0]
        [one] = run_json("inventory", "list", found[0]["DeviceID"], "--on", day)
        assert one == found[0]
    assert run_json("inventory", "list", "--model", "FFF0 00990100") == []


def test_devices_as_duis_names_them(
    run: Callable[..., Result], run_json: Callable[..., Any], tmp_path: Path
) -> None:
    headings = "DeviceID,DeviceType,DeviceStatus,DeviceManufacturer,DeviceModel,SMETSCHTSVersion,"
    headings += "DeviceFirmwareVersion,DeviceFirmwareVersionStatus,CPLStatus,HANVariant"
    rows = [
        "00-00-00-00-00-00-00-01,PPMID,InstalledNotCommissioned,FFF0,00050100,,00000001,Active,,x",
        "00-00-00-00-00-00-00-02,CHF,Recovery,FFF0,00070100,CHTS,9001,Active,Active,x",
        "00-00-00-00-00-00-00-03,GPF,Commissioned,FFF0,00080100,,00000001,,,",
    ]
    path = tmp_path / "inventory.csv"
    path.write_text("\n".join([headings, *rows]))
    (tmp_path / "m.toml").write_text("[[skip]]\nheading = 'DeviceType'\nvalues = ['GPF', 'CAD']\n")
    with Registry(Database(str(tmp_path / "registry.db"), create=True)):
        pass
    assert run("inventory", "add", path).exit_code == 5
    done = run_json("inventory", "add", path, "--mapping", "m.toml")
    assert done == {"added": 2, "skipped": 1}
    found = run_json("inventory", "list")
    assert [d["DeviceStatus"] for d in found] == ["InstalledNotCommissioned", "Recovery"]
    assert found[1]["FirmwareVersion"] == "00009001"


def test_a_device_id_that_became_a_number(inventory: Inventory, tmp_path: Path) -> None:
    workbook = openpyxl.Workbook()
    workbook.active.append(HEADINGS)
    workbook.active.append([12345678901234567890, *GOOD[1:]])
    workbook.save(tmp_path / "d.xlsx")
    faults: list[object] = []
    with pytest.raises(BadFile):
        enrolment.add_file(inventory, tmp_path / "d.xlsx", on_fault=faults.append)
    assert "it is the number" in str(faults[0])
