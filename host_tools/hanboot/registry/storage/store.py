"""The registry: its entries, read and changed."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from hanboot.errors import WrongUsage
from hanboot.registry import DEFAULT_URL
from hanboot.registry.entry import Entry, Model
from hanboot.registry.fields import BY_NAME, STORED, Field
from hanboot.registry.storage import history
from hanboot.registry.storage.database import Database
from hanboot.registry.storage.history import Attribution
from hanboot.registry.storage.schema import ENTRY, PREDECESSOR, SETTING, Hex, Octets

#: IDs in one question; SQLite takes 32,766 parameters, others fewer.
IDS_AT_ONCE = 500

#: Names and values of the switches, the first being the default.
SETTINGS = {"local_updates": ("banned", "allowed")}


class Registry:
    """A registry in a database.

    Args:
        database: the database, or its URL (or path).
    """

    def __init__(self, database: Database | str = DEFAULT_URL) -> None:
        self.database = Database(database) if isinstance(database, str) else database

    def __enter__(self) -> Registry:
        return self

    def __exit__(self, *_: object) -> None:
        self.database.close()

    # --- questions

    def entries(self, model: Model | None = None, manufacturer: int | None = None) -> list[Entry]:
        """Entries by model, version and ID; all, of one model, or of one manufacturer."""
        with self.database.reading() as connection:
            return list(read_entries(connection, _where(model, manufacturer)))

    def by_model(
        self, model: Model | None = None, manufacturer: int | None = None
    ) -> Iterator[tuple[list[Entry], dict[str, Entry]]]:
        """Model by model, its entries and the entries of other models that they name."""
        with self.database.reading() as connection:
            entries = read_entries(connection, _where(model, manufacturer))
            for _, group in itertools.groupby(entries, lambda entry: entry.model):
                own = list(group)
                ids = {entry.cpl_entry_id for entry in own}
                named = {name for entry in own for name in entry.predecessors or ()} - ids
                yield own, find_entries(connection, sorted(named)) if named else {}

    def find(self, ids: Iterable[str]) -> dict[str, Entry]:
        """Those of the entries with these CPL Entry IDs that there are."""
        with self.database.reading() as connection:
            return find_entries(connection, ids)

    def entry(self, cpl_entry_id: str) -> Entry:
        """One entry.

        Raises:
            WrongUsage: there is none.
        """
        found = self.find([cpl_entry_id]).get(cpl_entry_id)
        if found is None:
            raise WrongUsage(
                f"there is no entry {cpl_entry_id}",
                f"the registry {self.database.name} does not hold it",
                "hanboot registry show lists what it holds",
            )
        return found

    def by_hash(self, image_hash: bytes) -> list[Entry]:
        """All entries with a Manufacturer Image Hash: one image can be listed for many models."""
        with self.database.reading() as connection:
            return list(read_entries(connection, ENTRY.c.image_hash == image_hash))

    def models(self) -> list[Model]:
        """All models, in order."""
        with self.database.reading() as connection:
            query = (
                sa.select(ENTRY.c.manufacturer_code, ENTRY.c.device_model)
                .distinct()
                .order_by(ENTRY.c.manufacturer_code, ENTRY.c.device_model)
            )
            return [Model(*row) for row in connection.execute(query)]

    def setting(self, name: str) -> str:
        with self.database.reading() as connection:
            return read_setting(connection, name)

    # --- changes

    @contextlib.contextmanager
    def changing(self, attribution: Attribution) -> Iterator[Writer]:
        """All that is changed in the body is one change set, kept together or not at all."""
        with self.database.writing() as connection:
            writer = Writer(connection, attribution)
            yield writer
            writer.close()


class Writer:
    """Changes the registry within one transaction, and records each change."""

    def __init__(self, connection: Connection, attribution: Attribution) -> None:
        self.connection = connection
        self._recorder = history.Recorder(connection, attribution)

    @property
    def changes(self) -> int:
        return self._recorder.changes

    def add(self, entries: Sequence[Entry]) -> None:
        """Adds entries whose IDs are new."""
        if not entries:
            return
        self.connection.execute(sa.insert(ENTRY), [_row(entry) for entry in entries])
        self._name_predecessors(entries)
        for entry in entries:
            texts = {
                column.name: column.text(value)
                for column in STORED
                if (value := getattr(entry, column.name)) is not None
            }
            self._recorder.add(entry.cpl_entry_id, None, texts)

    def correct(self, before: Entry, after: Entry) -> None:
        """Puts `after` in the place of `before`, which has the same ID."""
        columns = changed_fields(before, after)
        if not columns:
            return
        names = {column.name for column in columns}
        self.connection.execute(
            sa.update(ENTRY)
            .where(ENTRY.c.cpl_entry_id == before.cpl_entry_id)
            .values({k: v for k, v in _row(after).items() if k != "cpl_entry_id"})
        )
        if "predecessors" in names:
            self.connection.execute(
                sa.delete(PREDECESSOR).where(PREDECESSOR.c.cpl_entry_id == before.cpl_entry_id)
            )
            self._name_predecessors([after])
        self._recorder.add(
            before.cpl_entry_id,
            {column.name: column.text(getattr(before, column.name)) for column in columns},
            {column.name: column.text(getattr(after, column.name)) for column in columns},
        )

    def set(self, name: str, value: str) -> None:
        """Turns a switch of `SETTINGS`."""
        if value not in SETTINGS[name]:
            raise WrongUsage(
                f"{name} cannot be {value}",
                "it is a switch",
                f"one of: {', '.join(SETTINGS[name])}",
            )
        before = read_setting(self.connection, name)
        self.connection.execute(sa.delete(SETTING).where(SETTING.c.name == name))
        self.connection.execute(sa.insert(SETTING).values(name=name, value=value))
        if before != value:
            self._recorder.add(f"setting {name}", {"value": before}, {"value": value})

    def close(self) -> None:
        self._recorder.close()

    def _name_predecessors(self, entries: Sequence[Entry]) -> None:
        rows = [
            {"cpl_entry_id": entry.cpl_entry_id, "position": position, "predecessor_id": name}
            for entry in entries
            for position, name in enumerate(entry.predecessors or ())
        ]
        if rows:
            self.connection.execute(sa.insert(PREDECESSOR), rows)


def changed_fields(before: Entry, after: Entry) -> list[Field]:
    """The fields in which two entries differ."""
    return [
        BY_NAME[column.name]
        for column in STORED
        if getattr(before, column.name) != getattr(after, column.name)
    ]


# --- rows


def _type_of(name: str) -> sa.types.TypeEngine[Any] | None:
    return ENTRY.c[name].type if name in ENTRY.c else None


# in the order of the fields of Entry
_FIELDS = tuple(field.name for field in dataclasses.fields(Entry))
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


def _row(entry: Entry) -> dict[str, Any]:
    row = {name: getattr(entry, name) for name in _FIELDS}
    row["predecessors_stated"] = row.pop("predecessors") is not None
    return row


def _where(model: Model | None, manufacturer: int | None) -> sa.ColumnElement[bool]:
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
    query = sa.select(*_COLUMNS).where(where).order_by(*_ORDER).limit(_ROWS_AT_ONCE)
    after: sa.ColumnElement[bool] = sa.true()
    while True:
        entries = list(_with_predecessors(connection, connection.execute(query.where(after)).all()))
        yield from entries
        if len(entries) < _ROWS_AT_ONCE:
            return
        last = entries[-1]
        values = (*last.model, last.firmware_version, last.cpl_entry_id)
        after = sa.tuple_(*_ORDER) > values


def find_entries(connection: Connection, ids: Iterable[str]) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    wanted = list(ids)
    for start in range(0, len(wanted), IDS_AT_ONCE):
        piece = wanted[start : start + IDS_AT_ONCE]
        query = sa.select(*_COLUMNS).where(ENTRY.c.cpl_entry_id.in_(piece))
        for entry in _with_predecessors(connection, connection.execute(query).all()):
            found[entry.cpl_entry_id] = entry
    return found


def _with_predecessors(connection: Connection, rows: Sequence[Row[Any]]) -> Iterator[Entry]:
    named: dict[str, list[str]] = {}
    ids = [row[0] for row in rows]
    for start in range(0, len(ids), IDS_AT_ONCE):
        query = (
            sa.select(PREDECESSOR.c.cpl_entry_id, PREDECESSOR.c.predecessor_id)
            .where(PREDECESSOR.c.cpl_entry_id.in_(ids[start : start + IDS_AT_ONCE]))
            .order_by(PREDECESSOR.c.cpl_entry_id, PREDECESSOR.c.position)
        )
        for entry_id, name in connection.execute(query):
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


def read_setting(connection: Connection, name: str) -> str:
    value = connection.execute(sa.select(SETTING.c.value).where(SETTING.c.name == name)).scalar()
    return str(value) if value is not None else SETTINGS[name][0]


def settings(connection: Connection) -> Mapping[str, str]:
    return {name: read_setting(connection, name) for name in SETTINGS}
