"""The registry: its entries, read and changed."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hanboot.errors import WrongUsage
from hanboot.registry import DEFAULT_URL
from hanboot.registry.entry import Entry, Model
from hanboot.registry.fields import BY_NAME, SSC_NAMES, STORED, Field
from hanboot.registry.storage import history, ssc
from hanboot.registry.storage.database import Database
from hanboot.registry.storage.entries import find_entries, of_model, read_entries, row_of
from hanboot.registry.storage.history import Attribution
from hanboot.registry.storage.schema import ENTRY, PREDECESSOR
from hanboot.registry.storage.settings import SETTINGS, read_setting, write_setting


class Registry:
    """A registry in a database.

    Args:
        database: the database, or its URL (or path).
        ssc_database: where what is for the SSC lies, if not in `database`.
    """

    def __init__(
        self, database: Database | str = DEFAULT_URL, ssc_database: Database | None = None
    ) -> None:
        self.database = Database(database) if isinstance(database, str) else database
        self._ssc = ssc_database

    def __enter__(self) -> Registry:
        return self

    def __exit__(self, *_: object) -> None:
        self.database.close()
        if self._ssc:
            self._ssc.close()

    # --- questions

    def entries(self, model: Model | None = None, manufacturer: int | None = None) -> list[Entry]:
        """Entries by model, version and ID; all, of one model, or of one manufacturer."""
        with self.database.reading() as connection:
            return list(read_entries(connection, of_model(model, manufacturer)))

    def by_model(
        self, model: Model | None = None, manufacturer: int | None = None
    ) -> Iterator[tuple[list[Entry], dict[str, Entry]]]:
        """Model by model, its entries and the entries of other models that they name."""
        with self.database.reading() as connection:
            yield from _by_model(connection, of_model(model, manufacturer))

    def of_models(self, models: Sequence[Model]) -> Iterator[tuple[list[Entry], dict[str, Entry]]]:
        """The same of some models, which are in order."""
        with self.database.reading() as connection:
            for start in range(0, len(models), _MODELS_AT_ONCE):
                piece = models[start : start + _MODELS_AT_ONCE]
                yield from _by_model(connection, sa.or_(*(of_model(m, None) for m in piece)))

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

    # --- what is for the SSC

    def for_ssc(self, entries: Sequence[Entry]) -> list[Entry]:
        """The entries with what is for the SSC alone.

        Raises:
            WrongUsage: it lies in another database, which was not named.
        """
        with self.ssc_database().reading() as connection:
            return ssc.fill(connection, entries)

    def ssc_database(self) -> Database:
        """Where what is for the SSC lies.

        Raises:
            WrongUsage: the database named is not the one, or none was named.
        """
        is_apart = self.setting("ssc_data") == "apart"
        if is_apart and self._ssc is None:
            raise WrongUsage(
                "the SSC's data are not in this registry",
                "they lie in a database of their own",
                "name it: --ssc-registry URL",
            )
        if self._ssc is not None and not is_apart:
            raise WrongUsage(
                f"{self._ssc.name} is not where the SSC's data lie",
                f"they lie in the registry {self.database.name} itself",
                "move them first: hanboot registry settings --ssc-data apart --ssc-registry URL",
            )
        return self._ssc or self.database

    def move_ssc_data(self, attribution: Attribution) -> int:
        """Moves what is for the SSC to the database that was given for it; returns how many rows.

        What the history says of it from before stays, in the history of this registry.
        """
        if self._ssc is None:
            raise WrongUsage(
                "the SSC's data were not moved",
                "the database for them was not named",
                "name it: --ssc-registry URL",
            )
        with (
            self.database.writing() as connection,
            self._ssc.writing() as apart,
        ):
            here = Writer(connection, attribution)
            there = history.Recorder(apart, attribution)
            count = 0
            for batch in _batches(read_entries(connection, sa.true())):
                stated = [entry for entry in ssc.fill(connection, batch) if ssc.has_any(entry)]
                ssc.put(apart, stated)
                for entry in stated:
                    texts = _texts(entry, SSC_NAMES)
                    there.add(entry.cpl_entry_id, None, texts)
                    here.record(entry.cpl_entry_id, texts, dict.fromkeys(texts, ""))
                count += len(stated)
            ssc.clear(connection)
            here.set("ssc_data", "apart")
            here.close()
            there.close()
        return count

    # --- changes

    @contextlib.contextmanager
    def changing(self, attribution: Attribution) -> Iterator[Writer]:
        """All that is changed in the body is one change set, kept together or not at all.

        Where the SSC's data lie apart, theirs is a change set of its own, kept first.
        """
        with contextlib.ExitStack() as stack:
            connection = stack.enter_context(self.database.writing())
            apart = None
            is_apart = read_setting(connection, "ssc_data") == "apart"
            if is_apart and self._ssc:
                apart = stack.enter_context(self._ssc.writing())
            elif self._ssc:
                self.ssc_database()
            writer = Writer(
                connection, attribution, apart, may_have_ssc=bool(apart or not is_apart)
            )
            yield writer
            writer.close()


_MODELS_AT_ONCE = 100


def _by_model(
    connection: Connection, where: sa.ColumnElement[bool]
) -> Iterator[tuple[list[Entry], dict[str, Entry]]]:
    entries = read_entries(connection, where)
    for _, group in itertools.groupby(entries, lambda entry: entry.model):
        own = list(group)
        ids = {entry.cpl_entry_id for entry in own}
        named = {name for entry in own for name in entry.predecessors or ()} - ids
        yield own, find_entries(connection, sorted(named)) if named else {}


def _batches(entries: Iterable[Entry], size: int = 1000) -> Iterator[list[Entry]]:
    iterator = iter(entries)
    while batch := list(itertools.islice(iterator, size)):
        yield batch


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
            self.record(entry.cpl_entry_id, None, _texts(entry, _STORED_NAMES))

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


def _texts(entry: Entry, names: Iterable[str]) -> dict[str, str]:
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
