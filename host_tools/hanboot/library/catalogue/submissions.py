"""The way of an entry into the library.

    submitted -> authorised by a supplier -> (DCC endorses a Communications Hub's) -> listed

A submission is checked against its image by the code that checks it for the registry; what is then
decided about it is in `decisions`.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hanboot.errors import BadFile, HanbootError
from hanboot.image import ota_file
from hanboot.image.ota_file import Image
from hanboot.library import audit, clock
from hanboot.library.accounts.users import User, find_party
from hanboot.library.catalogue import entries
from hanboot.library.catalogue.entries import NOTES, LibraryEntry
from hanboot.library.images import IMAGE_MAX_BYTES
from hanboot.library.library import Library
from hanboot.library.permissions import Action, PartyKind
from hanboot.library.refusals import Conflict, NotFound
from hanboot.library.schema import LibraryEntryRow, StoredImageRow
from hanboot.registry.entry import Entry
from hanboot.registry.fields import BY_NAME, STORED, BadValue, other_fields_text, parse_other_fields
from hanboot.registry.images import comparison
from hanboot.registry.images.comparison import Difference
from hanboot.registry.pathways.check import Finding, Statements, check_model
from hanboot.registry.pathways.graph import Pathways
from hanboot.registry.storage import never_in_field
from hanboot.registry.storage.entries import entries_of, find_entries
from hanboot.registry.storage.history import Attribution
from hanboot.registry.storage.store import RollBack

#: Texts of notes: a page or two, not a book.
NOTE_MAX = 20_000

#: What a new entry must say, MP231 3 and SECMP0009 3.
REQUIRED = ("device_type", "manufacturer_code", "device_model", "firmware_version", "image_hash")


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What a form or the API hands in.

    Attributes:
        fields: texts of the registry's fields by name; what is left out is taken from the image.
        notes: texts by the names of `NOTES`.
        extra: texts of other fields; unknown names are kept as they are.
        octets: the OTA Upgrade Image, see `deliveries` for other forms; None for an entry without
            one, which then names its hash.
        file_name: what the sender calls the file, for messages alone.
        delivery: texts of `deliveries.Delivered`.
        responsible: number of the supplier that is asked to authorise it; a supplier's own
            submission is its own to authorise.
        replaces: number of the entry that this corrects.
        never_in_field: states that no device ever ran the firmware that this corrects.
    """

    fields: dict[str, str]
    notes: dict[str, str] = field(default_factory=dict)
    extra: dict[str, str] = field(default_factory=dict)
    octets: bytes | None = None
    file_name: str = "the file"
    delivery: dict[str, str] = field(default_factory=dict)
    responsible: int | None = None
    replaces: int | None = None
    never_in_field: bool = False


