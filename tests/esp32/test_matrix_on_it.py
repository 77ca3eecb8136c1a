"""Every release against every other, as tests/matrix plays it, on the model of an ESP32."""
# ruff: noqa: F401

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_matrix import WANTED, folder, manufacturer, rows_of, run

pytestmark = pytest.mark.slow


def test_every_release_against_every_other(folder: Path) -> None:  # noqa: F811
    code, out, _ = run(folder, "--json", "--board", "esp32")
    document = json.loads(out)
    assert code == 0
    assert document["agrees"]
    assert rows_of(document) == WANTED
