"""The inventory as 'Read Inventory' (SR 8.2) would give it, with the CPL status of the day.

A million devices are listed in one pass: their rows come as text, and what a row says of the CPL is
looked up by the text of its firmware. A row costs hardly more than reading it.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hanboot.inventory.devices import UNANSWERED, DeviceRecord
from hanboot.registry.entry import Entry, Model
from hanboot.registry.pathways.graph import today
from hanboot.registry.storage.schema import DEVICE, DISTRIBUTION, ENTRY

NOT_LISTED = "Not listed"
#: Several firmwares have the version, the device's hash is not known, and they differ in status.
AMBIGUOUS = "Ambiguous"

_ROWS_AT_ONCE = 10_000
_HASH_SHOWN = 16


class CplStatuses:
    """The CPL status on a day of every firmware that devices run."""

    def __init__(self, connection: Connection, day: datetime.date | None = None) -> None:
        self._by_firmware: dict[tuple[str, str, str, str | None], str] = {}
        moment = day or today()
        columns = [_text(ENTRY.c[name]) for name in _FIRMWARE]
        dates = (ENTRY.c.listed_on, ENTRY.c.status_since, ENTRY.c.expires_on)
        models = sa.select(DEVICE.c.manufacturer_code, DEVICE.c.device_model).distinct()
        query: Any = sa.select(*columns, ENTRY.c.status, *dates).where(
            sa.tuple_(ENTRY.c.manufacturer_code, ENTRY.c.device_model).in_(models)
        )
        for row in connection.execute(query):
            code, model, version, digest, status, listed_on, since, expires_on = row
            found = (
                status
                if status == "Active" and not (listed_on or expires_on)
                else _on(moment, status, listed_on, since, expires_on)
            )
            self._add((code, model, version, digest), found)
            self._add((code, model, version, None), found, AMBIGUOUS)

    def _add(
        self, key: tuple[str, str, str, str | None], status: str, otherwise: str = "Active"
    ) -> None:
        # one firmware under two IDs may be distributed if either may
        known = self._by_firmware.setdefault(key, status)
        if known != status:
            both = {known, status}
            self._by_firmware[key] = (
                otherwise if otherwise == AMBIGUOUS or "Active" in both else known
            )

    def of(self, code: str, model: str, version: str, digest: str | None) -> str:
        """The status of a firmware by its texts; NOT_LISTED where there is none."""
        return self._by_firmware.get((code, model, version, digest), NOT_LISTED)


def cpl_status(
    connection: Connection, device: DeviceRecord, day: datetime.date | None = None
) -> str:
    """The CPL status on a day of what one device runs."""
    row = row_of(device)
    return CplStatuses(connection, day).of(row[2], row[3], row[4], row[5])


def _on(
    day: datetime.date,
    status: str,
    listed_on: datetime.date | None,
    since: datetime.date | None,
    expires_on: datetime.date | None,
) -> str:
    entry = Entry(
        "",
        "IHD",
        0,
        0,
        0,
        "",
        b"",
        status,  # type: ignore[arg-type]
        listed_on=listed_on,
        status_since=since,
        expires_on=expires_on,
    )
    return entry.status_on(day)


def _text(column: sa.ColumnElement[object]) -> sa.ColumnElement[str]:
    return sa.type_coerce(column, sa.String())


_FIRMWARE = ("manufacturer_code", "device_model", "firmware_version", "image_hash")
_REPORTED = ("reported_version", "reported_hash", "reported_at")

#: A device: ID, type, manufacturer code, model, version, hash, state, what it reported and when.
Row = tuple[str, str, str, str, str, str | None, str, str | None, str | None, str | None]


def rows(
    connection: Connection, model: Model | None = None, differing: bool = False
) -> Iterator[Sequence[Row]]:
    """Devices as texts, by ID, some thousand at a time."""
    query: Any = sa.select(
        DEVICE.c.device_id,
        DEVICE.c.device_type,
        *(_text(DEVICE.c[name]) for name in _FIRMWARE),
        DEVICE.c.state,
        *(_text(DEVICE.c[name]) for name in _REPORTED),
    ).order_by(DEVICE.c.device_id)
    if model is not None:
        query = query.where(
            DEVICE.c.manufacturer_code == model.manufacturer_code,
            DEVICE.c.device_model == model.device_model,
        )
    if differing:
        query = query.where(
            sa.or_(
                DEVICE.c.reported_version != DEVICE.c.firmware_version,
                DEVICE.c.reported_hash != DEVICE.c.image_hash,
            )
        )
    result = connection.execute(query.execution_options(yield_per=_ROWS_AT_ONCE))
    yield from result.partitions()


def row_of(device: DeviceRecord) -> Row:
    """A device as `rows` gives it."""

    def hexed(value: int | None) -> str | None:
        return None if value is None else f"{value:08X}"

    return (
        device.device_id,
        device.device_type,
        f"{device.manufacturer_code:04X}",
        f"{device.device_model:08X}",
        f"{device.firmware_version:08X}",
        device.image_hash.hex() if device.image_hash else None,
        device.state,
        hexed(device.reported_version),
        device.reported_hash.hex() if device.reported_hash else None,
        device.reported_at,
    )


def is_differing(row: Row) -> bool:
    """Whether a device reports another firmware than the inventory holds."""
    version, digest, reported, reported_hash = row[4], row[5], row[7], row[8]
    if reported is None:
        return False
    if reported != version:
        return True
    return reported_hash is not None and digest is not None and reported_hash != digest


def unanswered(connection: Connection) -> dict[str, str]:
    """Devices that were sent a version, and nothing was heard since: ID -> version."""
    later = DISTRIBUTION.alias()
    query = sa.select(DISTRIBUTION.c.device_id, _text(DISTRIBUTION.c.file_version)).where(
        DISTRIBUTION.c.outcome == UNANSWERED,
        ~sa.exists().where(
            later.c.device_id == DISTRIBUTION.c.device_id, later.c.number > DISTRIBUTION.c.number
        ),
    )
    return {device: version for device, version in connection.execute(query)}


def line(row: Row, status: str, unanswered_version: str | None = None) -> str:
    """A device for people, one line.

    Args:
        status: of the CPL.
        unanswered_version: that it was sent last, and has not answered.
    """
    if unanswered_version:
        return f"{line(row, status)}  {unanswered_version} activated, no answer came"
    device, kind, code, model, version, _, state, reported, reported_hash, _ = row
    if reported is None and state == "Commissioned":
        # nearly all
        return f"  {device}  {kind:<6}  {code} {model}  {version}  {status}"
    differs = is_differing(row)
    text = f"{'!' if differs else ' '} {device}  {kind:<6}  {code} {model}  {version}  {status}"
    if state != "Commissioned":
        text += f"  {state}"
    if differs:
        text += f"  reports {reported}"
        if reported == version and reported_hash:
            text += f" with another hash, {reported_hash[:_HASH_SHOWN]}…"
    return text


def as_json(row: Row, status: str, unanswered_version: str | None = None) -> dict[str, object]:
    """A device for programs: names as 'Read Inventory' has them, where it has them."""
    device, kind, code, model, version, digest, state, reported, reported_hash, at = row
    return {
        "DeviceID": device,
        "DeviceType": kind,
        "DeviceManufacturer": code,
        "DeviceModel": model,
        "FirmwareVersion": version,
        "ManufacturerImageHash": digest,
        "DeviceStatus": state,
        "ReportedFirmwareVersion": reported,
        "ReportedManufacturerImageHash": reported_hash,
        "ReportedAt": at,
        "Differs": is_differing(row),
        "CPLStatus": status,
        "UnansweredFirmwareVersion": unanswered_version,
    }
