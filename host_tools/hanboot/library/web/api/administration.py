"""Parties, users, tokens, the CPL's status, and fields that administrators add."""

from __future__ import annotations

from django.http import HttpRequest
from django.urls import reverse
from ninja.responses import Status

from hanboot.errors import WrongUsage
from hanboot.library.accounts import tokens, users
from hanboot.library.accounts.users import Party, User
from hanboot.library.catalogue import extra_fields, submissions
from hanboot.library.permissions import PERMISSIONS, Action
from hanboot.library.refusals import NotFound
from hanboot.library.web import pages
from hanboot.library.web.api import schemas
from hanboot.library.web.api.operations import SIGNED_IN, operation, token_of, user_of
from hanboot.registry.fields import FIELDS, BadValue

_TAG = "administration"


# --- the CPL, and what entries hold


@operation("POST", "cpl/status", Action.SET_STATUS, answers=schemas.StatusIn, tag=_TAG)
def set_cpl_status(request: HttpRequest, body: schemas.StatusIn) -> schemas.StatusIn:
    """Changes the status of a CPL entry; the library's own entry stays as it is."""
    try:
        submissions.set_status(
            pages.library(), user_of(request), body.cpl_entry_id, body.status, body.reason
        )
    except BadValue as bad:
        raise WrongUsage("the status was not changed", str(bad), "give one of them") from None
    return body


@operation("GET", "fields", SIGNED_IN, answers=list[schemas.FieldOut], tag=_TAG)
def list_fields(request: HttpRequest) -> list[schemas.FieldOut]:
    """The fields of entries: those of CPL and FIR, and those that administrators added."""
    known = [
        schemas.FieldOut(name=each.name, heading=each.heading, part=each.part) for each in FIELDS
    ]
    with pages.library().registry.database.reading() as connection:
        added = extra_fields.extra_fields(connection)
    return known + [
        schemas.FieldOut(name=each.name, heading=each.heading, part="added") for each in added
    ]


@operation("POST", "fields", Action.ADD_FIELD, answers=schemas.FieldOut, status=201, tag=_TAG)
def add_field(request: HttpRequest, body: schemas.FieldIn) -> Status[schemas.FieldOut]:
    """Adds a field to entries; texts that entries hold under its name already are shown there."""
    extra_fields.add(pages.library(), user_of(request), body.name, body.heading)
    made = schemas.FieldOut(name=body.name, heading=body.heading, part="added")
    return Status(201, made)


# --- parties and users


@operation("GET", "parties", Action.MANAGE_PARTIES, answers=list[schemas.PartyOut], tag=_TAG)
def list_parties(request: HttpRequest) -> list[schemas.PartyOut]:
    """All parties by name."""
    with pages.library().registry.database.reading() as connection:
        return [schemas.PartyOut(**vars(each)) for each in users.parties(connection)]


@operation("POST", "parties", Action.MANAGE_PARTIES, answers=schemas.PartyOut, status=201, tag=_TAG)
def add_party(request: HttpRequest, body: schemas.PartyIn) -> Status[schemas.PartyOut]:
    """Adds a party."""
    with pages.library().registry.database.writing() as connection:
        made = users.add_party(connection, user_of(request).actor, body.name, body.kind)
    return Status(201, schemas.PartyOut(**vars(made)))


@operation(
    "GET",
    "parties/{number}",
    Action.MANAGE_OWN_USERS,
    answers=schemas.PartyDetail,
    tag=_TAG,
)
def read_party(request: HttpRequest, number: schemas.Number) -> schemas.PartyDetail:
    """A party with its users: the own one, or any for the administrator."""
    with pages.library().registry.database.reading() as connection:
        party = _own_or_any(users.find_party(connection, number), user_of(request), number)
        members = users.users_of(connection, number)
    return schemas.PartyDetail(**vars(party), users=[schemas.UserOut.of(each) for each in members])


@operation(
    "POST",
    "parties/{number}/invitations",
    Action.MANAGE_OWN_USERS,
    answers=schemas.InvitationOut,
    status=201,
    tag=_TAG,
)
def invite(
    request: HttpRequest, number: schemas.Number, body: schemas.InvitationIn
) -> Status[schemas.InvitationOut]:
    """Invites a user of a party; the link works once, for seven days."""
    library, user = pages.library(), user_of(request)
    with library.registry.database.writing() as connection:
        party = _own_or_any(users.find_party(connection, number), user, number)
        token = users.invite(connection, user, party, body.email, library.clock())
    return _invitation(token)


