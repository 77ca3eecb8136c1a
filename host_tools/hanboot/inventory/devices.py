"""Devices of the Smart Metering Inventory.

An inventory lives in the database of a registry. It holds what the inventory says a device runs
and, beside it, what the device itself last reported; where the two differ, the device is flagged,
as the DCC alert FirmwareVersionMismatch does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from hanboot.errors import WrongUsage
from hanboot.registry.entry import DeviceType, Model
from hanboot.registry.storage import never_in_field
from hanboot.registry.storage.database import Database
from hanboot.registry.storage.entries import IDS_AT_ONCE
from hanboot.registry.storage.schema import DEVICE, DISTRIBUTION, ENTRY

#: DeviceStatus of the DUIS schema; only a commissioned device is sent firmware.
State = Literal[
    "Pending",
    "Whitelisted",
    "InstalledNotCommissioned",
    "Commissioned",
    "Decommissioned",
    "Withdrawn",
    "Suspended",
    "Recovery",
    "Recovered",
]
#: Outcome of a distribution of which nothing was heard in time.
UNANSWERED = "unanswered"

STATES: tuple[State, ...] = get_args(State)

_ROWS_AT_ONCE = 5000
_EUI64 = re.compile(r"[0-9A-F]{2}(?:-[0-9A-F]{2}){7}")


@dataclass(frozen=True)
class DeviceRecord:
    """One device.

    Attributes:
        device_id: EUI-64 as DUIS writes it, "XX-XX-XX-XX-XX-XX-XX-XX".
        firmware_version, image_hash: what the inventory holds; the hash may not be known.
        reported_version, reported_hash, reported_at: what the device last said of itself, and when.
    """

    device_id: str
    device_type: DeviceType
    manufacturer_code: int
    device_model: int
    firmware_version: int
    image_hash: bytes | None = None
    state: State = "Commissioned"
    reported_version: int | None = None
    reported_hash: bytes | None = None
    reported_at: str | None = None

    @property
    def model(self) -> Model:
        return Model(self.manufacturer_code, self.device_model)

    @property
    def differs(self) -> bool:
        """Whether the device says it runs something else than the inventory does."""
        if self.reported_version is None:
            return False
        if self.reported_version != self.firmware_version:
            return True
        known = self.reported_hash is not None and self.image_hash is not None
        return known and self.reported_hash != self.image_hash


def device_id(serial: bytes) -> str:
    """A device's EUI-64 as the inventory writes it."""
    return serial.hex("-").upper()


def parse_device_id(text: str) -> str:
    """A device ID in any case, with or without separators.

    Raises:
        WrongUsage: it is none.
    """
    digits = re.sub(r"[-:\s]", "", text).upper()
    formed = "-".join(digits[at : at + 2] for at in range(0, len(digits), 2))
    if not _EUI64.fullmatch(formed):
        raise WrongUsage(
            f"{text!r} is no device ID", "it is not an EUI-64", "give 16 hexadecimal digits"
        )
    return formed


@dataclass(frozen=True)
class Distribution:
    """One attempt to bring an image to a device.

    Attributes:
        outcome: activated, staged (sent and accepted, not started), refused, failed, unanswered.
        command: that sent it; None of what was recorded before that was asked for.
        override: number of the change set in which its sender lifted a ban.
    """

    at: str
    device_id: str
    file_version: int
    image_hash: bytes
    cpl_entry_id: str | None
    outcome: str
    reason_code: int | None
    reason: str | None
    detail: str | None
    command: str | None = None
    override: int | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "at": self.at,
            "device": self.device_id,
            "file_version": self.file_version,
            "file_version_hex": f"{self.file_version:08X}",
            "hash": self.image_hash.hex(),
            "cpl_entry_id": self.cpl_entry_id,
            "outcome": self.outcome,
            "reason": {"code": self.reason_code, "name": self.reason} if self.reason else None,
            "detail": self.detail,
            "command": self.command,
            "override": self.override,
        }


