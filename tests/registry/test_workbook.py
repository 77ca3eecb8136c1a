"""Worksheets: our rows beside openpyxl's, and XML that other programs write."""

from __future__ import annotations

import datetime
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanboot.errors import BadFile
from hanboot.registry.exchange import sheets
from hanboot.registry.exchange.table import ErrorValue, Formula, Number, Row, SheetLayout

VALUES: list[tuple[Any, str]] = [
    ("PPMID", "PPMID"),
    ("  spaces  ", "spaces"),
    ("two\nlines", "two\nlines"),
    ("<&>\"' ü €", "<&>\"' ü €"),
    (50100, "50100"),
    (-7, "-7"),
    (1.5, "1.5"),
    (1e5, "100000"),
    (1e30, str(int(1e30))),
    (True, "yes"),
    (False, "no"),
    (datetime.date(2024, 2, 29), "2024-02-29"),
    (datetime.datetime(2024, 2, 29, 12, 30), "2024-02-29T12:30:00"),
    (datetime.time(12, 30), "12:30:00"),
    ("=1+1", "=1+1"),
    ("#REF!", "#REF!"),
]
#: What a cell is, where it is not just text.
KINDS = {"=1+1": Formula, "#REF!": ErrorValue, 50100: Number, 1.5: Number}


def read(path: Path, layout: SheetLayout | None = None) -> list[Row]:
    with sheets.rows(path, layout or SheetLayout()) as rows:
        return list(rows)


def test_every_kind_of_cell(tmp_path: Path) -> None:
    workbook = openpyxl.Workbook()
    for value, _ in VALUES:
        # gaps before, between and behind
        workbook.active.append([None, value, None, "end", None])
    workbook.save(tmp_path / "all.xlsx")
    found = read(tmp_path / "all.xlsx")
    assert [row.cells for row in found] == [["", text, "", "end"] for _, text in VALUES]
    for row, (value, _) in zip(found, VALUES, strict=True):
        assert type(row.cells[1]) is KINDS.get(value, type(row.cells[1]))


def test_rows_are_counted_as_a_spreadsheet_does(tmp_path: Path) -> None:
    workbook = openpyxl.Workbook()
    for number in (2, 5, 9):
        workbook.active.cell(number, 1, f"row {number}")
    workbook.save(tmp_path / "gaps.xlsx")
    assert [row.number for row in read(tmp_path / "gaps.xlsx")] == [2, 5, 9]
    assert [r.number for r in read(tmp_path / "gaps.xlsx", SheetLayout(heading_row=3))] == [5, 9]


# texts as Excel can hold them; what is around them is stripped
texts = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=40).map(str.strip)
# openpyxl itself takes these for formulas and errors
plain = texts.filter(lambda text: text[:1] not in ("=", "#"))


@given(table=st.lists(st.lists(plain, min_size=1, max_size=6), min_size=1, max_size=8))
def test_whatever_openpyxl_writes_is_read(
    table: list[list[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("workbook") / "any.xlsx"
    workbook = openpyxl.Workbook()
    for cells in table:
        workbook.active.append(cells)
    workbook.save(path)
    read_back = {row.number: row.cells for row in read(path)}
    for number, cells in enumerate(table, 1):
        while cells and not cells[-1]:
            cells = cells[:-1]
        assert read_back.get(number, []) == cells


def test_a_worksheet_cut_short_is_told_in_words(tmp_path: Path) -> None:
    import zipfile

    workbook = openpyxl.Workbook()
    workbook.active.append(["CPL Entry ID"])
    workbook.save(tmp_path / "whole.xlsx")
    with (
        zipfile.ZipFile(tmp_path / "whole.xlsx") as whole,
        zipfile.ZipFile(tmp_path / "cut.xlsx", "w") as cut,
    ):
        for name in whole.namelist():
            octets = whole.read(name)
            cut.writestr(name, octets[:-20] if "sheet1" in name else octets)
    with pytest.raises(BadFile, match="it is no XLSX workbook"):
        read(tmp_path / "cut.xlsx")


# --- what is hidden, and what unpacks to too much

FOUND = [["CPL Entry ID", "Contact"], ["A-1", "x"], ["A-2", "y"]]


def workbook_of(rows: list[list[Any]], change: Any = None, path: Path | None = None) -> Path:
    assert path
    workbook = openpyxl.Workbook()
    for cells in rows:
        workbook.active.append(cells)
    if change:
        change(workbook)
    workbook.save(path)
    return path


def _hide_row(workbook: Any) -> None:
    workbook.active.row_dimensions[3].hidden = True


def _filter_row(workbook: Any) -> None:
    workbook.active.auto_filter.ref = "A1:B3"
    workbook.active.row_dimensions[3].hidden = True


def _hide_column(workbook: Any) -> None:
    workbook.active.column_dimensions["B"].hidden = True


def _hide_sheet(workbook: Any) -> None:
    workbook.create_sheet("Old").sheet_state = "hidden"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_hide_row, "rows are hidden, or filtered out: 3"),
        (_filter_row, "rows are hidden, or filtered out: 3"),
        (_hide_column, "the column B is hidden"),
        (_hide_sheet, r"it has Sheet, Old \(hidden\)"),
    ],
)
def test_what_is_hidden_is_refused_by_name(tmp_path: Path, change: Any, why: str) -> None:
    path = workbook_of(FOUND, change, tmp_path / "h.xlsx")
    with pytest.raises(BadFile, match=why):
        read(path)


def test_what_is_hidden_and_empty_is_nothing(tmp_path: Path) -> None:
    def hide(workbook: Any) -> None:
        workbook.active.row_dimensions[9].hidden = True
        workbook.active.column_dimensions["F"].hidden = True

    assert len(read(workbook_of(FOUND, hide, tmp_path / "h.xlsx"))) == 3


