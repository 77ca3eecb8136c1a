"""A database by its URL: opened, and brought to this version's schema."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine, RootTransaction, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from hanboot.errors import BadFile, HanbootError, WrongUsage
from hanboot.registry import DEFAULT_URL
from hanboot.registry.storage.database_errors import (
    explain,
    first_line,
    may_be_kept,
    not_known_whether,
)
from hanboot.registry.storage.migration import TableSchema
from hanboot.registry.storage.schema import REVISION

#: How long a writer waits for others: several are usual, and an import of a whole CPL takes its
#: time. On a busy machine, the longest wait of four that wrote without a pause was 3 s.
LOCK_WAIT_S = 60.0

#: How often a writer looks whether an SQLite file is free; at random, so that no two keep step.
#: SQLite's own waits grow to 100 ms, and of several busy writers one hardly ever meets the moment
#: between two transactions.
_LOOK_S = (0.001, 0.005)

#: Of the advisory lock that a writer on PostgreSQL holds: "hanb" and "regi", as ASCII.
_WRITER_LOCK = 0x68616E62_72656769

_WRITING = "hanboot_writing"

#: The registry's own tables.
REGISTRY = TableSchema(
    owner="",
    steps="hanboot.registry.storage:migrations",
    version_table="alembic_version",
    newest=REVISION,
    command="hanboot registry migrate",
)


class Database:
    """A database at this version's schema.

    Args:
        url: an SQLAlchemy URL, or the path of an SQLite file.
        create: whether one that is not there yet is made.
        upgrade: whether one at an older schema takes the missing steps.

    Raises:
        BadFile: it is not there, not ours, locked, or at another schema.
        WrongUsage: the URL is none.
    """

    def __init__(self, url: str = DEFAULT_URL, create: bool = False, upgrade: bool = False) -> None:
        self._url = parse_url(url)
        #: Schema step that it was found at; None if it was made here.
        self.found_at: str | None = REVISION
        if self._path and not self._path.exists() and not create:
            raise BadFile(
                f"there is no registry {self.name}",
                "the file does not exist",
                "hanboot registry import makes one; --registry names another",
            )
        self._engine = _engine(self._url)
        # whose tables must be at this version for anything to be written
        self._schemas: tuple[TableSchema, ...] = ()
        was_there = self._path is None or self._path.exists()
        try:
            with self.explained():
                self._check_schema(create, upgrade)
        except HanbootError:
            self.close()
            path = self._path
            # a full disk: SQLite has made the file, and nothing in it
            if path and not was_there and path.exists() and not path.stat().st_size:
                path.unlink(missing_ok=True)
            raise

    @property
    def name(self) -> str:
        """The database for messages; without its password."""
        return str(self._path or self._url.render_as_string(hide_password=True))

    @property
    def _path(self) -> Path | None:
        file = self._url.database
        is_file = self._url.get_backend_name() == "sqlite" and file and file != ":memory:"
        return Path(file) if is_file and file and not file.startswith("file:") else None

    @property
    def dialect(self) -> str:
        return self._engine.dialect.name

    def close(self) -> None:
        self._engine.dispose()

    def discard(self) -> None:
        """Removes an SQLite file that was made here, if what it was made for failed.

        Not one that another process has written to meanwhile, or writes to.
        """
        is_unused = False
        if self.found_at is None and self._path:
            with contextlib.suppress(HanbootError), self.writing() as connection:
                is_unused = _is_unused(connection)
                if is_unused:
                    # a process that has opened it meanwhile writes nothing to it from here on
                    connection.exec_driver_sql(f"DROP TABLE {REGISTRY.version_table}")
        self.close()
        if is_unused and self._path:
            self._path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees one state of the database throughout."""
        with self.explained(), self._engine.connect() as connection:
            if self.dialect != "sqlite":
                # a transaction of SQLite sees one state by itself
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """A connection whose changes are kept together, when the body ends without an error.

        There is one writer at a time; another waits for it, up to `LOCK_WAIT_S`.

        Raises:
            OtherSchema: another process has taken the tables to another version meanwhile.
            BadFile: the database failed. Nothing was changed; or, where the connection was lost
                during COMMIT, it is not known whether.
        """
        with self.explained(), self._engine.connect() as connection:
            connection = connection.execution_options(**{_WRITING: True})
            transaction = connection.begin()
            try:
                self._wait_for_writers(connection)
                self.check_schemas(connection)
                yield connection
            except BaseException:
                transaction.rollback()
                raise
            self._commit(transaction)

    def _wait_for_writers(self, connection: Connection) -> None:
        # SQLite's wait where they begin
        if self.dialect == "postgresql":
            connection.execute(sa.text(f"SET LOCAL lock_timeout = {int(LOCK_WAIT_S * 1000)}"))
            connection.execute(sa.text(f"SELECT pg_advisory_xact_lock({_WRITER_LOCK})"))

    def _commit(self, transaction: RootTransaction) -> None:
        try:
            transaction.commit()
        except SQLAlchemyError as error:
            if self.dialect != "sqlite" and may_be_kept(error):
                raise not_known_whether(self.name, error) from error
            raise

    # --- the schema

    def add_tables(self, schema: TableSchema, upgrade: bool = False) -> str | None:
        """Makes the tables of another owner in the same database, where there are none.

        Args:
            schema: the tables; what they are at is checked from now on, too.
            upgrade: whether older ones take the missing steps.

        Returns:
            the step that they were found at; None if they were made here.

        Raises:
            OtherSchema: they are at another version. Nothing was changed.
        """
        found = self._bring_up(schema, True, upgrade)
        self._schemas += (schema,)
        return found

    def check_schemas(self, connection: Connection) -> None:
        """Refuses tables that another process has taken to another version meanwhile.

        Raises:
            OtherSchema: it has.
        """
        for schema in self._schemas:
            schema.check(connection, self.name)

    def _check_schema(self, create: bool, upgrade: bool) -> None:
        with self.reading() as connection:
            found = REGISTRY.found(connection)
            is_empty = found is None and not sa.inspect(connection).get_table_names()
        if found is None and not (is_empty and create):
            raise BadFile(
                f"{self.name} is not a hanboot registry",
                "it is empty" if is_empty else "it holds other tables",
                "name another file; hanboot registry import makes a registry",
            )
        self.found_at = self._bring_up(REGISTRY, create, upgrade)
        self._schemas = (REGISTRY,)

    def _bring_up(self, schema: TableSchema, create: bool, upgrade: bool) -> str | None:
        """Takes the steps that are missing; the step that the tables were found at."""
        with self.reading() as connection:
            found = schema.found(connection)
        if found == schema.newest:
            return found
        if not _may_be_taken(schema, found, create, upgrade):
            raise schema.refusal(self.name, found)
        with self.writing() as connection:
            # another process may have taken them meanwhile, and further
            found = schema.found(connection)
            if _may_be_taken(schema, found, create, upgrade):
                schema.upgrade(connection)
            elif found != schema.newest:
                raise schema.refusal(self.name, found)
        return found

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Turns a database's errors into ours."""
        try:
            yield
        except SQLAlchemyError as error:
            raise explain(self.name, error) from error


