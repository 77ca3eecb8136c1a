"""Sample data for `hanboot library serve --demo`: parties, users, firmware, submissions."""

from __future__ import annotations

from dataclasses import dataclass

from hanboot.library.accounts import secrets, tokens, users
from hanboot.library.accounts.tokens import TokenScope
from hanboot.library.audit import NOBODY
from hanboot.library.library import Library
from hanboot.library.permissions import PartyKind

_PARTIES = {
    "volt": ("Volt Devices Ltd", PartyKind.MANUFACTURER),
    "north": ("Northern Energy", PartyKind.SUPPLIER),
    "south": ("Southern Energy", PartyKind.SUPPLIER),
    "metering": ("Metering Assets plc", PartyKind.METER_ASSET_PROVIDER),
    "dcc": ("DCC", PartyKind.DCC),
    "ssc": ("Security Sub-Committee", PartyKind.SSC),
    "secas": ("SECAS", PartyKind.ADMINISTRATOR),
}


@dataclass(frozen=True, kw_only=True)
class DemoUser:
    """A user of the demonstration, with all of its secrets."""

    name: str
    email: str
    party: str
    kind: str
    password: str
    totp_secret: str
    token: str

    def as_json(self) -> dict[str, str]:
        return dict(vars(self))


def fill(library: Library) -> list[DemoUser]:
    """Makes the parties and a user of each, with new secrets."""
    made = []
    for name, (title, kind) in _PARTIES.items():
        now = library.clock()
        email, password = f"{name}@example.org", secrets.new_token()
        secret = secrets.new_totp_secret()
        with library.registry.database.writing() as connection:
            party = users.add_party(connection, NOBODY, title, kind)
            token = users.invite(connection, None, party, email, now)
            invited = users.invitation(connection, token, now)
            number, _ = users.accept(
                connection, library.key, invited, name.capitalize(), password, secret, now
            )
            user = users.find_user(connection, number)
            assert user is not None
            api_token = tokens.issue(
                connection, user, name="demo", scope=TokenScope.WRITE, days=7, now=now
            )
        made.append(
            DemoUser(
                name=name,
                email=email,
                party=title,
                kind=kind.value,
                password=password,
                totp_secret=secret,
                token=api_token,
            )
        )
    return made
