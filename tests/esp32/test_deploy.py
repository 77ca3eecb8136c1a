"""`hanboot board deploy` on an ESP32 with stock MicroPython, with and without partitions of ours.

The board is a process on the model of the chip.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import assert_error, hanboot
from rig import TOP_UP, ReleaseImages, is_topped_up
from stock_board import StockBoard, stock_flash

from hanboot.boards.esp32.model import blank_flash
from hanboot.boards.prompt import Prompt
from hanboot.device.client import Device
from hanboot.device.provisioning import provision

pytestmark = pytest.mark.slow

EUI64 = "a4e57cfffe0102ff"


@pytest.fixture(scope="module")
def deployed_flash(firmware: ReleaseImages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a board with partitions that was deployed to and provisioned; to be copied, not used."""
    flash = tmp_path_factory.mktemp("deployed") / "flash.bin"
    flash.write_bytes(blank_flash())
    with StockBoard(flash, is_esp32=True) as board:
        ran = hanboot("board", "deploy", "--port", board.port)
        assert ran.code == 0, ran.err
        assert "stock MicroPython on an ESP32, NOT PROTECTED" in ran.out
        assert "waiting for hanboot to start" in ran.err
        assert "KB of heap left" in ran.err
        with Device(board.port) as device:
            provision(device, firmware.pairs.anchors())
    return flash


@pytest.fixture
def deployed(deployed_flash: Path, flash: Path) -> Iterator[StockBoard]:
    shutil.copy(deployed_flash, flash)
    with StockBoard(flash, is_esp32=True) as board:
        yield board


def test_upgrades_in_partitions(deployed: StockBoard, firmware: ReleaseImages) -> None:
    port = ("--port", deployed.port)
    status = hanboot("status", *port, "--json").document
    assert status["serial"] == EUI64
    assert status["slot_bytes"] == 512 * 1024
    v100, v110, v200 = firmware.files("ppmid/1.0.0", "ppmid/1.1.0", "ppmid/2.0.0")
    assert hanboot("upgrade", *port, v100).code == 0
    assert_error(hanboot("upgrade", *port, v200), 1, "not-a-predecessor", "install 01010000")
    assert is_topped_up(deployed.credit(f"top-up {TOP_UP}"))
    ran = hanboot("upgrade", *port, v110, v200)
    assert ran.code == 0, ran.err
    assert is_topped_up(deployed.credit("balance"))

    # one that hangs: three starts, each ended by the watchdog, and the release before it is back
    resets = len(deployed.resets)
    (hangs,) = firmware.files("ppmid/2.1.0-hangs")
    ran = hanboot("upgrade", *port, hangs, "--json")
    assert ran.code == 1, ran.err
    assert ran.document["reason"]["name"] == "trial-hung"
    assert deployed.resets[resets:].count("watchdog") == 3
    assert is_topped_up(deployed.credit("balance"))

    # deployed once more, it is the device that it was; as another role it is another one
    ran = hanboot("board", "deploy", *port, "--json")
    assert ran.code == 0, ran.err
    assert ran.document["running"]["file_version"] == 0x02000000
    assert_error(hanboot("board", "deploy", *port, "--role", "ihd"), 1, "holds another product")
    ran = hanboot("board", "deploy", *port, "--role", "ihd", "--replace", "--json")
    assert (ran.document["device_type"], ran.document["provisioned"]) == ("IHD", False)


def test_the_prompt_keeps_the_watchdog_quiet(deployed: StockBoard) -> None:
    with Device(deployed.port) as device:
        device.identity()
    with Prompt(deployed.port) as prompt:
        assert prompt.literal("import chip; print(chip._watchdog is not None)")
        assert prompt.literal("import machine; print(machine.timers)") == 1


def test_files_on_the_table_that_it_came_with(flash: Path, firmware: ReleaseImages) -> None:
    flash.write_bytes(stock_flash())
    with StockBoard(flash, is_esp32=True) as board:
        port = ("--port", board.port)
        ran = hanboot("board", "deploy", *port, "--json")
        assert ran.code == 0, ran.err
        assert ran.document["board"] == "stock MicroPython, NOT PROTECTED"
        assert ran.document["serial"] == EUI64
        with Device(board.port) as device:
            provision(device, firmware.pairs.anchors())
        assert hanboot("upgrade", *port, *firmware.files("ppmid/1.0.0")).code == 0
        refused = hanboot("upgrade", *port, *firmware.files("ppmid/2.0.0"))
        assert_error(refused, 1, "not-a-predecessor")
