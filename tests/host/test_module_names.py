"""Tests import what they share by its bare name: two modules of one name would stand in for each
other, whichever was imported first."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

TESTS = Path(__file__).parents[1]
_MANY = {"__init__", "__main__", "conftest"}


def test_each_name_stands_once() -> None:
    names = Counter(
        path.stem
        for path in TESTS.rglob("*.py")
        # applications and what is frozen into firmware are imported by no test
        if path.stem not in _MANY and "firmware" not in path.parts
    )
    assert len(names) > 100
    assert [name for name, count in names.items() if count > 1] == []
