"""The columns of a file: which field stands under which heading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hanboot.errors import BadFile
from hanboot.registry.exchange.mapping import ColumnMapping, Extraction, SkipRule, fold
from hanboot.registry.exchange.table import Row, address
from hanboot.registry.fields import BY_NAME, Field


@dataclass(frozen=True)
class Columns:
    """The headings of a file, as a mapping reads them.

    Attributes:
        fields: of each column; None where it is ignored.
        extractions, skips: of the mapping, each with the position of its column.
        others: headings that are none of ours and are kept, each with its position.
    """

    fields: tuple[Field | None, ...]
    extractions: tuple[tuple[int, Extraction], ...] = ()
    skips: tuple[tuple[int, SkipRule], ...] = ()
    others: tuple[tuple[int, str], ...] = ()

    def is_skipped(self, row: Row) -> bool:
        return any(rule.applies(cell_of(row, at)) for at, rule in self.skips)

    def position(self, name: str) -> int:
        return next(at for at, column in enumerate(self.fields) if column and column.name == name)


def cell_of(row: Row, at: int) -> str:
    return row.cells[at] if at < len(row.cells) else ""


def read_columns(
    source: str,
    head: Row | None,
    mapping: ColumnMapping,
    known: Mapping[str, Field] = BY_NAME,
    required: Sequence[str] = ("cpl_entry_id",),
) -> Columns:
    """The field of each column.

    Args:
        known: fields by name.
        required: names of fields that must have a column.

    Raises:
        BadFile: a heading is unknown, stands twice, or one is missing that must be there.
    """
    if head is None:
        raise BadFile(f"{source} was not imported", "it is empty", "give a file with headings")
    fields: list[Field | None] = []
    where: dict[str, str] = {}
    positions: dict[str, int] = {}
    others: list[tuple[int, str]] = []
    for at, heading in enumerate(head.cells):
        cell = address(head.number, at)
        if heading and mapping.keeps_unknown and mapping.is_unknown(heading):
            others.append((at, heading))
            name = None
        else:
            name = _field_under(source, cell, heading, mapping, known)
        if name in where:
            raise BadFile(
                f"{source} was not imported",
                f"{cell}: '{heading}' stands for the same as {where[name]}",
                "remove one of the columns",
            )
        if name:
            where[name] = cell
        positions.setdefault(fold(heading), at)
        fields.append(known[name] if name else None)
    for name in required:
        if name not in where:
            raise BadFile(
                f"{source} was not imported",
                f"row {head.number} has no heading '{known[name].heading}'",
                "name its heading with --mapping FILE, or the right row: heading_row = N",
            )
    for wanted in [*(e.heading for e in mapping.extractions), *(s.heading for s in mapping.skips)]:
        if wanted not in positions:
            raise BadFile(
                f"{source} was not imported",
                f"row {head.number} lacks a heading that the mapping refers to: {wanted}",
                "correct the mapping",
            )
    return Columns(
        tuple(fields),
        tuple((positions[rule.heading], rule) for rule in mapping.extractions),
        tuple((positions[rule.heading], rule) for rule in mapping.skips),
        tuple(others),
    )


def _field_under(
    source: str, cell: str, heading: str, mapping: ColumnMapping, known: Mapping[str, Field]
) -> str | None:
    try:
        return mapping.field_of(heading) if heading else None
    except KeyError:
        raise BadFile(
            f"{source} was not imported",
            f"{cell}: '{heading}' is not a known heading",
            "correct it, map or ignore it with --mapping FILE, keep it with --keep-unknown; "
            "known are " + ", ".join(column.heading for column in known.values()),
        ) from None
