"""What happens to every request: limits, headers, who asks, and errors in words."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from hanboot.errors import CheckFailed, HanbootError
from hanboot.library.accounts.login import TooMany
from hanboot.library.accounts.users import User, find_user
from hanboot.library.library import Library
from hanboot.library.permissions import Action
from hanboot.library.refusals import http_status
from hanboot.library.web import pages, routes
from hanboot.library.web.requests import REQUESTS
from hanboot.library.web.sessions import USER
from hanboot.library.web.settings import BODY_MAX_BYTES, CONTENT_SECURITY_POLICY

_log = logging.getLogger("hanboot.library.requests")

Handler = Callable[[HttpRequest], HttpResponseBase]


def limits(handle: Handler) -> Handler:
    """Refuses a body that is too large before any of it is read; logs each request."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        started = time.monotonic()
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not length.isdecimal() or int(length) > BODY_MAX_BYTES:
            response: HttpResponseBase = _too_large(request)
        else:
            response = handle(request)
        seconds = time.monotonic() - started
        # the route, not the address: an address may hold a token
        route = _route_name(request)
        REQUESTS.add(route, response.status_code, seconds)
        _log.info(
            "request",
            extra={
                "method": request.method,
                "route": route,
                "status": response.status_code,
                "ms": round(seconds * 1000),
            },
        )
        return response

    return middleware


def _route_name(request: HttpRequest) -> str:
    """Name of a page, "api:" and an operation's address, or "" for what leads nowhere."""
    match = request.resolver_match
    if match is None:
        return ""
    return f"api:{match.route}" if match.namespaces else match.url_name or ""


def _too_large(request: HttpRequest) -> HttpResponse:
    if request.path.startswith(pages.API_PATH):
        lines = (
            "the request is too large",
            f"it has more than {BODY_MAX_BYTES} bytes",
            "send an image of at most 10,240,000 bytes (DUIS 11.1)",
        )
        return pages.error(request, lines, 413)
    # a page needs a session, which is not looked up for this
    return HttpResponse("the request is too large\n", status=413, content_type="text/plain")


def security_headers(handle: Handler) -> Handler:
    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = handle(request)
        response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        response.headers.setdefault(
            "Permissions-Policy", "camera=(), geolocation=(), microphone=()"
        )
        response.headers.setdefault("X-Frame-Options", "DENY")
        if "Cache-Control" not in response.headers:
            response.headers["Cache-Control"] = "no-store"
        return response

    return middleware


def explained(handle: Handler) -> Handler:
    """Makes a page of an error that has words."""

    class ErrorPages:
        def __call__(self, request: HttpRequest) -> HttpResponseBase:
            return handle(request)

        def process_exception(
            self, request: HttpRequest, error: Exception
        ) -> HttpResponseBase | None:
            if not isinstance(error, HanbootError):
                return None
            status = 429 if isinstance(error, TooMany) else http_status(error)
            response = pages.error(request, pages.lines_of(error), status)
            if isinstance(error, TooMany):
                response.headers["Retry-After"] = str(error.retry_after_s)
            return response

    return ErrorPages()


def signed_in(handle: Handler) -> Handler:
    """Finds who asks, and refuses who may not, before the view runs."""

    class SignIn:
        def __call__(self, request: HttpRequest) -> HttpResponseBase:
            try:
                request.user = _user(request)  # type: ignore[assignment]
            except HanbootError as error:
                # an error of a middleware passes by `explained`
                _log.error("no request can be answered: %s", error)
                return pages.without_session(request, pages.lines_of(error), http_status(error))
            return handle(request)

        def process_view(
            self, request: HttpRequest, view: object, args: object, kwargs: object
        ) -> HttpResponseBase | None:
            route = routes.route_of(request)
            if route is None:
                # the API has its own table, and checks it itself
                return None
            if request.method not in (*route.methods, "HEAD"):
                response = pages.error(
                    request,
                    ("this cannot be done", f"{request.method} is not for this page", "go back"),
                    405,
                )
                response.headers["Allow"] = ", ".join(route.methods)
                return response
            if route.access == routes.PUBLIC:
                return None
            user: User | None = getattr(request, "user", None)
            if user is None:
                return pages.to_sign_in(request)
            if isinstance(route.access, Action) and not (
                user.may(route.access) or user.may(route.access, own=True)
            ):
                # an error of a middleware passes by `explained`
                try:
                    user.require(route.access)
                except CheckFailed as refused:
                    return pages.error(request, refused.lines, 403)
            return None

    return SignIn()


def _user(request: HttpRequest) -> User | None:
    number = request.session.get(USER)
    library: Library = settings.HANBOOT_LIBRARY
    database = library.registry.database
    with database.reading() as connection:
        # for each request: another process may have migrated it meanwhile
        database.check_schemas(connection)
        return None if number is None else find_user(connection, number)


def address_of(request: HttpRequest) -> str:
    """The network address that a request comes from; a proxy's word counts only where it is set."""
    if settings.HANBOOT_BEHIND_PROXY:
        # the last one is what the proxy itself saw
        forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "")
        return str(forwarded.rsplit(",", 1)[-1].strip())[:64]
    return str(request.META.get("REMOTE_ADDR", ""))
