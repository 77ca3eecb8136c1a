"""The service's tables from one version to the next, and a database that is at another version."""

from __future__ import annotations

import datetime
import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
import table_shapes
from command_line import assert_error, hanboot
from dsp import BROKER, HUB, IHD, PPMID, SUPPLIER, Dsp, FakeHub
from postgres_cluster import Cluster
from serving import Process, serving
from table_shapes import as_it_was, at_step, shape

from hanboot.dcc import dispatch, journal, keys, parties
from hanboot.dcc.devices import Devices
from hanboot.dcc.dispatch import TaskDispatcher
from hanboot.dcc.http_client import Undelivered, post
from hanboot.dcc.schema import METADATA, SCHEMA, prepare
from hanboot.dcc.service import Service
from hanboot.duis import requests
from hanboot.errors import BadFile
from hanboot.registry.storage.database import REGISTRY, Database
from hanboot.registry.storage.migration import OtherSchema
from hanboot.registry.storage.store import Registry

AS_IT_WAS = Path(__file__).with_name("dcc_1.sql")


def test_steps_make_what_the_models_say(tmp_path: Path) -> None:
    assert SCHEMA.known()[-1] == SCHEMA.newest
    by_steps = at_step(tmp_path / "steps.db", SCHEMA, "head")
    assert by_steps == table_shapes.by_models(SCHEMA, METADATA)


