"""The registry in its database: kept, changed, its history, its schema."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import HealthCheck, given, settings
from registries import WHY, entry, everything, fill, same_but
from strategies import entries

from hanboot.errors import BadFile, CheckFailed, WrongUsage
from hanboot.registry.storage import audit, database, history
from hanboot.registry.storage.database import REGISTRY, Database
from hanboot.registry.storage.history import Attribution
from hanboot.registry.storage.migration import OtherSchema, TableSchema
from hanboot.registry.storage.schema import REVISION, RegistryTable
from hanboot.registry.storage.store import Registry


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(made=entries())
def test_what_goes_in_comes_out(tmp_path_factory: pytest.TempPathFactory, made: list) -> None:
    with Registry(Database(":memory:", create=True)) as registry:
        fill(registry, made)
        found = everything(registry)
        assert sorted(found, key=lambda e: e.cpl_entry_id) == sorted(
            made, key=lambda e: e.cpl_entry_id
        )


def test_a_full_disk_leaves_no_half_made_registry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(schema: TableSchema, connection: sa.Connection) -> None:
        assert file.exists()
        full_disk = sqlite3.OperationalError("database or disk is full")
        raise sa.exc.OperationalError("CREATE TABLE", {}, full_disk)

    monkeypatch.setattr(TableSchema, "upgrade", full)
    file = tmp_path / "registry.db"
    with pytest.raises(BadFile, match="the disk is full"):
        Database(str(file), create=True)
    assert not file.exists()
    # one that was there, although empty, is not ours to remove
    file.touch()
    with pytest.raises(BadFile, match="the disk is full"):
        Database(str(file), create=True)
    assert file.exists()


def test_more_than_a_page(registry: Registry) -> None:
    made = [
        entry(number, [number - 1] if number % 20 else [], device_model=number // 20 << 16)
        for number in range(4100)
    ]
    fill(registry, made)
    assert registry.entries() == made
    assert [len(own) for own, _ in registry.by_model()] == [20] * 205


def test_predecessors_of_other_models_come_along(registry: Registry) -> None:
    fill(registry, [entry(1, device_model=7), entry(2, [1, 9])])
    groups = {own[0].cpl_entry_id: set(elsewhere) for own, elsewhere in registry.by_model()}
    assert groups == {"E-1": set(), "E-2": {"E-1"}}


def test_status_follows_the_dates() -> None:
    day = datetime.date
    listed = entry(
        1,
        status="Withdrawn",
        listed_on=day(2023, 1, 1),
        status_since=day(2024, 1, 1),
        expires_on=day(2023, 6, 30),
    )
    assert listed.status_on(day(2022, 12, 31)) == "Not yet listed"
    assert listed.status_on(day(2023, 1, 1)) == "Active"
    assert listed.status_on(day(2023, 6, 30)) == "Active"
    assert listed.status_on(day(2023, 7, 1)) == "Expired"
    assert listed.status_on(day(2024, 1, 1)) == "Withdrawn"


# --- history


def test_history_keeps_who_when_and_why(registry: Registry) -> None:
    first = fill(registry, [entry(1), entry(2, [1])]).entry("E-2")
    with registry.changing(Attribution("Ann", "2.0 was withdrawn", "letter of 3 May")) as writer:
        writer.correct(first, same_but(first, status="Withdrawn", predecessors=("E-1", "E-7")))
    with registry.database.reading() as connection:
        changes = list(history.changes(connection, "E-2"))
        assert audit.verify(connection) == 2
    assert [
        (c.attribution.author, c.attribution.reason, c.attribution.source) for c in changes
    ] == [
        ("a test", "to test", ""),
        ("Ann", "2.0 was withdrawn", "letter of 3 May"),
    ]
    assert changes[0].before is None
    assert changes[0].after["status"] == "Active"
    assert changes[0].after["firmware_version"] == "00000002"
    assert changes[1].before == {"status": "Active", "predecessors": "E-1"}
    assert changes[1].after == {"status": "Withdrawn", "predecessors": "E-1, E-7"}


def test_a_change_that_fails_leaves_nothing(registry: Registry) -> None:
    def change_and_fail() -> None:
        with registry.changing(WHY) as writer:
            writer.add([entry(1)])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        change_and_fail()
    assert registry.entries() == []
    with registry.database.reading() as connection:
        assert list(history.changes(connection)) == []


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM change_set",
        "UPDATE change SET after = '{}'",
        "DELETE FROM change",
        "UPDATE change_set SET author = 'somebody else'",
    ],
)
def test_history_refuses_to_be_rewritten(registry: Registry, statement: str) -> None:
    fill(registry, [entry(1)])
    with (
        pytest.raises(BadFile, match="history may only be added to"),
        registry.database.writing() as connection,
    ):
        connection.execute(sa.text(statement))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE change SET after = '{}' WHERE change_set = 1",
        "DELETE FROM change WHERE change_set = 2",
        "UPDATE change_set SET author = 'somebody else' WHERE number = 1",
        "DELETE FROM change_set WHERE number = 1",
    ],
)
def test_history_that_was_rewritten_shows(registry: Registry, statement: str) -> None:
    fill(registry, [entry(1)])
    fill(registry, [entry(2)])
    with registry.database.writing() as connection:
        for trigger in ("change_no_update", "change_no_delete"):
            connection.execute(sa.text(f"DROP TRIGGER {trigger}"))
        for trigger in ("change_set_no_update", "change_set_no_delete"):
            connection.execute(sa.text(f"DROP TRIGGER {trigger}"))
        connection.execute(sa.text(statement))
    with registry.database.reading() as connection, pytest.raises(CheckFailed, match="was changed"):
        audit.verify(connection)


@pytest.mark.parametrize(("author", "reason"), [("", "x"), ("x", " "), ("x", "a\nb")])
def test_a_change_needs_author_and_reason(author: str, reason: str) -> None:
    with pytest.raises(WrongUsage):
        Attribution(author, reason)


# --- schema


def test_migrations_make_what_the_models_say(registry: Registry) -> None:
    assert REGISTRY.known()[-1] == REVISION
    with registry.database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, RegistryTable.metadata) == []


_SSC = ("cpl_entry_id", "zigbee_vendor")


def _fill_as_then(connection: sa.Connection) -> None:
    """An entry and its change set, as earlier schemas kept them."""
    columns = {
        "cpl_entry_id": "E-1",
        "device_type": "PPMID",
        "manufacturer_code": "FFF0",
        "device_model": "00050100",
        "firmware_version": "00000001",
        "firmware_version_text": "00000001",
        "image_hash": entry(1).image_hash.hex(),
        "status": "Active",
        "join_option": "2.4 GHz Only",
        "predecessors_stated": 1,
        "zigbee_vendor": "Example Radios",
    }
    tables = sa.MetaData()
    tables.reflect(connection)
    entries, stated = tables.tables["entry"], dict(columns)
    if "zigbee_vendor" not in entries.c:
        # since 0003 it is kept apart
        own = {name: stated.pop(name) if name == "zigbee_vendor" else "E-1" for name in _SSC}
        connection.execute(sa.insert(tables.tables["ssc"]).values(own))
    connection.execute(sa.insert(entries).values(stated))
    texts = {
        name: text
        for name, text in columns.items()
        if name not in ("predecessors_stated", "join_option")
    }
    texts |= {"predecessors": "N/A", "join_option": "2.4 GHz Only"}
    after = json.dumps(texts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    head = [1, "2025-01-01T00:00:00Z", "a test", "to test", ""]
    sha = hashlib.sha256(bytes(32))
    for values in (head, ["E-1", None, after]):
        sha.update(json.dumps(values, ensure_ascii=True, separators=(",", ":")).encode())
    connection.execute(sa.insert(tables.tables["change"]).values((1, 0, "E-1", None, after)))
    connection.execute(sa.insert(tables.tables["change_set"]).values((*head, sha.hexdigest())))


@pytest.mark.parametrize("revision", REGISTRY.known()[:-1])
def test_an_older_register_is_brought_up(tmp_path: Path, revision: str) -> None:
    """One that is made as it was at that step, with an entry and its history in it."""
    path = tmp_path / "old.db"
    with sa.create_engine(f"sqlite:///{path}").begin() as connection:
        REGISTRY.upgrade(connection, revision)
        _fill_as_then(connection)
    with pytest.raises(BadFile, match="older schema") as caught:
        Database(str(path))
    assert "hanboot registry migrate" in caught.value.what_to_do
    upgraded = Database(str(path), upgrade=True)
    assert upgraded.found_at == revision
    with Registry(upgraded) as registry:
        assert everything(registry) == [entry(1, zigbee_vendor="Example Radios")]
        with registry.database.reading() as connection:
            assert audit.verify(connection) == 1
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, RegistryTable.metadata) == []


def test_a_newer_registry(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    made = Database(str(path), create=True)
    with made.writing() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0099'"))
    made.close()
    for upgrade in (False, True):
        with pytest.raises(BadFile, match="0099"):
            Database(str(path), upgrade=upgrade)


@contextlib.contextmanager
def meanwhile(monkeypatch: pytest.MonkeyPatch, path: Path, step: str) -> Iterator[None]:
    """Another process takes a database to `step` before the one that looked can write."""
    writing = Database.writing

    @contextlib.contextmanager
    def writing_later(self: Database) -> Iterator[sa.Connection]:
        with sa.create_engine(f"sqlite:///{path}").begin() as connection:
            if step in REGISTRY.known():
                REGISTRY.upgrade(connection, step)
            else:
                connection.execute(sa.text(f"UPDATE alembic_version SET version_num = '{step}'"))
        with writing(self) as connection:
            yield connection

    with monkeypatch.context() as patched:
        patched.setattr(Database, "writing", writing_later)
        yield


def test_two_bring_it_up_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one takes no step, whether the first is of this version or a newer one."""
    path = tmp_path / "old.db"
    with sa.create_engine(f"sqlite:///{path}").begin() as connection:
        REGISTRY.upgrade(connection, "0002")
    with meanwhile(monkeypatch, path, "0099"), pytest.raises(OtherSchema, match="0099"):
        Database(str(path), upgrade=True)
    with sa.create_engine(f"sqlite:///{path}").begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0002'"))
    with meanwhile(monkeypatch, path, "0003"):
        assert Database(str(path), upgrade=True).found_at == "0003"
    made = tmp_path / "made.db"
    with meanwhile(monkeypatch, made, REVISION):
        assert Database(str(made), create=True).found_at == REVISION


