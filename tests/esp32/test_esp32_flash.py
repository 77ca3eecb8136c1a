"""`hanboot board flash --chip esp32`, with esptool against a ROM loader that is played."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import esp_images
import pytest
from command_line import Ran, assert_error, hanboot
from rig import ROOT, Bench
from rom_loader import RomLoader
from stock_board import StockBoard

from hanboot.boards import prompt
from hanboot.boards.esp32 import chips, esptool, flash, table
from hanboot.boards.esp32.chips import APP_AT, PARTITIONS, TABLE_AT
from hanboot.boards.esp32.model import blank_flash
from hanboot.link.serial import SerialTransport

pytestmark = pytest.mark.slow

ESP32 = chips.by_name("esp32")
#: A stock image, which `make setup` brings.
STOCK_IMAGE = ROOT / ".toolchain" / "esp32" / "ESP32_GENERIC-1.25.0.bin"
#: Of what plays the started board (tests/support/stock_chip.py).
STARTED = bytes.fromhex("a4e57cfffe0102ff")
TABLE = table.load(PARTITIONS).encode()


@pytest.fixture
def loader(monkeypatch: pytest.MonkeyPatch) -> Iterator[RomLoader]:
    """Which never starts what is written."""
    monkeypatch.setattr(flash, "_BACK_S", 0.1)
    monkeypatch.setattr(prompt, "_SILENCE_S", 0.2)
    with RomLoader(ESP32) as there:
        yield there


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[StockBoard]:
    """The board that MicroPython starts on, at another port than the loader's."""
    (tmp_path / "started.bin").write_bytes(blank_flash())
    with StockBoard(tmp_path / "started.bin", is_esp32=True) as board:
        wait_back = flash._wait_back
        monkeypatch.setattr(
            flash,
            "_wait_back",
            # the two chips are two processes, each with an address of its own
            lambda port, content, serial: wait_back(board.port, content, STARTED),
        )
        yield board


def _flash(file: Path, port: str, *more: object, chip: str = "esp32") -> Ran:
    return hanboot("board", "flash", "--chip", chip, "--firmware", file, "--port", port, *more)


def test_written_and_verified(
    file: Path, tmp_path: Path, loader: RomLoader, starts: StockBoard
) -> None:
    # another file system, where a region will be
    loader.write(0x210000, b"littlefs" * 32, tmp_path)
    ran = _flash(file, loader.port, "--json")
    assert ran.code == 0, ran.err
    assert (ran.document["verified"], ran.document["kept"]) == (True, False)
    assert ran.document["partitions"]["slot0"] == [0x214000, 512 * 1024]
    assert ran.document["micropython"] == esp_images.VERSION
    assert "next: hanboot board deploy" in ran.err
    assert loader.read(TABLE_AT, len(TABLE), tmp_path) == TABLE
    app = esp_images.app(ESP32)
    assert loader.read(APP_AT, len(app), tmp_path) == app
    assert loader.read(0x210000, 256, tmp_path) == b"\xff" * 256
    # the header says now how much flash there is
    assert loader.read(0x1000, 4, tmp_path) == b"\xe9\x01\x02\x20"

    # and again: what its partitions hold stays
    loader.write(0x210000, b"journal" * 32, tmp_path)
    ran = _flash(file, loader.port)
    assert ran.code == 0, ran.err
    assert "stay as they are" in ran.err
    assert loader.read(0x210000, 7, tmp_path) == b"journal"


def test_micropython_s_own_image(tmp_path: Path, loader: RomLoader, starts: StockBoard) -> None:
    """1.7 MB, as it is published: all that was to be written is there, octet for octet."""
    ran = _flash(STOCK_IMAGE, loader.port, "--json")
    assert ran.code == 0, ran.err
    assert ran.document["verified"] is True
    assert ran.document["micropython"] == "v1.25.0"
    octets = STOCK_IMAGE.read_bytes()
    # the file begins at 0x1000 of flash
    app = octets[APP_AT - 0x1000 :]
    assert len(app) > 1_600_000
    assert loader.holds(APP_AT, app, tmp_path)
    assert not loader.holds(APP_AT, app[:-1] + bytes((app[-1] ^ 1,)), tmp_path)
    assert loader.read(TABLE_AT, len(TABLE), tmp_path) == TABLE
    # the second-stage bootloader, but for its flash size
    assert loader.read(0x1004, 4096, tmp_path) == octets[4:4100]


def test_what_is_there_is_named_first(file: Path, tmp_path: Path, loader: RomLoader) -> None:
    loader.write(TABLE_AT, esp_images.TABLE.encode(), tmp_path)
    ran = _flash(file, loader.port)
    assert_error(ran, 1, "holds something else", "factory (0x10000 to 0x200000)", "--replace")
    assert loader.read(APP_AT, 4, tmp_path) == b"\xff" * 4


