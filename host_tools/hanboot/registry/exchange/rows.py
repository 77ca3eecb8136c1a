"""One row of a file: its cells parsed, its faults reported, the entry that it makes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hanboot.registry.entry import Entry
from hanboot.registry.exchange import new_entries
from hanboot.registry.exchange.columns import Columns, cell_of
from hanboot.registry.exchange.faults import CellFault, Faults
from hanboot.registry.exchange.mapping import ColumnMapping
from hanboot.registry.exchange.table import ErrorValue, Formula, NotText, Row, address
from hanboot.registry.fields import (
    BY_NAME,
    DERIVED,
    FIELDS,
    BadValue,
    Field,
    is_smets1,
    other_fields_text,
    parse_other_fields,
    parse_short_code,
    parse_version,
)
from hanboot.registry.storage.writer import changed_fields

_REQUIRED = tuple(column for column in FIELDS if column.required)
_DATES = ("listed_on", "status_since", "expires_on", "renewal_on")

#: Codes that are shorter in SMETS1, and their digits in full.
_SHORT_CODES = {"manufacturer_code": 4, "device_model": 8}


@dataclass(frozen=True)
class ImportRules:
    """What an import may do.

    Attributes:
        correct: change what an entry says already; without it only empty fields are filled in.
        existing: the entries were listed before MP231, so what it demands may be empty.
    """

    correct: bool = False
    existing: bool = False


def unusable(cell: str, is_identifier: bool) -> str | None:
    """Why a cell cannot be read; None if it can."""
    if not isinstance(cell, NotText):
        return None
    if isinstance(cell, Formula):
        return "it holds a formula: replace it by its value"
    if isinstance(cell, ErrorValue):
        return f"it holds the error {cell}"
    if is_identifier:
        return (
            f"it is the {cell.kind} {cell}, not text: zeros may be lost (1.10 becomes 1.1), so it "
            "may mean another one; format the column as text and type it again"
        )
    return None


class RowReader:
    """One row: its cells parsed, its faults reported, the entry that it makes.

    Args:
        known: entries that the registry holds, by CPL Entry ID, this row's among them.
    """

    def __init__(
        self,
        row: Row,
        columns: Columns,
        mapping: ColumnMapping,
        faults: Faults,
        known: Mapping[str, Entry],
    ) -> None:
        self._row = row
        self._faults = faults
        self._mapping = mapping
        self._at: dict[str, int] = {}
        #: Values of the cells that are there and right; None where a cell is empty.
        self.parsed: dict[str, Any] = {}
        self._is_faulty = False
        short: list[tuple[Field, str]] = []
        for at, column in enumerate(columns.fields):
            if column is not None:
                self._at[column.name] = at
                cell = cell_of(row, at)
                if column.name in _SHORT_CODES:
                    short.append((column, cell))
                else:
                    self._parse(column, cell)
        self._extract(columns)
        self.before = known.get(self.parsed.get("cpl_entry_id") or "")
        for column, cell in short:
            self._parse_code(column, cell)
        self._keep_others(columns)
        for at in range(len(columns.fields), len(row.cells)):
            if row.cells[at]:
                self._add(address(row.number, at), "", "a cell beside the columns")

    def fault(self, name: str, cause: str) -> None:
        at = self._at.get(name)
        cell = f"row {self._row.number}" if at is None else address(self._row.number, at)
        self._add(cell, BY_NAME[name].heading, cause)

    def _add(self, cell: str, heading: str, cause: str) -> None:
        self._is_faulty = True
        self._faults.add(CellFault(self._row.number, cell, heading, cause))

    def _parse(self, column: Field, cell: str) -> None:
        name = column.name
        if not cell:
            self.parsed[name] = None
        elif why := unusable(cell, column.is_identifier):
            self.fault(name, why)
        else:
            text = self._mapping.translate(
                name, self._mapping.date(cell) if name in _DATES else cell
            )
            try:
                self.parsed[name] = None if text is None else column.parse(text)
            except BadValue as bad:
                self.fault(name, str(bad))

    def _parse_code(self, column: Field, cell: str) -> None:
        """A code of SMETS1 may be short: it is kept as it stands, beside the number."""
        name = column.name
        digits = _SHORT_CODES[name]
        if not self._is_smets1 or len(cell) >= digits or unusable(cell, is_identifier=True):
            self._parse(column, cell)
            return
        try:
            self.parsed[name] = parse_short_code(cell, digits) if cell else None
        except BadValue as bad:
            self.fault(name, str(bad))
        else:
            self.parsed[f"{name}_text"] = cell or None

    @property
    def _is_smets1(self) -> bool:
        return is_smets1(self._value("smets_version"))

    def _value(self, name: str) -> Any:
        """What the row says of a field, or the registry where the row does not."""
        if name in self.parsed or self.before is None:
            return self.parsed.get(name)
        return getattr(self.before, name)

    def _extract(self, columns: Columns) -> None:
        """What stands in the midst of other texts, where the field has no cell of its own."""
        for at, extraction in columns.extractions:
            name = extraction.field
            found = extraction.find(cell_of(self._row, at))
            if found and self.parsed.get(name) is None:
                self._at.setdefault(name, at)
                self._parse(BY_NAME[name], found.strip())

    def _keep_others(self, columns: Columns) -> None:
        """What stands under headings that are none of ours, beside what the entry holds of it."""
        if not columns.others:
            return
        stated = self._value("other_fields")
        values: dict[str, str] = json.loads(stated) if stated else {}
        for at, heading in columns.others:
            cell = cell_of(self._row, at)
            if why := unusable(cell, is_identifier=False):
                self._add(address(self._row.number, at), heading, why)
            elif cell:
                values[heading] = str(cell)
            else:
                values.pop(heading, None)
        try:
            self.parsed["other_fields"] = (
                parse_other_fields(other_fields_text(values)) if values else None
            )
        except BadValue as bad:
            self._add(f"row {self._row.number}", BY_NAME["other_fields"].heading, str(bad))

    # --- the entry

    def entry(self, rules: ImportRules) -> Entry | None:
        """The entry, what the file does not say taken from `before`; None if it is faulty."""
        before, values = self.before, dict(self.parsed)
        for column in _REQUIRED:
            is_missing = before is None and column.name not in self._at
            if is_missing or values.get(column.name, ...) is None:
                self.fault(column.name, "it is empty, and must not be")
        self._read_version(values)
        self._check_codes(values)
        self._check_hardware(values)
        if self._is_faulty:
            return None
        for name in DERIVED:
            values.pop(name, None)
        after = dataclasses.replace(before, **values) if before else Entry(**values)
        self._check(after, rules)
        return None if self._is_faulty else after

    def _read_version(self, values: dict[str, Any]) -> None:
        """Turns the digits of a version into the number; keeps the text as given."""
        before = self.before
        device_type, smets = self._value("device_type"), self._value("smets_version")
        numbers = {}
        for name in ("firmware_version", "firmware_version_text"):
            if values.get(name) is not None:
                try:
                    numbers[name] = parse_version(values[name], device_type, smets)
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

    def _check_codes(self, values: dict[str, Any]) -> None:
        """A code as it was given must be the same number; in full digits it need not be kept."""
        for name, digits in _SHORT_CODES.items():
            text = values.get(f"{name}_text")
            code = values.get(name, self.before and getattr(self.before, name))
            if text is None:
                # as it was given before, unless it is another code now
                is_known = self.before and getattr(self.before, name) == code
                if not is_known and f"{name}_text" not in self._at:
                    values[f"{name}_text"] = None
                continue
            try:
                is_same = code is None or parse_short_code(text, digits) == code
            except BadValue as bad:
                self.fault(f"{name}_text", str(bad))
                continue
            if not is_same:
                self.fault(f"{name}_text", f"it is another code than {BY_NAME[name].heading}")
            elif len(text) == digits:
                values[f"{name}_text"] = None

    def _check_hardware(self, values: dict[str, Any]) -> None:
        stated, model = values.get("hardware_version"), self._value("device_model")
        if stated is not None and model is not None and stated != model & 0xFFFF:
            self.fault(
                "hardware_version",
                f"{stated:04X} contradicts the Device Model {model:08X}, which ends in the "
                "hardware version",
            )

    def _check(self, after: Entry, rules: ImportRules) -> None:
        if after.cpl_entry_id in (after.predecessors or ()):
            self.fault("predecessors", "the entry names itself")
        if why := new_entries.wrong_band(self.before, after, rules.existing):
            self.fault("join_option", why)
        for name, cause in new_entries.missing(self.before, after, rules.existing):
            self.fault(name, cause)
        listed = after.listed_on
        for name in ("status_since", "expires_on", "renewal_on"):
            day = getattr(after, name)
            if listed and day and day < listed:
                self.fault(name, f"{day} is before the entry was listed, {listed}")

    def may_change(self, before: Entry, after: Entry, rules: ImportRules) -> bool:
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