@pytest.mark.parametrize("steps", [("0001", "0002"), ("0003", "0003")])
def test_a_database_at_several_steps(tmp_path: Path, steps: tuple[str, str]) -> None:
    path = tmp_path / "odd.db"
    made = Database(str(path), create=True)
    with made.writing() as connection:
        connection.exec_driver_sql("DROP TABLE alembic_version")
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num TEXT)")
        for step in steps:
            connection.exec_driver_sql(f"INSERT INTO alembic_version VALUES ('{step}')")
    made.close()
    for upgrade in (False, True):
        with pytest.raises(OtherSchema, match=", ".join(steps)):
            Database(str(path), upgrade=upgrade)


def test_what_another_process_wrote_is_not_discarded(tmp_path: Path) -> None:
    """Two make a registry at once, and one of them fails."""
    path = tmp_path / "registry.db"
    first = Database(str(path), create=True)
    with Registry(str(path)) as second:
        fill(second, [entry(1)])
        first.discard()
        assert everything(second) == [entry(1)]
    with Registry(str(path)) as again:
        assert everything(again) == [entry(1)]


def test_nothing_is_written_to_what_was_discarded(tmp_path: Path) -> None:
    path = tmp_path / "registry.db"
    first = Database(str(path), create=True)
    with Registry(str(path)) as second:
        first.discard()
        assert not path.exists()
        with pytest.raises(BadFile):
            fill(second, [entry(1)])


