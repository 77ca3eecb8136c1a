"""An image with its row: entered into the registry, or only checked against it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from hanboot.errors import CheckFailed, WrongUsage
from hanboot.image.ota_file import Image
from hanboot.registry.entry import Entry
from hanboot.registry.exchange import intake
from hanboot.registry.exchange.faults import CellFault
from hanboot.registry.exchange.intake import Imported
from hanboot.registry.exchange.mapping import ColumnMapping
from hanboot.registry.exchange.rows import ImportRules
from hanboot.registry.exchange.table import Row
from hanboot.registry.fields import BY_NAME, FIELDS
from hanboot.registry.images.comparison import Comparison, compare, refuse_differences
from hanboot.registry.storage.entries import find_entries, read_entries
from hanboot.registry.storage.history import Attribution
from hanboot.registry.storage.schema import ENTRY
from hanboot.registry.storage.store import Registry, RollBack
from hanboot.registry.storage.writer import Writer
from hanbootloader.image.manifest import Manifest

# --- submit and check


def submit(
    registry: Registry,
    image: Image,
    rows: Iterator[Row] | None,
    source: str,
    attribution: Attribution,
    mapping: ColumnMapping | None = None,
    rules: ImportRules | None = None,
    on_fault: Callable[[CellFault], None] = lambda fault: None,
) -> tuple[Imported, list[Comparison]]:
    """Enters an image with its rows; what a row leaves out is taken from the image.

    Args:
        rows: headings and rows; None if the registry holds the rows already.
        source: where they come from, for messages.

    Raises:
        CheckFailed: an image and a row differ, or there is no row; nothing was changed.
        BadFile: a row is faulty; nothing was changed.
    """
    compared: list[Comparison] = []

    def compare_all(writer: Writer, ids: list[str]) -> None:
        for entry in find_entries(writer.connection, ids).values():
            compared.append(compare(writer.connection, image, entry))
        refuse_differences(image, compared)

    with registry.database.reading() as connection:
        held = _held(connection, image) if rows is None else []
    stream = _completed(registry, image, rows or _as_rows(held), mapping or ColumnMapping())
    result = intake.import_rows(
        registry, stream, source, attribution, mapping, rules, on_fault, compare_all
    )
    return result, compared


def check_image(registry: Registry, image: Image, ids: Sequence[str] = ()) -> list[Comparison]:
    """Compares an image with the rows that the registry holds; changes nothing.

    Args:
        ids: CPL Entry IDs of the rows; none takes those that the image or its hash names.

    Raises:
        CheckFailed: the registry has no row for it.
        WrongUsage: there is no entry with one of the IDs.
    """
    entries = [registry.entry(i) for i in ids]
    with registry.database.reading() as connection:
        entries = entries or _held(connection, image)
        return [compare(connection, image, entry) for entry in entries]


def check_rows(
    registry: Registry,
    image: Image,
    rows: Iterator[Row],
    source: str,
    mapping: ColumnMapping | None = None,
    on_fault: Callable[[CellFault], None] = lambda fault: None,
) -> list[Comparison]:
    """Compares an image with rows that are yet to be submitted; changes nothing.

    Raises:
        BadFile: a row is faulty.
    """
    compared: list[Comparison] = []

    def compare_only(writer: Writer, ids: list[str]) -> None:
        for entry in find_entries(writer.connection, ids).values():
            compared.append(compare(writer.connection, image, entry))
        # leaves the transaction, so that nothing stays
        raise RollBack

    stream = _completed(registry, image, rows, mapping or ColumnMapping())
    # it is the image that is in question, not whether the row is complete
    rules = ImportRules(correct=True, existing=True)
    with contextlib.suppress(RollBack):
        attribution = Attribution("check-image", "nothing is kept")
        intake.import_rows(
            registry, stream, source, attribution, mapping, rules, on_fault, compare_only
        )
    return compared


def _held(connection: sa.Connection, image: Image) -> list[Entry]:
    """The rows of an image that the registry holds: by its own ID, and by its hash."""
    found = {
        entry.cpl_entry_id: entry
        for entry in read_entries(connection, ENTRY.c.image_hash == image.image_hash)
    }
    own = image.manifest.cpl_entry_id if image.manifest else None
    if own:
        found |= find_entries(connection, [own])
    if not found:
        raise CheckFailed(
            f"{image.name} has no row in the registry",
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
    registry: Registry, image: Image, rows: Iterator[Row], mapping: ColumnMapping
) -> Iterator[Row]:
    """The rows with what they leave out, or leave empty, taken from the image."""
    # asked now: the rows are read while the registry is being written to
    return _with_texts(texts_of_image(registry, image), rows, mapping)


def _with_texts(
    from_image: Mapping[str, str], rows: Iterator[Row], mapping: ColumnMapping
) -> Iterator[Row]:
    head = next(rows, None)
    if head is None:
        return
    at: dict[str, int] = {}
    for position, heading in enumerate(head.cells):
        # a heading that is unknown is for the import to refuse
        with contextlib.suppress(KeyError):
            at[mapping.field_of(heading) or ""] = position
    missing = [column for column in FIELDS if column.name in from_image.keys() - at.keys()]
    yield Row(head.number, [*head.cells, *(column.heading for column in missing)])
    for row in rows:
        cells = row.cells + [""] * (len(head.cells) - len(row.cells))
        for key, text in from_image.items():
            if key in at and not cells[at[key]]:
                cells[at[key]] = text
        yield Row(row.number, cells + [from_image[column.name] for column in missing])


def texts_of_image(registry: Registry, image: Image) -> dict[str, str]:
    header, manifest = image.header, image.manifest
    values: dict[str, Any] = {
        "manufacturer_code": header.manufacturer_code,
        "image_hash": image.image_hash,
        "firmware_version": header.file_version,
    }
    if header.hardware[0] == header.hardware[1]:
        values["device_model"] = header.image_type << 16 | header.hardware[0]
    if manifest:
        values |= {
            "cpl_entry_id": manifest.cpl_entry_id,
            "predecessors": _ids_of(registry, manifest),
            "release_notes": manifest.release_notes,
            "minimum_base_version": manifest.minimum_base_version,
            "security_counter": manifest.security_counter,
            "point_of_no_return": manifest.point_of_no_return,
        }
    return {key: BY_NAME[key].text(value) for key, value in values.items() if value is not None}


def _ids_of(registry: Registry, manifest: Manifest) -> tuple[str, ...] | None:
    """CPL Entry IDs of an image's predecessors: as it names them, or as the registry knows them."""
    ids: list[str] = []
    with registry.database.reading() as connection:
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
