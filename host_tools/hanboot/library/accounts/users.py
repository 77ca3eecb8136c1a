"""Parties and users: invited, signed up, recovered, disabled."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hanboot.errors import CheckFailed, WrongUsage
from hanboot.library import audit, clock
from hanboot.library.accounts import secrets
from hanboot.library.permissions import Action, PartyKind, allows
from hanboot.library.refusals import Forbidden
from hanboot.library.schema import (
    InvitationRow,
    PartyRow,
    RecoveryCodeRow,
    SessionRow,
    TokenRow,
    UserRow,
)
from hanboot.registry.fields import BadValue, parse_text

INVITATION_DAYS = 7
RECOVERY_HOURS = 2

_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f]{1,64}@[A-Za-z0-9.-]{1,189}")


@dataclass(frozen=True, kw_only=True)
class Party:
    """A party, see `PartyRow`."""

    number: int
    name: str
    kind: PartyKind


@dataclass(frozen=True, kw_only=True)
class User:
    """A user with the party that its permissions come from."""

    number: int
    email: str
    name: str
    party: Party
    is_active: bool = True

    @property
    def actor(self) -> audit.Actor:
        return audit.Actor(user=self.email, party=self.party.name)

    def may(self, action: Action, *, own: bool = False) -> bool:
        """See `permissions.allows`."""
        return allows(self.party.kind, action, own=own)

    def require(self, action: Action, *, own: bool = False) -> None:
        """Refuses what the user's party may not do.

        Raises:
            Forbidden: it may not.
        """
        if not self.may(action, own=own):
            raise Forbidden(
                f"you may not {action}",
                f"{self.party.name} is of the kind {self.party.kind}",
                "ask a party that may; the table of permissions is in the guide",
            )


# --- questions

_USER = sa.select(
    UserRow.number,
    UserRow.email,
    UserRow.name,
    UserRow.is_active,
    PartyRow.number.label("party_number"),
    PartyRow.name.label("party_name"),
    PartyRow.kind.label("party_kind"),
).join(PartyRow, PartyRow.number == UserRow.party)


def _user(row: Any) -> User:
    party = Party(number=row.party_number, name=row.party_name, kind=PartyKind(row.party_kind))
    return User(
        number=row.number, email=row.email, name=row.name, party=party, is_active=row.is_active
    )


def find_user(connection: Connection, number: int) -> User | None:
    """A user by number; None if there is none, or it was disabled."""
    row = connection.execute(_USER.where(UserRow.number == number, UserRow.is_active)).first()
    return _user(row) if row else None


def users_of(connection: Connection, party: int) -> list[User]:
    """All users of a party, disabled ones too, by e-mail address."""
    query = _USER.where(PartyRow.number == party).order_by(UserRow.email)
    return [_user(row) for row in connection.execute(query)]


def find_party(connection: Connection, number: int) -> Party | None:
    row = connection.execute(sa.select(PartyRow.__table__).where(PartyRow.number == number)).first()
    return Party(number=row.number, name=row.name, kind=PartyKind(row.kind)) if row else None


def parties(connection: Connection) -> list[Party]:
    """All parties by name."""
    rows = connection.execute(sa.select(PartyRow.__table__).order_by(PartyRow.name))
    return [Party(number=row.number, name=row.name, kind=PartyKind(row.kind)) for row in rows]


# --- changes


def add_party(connection: Connection, actor: audit.Actor, name: str, kind: PartyKind) -> Party:
    """Adds a party.

    Raises:
        WrongUsage: the name is empty, no text, or taken.
    """
    name = _text("the party's name", name)
    if connection.execute(sa.select(PartyRow.number).where(PartyRow.name == name)).first():
        raise WrongUsage(
            f"there is a party {name} already", "names of parties are unique", "choose another name"
        )
    number = connection.execute(
        sa.insert(PartyRow)
        .values(name=name, kind=kind.value, created_at=clock.text(clock.utc_now()))
        .returning(PartyRow.number)
    ).scalar_one()
    audit.add(connection, actor, "add party", name, {"kind": kind.value})
    return Party(number=number, name=name, kind=kind)


def invite(
    connection: Connection, by: User | None, party: Party, email: str, now: datetime.datetime
) -> str:
    """Invites a person to be a user of a party.

    Returns:
        the token of the invitation, to be handed to that person; it is kept nowhere.

    Raises:
        WrongUsage: it is no e-mail address, or has an account.
    """
    email = email.strip().lower()
    if not _EMAIL.fullmatch(email):
        raise WrongUsage(
            "this is not an e-mail address", "it needs a name, @ and a domain", "check the address"
        )
    if connection.execute(sa.select(UserRow.number).where(UserRow.email == email)).first():
        raise WrongUsage(
            f"{email} has an account already", "addresses are unique", "use another address"
        )
    return _issue(
        connection, by, party, None, email, now + datetime.timedelta(days=INVITATION_DAYS)
    )


def start_recovery(connection: Connection, by: User, user: User, now: datetime.datetime) -> str:
    """Lets a user choose password and second factor anew; ends sessions and tokens at once.

    Returns:
        the token of the recovery, to be handed to the user.
    """
    _end_access(connection, user.number)
    expires = now + datetime.timedelta(hours=RECOVERY_HOURS)
    return _issue(connection, by, user.party, user.number, user.email, expires)


def _issue(
    connection: Connection,
    by: User | None,
    party: Party,
    user: int | None,
    email: str,
    expires: datetime.datetime,
) -> str:
    token = secrets.new_token()
    connection.execute(
        sa.insert(InvitationRow).values(
            digest=secrets.digest(token),
            party=party.number,
            user=user,
            email=email,
            invited_by=by.number if by else None,
            expires_at=clock.text(expires),
        )
    )
    actor = by.actor if by else audit.NOBODY
    audit.add(connection, actor, "recover" if user else "invite", email, {"party": party.name})
    return token


@dataclass(frozen=True, kw_only=True)
class Invitation:
    """An invitation that can be accepted. user: whose account it recovers."""

    token: str
    email: str
    party: Party
    user: int | None


def invitation(connection: Connection, token: str, now: datetime.datetime) -> Invitation:
    """The invitation of a token.

    Raises:
        CheckFailed: there is none, it was used, or it is too old.
    """
    row = connection.execute(
        sa.select(InvitationRow.__table__).where(InvitationRow.digest == secrets.digest(token))
    ).first()
    if row is None or row.used_at is not None or row.expires_at < clock.text(now):
        raise CheckFailed(
            "this invitation cannot be used",
            "it was used already, is too old, or never was",
            "ask who sent it for a new one",
        )
    party = find_party(connection, row.party)
    assert party is not None
    return Invitation(token=token, email=row.email, party=party, user=row.user)


def accept(
    connection: Connection,
    key: secrets.ServerKey,
    invited: Invitation,
    name: str,
    password: str,
    totp_secret: str,
    now: datetime.datetime,
) -> tuple[int, list[str]]:
    """Makes the user, or sets password and second factor of one anew.

    Returns:
        the user's number, and recovery codes to show once.
    """
    stamp = clock.text(now)
    used = connection.execute(
        sa.update(InvitationRow)
        .where(
            InvitationRow.digest == secrets.digest(invited.token), InvitationRow.used_at.is_(None)
        )
        .values(used_at=stamp)
    )
    if used.rowcount != 1:
        raise CheckFailed(
            "this invitation cannot be used", "it was used just now", "sign in instead"
        )
    values = {
        "password_hash": secrets.hash_password(password),
        "totp_secret": key.encrypt(totp_secret),
        "totp_step": 0,
        "failed_logins": 0,
        "locked_until": None,
    }
    if invited.user is None:
        number: int = connection.execute(
            sa.insert(UserRow)
            .values(
                party=invited.party.number,
                email=invited.email,
                name=_text("your name", name),
                created_at=stamp,
                **values,
            )
            .returning(UserRow.number)
        ).scalar_one()
    else:
        number = invited.user
        connection.execute(sa.update(UserRow).where(UserRow.number == number).values(**values))
        connection.execute(sa.delete(RecoveryCodeRow).where(RecoveryCodeRow.user == number))
        _end_access(connection, number)
    codes = secrets.new_recovery_codes()
    connection.execute(
        sa.insert(RecoveryCodeRow),
        [{"user": number, "digest": secrets.digest(code)} for code in codes],
    )
    actor = audit.Actor(user=invited.email, party=invited.party.name)
    audit.add(connection, actor, "recovered" if invited.user else "sign up", invited.email)
    return number, codes


def disable(connection: Connection, by: User, user: User) -> None:
    """Takes a user's access away; what the user did stays in the log."""
    connection.execute(
        sa.update(UserRow).where(UserRow.number == user.number).values(is_active=False)
    )
    _end_access(connection, user.number)
    audit.add(connection, by.actor, "disable user", user.email)


def _end_access(connection: Connection, user: int) -> None:
    connection.execute(sa.delete(SessionRow).where(SessionRow.user == user))
    connection.execute(sa.delete(TokenRow).where(TokenRow.user == user))


def _text(what: str, value: str) -> str:
    try:
        text = parse_text(value.strip())
        if not text:
            raise BadValue("it is empty")
    except BadValue as bad:
        raise WrongUsage(f"{what} cannot be used", str(bad), "give a line of text") from None
    return text
