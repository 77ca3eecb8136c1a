"""What real boards go through, on an emulated one: stock MicroPython with hanboot put on it, and
from development firmware through BOOTSEL to a product. The disk of BOOTSEL is a folder: the
emulator's USB has none."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from bootsel_disk import Disk
from click.testing import CliRunner
from rig import ROOT
from serial.tools import list_ports

from hanboot import cli
from hanboot.boards import bootsel
from hanboot.boards.rp2040 import Rp2040Board
from hanboot.device.client import Device
from hanboot.device.refusal import DeviceRefused
from hanboot.device.upgrade import upgrade
from hanboot.image.ota_file import Image

from .conftest import Maker, provision_keys

pytestmark = pytest.mark.slow

_STOCK = ROOT / "build" / "stock" / "RPI_PICO"


@pytest.fixture(scope="session")
def stock() -> Path:
    """Stock MicroPython for a Pico, as its makers configure it."""
    command = [sys.executable, str(ROOT / "boards" / "toolchain"), "rp2"]
    subprocess.run([*command, "--board-dir", "RPI_PICO", "--build", str(_STOCK)], check=True)
    return _STOCK / "firmware.uf2"


def _hanboot(*arguments: object) -> str:
    ran = CliRunner().invoke(cli.main, [str(argument) for argument in arguments])
    assert ran.exit_code == 0, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr


# provisioning and each start are seconds of the chip (docs/design/budgets.md), deploying is more:
# too long for every run, and on a busy machine longer than the host waits
@pytest.mark.long
def test_stock_micropython(stock: Path, tmp_path: Path, maker: Maker, v1: Image, v2: Image) -> None:
    port = f"virtual:{tmp_path / 'state'}"
    alien = maker.build("3.0", follows=(v2,))
    with Rp2040Board(tmp_path / "state", image=stock):
        reported = _hanboot("board", "deploy", "--port", port)
        assert "Raspberry Pi Pico with RP2040, micropython 1.25.0. NOT PROTECTED" in reported
        with Device(port) as device:
            provision_keys(device, maker)
            upgrade(device, v1.octets)
            with pytest.raises(DeviceRefused, match="not-a-predecessor"):
                device.upload(alien.octets)
            upgrade(device, v2.octets)
            assert device.identity().board == "stock MicroPython, NOT PROTECTED"


def test_from_development_firmware_to_a_product(
    firmware: Path,
    development: Path,
    tmp_path: Path,
    maker: Maker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    state, mounts = tmp_path / "state", tmp_path / "mounts"
    mounts.write_text("")
    ports: list[SimpleNamespace] = []
    monkeypatch.setattr(bootsel, "_MOUNTS", mounts)
    monkeypatch.setattr(list_ports, "comports", lambda: list(ports))
    product: list[Rp2040Board] = []

    def plug(board: Rp2040Board) -> None:
        ports[:] = [
            SimpleNamespace(
                device=board.port, vid=0x2E8A, pid=5, serial_number="E66138", description="Board"
            )
        ]

    def start_product(octets: bytes) -> None:
        (tmp_path / "taken.uf2").write_bytes(octets)
        product.append(Rp2040Board(state, image=tmp_path / "taken.uf2"))
        product[0].start()
        plug(product[0])

    disk = Disk(tmp_path / "disk", on_taken=start_product)

    def boot_rom() -> None:
        while not board.resets:
            threading.Event().wait(0.1)
        # the ROM has reset the chip into BOOTSEL, where the emulator does not follow
        ports.clear()
        board.stop()
        mounts.write_text(f"/dev/sda1 {disk.folder} vfat rw 0 0\n")

    board = Rp2040Board(state, image=development)
    rom = threading.Thread(target=boot_rom)
    try:
        with disk:
            board.start()
            plug(board)
            with Device(f"virtual:{state}") as device:
                provision_keys(device, maker)
            rom.start()
            reported = _hanboot("board", "flash", "--port", "usb:2e8a:0005", "--replace", firmware)
        assert "flashed PPMID product: back at" in reported
        # what it was given before is there
        assert "(rp2040_han), provisioned, with no application" in reported
    finally:
        if rom.is_alive():
            board.resets.append("end of test")
            rom.join()
        for running in product:
            running.stop()
