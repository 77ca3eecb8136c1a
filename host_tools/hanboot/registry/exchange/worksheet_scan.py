"""A worksheet's XML before its cells are read: what is hidden or merged, and whether it is bounded.

No library tells a streaming reader which rows and columns are hidden, and none bounds the length of
a text or the cells of a row. So the octets are looked through once, tag by tag, without a tree
(ECMA-376 1 18.3.1). `<` cannot stand in a text or an attribute, so what follows a tag's `<` up to
the next one is the tag itself and its text.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hanboot.registry.exchange.workbook_bounds import TooMuch

#: As Excel has it, ECMA-376 18.3.1.73; and columns up to ZZ, which is far more than ours.
ROWS_MAX = 1_048_576
COLUMNS_MAX = 702
CELLS_MAX = 20_000_000
#: 32,767 characters of a cell, however they are written.
_TEXT_MAX_BYTES = 400_000
_BLOCK_BYTES = 1 << 20

_ROW = re.compile(rb"<(?:\w+:)?row(?=[\s/>])")
_CELL = re.compile(rb"<(?:\w+:)?c(?=[\s/>])")
# a place of three letters: quick to look for, and rare in other attributes
_LIKE_FAR = re.compile(rb"[\"'][A-Z]{3,}[0-9]*[\"']")
_FAR_CELL = re.compile(rb"<(?:\w+:)?c\s[^<]*?\br\s*=\s*[\"'][A-Z]{3}")
_HIDDEN_ROW = re.compile(rb"<(?:\w+:)?row\s[^<]*?\bhidden\s*=\s*[\"'](?:1|true)[\"'][^<]*")
# a height or a width of nothing hides as well
_FLAT_ROW = re.compile(rb"<(?:\w+:)?row\s[^<]*?\bht\s*=\s*[\"']0*(?:\.0*)?[\"'][^<]*")
_DEFAULTS = re.compile(rb"<(?:\w+:)?sheetFormatPr\s[^<]*")
_NOTHING = re.compile(rb"0*(?:\.0*)?")
_COLUMN = re.compile(rb"<(?:\w+:)?col\s[^<]*")
_MERGED = re.compile(rb"<(?:\w+:)?mergeCell\s[^<]*")
_ATTRIBUTE = re.compile(rb"\b(\w+)\s*=\s*[\"']([^\"']*)[\"']")
_RANGE = re.compile(rb"([A-Z]+)([0-9]+):([A-Z]+)([0-9]+)")


@dataclass
class SheetFacts:
    """What of a worksheet is not in its cells.

    Attributes:
        hidden_rows: their numbers; 0 for one that has none.
        hidden_columns: (first, last), counted from 1.
        merged: last row of each merged range, by its name, such as "A1:B2".
        hides_by_default: whether rows or columns that say nothing else are hidden.
    """

    hidden_rows: set[int] = field(default_factory=set)
    hidden_columns: set[tuple[int, int]] = field(default_factory=set)
    merged: dict[str, int] = field(default_factory=dict)
    hides_by_default: bool = False

    def is_hidden_column(self, column: int) -> bool:
        """Whether a column, counted from 0, is hidden."""
        return any(first <= column + 1 <= last for first, last in self.hidden_columns)


def scan(path: Path, archive: zipfile.ZipFile, part: str) -> SheetFacts:
    """Looks through a worksheet.

    Raises:
        TooMuch: it has too many or too large cells for any list of products.
    """
    facts = SheetFacts()
    cells = cells_of_row = 0
    for text in _tags(path, archive, part):
        counts = [_count_cells(piece) for piece in _ROW.split(text)]
        cells += sum(counts)
        # the first piece goes on with the row of the text before
        counts[0] += cells_of_row
        if max(counts) > COLUMNS_MAX:
            raise TooMuch(path, f"a row has more than {COLUMNS_MAX} cells")
        cells_of_row = counts[-1]
        if _LIKE_FAR.search(text) and _FAR_CELL.search(text):
            raise TooMuch(path, f"it has cells beyond column ZZ ({COLUMNS_MAX})")
        if cells > CELLS_MAX:
            raise TooMuch(path, f"it has more than {CELLS_MAX} cells")
        _look(text, facts)
    return facts


def _count_cells(piece: bytes) -> int:
    """The cells in a piece; the quick count may be too high, and is then made exact."""
    quick = piece.count(b"<c") + piece.count(b":c")
    return quick if quick <= COLUMNS_MAX else len(_CELL.findall(piece))


def _tags(path: Path, archive: zipfile.ZipFile, part: str) -> Iterator[bytes]:
    """The octets in pieces that end before a `<`."""
    kept = b""
    with archive.open(part) as stream:
        while block := stream.read(_BLOCK_BYTES):
            text = kept + block
            end = text.rfind(b"<")
            if max(map(len, text.split(b"<"))) > _TEXT_MAX_BYTES:
                raise TooMuch(path, f"a cell holds more than {_TEXT_MAX_BYTES} octets")
            yield text[: max(end, 0)]
            kept = text[max(end, 0) :]
    yield kept


def _look(text: bytes, facts: SheetFacts) -> None:
    tags = _HIDDEN_ROW.findall(text) if b"hidden" in text else []
    if b"ht" in text:
        tags += _FLAT_ROW.findall(text)
    for tag in tags:
        number = _attributes(tag).get(b"r", b"0")
        facts.hidden_rows.add(int(number) if number.isdigit() and len(number) < 9 else 0)
    if b"col" in text:
        for tag in _COLUMN.findall(text):
            values = _attributes(tag)
            is_flat = _NOTHING.fullmatch(values.get(b"width", b"1"))
            if is_flat or values.get(b"hidden") in (b"1", b"true"):
                facts.hidden_columns.add((int(values[b"min"]), int(values[b"max"])))
    if b"sheetFormatPr" in text:
        for tag in _DEFAULTS.findall(text):
            values = _attributes(tag)
            sizes = (values.get(name, b"1") for name in (b"defaultRowHeight", b"defaultColWidth"))
            if values.get(b"zeroHeight") in (b"1", b"true") or any(map(_NOTHING.fullmatch, sizes)):
                facts.hides_by_default = True
    if b"mergeCell" in text:
        for tag in _MERGED.findall(text):
            if named := _RANGE.fullmatch(_attributes(tag).get(b"ref", b"")):
                facts.merged[named.group().decode()] = int(named.group(4))


def _attributes(tag: bytes) -> dict[bytes, bytes]:
    return dict(_ATTRIBUTE.findall(tag))
