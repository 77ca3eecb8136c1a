"""Import: all rows or none, every faulty cell named.

Rows stream from the file into one transaction, so memory holds some hundred of them at a time, and
whatever is wrong anywhere leaves the register as it was. What concerns several rows (IDs given
twice, rows that contradict each other) the database finds.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from hanboot.errors import BadFile
from hanboot.registry import sheets
from hanboot.registry.entry import Entry
from hanboot.registry.fields import BY_NAME, DERIVED, FIELDS, BadValue, Field, parse_version
from hanboot.registry.history import Why
from hanboot.registry.mapping import ColumnMapping
from hanboot.registry.schema import ENTRY, IMPORTED
from hanboot.registry.sheets import ErrorValue, Formula, Number, Progress, Row, address
from hanboot.registry.store import Register, Writer, changed_fields, find_entries

_ROWS_AT_ONCE = 500
_REQUIRED = tuple(column for column in FIELDS if column.required)


@dataclass(frozen=True)
class Fault:
    """Something wrong in a file. cell: such as "C7"."""

    row: int
    cell: str
    heading: str
    cause: str

    def __str__(self) -> str:
        return (
            f"{self.cell} ({self.heading}): {self.cause}"
            if self.heading
            else (f"{self.cell}: {self.cause}")
        )


@dataclass(frozen=True)
class Imported:
    """What an import did."""

    added: int
    corrected: int
    unchanged: int

    def __str__(self) -> str:
        return f"{self.added} added, {self.corrected} changed, {self.unchanged} as they were"


@dataclass(frozen=True)
class Rules:
    """What an import may do.

    Attributes:
        correct: change what an entry says already; without it only empty fields are filled in.
        existing: the entries were listed before MP231, so the join option may be empty.
    """

    correct: bool = False
    existing: bool = False


def import_file(
    register: Register,
    path: Path,
    why: Why,
    mapping: ColumnMapping | None = None,
    rules: Rules | None = None,
    on_fault: Callable[[Fault], None] = lambda fault: None,
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
        return import_rows(register, rows, path.name, why, mapping, rules, on_fault)


def import_rows(
    register: Register,
    rows: Iterator[Row],
    name: str,
    why: Why,
    mapping: ColumnMapping | None = None,
    rules: Rules | None = None,
    on_fault: Callable[[Fault], None] = lambda fault: None,
    finish: Callable[[Writer, list[str]], None] | None = None,
) -> Imported:
    """Imports rows, the first of which holds the headings; `name` is of the file, for messages.

    Args:
        finish: called before the changes are kept, with the CPL Entry IDs of the rows; an error
            that it raises leaves the register as it was.
    """
    faults = _Faults(on_fault)
    with register.changing(dataclasses.replace(why, source=why.source or name)) as writer:
        intake = _Intake(writer, mapping or ColumnMapping(), rules or Rules(), faults)
        columns = intake.columns(name, rows)
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


class _Faults:
    """Passes faults on as they are found, and keeps the first."""

    def __init__(self, on_fault: Callable[[Fault], None]) -> None:
        self._on_fault = on_fault
        self._first: Fault | None = None
        self._count = 0

    def add(self, fault: Fault) -> None:
        self._on_fault(fault)
        self._first = self._first or fault
        self._count += 1

    def raise_any(self, name: str) -> None:
        if self._first:
            more = f" (and {self._count - 1} more)" if self._count > 1 else ""
            raise BadFile(
                f"{name} was not imported",
                f"{self._first}{more}",
                "mend the cells and import it again; nothing was changed",
            )


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
        self, writer: Writer, mapping: ColumnMapping, rules: Rules, faults: _Faults
    ) -> None:
        self._writer = writer
        self._connection = writer.connection
        self._mapping = mapping
        self._rules = rules
        self._faults = faults
        self._counts = {"added": 0, "corrected": 0, "unchanged": 0}

    @property
    def result(self) -> Imported:
        return Imported(**self._counts)

    # --- headings

    def columns(self, source: str, rows: Iterator[Row]) -> list[Field | None]:
        """The field of each column.

        Raises:
            BadFile: a heading is unknown, stands twice, or the CPL Entry ID is missing.
        """
        head = next(rows, None)
        if head is None:
            raise BadFile(f"{source} was not imported", "it is empty", "give a file with headings")
        columns: list[Field | None] = []
        where: dict[str, str] = {}
        for at, heading in enumerate(head.cells):
            cell = address(head.number, at)
            try:
                name = self._mapping.field_of(heading) if heading else None
            except KeyError:
                raise BadFile(
                    f"{source} was not imported",
                    f"{cell}: '{heading}' is not a known heading",
                    "correct it, or map or ignore it with --mapping FILE; known are "
                    + ", ".join(column.heading for column in FIELDS),
                ) from None
            if name in where:
                raise BadFile(
                    f"{source} was not imported",
                    f"{cell}: '{heading}' stands for the same as {where[name]}",
                    "remove one of the columns",
                )
            if name:
                where[name] = cell
            columns.append(BY_NAME[name] if name else None)
        if "cpl_entry_id" not in where:
            raise BadFile(
                f"{source} was not imported",
                f"row {head.number} has no heading 'CPL Entry ID'",
                "name its heading with --mapping FILE, or the right row: heading_row = N",
            )
        return columns

    # --- rows

    def take(self, columns: list[Field | None], batch: list[Row]) -> list[str]:
        """Adds or corrects the entries of some rows; returns their IDs."""
        ids = {row.cells[at] for row in batch for at in _id_at(columns) if at < len(row.cells)}
        known = find_entries(self._connection, ids)
        # rows of this file in which these IDs stood before
        numbers = self._row_numbers(ids)
        earlier_batches = set(numbers)
        added: list[Entry] = []
        for row in batch:
            reader = _RowReader(row, columns, self._mapping, self._faults)
            entry_id = reader.parsed.get("cpl_entry_id")
            if entry_id in numbers:
                reader.fault("cpl_entry_id", f"{entry_id} is in row {numbers[entry_id]} already")
                continue
            if entry_id:
                numbers[entry_id] = row.number
            before = known.get(entry_id) if entry_id else None
            after = reader.entry(before, self._rules)
            if after is None:
                continue
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
        """Looks for rows that contradict each other, or the register."""
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
                place = f" in row {other.row_number}" if other.row_number else " in the register"
                text = cause.format(other=f"{other.cpl_entry_id}{place}")
                self._faults.add(
                    Fault(row.row_number, f"row {row.row_number}", row.cpl_entry_id, text)
                )


def _id_at(columns: list[Field | None]) -> Sequence[int]:
    return [at for at, column in enumerate(columns) if column and column.name == "cpl_entry_id"]


class _RowReader:
    """One row: its cells parsed, its faults told, the entry that it makes."""

    def __init__(
        self,
        row: Row,
        columns: list[Field | None],
        mapping: ColumnMapping,
        faults: _Faults,
    ) -> None:
        self._row = row
        self._faults = faults
        self._mapping = mapping
        self._at: dict[str, int] = {}
        #: Values of the cells that are there and right; None where a cell is empty.
        self.parsed: dict[str, Any] = {}
        self._is_faulty = False
        cells = row.cells
        for at, column in enumerate(columns):
            if column is not None:
                self._at[column.name] = at
                self._parse(column, cells[at] if at < len(cells) else "")
        for at in range(len(columns), len(cells)):
            if cells[at]:
                self._add(address(row.number, at), "", "a cell beside the columns")

    def fault(self, name: str, cause: str) -> None:
        at = self._at.get(name)
        cell = f"row {self._row.number}" if at is None else address(self._row.number, at)
        self._add(cell, BY_NAME[name].heading, cause)

    def _add(self, cell: str, heading: str, cause: str) -> None:
        self._is_faulty = True
        self._faults.add(Fault(self._row.number, cell, heading, cause))

    def _parse(self, column: Field, cell: str) -> None:
        name = column.name
        if not cell:
            self.parsed[name] = None
            return
        if type(cell) is not str:
            if isinstance(cell, Formula):
                self.fault(name, "it holds a formula: replace it by its value")
                return
            if isinstance(cell, ErrorValue):
                self.fault(name, f"it holds the error {cell}")
                return
            if isinstance(cell, Number) and column.is_code:
                self.fault(name, f"it is the number {cell}, not text: zeros may be lost")
                return
        if name in ("listed_on", "status_since", "expires_on"):
            cell = self._mapping.date(cell)
        try:
            self.parsed[name] = column.parse(self._mapping.translate(name, cell))
        except BadValue as bad:
            self.fault(name, str(bad))

    # --- the entry

    def entry(self, before: Entry | None, rules: Rules) -> Entry | None:
        """The entry, what the file does not say taken from `before`; None if it is faulty."""
        values = dict(self.parsed)
        for column in _REQUIRED:
            is_missing = before is None and column.name not in self._at
            if is_missing or values.get(column.name, ...) is None:
                self.fault(column.name, "it is empty, and must not be")
        self._read_version(values, before)
        self._check_hardware(values, before)
        if self._is_faulty:
            return None
        for name in DERIVED:
            values.pop(name, None)
        after = dataclasses.replace(before, **values) if before else Entry(**values)
        self._check(before, after, rules)
        return None if self._is_faulty else after

    def _read_version(self, values: dict[str, Any], before: Entry | None) -> None:
        """Turns the digits of a version into the number; keeps the text as given."""
        device_type = values.get("device_type") or (before.device_type if before else None)
        numbers = {}
        for name in ("firmware_version", "firmware_version_text"):
            if values.get(name) is not None:
                try:
                    numbers[name] = parse_version(values[name], device_type)
                except BadValue as bad:
                    self.fault(name, str(bad))
                    return
        if len(numbers) == 2 and len(set(numbers.values())) > 1:
            self.fault("firmware_version_text", "it is another version than Firmware Version")
        if "firmware_version" in numbers:
            given = values.get("firmware_version_text") or values["firmware_version"]
            values["firmware_version"] = numbers["firmware_version"]
            is_known = before and before.firmware_version == numbers["firmware_version"]
            if "firmware_version_text" not in self._at and before and is_known:
                given = before.firmware_version_text
            values["firmware_version_text"] = given
        elif values.get("firmware_version_text") is None:
            values.pop("firmware_version_text", None)
        elif before and numbers.get("firmware_version_text") != before.firmware_version:
            self.fault("firmware_version_text", "it is another version than Firmware Version")

    def _check_hardware(self, values: dict[str, Any], before: Entry | None) -> None:
        stated = values.get("hardware_version")
        model = values.get("device_model", before and before.device_model)
        if stated is not None and model is not None and stated != model & 0xFFFF:
            self.fault(
                "hardware_version",
                f"{stated:04X} contradicts the Device Model {model:08X}, which ends in the "
                "hardware version",
            )

    def _check(self, before: Entry | None, after: Entry, rules: Rules) -> None:
        if after.cpl_entry_id in (after.predecessors or ()):
            self.fault("predecessors", "the entry names itself")
        if after.join_option == "Dual Band" and after.device_type != "CH":
            self.fault("join_option", "only a Communications Hub can be Dual Band")
        # MP231 asks for it; entries from before it are filled in as far as can be
        was_empty = before is not None and before.join_option is None
        is_asked = after.device_type != "IHD" and not (rules.existing or was_empty)
        if after.join_option is None and is_asked:
            self.fault(
                "join_option",
                "it is empty, and must not be; --existing takes entries from before MP231",
            )
        listed = after.listed_on
        for name in ("status_since", "expires_on"):
            day = getattr(after, name)
            if listed and day and day < listed:
                self.fault(name, f"{day} is before the entry was listed, {listed}")

    def may_change(self, before: Entry, after: Entry, rules: Rules) -> bool:
        """Whether the change is allowed: filling in what was empty is, the rest is a correction."""
        if rules.correct:
            return True
        refused = [
            column
            for column in changed_fields(before, after)
            if getattr(before, column.name) is not None
        ]
        for column in refused:
            text = column.text(getattr(before, column.name))
            self.fault(
                column.name,
                f"the register says {text} of {before.cpl_entry_id}; --correct changes it",
            )
        return not refused
