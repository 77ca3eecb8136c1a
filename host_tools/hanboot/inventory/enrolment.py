"""Devices entered into the inventory: from a file, or as one says of itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hanboot.device.records import Identity
from hanboot.errors import BadFile, WrongUsage
from hanboot.explain.versions import device_type_text
from hanboot.inventory.devices import STATES, DeviceRecord, Inventory, device_id, parse_device_id
from hanboot.registry.entry import DEVICE_TYPES, device_model
from hanboot.registry.exchange import sheets
from hanboot.registry.exchange.columns import Columns, cell_of, read_columns
from hanboot.registry.exchange.faults import CellFault, Faults
from hanboot.registry.exchange.mapping import ColumnMapping, fold
from hanboot.registry.exchange.rows import unusable
from hanboot.registry.exchange.table import Row, address
from hanboot.registry.fields import BY_NAME, BadValue, Field, one_of, parse_version
from hanboot.registry.progress import Progress


def _parse_id(text: str) -> str:
    try:
        return parse_device_id(text)
    except WrongUsage as wrong:
        raise BadValue(wrong.why) from None


def _device_fields() -> dict[str, Field]:
    fields = (
        Field("device_id", "Device ID", "cpl", _parse_id, required=True, is_identifier=True),
        BY_NAME["device_type"],
        BY_NAME["manufacturer_code"],
        BY_NAME["device_model"],
        BY_NAME["firmware_version"],
        dataclasses.replace(BY_NAME["image_hash"], required=False),
        Field("state", "Device Status", "cpl", one_of(STATES)),
    )
    return {field.name: field for field in fields}


_FIELDS = _device_fields()
_REQUIRED = [field.name for field in _FIELDS.values() if field.required]

#: What 'Read Inventory' (SR 8.2) calls them: elements of Device in the DUIS schema.
_DUIS = {
    "DeviceManufacturer": "manufacturer_code",
    "DeviceFirmwareVersion": "firmware_version",
}
#: Its elements that are of no use here, and what our own list adds.
_IGNORED = (
    "SMETSCHTSVersion",
    "DeviceFirmwareVersionStatus",
    "CPLStatus",
    "DateCommissioned",
    "ImportMPxN",
    "SecondaryImportMPAN",
    "ExportMPAN",
    "ESMEVariant",
    "UPRN",
    "PropertyFilter",
    "CSPRegion",
    "DeviceGBCSVersion",
    "HANVariant",
    "S1SP",
    "Connectivity",
    "ReportedFirmwareVersion",
    "ReportedManufacturerImageHash",
    "ReportedAt",
    "Differs",
)

#: Names of fields by their headings, folded.
HEADINGS: dict[str, str | None] = (
    {fold(field.heading): field.name for field in _FIELDS.values()}
    | {fold(heading): name for heading, name in _DUIS.items()}
    | dict.fromkeys(map(fold, _IGNORED))
)


def from_identity(identity: Identity, at: str) -> DeviceRecord:
    """The device that answers, as it is now.

    Raises:
        WrongUsage: its type is not one of the inventory's, or it runs no application.
    """
    number = device_id(identity.serial)
    firmware = identity.running.firmware if identity.running else None
    device_type = device_type_text(identity.device_type)
    for known in DEVICE_TYPES:
        if known == device_type and firmware is not None:
            return DeviceRecord(
                number,
                known,
                identity.manufacturer_code,
                device_model(identity.image_type, identity.hardware_version),
                firmware.file_version,
                firmware.image_hash,
                reported_version=firmware.file_version,
                reported_hash=firmware.image_hash,
                reported_at=at,
            )
    raise WrongUsage(
        f"the device {number} cannot be entered",
        "it runs no application yet" if firmware is None else f"its type is {device_type}",
        "install a first version, then enter it",
    )


@dataclass(frozen=True)
class Added:
    """What a file brought. skipped: rows that the mapping leaves out."""

    added: int
    skipped: int


def add_file(
    inventory: Inventory,
    path: Path,
    mapping: ColumnMapping | None = None,
    on_fault: Callable[[CellFault], None] = lambda fault: None,
    progress: Progress = lambda done, total: None,
) -> Added:
    """Adds the devices in a CSV or XLSX file, all or none.

    Raises:
        BadFile: something is wrong; every faulty cell went to `on_fault`.
    """
    mapping = mapping or ColumnMapping(ours=HEADINGS)
    faults = Faults(on_fault)
    skipped = 0

    def devices(rows: Iterator[Row]) -> Iterator[DeviceRecord]:
        nonlocal skipped
        columns = read_columns(path.name, next(rows, None), mapping, _FIELDS, _REQUIRED)
        for row in rows:
            if columns.is_skipped(row):
                skipped += 1
                continue
            device = _device(row, columns, mapping, faults)
            if device and not faults:
                yield device
        faults.raise_any(path.name)

    with sheets.rows(path, mapping.layout, progress) as rows:
        try:
            return Added(inventory.add(devices(rows)), skipped)
        except WrongUsage as wrong:
            raise BadFile(f"{path.name} was not imported", wrong.what, wrong.what_to_do) from None


def _device(
    row: Row, columns: Columns, mapping: ColumnMapping, faults: Faults
) -> DeviceRecord | None:
    values: dict[str, Any] = {}
    is_faulty = False
    for at, field in enumerate(columns.fields):
        if field is None:
            continue
        cell = cell_of(row, at)
        try:
            if why := unusable(cell, is_identifier=True):
                raise BadValue(why)
            text = mapping.translate(field.name, cell) if cell else None
            if text:
                values[field.name] = field.parse(text)
            elif field.required:
                raise BadValue("it is empty, and must not be")
            if field.name == "firmware_version" and text:
                values[field.name] = parse_version(text, values.get("device_type"))
        except BadValue as bad:
            is_faulty = True
            faults.add(CellFault(row.number, address(row.number, at), field.heading, str(bad)))
    return None if is_faulty else DeviceRecord(**values)
