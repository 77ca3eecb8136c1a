"""Reading: search, entries, models, plans, changes, downloads, and the SSC's question."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from hanboot.errors import WrongUsage
from hanboot.library.accounts.tokens import TokenScope
from hanboot.library.accounts.users import User
from hanboot.library.catalogue import downloads, entries, planning, reading
from hanboot.library.catalogue.entries import Search
from hanboot.library.permissions import Action
from hanboot.library.schema import STATES
from hanboot.library.web import pages
from hanboot.library.web.api import schemas
from hanboot.library.web.api.operations import SIGNED_IN, operation, user_of
from hanboot.library.web.views.entries import image_response
from hanboot.registry.entry import Model
from hanboot.registry.fields import BadValue
from hanboot.registry.pathways import diagram
from hanboot.registry.pathways.plan import LATEST, load_pathways

_TAG = "entries"


@operation("GET", "entries", SIGNED_IN, answers=schemas.EntryPage, tag=_TAG)
def search_entries(
    request: HttpRequest,
    text: schemas.Text = "",
    device_type: schemas.Text = "",
    state: schemas.Text = "listed",
    page: schemas.Number = 1,
) -> schemas.EntryPage:
    """Entries by CPL Entry ID, hash, version, model, manufacturer code or party.

    An empty state finds entries of every state that the user may read.
    """
    if state and state not in STATES:
        raise WrongUsage(
            "nothing was looked for",
            f"there is no state {state!r}",
            f"it must be one of {', '.join(STATES)}",
        )
    return _page(request, Search(text=text, device_type=device_type, state=state), page)


@operation("GET", "changes", SIGNED_IN, answers=schemas.EntryPage, tag=_TAG)
def changes(
    request: HttpRequest, since: schemas.Date, page: schemas.Number = 1
) -> schemas.EntryPage:
    """Entries that changed since a date, listed or not, as far as the user may read them.

    No alerts are sent: the CPL is where new firmware is announced (SECMP0009 3.1).
    """
    return _page(request, Search(state="", changed_since=since), page)


def _page(request: HttpRequest, wanted: Search, page: int) -> schemas.EntryPage:
    with pages.library().registry.database.reading() as connection:
        found = entries.search(connection, user_of(request), wanted, page)
    reading.record(pages.library(), user_of(request), found.entries)
    return schemas.EntryPage(
        entries=[schemas.EntryOut.of(entry) for entry in found.entries],
        page=found.number,
        more=found.more,
    )


@operation("GET", "entries/{number}", SIGNED_IN, answers=schemas.EntryDetail, tag=_TAG)
def read_entry(request: HttpRequest, number: schemas.Number) -> schemas.EntryDetail:
    """An entry with its notes, the decisions on it, and whether its image can be had."""
    return detail_of(user_of(request), number)


def detail_of(user: User, number: int) -> schemas.EntryDetail:
    library = pages.library()
    with library.registry.database.reading() as connection:
        held = entries.readable(connection, user, number)
        steps = entries.decisions(connection, number)
        acknowledged = downloads.is_acknowledged(connection, user, held)
    refusal = downloads.why_not(user, held)
    shown = entries.visible(user, held)
    reading.record(library, user, [shown])
    return schemas.EntryDetail(
        **schemas.EntryOut.of(shown).dict(),
        decisions=[schemas.DecisionOut.of(step) for step in steps],
        download="no" if refusal else "ready" if acknowledged else "acknowledge",
        why_not=schemas.error_of(refusal.lines) if refusal else None,
    )


@operation(
    "POST",
    "entries/{number}/acknowledge",
    Action.DOWNLOAD,
    answers=schemas.EntryDetail,
    tag="downloads",
    # it goes with reading: who may download must be able to say that the notes were read
    scope=TokenScope.READ,
)
def acknowledge(
    request: HttpRequest, number: schemas.Number, body: schemas.Acknowledgement
) -> schemas.EntryDetail:
    """Says that the notes, known defects and procedure of a revision were read."""
    downloads.acknowledge(pages.library(), user_of(request), number, body.revision)
    return detail_of(user_of(request), number)


@operation(
    "GET",
    "entries/{number}/image",
    Action.DOWNLOAD,
    answers=None,
    tag="downloads",
    extra={
        "parameters": [
            {
                "in": "header",
                "name": "Range",
                "required": False,
                "schema": {"type": "string"},
                "description": "One range of bytes (RFC 9110 14.2), to resume a download.",
            }
        ],
        "responses": {
            200: {
                "description": "The whole file.",
                "content": {"application/octet-stream": {"schema": {"type": "string"}}},
            },
            206: {
                "description": "The part that was asked for.",
                "content": {"application/octet-stream": {"schema": {"type": "string"}}},
            },
        },
    },
)
def download_image(request: HttpRequest, number: schemas.Number) -> HttpResponse:
    """The OTA Upgrade Image of an entry whose notes were acknowledged.

    Its ETag is the SHA-256 of the whole file.
    """
    wanted = request.headers.get("Range", "")
    return image_response(downloads.download(pages.library(), user_of(request), number, wanted))


@operation("GET", "models/{digits}", Action.READ, answers=schemas.ModelOut, tag=_TAG)
def read_model(request: HttpRequest, digits: schemas.ModelDigits) -> schemas.ModelOut:
    """A device model by manufacturer code and device model, 4 and 8 hex digits."""
    registry, model = pages.library().registry, model_of(digits)
    with registry.database.reading() as connection:
        in_library = entries.newest_of_model(connection, user_of(request), model).entries
    reading.record(pages.library(), user_of(request), in_library)
    pathways = load_pathways(registry, model)
    held = {entry.image_hash: entry for entry in reversed(in_library)}
    return schemas.ModelOut(
        model=schemas.digits_of(model),
        on_cpl=[
            schemas.CplEntryOut.of(entry, held.get(entry.image_hash)) for entry in pathways.entries
        ],
        in_library=[schemas.EntryOut.of(entry) for entry in in_library],
        pathways=diagram.as_text(diagram.draw(pathways)) if pathways.entries else "",
    )


def model_of(digits: str) -> Model:
    number = int(digits, 16)
    return Model(number >> 32, number & 0xFFFFFFFF)


@operation("GET", "plan", Action.PLAN, answers=schemas.PlanOut, tag=_TAG)
def plan(
    request: HttpRequest,
    model: schemas.ModelDigits,
    version: schemas.Text,
    image_hash: schemas.Text = "",
    to: schemas.Text = LATEST,
) -> schemas.PlanOut:
    """My device runs this: what next?

    The shortest safe path, with the library's entry of each step. The hash of what runs is needed
    where its version is listed with several.
    """
    try:
        answer = planning.what_next(
            pages.library(),
            user_of(request),
            model=model_of(model),
            version=version,
            image_hash=image_hash,
            to=to,
        )
    except BadValue as bad:
        raise WrongUsage(
            "nothing was planned", str(bad), "give what the device reports that it runs"
        ) from None
    return schemas.PlanOut.of(answer)


@operation("GET", "zigbee", Action.QUERY_ZIGBEE, answers=list[schemas.HoldingOut], tag="ssc")
def query_zigbee(
    request: HttpRequest,
    vendor: schemas.Text = "",
    stack: schemas.Text = "",
) -> list[schemas.HoldingOut]:
    """Which firmware holds a ZigBee chipset or stack, and how many devices run it (MP231 4)."""
    found = planning.holdings(pages.library(), user_of(request), vendor=vendor, stack=stack)
    return [schemas.HoldingOut.of(each) for each in found]
