"""The API: its description, and who may use which operation, cell by cell."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from library_browser import SteppedClock
from library_programs import Program

from hanboot.library.accounts import tokens, users
from hanboot.library.accounts.tokens import TokenScope
from hanboot.library.demo import DemoUser
from hanboot.library.library import Library
from hanboot.library.permissions import PERMISSIONS, Action, PartyKind, Scope

AsProgram = Callable[[str], Program]
NAMES = ("volt", "north", "metering", "dcc", "ssc", "secas")
FILLED = {"number": "999999", "digits": "FFF000060100", "handle": "0" * 16}


def operations() -> list:
    from hanboot.library.web import urls
    from hanboot.library.web.api import operations

    assert urls.urlpatterns
    return list(operations.operations())


def filled(path: str) -> str:
    return re.sub(r"{(\w+)}", lambda found: FILLED[found.group(1)], path)


def ask(program: Program, operation: object) -> int:
    """Sends an operation with nothing in its body that could be carried out."""
    program.ask(operation.method, filled(operation.path), {})  # type: ignore[attr-defined]
    return program.status


def test_the_document_is_valid(library: Library) -> None:
    """OpenAPI 3.1, by a validator of others; and it describes each operation that there is."""
    from openapi_spec_validator import OpenAPIV31SpecValidator

    program = Program()
    document = program.get("/openapi.json")
    OpenAPIV31SpecValidator(document).validate()
    described = {
        (method.upper(), path) for path, each in document["paths"].items() for method in each
    }
    assert described == {(each.method, each.path) for each in operations()}
    for path, methods in document["paths"].items():
        for method, described_operation in methods.items():
            assert described_operation["security"], (method, path)
            assert "token" in described_operation["description"], (method, path)


def test_every_address_is_in_the_table(library: Library) -> None:
    from django.urls import get_resolver

    (api,) = (each for each in get_resolver().url_patterns if hasattr(each, "namespace"))
    # {number} of the one is <number> of the other
    addresses = {re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", f"/{p.pattern}") for p in api.url_patterns}
    own = {"/openapi.json", "/"}
    assert addresses - own == {each.path for each in operations()}


@pytest.mark.parametrize("name", NAMES)
def test_every_operation_obeys_the_table(
    name: str, program: AsProgram, users: dict[str, DemoUser]
) -> None:
    """Cell by cell: 403 says the table's no, whatever else the request lacks."""
    kind = PartyKind(users[name].kind)
    caller = program(name)
    for operation in operations():
        status = ask(caller, operation)
        if isinstance(operation.access, Action):
            allowed = PERMISSIONS[operation.access][kind] is not Scope.NONE
            assert (status != 403) == allowed, (operation, status)
        else:
            assert status != 403, (operation, status)
        assert status < 500, (operation, status, caller.octets)


def test_without_a_token(library: Library, clock: SteppedClock) -> None:
    for wrong in ("", "hbl_wrong", "x" * 5000):
        clock.forward(61)
        for operation in operations()[:25]:
            caller = Program(wrong)
            assert ask(caller, operation) == 401, operation
            assert caller.headers["WWW-Authenticate"].startswith("Bearer")
    for operation in operations():
        assert ask(Program(), operation) == 401, operation


def issue(library: Library, email: str, scope: TokenScope, days: int = 1) -> str:
    with library.registry.database.writing() as connection:
        (user,) = (
            user
            for party in users.parties(connection)
            for user in users.users_of(connection, party.number)
            if user.email == email
        )
        return tokens.issue(
            connection, user, name="a test", scope=scope, days=days, now=library.clock()
        )


def test_with_a_token_that_ended(
    library: Library, clock: SteppedClock, users: dict[str, DemoUser]
) -> None:
    ended = issue(library, users["secas"].email, TokenScope.WRITE)
    assert Program(ended).get("me")["scope"] == "write"
    clock.forward(24 * 3600)
    for operation in operations()[:25]:
        assert ask(Program(ended), operation) == 401, operation


