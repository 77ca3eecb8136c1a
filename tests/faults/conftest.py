"""Signatures are remembered, and the smallest releases known, in these tests alone."""

from __future__ import annotations

from collections.abc import Iterator

import cases
import pytest


# of a module: a package without __init__.py is none to pytest, and its fixtures last to the end
@pytest.fixture(autouse=True, scope="module")
def _prepared() -> Iterator[None]:
    cases.prepare()
    yield
    cases.undo()
