"""Backup and restore on a real PostgreSQL, and what `library check` finds in a bad restore."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pyotp
import pytest
import sqlalchemy as sa
from command_line import hanboot
from library_service import Filled
from postgres_cluster import Cluster

from hanboot.errors import BadFile
from hanboot.library import demo_firmware
from hanboot.library.accounts import login
from hanboot.library.accounts.secrets import ServerKey
from hanboot.library.catalogue import decisions
from hanboot.library.schema import AuditRow, LibraryTable, UserRow
from hanboot.registry.storage import schema as registry_schema
from hanboot.registry.storage.database import Database


@pytest.fixture(scope="module")
def filled(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Filled:
    folder = tmp_path_factory.mktemp("backup") / "library"
    made = Filled(folder, url=cluster.new_database())
    demo_firmware.fill(made.library, folder)
    return made


def held(url: str) -> dict[str, list[str]]:
    """All rows of all tables, the registry's and the library's."""
    database = Database(url)
    tables = {**LibraryTable.metadata.tables, **registry_schema.RegistryTable.metadata.tables}
    with database.reading() as connection:
        found = {
            name: sorted(repr(tuple(row)) for row in connection.execute(sa.select(table)))
            for name, table in tables.items()
        }
    database.close()
    return found


def check(url: str, images: Path, key: Path) -> Any:
    return hanboot(
        "library", "check", "--registry", url, "--images", images, "--key-file", key, "--json"
    )


def test_all_is_there_after_a_restore(cluster: Cluster, filled: Filled, tmp_path: Path) -> None:
    """In the order of the page: the database, then the images; the key lies apart."""
    before = held(filled.url)
    dump = cluster.dump(filled.url, "library.dump")
    # it goes on meanwhile: what follows the dump is not in it
    decisions.withdraw(filled.library, filled.user("volt"), 5, filled.revision(5), "")
    shutil.copytree(filled.folder / "images", tmp_path / "images")
    shutil.copy(filled.folder / "library.key", tmp_path / "library.key")
    assert held(filled.url) != before

    restored = cluster.restore(dump)
    assert held(restored) == before
    ran = check(restored, tmp_path / "images", tmp_path / "library.key")
    assert ran.code == 0, ran.err
    assert ran.document["faults"] == []
    assert (ran.document["entries"], ran.document["images"]) == (6, 5)

    # people get in as before, with the second factor that the key decrypts
    database, user = Database(restored), filled.users["north"]
    signed_in = login.sign_in(
        database,
        ServerKey(tmp_path / "library.key"),
        email=user.email,
        password=user.password,
        code=pyotp.TOTP(user.totp_secret).now(),
        address="127.0.0.1",
        now=filled.library.clock(),
    )
    assert signed_in.party.name == "Northern Energy"
    database.close()


def test_faults_of_a_restore_are_found(cluster: Cluster, filled: Filled, tmp_path: Path) -> None:
    restored = cluster.restore(cluster.dump(filled.url, "faults.dump"))
    images, key = tmp_path / "images", tmp_path / "library.key"
    shutil.copytree(filled.folder / "images", images)
    shutil.copy(filled.folder / "library.key", key)
    files = sorted(file for file in images.rglob("*") if file.is_file())

    files[0].unlink()
    with files[1].open("r+b") as file:
        file.write(b"\0")
    ran = check(restored, images, key)
    assert ran.code == 1
    gone, damaged = ran.document["faults"]
    assert "not in the store any more" in gone or "not in the store any more" in damaged
    assert files[0].name in gone + damaged
    assert files[1].name in gone + damaged

    other = tmp_path / "other.key"
    ServerKey(other)
    assert "7 second-factor secrets cannot be decrypted" in check(restored, images, other).out

    changed = sa.update(AuditRow).where(AuditRow.number == 3).values(action="sign in")
    database = Database(restored)
    # what keeps the log from being rewritten is in the backup, too
    with pytest.raises(BadFile, match="may only be added to"), database.writing() as connection:
        connection.execute(changed)
    with database.writing() as connection:
        connection.execute(sa.text("ALTER TABLE library_audit DISABLE TRIGGER USER"))
        connection.execute(changed)
    database.close()
    assert "the audit log was changed after it was written, at row 3" in (
        check(restored, images, key).out
    )


def test_a_check_makes_nothing(tmp_path: Path) -> None:
    ran = check(str(tmp_path / "none.db"), tmp_path / "images", tmp_path / "none.key")
    assert ran.code == 2
    assert list(tmp_path.iterdir()) == []


def test_the_first_administrator(tmp_path: Path) -> None:
    """A link from the command line, with which the pages make the account."""
    url = tmp_path / "registry.db"
    ran = hanboot(
        "library", "invite", "first@example.org", "--party", "SECAS", "--registry", url,
        "--url", "https://library.example/",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert ran.out.startswith("https://library.example/invitations/")
    ran = hanboot(
        "library", "invite", "b@example.org", "--party", "SECAS", "--registry", url,
        "--url", "https://library.example/", "--kind", "supplier",
    )  # fmt: skip
    assert ran.code == 2
    assert "its kind is administrator" in ran.err
    with Database(str(url)).reading() as connection:
        assert connection.execute(sa.select(UserRow.number)).all() == []