def test_it_does_not_start(file: Path, loader: RomLoader) -> None:
    assert_error(_flash(file, loader.port), 4, "was written and verified, and does not start")


def test_another_board_starts(
    file: Path, loader: RomLoader, starts: StockBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.STARTED", bytes(range(8)))
    held = ("00-01-02-03-04-05-06-07 answered before", "a4-e5-7c-ff-fe-01-02-ff answers now")
    assert_error(_flash(file, loader.port), 3, "leads to another device now", *held)


def test_another_chip(tmp_path: Path, loader: RomLoader) -> None:
    file = tmp_path / "s3.bin"
    file.write_bytes(esp_images.micropython(chips.by_name("esp32s3")))
    ran = _flash(file, loader.port, chip="esp32s3")
    assert_error(ran, 1, "is not an ESP32-S3", "it is an ESP32; nothing was written")
    assert "was not tried on an ESP32-S3" in ran.err


def test_no_loader_answers(file: Path) -> None:
    """A board that runs something of its own, or nothing."""
    master, slave = os.openpty()
    try:
        ran = _flash(file, os.ttyname(slave))
    finally:
        os.close(master)
        os.close(slave)
    assert_error(ran, 4, "answers as its ROM loader", "nothing was written", "hold BOOT")


# --- before esptool is asked


def test_no_port(file: Path, tmp_path: Path) -> None:
    assert_error(_flash(file, str(tmp_path / "ttyUSB0")), 3, "cannot open")


def test_a_port_that_somebody_holds(file: Path, loader: RomLoader) -> None:
    with SerialTransport(loader.port):
        assert_error(_flash(file, loader.port), 3, "is in use", "close the program")


def test_a_board_of_this_machine(file: Path, ppmid: Bench) -> None:
    assert_error(_flash(file, ppmid.port), 1, "is no board that can be flashed")


def test_a_provisioned_device(file: Path, ppmid: Bench) -> None:
    ran = _flash(file, ppmid.board.port)
    assert_error(ran, 1, "holds a provisioned device", "PPMID", "--replace")


def test_an_image_for_a_pico_and_the_other_way_round(file: Path, tmp_path: Path) -> None:
    uf2 = tmp_path / "pico.uf2"
    uf2.write_bytes(b"UF2\n" + bytes(508))
    assert_error(_flash(uf2, "/dev/null"), 5, "it is a UF2 file", "without --chip")
    ran = hanboot("board", "flash", file, "--port", "/dev/null")
    assert_error(ran, 5, "an image for an ESP32", "--chip esp32 --firmware")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--chip", "esp32"),
        ("--chip", "esp32", "--firmware", "f"),
        ("--chip", "esp32", "--firmware", "f", "--port", "p", "--role", "ihd"),
        ("--chip", "esp32", "--firmware", "f", "g", "--port", "p"),
        ("--chip", "esp8266", "--firmware", "f", "--port", "p"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...]) -> None:
    assert hanboot("board", "flash", *arguments).code == 2


# --- esptool itself


def test_no_esptool(file: Path, monkeypatch: pytest.MonkeyPatch, loader: RomLoader) -> None:
    monkeypatch.setattr(esptool, "PROGRAM", "esptool-that-is-not-there")
    assert_error(_flash(file, loader.port), 3, "no esptool", "pip install")


def _pretend(folder: Path, monkeypatch: pytest.MonkeyPatch, output: str, code: int) -> None:
    program = folder / "esptool"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{output}\nEND\nexit {code}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


@pytest.mark.parametrize(
    ("output", "code", "exit_code", "holds"),
    [
        ("esptool.py v4.8.1\nDetected flash size: 4MB", 0, 1, "esptool 4.8.1 is too old"),
        ("esptool v5.6.0\nDetected flash size: 2MB", 0, 1, "has too little flash"),
        ("esptool v5.6.0\nnothing known", 0, 4, "does not say how much flash"),
        (
            "esptool v5.6.0\nA fatal error occurred: Could not open /dev/x, the port is busy",
            2,
            3,
            "cannot open",
        ),
        ("esptool v5.6.0\nConnected to ESP32\nA fatal error occurred: Lost it", 2, 4, "broke off"),
        ("", 1, 4, "broke off"),
    ],
)
def test_what_esptool_says(
    file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    output: str,
    code: int,
    exit_code: int,
    holds: str,
) -> None:
    _pretend(tmp_path, monkeypatch, output, code)
    master, slave = os.openpty()
    try:
        assert_error(_flash(file, os.ttyname(slave)), exit_code, holds)
    finally:
        os.close(master)
        os.close(slave)
