"""The library's tables from one version to the next, and a database that is at another version."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import table_shapes
from command_line import assert_error, hanboot
from library_browser import Browser
from library_programs import Program
from library_service import FIELDS, Filled
from postgres_cluster import Cluster
from registries import make_image
from table_shapes import as_it_was, at_step, shape

from hanboot.errors import BadFile
from hanboot.library import audit
from hanboot.library.catalogue import entries
from hanboot.library.library import Library
from hanboot.library.schema import SCHEMA, LibraryEntryRow, LibraryTable, prepare
from hanboot.registry.storage.database import REGISTRY, Database
from hanboot.registry.storage.history import Attribution
from hanboot.registry.storage.migration import OtherSchema

AS_IT_WAS = Path(__file__).with_name("library_1.sql")

SignIn = Callable[[str], Browser]
AsProgram = Callable[[str], Program]


def test_steps_make_what_the_models_say(tmp_path: Path) -> None:
    assert SCHEMA.known()[-1] == SCHEMA.newest
    expected = table_shapes.by_models(SCHEMA, LibraryTable.metadata)
    by_steps = at_step(tmp_path / "steps.db", SCHEMA, "head")
    triggers = {"library_audit_no_update", "library_audit_no_delete"}
    assert by_steps.keys() - expected.keys() == triggers
    assert {name: by_steps[name] for name in expected} == expected


def test_the_first_step_makes_what_there_was(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{as_it_was(tmp_path / 'was.db', AS_IT_WAS)}")
    with engine.connect() as connection:
        assert shape(connection, SCHEMA) == at_step(
            tmp_path / "steps.db", SCHEMA, SCHEMA.known()[0]
        )


def test_a_library_from_before_is_brought_up(tmp_path: Path) -> None:
    url = as_it_was(tmp_path / "registry.db", AS_IT_WAS)
    serve = ("library", "serve", "--registry", url, "--listen", "127.0.0.1:0")
    refused = hanboot(*serve)
    assert_error(refused, 5, "the library in", "older schema version", "hanboot library migrate")
    assert "it is at 0001" in refused.err
    # the command line's other ways in
    assert_error(hanboot("library", "check", "--registry", url), 2)  # it has no key yet

    done = hanboot("library", "migrate", "--registry", url, "--json")
    assert done.document == {
        "registry": {"from": REGISTRY.newest, "to": REGISTRY.newest},
        "library": {"from": "0001", "to": SCHEMA.newest},
    }
    again = hanboot("library", "migrate", "--registry", url)
    assert again.code == 0, again.err
    assert f"library: at {SCHEMA.newest}" in again.out

    database = Database(url)
    assert prepare(database) == SCHEMA.newest
    with database.reading() as connection:
        entry = entries.find(connection, 1)
        assert entry is not None
        assert (entry.cpl_entry_id, entry.state, entry.party_name) == (
            "E-1",
            "listed",
            "Volt Devices Ltd",
        )
        steps = [each.step for each in entries.decisions(connection, 1)]
        assert steps == ["authorise", "review"]
        assert audit.verify(connection) == 4
        assert shape(connection, SCHEMA) == at_step(tmp_path / "new.db", SCHEMA, "head")
    with pytest.raises(BadFile, match="only be added to"), database.writing() as connection:
        connection.exec_driver_sql("DELETE FROM library_audit")
    database.close()


def test_nothing_is_left_of_steps_that_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second step meets a full disk: the database is as it was, and can be tried again."""
    url = as_it_was(tmp_path / "registry.db", AS_IT_WAS)
    database = Database(url)
    with database.reading() as connection:
        before = shape(connection, SCHEMA)

    def full(*_: object, **__: object) -> None:
        disk = sqlite3.OperationalError("database or disk is full")
        raise sa.exc.OperationalError("DROP TABLE", {}, disk)

    with monkeypatch.context() as patched:
        patched.setattr("alembic.op.drop_table", full)
        with pytest.raises(BadFile, match="the disk is full"):
            prepare(database, upgrade=True)
    with database.reading() as connection:
        assert shape(connection, SCHEMA) == before
        assert SCHEMA.found(connection) == "0001"
        assert not sa.inspect(connection).has_table(SCHEMA.version_table)
    assert prepare(database, upgrade=True) == "0001"
    database.close()