@operation(
    "POST",
    "users/{number}/recovery",
    Action.MANAGE_OWN_USERS,
    answers=schemas.InvitationOut,
    status=201,
    tag=_TAG,
)
def recover_user(request: HttpRequest, number: schemas.Number) -> Status[schemas.InvitationOut]:
    """Lets a user choose password and second factor anew; ends sessions and tokens at once."""
    library, user = pages.library(), user_of(request)
    with library.registry.database.writing() as connection:
        found = _user(users.find_user(connection, number), user, number)
        token = users.start_recovery(connection, user, found, library.clock())
    return _invitation(token)


@operation(
    "POST", "users/{number}/disable", Action.MANAGE_OWN_USERS, answers=schemas.UserOut, tag=_TAG
)
def disable_user(request: HttpRequest, number: schemas.Number) -> schemas.UserOut:
    """Takes a user's access away; what the user did stays in the log."""
    library, user = pages.library(), user_of(request)
    with library.registry.database.writing() as connection:
        found = _user(users.find_user(connection, number), user, number)
        users.disable(connection, user, found)
    return schemas.UserOut(number=found.number, email=found.email, name=found.name, is_active=False)


def _invitation(token: str) -> Status[schemas.InvitationOut]:
    path = reverse("accept_invitation", args=[token])
    return Status(201, schemas.InvitationOut(path=path))


def _own_or_any(found: Party | None, user: User, number: int) -> Party:
    may_any = user.may(Action.MANAGE_PARTIES)
    if found is None or not (may_any or user.party.number == number):
        raise NotFound(f"there is no party {number}", "or it is not yours", "check the number")
    return found


def _user(found: User | None, user: User, number: int) -> User:
    may_any = user.may(Action.MANAGE_PARTIES)
    if found is None or not (may_any or user.party.number == found.party.number):
        raise NotFound(
            f"there is no user {number}", "or it is disabled, or not yours", "check the number"
        )
    return found


# --- the own account


@operation("GET", "me", SIGNED_IN, answers=schemas.Me, tag="account")
def read_me(request: HttpRequest) -> schemas.Me:
    """Whose token it is, and what it may do."""
    user, token = user_of(request), token_of(request)
    return schemas.Me(
        user=schemas.UserOut.of(user),
        party=schemas.PartyOut(**vars(user.party)),
        scope=token.scope,
        expires_at=token.expires_at,
        may={action: row[user.party.kind].value for action, row in PERMISSIONS.items()},
    )


@operation("GET", "tokens", SIGNED_IN, answers=list[schemas.TokenOut], tag="account")
def list_tokens(request: HttpRequest) -> list[schemas.TokenOut]:
    """The user's own tokens, without the tokens themselves."""
    with pages.library().registry.database.reading() as connection:
        found = tokens.tokens_of(connection, user_of(request))
    return [schemas.TokenOut(**vars(each)) for each in found]


@operation("POST", "tokens", SIGNED_IN, answers=schemas.TokenMade, status=201, tag="account")
def make_token(request: HttpRequest, body: schemas.TokenIn) -> Status[schemas.TokenMade]:
    """Makes a token; it can do no more than the one that asks, and ends no later."""
    library = pages.library()
    with library.registry.database.writing() as connection:
        made = tokens.issue(
            connection,
            user_of(request),
            name=body.name,
            scope=body.scope,
            days=body.days,
            now=library.clock(),
            by=token_of(request),
        )
    return Status(201, schemas.TokenMade(token=made))


@operation("DELETE", "tokens/{handle}", SIGNED_IN, answers=None, status=204, tag="account")
def revoke_token(request: HttpRequest, handle: str) -> Status[None]:
    """Ends one of the user's own tokens."""
    with pages.library().registry.database.writing() as connection:
        if not tokens.revoke(connection, user_of(request), handle):
            raise NotFound(
                "no token was revoked", f"you have none with the handle {handle[:40]}", "list them"
            )
    return Status(204, None)
