"""A PostgreSQL server of the tests' own: Debian's, in a temporary folder, never as root."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path

import psycopg

_USER = "postgres"


def find_programs() -> Path | None:
    """The folder of initdb and pg_ctl; None if PostgreSQL is not there."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found:
        return found[-1].parent
    initdb = shutil.which("initdb")
    return Path(initdb).resolve().parent if initdb else None


class Cluster:
    """A server that listens on a socket in its own folder, and on no network."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._folder = Path(tempfile.mkdtemp(prefix="hanboot-postgres-"))
        if os.getuid() == 0:
            # the server refuses to run as root
            user = pwd.getpwnam(_USER)
            os.chown(self._folder, user.pw_uid, user.pw_gid)
        self._run("initdb", "-D", self._data, "-U", _USER, "-A", "trust", "-E", "UTF8", "--no-sync")
        # nothing here has to survive a power cut
        settings = f"-k {self._folder} -c listen_addresses='' -c fsync=off"
        self._run(
            "pg_ctl", "-D", self._data, "-l", self._data / "log", "-w", "-o", settings, "start"
        )

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _run(self, program: str, *arguments: object) -> None:
        command = [str(self._programs / program), *map(str, arguments)]
        if os.getuid() == 0:
            command = ["setpriv", f"--reuid={_USER}", f"--regid={_USER}", "--init-groups", *command]
        subprocess.run(
            command,
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
        )

    def connect(self, database: str = _USER) -> psycopg.Connection:
        return psycopg.connect(host=str(self._folder), user=_USER, dbname=database, autocommit=True)

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"test_{uuid.uuid4().hex}"
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"postgresql+psycopg://{_USER}@/{name}?host={self._folder}"

    def dump(self, url: str, name: str) -> Path:
        """A backup of a database as an administrator makes it, with pg_dump."""
        file = self._folder / name
        self._run("pg_dump", "--format=custom", "--file", file, _uri(url))
        return file

    def restore(self, file: Path) -> str:
        """The URL of a new database that pg_restore filled."""
        url = self.new_database()
        self._run("pg_restore", "--exit-on-error", "--no-owner", "--dbname", _uri(url), file)
        return url

    def drop(self, url: str) -> None:
        """Loses a database, with clients connected or not."""
        with self.connect() as connection:
            connection.execute(f"DROP DATABASE {_uri(url).split('/')[-1].split('?')[0]} (FORCE)")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", self._data, "-m", "immediate", "stop")
        shutil.rmtree(self._folder)


def _uri(url: str) -> str:
    """What PostgreSQL's own programs take."""
    scheme, rest = url.split("://")
    return f"{scheme.split('+')[0]}://{rest.split('?host=')[0]}?host={rest.split('?host=')[1]}"