def test_migrating_makes_no_library(tmp_path: Path) -> None:
    url = str(tmp_path / "registry.db")
    Database(url, create=True).close()
    done = hanboot("library", "migrate", "--registry", url)
    assert done.code == 0, done.err
    assert "holds no library" in done.out
    with sa.create_engine(f"sqlite:///{url}").connect() as connection:
        assert SCHEMA.found(connection) is None
    missing = hanboot("library", "migrate", "--registry", str(tmp_path / "none.db"))
    assert_error(missing, 5, "there is no registry")


def test_on_postgresql(cluster: Cluster) -> None:
    """The steps make what the models say, from what there was before them, too."""
    url = cluster.new_database()
    database = Database(url, create=True)
    with database.writing() as connection:
        SCHEMA.upgrade(connection, "0001")
        connection.exec_driver_sql(f"DROP TABLE {SCHEMA.version_table}")
        audit.add(connection, audit.NOBODY, "test")
    with pytest.raises(OtherSchema, match="older schema version"):
        prepare(database)
    assert prepare(database, upgrade=True) == "0001"
    with database.reading() as connection:
        assert table_shapes.differences(connection, SCHEMA, LibraryTable.metadata) == []
        assert audit.verify(connection) == 1
    for statement in ("DELETE FROM library_audit", "TRUNCATE library_audit"):
        with pytest.raises(BadFile, match="only be added to"), database.writing() as connection:
            connection.exec_driver_sql(statement)
    database.close()


# --- another version than this hanboot's


@contextlib.contextmanager
def at_another_version(library: Library, table: str) -> Iterator[None]:
    """As a newer hanboot would leave the database."""
    engine = library.registry.database._engine
    with engine.begin() as connection:
        before = connection.execute(sa.text(f"SELECT version_num FROM {table}")).scalar_one()
        connection.execute(sa.text(f"UPDATE {table} SET version_num = '9999'"))
    try:
        yield
    finally:
        with engine.begin() as connection:
            connection.execute(sa.text(f"UPDATE {table} SET version_num = '{before}'"))


BOTH = pytest.mark.parametrize("table", ["library_alembic_version", "alembic_version"])


@BOTH
def test_it_is_not_served(tmp_path: Path, table: str) -> None:
    """Refused when it is opened, before anything is written."""
    filled = Filled(tmp_path / "library")
    commands = (
        ("serve", "--listen", "127.0.0.1:0"),
        ("check",),
        ("migrate",),
        ("invite", "a@example.org", "--party", "SECAS", "--url", "https://library.example"),
    )
    with at_another_version(filled.library, table):
        for command, *more in commands:
            refused = hanboot("library", command, *more, "--registry", filled.url)
            assert_error(refused, 5, "unknown schema version", "9999", "newer hanboot")
            assert "Traceback" not in refused.err
    filled.library.registry.database.close()


@BOTH
def test_it_is_taken_there_while_it_is_served(
    library: Library, sign_in: SignIn, program: AsProgram, table: str
) -> None:
    """Each page and operation says so; nothing is written."""
    browser, caller = sign_in("volt"), program("volt")
    before = counted(library)
    with at_another_version(library, table):
        for page in ("/", "/submit", "/account", "/plan"):
            said(browser.get(page).page, browser.status)
        visitor = Browser()
        visitor.post("/sign-in", email="volt@example.org", password="x", code="1")
        said(visitor.page, visitor.status)
        draft = {"fields": {**FIELDS, "predecessors": "E-1"}}
        first = library.registry.entry("E-1")
        image = make_image(29, [(1, first.image_hash, "E-1")], cpl_entry_id="M-29")
        answer: Any = caller.hand_in("submissions", draft, image=image.octets)
        said(" ".join(answer["error"].values()), caller.status)
        with (
            pytest.raises(OtherSchema, match="9999"),
            library.registry.changing(Attribution("a test", "to test")) as writer,
        ):
            writer.set("local_updates", "allowed")
    assert counted(library) == before
    assert library.registry.setting("local_updates") == "banned"
    assert browser.get("/").status == 200


def said(words: str, status: int) -> None:
    """What is wrong, without names: it may be a visitor who reads it."""
    assert status == 503
    assert "unknown schema version" in words
    assert "registry.db" not in words


def counted(library: Library) -> int:
    with library.registry.database.reading() as connection:
        query = sa.select(sa.func.count()).select_from(LibraryEntryRow)
        return connection.execute(query).scalar_one()
