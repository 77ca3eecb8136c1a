"""The history replayed against the entries: whatever was changed past it is found.

Digests show that the history itself was not rewritten. Whether the tables still say what it ends
with is another question: a row that was edited, added or removed directly left no change set.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hanboot.errors import CheckFailed
from hanboot.registry.entry import Entry
from hanboot.registry.fields import BY_NAME, SSC_NAMES, STORED
from hanboot.registry.storage import ssc
from hanboot.registry.storage.entries import IDS_AT_ONCE, find_entries
from hanboot.registry.storage.history import verify_digests
from hanboot.registry.storage.schema import (
    CHANGE,
    ENTRY,
    NEVER_IN_FIELD,
    PREDECESSOR,
    SETTING,
    SSC,
)

_SETTING, _STATEMENT = "setting ", "never-in-field "


@dataclass(frozen=True)
class DirectEdit:
    """Something that the tables say and the history does not, or the other way round."""

    subject: str
    text: str


def verify(connection: Connection, has_entries: bool = True) -> int:
    """Checks the digests, then replays the history against what is stored.

    Args:
        has_entries: False of a database that holds the SSC's data alone.

    Returns:
        how many change sets there are.

    Raises:
        CheckFailed: history or entries were changed past the history.
    """
    count = verify_digests(connection)
    found = list(itertools.islice(direct_edits(connection, has_entries), _SHOWN + 1))
    if found:
        texts = "; ".join(f"{edit.subject}: {edit.text}" for edit in found[:_SHOWN])
        raise CheckFailed(
            "the registry was changed past its history",
            texts + ("; and more" if len(found) > _SHOWN else ""),
            "restore it from a copy; or enter as a correction what is right: "
            "hanboot registry correct",
        )
    return count


_SHOWN = 10


def direct_edits(connection: Connection, has_entries: bool = True) -> Iterator[DirectEdit]:
    """Every difference between the history's end and the tables."""
    columns = [column.name for column in STORED if has_entries or column.name in SSC_NAMES]
    subjects = _replayed(connection)
    while batch := list(itertools.islice(subjects, IDS_AT_ONCE)):
        yield from _differing(connection, dict(batch), columns, has_entries)
    yield from _orphans(connection, has_entries)


def _replayed(connection: Connection) -> Iterator[tuple[str, dict[str, str]]]:
    """What the history ends with, subject by subject."""
    query = sa.select(CHANGE.c.subject, CHANGE.c.after).order_by(
        CHANGE.c.subject, CHANGE.c.change_set, CHANGE.c.position
    )
    rows = connection.execute(query.execution_options(yield_per=1000))
    for subject, changes in itertools.groupby(rows, lambda row: row.subject):
        state: dict[str, str] = {}
        for change in changes:
            state |= json.loads(change.after)
        yield subject, state


def _differing(
    connection: Connection,
    states: dict[str, dict[str, str]],
    columns: Iterable[str],
    has_entries: bool,
) -> Iterator[DirectEdit]:
    # no CPL Entry ID has a space; other subjects have one after their first word
    ids = [subject for subject in states if " " not in subject]
    found = _entries(connection, ids, has_entries)
    for subject in ids:
        entry, state = found.get(subject), states[subject]
        if entry is None:
            # what is for the SSC may have been taken back, field by field
            if has_entries or any(state.values()):
                yield DirectEdit(subject, "it is not there, the history does not remove it")
            continue
        for name in columns:
            now, then = BY_NAME[name].text(getattr(entry, name)), state.get(name, "")
            if now != then:
                yield DirectEdit(subject, f"{name} is {now!r}, the history says {then!r}")
    yield from _settings(connection, states)
    yield from _statements(connection, states)


def _entries(connection: Connection, ids: list[str], has_entries: bool) -> dict[str, Entry]:
    if has_entries:
        found = ssc.fill(connection, list(find_entries(connection, ids).values()))
    else:
        found = ssc.alone(connection, ids)
    return {entry.cpl_entry_id: entry for entry in found}


def _settings(connection: Connection, states: dict[str, dict[str, str]]) -> Iterator[DirectEdit]:
    for subject, state in states.items():
        if not subject.startswith(_SETTING):
            continue
        query = sa.select(SETTING.c.value).where(SETTING.c.name == subject.removeprefix(_SETTING))
        now = connection.execute(query).scalar()
        if now != state["value"]:
            yield DirectEdit(subject, f"it is {now}, the history says {state['value']}")


def _statements(connection: Connection, states: dict[str, dict[str, str]]) -> Iterator[DirectEdit]:
    for subject, state in states.items():
        if not subject.startswith(_STATEMENT):
            continue
        query = sa.select(NEVER_IN_FIELD.c.voided_by).where(
            NEVER_IN_FIELD.c.cpl_entry_id == subject.removeprefix(_STATEMENT)
        )
        found = connection.execute(query).first()
        is_void = state["statement"].startswith("void")
        if found is None or bool(found.voided_by) != is_void:
            yield DirectEdit(subject, f"it was removed or changed, the history says: {state}")


def _orphans(connection: Connection, has_entries: bool) -> Iterator[DirectEdit]:
    """What is stored without a word in the history, or without its entry."""
    recorded = sa.select(CHANGE.c.subject)
    tables = [(SSC, SSC.c.cpl_entry_id, "")]
    if has_entries:
        tables.append((ENTRY, ENTRY.c.cpl_entry_id, ""))
        tables.append((NEVER_IN_FIELD, NEVER_IN_FIELD.c.cpl_entry_id, _STATEMENT))
        tables.append((SETTING, SETTING.c.name, _SETTING))
    for table, column, prefix in tables:
        query = sa.select(column).where(~(sa.literal(prefix) + column).in_(recorded))
        for (name,) in connection.execute(query):
            yield DirectEdit(
                f"{prefix}{name}", f"it is in the table {table.name}, not in the history"
            )
    if not has_entries:
        return
    for table in (PREDECESSOR, SSC):
        query = (
            sa.select(table.c.cpl_entry_id)
            .distinct()
            .where(table.c.cpl_entry_id.not_in(sa.select(ENTRY.c.cpl_entry_id)))
        )
        for (name,) in connection.execute(query):
            yield DirectEdit(name, f"the table {table.name} has a row of it, but there is no entry")
