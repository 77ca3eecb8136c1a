"""Worksheets: our rows beside openpyxl's, and XML that other programs write."""

from __future__ import annotations

import datetime
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
