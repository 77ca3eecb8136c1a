"""The fixtures of tests/e2e, with the model of an ESP32 in the place of the virtual board."""

import sys
from pathlib import Path

import esp_images
import pytest
from device_fixtures import *  # noqa: F403
from rig import ROOT, ReleaseImages, States

from hanboot.boards.esp32 import chips
from hanboot.boards.esp32.model import Esp32Board

for _folder in ("e2e", "matrix"):
    sys.path.append(str(ROOT / "tests" / _folder))


@pytest.fixture(scope="session")
def states(firmware: ReleaseImages, tmp_path_factory: pytest.TempPathFactory) -> States:
    return States(tmp_path_factory.mktemp("esp32"), firmware, Esp32Board)


@pytest.fixture
def flash(tmp_path: Path) -> Path:
    """Where a board of a test has its flash."""
    return tmp_path / "flash.bin"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """An image of MicroPython for an ESP32."""
    path = tmp_path / "micropython.bin"
    path.write_bytes(esp_images.micropython(chips.by_name("esp32")))
    return path
