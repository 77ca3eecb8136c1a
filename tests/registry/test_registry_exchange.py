"""CSV and XLSX: what goes out comes in again, and what is wrong is named and changes nothing."""

from __future__ import annotations

import dataclasses
import datetime
import tracemalloc
from pathlib import Path

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from registries import (
    SSC_COLUMNS,
    WHY,
    digest,
    entry,
    everything,
    fill,
    same_but,
    write_entries,
    write_rows,
)
from strategies import entries

from hanboot.errors import BadFile, WrongUsage
from hanboot.registry.entry import JOIN_OPTIONS, Entry
from hanboot.registry.exchange import export, mapping, views
from hanboot.registry.exchange.csv_file import protect, unprotect
from hanboot.registry.exchange.faults import CellFault
from hanboot.registry.exchange.intake import Imported, import_file
from hanboot.registry.exchange.rows import ImportRules
from hanboot.registry.exchange.table import address
from hanboot.registry.fields import BY_NAME, FIELDS
from hanboot.registry.storage import history
from hanboot.registry.storage.database import Database
from hanboot.registry.storage.store import Registry

EXISTING = ImportRules(existing=True)
HEADINGS = [column.heading for column in FIELDS]
ROW = {
    "CPL Entry ID": "E-1",
    "Device Type": "PPMID",
    "Manufacturer Code": "FFF0",
    "Device Model": "00050100",
    "Firmware Version": "00000001",
    "Manufacturer Image Hash": "ab" * 32,
    "CPL Status": "Active",
    "ZigBee Join Option": "2.4 GHz Only",
    "Predecessor CPL Entry IDs": "N/A",
    **SSC_COLUMNS,  # J, K and L
}


def rows_of(*changes: dict[str, str]) -> list[list[str]]:
    """Headings and rows: `ROW` with changes."""
    rows = [ROW | change for change in changes]
    headings = list(dict.fromkeys(heading for row in rows for heading in row))
    return [headings, *([row.get(heading, "") for heading in headings] for row in rows)]


def take(registry: Registry, path: Path, **more: object) -> tuple[Imported, list[str]]:
    faults: list[CellFault] = []
    done = import_file(registry, path, WHY, on_fault=faults.append, **more)  # type: ignore[arg-type]
    return done, [str(fault) for fault in faults]


def refuse(registry: Registry, path: Path, **more: object) -> list[str]:
    """The faults of a file that is refused; the registry must be as it was."""
    before = registry.entries()
    faults: list[CellFault] = []
    with pytest.raises(BadFile) as caught:
        import_file(registry, path, WHY, on_fault=faults.append, **more)  # type: ignore[arg-type]
    assert len(caught.value.lines) == 3
    assert all(line and "\n" not in line for line in caught.value.lines)
    assert registry.entries() == before
    with registry.database.reading() as connection:
        assert len({change.number for change in history.changes(connection)}) == bool(before)
    return [str(fault) for fault in faults] or [caught.value.why]


# --- round trips


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(made=entries())
def test_what_goes_out_comes_in(
    tmp_path_factory: pytest.TempPathFactory, ending: str, made: list[Entry]
) -> None:
    path = write_entries(tmp_path_factory.mktemp("out") / f"r.{ending}", made)
    with Registry(Database(":memory:", create=True)) as registry:
        done, faults = take(registry, path, rules=EXISTING)
        assert (done, faults) == (Imported(len(made), 0, 0), [])
        assert {e.cpl_entry_id: e for e in everything(registry)} == {
            e.cpl_entry_id: e for e in made
        }
        assert take(registry, path)[0] == Imported(0, 0, len(made))


def test_texts_that_look_like_formulas_stay_texts(registry: Registry, tmp_path: Path) -> None:
    texts = ["=1+1", "@import", "+44 20 7946 0000", "-", "'quoted'", "'=x", "''=x", "N/A"]
    made = [entry(n, contact=text) for n, text in enumerate(texts)]
    for ending in ("csv", "xlsx"):
        path = write_entries(tmp_path / f"out.{ending}", made)
        with Registry(Database(":memory:", create=True)) as other:
            take(other, path, rules=EXISTING)
            assert other.entries() == made
    assert not any(line.startswith(("=", "@", "+", "-")) for line in map(protect, texts))
    assert [unprotect(protect(text)) for text in texts] == texts
    sheet = openpyxl.load_workbook(tmp_path / "out.xlsx").active
    assert {cell.data_type for row in sheet.iter_rows() for cell in row if cell.value} == {"s"}


