"""`hanboot board deploy`, on a board with stock MicroPython that is a process. (On the emulated
chip: tests/rp2040.)"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bootsel_disk import Disk, play_product
from bootsel_disk import firmware as make_firmware
from command_line import assert_error, hanboot
from rig import TOP_UP, Bench, ReleaseImages, is_topped_up
from stock_board import StockBoard

from hanboot.boards import bootsel, flashing, prompt, stock
from hanboot.boards.prompt import Prompt
from hanboot.cli import discovery
from hanboot.device.client import Device
from hanboot.device.provisioning import provision

pytestmark = pytest.mark.slow


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[StockBoard]:
    with StockBoard(tmp_path / "flash.bin") as board:
        yield board


@pytest.fixture(scope="module")
def deployed_flash(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Flash of a board that was deployed to; to be copied, not used."""
    flash = tmp_path_factory.mktemp("deployed") / "flash.bin"
    with StockBoard(flash) as board:
        ran = hanboot("board", "deploy", "--port", board.port)
        assert ran.code == 0, ran.err
    return flash


@pytest.fixture
def deployed(deployed_flash: Path, tmp_path: Path) -> Iterator[StockBoard]:
    shutil.copy(deployed_flash, tmp_path / "flash.bin")
    with StockBoard(tmp_path / "flash.bin") as board:
        yield board


def _files(board: StockBoard) -> dict[str, int]:
    with Prompt(board.port) as there:
        listed = there.literal("import os; print(list(os.ilistdir('/')))")
    return {entry[0]: entry[3] for entry in listed}


def _type(board: StockBoard, code: str) -> None:
    with Prompt(board.port) as there:
        there.run(code)


def test_from_a_bare_board_to_a_refused_upgrade(bare: StockBoard, firmware: ReleaseImages) -> None:
    port = ("--port", bare.port)
    ran = hanboot("board", "deploy", *port)
    assert ran.code == 0, ran.err
    assert "NOT PROTECTED" in ran.err
    assert "stock MicroPython, NOT PROTECTED" in ran.out
    assert "next: hanboot board provision" in ran.err
    status = hanboot("status", *port)
    assert "stock MicroPython, NOT PROTECTED" in status.out

    with Device(bare.port) as device:
        provision(device, firmware.pairs.anchors())
    v100, v110, v200 = firmware.files("ppmid/1.0.0", "ppmid/1.1.0", "ppmid/2.0.0")
    assert hanboot("upgrade", *port, v100).code == 0
    refused = hanboot("upgrade", *port, v200)
    assert_error(refused, 1, "not-a-predecessor", "install 01010000")
    assert is_topped_up(bare.credit(f"top-up {TOP_UP}"))
    ran = hanboot("upgrade", *port, v110, v200)
    assert ran.code == 0, ran.err
    assert is_topped_up(bare.credit("balance"))
    with Device(bare.port) as device:
        assert [event.kind for event in device.history()] == ["confirmed"] * 3


def test_again_keeps_what_it_was(deployed: StockBoard, firmware: ReleaseImages) -> None:
    port = ("--port", deployed.port)
    with Device(deployed.port) as device:
        provision(device, firmware.pairs.anchors())
    (v100,) = firmware.files("ppmid/1.0.0")
    assert hanboot("upgrade", *port, v100).code == 0
    ran = hanboot("board", "deploy", *port, "--json")
    assert ran.code == 0, ran.err
    assert ran.document["provisioned"]
    assert ran.document["protected"] is False
    assert ran.document["running"]["file_version"] == 0x01000000


def test_another_role_is_another_product(deployed: StockBoard) -> None:
    port = ("--port", deployed.port)
    ran = hanboot("board", "deploy", *port, "--role", "ihd")
    assert_error(ran, 1, "holds another product", "it plays PPMID", "--replace")
    ran = hanboot("board", "deploy", *port, "--role", "ihd", "--replace", "--json")
    assert ran.document["device_type"] == "IHD"
    assert not ran.document["provisioned"]
    # and stays so if no other is given
    assert hanboot("board", "deploy", *port, "--json").document["device_type"] == "IHD"


# --- refused before an octet is written


