"""What next? The planner's answer with the library's entries and downloads of each step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from hanboot.library import audit
from hanboot.library.accounts.users import User
from hanboot.library.catalogue import entries
from hanboot.library.catalogue.entries import LibraryEntry
from hanboot.library.library import Library
from hanboot.library.permissions import Action
from hanboot.registry.entry import Entry, Model
from hanboot.registry.fields import parse_hash, parse_version
from hanboot.registry.pathways.plan import LATEST, NoPlan, plan_for_device
from hanboot.registry.pathways.state import DeviceState
from hanboot.registry.storage.schema import DEVICE, ENTRY


@dataclass(frozen=True, kw_only=True)
class Step:
    """One firmware to install. held: the library's entry of it, if it has one."""

    entry: Entry
    held: LibraryEntry | None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A path, or why there is none; `refusal` is None where there is a path."""

    start: str
    steps: Sequence[Step]
    refusal: NoPlan | None


def what_next(
    library: Library,
    user: User,
    *,
    model: Model,
    version: str,
    image_hash: str = "",
    to: str = LATEST,
) -> Answer:
    """The safe path of a device, by what it runs.

    Args:
        version: File Version, eight digits.
        image_hash: Manufacturer Image Hash, needed where a version is listed with several.

    Raises:
        BadValue: version or hash is none.
    """
    user.require(Action.PLAN)
    digest = parse_hash(image_hash) if image_hash else None
    number = parse_version(version)
    text = f"{number:08X}" + (f" ({digest.hex()[:16]}…)" if digest else "")
    state = DeviceState(model, None, (number, digest), 0, text)
    planned = plan_for_device(library.registry, state, to)
    if isinstance(planned, NoPlan):
        steps = [_step(library, user, entry) for entry in planned.nearest]
        return Answer(start=text, steps=steps, refusal=planned)
    return Answer(
        start=text, steps=[_step(library, user, entry) for entry in planned.steps], refusal=None
    )


def _step(library: Library, user: User, entry: Entry) -> Step:
    with library.registry.database.reading() as connection:
        held = [
            found
            for found in entries.of_hash(connection, user, entry.image_hash)
            if found.model == entry.model
        ]
    return Step(entry=entry, held=held[0] if held else None)


# --- the SSC's question


@dataclass(frozen=True, kw_only=True)
class Holding:
    """An entry with a ZigBee chipset and stack, and how many devices of the inventory run it."""

    cpl_entry_id: str
    device_type: str
    model: Model
    firmware_version: int
    vendor: str
    stack: str
    devices: int


def holdings(library: Library, user: User, *, vendor: str, stack: str) -> list[Holding]:
    """Entries whose ZigBee chipset vendor and stack hold these texts, MP231 4."""
    user.require(Action.QUERY_ZIGBEE)
    count = (
        sa.select(sa.func.count())
        .select_from(DEVICE)
        .where(
            DEVICE.c.manufacturer_code == ENTRY.c.manufacturer_code,
            DEVICE.c.device_model == ENTRY.c.device_model,
            DEVICE.c.image_hash == ENTRY.c.image_hash,
        )
        .scalar_subquery()
    )
    query = sa.select(ENTRY, count.label("devices")).where(
        sa.or_(ENTRY.c.zigbee_vendor.is_not(None), ENTRY.c.zigbee_stack.is_not(None))
    )
    if vendor:
        query = query.where(ENTRY.c.zigbee_vendor.icontains(vendor, autoescape=True))
    if stack:
        query = query.where(ENTRY.c.zigbee_stack.icontains(stack, autoescape=True))
    with library.registry.database.writing() as connection:
        audit.add(connection, user.actor, "query zigbee", detail={"vendor": vendor, "stack": stack})
        rows = connection.execute(query.order_by(ENTRY.c.cpl_entry_id).limit(1000)).all()
    return [
        Holding(
            cpl_entry_id=row.cpl_entry_id,
            device_type=row.device_type,
            model=Model(row.manufacturer_code, row.device_model),
            firmware_version=row.firmware_version,
            vendor=row.zigbee_vendor or "",
            stack=row.zigbee_stack or "",
            devices=row.devices,
        )
        for row in rows
    ]
