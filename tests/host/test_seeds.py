"""The page of the four papers names tests that are there, and leaves no requirement out."""

from __future__ import annotations

import ast
import re

import pytest
from samples import ROOT

from hanboot.registry.fields import BY_NAME

PAGE = (ROOT / "docs" / "reference" / "seeds.md").read_text(encoding="utf-8")
_TEST = re.compile(r"`([a-z0-9_]+/test_\w+\.py)::(test_\w+)`")
#: How many rows each paper has.
ROWS = {"SECMP0009": 20, "MP231": 40, "SECMP0007": 23, "Firmware Distribution": 13}


def rows() -> list[tuple[str, list[str]]]:
    """Every row of the four tables: the paper's heading, and the cells."""
    found, heading = [], ""
    for line in PAGE.splitlines():
        if line.startswith("## "):
            heading = line[3:]
        elif re.match(r"\| \d+ \|", line):
            found.append((heading, [cell.strip() for cell in line.strip("|").split(" | ")]))
    return found


def functions_of(path: str) -> set[str]:
    tree = ast.parse((ROOT / "tests" / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("paper", ROWS)
def test_no_requirement_is_left_out(paper: str) -> None:
    numbers = [int(cells[0]) for heading, cells in rows() if heading.startswith(paper)]
    assert numbers == list(range(1, ROWS[paper] + 1))


def test_every_row_names_tests_that_are_there() -> None:
    known: dict[str, set[str]] = {}
    for heading, cells in rows():
        assert len(cells) == 5, cells
        named = _TEST.findall(cells[-1])
        assert named, (heading, cells)
        # nothing in the last cell but tests
        assert _TEST.sub("", cells[-1]).strip(", ") == "", cells
        for path, test in named:
            known.setdefault(path, functions_of(path))
            assert test in known[path], f"{path}::{test}"


def test_its_fields_are_fields() -> None:
    (table,) = re.findall(r"^## MP231.*?(?=^## )", PAGE, re.S | re.M)
    named = set(re.findall(r"`([a-z]+_[a-z_]+|contact|predecessors)`", table))
    assert named <= BY_NAME.keys(), named - BY_NAME.keys()
    assert {"predecessors", "zigbee_vendor", "zigbee_stack", "join_option", "contact"} <= named
