"""Tokens of the API: made once, shown once, with a scope and an end."""

from __future__ import annotations

import datetime
import enum
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hanboot.errors import WrongUsage
from hanboot.library import audit, clock
from hanboot.library.accounts import secrets
from hanboot.library.accounts.users import User, find_user
from hanboot.library.refusals import Forbidden
from hanboot.library.schema import TokenRow
from hanboot.registry.fields import TEXT_MAX

DAYS_MAX = 366
# a use is recorded once in a while, since it is a change of the database
_USE_RECORDED_S = 60

#: What a token begins with, so that scanners of repositories know one when they see it.
PREFIX = "hbl_"


class TokenScope(enum.StrEnum):
    """What a token may be used for; WRITE includes READ."""

    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, kw_only=True)
class IssuedToken:
    """A token as its user sees it later: without the token. handle: names it in the list."""

    handle: str
    name: str
    scope: TokenScope
    created_at: str
    expires_at: str
    used_at: str | None


@dataclass(frozen=True, kw_only=True)
class Authenticated:
    """A token that was shown. is_due: its last use is to be recorded again."""

    user: User
    scope: TokenScope
    expires_at: str
    is_due: bool


def issue(
    connection: Connection,
    user: User,
    *,
    name: str,
    scope: TokenScope,
    days: int,
    now: datetime.datetime,
    by: Authenticated | None = None,
) -> str:
    """Makes a token, which is kept nowhere.

    Args:
        by: the token that asks for it; one that it makes can do no more, and ends no later.

    Raises:
        WrongUsage: it has no name, or ends too late.
        Forbidden: it would outlive or outdo `by`.
    """
    if not name.strip() or len(name) > TEXT_MAX or not 1 <= days <= DAYS_MAX:
        raise WrongUsage(
            "no token was made",
            f"it needs a name, and an end within {DAYS_MAX} days",
            "say what it is for, and for how many days",
        )
    expires_at = clock.text(now + datetime.timedelta(days=days))
    if by is not None:
        _refuse_more_than(by, scope, expires_at)
    token = PREFIX + secrets.new_token()
    connection.execute(
        sa.insert(TokenRow).values(
            digest=secrets.digest(token),
            user=user.number,
            name=name.strip(),
            scope=scope.value,
            created_at=clock.text(now),
            expires_at=expires_at,
        )
    )
    audit.add(connection, user.actor, "make token", name.strip(), {"scope": scope.value})
    return token


def _refuse_more_than(by: Authenticated, scope: TokenScope, expires_at: str) -> None:
    if expires_at > by.expires_at or (
        scope is TokenScope.WRITE and by.scope is not TokenScope.WRITE
    ):
        raise Forbidden(
            "no token was made",
            f"the token that asks for it has the scope {by.scope.value} and ends {by.expires_at}; "
            "what it makes can do no more, and ends no later",
            "ask for fewer days, or make the token on your account's page",
        )


def authenticate(
    connection: Connection, token: str, now: datetime.datetime
) -> Authenticated | None:
    """Whose token it is; None if it is no user's, or too old."""
    digest = secrets.digest(token)
    row = connection.execute(
        sa.select(TokenRow.__table__).where(
            TokenRow.digest == digest, TokenRow.expires_at > clock.text(now)
        )
    ).first()
    user = find_user(connection, row.user) if row else None
    if row is None or user is None:
        return None
    recently = clock.text(now - datetime.timedelta(seconds=_USE_RECORDED_S))
    return Authenticated(
        user=user,
        scope=TokenScope(row.scope),
        expires_at=row.expires_at,
        is_due=(row.used_at or "") < recently,
    )


def mark_used(connection: Connection, token: str, now: datetime.datetime) -> None:
    connection.execute(
        sa.update(TokenRow)
        .where(TokenRow.digest == secrets.digest(token))
        .values(used_at=clock.text(now))
    )


def tokens_of(connection: Connection, user: User) -> list[IssuedToken]:
    """A user's tokens, oldest first."""
    query = (
        sa.select(TokenRow.__table__)
        .where(TokenRow.user == user.number)
        .order_by(TokenRow.created_at, TokenRow.digest)
    )
    return [
        IssuedToken(
            handle=row.digest.hex()[:16],
            name=row.name,
            scope=TokenScope(row.scope),
            created_at=row.created_at,
            expires_at=row.expires_at,
            used_at=row.used_at,
        )
        for row in connection.execute(query)
    ]


def revoke(connection: Connection, user: User, handle: str) -> bool:
    """Ends one of a user's tokens; False if the user has none of that handle."""
    for row in connection.execute(
        sa.select(TokenRow.digest, TokenRow.name).where(TokenRow.user == user.number)
    ):
        if row.digest.hex()[:16] == handle:
            connection.execute(sa.delete(TokenRow).where(TokenRow.digest == row.digest))
            audit.add(connection, user.actor, "revoke token", row.name)
            return True
    return False