def test_the_first_step_makes_what_there_was(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{as_it_was(tmp_path / 'was.db', AS_IT_WAS)}")
    with engine.connect() as connection:
        first = at_step(tmp_path / "steps.db", SCHEMA, SCHEMA.known()[0])
        assert shape(connection, SCHEMA) == first


def goes_on(database: Database, pki: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was under way in `AS_IT_WAS` comes to its end, once."""
    hub, posted = FakeHub(), []
    monkeypatch.setattr(dispatch, "post", lambda url, octets: posted.append((url, octets)))
    held = keys.load(pki)
    service = Service(Registry(database), held)
    clock = lambda: datetime.datetime.now(datetime.UTC)  # noqa: E731
    devices = Devices(database, service, held, clock)
    dispatcher = TaskDispatcher(database, devices, lambda path: hub, clock)
    for _ in range(2):
        dispatcher.work()
    assert [device for device, _ in hub.offers] == [IHD]
    with database.reading() as connection:
        kept = (
            connection.execute(sa.text("SELECT octets FROM dcc_outgoing WHERE number = 1"))
            .scalars()
            .first()
        )
        assert journal.last_counter(connection, SUPPLIER) == 1001
        assert [each.hub for each in parties.find_assignments(connection, [PPMID]).values()] == [
            HUB
        ]
        assert len(parties.certificates_of(connection, SUPPLIER)) == 1
    assert posted[0] == ("http://127.0.0.1:9/answers", bytes(kept))
    assert b"ActivationSuccess" in posted[0][1]
    assert [octets for _, octets in posted].count(bytes(kept)) == 1


def test_a_service_from_before_is_brought_up(
    tmp_path: Path, pki: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = as_it_was(tmp_path / "registry.db", AS_IT_WAS)
    for command in (
        ("serve", "--listen", "127.0.0.1:0", "--keys", pki),
        ("status",),
        ("party",),
        ("assign", PPMID, "--supplier", SUPPLIER, "--hub", "/hub"),
        ("trust", pki / "hub-ds.pem"),
    ):
        refused = hanboot("dcc", *command, "--registry", url)
        assert_error(refused, 5, "the service in", "older schema version", "hanboot dcc migrate")
        assert "it is at 0001" in refused.err
    done = hanboot("dcc", "migrate", "--registry", url, "--json")
    assert done.document == {
        "registry": {"from": REGISTRY.newest, "to": REGISTRY.newest},
        "service": {"from": "0001", "to": SCHEMA.newest},
    }
    again = hanboot("dcc", "migrate", "--registry", url)
    assert (again.code, f"service: at {SCHEMA.newest}" in again.out) == (0, True), again.err
    database = Database(url)
    prepare(database)
    with database.reading() as connection:
        assert shape(connection, SCHEMA) == at_step(tmp_path / "new.db", SCHEMA, "head")
    goes_on(database, pki, monkeypatch)
    database.close()


def test_tables_of_the_first_days_get_their_index(tmp_path: Path) -> None:
    url = as_it_was(tmp_path / "registry.db", AS_IT_WAS)
    with sqlite3.connect(url) as connection:
        connection.execute("DROP INDEX ix_dcc_outgoing_waiting")
    assert hanboot("dcc", "migrate", "--registry", url).code == 0
    with sa.create_engine(f"sqlite:///{url}").connect() as connection:
        assert shape(connection, SCHEMA) == at_step(tmp_path / "new.db", SCHEMA, "head")


def test_nothing_is_left_of_steps_that_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
            database.add_tables(SCHEMA, upgrade=True)
    with database.reading() as connection:
        assert shape(connection, SCHEMA) == before
        assert SCHEMA.found(connection) == "0001"
    assert database.add_tables(SCHEMA, upgrade=True) == "0001"
    database.close()


def test_migrating_makes_no_service(tmp_path: Path) -> None:
    url = str(tmp_path / "registry.db")
    Database(url, create=True).close()
    done = hanboot("dcc", "migrate", "--registry", url)
    assert (done.code, "holds no service" in done.out) == (0, True), done.err
    with sa.create_engine(f"sqlite:///{url}").connect() as connection:
        assert SCHEMA.found(connection) is None
    missing = hanboot("dcc", "migrate", "--registry", tmp_path / "none.db")
    assert_error(missing, 5, "there is no registry")


def test_on_postgresql(
    cluster: Cluster, tmp_path: Path, pki: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same tables and rows, copied there."""
    database = Database(cluster.new_database(), create=True)
    was = sa.create_engine(f"sqlite:///{as_it_was(tmp_path / 'was.db', AS_IT_WAS)}")
    with was.connect() as old, database.writing() as connection:
        SCHEMA.upgrade(connection, "0001")
        connection.exec_driver_sql(f"DROP TABLE {SCHEMA.version_table}")
        tables = sa.MetaData()
        tables.reflect(old, only=lambda name, _: name.startswith("dcc_"))
        for table in tables.sorted_tables:
            rows = [dict(row._mapping) for row in old.execute(sa.select(table))]
            if rows:
                connection.execute(sa.insert(table), rows)
            if "number" in table.c:
                # as the rows would have left it, had they been inserted there
                connection.exec_driver_sql(
                    f"SELECT setval('{table.name}_number_seq', {len(rows) + 1}, false)"
                )
    with pytest.raises(OtherSchema, match="older schema version"):
        prepare(database)
    assert database.add_tables(SCHEMA, upgrade=True) == "0001"
    with database.reading() as connection:
        assert table_shapes.differences(connection, SCHEMA, METADATA) == []
    goes_on(database, pki, monkeypatch)
    database.close()


# --- another version than this hanboot's


@pytest.fixture
def newer(tmp_path: Path, pki: Path) -> Dsp:
    """A service whose database a newer hanboot has taken further."""
    made = Dsp(tmp_path, pki)
    take_further(made)
    return made


def take_further(dsp: Dsp) -> None:
    with sa.create_engine(f"sqlite:///{dsp.path}").begin() as connection:
        connection.execute(sa.text(f"UPDATE {SCHEMA.version_table} SET version_num = '9999'"))


def test_it_is_not_served(newer: Dsp, pki: Path) -> None:
    for command in (("serve", "--listen", "127.0.0.1:0", "--keys", pki), ("status",), ("migrate",)):
        refused = hanboot("dcc", *command, "--registry", newer.path)
        assert_error(refused, 5, "unknown schema version", "9999", "newer hanboot")
    newer.close()


def asked(dsp: Dsp) -> bytes:
    return dsp.signed(requests.read_inventory(dsp.request_id(BROKER), "DeviceID", PPMID))


def send(process: Process, octets: bytes) -> bytes:
    return post(f"{process.url}/api/v1/serviceD", octets)


def test_it_is_taken_there_while_it_is_served(tmp_path: Path, pki: Path) -> None:
    """A request may be sent again; nothing goes to a hub or a party that could not be recorded."""
    dsp = Dsp(tmp_path, pki)
    with serving(dsp) as process:
        assert dsp.read(send(process, asked(dsp)))["response_code"] == "I0"
        take_further(dsp)
        with pytest.raises(Undelivered, match=r"503 .*: the service cannot work now"):
            send(process, asked(dsp))
    with pytest.raises(OtherSchema, match="9999"):
        dsp.dispatcher.work()
    dsp.close()