class Inventory:
    """The devices in a database.

    Args:
        database: that of the registry.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    # --- questions

    def find(self, ids: Sequence[str]) -> dict[str, DeviceRecord]:
        with self.database.reading() as connection:
            return find_devices(connection, ids)

    def devices(
        self, model: Model | None = None, differing: bool = False, firmware: int | None = None
    ) -> Iterator[DeviceRecord]:
        """Devices by ID: all, of one model, with one version, or those that report another."""
        condition: list[sa.ColumnElement[bool]] = []
        if model is not None:
            condition += [
                DEVICE.c.manufacturer_code == model.manufacturer_code,
                DEVICE.c.device_model == model.device_model,
            ]
        if firmware is not None:
            condition.append(DEVICE.c.firmware_version == firmware)
        if differing:
            condition.append(
                sa.or_(
                    DEVICE.c.reported_version != DEVICE.c.firmware_version,
                    DEVICE.c.reported_hash != DEVICE.c.image_hash,
                )
            )
        query = sa.select(*DEVICE.c).where(*condition).order_by(DEVICE.c.device_id)
        with self.database.reading() as connection:
            after = ""
            while True:
                page = query.where(DEVICE.c.device_id > after).limit(_ROWS_AT_ONCE)
                rows = connection.execute(page).all()
                yield from map(_device, rows)
                if len(rows) < _ROWS_AT_ONCE:
                    return
                after = rows[-1].device_id

    def distributions(self, device: str | None = None) -> list[Distribution]:
        """What was sent, oldest first; to one device, or to all."""
        columns = [c for c in DISTRIBUTION.c if c.name != "number"]
        query = sa.select(*columns).order_by(DISTRIBUTION.c.number)
        if device is not None:
            query = query.where(DISTRIBUTION.c.device_id == device)
        with self.database.reading() as connection:
            return [Distribution(*row) for row in connection.execute(query)]

    # --- changes

    def add(self, devices: Iterable[DeviceRecord]) -> int:
        """Adds devices, all or none; returns how many.

        Raises:
            WrongUsage: one is there already.
        """
        with self.database.writing() as connection:
            count = 0
            batch: list[DeviceRecord] = []
            for device in devices:
                batch.append(device)
                count += 1
                if len(batch) == IDS_AT_ONCE:
                    _insert(connection, batch)
                    batch = []
            _insert(connection, batch)
        return count

    def record(self, distribution: Distribution) -> None:
        """Writes down what came of a distribution; an activated image becomes what it runs."""
        with self.database.writing() as connection:
            connection.execute(sa.insert(DISTRIBUTION).values(vars(distribution)))
            if distribution.outcome == "activated":
                connection.execute(
                    sa.update(DEVICE)
                    .where(DEVICE.c.device_id == distribution.device_id)
                    .values(
                        firmware_version=distribution.file_version,
                        image_hash=distribution.image_hash,
                        reported_version=distribution.file_version,
                        reported_hash=distribution.image_hash,
                        reported_at=distribution.at,
                    )
                )
                never_in_field.void(connection, _now_running(connection, distribution))


def _insert(connection: Connection, batch: Sequence[DeviceRecord]) -> None:
    if not batch:
        return
    ids = [device.device_id for device in batch]
    twice = find_devices(connection, ids) or {i for i in ids if ids.count(i) > 1}
    if twice:
        raise WrongUsage(
            f"the device {min(twice)} is in the inventory already",
            "a device is added once",
            "hanboot inventory list shows it",
        )
    connection.execute(sa.insert(DEVICE), [vars(device) for device in batch])
    never_in_field.void(
        connection,
        ((d.device_id, *d.model, d.firmware_version, d.image_hash) for d in batch),
    )


def _now_running(
    connection: Connection, sent: Distribution
) -> list[tuple[str, int, int, int, bytes | None]]:
    """What runs on a device after an image was activated, on the models that the CPL has it for."""
    query = sa.select(ENTRY.c.manufacturer_code, ENTRY.c.device_model).where(
        ENTRY.c.image_hash == sent.image_hash
    )
    return [
        (sent.device_id, code, model, sent.file_version, sent.image_hash)
        for code, model in connection.execute(query)
    ]


def find_devices(connection: Connection, ids: Sequence[str]) -> dict[str, DeviceRecord]:
    found = {}
    for start in range(0, len(ids), IDS_AT_ONCE):
        query = sa.select(*DEVICE.c).where(DEVICE.c.device_id.in_(ids[start : start + IDS_AT_ONCE]))
        for row in connection.execute(query):
            found[row.device_id] = _device(row)
    return found


def _device(row: Row[Any]) -> DeviceRecord:
    return DeviceRecord(**row._mapping)
