"""The audit log: who saw, took or changed what, only ever added to.

Each row carries the SHA-256 over the digest of the row before and over itself, so that a row that
was changed or removed later shows; `verify` computes them again. The last digest, kept elsewhere,
also shows rows that were cut off at the end.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hanboot.errors import CheckFailed
from hanboot.library import clock
from hanboot.library.schema import AuditRow
from hanboot.registry.fields import TEXT_MAX

_NOTHING_BEFORE = bytes(32)
_ROWS_AT_ONCE = 1000
_AUDIT = AuditRow.__table__


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Who does something: a user of a party, or a visitor who has not signed in."""

    user: str
    party: str


NOBODY = Actor(user="", party="")


@dataclass(frozen=True, kw_only=True)
class AuditEntry:
    """One row. detail: what else is worth knowing, as texts by name."""

    number: int
    at: str
    actor: Actor
    action: str
    subject: str
    detail: dict[str, str]


def add(
    connection: Connection,
    actor: Actor,
    action: str,
    subject: str = "",
    detail: dict[str, str] | None = None,
) -> None:
    """Adds a row, in the transaction of what it is about."""
    last = connection.execute(
        sa.select(_AUDIT.c.number, _AUDIT.c.digest).order_by(_AUDIT.c.number.desc()).limit(1)
    ).first()
    number, before = (last.number + 1, last.digest) if last else (1, _NOTHING_BEFORE)
    values = [
        number,
        clock.text(clock.utc_now()),
        actor.user,
        actor.party,
        action,
        subject[:TEXT_MAX],
        json.dumps(detail or {}, sort_keys=True, ensure_ascii=False),
    ]
    names = ("number", "at", "user", "party", "action", "subject", "detail")
    row = dict(zip(names, values, strict=True))
    connection.execute(sa.insert(AuditRow).values(**row, digest=_digest(before, values)))


def _digest(before: bytes, values: list[object]) -> bytes:
    return hashlib.sha256(before + json.dumps(values, ensure_ascii=True).encode()).digest()


def records(
    connection: Connection, *, after: int = 0, limit: int | None = None
) -> Iterator[AuditEntry]:
    """Rows with a number above `after`, oldest first."""
    query = sa.select(_AUDIT).where(_AUDIT.c.number > after).order_by(_AUDIT.c.number)
    if limit is not None:
        query = query.limit(limit)
    for row in connection.execute(query.execution_options(yield_per=_ROWS_AT_ONCE)):
        yield _record(row)


def latest(
    connection: Connection, *, text: str = "", before: int | None = None, limit: int
) -> list[AuditEntry]:
    """Rows, newest first.

    Args:
        text: a user, a party, an action or a subject; "" for all.
        before: only rows with a number below this.
    """
    query = sa.select(_AUDIT).order_by(_AUDIT.c.number.desc()).limit(limit)
    if text:
        query = query.where(
            sa.or_(
                *(
                    column.icontains(text, autoescape=True)
                    for column in (_AUDIT.c.user, _AUDIT.c.party, _AUDIT.c.action, _AUDIT.c.subject)
                )
            )
        )
    if before is not None:
        query = query.where(_AUDIT.c.number < before)
    return [_record(row) for row in connection.execute(query)]


def _record(row: Any) -> AuditEntry:
    return AuditEntry(
        number=row.number,
        at=row.at,
        actor=Actor(user=row.user, party=row.party),
        action=row.action,
        subject=row.subject,
        detail=json.loads(row.detail),
    )


def last_digest(connection: Connection) -> bytes:
    """The digest of the last row: kept elsewhere, it shows rows that were cut off later."""
    query = sa.select(_AUDIT.c.digest).order_by(_AUDIT.c.number.desc()).limit(1)
    return connection.execute(query).scalar() or _NOTHING_BEFORE


def verify(connection: Connection) -> int:
    """Computes every digest again.

    Returns:
        how many rows there are.

    Raises:
        CheckFailed: a row is not what was recorded, or one is missing.
    """
    before, count = _NOTHING_BEFORE, 0
    query = sa.select(_AUDIT).order_by(_AUDIT.c.number)
    for row in connection.execute(query.execution_options(yield_per=_ROWS_AT_ONCE)):
        *values, recorded = row
        before = _digest(before, values)
        count += 1
        if before != recorded or row.number != count:
            raise CheckFailed(
                f"the audit log was changed after it was written, at row {row.number}",
                "its digest is not that of what it holds and of the row before",
                "restore the database from a backup, and find out who could write to it",
            )
    return count
