"""What MP231 keeps for the Security Sub-Committee, apart from what SEC parties see.

ZigBee chipset vendor, stack version and stack certificate lie in a table of their own: in the
registry's database, or in another one that only the SSC can open.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hanboot.registry.entry import Entry
from hanboot.registry.fields import SSC_NAMES
from hanboot.registry.storage.entries import IDS_AT_ONCE
from hanboot.registry.storage.schema import SSC


def has_any(entry: Entry) -> bool:
    """Whether an entry states any of it."""
    return any(getattr(entry, name) is not None for name in SSC_NAMES)


def fill(connection: Connection, entries: Sequence[Entry]) -> list[Entry]:
    """The entries with what is for the SSC."""
    kept: dict[str, dict[str, str | None]] = {}
    ids = [entry.cpl_entry_id for entry in entries]
    for start in range(0, len(ids), IDS_AT_ONCE):
        query = sa.select(SSC).where(SSC.c.cpl_entry_id.in_(ids[start : start + IDS_AT_ONCE]))
        for row in connection.execute(query).mappings():
            kept[row["cpl_entry_id"]] = {name: row[name] for name in SSC_NAMES}
    return [
        dataclasses.replace(entry, **kept[entry.cpl_entry_id])  # type: ignore[arg-type]
        if entry.cpl_entry_id in kept
        else entry
        for entry in entries
    ]


def alone(connection: Connection, ids: Sequence[str]) -> list[Entry]:
    """Entries of which nothing is known but what is for the SSC: from a database of its own."""
    return [entry for entry in fill(connection, [_unknown(name) for name in ids]) if has_any(entry)]


def _unknown(cpl_entry_id: str) -> Entry:
    return Entry(cpl_entry_id, "IHD", 0, 0, 0, "", b"", "Active")


def put(connection: Connection, entries: Iterable[Entry]) -> None:
    """Keeps what new entries state of it."""
    stated = [entry for entry in entries if has_any(entry)]
    if stated:
        connection.execute(sa.insert(SSC), [_row(entry) for entry in stated])


def replace(connection: Connection, entry: Entry) -> None:
    connection.execute(sa.delete(SSC).where(SSC.c.cpl_entry_id == entry.cpl_entry_id))
    put(connection, [entry])


def clear(connection: Connection) -> None:
    connection.execute(sa.delete(SSC))


def _row(entry: Entry) -> dict[str, str | None]:
    return {name: getattr(entry, name) for name in ("cpl_entry_id", *SSC_NAMES)}
