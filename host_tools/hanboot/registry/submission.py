"""An image against its row: the register and the image must say the same thing.

The lists are compared by what they do: for every entry of the model, the device's decision on the
image must be the decision on the row. So a list by version, by hash or by CPL Entry ID all count
for what they let through.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from bootloader.image.manifest import Manifest
from bootloader.policy import judge_pathway
from bootloader.reasons import ACCEPTED
from hanboot import explain
from hanboot.errors import BadFile, Refused, WrongUsage
from hanboot.explain import hardware_text
from hanboot.image import Image
from hanboot.registry import intake
from hanboot.registry.entry import Entry, Model
from hanboot.registry.fields import BY_NAME, FIELDS
from hanboot.registry.history import Why
from hanboot.registry.intake import Fault, Imported
from hanboot.registry.mapping import ColumnMapping
from hanboot.registry.pathways import Pathways, Predecessor
from hanboot.registry.plan import name
from hanboot.registry.schema import ENTRY
from hanboot.registry.sheets import Row
from hanboot.registry.store import Register, Writer, find_entries, read_entries


@dataclass(frozen=True)
class Difference:
    """Where an image and its row do not say the same. code: what it is about."""

    code: str
    text: str


@dataclass(frozen=True)
class Comparison:
    """An image beside one row. notes: what could not be compared, or is worth knowing."""

    entry: Entry
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]


def resolve_predecessors(
    register: Register, ids: Iterable[str]
) -> list[tuple[int, bytes | None, str | None]]:
    """The predecessors that a manifest names, for CPL Entry IDs.

    Returns:
        (file_version, Manufacturer Image Hash, CPL Entry ID) in the order of `ids`.

    Raises:
        BadFile: the register does not hold one of them.
    """
    wanted = list(ids)
    found = register.find(wanted)
    for cpl_entry_id in wanted:
        if cpl_entry_id not in found:
            raise BadFile(
                f"the predecessor {cpl_entry_id} cannot be resolved",
                f"the register {register.database.name} does not hold it",
                "correct the CPL Entry ID, or import its row first",
            )
    return [(e.firmware_version, e.image_hash, i) for i in wanted if (e := found[i])]


# --- submit and check


def submit(
    register: Register,
    image: Image,
    rows: Iterator[Row] | None,
    source: str,
    why: Why,
    mapping: ColumnMapping | None = None,
    rules: intake.Rules | None = None,
    on_fault: Callable[[Fault], None] = lambda fault: None,
) -> tuple[Imported, list[Comparison]]:
    """Enters an image with its rows; what a row leaves out is taken from the image.

    Args:
        rows: headings and rows; None if the register holds the rows already.
        source: where they come from, for messages.

    Raises:
        Refused: an image and a row differ, or there is no row; nothing was changed.
        BadFile: a row is faulty; nothing was changed.
    """
    compared: list[Comparison] = []

    def compare_all(writer: Writer, ids: list[str]) -> None:
        for entry in find_entries(writer.connection, ids).values():
            compared.append(compare(writer, image, entry))
        refuse_differences(image, compared)

    with register.database.reading() as connection:
        held = _held(connection, image) if rows is None else []
    stream = _completed(register, image, rows or _as_rows(held), mapping or ColumnMapping())
    result = intake.import_rows(
        register, stream, source, why, mapping, rules, on_fault, compare_all
    )
    return result, compared


def check_image(register: Register, image: Image, ids: Sequence[str] = ()) -> list[Comparison]:
    """Compares an image with the rows that the register holds; changes nothing.

    Args:
        ids: CPL Entry IDs of the rows; none takes those that the image or its hash names.

    Raises:
        Refused: the register has no row for it.
        WrongUsage: there is no entry with one of the IDs.
    """
    entries = [register.entry(i) for i in ids]
    with register.database.reading() as connection:
        reader = _Reading(connection)
        entries = entries or _held(connection, image)
        return [compare(reader, image, entry) for entry in entries]


def check_rows(
    register: Register,
    image: Image,
    rows: Iterator[Row],
    source: str,
    mapping: ColumnMapping | None = None,
    on_fault: Callable[[Fault], None] = lambda fault: None,
) -> list[Comparison]:
    """Compares an image with rows that are yet to be submitted; changes nothing.

    Raises:
        BadFile: a row is faulty.
    """
    compared: list[Comparison] = []

    def compare_only(writer: Writer, ids: list[str]) -> None:
        for entry in find_entries(writer.connection, ids).values():
            compared.append(compare(writer, image, entry))
        # leaves the transaction, so that nothing stays
        raise _Enough

    stream = _completed(register, image, rows, mapping or ColumnMapping())
    rules = intake.Rules(correct=True)
    with contextlib.suppress(_Enough):
        why = Why("nobody", "a check")
        intake.import_rows(register, stream, source, why, mapping, rules, on_fault, compare_only)
    return compared


class _Enough(Exception):
    pass


@dataclass(frozen=True)
class _Reading:
    connection: sa.Connection


class Differs(Refused):
    """An image and its rows do not say the same."""

    def __init__(
        self, compared: Sequence[Comparison], what: str, why: str, what_to_do: str
    ) -> None:
        self.compared = list(compared)
        super().__init__(what, why, what_to_do)


def refuse_differences(image: Image, compared: Sequence[Comparison]) -> None:
    """Raises Differs if any row differs from the image."""
    for comparison in compared:
        if comparison.differences:
            first = comparison.differences[0]
            more = len(comparison.differences) - 1
            raise Differs(
                compared,
                f"{image.name} and the row {name(comparison.entry)} do not say the same",
                first.text + (f" (and {more} more)" if more else ""),
                "correct the row, or build the image again",
            )


def _held(connection: sa.Connection, image: Image) -> list[Entry]:
    """The rows of an image that the register holds: by its own ID, and by its hash."""
    found = {
        entry.cpl_entry_id: entry
        for entry in read_entries(connection, ENTRY.c.image_hash == image.image_hash)
    }
    own = image.manifest.cpl_entry_id if image.manifest else None
    if own:
        found |= find_entries(connection, [own])
    if not found:
        raise Refused(
            f"{image.name} has no row in the register",
            f"no entry has the hash {image.image_hash.hex()}"
            + (f" or the ID {own}" if own else ""),
            "submit it with its row: hanboot registry submit IMAGE --row FILE",
        )
    return list(found.values())


def rows_from(values: Mapping[str, str]) -> Iterator[Row]:
    """Headings and one row from field names and texts, as `--set NAME=VALUE` gives them."""
    for key in values:
        if key not in BY_NAME:
            raise WrongUsage(
                f"there is no field {key}", "--set takes NAME=VALUE", f"known: {', '.join(BY_NAME)}"
            )
    yield Row(1, [BY_NAME[key].heading for key in values])
    yield Row(2, list(values.values()))


def _as_rows(entries: Sequence[Entry]) -> Iterator[Row]:
    yield Row(1, [BY_NAME["cpl_entry_id"].heading])
    for number, entry in enumerate(entries, 2):
        yield Row(number, [entry.cpl_entry_id])


def _completed(
    register: Register, image: Image, rows: Iterator[Row], mapping: ColumnMapping
) -> Iterator[Row]:
    """The rows with what they leave out, or leave empty, taken from the image."""
    head = next(rows, None)
    if head is None:
        return
    at: dict[str, int] = {}
    for position, heading in enumerate(head.cells):
        # a heading that is unknown is for the import to refuse
        with contextlib.suppress(KeyError):
            at[mapping.field_of(heading) or ""] = position
    from_image = _texts_of_image(register, image)
    missing = [column for column in FIELDS if column.name in from_image.keys() - at.keys()]
    yield Row(head.number, [*head.cells, *(column.heading for column in missing)])
    for row in rows:
        cells = row.cells + [""] * (len(head.cells) - len(row.cells))
        for key, text in from_image.items():
            if key in at and not cells[at[key]]:
                cells[at[key]] = text
        yield Row(row.number, cells + [from_image[column.name] for column in missing])


def _texts_of_image(register: Register, image: Image) -> dict[str, str]:
    header, manifest = image.header, image.manifest
    values: dict[str, Any] = {
        "manufacturer_code": header.manufacturer_code,
        "image_hash": image.image_hash,
        "firmware_version": f"{header.file_version:08X}",
    }
    if header.hardware[0] == header.hardware[1]:
        values["device_model"] = header.image_type << 16 | header.hardware[0]
    if manifest:
        values |= {
            "cpl_entry_id": manifest.cpl_entry_id,
            "predecessors": _ids_of(register, manifest),
            "release_notes": manifest.release_notes,
            "minimum_base_version": manifest.minimum_base_version,
            "security_counter": manifest.security_counter,
            "point_of_no_return": manifest.point_of_no_return,
        }
    return {key: BY_NAME[key].text(value) for key, value in values.items() if value is not None}


def _ids_of(register: Register, manifest: Manifest) -> tuple[str, ...] | None:
    """CPL Entry IDs of an image's predecessors: as it names them, or as the register knows them."""
    ids: list[str] = []
    with register.database.reading() as connection:
        for version, digest, entry_id in manifest.predecessors:
            if entry_id:
                ids.append(entry_id)
                continue
            same = sa.and_(
                ENTRY.c.manufacturer_code == manifest.manufacturer_code,
                ENTRY.c.firmware_version == version,
                ENTRY.c.image_hash == digest if digest else sa.true(),
            )
            ids += [
                entry.cpl_entry_id
                for entry in read_entries(connection, same)
                if entry.model.image_type == manifest.image_type
            ]
    return tuple(dict.fromkeys(ids)) if ids or not manifest.predecessors else None


