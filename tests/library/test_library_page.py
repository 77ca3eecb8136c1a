"""The guide shows the permissions that the code has."""

from pathlib import Path

from hanboot.library.permissions import markdown

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "library.md"


def test_the_page_shows_the_table() -> None:
    assert markdown() in PAGE.read_text()
