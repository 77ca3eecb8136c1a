"""Fields that administrators add to entries, beyond those of CPL and FIR (SECMP0009 3)."""

from __future__ import annotations

import re
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hanboot.errors import WrongUsage
from hanboot.library import audit, clock
from hanboot.library.accounts.users import User
from hanboot.library.catalogue.entries import NOTES
from hanboot.library.library import Library
from hanboot.library.permissions import Action
from hanboot.library.refusals import Conflict
from hanboot.library.schema import ExtraFieldRow
from hanboot.registry.fields import BY_NAME, BadValue, parse_text

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclass(frozen=True, kw_only=True)
class ExtraField:
    """A field that an administrator added. name: in requests and files; heading: for people."""

    name: str
    heading: str


def extra_fields(connection: Connection) -> list[ExtraField]:
    """All of them, in the order in which they were added."""
    query = sa.select(ExtraFieldRow.name, ExtraFieldRow.heading).order_by(
        ExtraFieldRow.added_at, ExtraFieldRow.name
    )
    return [ExtraField(name=row.name, heading=row.heading) for row in connection.execute(query)]


def add(library: Library, user: User, name: str, heading: str) -> None:
    """Adds a field, which forms then ask for; entries that hold it already show its heading.

    Raises:
        Forbidden: the user may not.
        WrongUsage: the name or the heading cannot be used.
        Conflict: there is such a field.
    """
    user.require(Action.ADD_FIELD)
    if not _NAME.fullmatch(name):
        raise WrongUsage(
            "the field was not added",
            f"'{name[:80]}' is not a name: small letters, digits and _, at most 64",
            "choose another name; the heading is what people see",
        )
    try:
        heading = parse_text(heading.strip())
    except BadValue as bad:
        raise WrongUsage("the field was not added", str(bad), "choose another heading") from None
    with library.registry.database.writing() as connection:
        query = sa.select(ExtraFieldRow.name).where(ExtraFieldRow.name == name)
        if name in BY_NAME or name in NOTES or connection.execute(query).first():
            raise Conflict(
                f"there is a field {name} already", "names are unique", "choose another name"
            )
        connection.execute(
            sa.insert(ExtraFieldRow).values(
                name=name,
                heading=heading or name,
                added_by=user.number,
                added_at=clock.text(library.clock()),
            )
        )
        audit.add(connection, user.actor, "add field", name, {"heading": heading})
