"""A dead end that was withdrawn before it left the house, until a device contradicts that."""

from __future__ import annotations

import pytest
from registries import WHY, entry, fill, same_but

from hanboot.errors import CheckFailed, WrongUsage
from hanboot.inventory import never_in_field, reports
from hanboot.inventory.devices import DeviceRecord, Distribution, Inventory
from hanboot.registry.entry import Model
from hanboot.registry.pathways.check import Finding, check_registry
from hanboot.registry.storage import audit
from hanboot.registry.storage.store import Registry

#: E-2 leads nowhere: E-3 follows E-1 alone.
ENTRIES = [entry(1), entry(2, [1]), entry(3, [1])]
AT = "2026-01-01T00:00:00Z"


@pytest.fixture
def registry(registry: Registry) -> Registry:
    fill(registry, ENTRIES)
    return withdraw(registry, "Withdrawn")


def withdraw(registry: Registry, status: str) -> Registry:
    with registry.changing(WHY) as writer:
        before = registry.entry("E-2")
        writer.correct(before, same_but(before, status=status))
    return registry


def found(registry: Registry) -> dict[str, Finding]:
    return {finding.code: finding for finding in check_registry(registry)}


def device(version: int, **more: object) -> DeviceRecord:
    values = {"image_hash": entry(version).image_hash} | more
    return DeviceRecord(
        "00-00-00-00-00-00-00-09",
        "PPMID",
        0xFFF0,
        0x0005_0100,
        version,
        **values,  # type: ignore[arg-type]
    )


def report(version: int, number: int = 9) -> reports.FirmwareReport:
    return reports.FirmwareReport(
        f"00-00-00-00-00-00-00-{number:02}",
        AT,
        Model(0xFFF0, 0x0005_0100),
        "PPMID",
        version,
        entry(version).image_hash,
    )


def test_a_statement_makes_the_check_green_and_is_counted(registry: Registry) -> None:
    assert found(registry)["stranded"].rows[0] == "E-2"
    never_in_field.state(registry, "E-2", WHY)
    after = found(registry)
    assert not [finding for finding in after.values() if finding.severity == "error"]
    assert after["never-in-field"].rows == ("E-2",)
    with registry.database.reading() as connection:
        assert audit.verify(connection) == 3


@pytest.mark.parametrize("status", ["Active", "Expired"])
def test_only_what_may_not_be_distributed_any_more(registry: Registry, status: str) -> None:
    withdraw(registry, status)
    with pytest.raises(CheckFailed, match="withdraw it first"):
        never_in_field.state(registry, "E-2", WHY)


def test_there_must_be_such_an_entry(registry: Registry) -> None:
    with pytest.raises(WrongUsage):
        never_in_field.state(registry, "E-9", WHY)


@pytest.mark.parametrize(
    "seen",
    [
        device(2),
        device(2, image_hash=None),
        device(1, reported_version=2, reported_hash=entry(2).image_hash, reported_at=AT),
        Distribution("", "00-…", 2, entry(2).image_hash, "E-2", "failed", None, "link", None),
    ],
)
def test_refused_where_a_device_is_named(
    registry: Registry, seen: DeviceRecord | Distribution
) -> None:
    inventory = Inventory(registry.database)
    if isinstance(seen, DeviceRecord):
        inventory.add([seen])
    else:
        inventory.record(seen)
    with pytest.raises(CheckFailed, match="device"):
        never_in_field.state(registry, "E-2", WHY)


@pytest.mark.parametrize("way", ["report", "report of an unknown device", "added", "activated"])
def test_a_device_that_reports_it_voids_it(registry: Registry, way: str) -> None:
    never_in_field.state(registry, "E-2", WHY)
    inventory = Inventory(registry.database)
    if way == "added":
        inventory.add([device(2)])
    else:
        inventory.add([device(1)])
    if way == "activated":
        sent = Distribution(
            AT, device(1).device_id, 2, entry(2).image_hash, "E-2", "activated", None, None, None
        )
        inventory.record(sent)
    elif way.startswith("report"):
        reports.merge_into(inventory, [report(2, 9 if way == "report" else 77)])
    after = found(registry)
    assert after["stranded"].rows[0] == "E-2"
    assert "reported it" in after["statement-void"].text
    with registry.database.reading() as connection:
        audit.verify(connection)


def test_another_firmware_leaves_it(registry: Registry) -> None:
    never_in_field.state(registry, "E-2", WHY)
    inventory = Inventory(registry.database)
    inventory.add([device(1)])
    reports.merge_into(inventory, [report(3)])
    assert "never-in-field" in found(registry)
