"""Entries of the library: read, found, shown as far as a user may see them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hanboot.library.accounts.users import User
from hanboot.library.permissions import Action
from hanboot.library.refusals import NotFound
from hanboot.library.schema import DecisionRow, LibraryEntryRow, PartyRow, UserRow
from hanboot.registry.entry import Model
from hanboot.registry.fields import BY_NAME, SSC_NAMES, BadValue, parse_hash

_ENTRY = LibraryEntryRow.__table__

#: Rows on one page of a search.
PAGE_ROWS = 25
_ROWS_AT_ONCE = 1000

#: States of a submission that is not decided, and how many of them are shown.
WAITING = ("submitted", "authorised")
WAITING_MAX = 500

#: Texts of an entry that people read before they use it, by field and heading.
NOTES = {
    "release_notes": "Release notes",
    "known_defects": "Known defects",
    "procedure": "Release procedure",
    "vulnerabilities": "Vulnerabilities",
}


@dataclass(frozen=True, kw_only=True)
class LibraryEntry:
    """A firmware in the library.

    Attributes:
        number: its own, also where it has no CPL Entry ID.
        revision: counts its changes.
        state: submitted, authorised, reviewed, listed, rejected or withdrawn.
        party: number of the party that submitted it.
        responsible: number of the supplier that is asked to authorise it, and then answers for it.
        replaces: number of the listed entry that this corrects.
        fields: texts of the registry's fields by name.
        notes: texts by the names of `NOTES`.
        never_in_field: a correction that states that no device ever ran this firmware.
        delivery: texts of `deliveries.Delivered`; empty for a file as it is sent to devices.
        extra: texts of fields that the registry does not have, by name.
        image: SHA-256 of the stored file; None where only its hash is known.
    """

    number: int
    revision: int
    state: str
    party: int
    party_name: str
    responsible: int | None
    replaces: int | None
    cpl_entry_id: str | None
    device_type: str
    model: Model
    firmware_version: int
    image_hash: bytes
    image: bytes | None
    fields: dict[str, str]
    notes: dict[str, str]
    never_in_field: bool
    delivery: dict[str, str]
    extra: dict[str, str]
    submitted_at: str
    changed_at: str

    @property
    def is_commercial(self) -> bool:
        """SECMP0009 3: a commercially released image shows a contact in place of a download."""
        return self.fields.get("release_kind") == "commercial"

    def is_own(self, user: User) -> bool:
        """Whether the user's party submitted it, or is responsible for it."""
        return user.party.number in (self.party, self.responsible)


def _entry(row: Any) -> LibraryEntry:
    return LibraryEntry(
        number=row.number,
        revision=row.revision,
        state=row.state,
        party=row.party,
        party_name=row.party_name,
        responsible=row.responsible,
        replaces=row.replaces,
        cpl_entry_id=row.cpl_entry_id,
        device_type=row.device_type,
        model=Model(row.manufacturer_code, row.device_model),
        firmware_version=row.firmware_version,
        image_hash=row.image_hash,
        image=row.image,
        fields=json.loads(row.fields),
        notes={name: getattr(row, name) for name in NOTES},
        never_in_field=row.never_in_field,
        delivery=json.loads(row.delivery),
        extra=json.loads(row.extra),
        submitted_at=row.submitted_at,
        changed_at=row.changed_at,
    )


_QUERY = sa.select(_ENTRY, PartyRow.name.label("party_name")).join(
    PartyRow, PartyRow.number == LibraryEntryRow.party
)


# made once: putting a question together takes longer than its answer
_BY_NUMBER = _QUERY.where(LibraryEntryRow.number == sa.bindparam("number"))
_OF_HASHES = _QUERY.where(
    LibraryEntryRow.image_hash.in_(sa.bindparam("image_hashes", expanding=True))
).order_by(LibraryEntryRow.number)
_LISTED_OF_MODEL = _QUERY.where(
    LibraryEntryRow.manufacturer_code == sa.bindparam("manufacturer_code"),
    LibraryEntryRow.device_model == sa.bindparam("device_model"),
    LibraryEntryRow.state == "listed",
)


def find(connection: Connection, number: int) -> LibraryEntry | None:
    row = connection.execute(_BY_NUMBER, {"number": number}).first()
    return _entry(row) if row else None


def readable(connection: Connection, user: User, number: int) -> LibraryEntry:
    """An entry that the user may read.

    Raises:
        NotFound: there is none, or none that this user may know of; which, is not said.
    """
    entry = find(connection, number)
    action = Action.READ if entry and entry.state == "listed" else Action.READ_UNLISTED
    if entry is None or not user.may(action, own=entry.is_own(user)):
        raise NotFound(
            f"there is no entry {number}",
            "it does not exist, or is not listed yet",
            "search for it by model, version, hash or CPL Entry ID",
        )
    return entry


