"""smpmgr, unmodified, to a board whose line keeps 259 bytes: it obeys the buf_size it reads."""

import subprocess
import sys
from pathlib import Path

import pytest
from rig import ReleaseImages, States
from ring_line import ring_line

from hanboot.boards.esp32.model import Esp32Board
from hanboot.device.client import Device

SMPMGR = Path(sys.executable).with_name("smpmgr")

pytestmark = pytest.mark.skipif(
    not SMPMGR.exists(), reason="smpmgr is not here: it needs Python 3.11"
)


def test_an_upload(firmware: ReleaseImages, tmp_path: Path) -> None:
    states = States(tmp_path, firmware, Esp32Board)
    (file,) = firmware.files("ppmid/1.1.0")
    with states.bench(states.installed("ppmid/1.0.0")) as bench:
        with ring_line(bench.board.port, 259, 20) as line:
            command = [SMPMGR, "--port", line.port, "image", "upload", "--format", "any", file]
            done = subprocess.run(command, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr
            assert line.dropped == 0
        with Device(bench.port) as device:
            assert device.wait_verified().offered.file_version == 0x01010000
