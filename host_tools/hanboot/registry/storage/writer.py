"""Changes to the entries and switches of a registry, each with its line in the history."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hanboot.errors import WrongUsage
from hanboot.registry.entry import Entry
from hanboot.registry.fields import BY_NAME, SSC_NAMES, STORED, Field
from hanboot.registry.storage import history, ssc
from hanboot.registry.storage.entries import find_entries, row_of
from hanboot.registry.storage.history import Attribution
from hanboot.registry.storage.schema import ENTRY, PREDECESSOR
from hanboot.registry.storage.settings import (
    NO_KEY,
    PERMITS_FROM,
    SETTINGS,
    read_setting,
    write_setting,
)
from hanboot.trust.keys import PublicKey


class Writer:
    """Changes the registry within one transaction, and records each change.

    Args:
        ssc_connection: where what is for the SSC lies, if not in the same database.
        may_have_ssc: whether it is known where that is.
    """

    def __init__(
        self,
        connection: Connection,
        attribution: Attribution,
        ssc_connection: Connection | None = None,
        may_have_ssc: bool = True,
    ) -> None:
        self.connection = connection
        self._ssc = ssc_connection or connection
        self._may_have_ssc = may_have_ssc
        self._recorder = history.Recorder(connection, attribution)
        self._ssc_recorder = (
            history.Recorder(ssc_connection, attribution) if ssc_connection else None
        )

    @property
    def changes(self) -> int:
        return self._recorder.changes

    @property
    def change_set(self) -> int:
        """Number of the change set that is being written."""
        return self._recorder.number

    def find(self, ids: Iterable[str]) -> dict[str, Entry]:
        """Entries by ID, with what is for the SSC."""
        found = find_entries(self.connection, ids)
        if not self._may_have_ssc:
            return found
        return {entry.cpl_entry_id: entry for entry in ssc.fill(self._ssc, list(found.values()))}

    def add(self, entries: Sequence[Entry]) -> None:
        """Adds entries whose IDs are new."""
        if not entries:
            return
        self._check_ssc(entries)
        self.connection.execute(sa.insert(ENTRY), [row_of(entry) for entry in entries])
        ssc.put(self._ssc, entries)
        self._name_predecessors(entries)
        for entry in entries:
            self.record(entry.cpl_entry_id, None, stated_texts(entry, _STORED_NAMES))

    def correct(self, before: Entry, after: Entry) -> None:
        """Puts `after` in the place of `before`, which has the same ID."""
        names = {column.name for column in changed_fields(before, after)}
        if not names:
            return
        if names & set(SSC_NAMES):
            self._check_ssc([after])
            ssc.replace(self._ssc, after)
        if names - set(SSC_NAMES):
            self.connection.execute(
                sa.update(ENTRY)
                .where(ENTRY.c.cpl_entry_id == before.cpl_entry_id)
                .values({k: v for k, v in row_of(after).items() if k != "cpl_entry_id"})
            )
        if "predecessors" in names:
            self.connection.execute(
                sa.delete(PREDECESSOR).where(PREDECESSOR.c.cpl_entry_id == before.cpl_entry_id)
            )
            self._name_predecessors([after])
        self.record(
            before.cpl_entry_id,
            {
                name: BY_NAME[name].text(getattr(before, name))
                for name in _STORED_NAMES
                if name in names
            },
            {
                name: BY_NAME[name].text(getattr(after, name))
                for name in _STORED_NAMES
                if name in names
            },
        )

    def set(self, name: str, value: str) -> None:
        """Turns a switch of `SETTINGS`."""
        if value not in SETTINGS[name]:
            raise WrongUsage(
                f"{name} cannot be {value}",
                "it is a switch",
                f"one of: {', '.join(SETTINGS[name])}",
            )
        self._write_setting(name, value)

    def set_permits_from(self, key: PublicKey | None) -> None:
        """States whose permits lift a ban of local updates; None: no one's."""
        self._write_setting(PERMITS_FROM, key.point.hex() if key else NO_KEY)

    def _write_setting(self, name: str, value: str) -> None:
        before = read_setting(self.connection, name)
        write_setting(self.connection, name, value)
        if before != value:
            self.record(f"setting {name}", {"value": before}, {"value": value})

    def record(
        self, subject: str, before: Mapping[str, str] | None, after: Mapping[str, str]
    ) -> None:
        """Adds to the history, what is for the SSC to the SSC's own where there is one."""
        if self._ssc_recorder is None:
            self._recorder.add(subject, before, after)
            return
        for recorder, is_wanted in (
            (self._recorder, _is_for_all),
            (self._ssc_recorder, _is_for_ssc),
        ):
            kept = _only(after, is_wanted)
            if kept:
                recorder.add(subject, None if before is None else _only(before, is_wanted), kept)

    def close(self) -> None:
        self._recorder.close()
        if self._ssc_recorder:
            self._ssc_recorder.close()

    def _check_ssc(self, entries: Sequence[Entry]) -> None:
        if not self._may_have_ssc and any(ssc.has_any(entry) for entry in entries):
            raise WrongUsage(
                "the SSC's data cannot be kept",
                "they lie in a database of their own, which was not named",
                "name it: --ssc-registry URL",
            )

    def _name_predecessors(self, entries: Sequence[Entry]) -> None:
        rows = [
            {"cpl_entry_id": entry.cpl_entry_id, "position": position, "predecessor_id": name}
            for entry in entries
            for position, name in enumerate(entry.predecessors or ())
        ]
        if rows:
            self.connection.execute(sa.insert(PREDECESSOR), rows)


_STORED_NAMES = tuple(column.name for column in STORED)


def _is_for_ssc(name: str) -> bool:
    return name in SSC_NAMES


def _is_for_all(name: str) -> bool:
    return name not in SSC_NAMES


def _only(texts: Mapping[str, str], is_wanted: Callable[[str], bool]) -> dict[str, str]:
    return {name: text for name, text in texts.items() if is_wanted(name)}


def stated_texts(entry: Entry, names: Iterable[str]) -> dict[str, str]:
    """The texts of the fields that are stated."""
    return {
        name: BY_NAME[name].text(value)
        for name in names
        if (value := getattr(entry, name)) is not None
    }


def changed_fields(before: Entry, after: Entry) -> list[Field]:
    """The fields in which two entries differ."""
    return [
        BY_NAME[name] for name in _STORED_NAMES if getattr(before, name) != getattr(after, name)
    ]
