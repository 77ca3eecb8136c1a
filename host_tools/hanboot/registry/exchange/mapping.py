"""Other people's headings and values, as a TOML file names them.

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

[[column]]
heading = "Internal remark"
ignore = true
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hanboot import toml_file
from hanboot.registry.exchange.table import SheetLayout
from hanboot.registry.fields import BY_NAME, FIELDS


@dataclass(frozen=True)
class ColumnMapping:
    """How to read a file that is not laid out as ours.

    Attributes:
        layout: of the file.
        headings: name of a field by its heading, see `fold`; None ignores the column.
        values: our text by (field, theirs folded).
        date_format: as strptime takes it; None is YYYY-MM-DD.
    """

    layout: SheetLayout = field(default_factory=SheetLayout)
    headings: Mapping[str, str | None] = field(default_factory=dict)
    values: Mapping[tuple[str, str], str] = field(default_factory=dict)
    date_format: str | None = None

    def field_of(self, heading: str) -> str | None:
        """The field under a heading; None for a column to ignore; KeyError for one unknown."""
        folded = fold(heading)
        return self.headings[folded] if folded in self.headings else _OURS[folded]

    def translate(self, name: str, text: str) -> str:
        """Our text for theirs."""
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


_OURS = {fold(column.heading): column.name for column in FIELDS} | {
    fold(column.name): column.name for column in FIELDS
}


def load(file: Path) -> ColumnMapping:
    """Reads a mapping file.

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
    headings: dict[str, str | None] = {}
    values: dict[tuple[str, str], str] = {}
    for column in document.tables("column"):
        heading = column.text("heading") or ""
        if column.flag("ignore", False):
            headings[fold(heading)] = None
        else:
            name = column.text("field") or ""
            if name not in BY_NAME:
                raise column.wrong("field", f"must be one of {', '.join(BY_NAME)}", name)
            headings[fold(heading)] = name
            for pair in column.tables("value"):
                values[name, fold(pair.text("theirs") or "")] = pair.text("ours") or ""
                pair.end()
        column.end()
    document.end()
    return ColumnMapping(layout, headings, values, date_format)
