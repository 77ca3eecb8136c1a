"""Every form of the table of routes, sent by those who must not: nothing may change."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa
from library_browser import Browser, SteppedClock
from registries import CODE, MODEL

from hanboot.library.accounts import users as accounts
from hanboot.library.catalogue import submissions
from hanboot.library.catalogue.submissions import Draft
from hanboot.library.clock import text as time_text
from hanboot.library.demo import DemoUser
from hanboot.library.library import Library
from hanboot.library.permissions import PERMISSIONS, Action, PartyKind, Scope
from hanboot.library.schema import LibraryTable, SessionRow
from hanboot.library.web.settings import SESSION_IDLE_S

SignIn = Callable[[str], Browser]

#: What is filled into the forms: each field that any of them has.
FIELDS = {
    "revision": "1",
    "remark": "x",
    "email": "someone@example.org",
    "name": "x",
    "kind": "supplier",
    "heading": "x",
    "scope": "write",
    "days": "9",
    "cpl_entry_id": "E-1",
    "status": "Withdrawn",
    "reason": "x",
    "accept_findings": "yes",
}
#: Forms whose table says "yes" to all, and whose view asks whose the object is.
OF_THE_OWN_PARTY = {"disable_user", "recover_user", "party", "authorise"}
OF_THE_OWN_ACCOUNT = {"end_session", "revoke_token"}
#: Forms that anyone with a session sends for themselves alone.
FOR_ONESELF = {"account", "sign_out"}


@dataclass(frozen=True)
class Form:
    """A form of Volt Devices' or of Northern Energy's: another party has no business with it."""

    name: str
    access: Action | str
    path: str


@pytest.fixture(scope="module")
def forms(library: Library, users: dict[str, DemoUser]) -> list[Form]:
    """All that take POST and need a session, on objects that are there."""
    from hanboot.library.web import routes, urls

    assert urls.urlpatterns
    with library.registry.database.reading() as connection:
        parties = {party.name: party for party in accounts.parties(connection)}
        volt = accounts.users_of(connection, parties["Volt Devices Ltd"].number)[0]
    number = submissions.submit(
        library,
        volt,
        Draft(
            fields={
                "cpl_entry_id": "FORMS-1",
                "device_type": "PPMID",
                "manufacturer_code": f"{CODE:04X}",
                "device_model": f"{MODEL + 7:08X}",
                "firmware_version": "00000001",
                "image_hash": hashlib.sha256(b"forms").hexdigest(),
                "predecessors": "N/A",
            },
            responsible=parties["Northern Energy"].number,
        ),
    )
    token = hashlib.sha256(users["volt"].token.encode()).hexdigest()[:16]

    def path_of(route: Any) -> str:
        def value(found: re.Match[str]) -> str:
            if found.group(1) == "handle":
                return token if route.name == "revoke_token" else _session_of(library, volt.number)
            if route.path.startswith("users/"):
                return str(volt.number)
            return str(volt.party.number if route.path.startswith("parties/") else number)

        return "/" + re.sub(r"<\w+:(\w+)>", value, route.path)

    return [
        Form(route.name, route.access, path_of(route))
        for route in routes.routes()
        if "POST" in route.methods and route.access != routes.PUBLIC
    ]


def _session_of(library: Library, user: int) -> str:
    """The handle of a session, made where there is none."""
    digest = hashlib.sha256(b"a session of its own").digest()
    with library.registry.database.writing() as connection:
        if not connection.execute(
            sa.select(SessionRow.digest).where(SessionRow.digest == digest)
        ).first():
            connection.execute(
                sa.insert(SessionRow).values(
                    digest=digest,
                    user=user,
                    data="",
                    created_at="2026-01-01T00:00:00Z",
                    seen_at="2026-01-01T00:00:00Z",
                    expires_at="2099-01-01T00:00:00Z",
                )
            )
    return digest.hex()[:16]


def everything(library: Library) -> str:
    """A digest of all that library and CPL hold; of sessions, which are signed in."""
    held: dict[str, list[Any]] = {}
    with library.registry.database.reading() as connection:
        for name, table in LibraryTable.metadata.tables.items():
            if name == "library_attempt":
                continue
            query = sa.select(table)
            if name == "library_session":
                # not when it was last seen, not of visitors, and none that a new one removes
                query = sa.select(table.c.digest).where(
                    table.c.user.is_not(None), table.c.expires_at > time_text(library.clock())
                )
            held[name] = sorted(repr(tuple(row)) for row in connection.execute(query))
        held["cpl"] = [repr(entry) for entry in library.registry.entries()]
    return hashlib.sha256(json.dumps(held, sort_keys=True).encode()).hexdigest()


def token_of(browser: Browser) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', browser.get("/").page)
    assert found
    return found.group(1)


def send(browser: Browser, form: Form, **more: str) -> int:
    status: int = browser._client.post(form.path, {**FIELDS, **more}).status_code
    return status


def test_without_a_session(library: Library, forms: list[Form]) -> None:
    before = everything(library)
    for form in forms:
        assert send(Browser(), form) == 403, form.name
        # nor with the token of a session that is not signed in
        visitor = Browser().get("/sign-in")
        found = re.search(r'csrfmiddlewaretoken" value="([^"]+)"', visitor.page)
        assert found
        visitor._client.post(form.path, {**FIELDS, "csrfmiddlewaretoken": found.group(1)})
    assert everything(library) == before


def test_with_a_session_that_ended(
    library: Library, forms: list[Form], sign_in: SignIn, clock: SteppedClock
) -> None:
    """A page that was left open: its token is right, its session is too old."""
    browser = sign_in("secas")
    token = token_of(browser)
    clock.forward(SESSION_IDLE_S + 1)
    before = everything(library)
    for form in forms:
        assert send(browser, form, csrfmiddlewaretoken=token) in (302, 403), form.name
        assert everything(library) == before, form.name


@pytest.mark.parametrize("name", ["south", "metering", "dcc", "ssc", "secas"])
def test_by_another_party(
    name: str, library: Library, forms: list[Form], sign_in: SignIn, users: dict[str, DemoUser]
) -> None:
    kind = PartyKind(users[name].kind)
    browser = sign_in(name)
    token = token_of(browser)
    tried = []
    for form in forms:
        if not _is_refused(form, kind):
            continue
        before = everything(library)
        status = send(browser, form, csrfmiddlewaretoken=token)
        # ending what is another's answers as if it had never been there
        assert status in (403, 404) or form.name in OF_THE_OWN_ACCOUNT, (form.name, status)
        assert everything(library) == before, form.name
        tried.append(form.name)
    assert len(tried) >= 5, tried


def _is_refused(form: Form, kind: PartyKind) -> bool:
    """Whether the form of another party is not for a party of this kind."""
    if form.name in OF_THE_OWN_ACCOUNT:
        return True
    if not isinstance(form.access, Action):
        assert form.name in FOR_ONESELF, f"whose is the object of {form.name}?"
        return False
    if form.name in OF_THE_OWN_PARTY:
        return kind is not PartyKind.ADMINISTRATOR or form.name == "authorise"
    if form.name == "withdraw":
        return True
    return PERMISSIONS[form.access][kind] is not Scope.ANY
