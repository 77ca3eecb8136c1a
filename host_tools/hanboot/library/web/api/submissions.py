"""Submitting, correcting, and the decisions on a submission."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Annotated

from django.http import HttpRequest
from ninja import Body, File, UploadedFile
from ninja.responses import Status

from hanboot.library.accounts.users import User
from hanboot.library.catalogue import cpl, decisions, deliveries, entries, submissions
from hanboot.library.catalogue.submissions import Draft, Faulty
from hanboot.library.images import IMAGE_MAX_BYTES
from hanboot.library.library import Library
from hanboot.library.permissions import Action
from hanboot.library.web import pages
from hanboot.library.web.api import schemas
from hanboot.library.web.api.entries import detail_of
from hanboot.library.web.api.operations import SIGNED_IN, operation, user_of

_TAG = "submissions"
# parts of multipart/form-data: the draft as JSON, and files. image: the OTA Upgrade Image, or what
# the delivery option says; the others are elements of a delivery
Given = Annotated[schemas.DraftIn, Body()]
GivenFile = Annotated[UploadedFile | None, File()]


@operation("POST", "submissions", Action.SUBMIT, answers=schemas.Submitted, status=201, tag=_TAG)
def submit(
    request: HttpRequest,
    draft: Given,
    image: GivenFile = None,
    header: GivenFile = None,
    signature: GivenFile = None,
    image_hash: GivenFile = None,
    manufacturer_key: GivenFile = None,
) -> Status[schemas.Submitted]:
    """Hands in an entry, with its image or the hash alone.

    What the draft leaves empty is taken from the image; what it says must be what the image says.
    """
    handed_in = _draft(draft, image, header, signature, image_hash, manufacturer_key)
    number = submissions.submit(pages.library(), user_of(request), handed_in)
    return Status(201, schemas.Submitted(number=number))


@operation("POST", "submissions/check", Action.SUBMIT, answers=schemas.CheckOut, tag=_TAG)
def check_draft(
    request: HttpRequest,
    draft: Given,
    image: GivenFile = None,
    header: GivenFile = None,
    signature: GivenFile = None,
    image_hash: GivenFile = None,
    manufacturer_key: GivenFile = None,
) -> schemas.CheckOut:
    """Checks a draft as its submission would, and changes nothing."""
    return schemas.CheckOut.of(
        submissions.check(
            pages.library(), _draft(draft, image, header, signature, image_hash, manufacturer_key)
        )
    )


@operation(
    "POST",
    "entries/{number}/corrections",
    Action.CORRECT,
    answers=schemas.Submitted,
    status=201,
    tag=_TAG,
)
def correct(
    request: HttpRequest,
    number: schemas.Number,
    draft: Given,
    image: GivenFile = None,
    header: GivenFile = None,
    signature: GivenFile = None,
    image_hash: GivenFile = None,
    manufacturer_key: GivenFile = None,
) -> Status[schemas.Submitted]:
    """Proposes a correction of an entry, which is authorised and reviewed as a submission is.

    The draft is the whole entry as it should be; without an image the entry's own stays.
    """
    given = _draft(draft, image, header, signature, image_hash, manufacturer_key)
    handed_in = replace(given, replaces=number)
    made = submissions.submit(pages.library(), user_of(request), handed_in)
    return Status(201, schemas.Submitted(number=made))


def _draft(
    given: schemas.DraftIn,
    image: UploadedFile | None,
    header: UploadedFile | None,
    signature: UploadedFile | None,
    image_hash: UploadedFile | None,
    manufacturer_key: UploadedFile | None,
) -> Draft:
    octets, delivery = _octets(image), {}
    if given.delivery_option is not None:
        elements = {"image": image, "header": header, "signature": signature, "hash": image_hash}
        parts = {name: part for name, file in elements.items() if (part := _octets(file))}
        delivered = deliveries.read(given.delivery_option, parts, _octets(manufacturer_key))
        octets, delivery = delivered.octets, delivered.as_texts()
    elif header or signature or image_hash or manufacturer_key:
        raise Faulty([("delivery_option", "elements of a delivery came, and no option")])
    return Draft(
        fields=given.fields,
        notes=given.notes,
        extra=given.extra,
        octets=octets,
        file_name=(image.name or "the file") if image else "the file",
        delivery=delivery,
        responsible=given.responsible,
        never_in_field=given.never_in_field,
    )


def _octets(file: UploadedFile | None) -> bytes | None:
    if file is None:
        return None
    if (file.size or 0) > IMAGE_MAX_BYTES:
        raise Faulty([("image", f"the file is larger than {IMAGE_MAX_BYTES} bytes")])
    octets: bytes = file.read()
    return octets


@operation("GET", "submissions/{number}/check", SIGNED_IN, answers=schemas.CheckOut, tag=_TAG)
def check_submission(request: HttpRequest, number: schemas.Number) -> schemas.CheckOut:
    """What `check` says of an entry as it stands: what listing it would change for devices."""
    library, user = pages.library(), user_of(request)
    with library.registry.database.reading() as connection:
        held = entries.readable(connection, user, number)
    return schemas.CheckOut.of(submissions.recheck(library, held))


def _decided(
    request: HttpRequest,
    number: int,
    body: schemas.DecisionIn,
    decide: Callable[[Library, User, int, int, str], None],
) -> schemas.EntryDetail:
    """Has the signed-in user `decide`, and returns the entry as it is then."""
    user = user_of(request)
    decide(pages.library(), user, number, body.revision, body.remark)
    return detail_of(user, number)


@operation(
    "POST",
    "submissions/{number}/authorise",
    Action.AUTHORISE,
    answers=schemas.EntryDetail,
    tag=_TAG,
)
def authorise(
    request: HttpRequest, number: schemas.Number, body: schemas.DecisionIn
) -> schemas.EntryDetail:
    """A supplier takes responsibility for a submission."""
    return _decided(request, number, body, decisions.authorise)


@operation(
    "POST", "submissions/{number}/endorse", Action.ENDORSE, answers=schemas.EntryDetail, tag=_TAG
)
def endorse(
    request: HttpRequest, number: schemas.Number, body: schemas.DecisionIn
) -> schemas.EntryDetail:
    """The DCC endorses a Communications Hub's entry."""
    return _decided(request, number, body, decisions.endorse)