def _may_be_taken(schema: TableSchema, found: str | None, create: bool, upgrade: bool) -> bool:
    """Whether steps are to be taken from the one that was found; None: there are no tables."""
    if found is None:
        return create
    return upgrade and found != schema.newest and found in schema.known()


def _is_unused(connection: Connection) -> bool:
    """Whether the tables of a registry are there, and nothing is in them."""
    names = set(sa.inspect(connection).get_table_names()) - {REGISTRY.version_table}
    return not any(
        connection.execute(sa.select(sa.literal(1)).select_from(sa.table(name)).limit(1)).first()
        for name in names
    )


def parse_url(text: str) -> URL:
    """The URL in `text`; a path is an SQLite file."""
    if "://" not in text:
        return URL.create("sqlite", database=text)
    try:
        url = make_url(text)
        url.get_dialect()
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        # never the whole URL: a password may be in it
        raise WrongUsage(
            "the registry's URL cannot be used",
            f"{first_line(error)} ({text.split('://', 1)[0]}://...)",
            "give a path, or an SQLAlchemy URL whose driver is installed",
        ) from None
    return url


def _engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        try:
            return sa.create_engine(url)
        except (SQLAlchemyError, ImportError) as error:
            raise WrongUsage(
                "the registry's URL cannot be used",
                first_line(error),
                "install the driver that the URL names",
            ) from None
    engine = sa.create_engine(url, connect_args={"timeout": LOCK_WAIT_S})

    # sqlite3 begins transactions late, and never for reading or for DDL: begin them here
    @event.listens_for(engine, "connect")
    def connect(connection: object, record: object) -> None:
        connection.isolation_level = None  # type: ignore[attr-defined]
        connection.execute("PRAGMA foreign_keys = ON")  # type: ignore[attr-defined]

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # a writer takes its lock at once, so that it fails before it has worked
        if connection.get_execution_options().get(_WRITING):
            _begin_writing(connection)
        else:
            connection.exec_driver_sql("BEGIN")

    return engine


def _begin_writing(connection: Connection) -> None:
    """Begins a transaction of SQLite's as its one writer, once the others let it.

    Raises:
        SQLAlchemyError: they did not, for `LOCK_WAIT_S`.
    """
    sqlite = connection.connection.driver_connection
    assert isinstance(sqlite, sqlite3.Connection)
    end = time.monotonic() + LOCK_WAIT_S
    sqlite.execute("PRAGMA busy_timeout = 0")
    try:
        while time.monotonic() < end:
            try:
                sqlite.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                # the low octet: the rest says how it is busy
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    break
            time.sleep(random.uniform(*_LOOK_S))
        # through SQLAlchemy, for the error that it makes of it
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    finally:
        # readers end soon, and COMMIT waits for them
        sqlite.execute(f"PRAGMA busy_timeout = {int(LOCK_WAIT_S * 1000)}")
