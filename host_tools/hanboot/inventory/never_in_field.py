"""Statements that no device ever ran an entry's firmware.

A release that strands devices is withdrawn; while some device may run it, `check` calls that an
error, for good. If it was withdrawn before it left the house, its owner can state so. The statement
is refused where the inventory says otherwise, and is void as soon as a device reports the firmware.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hanboot.errors import CheckFailed
from hanboot.registry.entry import Entry
from hanboot.registry.pathways.graph import today
from hanboot.registry.storage import never_in_field
from hanboot.registry.storage.history import Attribution
from hanboot.registry.storage.schema import DEVICE, DISTRIBUTION
from hanboot.registry.storage.store import Registry

_CLOSED = ("Withdrawn", "Cancelled")


def state(
    registry: Registry,
    cpl_entry_id: str,
    attribution: Attribution,
    day: datetime.date | None = None,
) -> None:
    """States that no device ever ran an entry's firmware.

    Raises:
        WrongUsage: there is no such entry.
        CheckFailed: it may still be distributed, or some device runs, ran or reported it.
    """
    entry = registry.entry(cpl_entry_id)
    status = entry.status_on(day or today())
    if status not in _CLOSED:
        raise _refused(
            entry, f"it is {status}, and may be or become distributed: withdraw it first"
        )
    with registry.changing(attribution) as writer:
        for why in _seen(writer.connection, entry):
            raise _refused(entry, why)
        never_in_field.record(writer, cpl_entry_id, attribution)


def _refused(entry: Entry, why: str) -> CheckFailed:
    return CheckFailed(
        f"{entry.cpl_entry_id} cannot be stated to have never been in the field",
        why,
        "find out which devices run it, and how they get on from there: hanboot registry plan",
    )


def _seen(connection: Connection, entry: Entry) -> Iterator[str]:
    """Where a device with the entry's firmware is named."""
    of_model = sa.and_(
        DEVICE.c.manufacturer_code == entry.manufacturer_code,
        DEVICE.c.device_model == entry.device_model,
    )
    for version, digest, what in (
        (DEVICE.c.firmware_version, DEVICE.c.image_hash, "runs it by the inventory"),
        (DEVICE.c.reported_version, DEVICE.c.reported_hash, "reported it"),
    ):
        # a version without its hash may be this one
        query = sa.select(DEVICE.c.device_id).where(
            of_model,
            version == entry.firmware_version,
            sa.or_(digest == entry.image_hash, digest.is_(None)),
        )
        if found := connection.execute(query.limit(1)).scalar():
            yield f"the device {found} {what}"
    query = sa.select(DISTRIBUTION.c.device_id).where(
        DISTRIBUTION.c.image_hash == entry.image_hash,
        # what the gate or the device refused did not run
        DISTRIBUTION.c.outcome != "refused",
    )
    if found := connection.execute(query.limit(1)).scalar():
        yield f"it was sent to the device {found}: hanboot inventory history"
