"""The pages on the library show what the code has, and name tests that exist."""

import re
from pathlib import Path

from hanboot.library.permissions import markdown

DOCS = Path(__file__).parents[2] / "docs"
AREAS = (
    "authentication", "sessions", "access", "validation", "files", "API",
    "evidence", "configuration",
)  # fmt: skip


def test_the_page_shows_the_table() -> None:
    assert markdown() in (DOCS / "guide" / "library.md").read_text()


def test_every_area_of_security_has_tests_that_exist() -> None:
    rows = re.findall(
        r"^\| (.+?) \| .+? \| (.+?) \|$",
        (DOCS / "design" / "library-security.md").read_text(),
        re.M,
    )[1:]
    named = [(area, name) for area, tests in rows for name in re.findall(r"`(\w+)`", tests)]
    assert {area for area, _ in named} == set(AREAS)
    there = {
        name
        for file in Path(__file__).parent.glob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", file.read_text(), re.M)
    }
    assert [name for _, name in named if name not in there] == []
