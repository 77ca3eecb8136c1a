"""What a row of a CSV or XLSX file is.

A cell is text, or it is text that came from something else: `Number`, `Day`, `TimeOfDay`, `Truth`,
`Formula`, `ErrorValue`. What to make of those depends on the column, so it is left to the reader of
the rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


class NotText(str):
    """A cell that a spreadsheet holds as something else than text, as it would be written."""

    kind: ClassVar[str]


class Number(NotText):
    """Leading zeros are gone, and 1.10 is 1.1, however it is shown."""

    kind = "number"


class Day(NotText):
    """A date, with a time or without: as 2026-01-31, or 2026-01-31T12:30:00."""

    kind = "date"


class TimeOfDay(NotText):
    """A time of day or a duration."""

    kind = "time"


class Truth(NotText):
    """yes or no."""

    kind = "truth value"


class Formula(NotText):
    kind = "formula"


class ErrorValue(NotText):
    """An error, such as #REF!"""

    kind = "error"


@dataclass(frozen=True)
class Row:
    """One row. number: as a spreadsheet counts, from 1."""

    number: int
    cells: list[str]

    @property
    def is_blank(self) -> bool:
        return not any(cell for cell in self.cells)


@dataclass(frozen=True)
class SheetLayout:
    """How a file is to be read.

    Attributes:
        sheet: name of the worksheet; None if the workbook has only one.
        heading_row: number of the row with the headings.
        encoding: of a CSV file.
        delimiter: of a CSV file; None finds it out from the headings.
    """

    sheet: str | None = None
    heading_row: int = 1
    encoding: str = "utf-8"
    delimiter: str | None = None


def column_letters(column: int) -> str:
    """A column as spreadsheets name it: 0 is A, 27 is AB."""
    letters = ""
    column += 1
    while column:
        column, letter = divmod(column - 1, 26)
        letters = chr(65 + letter) + letters
    return letters


def address(row: int, column: int) -> str:
    """A cell as spreadsheets name it: row 7, column 0 is A7."""
    return f"{column_letters(column)}{row}"
