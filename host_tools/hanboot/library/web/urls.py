"""Django's table of addresses, made from `routes`."""

from __future__ import annotations

import sys

from django.http import HttpRequest, HttpResponse
from django.urls import path

from hanboot.errors import HanbootError
from hanboot.library.refusals import http_status
from hanboot.library.web import pages, routes
from hanboot.library.web.api import administration as _administration  # noqa: F401
from hanboot.library.web.api import entries as _entries  # noqa: F401
from hanboot.library.web.api import evidence as _evidence  # noqa: F401
from hanboot.library.web.api import submissions as _submissions  # noqa: F401
from hanboot.library.web.api.operations import api
from hanboot.library.web.views import (  # noqa: F401
    account,
    administration,
    entries,
    operation,
    planning,
    submissions,
)

urlpatterns = [*routes.patterns(), path("", api.urls)]


def handler404(request: HttpRequest, exception: Exception) -> HttpResponse:
    return pages.error(
        request,
        ("there is no such page", "the address leads nowhere", "start again from the front page"),
        404,
    )


def handler400(request: HttpRequest, exception: Exception) -> HttpResponse:
    return pages.error(
        request,
        ("the request cannot be read", "it is malformed, or too large", "go back and try again"),
        400,
    )


def handler500(request: HttpRequest) -> HttpResponse:
    error = sys.exc_info()[1]
    if isinstance(error, HanbootError):
        # outside of a view: the session could not be read or kept
        return pages.without_session(request, pages.lines_of(error), http_status(error))
    lines = (
        "internal error: nothing was changed by this request",
        "the log has the details",
        "tell the administrator when it was",
    )
    return pages.without_session(request, lines, 500)
