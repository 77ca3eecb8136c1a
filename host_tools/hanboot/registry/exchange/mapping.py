"""Headings and values of other organisations, as a TOML file names them.

sheet = "CPL"            # all of these may be left out
heading_row = 3
encoding = "cp1252"
delimiter = ";"
date_format = "%d/%m/%Y"

[[column]]
heading = "Upgrade from"
field = "predecessors"

[[column]]
heading = "Band"
field = "join_option"
[[column.value]]
theirs = "auto"
ours = "Multi MAC Selection - Auto"

[[column.value]]
theirs = "TBC"
not_stated = true

[[column]]
heading = "Free Text"
field = "free_text"
[[column.extract]]       # what a field says in the midst of a text: the first group, or all of it
field = "predecessors"
pattern = "upgrade from:? *([A-Z0-9-]+(?:, *[A-Z0-9-]+)*)"

[[column]]
heading = "Internal remark"
ignore = true

[[skip]]                 # rows that are left out, and counted
heading = "Device Type"
values = ["GPF", "CAD"]

[[skip]]
heading = "CPL Entry ID"
empty = true
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hanboot import toml_file
from hanboot.registry.exchange.table import SheetLayout
from hanboot.registry.fields import FIELDS
from hanboot.toml_file import TomlTable


@dataclass(frozen=True)
class Extraction:
    """A field that stands in the midst of another column's text."""

    heading: str
    field: str
    pattern: re.Pattern[str]

    def find(self, text: str) -> str | None:
        found = self.pattern.search(text)
        if found is None:
            return None
        return found.group(1) if self.pattern.groups else found.group()


@dataclass(frozen=True)
class SkipRule:
    """Rows that are left out: those with one of `values` under `heading`, or with nothing there."""

    heading: str
    values: frozenset[str]
    is_empty: bool

    def applies(self, text: str) -> bool:
        return fold(text) in self.values if text.strip() else self.is_empty


@dataclass(frozen=True)
class ColumnMapping:
    """How to read a file that is not laid out as ours.

    Attributes:
        layout: of the file.
        headings: name of a field by its heading, see `fold`; None ignores the column.
        values: our text by (field, theirs folded); None is 'not stated'.
        date_format: as strptime takes it; None is YYYY-MM-DD.
        extractions: fields that other columns' texts hold.
        skips: rows to leave out.
        keeps_unknown: whether a column whose heading is unknown is kept as it is, in Other Fields.
        ours: names of fields by the headings that need no mapping, folded.
    """

    layout: SheetLayout = field(default_factory=SheetLayout)
    headings: Mapping[str, str | None] = field(default_factory=dict)
    values: Mapping[tuple[str, str], str | None] = field(default_factory=dict)
    date_format: str | None = None
    extractions: tuple[Extraction, ...] = ()
    skips: tuple[SkipRule, ...] = ()
    keeps_unknown: bool = False
    ours: Mapping[str, str | None] = field(default_factory=lambda: _OURS)

    def field_of(self, heading: str) -> str | None:
        """The field under a heading; None for a column to ignore; KeyError for one unknown."""
        folded = fold(heading)
        return self.headings[folded] if folded in self.headings else self.ours[folded]

    def is_unknown(self, heading: str) -> bool:
        """Whether a heading is not ours, and the mapping says nothing of it."""
        folded = fold(heading)
        return folded not in self.headings and folded not in self.ours

    def translate(self, name: str, text: str) -> str | None:
        """Our text for theirs; None is 'not stated'."""
        return self.values.get((name, fold(text)), text) if self.values else text

    def date(self, text: str) -> str:
        """YYYY-MM-DD for a date in their form; other texts as they are."""
        if self.date_format is None:
            return text
        try:
            return datetime.datetime.strptime(text, self.date_format).date().isoformat()
        except ValueError:
            return text


def fold(heading: str) -> str:
    """A heading without case, spaces and punctuation."""
    return re.sub(r"[\W_]+", "", heading).casefold()


_OURS: Mapping[str, str | None] = {fold(column.heading): column.name for column in FIELDS} | {
    fold(column.name): column.name for column in FIELDS
}


def load(file: Path, ours: Mapping[str, str | None] = _OURS) -> ColumnMapping:
    """Reads a mapping file.

    Args:
        ours: names of fields by the headings that need no mapping, folded.

    Raises:
        BadFile: it cannot be read, or says something unknown.
    """
    document = toml_file.load(file)
    heading_row = document.uint("heading_row", 20, 1)
    if heading_row < 1:
        raise document.wrong("heading_row", "counts from 1", heading_row)
    delimiter = document.text("delimiter", None)
    if delimiter is not None and len(delimiter) != 1:
        raise document.wrong("delimiter", "must be one character", delimiter)
    layout = SheetLayout(
        document.text("sheet", None),
        heading_row,
        document.text("encoding", "utf-8") or "utf-8",
        delimiter,
    )
    date_format = document.text("date_format", None)
    names = list(dict.fromkeys(name for name in ours.values() if name))
    headings: dict[str, str | None] = {}
    values: dict[tuple[str, str], str | None] = {}
    extractions: list[Extraction] = []
    for column in document.tables("column"):
        heading = fold(column.text("heading") or "")
        extractions += _extractions(column, heading, names)
        if column.flag("ignore", False):
            headings[heading] = None
        else:
            name = _field(column, names)
            headings[heading] = name
            values |= {(name, theirs): ours for theirs, ours in _values(column)}
        column.end()
    skips = tuple(_skip(rule) for rule in document.tables("skip"))
    document.end()
    return ColumnMapping(
        layout, headings, values, date_format, tuple(extractions), skips, ours=ours
    )


def _field(table: TomlTable, names: Collection[str]) -> str:
    name = table.text("field") or ""
    if name not in names:
        raise table.wrong("field", f"must be one of {', '.join(names)}", name)
    return name


def _values(column: TomlTable) -> Iterator[tuple[str, str | None]]:
    for pair in column.tables("value"):
        theirs = fold(pair.text("theirs") or "")
        yield theirs, None if pair.flag("not_stated", False) else pair.text("ours")
        pair.end()


def _extractions(column: TomlTable, heading: str, names: Collection[str]) -> Iterator[Extraction]:
    for table in column.tables("extract"):
        name, pattern = _field(table, names), table.text("pattern") or ""
        try:
            yield Extraction(heading, name, re.compile(pattern, re.IGNORECASE))
        except re.error as error:
            raise table.wrong("pattern", f"must be a regular expression: {error}") from None
        table.end()


def _skip(rule: TomlTable) -> SkipRule:
    heading = fold(rule.text("heading") or "")
    is_empty = rule.flag("empty", False)
    values = frozenset(map(fold, rule.texts("values"))) if "values" in rule else frozenset()
    if not (values or is_empty):
        raise rule.wrong("values", "must be a list of texts, or empty = true must be there")
    rule.end()
    return SkipRule(heading, values, is_empty)