@pytest.mark.parametrize("role", views.ROLES)
def test_views(registry: Registry, tmp_path: Path, role: views.Role) -> None:
    fill(registry, [entry(1, zigbee_vendor="secret chip", contact="who to ask")])
    path = tmp_path / "view.csv"
    export.write_file(
        path,
        "csv",
        views.shown_entries(registry, role, manufacturer=0xFFF0),
        views.columns_for(role),
    )
    text = path.read_text(encoding="utf-8-sig")
    assert ("secret chip" in text) == (role == "ssc")
    assert ("who to ask" in text) == (role != "everyone")
    assert ("N/A" in text) == (role != "everyone")
    assert "2.4 GHz Only" in text


def test_a_workbook_offers_what_may_stand_there(tmp_path: Path) -> None:
    """MP231 3, item 4: a drop-down of six join options."""
    path = write_entries(tmp_path / "cpl.xlsx", [entry(1)])
    sheet = openpyxl.load_workbook(path)["CPL"]
    offered = {}
    for each in sheet.data_validations.dataValidation:
        (cells,) = each.sqref.ranges
        heading = sheet.cell(1, cells.min_col).value
        offered[heading] = each.formula1.strip('"').split(",")
        # Excel takes no longer list
        assert len(each.formula1) <= 255
        assert (cells.min_row, cells.max_row) == (2, 1_048_576)
    assert len(offered["ZigBee Join Option"]) == 6
    read = BY_NAME["join_option"].parse
    assert {read(text) for text in offered["ZigBee Join Option"]} == set(JOIN_OPTIONS)
    assert {"Device Type", "CPL Status", "Release Kind"} < offered.keys()


def test_a_manufacturer_must_say_which() -> None:
    with pytest.raises(WrongUsage):
        views.check_view("manufacturer", None)


def test_an_export_that_fails_leaves_the_file(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("before")

    def failing():
        yield entry(1)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        export.write_file(path, "csv", failing(), FIELDS)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


# --- what a file changes


def test_columns_that_are_not_there_stay(registry: Registry, tmp_path: Path) -> None:
    made = entry(1, None, contact="a@b.example")
    fill(registry, [made, entry(2)])
    # the FIR, in a file of its own
    path = write_rows(
        tmp_path / "fir.csv",
        [["CPL Entry ID", "Predecessor CPL Entry IDs"], ["E-1", "N/A"], ["E-2", "N/A"]],
    )
    assert take(registry, path)[0] == Imported(0, 1, 1)
    assert registry.entry("E-1") == same_but(made, predecessors=())


def test_corrections_are_said_to_be_such(registry: Registry, tmp_path: Path) -> None:
    fill(registry, [entry(1)])
    path = write_rows(
        tmp_path / "r.csv",
        [
            ["CPL Entry ID", "CPL Status", "Manufacturer Contact"],
            ["E-1", "Withdrawn", "x@y.example"],
        ],
    )
    assert refuse(registry, path) == [
        "B2 (CPL Status): the registry says Active of E-1; --correct changes it"
    ]
    assert take(registry, path, rules=ImportRules(correct=True))[0] == Imported(0, 1, 0)
    assert registry.entry("E-1").status == "Withdrawn"
    assert registry.entry("E-1").contact == "x@y.example"


def test_other_peoples_headings(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text(
        """
        heading_row = 3
        encoding = "cp1252"
        delimiter = ";"
        date_format = "%d/%m/%Y"
        [[column]]
        heading = "Ref."
        field = "cpl_entry_id"
        [[column]]
        heading = "Kind"
        field = "device_type"
        [[column.value]]
        theirs = "In-home display with prepayment"
        ours = "PPMID"
        [[column]]
        heading = "Remark"
        ignore = true
        [[column]]
        heading = "From"
        field = "listed_on"
        """
    )
    rows = rows_of(
        {"Manufacturer": "Zähler & Söhne", "Remark": "=1", "From": "31/01/2023", "Device Type": ""}
    )
    rows[0] = [{"CPL Entry ID": "REF", "Device Type": "kind"}.get(h, h) for h in rows[0]]
    rows[1][1] = "In-Home Display with Prepayment"
    lines = [["Extract of the list"], [], *rows]
    text = "\r\n".join(";".join(row) for row in lines)
    (tmp_path / "theirs.csv").write_text(text, encoding="cp1252")
    done, faults = take(
        registry, tmp_path / "theirs.csv", mapping=mapping.load(tmp_path / "m.toml")
    )
    assert (done.added, faults) == (1, [])
    found = registry.entry("E-1")
    assert (found.device_type, found.manufacturer) == ("PPMID", "Zähler & Söhne")
    assert str(found.listed_on) == "2023-01-31"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("heading_row = 0", "counts from 1"),
        ("[[column]]\nheading = 'x'\nfield = 'nothing'", "must be one of"),
        ("delimiter = ';;'", "one character"),
        ("colour = 'red'", "not a known key"),
        ("[[column]]\nheading = 'x'", "field is missing"),
    ],
)
def test_no_mapping(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "m.toml").write_text(text)
    with pytest.raises(BadFile, match=message):
        mapping.load(tmp_path / "m.toml")


