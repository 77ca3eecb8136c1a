"""Rendering: pages with the same frame, errors, and the way to the sign-in."""

from __future__ import annotations

from html import escape
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import redirect
from django.template import loader
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString, mark_safe
from sqlalchemy.engine import Connection

from hanboot.errors import HanbootError
from hanboot.library.accounts.users import User
from hanboot.library.catalogue import extra_fields
from hanboot.library.catalogue.entries import NOTES, LibraryEntry
from hanboot.library.library import Library
from hanboot.library.permissions import Action
from hanboot.registry.fields import FIELDS
from hanboot.registry.storage.database_errors import DatabaseFailed
from hanboot.registry.storage.migration import OtherSchema

#: What is below it is for programs.
API_PATH = "/api/"


def library() -> Library:
    """The library that this process serves."""
    served: Library = settings.HANBOOT_LIBRARY
    return served


def user_of(request: HttpRequest) -> User:
    """Who asks, in a view that is not public."""
    user: User | None = getattr(request, "user", None)
    assert user is not None
    return user


def context(request: HttpRequest) -> dict[str, Any]:
    """What every template sees: the user, and what the navigation offers."""
    user: User | None = getattr(request, "user", None)
    offers = {
        action.name.lower(): bool(user and (user.may(action) or user.may(action, own=True)))
        for action in Action
    }
    match = request.resolver_match
    here = match.url_name if match else ""
    return {"user": user, "may": offers, "here": here, "notice": _notice(request)}


def _notice(request: HttpRequest) -> str:
    session = getattr(request, "session", None)
    return str(session.pop("notice", "")) if session is not None and "notice" in session else ""


def notify(request: HttpRequest, text: str) -> None:
    """A line that the next page shows once."""
    request.session["notice"] = text


def render(
    request: HttpRequest, template: str, values: dict[str, Any] | None = None, status: int = 200
) -> HttpResponse:
    text = loader.render_to_string(template, values or {}, request)
    return HttpResponse(text, status=status)


def lines_of(error: HanbootError) -> tuple[str, str, str]:
    """What a person or a program sees of an error: no visitor learns where the database is."""
    what, why, what_to_do = error.lines
    if isinstance(error, (OtherSchema, DatabaseFailed)):
        what = what.replace(library().registry.database.name, "the database")
    return what, why, what_to_do


def error(request: HttpRequest, lines: tuple[str, str, str], status: int) -> HttpResponse:
    """A page that says what, why and what to do; for a program the same as JSON."""
    what, why, what_to_do = lines
    if request.path.startswith(API_PATH):
        problem = {"what": what, "why": why, "remedy": what_to_do}
        return JsonResponse({"error": problem, "faults": []}, status=status)
    return render(
        request, "error.html", {"what": what, "why": why, "what_to_do": what_to_do}, status
    )


def without_session(request: HttpRequest, lines: tuple[str, str, str], status: int) -> HttpResponse:
    """The same where a page cannot be made, since each needs the session; as plain text."""
    if request.path.startswith(API_PATH):
        return error(request, lines, status)
    return HttpResponse("\n".join((*lines, "")), status=status, content_type="text/plain")


def to_sign_in(request: HttpRequest) -> HttpResponseRedirect:
    query = urlencode({"next": request.get_full_path()}) if request.method == "GET" else ""
    response = redirect("sign_in")
    if query:
        response = HttpResponseRedirect(f"{response.url}?{query}")
    return response


#: Of the CPL and not of the library's entry, or stated in another field already.
_NOT_SHOWN = ("status", "firmware_version_text")


def rows_of(entry: LibraryEntry) -> list[tuple[str, str]]:
    """Headings and texts of an entry's fields, in the order of the registry's columns."""
    return [
        (column.heading, entry.fields[column.name])
        for column in FIELDS
        if column.name in entry.fields and column.name not in _NOT_SHOWN
    ]


def redirect_back(request: HttpRequest, *default: Any) -> HttpResponseRedirect:
    """To the page that the form says it was on, if that is one of ours; else to `default`."""
    target = request.POST.get("next", "")
    if target and url_has_allowed_host_and_scheme(target, allowed_hosts=None):
        return HttpResponseRedirect(target)
    return redirect(*default)


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    return error(
        request,
        (
            "the form was not taken",
            "it was not sent from this site, or you were signed out meanwhile",
            "open the page again and send the form from there",
        ),
        403,
    )


def filled(frame: str, *texts: str) -> SafeString:
    """`frame` with each text in its place, all of them escaped.

    What Django's format_html does of texts, in a fifth of its time: for what a page has many of.
    """
    return mark_safe(frame.format(*map(escape, texts)))


def notes_of(entry: LibraryEntry) -> str:
    """The notes that an entry was left with, as items of a description list."""
    items = [
        filled(_NOTE, heading, entry.notes[name] or "None stated.")
        for name, heading in NOTES.items()
        if name in entry.notes
    ]
    return mark_safe("".join(items))


_NOTE = '<dt>{}</dt><dd class="text">{}</dd>'


def extra_of(connection: Connection, entry: LibraryEntry) -> list[tuple[str, str]]:
    """Headings and texts of an entry's other fields; one that was never added shows its name."""
    if not entry.extra:
        return []
    headings = {each.name: each.heading for each in extra_fields.extra_fields(connection)}
    return [(headings.get(name, name), text) for name, text in sorted(entry.extra.items())]