def repacked(path: Path, part: str, octets: bytes) -> Path:
    """The workbook with another part in the place of one, or beside them."""
    made = path.with_name(f"other-{path.name}")
    with (
        zipfile.ZipFile(path) as before,
        zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as after,
    ):
        for name in before.namelist():
            if name != part:
                after.writestr(name, before.read(name))
        after.writestr(part, octets)
    return made


HEAD = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
TAIL = b"</sheetData></worksheet>"
SHEET = "xl/worksheets/sheet1.xml"


@pytest.mark.parametrize(
    ("part", "octets", "why"),
    [
        ("xl/styles.xml", b" " * 20_000_000, "xl/styles.xml.* unpacks to 20 MB"),
        ("xl/theme/theme1.xml", b" " * 20_000_000, "unpacks to 20 MB"),
        ("docProps/app.xml", b" " * 20_000_000, "unpacks to 20 MB"),
        ("xl/sharedStrings.xml", b"<sst>" + b"<si/>" * 4_500_000 + b"</sst>", "texts, at most"),
        (SHEET, HEAD + b'<row r="1">' + b"<c/>" * 1000 + b"</row>" + TAIL, "more than 702 cells"),
        (SHEET, HEAD + b'<row r="1"><c r="AAA1"><v>1</v></c></row>' + TAIL, "beyond column ZZ"),
        (SHEET, HEAD + b"<row><c><v>" + b"1" * 2_000_000 + b"</v></c></row>" + TAIL, "octets"),
        (SHEET, b"<!DOCTYPE x [<!ENTITY a 'b'>]>" + HEAD + TAIL, "is not plain XML"),
        (SHEET, (HEAD + TAIL).decode().encode("utf-16"), "is not plain XML"),
        (
            "xl/workbook.xml",
            b'<workbook xmlns="http://purl.oclc.org/ooxml/spreadsheetml/main"/>',
            "Strict Open XML",
        ),
    ],
)
def test_parts_that_are_refused_before_they_are_opened(
    tmp_path: Path, part: str, octets: bytes, why: str
) -> None:
    path = repacked(workbook_of(FOUND, None, tmp_path / "w.xlsx"), part, octets)
    tracemalloc.start()
    with pytest.raises(BadFile, match=why):
        read(path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 16_000_000


@pytest.mark.parametrize(
    ("defaults", "columns", "row", "why"),
    [
        ("", "", 'ht="0" customHeight="1"', "rows are hidden, or filtered out: 1"),
        ("", "", "ht='0.00'", "rows are hidden, or filtered out: 1"),
        ("", '<col min="1" max="1" width="0"/>', "", "the column A is hidden"),
        ('zeroHeight="1"', "", "", "hidden by default"),
        ('defaultRowHeight="0"', "", "", "hidden by default"),
        ('defaultColWidth="0.0"', "", "", "hidden by default"),
        ('defaultRowHeight="15"', '<col min="1" max="1" width="0.5"/>', 'ht="10"', None),
    ],
)
def test_a_height_or_width_of_nothing_hides(
    tmp_path: Path, defaults: str, columns: str, row: str, why: str | None
) -> None:
    cols = f"<cols>{columns}</cols>" if columns else ""
    head = HEAD.decode().replace("<sheetData>", f"<sheetFormatPr {defaults}/>{cols}<sheetData>")
    cell = f'<row r="1" {row}><c r="A1" t="inlineStr"><is><t>A-1</t></is></c></row>'
    octets = (head + cell).encode() + TAIL
    path = repacked(workbook_of(FOUND, None, tmp_path / "w.xlsx"), SHEET, octets)
    if why is None:
        assert len(read(path)) == 1
    else:
        with pytest.raises(BadFile, match=why):
            read(path)


def test_a_row_beyond_all_sheets(tmp_path: Path) -> None:
    far = HEAD + b'<row r="999999999"><c><v>1</v></c></row>' + TAIL
    path = repacked(workbook_of(FOUND, None, tmp_path / "w.xlsx"), SHEET, far)
    with pytest.raises(BadFile, match="more than 1048576 rows"):
        read(path)


@pytest.mark.parametrize(
    ("octets", "why", "remedy"),
    [
        (b"sep=;\nCPL Entry ID;Contact\n", "names a delimiter", "heading_row = 2"),
        ("CPL Entry ID\n".encode("utf-16"), "UTF-16", 'encoding = "utf-16"'),
        ("CPL Entry ID\n".encode("utf-16-le"), "without a byte order", 'encoding = "utf-16-le"'),
        ("CPL Entry ID\n".encode("utf-16-be"), "without a byte order", 'encoding = "utf-16-be"'),
        (b"<html><table>", "a web page", "CSV UTF-8"),
        (b'\xef\xbb\xbf<?xml version="1.0"?>', "another XML file", "CSV UTF-8"),
        (b"PK\3\4" + b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet", ".ods", ".xlsx"),
        (b"%PDF-1.7", "a PDF file", ".xlsx"),
        (b"\xd0\xcf\x11\xe0" + b"Workbook" * 9, "97-2003", ".xlsx"),
        (
            b"\xd0\xcf\x11\xe0" + "EncryptedPackage".encode("utf-16-le"),
            "with a password",
            "without a password",
        ),
    ],
)
def test_remedies(tmp_path: Path, octets: bytes, why: str, remedy: str) -> None:
    (tmp_path / "f").write_bytes(octets)
    with pytest.raises(BadFile) as caught:
        read(tmp_path / "f")
    assert why in caught.value.why
    assert remedy in caught.value.what_to_do
