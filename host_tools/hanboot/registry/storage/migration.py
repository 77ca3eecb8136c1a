"""The schema of an owner's tables: which version a database is at, and the steps to this one's.

Registry, library and the DSP's service each have tables of their own in one database, steps of
their own from one schema to the next, and a table that holds the last one taken. Here is what all
do with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hanboot.errors import BadFile

if TYPE_CHECKING:
    from alembic.config import Config


class OtherSchema(BadFile):
    """A database's tables are at another schema version than this hanboot works with."""


@dataclass(frozen=True, kw_only=True)
class TableSchema:
    """The tables of one owner, as this hanboot works with them.

    Attributes:
        owner: in words; "" for the registry, whose database it is.
        steps: where alembic finds the steps, PACKAGE:FOLDER; each is a file
            versions/NNNN_what_it_does.py.
        version_table: its one row is the last step taken.
        newest: the last step that there is.
        command: takes the missing steps.
        first_table, first_step: a table that there was, and the step that it was at, before
            `version_table` was kept; None: it was kept from the beginning.
    """

    owner: str
    steps: str
    version_table: str
    newest: str
    command: str
    first_table: str | None = None
    first_step: str | None = None

    def found(self, connection: Connection) -> str | None:
        """The step that a database is at; None if it holds none of the tables."""
        inspector = sa.inspect(connection)
        if inspector.has_table(self.version_table):
            return self._last_step(connection)
        if self.first_table and inspector.has_table(self.first_table):
            return self.first_step
        return None

    def known(self) -> list[str]:
        """All steps, oldest first."""
        package, _, folder = self.steps.partition(":")
        versions = resources.files(package) / folder / "versions"
        return sorted(
            file.name.split("_")[0] for file in versions.iterdir() if file.name[:4].isdecimal()
        )

    def check(self, connection: Connection, database: str) -> None:
        """Refuses tables that are at another version; what this asks is one row.

        Raises:
            OtherSchema: they are.
        """
        last = self._last_step(connection)
        if last != self.newest:
            raise self.refusal(database, last)

    def refusal(self, database: str, found: str | None) -> OtherSchema:
        """Why a database at the step `found` is not worked with, and what to do."""
        what = f"{database} is at" if not self.owner else f"{self.owner} in {database} is at"
        if found in self.known():
            return OtherSchema(
                f"{what} an older schema version",
                f"it is at {found}, this hanboot works with {self.newest}",
                f"keep a copy, then: {self.command}",
            )
        return OtherSchema(
            f"{what} an unknown schema version",
            f"it is at {found}, this hanboot knows up to {self.newest}",
            "use a newer hanboot",
        )

    def upgrade(self, connection: Connection, to: str = "head") -> None:
        """Takes the missing steps, in the transaction of `connection`."""
        # imported late: it is needed once in a database's life
        from alembic import command

        config = self._config(connection)
        found = self.found(connection)
        if found and not sa.inspect(connection).has_table(self.version_table):
            command.stamp(config, found)
        command.upgrade(config, to)

    def _config(self, connection: Connection) -> Config:
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", self.steps)
        config.attributes["connection"] = connection
        config.attributes["version_table"] = self.version_table
        return config

    def _last_step(self, connection: Connection) -> str | None:
        query: sa.Select[str] = sa.select(sa.column("version_num", sa.String)).select_from(
            sa.table(self.version_table)
        )
        # one row; more are no step of ours
        return ", ".join(map(str, connection.execute(query).scalars())) or None


def run_steps() -> None:
    """What the env.py of each folder of steps does: alembic reaches the database that it is handed.

    The transaction is the caller's: all steps are taken, or none.
    """
    from alembic import context

    attributes = context.config.attributes
    context.configure(
        connection=attributes["connection"],
        version_table=attributes["version_table"],
        transactional_ddl=True,
    )
    context.run_migrations()
