"""Statements that no device ever ran an entry's firmware: kept, and voided by a device."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hanboot.registry.storage.entries import find_entries
from hanboot.registry.storage.history import Attribution, now
from hanboot.registry.storage.schema import ENTRY, NEVER_IN_FIELD
from hanboot.registry.storage.writer import Writer

_SUBJECT = "never-in-field"


def record(writer: Writer, cpl_entry_id: str, attribution: Attribution) -> None:
    """Keeps a statement, in the place of one that was void."""
    row = NEVER_IN_FIELD.c.cpl_entry_id == cpl_entry_id
    writer.connection.execute(sa.delete(NEVER_IN_FIELD).where(row))
    writer.connection.execute(
        sa.insert(NEVER_IN_FIELD).values(
            cpl_entry_id=cpl_entry_id,
            at=now(),
            author=attribution.author,
            reason=attribution.reason,
        )
    )
    writer.record(f"{_SUBJECT} {cpl_entry_id}", None, {"statement": "never in the field"})


def statements(connection: Connection) -> frozenset[str]:
    """CPL Entry IDs of the statements that hold."""
    query = sa.select(NEVER_IN_FIELD.c.cpl_entry_id).where(NEVER_IN_FIELD.c.voided_at.is_(None))
    return frozenset(connection.execute(query).scalars())


def void(
    connection: Connection,
    found: Iterable[tuple[str, int, int, int, bytes | None]],
) -> list[str]:
    """Ends the statements that devices contradict; recorded in the history.

    Args:
        found: device ID, manufacturer code, device model, version and hash of what runs.

    Returns:
        CPL Entry IDs of the statements that are void now.
    """
    stated = find_entries(connection, statements(connection))
    if not stated:
        return []
    voided = []
    for device, code, model, version, digest in found:
        for entry in list(stated.values()):
            is_same = entry.model == (code, model) and entry.firmware_version == version
            if is_same and digest in (None, entry.image_hash):
                _void(connection, entry.cpl_entry_id, device)
                voided.append(entry.cpl_entry_id)
                del stated[entry.cpl_entry_id]
    return voided


def _void(connection: Connection, cpl_entry_id: str, device: str) -> None:
    connection.execute(
        sa.update(NEVER_IN_FIELD)
        .where(NEVER_IN_FIELD.c.cpl_entry_id == cpl_entry_id)
        .values(voided_at=now(), voided_by=device)
    )
    writer = Writer(connection, Attribution("inventory", f"the device {device} reported it"))
    writer.record(
        f"{_SUBJECT} {cpl_entry_id}",
        {"statement": "never in the field"},
        {"statement": f"void: {device} reported it"},
    )
    writer.close()


def voided(connection: Connection) -> dict[str, str]:
    """Device that contradicted it, by the CPL Entry ID of a statement that is void."""
    query = (
        sa.select(NEVER_IN_FIELD.c.cpl_entry_id, NEVER_IN_FIELD.c.voided_by)
        .join(ENTRY, ENTRY.c.cpl_entry_id == NEVER_IN_FIELD.c.cpl_entry_id)
        .where(NEVER_IN_FIELD.c.voided_at.is_not(None))
    )
    return {name: device for name, device in connection.execute(query)}
