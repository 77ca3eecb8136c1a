"""A registry on a real PostgreSQL server: kept, protected, written by several at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from click.testing import Result
from postgres_cluster import Cluster
from registries import WHY, WORKED, entry, everything, fill, same_but

from hanboot.errors import BadFile, CheckFailed
from hanboot.registry.storage import audit, database
from hanboot.registry.storage.database import Database
from hanboot.registry.storage.schema import RegistryTable
from hanboot.registry.storage.store import Registry

REASON = ("--reason", "a test")


@pytest.fixture
def url(cluster: Cluster) -> str:
    return cluster.new_database()


@pytest.fixture
def registry(url: str) -> Iterator[Registry]:
    with Registry(Database(url, create=True)) as made:
        yield made


def test_the_worked_registry_is_the_same_as_on_sqlite(run: Callable[..., Result], url: str) -> None:
    at = ("--registry", url)
    for place in (at, ()):
        result = run("registry", "import", WORKED, "--existing", *REASON, *place)
        assert result.exit_code == 0, result.output
    for command in (
        ("registry", "check", "--on", "2026-01-01", "--json"),
        ("registry", "export", "-o", "-", "--role", "ssc"),
        ("registry", "plan", "--from", "ESME-0101", "--json"),
    ):
        assert run(*command, *at).stdout == run(*command).stdout
    assert run("registry", "history", "--verify", *at).exit_code == 0


def test_migrations_make_what_the_models_say(registry: Registry) -> None:
    with registry.database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, RegistryTable.metadata) == []


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM change_set",
        "UPDATE change SET after = '{}'",
        "TRUNCATE change",
        "UPDATE change_set SET author = 'another'",
    ],
)
def test_history_refuses_to_be_rewritten(registry: Registry, statement: str) -> None:
    fill(registry, [entry(1)])
    with (
        pytest.raises(BadFile, match="history may only be added to"),
        registry.database.writing() as connection,
    ):
        connection.execute(sa.text(statement))


def test_a_direct_edit_is_found(registry: Registry) -> None:
    fill(registry, [entry(1), entry(2, [1])])
    with registry.database.writing() as connection:
        connection.execute(sa.text("UPDATE entry SET status = 'Withdrawn'"))
    with (
        registry.database.reading() as connection,
        pytest.raises(CheckFailed, match="changed past its history"),
    ):
        audit.verify(connection)


def test_a_second_writer_waits(registry: Registry, url: str) -> None:
    fill(registry, [entry(1)])
    began, done = threading.Event(), threading.Event()

    def second() -> None:
        with Registry(url) as other:
            began.set()
            fill(other, [entry(3)])
        done.set()

    waiting = threading.Thread(target=second)
    with registry.changing(WHY) as writer:
        waiting.start()
        began.wait()
        writer.correct(registry.entry("E-1"), same_but(entry(1), contact="x"))
        writer.add([entry(2)])
        assert not done.is_set()
    waiting.join()
    assert {e.cpl_entry_id for e in everything(registry)} == {"E-1", "E-2", "E-3"}
    with registry.database.reading() as connection:
        assert audit.verify(connection) == 3


def test_a_writer_that_waits_in_vain(
    registry: Registry, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "LOCK_WAIT_S", 0.05)
    with (
        registry.changing(WHY),
        Registry(url) as other,
        pytest.raises(BadFile, match="another process is writing"),
    ):
        fill(other, [entry(3)])


def test_a_lost_commit_is_not_called_undone(registry: Registry, cluster: Cluster) -> None:
    with registry.database.writing() as connection:
        # ends the connection in the midst of COMMIT
        for statement in (
            "CREATE FUNCTION ends() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$",
            "CREATE CONSTRAINT TRIGGER ends AFTER INSERT ON entry DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW EXECUTE FUNCTION ends()",
        ):
            connection.execute(sa.text(statement))
    with pytest.raises(BadFile, match="it is not known whether") as caught:
        fill(registry, [entry(1)])
    assert "nothing was changed" not in str(caught.value)


def test_the_sscs_data_in_a_database_of_their_own(
    run: Callable[..., Result], run_json: Callable[..., Any], url: str, tmp_path: Path
) -> None:
    ssc = ("--ssc-registry", url)
    assert run("registry", "import", WORKED, "--existing", *REASON).exit_code == 0
    secret = ("registry", "correct", "PPMID-0001", "zigbee_vendor=Secret Radios", *REASON)
    assert run(*secret).exit_code == 0
    moved = run("registry", "settings", "--ssc-data", "apart", "--author", "a", *REASON, *ssc)
    assert moved.exit_code == 0, moved.output
    entry_ = ("registry", "show", "PPMID-0001")
    assert run_json(*entry_, "--role", "ssc", *ssc)[0]["zigbee_vendor"] == "Secret Radios"
    refused = run(*entry_, "--role", "ssc")
    assert refused.exit_code == 2
    assert "--ssc-registry" in refused.stderr
    later = ("registry", "correct", "PPMID-0001", "zigbee_stack=4.1 beta")
    assert run(*later, *REASON).exit_code == 2
    assert run(*later, *REASON, *ssc).exit_code == 0
    assert "4.1 beta" not in run("registry", "history").stdout
    assert "4.1 beta" in run("registry", "history", "--role", "ssc", *ssc).stdout
    assert b"4.1 beta" not in (tmp_path / "registry.db").read_bytes()
    verified = run("registry", "history", "--verify", *ssc)
    assert verified.exit_code == 0, verified.output