def test_what_another_process_is_writing_is_not_discarded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "LOCK_WAIT_S", 0.05)
    path = tmp_path / "registry.db"
    first = Database(str(path), create=True)
    second = Registry(str(path))
    with second.changing(WHY) as writer:
        writer.add([entry(1)])
        first.discard()
    assert everything(second) == [entry(1)]
    assert path.exists()


def test_no_registry(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="does not exist"):
        Database(str(tmp_path / "none.db"))
    assert not (tmp_path / "none.db").exists()
    (tmp_path / "text.db").write_text("CPL Entry ID,Device Type\n" * 100)
    with pytest.raises(BadFile, match="not an SQLite file"):
        Database(str(tmp_path / "text.db"))
    sqlite3.connect(tmp_path / "other.db").execute("CREATE TABLE notes (text)").connection.close()
    with pytest.raises(BadFile, match="not a hanboot registry"):
        Database(str(tmp_path / "other.db"), create=True)
    with pytest.raises(BadFile, match="folder"):
        Database(str(tmp_path / "no" / "folder.db"), create=True)


@pytest.mark.parametrize("url", ["nosuch://host/db", "postgresql+nosuch://u:secret@h/d", "://"])
def test_no_url(url: str) -> None:
    with pytest.raises(WrongUsage) as caught:
        Database(url)
    assert "secret" not in str(caught.value)


def test_a_locked_registry(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "LOCK_WAIT_S", 0.05)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with registry.database.writing():
            held.set()
            done.wait()

    other = threading.Thread(target=hold)
    other.start()
    held.wait()
    try:
        with Registry(registry.database.name) as second:
            assert second.entries() == []  # reading goes on
            with pytest.raises(BadFile, match="another process is writing"):
                fill(second, [entry(1)])
    finally:
        done.set()
        other.join()
    assert registry.entries() == []
