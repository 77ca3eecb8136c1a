"""The registry: its entries, read and changed."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hanboot.errors import WrongUsage
from hanboot.registry import DEFAULT_URL
from hanboot.registry.entry import Entry, Model
from hanboot.registry.fields import SSC_NAMES
from hanboot.registry.storage import history, ssc
from hanboot.registry.storage.database import Database
from hanboot.registry.storage.entries import (
    entries_of,
    find_entries,
    of_model,
    read_entries,
)
from hanboot.registry.storage.history import Attribution
from hanboot.registry.storage.schema import ENTRY
from hanboot.registry.storage.settings import NO_KEY, PERMITS_FROM, read_setting
from hanboot.registry.storage.writer import Writer, stated_texts
from hanboot.trust.keys import PublicKey


class RollBack(Exception):
    """Raised in the body of `Registry.changing`, and suppressed around it: nothing is kept."""


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

    def of_one_model(self, model: Model) -> tuple[list[Entry], dict[str, Entry]]:
        """The same of one model; empty where the registry does not list it."""
        with self.database.reading() as connection:
            own = entries_of(connection, model)
            return own, _named_elsewhere(connection, own)

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

    def permits_from(self) -> PublicKey | None:
        """Whose permits lift a ban of local updates for what they name; None: no one's."""
        text = self.setting(PERMITS_FROM)
        return None if text == NO_KEY else PublicKey(bytes.fromhex(text))

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
                    texts = stated_texts(entry, SSC_NAMES)
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
        yield own, _named_elsewhere(connection, own)


def _named_elsewhere(connection: Connection, own: Sequence[Entry]) -> dict[str, Entry]:
    """What entries of one model name of others."""
    ids = {entry.cpl_entry_id for entry in own}
    named = {name for entry in own for name in entry.predecessors or ()} - ids
    return find_entries(connection, sorted(named)) if named else {}


def _batches(entries: Iterable[Entry], size: int = 1000) -> Iterator[list[Entry]]:
    iterator = iter(entries)
    while batch := list(itertools.islice(iterator, size)):
        yield batch