# --- what is wrong

MP231 = {"Firmware Version": "00000002", "Manufacturer Image Hash": "cd" * 32}
SECOND = MP231 | {"CPL Entry ID": "E-2", "Predecessor CPL Entry IDs": "E-1"}

FAULTS = {
    "duplicate ID": ([{}, {}], ["A3 (CPL Entry ID): E-1 is in row 2 already"]),
    "duplicate ID, other content": (
        [{}, MP231],
        ["A3 (CPL Entry ID): E-1 is in row 2 already"],
    ),
    "one hash, two versions": (
        [{}, SECOND | {"Manufacturer Image Hash": "ab" * 32}],
        [
            "row 2 (E-1): has the Manufacturer Image Hash of E-2 in row 3, but another "
            "manufacturer or version: one image has one version",
            "row 3 (E-2): has the Manufacturer Image Hash of E-1 in row 2, but another "
            "manufacturer or version: one image has one version",
        ],
    ),
    "one model, two device types": (
        [{}, SECOND | {"Device Type": "ESME"}],
        [
            "row 2 (E-1): is of another device type than E-2 in row 3, which is of the same model",
            "row 3 (E-2): is of another device type than E-1 in row 2, which is of the same model",
        ],
    ),
    "names itself": (
        [{"Predecessor CPL Entry IDs": "E-1"}],
        ["I2 (Predecessor CPL Entry IDs): the entry names itself"],
    ),
    "unknown device type": (
        [{"Device Type": "FRIDGE"}],
        ["B2 (Device Type): 'FRIDGE' must be one of: ESME, GSME, HCALCS, SAPC, PPMID, CH, IHD"],
    ),
    "hash of the wrong length": (
        [{"Manufacturer Image Hash": "ab" * 31}],
        [
            "F2 (Manufacturer Image Hash): 62 digits where a Manufacturer Image Hash (SHA-256) "
            "has 64; leading zeros lost?"
        ],
    ),
    "missing join option": (
        [{"ZigBee Join Option": ""}],
        [
            "H2 (ZigBee Join Option): it is empty: a new entry states one of the six join "
            "options; --existing takes entries from before MP231"
        ],
    ),
    "dual band": (
        [{"ZigBee Join Option": "Dual Band"}],
        [
            "H2 (ZigBee Join Option): only a Communications Hub can be Dual Band; --existing takes "
            "entries from before MP231"
        ],
    ),
    "hardware that contradicts": (
        [{"Hardware Version": "0200"}],
        [
            "M2 (Hardware Version): 0200 contradicts the Device Model 00050100, which ends in "
            "the hardware version"
        ],
    ),
    "dates that contradict": (
        [{"Listed On": "2024-01-02", "Expires On": "2024-01-01"}],
        ["N2 (Expires On): 2024-01-01 is before the entry was listed, 2024-01-02"],
    ),
    "two texts of a version": (
        [{"Firmware Version As Given": "00000010"}],
        ["M2 (Firmware Version As Given): it is another version than Firmware Version"],
    ),
    "several faults": (
        [
            {"CPL Status": ""},
            {},
            SECOND | {"CPL Entry ID": "a b", "Firmware Version": "1.0"},
        ],
        [
            "G2 (CPL Status): it is empty, and must not be",
            "A4 (CPL Entry ID): 'a b' is not a CPL Entry ID: at most 64 letters, digits and "
            ". _ / : -",
            "E4 (Firmware Version): '1.0' is not a firmware version: 8 hexadecimal digits",
        ],
    ),
}


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_every_faulty_cell_is_named(
    registry: Registry, tmp_path: Path, name: str, ending: str
) -> None:
    changes, expected = FAULTS[name]
    path = write_table(tmp_path / f"bad.{ending}", rows_of(*changes))
    found = refuse(registry, path)
    if name == "several faults":
        # E-1 stands in rows 2 and 3
        expected = [expected[0], "A3 (CPL Entry ID): E-1 is in row 2 already", *expected[1:]]
        assert sorted(found) == sorted(expected)
    else:
        assert found == expected


