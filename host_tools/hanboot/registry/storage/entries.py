"""Entries as they lie in the tables: read page by page, found by ID, made rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from hanboot.registry.entry import Entry, Model
from hanboot.registry.fields import SSC_NAMES
from hanboot.registry.storage.column_types import Hex, Octets
from hanboot.registry.storage.schema import ENTRY, PREDECESSOR

#: IDs in one question; SQLite takes 32,766 parameters, others fewer.
IDS_AT_ONCE = 500


def _type_of(name: str) -> sa.types.TypeEngine[Any] | None:
    return ENTRY.c[name].type if name in ENTRY.c else None


# in the order of the fields of Entry, the last of which are kept apart: see `ssc`
_FIELDS = tuple(field.name for field in dataclasses.fields(Entry) if field.name not in SSC_NAMES)
_PREDECESSORS_AT = _FIELDS.index("predecessors")
_HEX_AT = [at for at, name in enumerate(_FIELDS) if isinstance(_type_of(name), Hex)]
_HASH_AT = _FIELDS.index("image_hash")
# digits come as text: a registry is read as a whole, and converting here is twice as quick
_COLUMNS = tuple(
    sa.type_coerce(ENTRY.c[name], sa.String())
    if isinstance(_type_of(name), (Hex, Octets))
    # whether predecessors are stated stands in their place
    else ENTRY.c["predecessors_stated" if name == "predecessors" else name]
    for name in _FIELDS
)
_ORDER = (
    ENTRY.c.manufacturer_code,
    ENTRY.c.device_model,
    ENTRY.c.firmware_version,
    ENTRY.c.cpl_entry_id,
)
_ROWS_AT_ONCE = 2000

# made once: putting them together takes longer than the database needs for the answer
_ENTRIES = sa.select(*_COLUMNS)
_IN_ORDER = _ENTRIES.order_by(*_ORDER).limit(_ROWS_AT_ONCE)
_OF_MODEL = _ENTRIES.where(
    ENTRY.c.manufacturer_code == sa.bindparam("manufacturer_code"),
    ENTRY.c.device_model == sa.bindparam("device_model"),
).order_by(*_ORDER)
_BY_ID = _ENTRIES.where(ENTRY.c.cpl_entry_id.in_(sa.bindparam("ids", expanding=True)))
_NAMED_BY = (
    sa.select(PREDECESSOR.c.cpl_entry_id, PREDECESSOR.c.predecessor_id)
    .where(PREDECESSOR.c.cpl_entry_id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(PREDECESSOR.c.cpl_entry_id, PREDECESSOR.c.position)
)


def row_of(entry: Entry) -> dict[str, Any]:
    row = {name: getattr(entry, name) for name in _FIELDS}
    row["predecessors_stated"] = row.pop("predecessors") is not None
    return row


def of_model(model: Model | None, manufacturer: int | None) -> sa.ColumnElement[bool]:
    if model is not None:
        return sa.and_(
            ENTRY.c.manufacturer_code == model.manufacturer_code,
            ENTRY.c.device_model == model.device_model,
        )
    if manufacturer is not None:
        return ENTRY.c.manufacturer_code == manufacturer
    return sa.true()


def read_entries(connection: Connection, where: sa.ColumnElement[bool]) -> Iterator[Entry]:
    """Entries in order of model, version and ID, some thousand in memory at a time."""
    # page by page, each from where the one before ended: not every driver can ask a second
    # question, as for the predecessors, while it still delivers the answer to the first
    first = query = _IN_ORDER.where(where)
    while True:
        entries = list(_with_predecessors(connection, connection.execute(query).all()))
        yield from entries
        if len(entries) < _ROWS_AT_ONCE:
            return
        last = entries[-1]
        values = (*last.model, last.firmware_version, last.cpl_entry_id)
        query = first.where(sa.tuple_(*_ORDER) > values)


def entries_of(connection: Connection, model: Model) -> list[Entry]:
    """All entries of one model, in the same order."""
    rows = connection.execute(_OF_MODEL, model._asdict()).all()
    return list(_with_predecessors(connection, rows))


def find_entries(connection: Connection, ids: Iterable[str]) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    wanted = list(ids)
    for start in range(0, len(wanted), IDS_AT_ONCE):
        rows = connection.execute(_BY_ID, {"ids": wanted[start : start + IDS_AT_ONCE]}).all()
        for entry in _with_predecessors(connection, rows):
            found[entry.cpl_entry_id] = entry
    return found


def _with_predecessors(connection: Connection, rows: Sequence[Row[Any]]) -> Iterator[Entry]:
    named: dict[str, list[str]] = {}
    ids = [row[0] for row in rows]
    for start in range(0, len(ids), IDS_AT_ONCE):
        piece = {"ids": ids[start : start + IDS_AT_ONCE]}
        for entry_id, name in connection.execute(_NAMED_BY, piece):
            named.setdefault(entry_id, []).append(name)
    at = _PREDECESSORS_AT
    for row in rows:
        values: list[Any] = list(row)
        for digits in _HEX_AT:
            if values[digits] is not None:
                values[digits] = int(values[digits], 16)
        values[_HASH_AT] = bytes.fromhex(values[_HASH_AT])
        values[at] = tuple(named.get(row[0], ())) if row[at] else None
        yield Entry(*values)
