"""What a product's firmware must never do: give a prompt, or run code that is not frozen."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hanboot.boards.rp2040 import Rp2040Board
from hanboot.device.client import Device
from hanboot.device.upgrade import upgrade
from hanboot.image import romfs
from hanboot.image.ota_file import Image

from .conftest import BUILD, Maker

#: What the bootloader may take of the flash, frozen.
_FROZEN_BYTES = 64 * 1024

pytestmark = pytest.mark.slow


def test_no_key_gives_a_prompt(state: Path) -> None:
    shown: list[str] = []
    with Rp2040Board(state, on_text=shown.append) as board, Device(f"virtual:{state}") as device:
        device.identity()
        for keys in ("\x03\x03", "\x04", "\x01", "\x02", "import machine; machine.bootloader()"):
            device.smp.type_line(keys)
        device.identity()
        device.smp.texts(1.0)
        assert not [line for line in shown if ">>>" in line or "Error" in line]
        assert board.resets == []


def test_nothing_on_the_data_region_runs(
    state: Path, maker: Maker, v1: Image, tmp_path: Path
) -> None:
    source = tmp_path / "shadow.py"
    source.write_text("print('shadow')\n")
    octets = romfs.compile_module("shadow.py", source)
    names = ["_boot", "boot", "main", "board", "app", "sys", "lib/board", "bootloader/boot"]
    writes = f"""
    import asyncio, os

    async def main(services):
        for name in {names}:
            if "/" in name:
                os.mkdir(services.data + "/" + name.split("/")[0])
            for suffix, content in ((".mpy", {octets}), (".py", b"print('shadow')")):
                with open(services.data + "/" + name + suffix, "wb") as file:
                    file.write(content)
        services.confirm()
        while True:
            await asyncio.sleep_ms(50)
    """
    writer = maker.build("1.1 writes", writes, (v1,))
    shown: list[str] = []
    with Rp2040Board(state, on_text=shown.append) as board, Device(f"virtual:{state}") as device:
        upgrade(device, writer.octets)
        device.reset()
        device.wait_outcome(writer.image_hash)
        assert board.starts == 3
    assert "shadow" not in shown


def test_an_application_has_no_way_out(state: Path, maker: Maker, v1: Image, v2: Image) -> None:
    leaves = """
    import sys

    async def main(services):
        services.confirm()
        sys.exit()
    """
    leaving = maker.build("1.1 leaves", leaves, (v1,))
    after = maker.build("1.2", follows=(leaving,))
    with Rp2040Board(state) as board, Device(f"virtual:{state}") as device:
        upgrade(device, leaving.octets)
        # it ends at every start; the link is served long enough for its successor all the same
        upgrade(device, after.octets)
        assert "watchdog" not in board.resets


def test_the_bootloader_fits_its_budget(firmware: Path) -> None:
    report = json.loads(firmware.with_suffix(".size.json").read_text())
    assert report["frozen_bytes"] <= _FROZEN_BYTES


@pytest.mark.long  # a whole build
def test_same_inputs_same_octets(firmware: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(BUILD), "--out", str(tmp_path)], check=True)
    assert (tmp_path / firmware.name).read_bytes() == firmware.read_bytes()