@operation(
    "POST", "submissions/{number}/review", Action.REVIEW, answers=schemas.EntryDetail, tag=_TAG
)
def review(
    request: HttpRequest, number: schemas.Number, body: schemas.ReviewIn
) -> schemas.EntryDetail:
    """Lists an entry; one that would lose devices only with accept_findings."""
    decide = partial(decisions.review, accept_findings=body.accept_findings)
    return _decided(request, number, body, decide)


@operation(
    "POST", "submissions/{number}/withdraw", Action.CORRECT, answers=schemas.EntryDetail, tag=_TAG
)
def withdraw(
    request: HttpRequest, number: schemas.Number, body: schemas.DecisionIn
) -> schemas.EntryDetail:
    """Takes back what the own party submitted and what was not listed yet."""
    return _decided(request, number, body, decisions.withdraw)


@operation(
    "POST", "submissions/{number}/reject", Action.REVIEW, answers=schemas.EntryDetail, tag=_TAG
)
def reject(
    request: HttpRequest, number: schemas.Number, body: schemas.DecisionIn
) -> schemas.EntryDetail:
    """Ends a submission; the remark says what must be corrected."""
    return _decided(request, number, body, decisions.reject)


@operation(
    "POST", "entries/{number}/enter", Action.SET_STATUS, answers=schemas.EntryDetail, tag=_TAG
)
def enter_on_cpl(request: HttpRequest, number: schemas.Number) -> schemas.EntryDetail:
    """Enters a listed entry on the CPL, or corrects the CPL's entry by it."""
    user = user_of(request)
    cpl.enter(pages.library(), user, number)
    return detail_of(user, number)
