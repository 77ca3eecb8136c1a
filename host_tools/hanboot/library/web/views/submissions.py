"""Submitting, correcting, and the decisions on a submission."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect

from hanboot.errors import WrongUsage
from hanboot.library.catalogue import entries, submissions
from hanboot.library.catalogue.entries import NOTES, LibraryEntry
from hanboot.library.catalogue.submissions import Draft, Faulty
from hanboot.library.images import IMAGE_MAX_BYTES
from hanboot.library.permissions import Action
from hanboot.library.web import pages
from hanboot.library.web.routes import SIGNED_IN, route
from hanboot.registry.entry import DEVICE_TYPES, JOIN_OPTIONS, RELEASE_KINDS
from hanboot.registry.fields import BY_NAME

# what a form asks for; the rest of the fields is taken from the image or left open
_TEXTS = (
    "cpl_entry_id", "manufacturer_code", "device_model", "firmware_version", "image_hash",
    "predecessors", "manufacturer", "model_name", "smets_version", "gbcs_version", "contact",
    "zigbee_vendor", "zigbee_stack",
)  # fmt: skip
_CHOICES = {
    "device_type": DEVICE_TYPES,
    "join_option": JOIN_OPTIONS,
    "release_kind": RELEASE_KINDS,
}
_HELP = {
    "predecessors": "CPL Entry IDs with commas between them, or N/A for a first version.",
    "cpl_entry_id": "Empty if it is not on the CPL.",
    "image_hash": "Empty: taken from the image.",
    "manufacturer_code": "Empty: taken from the image.",
    "device_model": "Empty: taken from the image.",
    "firmware_version": "Empty: taken from the image.",
    "zigbee_vendor": "Only the Security Sub-Committee sees it.",
    "zigbee_stack": "Only the Security Sub-Committee sees it.",
}


class SubmissionForm(forms.Form):
    """A draft; what its fields may hold is checked where the API is checked, too."""

    image = forms.FileField(
        label="OTA Upgrade Image",
        required=False,
        help_text="The file as it is sent to devices; empty for an entry that only names its hash.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, choices in _CHOICES.items():
            self.fields[name] = forms.ChoiceField(
                label=BY_NAME[name].heading,
                required=False,
                choices=[("", "not stated"), *((choice, choice) for choice in choices)],
            )
        for name in _TEXTS:
            self.fields[name] = forms.CharField(
                label=BY_NAME[name].heading,
                required=False,
                max_length=1024,
                help_text=_HELP.get(name, ""),
            )
        for name, heading in NOTES.items():
            self.fields[name] = forms.CharField(
                label=heading,
                required=False,
                max_length=submissions.NOTE_MAX,
                widget=forms.Textarea(attrs={"rows": 4}),
            )

    def draft(self, replaces: int | None = None) -> Draft:
        values = self.cleaned_data
        file = values.get("image")
        if file is not None and file.size > IMAGE_MAX_BYTES:
            raise Faulty([("image", f"the file is larger than {IMAGE_MAX_BYTES} bytes")])
        return Draft(
            fields={name: values[name] for name in (*_CHOICES, *_TEXTS)},
            notes={name: values[name] for name in NOTES},
            octets=file.read() if file is not None else None,
            file_name=file.name if file is not None else "the file",
            replaces=replaces,
        )

    def add_faults(self, faulty: Faulty) -> None:
        for name, cause in faulty.faults:
            self.add_error(name if name in self.fields else None, cause)


@route("submit", Action.SUBMIT, methods=("GET", "POST"))
def submit(request: HttpRequest) -> HttpResponseBase:
    return _submission(request, SubmissionForm(request.POST or None, request.FILES or None), None)


@route("entries/<int:number>/correct", Action.CORRECT, methods=("GET", "POST"))
def correct(request: HttpRequest, number: int) -> HttpResponseBase:
    user = pages.user_of(request)
    with pages.library().registry.database.reading() as connection:
        original = entries.readable(connection, user, number)
    user.require(Action.CORRECT, own=original.is_own(user))
    form = SubmissionForm(request.POST or None, request.FILES or None, initial=_initial(original))
    return _submission(request, form, original)


def _initial(original: LibraryEntry) -> dict[str, str]:
    return {**original.fields, **original.notes}


def _submission(
    request: HttpRequest, form: SubmissionForm, original: LibraryEntry | None
) -> HttpResponseBase:
    values: dict[str, Any] = {"form": form, "original": original}
    if request.method == "GET":
        return pages.render(request, "submit.html", values)
    if form.is_valid():
        try:
            draft = form.draft(original.number if original else None)
            number = submissions.submit(pages.library(), pages.user_of(request), draft)
        except Faulty as faulty:
            form.add_faults(faulty)
        else:
            pages.notify(request, f"Entry {number} was submitted.")
            return redirect("submission", number)
    return pages.render(request, "submit.html", values, 400)


@route("submissions/<int:number>", SIGNED_IN)
def submission(request: HttpRequest, number: int) -> HttpResponseBase:
    library, user = pages.library(), pages.user_of(request)
    with library.registry.database.reading() as connection:
        held = entries.readable(connection, user, number)
        steps = entries.decisions(connection, number)
    checked = submissions.recheck(library, held)
    return pages.render(
        request,
        "submission.html",
        {
            "entry": entries.visible(user, held),
            "decisions": steps,
            "checked": checked,
            "rows": [
                (BY_NAME[name].heading, text)
                for name, text in entries.visible(user, held).fields.items()
                if name in BY_NAME
            ],
            "can": {
                "authorise": held.state == "submitted" and user.may(Action.AUTHORISE),
                "endorse": held.state == "authorised"
                and held.device_type == "CH"
                and user.may(Action.ENDORSE),
                "review": held.state == "authorised" and user.may(Action.REVIEW),
                "reject": held.state in ("submitted", "authorised") and user.may(Action.REVIEW),
            },
        },
    )


def _revision(request: HttpRequest) -> int:
    text = request.POST.get("revision", "")
    if not text.isdecimal() or len(text) > 9:
        raise WrongUsage("nothing was decided", "the form names no revision", "open it again")
    return int(text)


@route("submissions/<int:number>/authorise", Action.AUTHORISE, methods=("POST",))
def authorise(request: HttpRequest, number: int) -> HttpResponseBase:
    remark = request.POST.get("remark", "")
    submissions.authorise(
        pages.library(), pages.user_of(request), number, _revision(request), remark
    )
    pages.notify(request, f"Entry {number} was authorised.")
    return redirect("submission", number)


@route("submissions/<int:number>/endorse", Action.ENDORSE, methods=("POST",))
def endorse(request: HttpRequest, number: int) -> HttpResponseBase:
    remark = request.POST.get("remark", "")
    submissions.endorse(pages.library(), pages.user_of(request), number, _revision(request), remark)
    pages.notify(request, f"Entry {number} was endorsed.")
    return redirect("submission", number)


@route("submissions/<int:number>/review", Action.REVIEW, methods=("POST",))
def review(request: HttpRequest, number: int) -> HttpResponseBase:
    submissions.review(
        pages.library(),
        pages.user_of(request),
        number,
        _revision(request),
        request.POST.get("remark", ""),
        accept_findings=request.POST.get("accept_findings") == "yes",
    )
    pages.notify(request, f"Entry {number} is listed.")
    return redirect("entry", number)


@route("submissions/<int:number>/reject", Action.REVIEW, methods=("POST",))
def reject(request: HttpRequest, number: int) -> HttpResponseBase:
    remark = request.POST.get("remark", "")
    submissions.reject(pages.library(), pages.user_of(request), number, _revision(request), remark)
    pages.notify(request, f"Entry {number} was rejected.")
    return redirect("submission", number)
