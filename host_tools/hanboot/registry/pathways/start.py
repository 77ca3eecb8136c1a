"""What a plan starts from, by whatever is known of it: CPL Entry ID, version or hash."""

from __future__ import annotations

import dataclasses
import re

import sqlalchemy as sa

from hanboot.errors import WrongUsage
from hanboot.registry.entry import Entry, Model, name
from hanboot.registry.fields import BadValue, parse_version
from hanboot.registry.pathways.state import DeviceState
from hanboot.registry.storage.entries import of_model, read_entries
from hanboot.registry.storage.schema import ENTRY
from hanboot.registry.storage.store import Registry

_HASH = re.compile(r"[0-9A-Fa-f]{64}")


def start_state(registry: Registry, start: str, model: Model | None = None) -> DeviceState:
    """The device that runs `start`.

    A version alone leaves the hash open: the plan is then one that is right for every firmware of
    that version.

    Raises:
        WrongUsage: nothing is listed under it, or it is listed for several models.
    """
    entry = registry.find([start]).get(start)
    if entry is not None and model in (None, entry.model):
        return _state(entry, entry.image_hash, name(entry))
    if _HASH.fullmatch(start):
        found = _listed(registry, ENTRY.c.image_hash == bytes.fromhex(start), model)
        digest: bytes | None = bytes.fromhex(start)
    else:
        found, digest = _of_version(registry, start, model), None
    models = sorted({entry.model for entry in found})
    if not models:
        raise WrongUsage(
            f"there is no entry {start}",
            f"the registry {registry.database.name} holds no entry with that ID, version or hash"
            + (f" of {model}" if model else ""),
            "hanboot registry show lists what it holds",
        )
    if len(models) > 1:
        raise WrongUsage(
            f"{start} is listed for several models",
            ", ".join(map(str, models[:10])) + (" and more" if len(models) > 10 else ""),
            "say which the device is: --model 'CODE MODEL'",
        )
    if len({entry.identity for entry in found}) == 1:
        # the only firmware of that version
        return _state(found[0], found[0].image_hash, name(found[0]))
    state = _state(found[0], digest, f"version {found[0].version_text}")
    return dataclasses.replace(state, security_counter=max(entry.counter for entry in found))


def _listed(
    registry: Registry, condition: sa.ColumnElement[bool], model: Model | None
) -> list[Entry]:
    with registry.database.reading() as connection:
        return list(read_entries(connection, sa.and_(condition, of_model(model, None))))


def _of_version(registry: Registry, text: str, model: Model | None) -> list[Entry]:
    try:
        version = parse_version(text)
    except BadValue:
        return []
    return _listed(registry, ENTRY.c.firmware_version == version, model)


def _state(entry: Entry, digest: bytes | None, text: str) -> DeviceState:
    return DeviceState(
        entry.model,
        entry.device_type,
        (entry.firmware_version, digest),
        entry.counter,
        text,
    )