def write_table(path: Path, rows: list[list[str]]) -> Path:
    if path.suffix == ".csv":
        return write_rows(path, rows)
    workbook = openpyxl.Workbook()
    for row in rows:
        workbook.active.append([text or None for text in row])
    workbook.save(path)
    return path


def test_rows_that_contradict_the_registry(registry: Registry, tmp_path: Path) -> None:
    fill(registry, [entry(7, image_hash=bytes.fromhex("ab" * 32))])
    path = write_rows(tmp_path / "r.csv", rows_of({}))
    assert refuse(registry, path) == [
        "row 2 (E-1): has the Manufacturer Image Hash of E-7 in the registry, but another "
        "manufacturer or version: one image has one version"
    ]


def test_one_image_for_two_hardware_versions(registry: Registry, tmp_path: Path) -> None:
    both = [{}, {"CPL Entry ID": "E-2", "Device Model": "00050101"}]
    assert take(registry, write_rows(tmp_path / "r.csv", rows_of(*both)))[0].added == 2


def test_one_version_under_two_hashes(registry: Registry, tmp_path: Path) -> None:
    both = [{}, {"CPL Entry ID": "E-2", "Manufacturer Image Hash": "cd" * 32}]
    assert take(registry, write_rows(tmp_path / "r.csv", rows_of(*both)))[0].added == 2


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([], "it is empty"),
        ([["Device Type"], ["PPMID"]], "no heading 'CPL Entry ID'"),
        ([["CPL Entry ID", "Predecesors"]], "B1: 'Predecesors' is not a known heading"),
        ([["CPL Entry ID", "cpl_entry_id"]], "stands for the same as A1"),
    ],
)
def test_headings(registry: Registry, tmp_path: Path, rows: list[list[str]], why: str) -> None:
    assert why in refuse(registry, write_rows(tmp_path / "r.csv", rows))[0]


def test_a_cell_beside_the_columns(registry: Registry, tmp_path: Path) -> None:
    rows = rows_of({})
    rows[1].append("what is this?")
    assert refuse(registry, write_rows(tmp_path / "r.csv", rows)) == [
        "M2: a cell beside the columns"
    ]


# --- spreadsheets


def cell_at(row: int, heading: str) -> str:
    return address(row, list(ROW).index(heading))


@pytest.mark.parametrize(
    ("heading", "value", "cause"),
    [
        ("Firmware Version", "=1+1", "it holds a formula: replace it by its value"),
        ("CPL Status", '=IF(A2="","","Active")', "it holds a formula: replace it by its value"),
        ("Firmware Version", 1, "it is the number 1, not text: zeros may be lost"),
        (
            "Firmware Version",
            1e15,
            "it is the number 1000000000000000, not text: zeros may be lost",
        ),
        ("Device Model", 50100.5, "it is the number 50100.5, not text: zeros may be lost"),
        ("CPL Entry ID", 1.1, "it is the number 1.1, not text: zeros may be lost"),
        ("Predecessor CPL Entry IDs", 1.1, "it is the number 1.1, not text: zeros may be lost"),
        ("Predecessor CPL Entry IDs", datetime.date(2026, 1, 10), "it is the date 2026-01-10"),
        ("ZigBee Stack Version", datetime.time(3, 10), "it is the time 03:10:00"),
        ("ZigBee Stack Version", datetime.timedelta(hours=30), "it is the time 1 day, 6:00:00"),
        ("CPL Entry ID", True, "it is the truth value yes"),
        ("CPL Status", "#REF!", "it holds the error #REF!"),
    ],
)
def test_cells_that_are_no_text(
    registry: Registry, tmp_path: Path, heading: str, value: object, cause: str
) -> None:
    path = write_table(tmp_path / "r.xlsx", rows_of({}))
    workbook = openpyxl.load_workbook(path)
    workbook.active[cell_at(2, heading)] = value
    workbook.save(path)
    [fault] = refuse(registry, path)
    assert fault.startswith(f"{cell_at(2, heading)} ({heading}): {cause}")


