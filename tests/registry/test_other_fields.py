"""Fields that are none of ours: refused by name, or kept through import, export and history."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from registries import entry, write_entries, write_rows

from hanboot.registry.fields import BadValue, parse_other_fields

REASON = ("--reason", "a test", "--existing")


def with_columns(path: Path, **columns: str) -> Path:
    """E-1 with columns of others."""
    write_entries(path, [entry(1)])
    (heads, row) = csv.reader(path.open(encoding="utf-8-sig", newline=""))
    return write_rows(path, [[*heads, *columns], [*row, *columns.values()]])


def exported(run: Callable[..., Result], name: str, *more: str) -> Path:
    result = run("registry", "export", "-o", name, *more)
    assert result.exit_code == 0, result.output
    return Path(name)


def other_fields(path: Path) -> str:
    (row,) = csv.DictReader(path.open(encoding="utf-8-sig", newline=""))
    return row["Other Fields"]


def test_an_unknown_heading_is_refused(run: Callable[..., Result], tmp_path: Path) -> None:
    file = with_columns(tmp_path / "cpl.csv", Colour="blue")
    refused = run("registry", "import", file, *REASON)
    assert refused.exit_code == 5
    assert "'Colour' is not a known heading" in refused.stderr
    assert "--keep-unknown" in refused.stderr


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_unknown_columns_survive(run: Callable[..., Result], tmp_path: Path, form: str) -> None:
    values = {"Colour": "blue", "Tested By": 'Lab, Ltd; "A"', "Note": "=1+1"}
    file = with_columns(tmp_path / "cpl.csv", **values)
    result = run("registry", "import", file, *REASON, "--keep-unknown")
    assert result.exit_code == 0, result.output
    out = exported(run, f"out.{form}")
    # into another registry, without the option: the column is one of ours now
    result = run("registry", "import", out, *REASON, "--registry", "other.db")
    assert result.exit_code == 0, result.output
    again = exported(run, "again.csv", "--registry", "other.db")
    assert json.loads(other_fields(again)) == values
    # what everyone sees is the CPL alone
    assert "blue" not in exported(run, "public.csv", "--role", "everyone").read_text()


def test_they_are_corrected_and_removed(run: Callable[..., Result], tmp_path: Path) -> None:
    option = (*REASON, "--keep-unknown", "--correct")
    for columns, left in (
        ({"Colour": "blue", "Size": "small"}, {"Colour": "blue", "Size": "small"}),
        # a column that the file lacks stays, an empty cell removes
        ({"Colour": "red"}, {"Colour": "red", "Size": "small"}),
        ({"Colour": ""}, {"Size": "small"}),
        ({"Size": ""}, {}),
    ):
        path = tmp_path / "cpl.csv"
        without = [c for c in csv.reader(with_columns(path, **columns).open(encoding="utf-8"))]
        at = without[0].index("Other Fields")
        write_rows(path, [row[:at] + row[at + 1 :] for row in without])
        result = run("registry", "import", path, *option)
        assert result.exit_code == 0, result.output
        assert json.loads(other_fields(exported(run, "out.csv")) or "{}") == left
    assert "other_fields: " in run("registry", "history", "E-1").stdout
    assert run("registry", "history", "--verify").exit_code == 0


@pytest.mark.parametrize(
    "text",
    [
        "blue",
        "[1]",
        '{"Colour": 1}',
        '{"": "x"}',
        '{"Colour": "a\\u0000b"}',
        "[" * 100_000,
        json.dumps({f"F{n}": "x" * 4000 for n in range(9)}),
    ],
)
def test_what_is_no_other_field(text: str) -> None:
    with pytest.raises(BadValue):
        parse_other_fields(text)
