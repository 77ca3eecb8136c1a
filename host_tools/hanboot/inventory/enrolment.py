"""Devices entered into the inventory: from a file, or as one says of itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from hanboot.device.records import Identity
from hanboot.errors import BadFile, HanbootError, WrongUsage
from hanboot.explain.versions import device_type_text
from hanboot.inventory.devices import STATES, Device, Inventory, device_id, parse_device_id
from hanboot.registry.entry import DEVICE_TYPES, device_model
from hanboot.registry.exchange import sheets
from hanboot.registry.exchange.faults import Fault
from hanboot.registry.exchange.mapping import fold
from hanboot.registry.exchange.table import Number, Row, SheetLayout, address
from hanboot.registry.fields import BY_NAME, BadValue, one_of, parse_version
from hanboot.registry.progress import Progress


def _parse_id(text: str) -> str:
    try:
        return parse_device_id(text)
    except WrongUsage as wrong:
        raise BadValue(wrong.why) from None


#: heading: (attribute of `Device`, how it is read, whether it must be there)
_COLUMNS: dict[str, tuple[str, Callable[[str], object], bool]] = {
    "Device ID": ("device_id", _parse_id, True),
    "Device Type": ("device_type", BY_NAME["device_type"].parse, True),
    "Manufacturer Code": ("manufacturer_code", BY_NAME["manufacturer_code"].parse, True),
    "Device Model": ("device_model", BY_NAME["device_model"].parse, True),
    "Firmware Version": ("firmware_version", str, True),
    "Manufacturer Image Hash": ("image_hash", BY_NAME["image_hash"].parse, False),
    "Device Status": ("state", one_of(STATES), False),
}


def from_identity(identity: Identity, at: str) -> Device:
    """The device that answers, as it is now.

    Raises:
        WrongUsage: its type is not one of the inventory's, or it runs no application.
    """
    number = device_id(identity.serial)
    firmware = identity.running.firmware if identity.running else None
    device_type = device_type_text(identity.device_type)
    for known in DEVICE_TYPES:
        if known == device_type and firmware is not None:
            return Device(
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


def add_file(
    inventory: Inventory,
    path: Path,
    on_fault: Callable[[Fault], None] = lambda fault: None,
    progress: Progress = lambda done, total: None,
) -> int:
    """Adds the devices in a CSV or XLSX file, all or none; returns how many.

    Raises:
        BadFile: something is wrong; every faulty cell went to `on_fault`.
    """
    faults: list[Fault] = []

    def fault(row: int, cell: str, heading: str, cause: str) -> None:
        found = Fault(row, cell, heading, cause)
        on_fault(found)
        # only the first is told again; memory stays bounded
        if len(faults) < 2:
            faults.append(found)

    def devices(rows: Iterator[Row]) -> Iterator[Device]:
        columns = _columns(path, next(rows, None))
        for row in rows:
            device = _device(row, columns, fault)
            if device and not faults:
                yield device
        if faults:
            raise BadFile(
                f"{path} was not taken over",
                f"{faults[0]}{' (and more)' if len(faults) > 1 else ''}",
                "mend the cells and try again; nothing was changed",
            )

    with sheets.rows(path, SheetLayout(), progress) as rows:
        try:
            return inventory.add(devices(rows))
        except WrongUsage as wrong:
            raise BadFile(f"{path} was not taken over", wrong.what, wrong.what_to_do) from None


def _columns(path: Path, head: Row | None) -> list[tuple[str, str]]:
    """(heading, attribute) of each column."""
    known = {fold(heading): heading for heading in _COLUMNS}
    columns = []
    for at, heading in enumerate(head.cells if head else []):
        if fold(heading) not in known:
            raise _wrong_headings(path, f"{address(1, at)}: '{heading}' is not a known heading")
        name = known[fold(heading)]
        columns.append((name, _COLUMNS[name][0]))
    for name, (_, _, is_required) in _COLUMNS.items():
        if is_required and all(name != heading for heading, _ in columns):
            raise _wrong_headings(path, f"there is no heading '{name}'")
    return columns


def _wrong_headings(path: Path, why: str) -> HanbootError:
    return BadFile(f"{path} was not taken over", why, f"known are {', '.join(_COLUMNS)}")


def _device(
    row: Row, columns: list[tuple[str, str]], fault: Callable[[int, str, str, str], None]
) -> Device | None:
    values: dict[str, object] = {}
    is_faulty = False
    for at, (heading, name) in enumerate(columns):
        cell = row.cells[at] if at < len(row.cells) else ""
        _, parse, is_required = _COLUMNS[heading]
        try:
            if type(cell) is not str and not (isinstance(cell, Number) and name == "device_id"):
                raise BadValue("it is a number, a formula or an error, not text")
            if cell:
                values[name] = parse(cell)
            elif is_required:
                raise BadValue("it is empty, and must not be")
            if name == "firmware_version" and cell:
                values[name] = parse_version(cell, values.get("device_type"))  # type: ignore[arg-type]
        except BadValue as bad:
            is_faulty = True
            fault(row.number, address(row.number, at), heading, str(bad))
    return None if is_faulty else Device(**values)  # type: ignore[arg-type]
