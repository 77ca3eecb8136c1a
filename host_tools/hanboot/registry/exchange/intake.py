"""Import: all rows or none, every faulty cell named.

Rows stream from the file into one transaction, so memory holds some hundred of them at a time, and
whatever is wrong anywhere leaves the registry as it was. What concerns several rows (IDs given
twice, rows that contradict each other) the database finds.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from hanboot.registry.entry import Entry
from hanboot.registry.exchange import sheets
from hanboot.registry.exchange.columns import Columns, cell_of, read_columns
from hanboot.registry.exchange.faults import CellFault, Faults
from hanboot.registry.exchange.mapping import ColumnMapping
from hanboot.registry.exchange.rows import ImportRules, RowReader
from hanboot.registry.exchange.table import Row
from hanboot.registry.progress import Progress
from hanboot.registry.storage.history import Attribution
from hanboot.registry.storage.schema import ENTRY, IMPORTED
from hanboot.registry.storage.store import Registry
from hanboot.registry.storage.writer import Writer

_ROWS_AT_ONCE = 500


@dataclass(frozen=True)
class Imported:
    """What an import did. skipped: rows that the mapping leaves out."""

    added: int
    corrected: int
    unchanged: int
    skipped: int = 0

    def __str__(self) -> str:
        text = f"{self.added} added, {self.corrected} changed, {self.unchanged} as they were"
        return f"{text}, {self.skipped} skipped" if self.skipped else text


def import_file(
    registry: Registry,
    path: Path,
    attribution: Attribution,
    mapping: ColumnMapping | None = None,
    rules: ImportRules | None = None,
    on_fault: Callable[[CellFault], None] = lambda fault: None,
    progress: Progress = lambda done, total: None,
) -> Imported:
    """Imports a CSV or XLSX file.

    Columns that the file does not have are left as they are; cells that are empty mean empty.

    Args:
        on_fault: called with every fault, in the order in which they are found.
        progress: called with what was read and what there is.

    Raises:
        BadFile: something is wrong; nothing was imported.
    """
    mapping = mapping or ColumnMapping()
    with sheets.rows(path, mapping.layout, progress) as rows:
        return import_rows(registry, rows, path.name, attribution, mapping, rules, on_fault)


def import_rows(
    registry: Registry,
    rows: Iterator[Row],
    name: str,
    attribution: Attribution,
    mapping: ColumnMapping | None = None,
    rules: ImportRules | None = None,
    on_fault: Callable[[CellFault], None] = lambda fault: None,
    finish: Callable[[Writer, list[str]], None] | None = None,
) -> Imported:
    """Imports rows, the first of which holds the headings; `name` is of the file, for messages.

    Args:
        finish: called before the changes are kept, with the CPL Entry IDs of the rows; an error
            that it raises leaves the registry as it was.
    """
    faults = Faults(on_fault)
    with registry.changing(
        dataclasses.replace(attribution, source=attribution.source or name)
    ) as writer:
        intake = _Intake(writer, mapping or ColumnMapping(), rules or ImportRules(), faults)
        columns = read_columns(name, next(rows, None), intake.mapping)
        ids: list[str] = []
        for batch in _batches(rows):
            taken = intake.take(columns, batch)
            if finish:
                ids += taken
        intake.end()
        # leaves the transaction by an error, so nothing of it stays
        faults.raise_any(name)
        if finish:
            finish(writer, ids)
    return intake.result


def _batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    batch: list[Row] = []
    for row in rows:
        batch.append(row)
        if len(batch) == _ROWS_AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


class _Intake:
    """One import under way."""

    def __init__(
        self, writer: Writer, mapping: ColumnMapping, rules: ImportRules, faults: Faults
    ) -> None:
        self._writer = writer
        self._connection = writer.connection
        self.mapping = mapping
        self._rules = rules
        self._faults = faults
        self._counts = {"added": 0, "corrected": 0, "unchanged": 0, "skipped": 0}

    @property
    def result(self) -> Imported:
        return Imported(**self._counts)

    # --- rows

    def take(self, columns: Columns, batch: list[Row]) -> list[str]:
        """Adds or corrects the entries of some rows; returns their IDs."""
        kept = [row for row in batch if not columns.is_skipped(row)]
        self._counts["skipped"] += len(batch) - len(kept)
        at = columns.position("cpl_entry_id")
        ids = {cell_of(row, at) for row in kept}
        known = self._writer.find(ids)
        # rows of this file in which these IDs stood before
        numbers = self._row_numbers(ids)
        earlier_batches = set(numbers)
        added: list[Entry] = []
        for row in kept:
            reader = RowReader(row, columns, self.mapping, self._faults, known)
            entry_id = reader.parsed.get("cpl_entry_id")
            if entry_id in numbers:
                reader.fault("cpl_entry_id", f"{entry_id} is in row {numbers[entry_id]} already")
                continue
            if entry_id:
                numbers[entry_id] = row.number
            after = reader.entry(self._rules)
            if after is None:
                continue
            before = reader.before
            if before is None:
                added.append(after)
                self._counts["added"] += 1
            elif before == after:
                self._counts["unchanged"] += 1
            elif reader.may_change(before, after, self._rules):
                self._writer.correct(before, after)
                self._counts["corrected"] += 1
        self._writer.add(added)
        taken = [name for name in numbers if name not in earlier_batches]
        self._remember({name: numbers[name] for name in taken})
        return taken

    def _row_numbers(self, ids: set[str]) -> dict[str, int]:
        query = sa.select(IMPORTED.c.cpl_entry_id, IMPORTED.c.row_number).where(
            IMPORTED.c.cpl_entry_id.in_(ids)
        )
        return {name: number for name, number in self._connection.execute(query)}

    def _remember(self, numbers: dict[str, int]) -> None:
        if numbers:
            self._connection.execute(
                sa.insert(IMPORTED),
                [{"cpl_entry_id": name, "row_number": row} for name, row in numbers.items()],
            )

    # --- what concerns several rows

    def end(self) -> None:
        """Looks for rows that contradict each other, or the registry."""
        self._contradictions(
            (ENTRY.c.image_hash,),
            (ENTRY.c.manufacturer_code, ENTRY.c.firmware_version),
            "has the Manufacturer Image Hash of {other}, but another manufacturer or version: "
            "one image has one version",
        )
        self._contradictions(
            (ENTRY.c.manufacturer_code, ENTRY.c.device_model),
            (ENTRY.c.device_type,),
            "is of another device type than {other}, which is of the same model",
        )
        self._connection.execute(sa.delete(IMPORTED))

    def _contradictions(self, same: tuple[Any, ...], differs: tuple[Any, ...], cause: str) -> None:
        """Faults for imported entries that share `same` with another, and differ in `differs`."""
        mixed = (
            sa.select(*same)
            .group_by(*same)
            .having(sa.or_(*(sa.func.min(c) != sa.func.max(c) for c in differs)))
            .subquery()
        )
        joined = sa.and_(*(c == mixed.c[c.name] for c in same))
        query = (
            sa.select(ENTRY.c.cpl_entry_id, IMPORTED.c.row_number, *same, *differs)
            .join(mixed, joined)
            .outerjoin(IMPORTED, IMPORTED.c.cpl_entry_id == ENTRY.c.cpl_entry_id)
            .order_by(*same, IMPORTED.c.row_number, ENTRY.c.cpl_entry_id)
        )
        groups: dict[Any, list[Any]] = {}
        for row in self._connection.execute(query):
            groups.setdefault(tuple(row[2 : 2 + len(same)]), []).append(row)
        for group in groups.values():
            for row in group:
                others = [o for o in group if o[2 + len(same) :] != row[2 + len(same) :]]
                if row.row_number is None or not others:
                    continue
                other = others[0]
                place = f" in row {other.row_number}" if other.row_number else " in the registry"
                text = cause.format(other=f"{other.cpl_entry_id}{place}")
                self._faults.add(
                    CellFault(row.row_number, f"row {row.row_number}", row.cpl_entry_id, text)
                )
