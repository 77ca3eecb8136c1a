"""Which operations the API has, and who may use each: the one list that it is made from.

An operation is registered by `operation` with the action of the permission table that it needs.
Token, scope and action are checked before anything of the request's body is read. The list is what
the OpenAPI document and a test over all operations and parties are made from.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.security import HttpBearer

from hanboot.errors import HanbootError
from hanboot.library.accounts import login, tokens
from hanboot.library.accounts.login import TooMany
from hanboot.library.accounts.tokens import TokenScope
from hanboot.library.accounts.users import User
from hanboot.library.catalogue.submissions import Faulty
from hanboot.library.permissions import Action
from hanboot.library.refusals import Forbidden, http_status
from hanboot.library.web import pages
from hanboot.library.web.api.schemas import Error, Fault, Refusal
from hanboot.library.web.middleware import address_of
from hanboot.library.web.routes import SIGNED_IN, Access
from hanbootloader import VERSION

PREFIX = "api/v1/"

_log = logging.getLogger("hanboot.library.api")

#: Wrong tokens that one network address may try in a minute.
_TRIES_OF_TOKENS = 30

_Operation = TypeVar("_Operation", bound=Callable[..., Any])

api = NinjaAPI(
    title="Central Firmware Library",
    version=VERSION,
    description=(
        "Firmware images, release notes and upgrade pathways of smart metering devices "
        "(SECMP0009). Every operation needs a token: Authorization: Bearer hbl_..."
    ),
    openapi_url="/openapi.json",
    docs_url=None,
    urls_namespace="api",
)


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One method of one address.

    access: an action of the permission table, or SIGNED_IN; what depends on the object (own or
    not) is asked where the object is read.
    """

    method: str
    path: str
    name: str
    access: Access
    scope: TokenScope


_operations: list[Operation] = []


def operations() -> Iterator[Operation]:
    """Every operation, in the order of registration."""
    yield from _operations


#: Statuses of errors, all with the same body.
_REFUSALS = frozenset({400, 401, 403, 404, 409, 413, 422, 429, 500, 503, 507})


def operation(
    method: str,
    path: str,
    access: Access,
    *,
    answers: Any,
    status: int = 200,
    scope: TokenScope | None = None,
    tag: str,
    extra: dict[str, Any] | None = None,
) -> Callable[[_Operation], _Operation]:
    """Registers an operation.

    Args:
        path: after `PREFIX`, with parameters in braces.
        access: an action of the permission table, or SIGNED_IN for every user.
        answers: type of the answer's body.
        scope: of the token; by default READ for GET and WRITE for others.
        extra: for the OpenAPI document.
    """

    def register(view: _Operation) -> _Operation:
        needed = scope or (TokenScope.READ if method == "GET" else TokenScope.WRITE)
        made = Operation(
            method=method,
            path=f"/{PREFIX}{path}",
            name=view.__name__,
            access=access,
            scope=needed,
        )
        summary, _, rest = (view.__doc__ or "").strip().partition("\n")
        note = f"Needs a {needed.value} token" + (
            f" of a party that may {access}." if isinstance(access, Action) else "."
        )
        api.api_operation(
            [method],
            made.path,
            auth=Token(access, needed),
            response={status: answers, _REFUSALS: Refusal},
            operation_id=view.__name__,
            summary=summary,
            description="\n\n".join(part for part in (rest.strip(), note) if part),
            tags=[tag],
            openapi_extra=extra,
        )(view)
        _operations.append(made)
        return view

    return register


# --- who asks


class Token(HttpBearer):
    """A token of the API (RFC 6750 2.1) whose user may do what an operation needs."""

    def __init__(self, access: Access, scope: TokenScope) -> None:
        super().__init__()
        self._access = access
        self._scope = scope

    def authenticate(self, request: HttpRequest, token: str) -> User | None:
        """Whose token it is; None if it is no user's, or too old.

        Raises:
            TooMany: too many wrong ones came from this address.
            Forbidden: its scope, or its user's party, does not allow it.
        """
        library = pages.library()
        database, now = library.registry.database, library.clock()
        subjects = {f"token {address_of(request)}"[:256]: _TRIES_OF_TOKENS}
        login.refuse_too_many(database, subjects, now)
        with database.reading() as connection:
            found = tokens.authenticate(connection, token, now)
        if found is None:
            login.count_attempt(database, subjects, now)
            return None
        if found.is_due:
            with database.writing() as connection:
                tokens.mark_used(connection, token, now)
        if self._scope is TokenScope.WRITE and found.scope is not TokenScope.WRITE:
            raise Forbidden(
                "the token may not be used for this",
                f"its scope is {found.scope.value}",
                "make a token with the scope write",
            )
        user = found.user
        if isinstance(self._access, Action) and not user.may(self._access, own=True):
            user.require(self._access)
        request.token = found  # type: ignore[attr-defined]
        request.user = user  # type: ignore[assignment]
        return user


def user_of(request: HttpRequest) -> User:
    """Whose token came with a request."""
    return pages.user_of(request)


def token_of(request: HttpRequest) -> tokens.Authenticated:
    """The token that came with a request."""
    return cast(tokens.Authenticated, request.token)  # type: ignore[attr-defined]


# --- errors


def refuse(
    request: HttpRequest,
    lines: tuple[str, str, str],
    status: int,
    faults: list[Fault] | None = None,
) -> HttpResponse:
    """An answer that says what, why and what to do."""
    what, why, remedy = lines
    body = Refusal(error=Error(what=what, why=why, remedy=remedy), faults=faults or [])
    return api.create_response(request, body.dict(), status=status)


@api.exception_handler(HanbootError)
def _refused(request: HttpRequest, error: HanbootError) -> HttpResponse:
    if isinstance(error, Faulty):
        faults = [Fault(field=name, cause=cause) for name, cause in error.faults]
        return refuse(request, error.lines, 422, faults)
    if isinstance(error, TooMany):
        response = refuse(request, error.lines, 429)
        response.headers["Retry-After"] = str(error.retry_after_s)
        return response
    return refuse(request, pages.lines_of(error), http_status(error))


@api.exception_handler(ValidationError)
def _invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    faults = [
        Fault(field=".".join(str(part) for part in each["loc"][1:]), cause=str(each["msg"]))
        for each in error.errors
    ]
    lines = (
        "the request cannot be read",
        f"{faults[0].field}: {faults[0].cause}" if faults else "it does not fit its description",
        "compare it with /openapi.json",
    )
    return refuse(request, lines, 422, faults)


@api.exception_handler(AuthenticationError)
def _unknown(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    lines = (
        "you are not known here",
        "no token came with the request, or one that is wrong, ended or was revoked",
        "send Authorization: Bearer with a token from your account's page",
    )
    response = refuse(request, lines, 401)
    response.headers["WWW-Authenticate"] = 'Bearer realm="library"'
    return response


@api.exception_handler(OSError)
def _failed(request: HttpRequest, error: OSError) -> HttpResponse:
    """The server's own disk, where what is sent lies until it is read."""
    _log.error("a request failed", exc_info=error)
    is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    lines = (
        "the request could not be kept, and nothing was changed",
        "the server's disk is full" if is_full else "the server's disk failed",
        "tell the administrator; then try again",
    )
    return refuse(request, lines, 507 if is_full else 500)


@api.exception_handler(HttpError)
def _malformed(request: HttpRequest, error: HttpError) -> HttpResponse:
    lines = ("the request cannot be read", str(error), "compare it with /openapi.json")
    return refuse(request, lines, error.status_code)


__all__ = ["PREFIX", "SIGNED_IN", "api", "operation", "operations", "token_of", "user_of"]