def test_a_token_for_reading_changes_nothing(
    library: Library, clock: SteppedClock, users: dict[str, DemoUser]
) -> None:
    clock.forward(61)
    reader = Program(issue(library, users["secas"].email, TokenScope.READ))
    for operation in operations():
        status = ask(reader, operation)
        if operation.scope is TokenScope.WRITE:
            assert status == 403, operation
            assert "scope" in reader.octets.decode()
        elif isinstance(operation.access, Action):
            allowed = PERMISSIONS[operation.access][PartyKind.ADMINISTRATOR] is not Scope.NONE
            assert (status != 403) == allowed, operation
    # a GET that changes something would get by with the scope read
    assert all(o.scope is TokenScope.READ for o in operations() if o.method == "GET")
    assert {o.name for o in operations() if o.method != "GET" and o.scope is TokenScope.READ} == {
        "acknowledge"
    }


def test_wrong_tokens_are_limited(
    library: Library, clock: SteppedClock, program: AsProgram
) -> None:
    """By the network address, before anything is looked up."""
    clock.forward(61)
    caller = Program("hbl_wrong")
    for _ in range(40):
        caller.get("me")
    assert caller.status == 429
    assert 0 < int(caller.headers["Retry-After"]) <= 60
    clock.forward(61)
    assert program("north").get("me")["party"]["name"] == "Northern Energy"


def test_a_token_makes_none_that_outdoes_it(
    library: Library, users: dict[str, DemoUser], clock: SteppedClock
) -> None:
    clock.forward(61)
    maker = Program(issue(library, users["volt"].email, TokenScope.WRITE, days=3))
    maker.post("tokens", {"name": "long", "scope": "read", "days": 4})
    assert maker.status == 403
    made = maker.post("tokens", {"name": "short", "scope": "read", "days": 2})["token"]
    reader = Program(made)
    assert reader.get("me")["scope"] == "read"
    listed = {each["name"]: each["handle"] for each in maker.get("tokens")}
    maker.ask("DELETE", f"tokens/{listed['short']}")
    assert maker.status == 204
    reader.get("me")
    assert reader.status == 401
    maker.ask("DELETE", f"tokens/{listed['short']}")
    assert maker.status == 404


def test_another_partys_users(program: AsProgram, users: dict[str, DemoUser]) -> None:
    """What exists and is another party's looks like what does not exist."""
    mine, other = program("volt").get("me"), program("north").get("me")
    caller = program("volt")
    number, user = other["party"]["number"], other["user"]["number"]
    for path, body in (
        (f"parties/{number}/invitations", {"email": "new@example.org"}),
        (f"users/{user}/recovery", None),
        (f"users/{user}/disable", None),
    ):
        caller.post(path, body)
        assert caller.status == 404, path
    caller.get(f"parties/{number}")
    assert caller.status == 404
    assert caller.get(f"parties/{mine['party']['number']}")["users"]
    # the administrator reaches both, and nothing happened to either
    assert program("secas").get(f"parties/{number}")["users"][0]["is_active"]


def test_refusals_say_what_why_and_what_to_do(program: AsProgram) -> None:
    caller = program("north")
    for path in ("entries/999999", "models/xyz", "plan?model=FFF000050100&version=zz", "changes"):
        refusal = caller.get(path)["error"]
        assert caller.status in (400, 404, 422), path
        assert all(refusal[name] for name in ("what", "why", "remedy")), path
    caller.post("entries/1/acknowledge", {"revision": 1, "more": 2})
    assert caller.status == 422
    assert "more" in caller.octets.decode()


def test_what_the_framework_refuses_is_said_in_the_same_way(program: AsProgram) -> None:
    caller = program("north")
    assert caller.get("nothing")["error"]["what"] == "there is no such page"
    assert caller.status == 404
    assert caller.ask("POST", "entries/1/acknowledge", "x" * 12_000_000)["error"]["why"]
    assert caller.status == 413
    caller.ask("PUT", "entries")
    assert caller.status == 405
