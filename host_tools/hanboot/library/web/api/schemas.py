"""What requests and answers of the API look like; the OpenAPI document describes them from here.

Codes and versions are hexadecimal digits, hashes too; times are UTC, ISO 8601.
"""

from __future__ import annotations

from typing import Annotated, Any

from ninja import Schema
from pydantic import ConfigDict, Field, StringConstraints

from hanboot.library.accounts.tokens import DAYS_MAX, TokenScope
from hanboot.library.accounts.users import User
from hanboot.library.catalogue import planning, submissions
from hanboot.library.catalogue.entries import DecisionRecord, LibraryEntry
from hanboot.library.permissions import Action, PartyKind
from hanboot.registry.entry import Entry, Model
from hanboot.registry.fields import TEXT_MAX

# what a database can keep of a text; PostgreSQL takes no U+0000
_NO_NUL = r"^[^\x00]*$"

Text = Annotated[str, StringConstraints(max_length=TEXT_MAX, pattern=_NO_NUL)]
Note = Annotated[str, StringConstraints(max_length=submissions.NOTE_MAX, pattern=_NO_NUL)]
ModelDigits = Annotated[str, StringConstraints(pattern=r"^[0-9A-Fa-f]{12}$")]
Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{64}$")]
# what the database's integers hold
Number = Annotated[int, Field(ge=1, le=2**31 - 1)]
Date = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}Z)?$")]


class Given(Schema):
    """A request's body; a member that is not known is refused, since it would have no effect."""

    model_config = ConfigDict(extra="forbid")


# --- refusals


class Error(Schema):
    """What happened, why, and what to do about it."""

    what: str
    why: str
    remedy: str


class Fault(Schema):
    """field: that cannot be used; "" for the whole."""

    field: str
    cause: str


class Refusal(Schema):
    """Every answer that is not a success. faults: of a draft or of a request's members."""

    error: Error
    faults: list[Fault] = []


# --- entries


class DecisionOut(Schema):
    step: str
    revision: int
    user: str
    party: str
    remark: str
    at: str

    @classmethod
    def of(cls, decision: DecisionRecord) -> DecisionOut:
        return cls(**vars(decision))


class EntryOut(Schema):
    """An entry, as far as the token's user may see it.

    image_hash: Manufacturer Image Hash. image_sha256: of the whole file, None where only its hash
    is known. fields, notes, extra: texts by name; extra holds what administrators or imports added.
    never_in_field: a correction that states that no device ever ran it. delivery: how the
    manufacturer delivered it; empty for a file as it is sent to devices.
    """

    number: int
    revision: int
    state: str
    party: str
    replaces: int | None
    cpl_entry_id: str | None
    device_type: str
    model: str
    firmware_version: str
    image_hash: str
    image_sha256: str | None
    is_commercial: bool
    fields: dict[str, str]
    notes: dict[str, str]
    never_in_field: bool
    delivery: dict[str, str]
    extra: dict[str, str]
    submitted_at: str
    changed_at: str

    @classmethod
    def of(cls, entry: LibraryEntry) -> EntryOut:
        return cls(
            number=entry.number,
            revision=entry.revision,
            state=entry.state,
            party=entry.party_name,
            replaces=entry.replaces,
            cpl_entry_id=entry.cpl_entry_id,
            device_type=entry.device_type,
            model=digits_of(entry.model),
            firmware_version=f"{entry.firmware_version:08X}",
            image_hash=entry.image_hash.hex(),
            image_sha256=entry.image.hex() if entry.image else None,
            is_commercial=entry.is_commercial,
            fields=entry.fields,
            notes=entry.notes,
            never_in_field=entry.never_in_field,
            delivery=entry.delivery,
            extra=entry.extra,
            submitted_at=entry.submitted_at,
            changed_at=entry.changed_at,
        )


class EntryDetail(EntryOut):
    """An entry with what was decided about it, and whether this user can download its image.

    download: "ready", "acknowledge" (its notes first), or "no"; why_not says why.
    """

    decisions: list[DecisionOut]
    download: str
    why_not: Error | None


class EntryPage(Schema):
    """Some of what was found. more: whether there is another page."""

    entries: list[EntryOut]
    page: int
    more: bool


class Acknowledgement(Given):
    revision: Number


def digits_of(model: Model) -> str:
    return f"{model.manufacturer_code:04X}{model.device_model:08X}"


class CplEntryOut(Schema):
    """An entry of the CPL. library: number of the library's entry with its hash, if it has one."""

    cpl_entry_id: str
    firmware_version: str
    image_hash: str
    status: str
    predecessors: list[str] | None
    common_name: str | None
    contact: str | None
    release_kind: str | None
    release_notes: str | None
    point_of_no_return: bool
    library: int | None

    @classmethod
    def of(cls, entry: Entry, held: LibraryEntry | None) -> CplEntryOut:
        return cls(
            cpl_entry_id=entry.cpl_entry_id,
            firmware_version=f"{entry.firmware_version:08X}",
            image_hash=entry.image_hash.hex(),
            status=entry.status,
            predecessors=None if entry.predecessors is None else list(entry.predecessors),
            common_name=entry.common_name,
            contact=entry.contact,
            release_kind=entry.release_kind,
            release_notes=entry.release_notes,
            point_of_no_return=bool(entry.point_of_no_return),
            library=held.number if held else None,
        )