# --- the comparison


def compare(reader: Writer | _Reading, image: Image, entry: Entry) -> Comparison:
    """Everything in which an image and a row differ."""
    found = [
        *_compare_header(image, entry),
        *_compare_type(reader, entry),
    ]
    notes: list[str] = []
    if image.manifest is None:
        notes.append(f"{image.assumption}; it carries no list, so none was compared")
    else:
        found += _compare_manifest(image.manifest, entry)
        pathways = _pathways(reader, entry.model)
        found += _compare_lists(image, image.manifest, entry, pathways)
        unhashed = [v for v, digest, _ in image.manifest.predecessors if digest is None]
        notes += [
            f"the image names {version:08X} without a hash: any firmware of that version will do"
            for version in unhashed
        ]
    return Comparison(entry, tuple(found), tuple(notes))


def _compare_header(image: Image, entry: Entry) -> Iterator[Difference]:
    header, model = image.header, entry.model
    pairs = (
        ("manufacturer", "manufacturer code", header.manufacturer_code, entry.manufacturer_code, 4),
        ("image-type", "image type", header.image_type, model.image_type, 4),
        ("version", "version", header.file_version, entry.firmware_version, 8),
    )
    for code, what, ours, theirs, digits in pairs:
        if ours != theirs:
            yield Difference(
                code, f"the image's {what} is {ours:0{digits}X}, the row's {theirs:0{digits}X}"
            )
    if image.image_hash != entry.image_hash:
        yield Difference(
            "hash",
            f"the image's hash is {image.image_hash.hex()}, the row's {entry.image_hash.hex()}",
        )
    low, high = header.hardware
    if not low <= model.hardware_version <= high:
        yield Difference(
            "hardware",
            f"the image is for hardware {hardware_text(low)} to {hardware_text(high)}, "
            f"the row for {hardware_text(model.hardware_version)}",
        )


