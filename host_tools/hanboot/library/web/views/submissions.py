"""Submitting, correcting, and the decisions on a submission."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect

from hanboot.errors import WrongUsage
from hanboot.library.accounts import users
from hanboot.library.accounts.users import Party, User
from hanboot.library.catalogue import (
    decisions,
    downloads,
    entries,
    extra_fields,
    reading,
    submissions,
)
from hanboot.library.catalogue.entries import LibraryEntry
from hanboot.library.catalogue.extra_fields import ExtraField
from hanboot.library.catalogue.submissions import Faulty
from hanboot.library.library import Library
from hanboot.library.permissions import Action, PartyKind
from hanboot.library.web import pages
from hanboot.library.web.routes import SIGNED_IN, route
from hanboot.library.web.submission_form import SubmissionForm, initial


@route("submit", Action.SUBMIT, methods=("GET", "POST"))
def submit(request: HttpRequest) -> HttpResponseBase:
    form = SubmissionForm(
        request.POST or None,
        request.FILES or None,
        suppliers=_to_ask(pages.user_of(request)),
        added=_added(),
    )
    return _submission(request, form, None)


def _added() -> list[ExtraField]:
    with pages.library().registry.database.reading() as connection:
        return extra_fields.extra_fields(connection)


def _to_ask(user: User) -> list[Party]:
    """The suppliers that a manufacturer can ask; a supplier answers for its own submission."""
    if user.party.kind is PartyKind.SUPPLIER:
        return []
    with pages.library().registry.database.reading() as connection:
        found = users.parties(connection)
    return [party for party in found if party.kind is PartyKind.SUPPLIER]


@route("entries/<int:number>/correct", Action.CORRECT, methods=("GET", "POST"))
def correct(request: HttpRequest, number: int) -> HttpResponseBase:
    user = pages.user_of(request)
    with pages.library().registry.database.reading() as connection:
        original = entries.readable(connection, user, number)
    user.require(Action.CORRECT, own=original.is_own(user))
    form = SubmissionForm(
        request.POST or None,
        request.FILES or None,
        original=original,
        added=_added(),
        initial=initial(entries.visible(user, original)),
    )
    return _submission(request, form, original)


def _submission(
    request: HttpRequest, form: SubmissionForm, original: LibraryEntry | None
) -> HttpResponseBase:
    values: dict[str, Any] = {"form": form, "original": original}
    if request.method == "GET":
        return pages.render(request, "submit.html", values)
    if form.is_valid():
        try:
            number = submissions.submit(pages.library(), pages.user_of(request), form.draft())
        except Faulty as faulty:
            form.add_faults(faulty)
        else:
            pages.notify(request, f"Entry {number} was submitted.")
            return redirect("submission", number)
    return pages.render(request, "submit.html", values, 400)


# --- decisions


@route("submissions", SIGNED_IN)
def waiting(request: HttpRequest) -> HttpResponseBase:
    user = pages.user_of(request)
    with pages.library().registry.database.reading() as connection:
        found = entries.waiting(connection, user)
    mine = [entry for entry in found if set(decisions.open_to(user, entry)) - {"withdraw"}]
    return pages.render(
        request,
        "submissions.html",
        {"mine": mine, "others": [entry for entry in found if entry not in mine]},
    )


@route("submissions/<int:number>", SIGNED_IN)
def submission(request: HttpRequest, number: int) -> HttpResponseBase:
    library, user = pages.library(), pages.user_of(request)
    with library.registry.database.reading() as connection:
        held = entries.readable(connection, user, number)
        shown = entries.visible(user, held)
        waits = held.state in entries.WAITING
        values: dict[str, object] = {
            "entry": shown,
            "asked": users.find_party(connection, held.responsible) if held.responsible else None,
            "decisions": entries.decisions(connection, number),
            "changes": submissions.changes(connection, user, held),
            "rows": pages.rows_of(shown),
            "extra": pages.extra_of(connection, shown),
            "notes": pages.notes_of(shown),
            "needs_endorsement": waits and held.device_type == "CH",
            "can": dict.fromkeys(decisions.open_to(user, held), True),
            "refusal": downloads.why_not(user, held),
            "acknowledged": downloads.is_acknowledged(connection, user, held),
        }
    reading.record(library, user, [shown])
    values["checked"] = submissions.recheck(library, held) if waits else None
    return pages.render(request, "submission.html", values)


def _revision(request: HttpRequest) -> int:
    text = request.POST.get("revision", "")
    if not text.isdecimal() or len(text) > 9:
        raise WrongUsage("nothing was decided", "the form names no revision", "open it again")
    return int(text)


def _decided(
    request: HttpRequest,
    number: int,
    decide: Callable[[Library, User, int, int, str], None],
    said: str,
    page: str = "submission",
) -> HttpResponseBase:
    """Has the signed-in user `decide` what the form says, and shows the entry as it is then."""
    remark = request.POST.get("remark", "")
    decide(pages.library(), pages.user_of(request), number, _revision(request), remark)
    pages.notify(request, f"Entry {number} {said}.")
    return redirect(page, number)


@route("submissions/<int:number>/authorise", Action.AUTHORISE, methods=("POST",))
def authorise(request: HttpRequest, number: int) -> HttpResponseBase:
    return _decided(request, number, decisions.authorise, "was authorised")


@route("submissions/<int:number>/endorse", Action.ENDORSE, methods=("POST",))
def endorse(request: HttpRequest, number: int) -> HttpResponseBase:
    return _decided(request, number, decisions.endorse, "was endorsed")


@route("submissions/<int:number>/review", Action.REVIEW, methods=("POST",))
def review(request: HttpRequest, number: int) -> HttpResponseBase:
    accepts = request.POST.get("accept_findings") == "yes"
    decide = partial(decisions.review, accept_findings=accepts)
    return _decided(request, number, decide, "is listed", page="entry")


@route("submissions/<int:number>/reject", Action.REVIEW, methods=("POST",))
def reject(request: HttpRequest, number: int) -> HttpResponseBase:
    return _decided(request, number, decisions.reject, "was rejected")


@route("submissions/<int:number>/withdraw", Action.CORRECT, methods=("POST",))
def withdraw(request: HttpRequest, number: int) -> HttpResponseBase:
    return _decided(request, number, decisions.withdraw, "was withdrawn")
