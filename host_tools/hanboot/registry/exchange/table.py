"""What a row of a CSV or XLSX file is.

A cell is text, or it is text that came from something else: `Number`, `Formula`, `ErrorValue`.
What to make of those depends on the column, so it is left to the reader of the rows.
"""

from __future__ import annotations

from dataclasses import dataclass


class Number(str):
    """A cell that a spreadsheet holds as a number: leading zeros are gone."""


class Formula(str):
    """A cell with a formula."""


class ErrorValue(str):
    """A cell with an error, such as #REF!"""


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


def address(row: int, column: int) -> str:
    """A cell as spreadsheets name it: row 7, column 0 is A7."""
    letters = ""
    column += 1
    while column:
        column, letter = divmod(column - 1, 26)
        letters = chr(65 + letter) + letters
    return f"{letters}{row}"
