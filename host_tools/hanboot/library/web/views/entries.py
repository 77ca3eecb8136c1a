"""Reading: search, an entry, a model, downloads."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe

from hanboot.errors import WrongUsage
from hanboot.library.catalogue import cpl, downloads, entries, reading
from hanboot.library.catalogue.entries import LibraryEntry, Search
from hanboot.library.permissions import Action
from hanboot.library.refusals import NotFound
from hanboot.library.schema import STATES
from hanboot.library.web import pages
from hanboot.library.web.routes import SIGNED_IN, route
from hanboot.registry.entry import DEVICE_TYPES, Model
from hanboot.registry.pathways import diagram, svg
from hanboot.registry.pathways.plan import load_pathways


class SearchForm(forms.Form):
    text = forms.CharField(
        label="Search",
        required=False,
        max_length=128,
        help_text="Manufacturer, model, version, hash or CPL Entry ID.",
    )
    device_type = forms.ChoiceField(
        label="Device type",
        required=False,
        choices=[("", "any"), *((kind, kind) for kind in DEVICE_TYPES)],
    )
    state = forms.ChoiceField(
        label="State",
        required=False,
        initial="listed",
        choices=[*((state, state) for state in STATES), ("", "any")],
    )
    changed_since = forms.DateField(
        label="Changed since", required=False, widget=forms.DateInput(attrs={"type": "date"})
    )


@route("", SIGNED_IN)
def front(request: HttpRequest) -> HttpResponseBase:
    user = pages.user_of(request)
    form = SearchForm(request.GET) if request.GET else SearchForm()
    wanted = Search()
    if form.is_bound and form.is_valid():
        values = form.cleaned_data
        since = values["changed_since"]
        wanted = Search(
            text=values["text"],
            device_type=values["device_type"],
            state=values["state"] if "state" in request.GET else "listed",
            changed_since=since.isoformat() if since else "",
        )
    number = request.GET.get("page", "1")
    with pages.library().registry.database.reading() as connection:
        page = entries.search(
            connection, user, wanted, int(number) if number.isdecimal() and len(number) < 7 else 1
        )
    query = request.GET.copy()
    query.pop("page", None)
    return pages.render(
        request,
        "front.html",
        {
            "form": form,
            "wanted": wanted,
            "device_types": _options([("", "any"), *_same(DEVICE_TYPES)], wanted.device_type),
            "states": _options([*_same(STATES), ("", "any")], wanted.state),
            "page": page,
            "rows": [_row(entry) for entry in page.entries],
            "query": query.urlencode(),
        },
    )


def _same(names: Sequence[str]) -> list[tuple[str, str]]:
    return [(name, name) for name in names]


def _options(choices: list[tuple[str, str]], chosen: str) -> str:
    return format_html_join(
        "",
        '<option value="{}"{}>{}</option>',
        (
            (value, mark_safe(" selected" if value == chosen else ""), text)
            for value, text in choices
        ),
    )


#: A row of the table of entries; a template's nodes would take five times as long for it.
_ROW = (
    '<tr><td><a href="{}">{}</a></td><td>{}</td><td>{}</td>'
    '<td><a class="code" href="{}">{}</a></td><td class="code">{}</td><td>{}</td><td>{}</td></tr>\n'
)


def _row(entry: LibraryEntry) -> str:
    page = "entries" if entry.state == "listed" else "submissions"
    digits = f"{entry.model.manufacturer_code:04X}{entry.model.device_model:08X}"
    return pages.filled(
        _ROW,
        f"/{page}/{entry.number}",
        entry.cpl_entry_id or "not on the CPL",
        entry.device_type,
        entry.party_name,
        f"/models/{digits}",
        str(entry.model),
        entry.fields.get("firmware_version", f"{entry.firmware_version:08X}"),
        entry.state + (", commercial" if entry.is_commercial else ""),
        entry.changed_at[:10],
    )


@route("entries/<int:number>", SIGNED_IN)
def entry(request: HttpRequest, number: int) -> HttpResponseBase:
    library, user = pages.library(), pages.user_of(request)
    with library.registry.database.reading() as connection:
        held = entries.readable(connection, user, number)
        shown = entries.visible(user, held)
        values = {
            "entry": shown,
            "is_own": held.is_own(user),
            "rows": pages.rows_of(shown),
            "extra": pages.extra_of(connection, shown),
            "notes": pages.notes_of(shown),
            "decisions": entries.decisions(connection, number),
            "refusal": downloads.why_not(user, held),
            "acknowledged": downloads.is_acknowledged(connection, user, held),
            "cpl": _on_cpl(connection, held),
        }
    reading.record(library, user, [shown])
    return pages.render(request, "entry.html", values)


def _on_cpl(connection: sa.Connection, entry: LibraryEntry) -> dict[str, object]:
    """The entry on the CPL, which is independent: its status of today, and where it differs."""
    listed = cpl.listed(connection, entry)
    today = pages.library().clock().date()
    return {
        "status": listed.status_on(today) if listed else "",
        "differences": cpl.differences(listed, entry) if listed else None,
    }


@route("entries/<int:number>/enter-on-cpl", Action.SET_STATUS, methods=("POST",))
def enter_on_cpl(request: HttpRequest, number: int) -> HttpResponseBase:
    cpl.enter(pages.library(), pages.user_of(request), number)
    pages.notify(request, "The CPL says what this entry says.")
    return redirect("entry", number)


@route("entries/<int:number>/acknowledge", Action.DOWNLOAD, methods=("POST",))
def acknowledge(request: HttpRequest, number: int) -> HttpResponseBase:
    revision = request.POST.get("revision", "")
    if not revision.isdecimal():
        raise WrongUsage("nothing was acknowledged", "the form names no revision", "go back")
    downloads.acknowledge(pages.library(), pages.user_of(request), number, int(revision))
    return pages.redirect_back(request, "entry", number)


@route("entries/<int:number>/image", Action.DOWNLOAD)
def image(request: HttpRequest, number: int) -> HttpResponseBase:
    return image_response(
        downloads.download(
            pages.library(), pages.user_of(request), number, request.headers.get("Range", "")
        )
    )


def image_response(found: downloads.Download) -> HttpResponse:
    """Bytes of an image as RFC 9110 14 has them, never to be shown in the page."""
    response = HttpResponse(found.octets, content_type="application/octet-stream")
    assert found.entry.image is not None
    response.headers["ETag"] = f'"{found.entry.image.hex()}"'
    response.headers["Accept-Ranges"] = "bytes"
    # so that a client knows when something is missing
    response.headers["Content-Length"] = str(len(found.octets))
    response.headers["Content-Disposition"] = f'attachment; filename="{found.file_name}"'
    if found.is_part:
        response.status_code = 206
        last = found.first + len(found.octets) - 1
        response.headers["Content-Range"] = f"bytes {found.first}-{last}/{found.total}"
    return response


# --- models


def model_of(text: str) -> Model:
    """A model from its twelve hex digits.

    Raises:
        NotFound: they are not.
    """
    try:
        if len(text) != 12:
            raise ValueError
        number = int(text, 16)
    except ValueError:
        raise NotFound(
            f"{text[:20]} is not a model",
            "a model is the manufacturer code and the device model: 4 and 8 hex digits",
            "search for it",
        ) from None
    return Model(number >> 32, number & 0xFFFFFFFF)


@route("models/<str:digits>", Action.READ)
def model(request: HttpRequest, digits: str) -> HttpResponseBase:
    library, user, wanted = pages.library(), pages.user_of(request), model_of(digits)
    drawing = _drawing(wanted)
    with library.registry.database.reading() as connection:
        page = entries.newest_of_model(connection, user, wanted)
    return pages.render(
        request,
        "model.html",
        {
            "model": wanted,
            "digits": f"{wanted.manufacturer_code:04X}{wanted.device_model:08X}",
            "entries": [_of_model(entry) for entry in page.entries],
            "more": page.more,
            "text": diagram.as_text(drawing) if drawing else "",
        },
    )


#: An entry on the page of its model, made as a row of the search is.
_OF_MODEL = (
    '<h3><a href="/entries/{}">{}, version {}</a></h3>\n<dl>\n'
    '<dt>May follow</dt><dd class="code">{}</dd>\n'
    '<dt>Release notes</dt><dd class="text">{}</dd>\n'
    '<dt>Known defects</dt><dd class="text">{}</dd>\n</dl>\n'
)


def _of_model(entry: LibraryEntry) -> str:
    return pages.filled(
        _OF_MODEL,
        str(entry.number),
        entry.cpl_entry_id or "Not on the CPL",
        entry.fields.get("firmware_version", f"{entry.firmware_version:08X}"),
        entry.fields.get("predecessors", "not stated"),
        entry.notes["release_notes"] or "None stated.",
        entry.notes["known_defects"] or "None stated.",
    )


@route("models/<str:digits>/pathways.svg", Action.READ)
def pathways_svg(request: HttpRequest, digits: str) -> HttpResponseBase:
    wanted = model_of(digits)
    drawing = _drawing(wanted)
    if drawing is None:
        raise NotFound(
            f"there is no model {wanted} on the CPL", "no entry names it", "search for it"
        )
    response = HttpResponse(svg.as_svg(drawing), content_type="image/svg+xml")
    # the picture has a style element of its own, and is no page
    response.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'"
    return response


def _drawing(wanted: Model) -> diagram.Drawing | None:
    """The pathways of a model; None if the CPL has no entry of it."""
    pathways = load_pathways(pages.library().registry, wanted)
    return diagram.draw(pathways) if pathways.entries else None