_FOR_SSC = frozenset(SSC_NAMES)


def visible(user: User, entry: LibraryEntry) -> LibraryEntry:
    """The entry without what the user may not see: fields for the SSC, vulnerability notes."""
    own = entry.is_own(user)
    hidden = set() if user.may(Action.READ_ZIGBEE, own=own) else _FOR_SSC & entry.fields.keys()
    if user.may(Action.READ_VULNERABILITIES, own=own):
        notes = entry.notes
    else:
        notes = {name: text for name, text in entry.notes.items() if name != "vulnerabilities"}
    if not hidden and notes is entry.notes:
        return entry
    fields = {name: text for name, text in entry.fields.items() if name not in hidden}
    return replace(entry, fields=fields, notes=notes)


# --- search


@dataclass(frozen=True, kw_only=True)
class Search:
    """What is looked for; empty texts match everything."""

    text: str = ""
    device_type: str = ""
    state: str = "listed"
    changed_since: str = ""


@dataclass(frozen=True, kw_only=True)
class Page:
    """One page of what was found. more: whether there is another."""

    entries: Sequence[LibraryEntry]
    number: int
    more: bool


_BY_MODEL = (
    LibraryEntryRow.manufacturer_code,
    LibraryEntryRow.device_model,
    LibraryEntryRow.firmware_version.desc(),
    LibraryEntryRow.number,
)
_BY_CHANGE = (LibraryEntryRow.changed_at.desc(), LibraryEntryRow.number.desc())


def search(connection: Connection, user: User, wanted: Search, page: int = 1) -> Page:
    """Entries that the user may read.

    The newest version of each model first; of what changed since a day, the latest change.
    """
    page = max(page, 1)
    order = _BY_CHANGE if wanted.changed_since else _BY_MODEL
    first, most = (page - 1) * PAGE_ROWS, page * PAGE_ROWS + 1
    allowed = _allowed(user, wanted)
    if wanted.text.strip():
        # each question has an index of its own, which one OR of all of them could not use; what
        # is on the page wanted is among the first of each
        text = wanted.text.strip()
        numbers: set[int] = set(connection.execute(_named(text)).scalars())
        for matches in _matches(connection, text):
            one = sa.select(LibraryEntryRow.number).where(*allowed, matches)
            numbers.update(connection.execute(one.order_by(*order).limit(most)).scalars())
        query = _QUERY.where(
            LibraryEntryRow.number.in_(numbers), *_allowed(user, wanted, plain=True)
        )
    else:
        query = _QUERY.where(*allowed)
    rows = connection.execute(query.order_by(*order).limit(most - first).offset(first)).all()
    found = [visible(user, _entry(row)) for row in rows[:PAGE_ROWS]]
    return Page(entries=found, number=page, more=len(rows) > PAGE_ROWS)


def _allowed(user: User, wanted: Search, *, plain: bool = False) -> list[sa.ColumnElement[bool]]:
    """What an entry must be apart from the text: what the user may read, and what is asked for.

    Args:
        plain: of entries that are known by number: no index on the state is to be used.
    """
    conditions: list[sa.ColumnElement[bool]] = []
    if wanted.device_type:
        conditions.append(LibraryEntryRow.device_type == wanted.device_type)
    if wanted.changed_since:
        conditions.append(LibraryEntryRow.changed_at >= wanted.changed_since)
    if wanted.state:
        state = sa.func.coalesce(LibraryEntryRow.state, "") if plain else LibraryEntryRow.state
        conditions.append(state == wanted.state)
    if wanted.state != "listed" and not user.may(Action.READ_UNLISTED):
        own = sa.or_(
            LibraryEntryRow.party == user.party.number,
            LibraryEntryRow.responsible == user.party.number,
        )
        allowed = own if user.may(Action.READ_UNLISTED, own=True) else sa.false()
        conditions.append(sa.or_(LibraryEntryRow.state == "listed", allowed))
    return conditions


def _named(text: str) -> sa.Select[int]:
    """The few entries of a CPL Entry ID or of a hash, whatever else they are."""
    named: list[sa.ColumnElement[bool]] = [LibraryEntryRow.cpl_entry_id == text]
    with contextlib.suppress(BadValue):
        named.append(LibraryEntryRow.image_hash == parse_hash(text))
    return sa.select(LibraryEntryRow.number).where(sa.or_(*named))


