"""Signatures are remembered, and the smallest releases known, in these tests alone."""

from __future__ import annotations

from collections.abc import Iterator

import cases
import pytest


@pytest.fixture(autouse=True, scope="package")
def _prepared() -> Iterator[None]:
    cases.prepare()
    yield
    cases.undo()
