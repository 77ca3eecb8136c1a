"""What next? The planner's answer with the library's entries and downloads of each step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from hanboot.library import audit
from hanboot.library.accounts.users import User
from hanboot.library.catalogue import downloads, entries
from hanboot.library.catalogue.entries import LibraryEntry
from hanboot.library.library import Library
from hanboot.library.permissions import Action
from hanboot.registry.entry import Entry, Model
from hanboot.registry.fields import parse_hash, parse_version
from hanboot.registry.pathways.plan import LATEST, NoPlan, plan_for_device
from hanboot.registry.pathways.state import DeviceState
from hanboot.registry.storage.schema import DEVICE, SSC


@dataclass(frozen=True, kw_only=True)
class InstallStep:
    """One firmware to install.

    Attributes:
        held: the library's entry of it, if it has one.
        acknowledged: whether the user has read what belongs to that.
    """

    entry: Entry
    held: LibraryEntry | None
    acknowledged: bool


@dataclass(frozen=True, kw_only=True)
class PlanAnswer:
    """A path, or why there is none; `refusal` is None where there is a path."""

    start: str
    steps: Sequence[InstallStep]
    refusal: NoPlan | None


def what_next(
    library: Library,
    user: User,
    *,
    model: Model,
    version: str,
    image_hash: str = "",
    to: str = LATEST,
) -> PlanAnswer:
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
        return PlanAnswer(start=text, steps=_steps(library, user, planned.nearest), refusal=planned)
    return PlanAnswer(start=text, steps=_steps(library, user, planned.steps), refusal=None)


def _steps(library: Library, user: User, planned: Sequence[Entry]) -> list[InstallStep]:
    """The library's entries of all steps, by one question."""
    if not planned:
        return []
    with library.registry.database.reading() as connection:
        found = entries.of_hashes(connection, user, [entry.image_hash for entry in planned])
        read = downloads.acknowledged_of(connection, user, found)
    # of several the first that was submitted
    held = {(entry.model, entry.image_hash): entry for entry in reversed(found)}
    steps = []
    for entry in planned:
        in_library = held.get((entry.model, entry.image_hash))
        acknowledged = in_library is not None and in_library.number in read
        steps.append(InstallStep(entry=entry, held=in_library, acknowledged=acknowledged))
    return steps


# --- the SSC's question


@dataclass(frozen=True, kw_only=True)
class Holding:
    """A firmware with a ZigBee chipset and stack, and how many devices of the inventory run it.

    cpl_entry_id: "" for an entry of the library that is not on the CPL.
    number: of the library's entry, where the firmware is known from there alone.
    """

    cpl_entry_id: str
    number: int | None
    device_type: str
    model: Model
    firmware_version: int
    vendor: str
    stack: str
    devices: int


_HOLDINGS_MAX = 1000


def holdings(library: Library, user: User, *, vendor: str, stack: str) -> list[Holding]:
    """Firmware whose ZigBee chipset vendor and stack hold these texts, MP231 4.

    What the CPL lists, and what only the library has.
    """
    user.require(Action.QUERY_ZIGBEE)
    database = library.registry.database
    with database.writing() as connection:
        audit.add(connection, user.actor, "query zigbee", detail={"vendor": vendor, "stack": stack})
    # what is for the SSC may lie in a database of its own
    with library.registry.ssc_database().reading() as connection:
        ids = connection.execute(_about_zigbee(vendor, stack)).scalars().all()
    listed = library.registry.for_ssc(list(library.registry.find(ids).values()))
    with database.reading() as connection:
        unlisted = entries.with_zigbee(connection, vendor, stack, _HOLDINGS_MAX)
        found = [
            Holding(
                cpl_entry_id=entry.cpl_entry_id,
                number=None,
                device_type=entry.device_type,
                model=entry.model,
                firmware_version=entry.firmware_version,
                vendor=entry.zigbee_vendor or "",
                stack=entry.zigbee_stack or "",
                devices=_devices(connection, entry.model, entry.image_hash),
            )
            for entry in sorted(listed, key=lambda entry: entry.cpl_entry_id)
        ]
        found += [
            Holding(
                cpl_entry_id=entry.cpl_entry_id or "",
                number=entry.number,
                device_type=entry.device_type,
                model=entry.model,
                firmware_version=entry.firmware_version,
                vendor=entry.fields.get("zigbee_vendor", ""),
                stack=entry.fields.get("zigbee_stack", ""),
                devices=_devices(connection, entry.model, entry.image_hash),
            )
            for entry in unlisted
            if entry.cpl_entry_id not in ids
        ]
    return found


def _about_zigbee(vendor: str, stack: str) -> sa.Select[str]:
    query = sa.select(SSC.c.cpl_entry_id).where(
        sa.or_(SSC.c.zigbee_vendor.is_not(None), SSC.c.zigbee_stack.is_not(None))
    )
    if vendor:
        query = query.where(SSC.c.zigbee_vendor.icontains(vendor, autoescape=True))
    if stack:
        query = query.where(SSC.c.zigbee_stack.icontains(stack, autoescape=True))
    return query.order_by(SSC.c.cpl_entry_id).limit(_HOLDINGS_MAX)


def _devices(connection: sa.Connection, model: Model, image_hash: bytes) -> int:
    query = (
        sa.select(sa.func.count())
        .select_from(DEVICE)
        .where(
            DEVICE.c.manufacturer_code == model.manufacturer_code,
            DEVICE.c.device_model == model.device_model,
            DEVICE.c.image_hash == image_hash,
        )
    )
    return int(connection.execute(query).scalar_one())
