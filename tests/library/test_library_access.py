"""Who may use which page: every route, every kind of party, without a session, without a token."""

from __future__ import annotations

import re
from collections.abc import Callable

import pyotp
import pytest
from django.test import Client
from library_browser import Browser, SteppedClock

from hanboot.library import audit
from hanboot.library.accounts.login import LOCK_AFTER
from hanboot.library.demo import DemoUser
from hanboot.library.library import Library
from hanboot.library.permissions import PERMISSIONS, Action, PartyKind, Scope, markdown
from hanboot.library.web.settings import SESSION_IDLE_S, SESSION_MAX_S

SignIn = Callable[[str], Browser]
PAGES = {"number": "1", "digits": "FFF000060100", "handle": "0" * 16, "token": "x", "name": "none"}
NAMES = ("volt", "north", "metering", "dcc", "ssc", "secas")


def filled(path: str) -> str:
    return "/" + re.sub(r"<\w+:(\w+)>", lambda found: PAGES[found.group(1)], path)


def all_routes() -> list:
    from hanboot.library.web import routes, urls

    assert urls.urlpatterns
    return list(routes.routes())


def test_every_address_is_in_the_table(library: Library) -> None:
    from django.urls import get_resolver

    from hanboot.library.web.routes import PUBLIC

    # the API's own table is in test_library_api.py
    pages = [each for each in get_resolver().url_patterns if not hasattr(each, "namespace")]
    assert {each.name for each in pages} == {each.name for each in all_routes()}
    public = {each.name for each in all_routes() if each.access == PUBLIC}
    assert public == {"sign_in", "accept_invitation", "health", "static"}


def test_without_a_session(library: Library) -> None:
    from hanboot.library.web.routes import PUBLIC

    for route in all_routes():
        if route.access == PUBLIC:
            continue
        response = Client().get(filled(route.path))
        expected = 302 if "GET" in route.methods else 405
        assert response.status_code == expected, route.name
        if expected == 302:
            assert response.headers["Location"].startswith("/sign-in")


@pytest.mark.parametrize("name", NAMES)
def test_every_page_obeys_the_table(name: str, sign_in: SignIn, users: dict[str, DemoUser]) -> None:
    from hanboot.library.web.routes import PUBLIC

    kind = PartyKind(users[name].kind)
    browser = sign_in(name)
    for route in all_routes():
        if route.access == PUBLIC or not isinstance(route.access, Action):
            continue
        allowed = PERMISSIONS[route.access][kind] is not Scope.NONE
        if "GET" in route.methods:
            status = browser.get(filled(route.path)).status
            refused = status == 403 and f"You may not {route.access}" in browser.text
            assert refused != allowed, (route.name, status)
        if "POST" in route.methods:
            # without the token of a form nothing is taken, whoever sends it
            response = browser._client.post(filled(route.path), {})
            assert response.status_code == 403, route.name


def test_headers(sign_in: SignIn) -> None:
    browser = sign_in("north")
    browser.get("/")
    policy = browser.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert browser.headers["X-Content-Type-Options"] == "nosniff"
    assert browser.headers["Cache-Control"] == "no-store"
    assert "<script" not in browser.page
    assert "style=" not in browser.page


def test_a_session_ends_by_itself(sign_in: SignIn, clock: SteppedClock) -> None:
    browser = sign_in("north")
    clock.forward(SESSION_IDLE_S + 1)
    assert browser.get("/").status == 302


def test_a_session_that_is_used_goes_on(sign_in: SignIn, clock: SteppedClock) -> None:
    browser = sign_in("north")
    for _ in range(3):
        clock.forward(SESSION_IDLE_S - 60)
        assert browser.get("/").status == 200
    # but not for ever
    for _ in range(SESSION_MAX_S // SESSION_IDLE_S + 1):
        clock.forward(SESSION_IDLE_S - 60)
        browser.get("/")
    assert browser.status == 302


def test_a_code_counts_once(users: dict[str, DemoUser], clock: SteppedClock) -> None:
    clock.forward(61)
    user = users["south"]
    given = {
        "email": user.email,
        "password": user.password,
        "code": pyotp.TOTP(user.totp_secret).at(clock.now),
    }
    assert Browser().post("/sign-in", **given).status == 200
    assert Browser().post("/sign-in", **given).status == 403


def test_many_tries(users: dict[str, DemoUser], clock: SteppedClock, library: Library) -> None:
    """A limit before anything is hashed, then a lock, and the same answer for all."""
    user = users["south"]
    wrong = {"email": user.email, "password": "wrong", "code": "000000"}
    nobody = {"email": "nobody@example.org", "password": "wrong", "code": "000000"}
    clock.forward(120)
    assert Browser().post("/sign-in", **nobody).text == Browser().post("/sign-in", **wrong).text
    statuses = [Browser().post("/sign-in", **wrong).status for _ in range(5)]
    assert statuses[-1] == 429
    for _ in range(LOCK_AFTER):
        clock.forward(61)
        Browser().post("/sign-in", **wrong)
    clock.forward(61)
    right = {
        "email": user.email,
        "password": user.password,
        "code": pyotp.TOTP(user.totp_secret).at(clock.now),
    }
    assert Browser().post("/sign-in", **right).status == 403
    clock.forward(16 * 60)
    right["code"] = pyotp.TOTP(user.totp_secret).at(clock.now)
    assert Browser().post("/sign-in", **right).status == 200
    with library.registry.database.reading() as connection:
        assert audit.verify(connection) > 0
        assert any(record.action == "lock" for record in audit.records(connection))


def test_the_table_in_words() -> None:
    assert markdown().count("\n") == len(Action) + 1