def _compare_type(reader: Writer | _Reading, entry: Entry) -> Iterator[Difference]:
    """No image says its device type; the register says it of the same image type."""
    query = (
        sa.select(ENTRY.c.cpl_entry_id, ENTRY.c.device_type, ENTRY.c.device_model)
        .where(ENTRY.c.manufacturer_code == entry.manufacturer_code)
        .where(ENTRY.c.device_type != entry.device_type)
        .order_by(ENTRY.c.cpl_entry_id)
    )
    for other, device_type, device_model in reader.connection.execute(query):
        if Model(entry.manufacturer_code, device_model).image_type == entry.model.image_type:
            yield Difference(
                "device-type",
                f"the row says {entry.device_type}, and {other} of the same image type says "
                f"{device_type}",
            )
            return


def _compare_manifest(manifest: Manifest, entry: Entry) -> Iterator[Difference]:
    if manifest.cpl_entry_id and manifest.cpl_entry_id != entry.cpl_entry_id:
        yield Difference(
            "entry-id",
            f"the image calls itself {manifest.cpl_entry_id}, the row {entry.cpl_entry_id}",
        )
    for key, ours in (
        ("minimum_base_version", manifest.minimum_base_version),
        ("security_counter", manifest.security_counter),
        ("point_of_no_return", manifest.point_of_no_return),
    ):
        theirs = getattr(entry, key)
        column = BY_NAME[key]
        if theirs is not None and theirs != ours:
            yield Difference(
                key.replace("_", "-"),
                f"{column.heading}: the image says {column.show(ours)}, the row "
                f"{column.show(theirs)}",
            )


