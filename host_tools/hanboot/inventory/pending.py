"""Which devices need a step, by model and path.

A million devices run a few firmwares: the database counts them by firmware, each firmware is
planned once, and devices are named only to whom asks for them.
"""

from __future__ import annotations

import csv
import datetime
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from hanboot.inventory.devices import Inventory
from hanboot.registry.entry import Entry, Model
from hanboot.registry.exchange.export import replacing
from hanboot.registry.pathways.graph import Pathways
from hanboot.registry.pathways.plan import NoPlan, entry_json, plan
from hanboot.registry.pathways.state import DeviceState
from hanboot.registry.storage.schema import DEVICE
from hanboot.registry.storage.store import Registry

#: What makes a firmware, in the table of devices.
_KEY = (
    DEVICE.c.manufacturer_code,
    DEVICE.c.device_model,
    DEVICE.c.device_type,
    DEVICE.c.firmware_version,
    DEVICE.c.image_hash,
)


@dataclass(frozen=True)
class Running:
    """Devices of one model that run one firmware."""

    model: Model
    device_type: str
    firmware_version: int
    image_hash: bytes | None
    devices: int


@dataclass(frozen=True)
class PendingUpgrade:
    """What the devices of `running` need. why: where there is no path."""

    running: Running
    steps: tuple[Entry, ...]
    why: str | None = None

    def as_json(self) -> dict[str, Any]:
        running = self.running
        return {
            "model": str(running.model),
            "device_type": running.device_type,
            "file_version": running.firmware_version,
            "file_version_hex": f"{running.firmware_version:08X}",
            "hash": running.image_hash.hex() if running.image_hash else None,
            "devices": running.devices,
            "steps": [entry_json(step) for step in self.steps],
            "why": self.why,
        }


def running_firmware(inventory: Inventory) -> list[Running]:
    """How many commissioned devices run what, by model and version."""
    query = (
        sa.select(*_KEY, sa.func.count())
        .where(DEVICE.c.state == "Commissioned")
        .group_by(*_KEY)
        .order_by(*_KEY)
    )
    with inventory.database.reading() as connection:
        return [
            Running(Model(code, model), device_type, version, digest, count)
            for code, model, device_type, version, digest, count in connection.execute(query)
        ]


def needs(
    registry: Registry, inventory: Inventory, day: datetime.date | None = None
) -> Iterator[PendingUpgrade]:
    """The firmwares whose devices are not at the newest, and the way there; by model."""
    by_model: dict[Model, list[Running]] = {}
    for running in running_firmware(inventory):
        by_model.setdefault(running.model, []).append(running)
    # one pass over the registry is quicker than a question for each of thousands of models
    for own, elsewhere in registry.by_model() if by_model else ():
        firmwares = by_model.pop(own[0].model, None)
        if firmwares:
            yield from _needs_of_model(Pathways(own, elsewhere, day), firmwares)
    for model, firmwares in by_model.items():
        for running in firmwares:
            yield PendingUpgrade(running, (), f"the registry lists no model {model}")


def _needs_of_model(pathways: Pathways, firmwares: Iterable[Running]) -> Iterator[PendingUpgrade]:
    # the usual case: the firmware is an entry, and the way from there was found once for all
    ways: dict[tuple[int, bytes | None], tuple[Entry, ...]] = {
        pathways.by_id[name].identity: tuple(pathways.by_id[step] for step in path[1:])
        for name, path in pathways.to_newest.items()
    }
    for running in firmwares:
        steps = ways.get((running.firmware_version, running.image_hash))
        need = _planned(pathways, running) if steps is None else PendingUpgrade(running, steps)
        if need.steps or need.why:
            yield need


def _planned(pathways: Pathways, running: Running) -> PendingUpgrade:
    state = DeviceState(
        running.model,
        running.device_type,
        (running.firmware_version, running.image_hash),
        0,
        f"{running.firmware_version:08X}",
    )
    answer = plan(pathways, state, pathways.newest)
    if isinstance(answer, NoPlan):
        return PendingUpgrade(running, answer.nearest, answer.why)
    return PendingUpgrade(running, answer.steps)


# --- each device

_ROWS_AT_ONCE = 10_000


def write_devices(path: Path, inventory: Inventory, found: Iterable[PendingUpgrade]) -> int:
    """Writes a CSV file with a row for each device that needs a step; whole or not at all.

    Returns:
        how many devices.

    Raises:
        BadFile: it cannot be written.
    """
    # one pass over the devices; what follows their IDs was written once for each firmware
    lines = {_key(need.running): _line(need) for need in found}
    query = sa.select(DEVICE.c.device_id, _KEY_TEXT).where(DEVICE.c.state == "Commissioned")
    count = 0
    with (
        replacing(path) as partial,
        partial.open("w", encoding="utf-8", newline="") as file,
        inventory.database.reading() as connection,
    ):
        file.write(_csv(_HEADINGS))
        devices = connection.execute(query.execution_options(yield_per=_ROWS_AT_ONCE))
        for rows in devices.partitions():
            written = [device + lines[key] for device, key in rows if key in lines]
            file.writelines(written)
            count += len(written)
    return count


# a firmware as one text, by the database and here
_KEY_TEXT = (
    sa.type_coerce(DEVICE.c.manufacturer_code, sa.String())
    + sa.type_coerce(DEVICE.c.device_model, sa.String())
    + sa.type_coerce(DEVICE.c.firmware_version, sa.String())
    + DEVICE.c.device_type
    + sa.func.coalesce(sa.type_coerce(DEVICE.c.image_hash, sa.String()), "")
)


def _key(running: Running) -> str:
    return (
        f"{running.model.manufacturer_code:04X}{running.model.device_model:08X}"
        f"{running.firmware_version:08X}{running.device_type}"
        f"{running.image_hash.hex() if running.image_hash else ''}"
    )


def _line(need: PendingUpgrade) -> str:
    running = need.running
    return "," + _csv(
        (
            f"{running.model.manufacturer_code:04X}",
            f"{running.model.device_model:08X}",
            running.device_type,
            f"{running.firmware_version:08X}",
            running.image_hash.hex() if running.image_hash else "",
            " ".join(step.cpl_entry_id for step in need.steps),
            need.why or "",
        )
    )


def _csv(cells: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue()


_HEADINGS = (
    "Device ID",
    "Manufacturer Code",
    "Device Model",
    "Device Type",
    "Firmware Version",
    "Manufacturer Image Hash",
    "Steps",
    "Why there is no path",
)
