"""A hub and devices in one home, with a time of their own."""

from __future__ import annotations

import pytest
from home import Home


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Home:
    return Home(monkeypatch)