class Faulty(BadFile):
    """A draft with faults; `faults` names the field of each, "" for the whole."""

    def __init__(self, faults: Sequence[tuple[str, str]]) -> None:
        self.faults = list(faults)
        first = self.faults[0][1]
        more = f" (and {len(self.faults) - 1} more)" if len(self.faults) > 1 else ""
        super().__init__(
            "the entry was not submitted", first + more, "correct what is marked, then submit again"
        )


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A draft that was read: its values, and what was found about it."""

    entry: Entry
    image: Image | None
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def stranding(self) -> tuple[Finding, ...]:
        """The findings that lose devices."""
        return tuple(finding for finding in self.findings if finding.severity == "error")


# --- checks


def check(library: Library, draft: Draft) -> Checked:
    """Reads a draft and checks it against its image and the registry; changes nothing.

    Raises:
        Faulty: fields, texts or the image cannot be used, or do not agree.
    """
    faults: list[tuple[str, str]] = []
    image = _image(draft, faults)
    texts = {name: text.strip() for name, text in draft.fields.items() if text.strip()}
    if image is not None:
        texts = _from_image(library, image) | texts
    for name in texts.keys() - BY_NAME.keys():
        faults.append((name, f"there is no field {name}"))
    for name, text in draft.notes.items():
        if name not in NOTES or len(text) > NOTE_MAX:
            faults.append((name, f"{NOTES.get(name, name)}: at most {NOTE_MAX} characters"))
    try:
        parse_other_fields(other_fields_text(draft.extra))
    except BadValue as bad:
        faults.append(("extra", str(bad)))
    values = {}
    for name, text in texts.items():
        if name in BY_NAME:
            try:
                values[name] = BY_NAME[name].parse(text)
            except BadValue as bad:
                faults.append((name, f"{BY_NAME[name].heading}: {bad}"))
    for name in REQUIRED:
        if name not in texts:
            faults.append((name, f"{BY_NAME[name].heading} is missing"))
    if values.get("predecessors") is None and "predecessors" not in texts:
        faults.append(("predecessors", "name the predecessors, or N/A for a first version (MP231)"))
    if faults:
        raise Faulty(faults)
    entry = _as_entry(texts, values)
    return _compared(library, entry, image, draft.never_in_field)


def _image(draft: Draft, faults: list[tuple[str, str]]) -> Image | None:
    if draft.octets is None:
        return None
    if len(draft.octets) > IMAGE_MAX_BYTES:
        faults.append(("image", f"{draft.file_name} is larger than {IMAGE_MAX_BYTES} bytes"))
        return None
    try:
        return ota_file.load(draft.octets)
    except HanbootError as error:
        faults.append(("image", f"{draft.file_name}: {error.lines[1]}"))
        return None


def _from_image(library: Library, image: Image) -> dict[str, str]:
    from hanboot.registry.images.submission import texts_of_image

    return texts_of_image(library.registry, image)


def _as_entry(texts: dict[str, str], values: dict[str, object]) -> Entry:
    known = {name: values[name] for name in values if name in {column.name for column in STORED}}
    version_text = texts["firmware_version"]
    known |= {
        # without a CPL entry it has a name of its own, which no CPL Entry ID can be
        "cpl_entry_id": values.get("cpl_entry_id") or "(not on the CPL)",
        "firmware_version": int(version_text.replace(".", "").replace(" ", ""), 16),
        "firmware_version_text": version_text,
        "status": values.get("status") or "Active",
    }
    return Entry(**known)  # type: ignore[arg-type]


def _compared(library: Library, entry: Entry, image: Image | None, never_in_field: bool) -> Checked:
    differences: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()
    if image is not None:
        found = _compare_as_if_listed(library, entry, image)
        differences, notes = found.differences, found.notes
    with library.registry.database.reading() as connection:
        return Checked(
            entry=entry,
            image=image,
            differences=differences,
            notes=notes,
            findings=tuple(_findings(connection, entry, never_in_field)),
        )


def _compare_as_if_listed(library: Library, entry: Entry, image: Image) -> comparison.Comparison:
    """Image and entry as they would stand in the registry, in a change that is not kept."""
    compared: list[comparison.Comparison] = []
    with (
        contextlib.suppress(RollBack),
        library.registry.changing(Attribution("library", "a check")) as writer,
    ):
        before = find_entries(writer.connection, [entry.cpl_entry_id]).get(entry.cpl_entry_id)
        if before is None:
            writer.add([entry])
        else:
            writer.correct(before, entry)
        compared.append(comparison.compare(writer.connection, image, entry))
        raise RollBack
    return compared[0]


def _findings(connection: Connection, entry: Entry, is_stated: bool) -> list[Finding]:
    """What `check` says of the model with the entry that it does not say without.

    Args:
        is_stated: whether no device ever ran the entry's firmware.
    """
    on_cpl = entries_of(connection, entry.model)
    ids = {each.cpl_entry_id for each in on_cpl}
    # an entry that only the library has is there for devices all the same
    before = on_cpl + [
        _as_entry(each.fields, entries.parse_fields(each.fields))
        for each in entries.listed_of_model(connection, entry.model)
        if each.cpl_entry_id is not None and each.cpl_entry_id not in ids
    ]
    others = [each for each in before if each.cpl_entry_id != entry.cpl_entry_id]
    named = {name for each in [*before, entry] for name in each.predecessors or ()}
    elsewhere = find_entries(connection, sorted(named - {each.cpl_entry_id for each in before}))
    holding = never_in_field.statements(connection)
    known = (
        {finding.text for finding in check_model(Pathways(before, elsewhere), Statements(holding))}
        if before
        else ()
    )
    if is_stated:
        holding |= {entry.cpl_entry_id}
    after = check_model(Pathways([*others, entry], elsewhere), Statements(holding))
    return [finding for finding in after if finding.text not in known]


# --- steps


def submit(library: Library, user: User, draft: Draft) -> int:
    """Hands in a draft.

    Returns:
        the number of the new entry.

    Raises:
        Faulty: something cannot be used, or the image is not what the fields say.
        CheckFailed: the user may not.
        Conflict: a submission of this CPL Entry ID waits already.
    """
    original = None
    if draft.replaces is None:
        user.require(Action.SUBMIT)
    else:
        with library.registry.database.reading() as connection:
            original = entries.readable(connection, user, draft.replaces)
        user.require(Action.CORRECT, own=original.is_own(user))
        draft = _as_correction(library, user, draft, original)
    checked = check(library, draft)
    if checked.differences:
        raise Faulty([("image", difference.text) for difference in checked.differences])
    # first the file, then the row that names it: a file that no row names does no harm
    stored = None if draft.octets is None else library.images.put(draft.octets)
    entry = checked.entry
    now = clock.text(library.clock())
    with library.registry.database.writing() as connection:
        _refuse_second(connection, entry, draft.replaces)
        responsible = _asked(connection, user, draft, original)
        if stored is not None:
            _keep_image(connection, stored.digest, stored.size_bytes, entry.image_hash, now)
        image = stored.digest if stored else (original.image if original else None)
        texts = {
            column.name: column.text(value)
            for column in STORED
            if (value := getattr(entry, column.name)) is not None
        }
        if draft.fields.get("cpl_entry_id", "").strip() == "" and "(" in texts["cpl_entry_id"]:
            del texts["cpl_entry_id"]
        number: int = connection.execute(
            sa.insert(LibraryEntryRow)
            .values(
                state="submitted",
                party=original.party if original else user.party.number,
                submitted_by=user.number,
                responsible=responsible,
                replaces=draft.replaces,
                cpl_entry_id=texts.get("cpl_entry_id"),
                device_type=entry.device_type,
                manufacturer_code=entry.manufacturer_code,
                device_model=entry.device_model,
                firmware_version=entry.firmware_version,
                image_hash=entry.image_hash,
                image=image,
                fields=_json(texts),
                never_in_field=draft.never_in_field,
                delivery=_json(draft.delivery or (original.delivery if original else {})),
                extra=_json({name: text for name, text in draft.extra.items() if text.strip()}),
                submitted_at=now,
                changed_at=now,
                **{name: draft.notes.get(name, "") for name in NOTES},
            )
            .returning(LibraryEntryRow.number)
        ).scalar_one()
        audit.add(connection, user.actor, "submit", f"entry {number}", texts)
    return number


def _as_correction(library: Library, user: User, draft: Draft, original: LibraryEntry) -> Draft:
    """A correction with what its sender does not see, and the image where it brings none."""
    seen = entries.visible(user, original)
    hidden = {n: text for n, text in original.fields.items() if n not in seen.fields}
    extra = original.extra | draft.extra
    stated = {name: text for name, text in draft.fields.items() if text.strip()}
    octets = draft.octets
    if octets is None and original.image is not None:
        octets = library.images.read(original.image)
    return replace(
        draft,
        fields=hidden | stated,
        notes={name: text for name, text in original.notes.items() if name not in seen.notes}
        | draft.notes,
        # what the sender's program does not know survives; an empty text removes
        extra={name: text for name, text in extra.items() if text.strip()},
        octets=octets,
    )


def _asked(
    connection: Connection, user: User, draft: Draft, original: LibraryEntry | None
) -> int | None:
    """The supplier that is to authorise a draft: only this one sees it before it is listed."""
    if draft.responsible is not None:
        party = find_party(connection, draft.responsible)
        if party is None or party.kind is not PartyKind.SUPPLIER:
            raise Faulty([("responsible", "this is not a supplier that could authorise it")])
        return party.number
    if user.party.kind is PartyKind.SUPPLIER:
        return user.party.number
    return original.responsible if original else None


def _refuse_second(connection: Connection, entry: Entry, replaces: int | None) -> None:
    """One submission of a CPL Entry ID at a time, and a listed one is corrected."""
    waiting = ("submitted", "authorised", "reviewed")
    states = waiting if replaces is not None else (*waiting, "listed")
    if entry.cpl_entry_id.startswith("("):
        return
    there = connection.execute(
        sa.select(LibraryEntryRow.number, LibraryEntryRow.state).where(
            LibraryEntryRow.cpl_entry_id == entry.cpl_entry_id, LibraryEntryRow.state.in_(states)
        )
    ).first()
    if there:
        raise Conflict(
            f"{entry.cpl_entry_id} is in the library already",
            f"entry {there.number} with this CPL Entry ID is {there.state}",
            "propose a correction of it, or wait for its review",
        )


def _keep_image(
    connection: Connection, digest: bytes, size_bytes: int, image_hash: bytes, now: str
) -> None:
    known = connection.execute(
        sa.select(StoredImageRow.digest).where(StoredImageRow.digest == digest)
    ).first()
    if known is None:
        connection.execute(
            sa.insert(StoredImageRow).values(
                digest=digest, size_bytes=size_bytes, image_hash=image_hash, stored_at=now
            )
        )


def changes(
    connection: Connection, user: User, entry: LibraryEntry
) -> list[tuple[str, str, str]] | None:
    """What a correction changes of the entry that it replaces: heading, before, after.

    Only of what the user may see; None if it corrects nothing.
    """
    if entry.replaces is None:
        return None
    original = entries.find(connection, entry.replaces)
    if original is None:
        return None
    before, after = entries.visible(user, original), entries.visible(user, entry)
    texts = [(BY_NAME[name].heading, before.fields.get(name, ""), after.fields.get(name, ""))
             for name in BY_NAME]  # fmt: skip
    texts += [
        (heading, before.notes.get(name, ""), after.notes.get(name, ""))
        for name, heading in NOTES.items()
    ]
    if original.image != entry.image:
        texts.append(("Image", _hex(original.image), _hex(entry.image)))
    return [(heading, was, now) for heading, was, now in texts if was != now]


def _hex(digest: bytes | None) -> str:
    return digest.hex() if digest else ""


# --- the CPL


def set_status(library: Library, user: User, cpl_entry_id: str, status: str, reason: str) -> None:
    """Changes the status of a CPL entry; the library's own entry stays as it is."""
    user.require(Action.SET_STATUS)
    with library.registry.database.reading() as connection:
        before = find_entries(connection, [cpl_entry_id]).get(cpl_entry_id)
    if before is None:
        raise NotFound(
            f"there is no entry {cpl_entry_id} on the CPL", "the registry lacks it", "check the ID"
        )
    parsed = BY_NAME["status"].parse(status)
    attribution = Attribution(user.email, reason, "library")
    with library.registry.changing(attribution) as writer:
        writer.correct(before, replace(before, status=parsed, status_since=library.clock().date()))
        audit.add(writer.connection, user.actor, "set status", cpl_entry_id, {"status": parsed})


def _json(texts: dict[str, str]) -> str:
    return json.dumps(texts, sort_keys=True, ensure_ascii=False)


def recheck(library: Library, entry: LibraryEntry) -> Checked:
    """What `check` says of an entry as it is in the library now."""
    image = None
    if entry.image is not None:
        image = ota_file.load(library.images.read(entry.image))
    values = entries.parse_fields(entry.fields)
    return _compared(library, _as_entry(entry.fields, values), image, entry.never_in_field)