def test_a_program_of_somebody_s(bare: StockBoard) -> None:
    _type(bare, "f = open('main.py', 'w'); f.write('print(1)'); f.close()")
    ran = hanboot("board", "deploy", "--port", bare.port)
    assert_error(ran, 1, "holds a program of its own", "main.py", "--replace")
    assert _files(bare) == {"main.py": 8}
    assert hanboot("board", "deploy", "--port", bare.port, "--replace").code == 0


def test_a_board_that_was_found(deployed: StockBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "only_board", lambda: deployed.port)
    ran = hanboot("board", "deploy")
    assert_error(ran, 2, "--port is missing", "e6-61-38-52-83-2f-1a-2b", "nothing was written")


def test_another_board_at_the_prompt(deployed: StockBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    """hanboot answered, and behind the same name is another chip when the prompt is opened."""
    look = stock._LOOK.replace("machine.unique_id()", "bytes(range(8))")
    monkeypatch.setattr(stock, "_LOOK", look)
    ran = hanboot("board", "deploy", "--port", deployed.port)
    held = ("e6-61-38-52-83-2f-1a-2b answered before", "00-01-02-03-04-05-06-07 answers now")
    assert_error(ran, 3, "leads to another device now", *held)
    assert "NOT PROTECTED" not in ran.err
    assert _files(deployed)["main.py"]


def test_another_board_after_the_reset(
    bare: StockBoard, ppmid: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = tmp_path / "port"
    link.symlink_to(bare.port)
    leave = Prompt.leave

    def swap(self: Prompt, code: str) -> None:
        leave(self, code)
        link.unlink()
        link.symlink_to(ppmid.board.port)

    monkeypatch.setattr(Prompt, "leave", swap)
    ran = hanboot("board", "deploy", "--port", link)
    found = ppmid.identity().serial.hex("-")
    assert_error(ran, 3, "e6-61-38-52-83-2f-1a-2b answered before", f"{found} answers now")


def test_a_full_disk(bare: StockBoard) -> None:
    _type(bare, "f = open('data', 'wb'); [f.write(bytes(4096)) for _ in range(280)]; f.close()")
    ran = hanboot("board", "deploy", "--port", bare.port)
    assert_error(ran, 1, "has no room", "are needed; nothing was written")
    assert _files(bare) == {"data": 280 * 4096}


def test_bytecode_of_another_version(bare: StockBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = stock.compiled

    def newer(*there: Any) -> dict[str, bytes]:
        found = compiled(*there)
        return {
            path: octets[:1] + b"\x07" + octets[2:] if path.endswith(".mpy") else octets
            for path, octets in found.items()
        }

    monkeypatch.setattr(stock, "compiled", newer)
    ran = hanboot("board", "deploy", "--port", bare.port)
    assert_error(ran, 1, "cannot run these modules", "reads .mpy version 6, and these are 7")
    assert _files(bare) == {}


def test_a_module_is_missing(bare: StockBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stock, "_LOOK", stock._LOOK.replace("'asyncio'", "'asyncoi'"))
    ran = hanboot("board", "deploy", "--port", bare.port)
    assert_error(ran, 1, "lacks what hanboot needs", "has no module asyncoi")


def test_a_product_has_no_prompt(ppmid: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = hanboot("board", "deploy", "--port", ppmid.port)
    assert_error(ran, 1, "is no board with stock MicroPython", "hanboot is in its firmware")
    # nor does one answer at a prompt
    monkeypatch.setattr(prompt, "_SILENCE_S", 0.5)
    monkeypatch.setattr(Device, "probe", lambda self: None)
    ran = hanboot("board", "deploy", "--port", ppmid.port)
    assert_error(ran, 4, "no MicroPython prompt")
    assert ppmid.identity().provisioned


# --- in the middle


def test_unplugged_in_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_file = Prompt.write_file
    with StockBoard(tmp_path / "flash.bin") as board:

        def unplugging(self: Prompt, path: str, *arguments: Any) -> None:
            write_file(self, path, *arguments)
            if "bootloader/device" in path:
                board.unplug()

        monkeypatch.setattr(Prompt, "write_file", unplugging)
        ran = hanboot("board", "deploy", "--port", board.port)
        assert_error(ran, 4, "lost", "plug it in again and repeat the command")
    monkeypatch.undo()
    with StockBoard(tmp_path / "flash.bin") as board:
        # nothing starts half of it
        assert "main.py" not in _files(board)
        assert hanboot("board", "deploy", "--port", board.port).code == 0


def test_no_port(tmp_path: Path) -> None:
    ran = hanboot("board", "deploy", "--port", tmp_path / "ttyACM0")
    assert_error(ran, 3, "cannot open")


# --- from a prompt to BOOTSEL


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "hanboot-ppmid.uf2"
    path.write_bytes(make_firmware())
    return path


def test_flashing_over_what_is_there(
    deployed: StockBoard, firmware: ReleaseImages, file: Path
) -> None:
    port = ("--port", deployed.port)
    with Device(deployed.port) as device:
        provision(device, firmware.pairs.anchors())
    ran = hanboot("board", "flash", *port, file)
    assert_error(ran, 1, "holds a provisioned device", "PPMID", "--replace")
    file.write_bytes(make_firmware("ihd"))
    ran = hanboot("board", "flash", *port, file)
    assert_error(ran, 1, "holds another product", "the file is IHD product")
    assert deployed.starts == 1


def test_flashing_over_files(bare: StockBoard, file: Path) -> None:
    _type(bare, "f = open('notes.txt', 'w'); f.write('x'); f.close()")
    ran = hanboot("board", "flash", "--port", bare.port, file)
    # the process is of the unix port, which is not what may be flashed
    assert_error(ran, 1, "is no RP2040")


def test_from_a_prompt_to_the_disk(
    tmp_path: Path, file: Path, ppmid: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("")
    monkeypatch.setattr(bootsel, "_MOUNTS", mounts)
    # what plays the chip is no RP2040
    look = flashing._LOOK_ROUND.replace("sys.implementation._machine", "'Pico with RP2040'")
    monkeypatch.setattr(flashing, "_LOOK_ROUND", look)
    play_product(monkeypatch)
    # nor has the board that comes back the serial of that process
    serial = ppmid.identity().serial
    monkeypatch.setattr(flashing, "eui64", lambda chip_id: serial)
    disk = Disk(tmp_path / "disk")

    def show_disk() -> None:
        mounts.write_text(f"/dev/sda1 {disk.folder} vfat rw 0 0\n")

    with StockBoard(tmp_path / "flash.bin", on_bootloader=show_disk) as board, disk:
        link = tmp_path / "port"
        link.symlink_to(board.port)
        # the same name leads to another board once the firmware is another
        disk._on_taken = lambda octets: (link.unlink(), link.symlink_to(ppmid.board.port))
        _type(board, "f = open('notes.txt', 'w'); f.write('x'); f.close()")
        ran = hanboot("board", "flash", "--port", link, file)
        assert_error(ran, 1, "holds a program or data of its own", "notes.txt", "--replace")
        assert disk.files == ["INDEX.HTM", "INFO_UF2.TXT"]
        ran = hanboot("board", "flash", "--port", link, file, "--replace")
    assert ran.code == 0, ran.err
    assert "provisioned, with 01000000 (1.0.0.0)" in ran.out


def test_another_board_comes_back_from_the_disk(
    tmp_path: Path, file: Path, ppmid: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    play_product(monkeypatch)
    monkeypatch.setattr(flashing, "_wait_disk", lambda before: bootsel.read(disk.folder))
    look = flashing._LOOK_ROUND.replace("sys.implementation._machine", "'Pico with RP2040'")
    monkeypatch.setattr(flashing, "_LOOK_ROUND", look)
    disk = Disk(tmp_path / "disk")
    with StockBoard(tmp_path / "flash.bin") as board, disk:
        link = tmp_path / "port"
        link.symlink_to(board.port)
        disk._on_taken = lambda octets: (link.unlink(), link.symlink_to(ppmid.board.port))
        ran = hanboot("board", "flash", "--port", link, file)
    found = ppmid.identity().serial.hex("-")
    assert_error(ran, 3, "e6-61-38-52-83-2f-1a-2b answered before", f"{found} answers now")