class ModelOut(Schema):
    """A device model: its CPL entries, its library entries, and the pathways as text."""

    model: str
    on_cpl: list[CplEntryOut]
    in_library: list[EntryOut]
    pathways: str


class PlanOut(Schema):
    """What to install, in order. why_not: why there is no safe path; steps then lead as far as one
    can get."""

    found: bool
    start: str
    steps: list[CplEntryOut]
    code: str | None
    why_not: Error | None

    @classmethod
    def of(cls, answer: planning.PlanAnswer) -> PlanOut:
        refusal = answer.refusal
        return cls(
            found=refusal is None,
            start=answer.start,
            steps=[CplEntryOut.of(step.entry, step.held) for step in answer.steps],
            code=refusal.code if refusal else None,
            why_not=error_of(refusal.refusal().lines) if refusal else None,
        )


def error_of(lines: tuple[str, str, str]) -> Error:
    what, why, remedy = lines
    return Error(what=what, why=why, remedy=remedy)


# --- submissions


class DraftIn(Given):
    """An entry. fields: texts by the names of /api/v1/fields; what is left out is taken from the
    image. notes: release_notes, known_defects, procedure, vulnerabilities. extra: texts of other
    fields; names that are not known are kept. delivery_option: 1, 2 or 3 of 'Firmware Distribution
    to Suppliers'; None for a file as it is sent to devices. responsible: number of the supplier
    that is asked to authorise it. never_in_field: of a correction: no device ever ran it."""

    fields: dict[Text, Note] = {}
    notes: dict[Text, Note] = {}
    extra: dict[Text, Note] = {}
    delivery_option: Annotated[int, Field(ge=1, le=3)] | None = None
    responsible: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    never_in_field: bool = False


class Submitted(Schema):
    number: int


class FindingOut(Schema):
    """What `check` finds. severity: error loses devices."""

    code: str
    severity: str
    text: str


class CheckOut(Schema):
    """A draft or a submission, checked; nothing was changed. differences: between image and fields.
    findings: what it would change for devices if it were listed."""

    differences: list[str]
    notes: list[str]
    findings: list[FindingOut]

    @classmethod
    def of(cls, checked: submissions.Checked) -> CheckOut:
        return cls(
            differences=[each.text for each in checked.differences],
            notes=list(checked.notes),
            findings=[
                FindingOut(code=each.code, severity=each.severity, text=each.text)
                for each in checked.findings
            ],
        )


class DecisionIn(Given):
    """revision: of the entry, as it was seen."""

    revision: Number
    remark: Note = ""


class ReviewIn(DecisionIn):
    """accept_findings: list it although it would lose devices."""

    accept_findings: bool = False


# --- the Security Sub-Committee


class HoldingOut(Schema):
    """devices: of the inventory that run it. number: of the library's entry, off the CPL."""

    cpl_entry_id: str
    number: int | None
    device_type: str
    model: str
    firmware_version: str
    vendor: str
    stack: str
    devices: int

    @classmethod
    def of(cls, holding: planning.Holding) -> HoldingOut:
        return cls(
            **{
                **vars(holding),
                "model": digits_of(holding.model),
                "firmware_version": f"{holding.firmware_version:08X}",
            }
        )


# --- administration


class StatusIn(Given):
    cpl_entry_id: Text
    status: Text
    reason: Text


class FieldOut(Schema):
    """A field of entries. part: who sees it; "added" for one that an administrator added."""

    name: str
    heading: str
    part: str


class FieldIn(Given):
    name: Text
    heading: Text


class PartyOut(Schema):
    number: int
    name: str
    kind: PartyKind


class PartyIn(Given):
    name: Text
    kind: PartyKind


class UserOut(Schema):
    number: int
    email: str
    name: str
    is_active: bool

    @classmethod
    def of(cls, user: User) -> UserOut:
        return cls(number=user.number, email=user.email, name=user.name, is_active=user.is_active)


class PartyDetail(PartyOut):
    users: list[UserOut]


class InvitationIn(Given):
    email: Annotated[str, StringConstraints(max_length=254, pattern=_NO_NUL)]


class InvitationOut(Schema):
    """path: of the page where the invited person signs up; it works once, and is shown once."""

    path: str


class TokenOut(Schema):
    handle: str
    name: str
    scope: TokenScope
    created_at: str
    expires_at: str
    used_at: str | None


class TokenIn(Given):
    name: Text
    scope: TokenScope
    days: Annotated[int, Field(ge=1, le=DAYS_MAX)]


class TokenMade(Schema):
    """token: shown once."""

    token: str


class Me(Schema):
    """Whose token it is, and what its party may do: "yes", "own" or "no" by action."""

    user: UserOut
    party: PartyOut
    scope: TokenScope
    expires_at: str
    may: dict[Action, str]


# --- evidence


class AuditRecord(Schema):
    number: int
    at: str
    user: str
    party: str
    action: str
    subject: str
    detail: dict[str, Any]


class AuditPage(Schema):
    """Rows after a number. next: what to ask for next; None at the end."""

    records: list[AuditRecord]
    next: int | None


class AuditVerified(Schema):
    """rows: how many there are, all as they were recorded. digest: of the last; kept elsewhere, it
    also shows rows that were cut off at the end."""

    rows: int
    digest: str
