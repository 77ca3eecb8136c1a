"""Parties, users, CPL status, and the audit log."""

from __future__ import annotations

import csv
import io

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

from hanboot.errors import HanbootError, WrongUsage
from hanboot.library import audit
from hanboot.library.accounts import users
from hanboot.library.accounts.users import Party
from hanboot.library.catalogue import extra_fields, submissions
from hanboot.library.permissions import Action, PartyKind
from hanboot.library.refusals import NotFound
from hanboot.library.web import pages
from hanboot.library.web.routes import route
from hanboot.registry.entry import STATUSES

_AUDIT_ROWS = 200


class PartyForm(forms.Form):
    name = forms.CharField(label="Name", max_length=256)
    kind = forms.ChoiceField(label="Kind", choices=[(kind.value, kind.value) for kind in PartyKind])


class InviteForm(forms.Form):
    email = forms.EmailField(label="E-mail address", max_length=254)


@route("parties", Action.MANAGE_PARTIES, methods=("GET", "POST"))
def parties(request: HttpRequest) -> HttpResponseBase:
    form = PartyForm(request.POST or None)
    database = pages.library().registry.database
    if request.method == "POST" and form.is_valid():
        try:
            with database.writing() as connection:
                made = users.add_party(
                    connection,
                    pages.user_of(request).actor,
                    form.cleaned_data["name"],
                    PartyKind(form.cleaned_data["kind"]),
                )
        except WrongUsage as error:
            form.add_error("name", error.lines[1])
        else:
            return redirect("party", made.number)
    with database.reading() as connection:
        found = users.parties(connection)
    return pages.render(request, "parties.html", {"form": form, "parties": found})


@route("parties/<int:number>", Action.MANAGE_OWN_USERS, methods=("GET", "POST"))
def party(request: HttpRequest, number: int) -> HttpResponseBase:
    library, user = pages.library(), pages.user_of(request)
    shown = _own_or_any(request, number)
    form = InviteForm(request.POST or None)
    link = ""
    if request.method == "POST" and form.is_valid():
        try:
            with library.registry.database.writing() as connection:
                token = users.invite(
                    connection, user, shown, form.cleaned_data["email"], library.clock()
                )
            link = _link(request, token)
        except WrongUsage as error:
            form.add_error("email", error.lines[1])
    with library.registry.database.reading() as connection:
        members = users.users_of(connection, number)
    return pages.render(
        request, "party.html", {"party": shown, "form": form, "members": members, "link": link}
    )


def _own_or_any(request: HttpRequest, number: int) -> Party:
    user = pages.user_of(request)
    with pages.library().registry.database.reading() as connection:
        found = users.find_party(connection, number)
    if found is None or not (user.may(Action.MANAGE_PARTIES) or user.party.number == number):
        raise NotFound(f"there is no party {number}", "or it is not yours", "check the number")
    return found


def _link(request: HttpRequest, token: str) -> str:
    return request.build_absolute_uri(reverse("accept_invitation", args=[token]))


@route("users/<int:number>/disable", Action.MANAGE_OWN_USERS, methods=("POST",))
def disable_user(request: HttpRequest, number: int) -> HttpResponseBase:
    with pages.library().registry.database.writing() as connection:
        found = users.find_user(connection, number)
        if found is None:
            raise NotFound(f"there is no user {number}", "or it is disabled", "check the number")
        _own_or_any(request, found.party.number)
        users.disable(connection, pages.user_of(request), found)
    return redirect("party", found.party.number)


@route("users/<int:number>/recover", Action.MANAGE_OWN_USERS, methods=("POST",))
def recover_user(request: HttpRequest, number: int) -> HttpResponseBase:
    library = pages.library()
    with library.registry.database.writing() as connection:
        found = users.find_user(connection, number)
        if found is None:
            raise NotFound(f"there is no user {number}", "or it is disabled", "check the number")
        _own_or_any(request, found.party.number)
        token = users.start_recovery(connection, pages.user_of(request), found, library.clock())
        members = users.users_of(connection, found.party.number)
    return pages.render(
        request,
        "party.html",
        {
            "party": found.party,
            "form": InviteForm(),
            "members": members,
            "link": _link(request, token),
        },
    )