def test_numbers_and_dates_where_they_are_meant(registry: Registry, tmp_path: Path) -> None:
    path = write_table(tmp_path / "r.xlsx", rows_of({"Listed On": "x", "Security Counter": "x"}))
    workbook = openpyxl.load_workbook(path)
    sheet = workbook.active
    sheet["M2"] = datetime.datetime(2023, 1, 31)
    sheet["N2"] = 3
    workbook.save(path)
    take(registry, path)
    found = registry.entry("E-1")
    assert (str(found.listed_on), found.security_counter) == ("2023-01-31", 3)


@pytest.mark.parametrize("merged", ["A2:A3", "B1:C1", "D4:F9"])
def test_merged_cells(registry: Registry, tmp_path: Path, merged: str) -> None:
    path = write_table(tmp_path / "r.xlsx", rows_of({}, SECOND))
    workbook = openpyxl.load_workbook(path)
    workbook.active.merge_cells(merged)
    workbook.save(path)
    assert "are merged" in refuse(registry, path)[0]


def test_several_worksheets(registry: Registry, tmp_path: Path) -> None:
    path = write_table(tmp_path / "r.xlsx", rows_of({}))
    workbook = openpyxl.load_workbook(path)
    workbook.active.title = "CPL"
    workbook.create_sheet("Notes")
    workbook.save(path)
    assert refuse(registry, path) == ["it has CPL, Notes"]
    chosen = mapping.ColumnMapping(layout=mapping.SheetLayout(sheet="CPL"))
    assert take(registry, path, mapping=chosen)[0].added == 1


# --- files that are none


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        ("CPL Entry ID\nZähler\n".encode("cp1252"), "line 2 has an octet 0xE4 that is not UTF-8"),
        ("CPL Entry ID\nE-1\n".encode("utf-16"), "it is UTF-16, not UTF-8"),
        (b"CPL Entry ID\n" * 5000 + b"\xff\n", "line 5001 has an octet 0xFF that is not UTF-8"),
        (b'CPL Entry ID\n"E-1\n', "is no CSV"),
        (b"PK\x03\x04 and nothing more", "no XLSX workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 64, "an Excel 97-2003 workbook"),
    ],
)
def test_files_of_another_kind(registry: Registry, tmp_path: Path, octets: bytes, why: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(octets)
    with pytest.raises(BadFile) as caught:
        import_file(registry, path, WHY)
    assert why in caught.value.why
    assert registry.entries() == []


def test_a_file_that_is_not_there(registry: Registry, tmp_path: Path) -> None:
    assert refuse(registry, tmp_path / "none.csv") == ["no such file or directory"]
    assert "directory" in refuse(registry, tmp_path)[0]


@pytest.mark.parametrize("cut", [1, 30, 200, 1000, 3000])
def test_a_workbook_cut_short(registry: Registry, tmp_path: Path, cut: int) -> None:
    path = write_table(tmp_path / "r.xlsx", rows_of({}))
    octets = path.read_bytes()
    path.write_bytes(octets[: len(octets) - cut])
    refuse(registry, path)


def test_memory_is_bounded_while_importing(registry: Registry, tmp_path: Path) -> None:
    """Ten times the rows, the same memory: what is held does not grow with the file."""

    def peak(count: int) -> int:
        path = tmp_path / f"{count}.csv"
        made = (
            entry(n, image_hash=digest(f"{count} {n}"), cpl_entry_id=f"{count}-{n}")
            for n in range(count)
        )
        write_entries(path, made)
        tracemalloc.start()
        take(registry, path, rules=EXISTING)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(500)
    assert peak(10_000) < 2 * peak(1000)


def test_progress_is_told(registry: Registry, tmp_path: Path) -> None:
    path = write_entries(tmp_path / "r.csv", [entry(n) for n in range(1200)])
    reported: list[tuple[int, int]] = []
    import_file(
        registry,
        path,
        WHY,
        rules=EXISTING,
        progress=lambda done, total: reported.append((done, total)),
    )
    assert reported[-1] == (path.stat().st_size, path.stat().st_size)
    assert len(reported) >= 2


def test_as_given_is_kept(registry: Registry, tmp_path: Path) -> None:
    take(registry, write_rows(tmp_path / "r.csv", rows_of({"Firmware Version": "0x0000AB01"})))
    found = registry.entry("E-1")
    assert (found.firmware_version, found.firmware_version_text) == (0xAB01, "0x0000AB01")


def test_fields_and_entries_agree() -> None:
    names = {field.name for field in dataclasses.fields(Entry)}
    assert {column.name for column in FIELDS} == names | {"hardware_version"}
