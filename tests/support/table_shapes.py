"""The tables of one owner in a database that others have tables in, too."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from hanboot.registry.storage.database import Database
from hanboot.registry.storage.migration import TableSchema


def shape(connection: sa.Connection, schema: TableSchema) -> dict[str, object]:
    """What SQLite says of the tables, in any order."""
    inspector = sa.inspect(connection)
    prefix = _prefix(schema)
    found: dict[str, object] = {}
    for table in inspector.get_table_names():
        if not _is_of(table, schema):
            continue
        columns = inspector.get_columns(table)
        found[table] = (
            [(c["name"], str(c["type"]), c["nullable"], c["primary_key"]) for c in columns],
            sorted(str(key) for key in inspector.get_foreign_keys(table)),
            sorted(str(each["column_names"]) for each in inspector.get_unique_constraints(table)),
            sorted(str(each["sqltext"]) for each in inspector.get_check_constraints(table)),
        )
    # what SQLite keeps as it was written: indexes by expressions, triggers
    query = (
        "SELECT name, sql FROM sqlite_master WHERE type IN ('index', 'trigger') "
        f"AND tbl_name LIKE '{prefix}%' AND sql IS NOT NULL"
    )
    for name, text in connection.execute(sa.text(query)):
        found[name] = re.sub(r"\s+", " ", text)
    return found


def at_step(path: Path, schema: TableSchema, step: str) -> dict[str, object]:
    """The shape of tables that the steps made, in a new database at `path`."""
    Database(str(path), create=True).close()
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        schema.upgrade(connection, step)
        return shape(connection, schema)


def by_models(schema: TableSchema, metadata: sa.MetaData) -> dict[str, object]:
    """The shape of tables that the models make."""
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        metadata.create_all(connection)
        return shape(connection, schema)


def as_it_was(path: Path, script: Path) -> str:
    """The URL of a new database at `path`, with tables as an SQL script has them."""
    Database(str(path), create=True).close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(script.read_text())
    return str(path)


def differences(connection: sa.Connection, schema: TableSchema, metadata: sa.MetaData) -> list[Any]:
    """What alembic would change to make the tables what the models say."""
    context = MigrationContext.configure(
        connection,
        opts={
            "compare_type": True,
            "include_name": lambda name, kind, parents: kind != "table" or _is_of(name, schema),
        },
    )
    return list(compare_metadata(context, metadata))


def _is_of(table: object, schema: TableSchema) -> bool:
    return str(table).startswith(_prefix(schema)) and table != schema.version_table


def _prefix(schema: TableSchema) -> str:
    """Tables of one owner begin alike."""
    return schema.version_table.split("_")[0] + "_"