class FieldForm(forms.Form):
    name = forms.CharField(
        label="Name",
        max_length=64,
        help_text="For programs: small letters, digits and _.",
    )
    heading = forms.CharField(label="Heading", max_length=256, help_text="For people.")


@route("fields", Action.ADD_FIELD, methods=("GET", "POST"))
def added_fields(request: HttpRequest) -> HttpResponseBase:
    form = FieldForm(request.POST or None)
    library = pages.library()
    if request.method == "POST" and form.is_valid():
        try:
            extra_fields.add(library, pages.user_of(request), **form.cleaned_data)
        except HanbootError as error:
            form.add_error("name", ". ".join(error.lines[1:]))
        else:
            pages.notify(request, f"{form.cleaned_data['heading']} was added.")
            return redirect("added_fields")
    with library.registry.database.reading() as connection:
        found = extra_fields.extra_fields(connection)
    status = 400 if form.is_bound else 200
    return pages.render(request, "added_fields.html", {"form": form, "added": found}, status)


class StatusForm(forms.Form):
    cpl_entry_id = forms.CharField(label="CPL Entry ID", max_length=64)
    status = forms.ChoiceField(label="Status", choices=[(each, each) for each in STATUSES])
    reason = forms.CharField(label="Reason", max_length=256)


@route("cpl", Action.SET_STATUS, methods=("GET", "POST"))
def cpl_status(request: HttpRequest) -> HttpResponseBase:
    form = StatusForm(
        request.POST or None, initial={"cpl_entry_id": request.GET.get("cpl_entry_id", "")[:64]}
    )
    if request.method == "POST" and form.is_valid():
        try:
            submissions.set_status(
                pages.library(), pages.user_of(request), *form.cleaned_data.values()
            )
        except HanbootError as error:
            form.add_error(None, ". ".join(error.lines))
        else:
            pages.notify(request, f"{form.cleaned_data['cpl_entry_id']} was changed.")
            return redirect("cpl_status")
    return pages.render(request, "cpl.html", {"form": form})


# --- evidence


class AuditForm(forms.Form):
    text = forms.CharField(
        label="Find",
        required=False,
        max_length=128,
        help_text="A user, a party, an action or a subject.",
    )
    before = forms.IntegerField(required=False, min_value=1, widget=forms.HiddenInput)


@route("audit", Action.READ_AUDIT)
def audit_log(request: HttpRequest) -> HttpResponseBase:
    form = AuditForm(request.GET)
    wanted = form.cleaned_data if form.is_valid() else {"text": "", "before": None}
    with pages.library().registry.database.reading() as connection:
        found = audit.latest(connection, **wanted, limit=_AUDIT_ROWS)
        # of all rows, so it is done where it is asked for
        count = audit.verify(connection) if "verify" in request.GET else None
    return pages.render(
        request,
        "audit.html",
        {
            "form": form,
            "records": found,
            "count": count,
            "older": found[-1].number if len(found) == _AUDIT_ROWS else None,
        },
    )


@route("audit.csv", Action.READ_AUDIT)
def audit_csv(request: HttpRequest) -> HttpResponseBase:
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(("number", "at", "user", "party", "action", "subject", "detail"))
    with pages.library().registry.database.writing() as connection:
        audit.add(connection, pages.user_of(request).actor, "export audit")
        for record in audit.records(connection):
            detail = "; ".join(f"{name}={text}" for name, text in record.detail.items())
            row = (record.actor.user, record.actor.party, record.action, record.subject, detail)
            writer.writerow((record.number, record.at, *(_no_formula(text) for text in row)))
    response = HttpResponse(written.getvalue(), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = 'attachment; filename="audit.csv"'
    return response


def _no_formula(text: str) -> str:
    """A text that no spreadsheet runs: one that begins like a formula gets an apostrophe."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
