"""The audit log: only ever added to, unbroken with several writers at once; many log-in tries."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from library_service import Filled, at_once
from registries import entry_of, make_image

from hanboot.errors import BadFile, CheckFailed
from hanboot.library import audit
from hanboot.library.accounts import login, secrets
from hanboot.library.catalogue import decisions
from hanboot.library.refusals import Conflict
from hanboot.library.schema import AttemptRow
from hanboot.registry.storage.database import Database

FIRST = make_image(1, cpl_entry_id="E-1")
SECOND = make_image(2, [(1, FIRST.image_hash, "E-1")], cpl_entry_id="E-2")
WRITER = audit.Actor(user="writer@example.org", party="A party")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def filled(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Filled]:
    url = ""
    if request.param == "postgresql":
        url = request.getfixturevalue("cluster").new_database()
    made = Filled(tmp_path_factory.mktemp("audit") / "library", [entry_of(FIRST, 1)], url)
    yield made
    made.library.registry.database.close()


def records(filled: Filled) -> list[audit.AuditEntry]:
    with filled.library.registry.database.reading() as connection:
        return list(audit.records(connection))


def verified(filled: Filled) -> int:
    with filled.library.registry.database.reading() as connection:
        return audit.verify(connection)


def test_writers_at_once(filled: Filled) -> None:
    """Each with a connection of its own: no number is left out or given twice."""
    before, writers, each = verified(filled), 4, 50

    def write(number: int) -> None:
        database = Database(filled.url)
        for count in range(each):
            with database.writing() as connection:
                audit.add(connection, WRITER, "test", f"{number}-{count}")
        database.close()

    assert at_once(writers, write) == [None] * writers
    found = records(filled)
    assert [record.number for record in found] == list(range(1, before + writers * each + 1))
    assert verified(filled) == len(found)
    own = [record.subject for record in found if record.action == "test"]
    assert sorted(own) == sorted(f"{n}-{c}" for n in range(writers) for c in range(each))


class Undone(Exception):
    pass


@contextlib.contextmanager
def undone(filled: Filled) -> Iterator[sa.Connection]:
    """A change that is not kept."""
    with contextlib.suppress(Undone), filled.library.registry.database.writing() as connection:
        yield connection
        raise Undone


def test_what_is_undone_leaves_no_gap(filled: Filled) -> None:
    before = verified(filled)
    with undone(filled) as connection:
        audit.add(connection, WRITER, "undone")
    with filled.library.registry.database.writing() as connection:
        audit.add(connection, WRITER, "done")
    assert verified(filled) == before + 1


def test_the_database_refuses_changes(filled: Filled) -> None:
    before, database = records(filled), filled.library.registry.database
    for statement in (
        "UPDATE library_audit SET action = 'nothing' WHERE number = 3",
        "DELETE FROM library_audit WHERE number = 3",
        "DELETE FROM library_audit",
    ):
        with pytest.raises(BadFile, match="only be added to"), database.writing() as connection:
            connection.exec_driver_sql(statement)
    assert records(filled) == before


@contextlib.contextmanager
def behind_its_back(filled: Filled, statement: str) -> Iterator[sa.Connection]:
    """As an administrator of the database can; undone again."""
    with undone(filled) as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("DROP TRIGGER library_audit_no_update")
            connection.exec_driver_sql("DROP TRIGGER library_audit_no_delete")
        else:
            connection.exec_driver_sql("ALTER TABLE library_audit DISABLE TRIGGER USER")
        assert connection.exec_driver_sql(statement).rowcount == 1
        yield connection


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE library_audit SET party = 'Another' WHERE number = 3",
        "UPDATE library_audit SET detail = '{}' WHERE number = 1",
        "UPDATE library_audit SET number = 100000 WHERE number = 3",
        "DELETE FROM library_audit WHERE number = 3",
        "DELETE FROM library_audit WHERE number = 1",
    ],
)
def test_a_change_behind_its_back_shows(filled: Filled, statement: str) -> None:
    assert verified(filled) > 3
    with (
        behind_its_back(filled, statement) as connection,
        pytest.raises(CheckFailed, match="changed after it was written"),
    ):
        audit.verify(connection)
    verified(filled)


def test_rows_that_were_cut_off_show_by_the_last_digest(filled: Filled) -> None:
    with filled.library.registry.database.reading() as connection:
        kept_elsewhere, count = audit.last_digest(connection), audit.verify(connection)
    with behind_its_back(filled, f"DELETE FROM library_audit WHERE number = {count}") as connection:
        assert audit.verify(connection) == count - 1
        assert audit.last_digest(connection) != kept_elsewhere


# --- the same of what is decided


def test_submitted_and_decided_once(filled: Filled) -> None:
    ended = at_once(3, lambda _: filled.submitted(SECOND, predecessors="E-1"))
    assert ended.count(None) == 1
    assert all(isinstance(error, Conflict) for error in ended if error)
    (number,) = (
        int(record.subject.removeprefix("entry "))
        for record in records(filled)
        if record.action == "submit"
    )
    supplier, reviewer = filled.user("north"), filled.user("secas")
    ended = at_once(3, lambda _: decisions.authorise(filled.library, supplier, number, 1, "ours"))
    assert ended.count(None) == 1
    seen = filled.revision(number)
    ended = at_once(
        3,
        lambda _: decisions.review(
            filled.library, reviewer, number, seen, "", accept_findings=True
        ),
    )
    assert ended.count(None) == 1
    steps = [r.action for r in records(filled) if r.subject == f"entry {number}"]
    assert steps == ["submit", "authorise", "review"]
    verified(filled)


# --- ten thousand tries to log in

TRIES = 10_000


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Passwords that were hashed, which here costs nothing."""
    asked: list[str] = []

    def is_password(password: str, stored: str | None) -> bool:
        asked.append(password)
        return False

    monkeypatch.setattr(secrets, "is_password", is_password)
    return asked


def tried(filled: Filled, email: str, address: str) -> type[Exception]:
    library = filled.library
    with pytest.raises(CheckFailed) as caught:
        login.sign_in(
            library.registry.database,
            library.key,
            email=email,
            password="wrong",
            code="000000",
            address=address,
            now=filled.started,
        )
    return caught.type


@pytest.mark.parametrize("filled", ["sqlite"], indirect=True)
def test_ten_thousand_tries_of_one_account(filled: Filled, hashed: list[str]) -> None:
    """From many addresses within a minute: after five nothing is hashed, and nothing written."""
    before, ended = len(records(filled)), Counter()
    for number in range(TRIES):
        ended[tried(filled, "south@example.org", f"192.0.2.{number % 250}")] += 1
    most = login.TRIES_OF_ACCOUNT
    assert ended == {login.NotSignedIn: most, login.TooMany: TRIES - most}
    assert len(hashed) == most
    assert len(records(filled)) == before + most
    with filled.library.registry.database.reading() as connection:
        rows = connection.execute(sa.select(sa.func.count()).select_from(AttemptRow)).scalar_one()
    assert rows == most + 1


@pytest.mark.parametrize("filled", ["sqlite"], indirect=True)
def test_many_accounts_from_one_address(filled: Filled, hashed: list[str]) -> None:
    ended = Counter(tried(filled, f"{n}@example.org", "198.51.100.1") for n in range(200))
    assert ended[login.NotSignedIn] == len(hashed) == login.TRIES_OF_ADDRESS
