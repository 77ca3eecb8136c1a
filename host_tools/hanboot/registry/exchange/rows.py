"""One row of a file: its cells parsed, its faults told, the entry that it makes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hanboot.errors import BadFile
from hanboot.registry.entry import Entry
from hanboot.registry.exchange.mapping import ColumnMapping
from hanboot.registry.exchange.table import ErrorValue, Formula, Number, Row, address
from hanboot.registry.fields import BY_NAME, DERIVED, FIELDS, BadValue, Field, parse_version
from hanboot.registry.storage.store import changed_fields

_REQUIRED = tuple(column for column in FIELDS if column.required)
_DATES = ("listed_on", "status_since", "expires_on")


@dataclass(frozen=True)
class Fault:
    """Something wrong in a file. cell: such as "C7"."""

    row: int
    cell: str
    heading: str
    cause: str

    def __str__(self) -> str:
        heading = f" ({self.heading})" if self.heading else ""
        return f"{self.cell}{heading}: {self.cause}"


@dataclass(frozen=True)
class Rules:
    """What an import may do.

    Attributes:
        correct: change what an entry says already; without it only empty fields are filled in.
        existing: the entries were listed before MP231, so the join option may be empty.
    """

    correct: bool = False
    existing: bool = False


class Faults:
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


class RowReader:
    """One row: its cells parsed, its faults told, the entry that it makes."""

    def __init__(
        self,
        row: Row,
        columns: list[Field | None],
        mapping: ColumnMapping,
        faults: Faults,
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
        if name in _DATES:
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
                f"the registry says {text} of {before.cpl_entry_id}; --correct changes it",
            )
        return not refused