def _pathways(reader: Writer | _Reading, model: Model) -> Pathways:
    own = list(
        read_entries(
            reader.connection,
            sa.and_(
                ENTRY.c.manufacturer_code == model.manufacturer_code,
                ENTRY.c.device_model == model.device_model,
            ),
        )
    )
    named = {i for entry in own for i in entry.predecessors or ()}
    elsewhere = find_entries(reader.connection, named - {entry.cpl_entry_id for entry in own})
    return Pathways(own, elsewhere)


def _compare_lists(
    image: Image, manifest: Manifest, entry: Entry, pathways: Pathways
) -> Iterator[Difference]:
    if entry.predecessors is None:
        yield Difference("list", "the row does not state the predecessors that the image names")
        return
    row = pathways.manifest(entry)
    assert row is not None
    # what the row leaves open counts as the image says it
    row.minimum_base_version = manifest.minimum_base_version
    row.security_counter = manifest.security_counter
    for other in pathways.entries:
        if other.identity in (entry.identity, (manifest.file_version, image.image_hash)):
            continue
        by_image = judge_pathway(manifest, image.image_hash, other.firmware, other.counter)
        by_row = judge_pathway(row, entry.image_hash, other.firmware, other.counter)
        if by_image == ACCEPTED != by_row:
            yield Difference(
                "list", f"the image may follow {name(other)}, which the row does not name"
            )
        elif by_row == ACCEPTED != by_image:
            reason = explain.explain(by_image).name
            yield Difference("list", f"the row names {name(other)}, the image refuses it: {reason}")
    if bool(manifest.predecessors) != bool(entry.predecessors):
        states = "a first version" if entry.predecessors else "an upgrade"
        yield Difference("list", f"the image is {states}, the row says otherwise")
    for missing in entry.predecessors:
        if pathways.named(missing) is None:
            yield Difference("list", f"the row names {missing}, which the register does not hold")
    yield from _unknown(manifest.predecessors, pathways, row.predecessors)


def _unknown(
    named: Sequence[Predecessor], pathways: Pathways, row: Sequence[Predecessor]
) -> Iterator[Difference]:
    """Predecessors of the image that no entry stands for."""
    known = {entry.identity for entry in pathways.entries} | {(v, h) for v, h, _ in row}
    for version, digest, entry_id in named:
        held = pathways.named(entry_id) if entry_id else None
        if not any(v == version and digest in (None, h) for v, h in known):
            yield Difference(
                "list",
                f"the image names {entry_id or ''} {version:08X}".replace("  ", " ")
                + (f" with hash {digest.hex()[:16]}…" if digest else "")
                + ", which the register does not hold",
            )
        elif held and (held.firmware_version != version or digest not in (None, held.image_hash)):
            yield Difference(
                "list",
                f"the image gives {entry_id} another version or hash than the register does",
            )
