"""Which models need a full check: nearly all of a CPL are in order, and that shows cheaply.

A model is left out only where nothing can be found. All its entries are Active, each names by ID
others of the same model, nothing in them can have the device refuse a step that the list allows
(no minimum base version, no security counter), no version is there twice, and over the lists alone
every entry reaches the newest. Whatever differs in any way gets the full check, which asks the
device's own decision. A test draws registries and compares the findings with and without this.
"""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Collection, Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hanboot.registry.entry import Model
from hanboot.registry.storage.schema import ENTRY, PREDECESSOR

_ROWS_AT_ONCE = 10_000


def models_to_check(
    connection: Connection,
    where: sa.ColumnElement[bool],
    day: datetime.date,
    doubtful: Collection[str] = (),
) -> Iterator[Model]:
    """The models, in order, of which something may be found.

    Args:
        where: which entries are asked about, whole models of them.
        day: on which a status counts.
        doubtful: CPL Entry IDs of which something is known already: their models are checked.
    """
    named = _predecessors(connection)
    rows = _rows(connection, where, day)
    for (code, model), group in itertools.groupby(rows, lambda row: (row[1], row[2])):
        if not _is_in_order(list(group), named, doubtful):
            yield Model(int(code, 16), int(model, 16))


def _predecessors(connection: Connection) -> dict[str, list[str]]:
    named: dict[str, list[str]] = {}
    query = sa.select(PREDECESSOR.c.cpl_entry_id, PREDECESSOR.c.predecessor_id)
    result = connection.execute(query.execution_options(yield_per=_ROWS_AT_ONCE))
    for rows in result.partitions():
        for entry_id, name in rows:
            if entry_id in named:
                named[entry_id].append(name)
            else:
                named[entry_id] = [name]
    return named


def _rows(
    connection: Connection, where: sa.ColumnElement[bool], day: datetime.date
) -> Iterator[Any]:
    """(ID, manufacturer code, device model, version, device type, whether it is conspicuous)."""
    entry = ENTRY.c
    conspicuous = sa.or_(
        entry.status != "Active",
        sa.func.coalesce(entry.listed_on, day) > day,
        sa.func.coalesce(entry.expires_on, day) < day,
        sa.not_(entry.predecessors_stated),
        sa.func.coalesce(_text(entry.minimum_base_version), _ZERO) != _ZERO,
        sa.func.coalesce(_text(entry.security_counter), _ZERO) != _ZERO,
        sa.func.coalesce(entry.point_of_no_return, sa.false()),
        sa.and_(entry.join_option.is_(None), entry.device_type != "IHD"),
    )
    query: Any = (
        sa.select(
            entry.cpl_entry_id,
            _text(entry.manufacturer_code),
            _text(entry.device_model),
            _text(entry.firmware_version),
            entry.device_type,
            conspicuous,
        )
        .where(where)
        .order_by(entry.manufacturer_code, entry.device_model, entry.firmware_version)
    )
    result = connection.execute(query.execution_options(yield_per=_ROWS_AT_ONCE))
    for rows in result.partitions():
        yield from rows


_ZERO = sa.literal("00000000")


def _text(column: sa.ColumnElement[Any]) -> sa.ColumnElement[str]:
    return sa.type_coerce(column, sa.String())


def _is_in_order(rows: list[Any], named: dict[str, list[str]], doubtful: Collection[str]) -> bool:
    """Whether nothing can be found of a model; `rows` from its oldest version to its newest."""
    device_type = rows[0][4]
    version = None
    for row in rows:
        if row[5] or row[4] != device_type or row[3] == version:
            return False
        version = row[3]
    reached = {rows[-1][0]}
    for row in reversed(rows):
        name = row[0]
        if name in doubtful or name not in reached:
            return False
        if predecessors := named.get(name):
            if name in predecessors:
                return False
            reached.update(predecessors)
    # what is named must be of the model
    return len(reached) == len(rows)