def _matches(connection: Connection, text: str) -> list[sa.ColumnElement[bool]]:
    """A version, a model or a manufacturer code, or the maker's name."""
    parties = sa.select(PartyRow.number).where(PartyRow.name.icontains(text, autoescape=True))
    found: list[sa.ColumnElement[bool]] = [
        LibraryEntryRow.party == party for party in connection.execute(parties).scalars().all()
    ]
    digits = text.replace(" ", "").replace(".", "").removeprefix("0x")
    try:
        number = int(digits, 16)
    except ValueError:
        return found
    if len(digits) == 8:
        found += [
            LibraryEntryRow.firmware_version == number,
            LibraryEntryRow.device_model == number,
        ]
    if len(digits) == 4:
        found.append(LibraryEntryRow.manufacturer_code == number)
    if len(digits) == 12:
        found.append(
            sa.and_(
                LibraryEntryRow.manufacturer_code == number >> 32,
                LibraryEntryRow.device_model == number & 0xFFFFFFFF,
            )
        )
    return found


def of_hashes(
    connection: Connection, user: User, image_hashes: Sequence[bytes]
) -> list[LibraryEntry]:
    """Listed entries with one of these Manufacturer Image Hashes, oldest first."""
    # the state is looked at here: a database might choose its index, and read all that is listed
    found = connection.execute(_OF_HASHES, {"image_hashes": image_hashes})
    return [visible(user, _entry(row)) for row in found if row.state == "listed"]


def with_zigbee(connection: Connection, vendor: str, stack: str, limit: int) -> list[LibraryEntry]:
    """Listed entries that state a ZigBee chipset vendor or stack with these texts."""
    # a first choice by the database, which holds fields as one text; then by the fields themselves
    query = _QUERY.where(
        LibraryEntryRow.state == "listed", LibraryEntryRow.fields.contains('"zigbee_')
    ).order_by(LibraryEntryRow.number)
    found = []
    for row in connection.execute(query.execution_options(yield_per=_ROWS_AT_ONCE)):
        entry = _entry(row)
        texts = [entry.fields.get(name, "") for name in ("zigbee_vendor", "zigbee_stack")]
        wanted = zip(texts, (vendor, stack), strict=True)
        if any(texts) and all(part.casefold() in text.casefold() for text, part in wanted):
            found.append(entry)
            if len(found) == limit:
                break
    return found


def waiting(connection: Connection, user: User) -> list[LibraryEntry]:
    """Submissions that wait for a decision, as far as the user may know of them, oldest first."""
    query = _QUERY.where(LibraryEntryRow.state.in_(WAITING)).order_by(LibraryEntryRow.submitted_at)
    if not user.may(Action.READ_UNLISTED):
        query = query.where(
            sa.or_(
                LibraryEntryRow.party == user.party.number,
                LibraryEntryRow.responsible == user.party.number,
            )
        )
    found = (_entry(row) for row in connection.execute(query.limit(WAITING_MAX)))
    return [
        visible(user, entry)
        for entry in found
        if user.may(Action.READ_UNLISTED, own=entry.is_own(user))
    ]


_OLDEST_FIRST = _LISTED_OF_MODEL.order_by(LibraryEntryRow.number)
_NEWEST_FIRST = _LISTED_OF_MODEL.order_by(*_BY_MODEL).limit(PAGE_ROWS + 1)


def listed_of_model(connection: Connection, model: Model) -> list[LibraryEntry]:
    """Listed entries of a model with all that they hold: for checks, not for pages."""
    return [_entry(row) for row in connection.execute(_OLDEST_FIRST, model._asdict())]


def newest_of_model(connection: Connection, user: User, model: Model) -> Page:
    """The first page of a model's listed entries, the newest version first."""
    rows = connection.execute(_NEWEST_FIRST, model._asdict()).all()
    found = [visible(user, _entry(row)) for row in rows[:PAGE_ROWS]]
    return Page(entries=found, number=1, more=len(rows) > PAGE_ROWS)


# --- decisions


@dataclass(frozen=True, kw_only=True)
class DecisionRecord:
    """A step of a submission, by whom, on which revision."""

    step: str
    revision: int
    user: str
    party: str
    remark: str
    at: str


def decisions(connection: Connection, number: int) -> list[DecisionRecord]:
    """What was decided about an entry, oldest first."""
    query = (
        sa.select(
            DecisionRow.step,
            DecisionRow.revision,
            DecisionRow.remark,
            DecisionRow.at,
            UserRow.name.label("user"),
            PartyRow.name.label("party"),
        )
        .join(UserRow, UserRow.number == DecisionRow.user)
        .join(PartyRow, PartyRow.number == UserRow.party)
        .where(DecisionRow.entry == number)
        .order_by(DecisionRow.number)
    )
    return [DecisionRecord(**row._mapping) for row in connection.execute(query)]


def parse_fields(texts: dict[str, str]) -> dict[str, Any]:
    """Values of the registry's fields from texts; BadValue names the first that is none."""
    values: dict[str, Any] = {}
    for name, text in texts.items():
        try:
            values[name] = BY_NAME[name].parse(text)
        except BadValue as bad:
            raise BadValue(f"{BY_NAME[name].heading}: {bad}") from None
    return values
