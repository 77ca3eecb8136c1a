"""Signing in: rate limit before hashing, password, second factor, lock-out.

The answer to a failed attempt is the same whatever failed, and takes the same time, so that nobody
learns from it who has an account. Attempts are counted before anything is hashed: argon2 is slow on
purpose, and must not be what an attacker wears the server down with.
"""

from __future__ import annotations

import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hanboot.errors import CheckFailed
from hanboot.library import audit, clock
from hanboot.library.accounts import secrets
from hanboot.library.accounts.users import User, find_user
from hanboot.library.schema import AttemptRow, RecoveryCodeRow, UserRow
from hanboot.registry.storage.database import Database

# fmt: off
WINDOW_S           = 60   # in which attempts are counted
TRIES_OF_ADDRESS   = 20   # from one network address: a party's people may share one
TRIES_OF_ACCOUNT   = 5
LOCK_AFTER         = 10   # failures in a row
LOCK_MINUTES       = 15
# fmt: on


class TooMany(CheckFailed):
    """Attempts came too fast."""

    def __init__(self, seconds: int) -> None:
        self.retry_after_s = seconds
        super().__init__(
            "there were too many attempts",
            "the number of attempts is limited",
            f"wait {seconds} seconds, then try again",
        )


class NotSignedIn(CheckFailed):
    """What was given does not sign anybody in."""

    def __init__(self) -> None:
        super().__init__(
            "you are not signed in",
            "address, password or code is wrong, or the account is locked for now",
            "try again; after ten failures wait a quarter of an hour, or ask for a recovery",
        )


def count_attempt(database: Database, subjects: dict[str, int], now: datetime.datetime) -> None:
    """Counts an attempt of each subject.

    Args:
        subjects: what is counted, with how many are allowed in a window.

    Raises:
        TooMany: of one of them there were more.
    """
    # what is refused all the same is not written down: an attacker must not keep the database busy
    refuse_too_many(database, subjects, now)
    window = _window(now)
    with database.writing() as connection:
        connection.execute(sa.delete(AttemptRow).where(AttemptRow.window < window))
        counts = [_increment(connection, subject, window) for subject in subjects]
    if any(count > most for count, most in zip(counts, subjects.values(), strict=True)):
        raise TooMany(_left_s(now))


def refuse_too_many(database: Database, subjects: dict[str, int], now: datetime.datetime) -> None:
    """Refuses an attempt of which one subject has used up its number; counts nothing.

    Raises:
        TooMany: of one of them there were as many as are allowed.
    """
    query = sa.select(AttemptRow.subject, AttemptRow.count.label("tries")).where(
        AttemptRow.subject.in_(subjects), AttemptRow.window == _window(now)
    )
    with database.reading() as connection:
        rows = connection.execute(query).all()
    if any(row.tries >= subjects[row.subject] for row in rows):
        raise TooMany(_left_s(now))


def _window(now: datetime.datetime) -> int:
    return int(now.timestamp()) // WINDOW_S


def _left_s(now: datetime.datetime) -> int:
    return WINDOW_S - int(now.timestamp()) % WINDOW_S


def _increment(connection: Connection, subject: str, window: int) -> int:
    where = (AttemptRow.subject == subject, AttemptRow.window == window)
    changed = connection.execute(
        sa.update(AttemptRow).where(*where).values(count=AttemptRow.count + 1)
    )
    if not changed.rowcount:
        connection.execute(sa.insert(AttemptRow).values(subject=subject, window=window, count=1))
    return connection.execute(sa.select(AttemptRow.count).where(*where)).scalar_one()


def sign_in(
    database: Database,
    key: secrets.ServerKey,
    *,
    email: str,
    password: str,
    code: str,
    address: str,
    now: datetime.datetime,
) -> User:
    """Checks password and second factor.

    Args:
        code: six digits of the authenticator, or a recovery code.
        address: network address that the attempt comes from.

    Raises:
        TooMany: attempts came too fast.
        NotSignedIn: something is wrong, it is not said what.
    """
    email = email.strip().lower()
    subjects = {
        f"address {address}"[:256]: TRIES_OF_ADDRESS,
        # a digest, so that the table keeps no address that was typed
        f"account {secrets.digest(email).hex()}": TRIES_OF_ACCOUNT,
    }
    count_attempt(database, subjects, now)
    with database.reading() as connection:
        row = connection.execute(
            sa.select(UserRow.__table__).where(UserRow.email == email, UserRow.is_active)
        ).first()
    # outside of any transaction: it takes a tenth of a second
    right = secrets.is_password(password, row.password_hash if row else None)
    with database.writing() as connection:
        user = find_user(connection, row.number) if row else None
        is_locked = row is not None and (row.locked_until or "") > clock.text(now)
        if user and right and not is_locked and _second_factor(connection, key, user, code, now):
            connection.execute(
                sa.update(UserRow)
                .where(UserRow.number == user.number)
                .values(failed_logins=0, locked_until=None)
            )
            audit.add(connection, user.actor, "sign in", detail={"address": address})
            return user
        if user:
            _failed(connection, user, now)
        audit.add(
            connection,
            user.actor if user else audit.NOBODY,
            "sign in failed",
            detail={"address": address},
        )
    raise NotSignedIn


def _second_factor(
    connection: Connection,
    key: secrets.ServerKey,
    user: User,
    code: str,
    now: datetime.datetime,
) -> bool:
    code = code.strip().lower()
    # the row again, within the transaction: a code that is used twice at once counts once
    row = connection.execute(
        sa.select(UserRow.totp_secret, UserRow.totp_step).where(UserRow.number == user.number)
    ).one()
    if row.totp_secret is None:
        return False
    step = secrets.totp_step(
        key.decrypt(row.totp_secret), code.replace(" ", ""), int(now.timestamp()), row.totp_step
    )
    if step is not None:
        taken = connection.execute(
            sa.update(UserRow)
            .where(UserRow.number == user.number, UserRow.totp_step < step)
            .values(totp_step=step)
        )
        return taken.rowcount == 1
    used = connection.execute(
        sa.update(RecoveryCodeRow)
        .where(
            RecoveryCodeRow.user == user.number,
            RecoveryCodeRow.digest == secrets.digest(code),
            RecoveryCodeRow.used_at.is_(None),
        )
        .values(used_at=clock.text(now))
    )
    return used.rowcount == 1


def _failed(connection: Connection, user: User, now: datetime.datetime) -> None:
    failed = connection.execute(
        sa.update(UserRow)
        .where(UserRow.number == user.number)
        .values(failed_logins=UserRow.failed_logins + 1)
        .returning(UserRow.failed_logins)
    ).scalar_one()
    if failed % LOCK_AFTER == 0:
        until = now + datetime.timedelta(minutes=LOCK_MINUTES)
        connection.execute(
            sa.update(UserRow)
            .where(UserRow.number == user.number)
            .values(locked_until=clock.text(until))
        )
        audit.add(connection, user.actor, "lock", user.email)
