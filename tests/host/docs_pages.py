"""The pages of the documentation, and what stands in them."""

from __future__ import annotations

import re

import pytest
from samples import ROOT

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
TEXTS = {page: page.read_text(encoding="utf-8") for page in PAGES}
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def text_of(name: str) -> str:
    (page,) = (page for page in PAGES if page.name == name)
    return TEXTS[page]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.S | re.M)


def section(text: str, heading: str) -> str:
    found = re.search(rf"^(#+) {re.escape(heading)}\n(.*?)(?=^\1 |\Z)", text, re.S | re.M)
    assert found, heading
    return found[2]


def tables(text: str) -> list[list[list[str]]]:
    """Every table as rows of cells, its heading first."""
    found = []
    for lines in re.findall(r"(?:^\|.*\n)+", text, re.M):
        rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines.splitlines()]
        found.append([[cell.strip() for cell in row] for row in rows if set(row[0]) != set("-")])
    return found
