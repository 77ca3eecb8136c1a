"""A lab's keys and certificates, and the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command_line import Ran, hanboot
from dsp import Dsp

from hanboot.trust.smki import lab


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of keys and certificates; tests only read it."""
    folder = tmp_path_factory.mktemp("smki") / "pki"
    lab.new(folder)
    return folder


@pytest.fixture
def dsp(tmp_path: Path, pki: Path) -> Iterator[Dsp]:
    """The service, on SQLite."""
    made = Dsp(tmp_path, pki)
    yield made
    made.close()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """Runs `hanboot` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return hanboot
