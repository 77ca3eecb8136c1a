"""`hanboot board flash`: the disk of BOOTSEL is a folder, and the board that comes back a virtual
one. (What machine.bootloader() does is seen on the emulated chip, tests/rp2040.)"""

from __future__ import annotations

import contextlib
import os
import re
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from bootsel_disk import RP2350, Disk, firmware, make_uf2, play_product
from command_line import assert_error, hanboot
from rig import ROOT, Bench, States
from serial.tools import list_ports

from hanboot.boards import bootsel, flashing, uf2

_RP2350_ARM = 0xE48BFF59


class Usb:
    """What is plugged in."""

    def __init__(self) -> None:
        self.ports: list[Any] = []

    def plug(self, device: str, serial: str, vid: int = 0x2E8A, pid: int = 0x0005) -> None:
        self.ports.append(
            SimpleNamespace(
                device=device,
                vid=vid,
                pid=pid,
                serial_number=serial,
                description="Board",
            )
        )


@pytest.fixture
def usb(monkeypatch: pytest.MonkeyPatch) -> Usb:
    plugged = Usb()
    monkeypatch.setattr(list_ports, "comports", lambda: list(plugged.ports))
    return plugged


@pytest.fixture
def mounts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The table of what is mounted."""
    table = tmp_path / "mounts"
    table.write_text("")
    monkeypatch.setattr(bootsel, "_MOUNTS", table)
    return table


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "hanboot-ppmid.uf2"
    path.write_bytes(firmware())
    return path


@pytest.fixture
def back(usb: Usb, states: States, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A board that is plugged in once the disk is gone; it plays a Pico with a product."""
    play_product(monkeypatch)
    with states.bench(states.provisioned("ppmid")) as bench:
        yield bench


def test_through_the_disk(file: Path, tmp_path: Path, usb: Usb, back: Bench) -> None:
    taken: list[bytes] = []

    def on_taken(octets: bytes) -> None:
        taken.append(octets)
        usb.plug(back.board.port, "E6613852832F")

    with Disk(tmp_path / "disk", on_taken=on_taken):
        ran = hanboot("board", "flash", "--volume", tmp_path / "disk", file)
    assert ran.code == 0, ran.err
    assert taken == [file.read_bytes()]
    assert "PPMID product: back at" in ran.out
    assert "provisioned, with no application" in ran.out
    assert "cannot be read in BOOTSEL mode" in ran.err


def test_json(file: Path, tmp_path: Path, usb: Usb, back: Bench) -> None:
    with Disk(tmp_path / "disk", on_taken=lambda _: usb.plug(back.board.port, "E6613852832F")):
        ran = hanboot("board", "flash", "--volume", tmp_path / "disk", file, "--json")
    assert ran.document == {
        "port": back.board.port,
        "file": str(file),
        "role": "ppmid",
        "development": False,
        "provisioned": True,
    }


def test_the_only_disk_is_found(
    file: Path, tmp_path: Path, usb: Usb, back: Bench, mounts: Path
) -> None:
    disk = tmp_path / "a disk"
    mounts.write_text(f"/dev/sda1 {str(disk).replace(' ', chr(92) + '040')} vfat rw 0 0\n")
    with Disk(disk, on_taken=lambda _: usb.plug(back.board.port, "E6613852832F")):
        # there is no terminal to ask at whether it is the right one
        assert_error(hanboot("board", "flash", file), 2, "--port is missing", str(disk), "--yes")
        assert not list(disk.glob("*.uf2"))
        assert hanboot("board", "flash", file, "--yes").code == 0


def test_firmware_that_is_not_hanboot_s(file: Path, tmp_path: Path, usb: Usb, back: Bench) -> None:
    file.write_bytes(make_uf2(b"MicroPython" * 10_000))
    with Disk(tmp_path / "disk", on_taken=lambda _: usb.plug(back.board.port, "E6613852832F")):
        ran = hanboot("board", "flash", "--volume", tmp_path / "disk", file)
    assert ran.code == 0, ran.err
    assert f"hanboot board deploy --port {back.board.port}" in ran.err


def test_two_boards_come_back(
    file: Path, tmp_path: Path, usb: Usb, back: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def on_taken(octets: bytes) -> None:
        usb.plug(back.board.port, "E6613852832F")
        usb.plug("/dev/ttyACM1", "E6613852AAAA")

    monkeypatch.setattr(flashing, "_BACK_S", 0.5)
    with Disk(tmp_path / "disk", on_taken=on_taken):
        ran = hanboot("board", "flash", "--volume", tmp_path / "disk", file)
    assert_error(ran, 3, "2 boards are new since the copy", "E6613852AAAA")


def test_another_device_comes_back(file: Path, tmp_path: Path, usb: Usb, back: Bench) -> None:
    file.write_bytes(firmware("ihd"))
    with Disk(tmp_path / "disk", on_taken=lambda _: usb.plug(back.board.port, "E6613852832F")):
        ran = hanboot("board", "flash", "--volume", tmp_path / "disk", file)
    assert_error(ran, 1, "is not what was flashed", "it is PPMID")


# --- what is refused before an octet is written


def _refused(disk: Disk, code: int, *holds: str, arguments: tuple[object, ...]) -> None:
    ran = hanboot("board", "flash", *arguments, "--volume", disk.folder)
    assert_error(ran, code, *holds)
    assert disk.files == ["INDEX.HTM", "INFO_UF2.TXT"]


def test_a_board_of_another_chip(file: Path, tmp_path: Path) -> None:
    disk = Disk(tmp_path / "disk", RP2350)
    _refused(disk, 1, "is no RP2040", "Raspberry Pi RP2350", arguments=(file,))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (make_uf2(bytes(1000), _RP2350_ARM), "chip family E48BFF59"),
        (firmware()[:-1], "no whole number of blocks"),
        (firmware()[:512], "block 0 says it is 0 of"),
        (firmware()[:512] + bytes(512) + firmware()[1024:], "block 1 does not begin"),
        (b"MicroPython", "no whole number of blocks"),
        (make_uf2(bytes(512), first=512 * 1024 - 256), "it reaches to 10080100"),
        (firmware(length=448 * 1024 + 1), "what a device keeps begins at 10070000"),
    ],
)
def test_a_file_that_is_no_firmware_for_it(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "bad.uf2"
    path.write_bytes(content)
    _refused(Disk(tmp_path / "disk"), 5, why, arguments=(path,))


def test_firmware_of_another_role(file: Path, tmp_path: Path) -> None:
    holds = ("is not firmware of IHD", "it is firmware of PPMID")
    _refused(Disk(tmp_path / "disk"), 5, *holds, arguments=("--role", "ihd", file))
    file.write_bytes(make_uf2(bytes(1000)))
    _refused(Disk(tmp_path / "d2"), 5, "it is not hanboot's", arguments=("--role", "ihd", file))


@pytest.mark.parametrize("info", [None, "", "something else\n", "\xff" * 100])
def test_a_folder_that_is_no_board(file: Path, tmp_path: Path, info: str | None) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    if info is not None:
        (folder / "INFO_UF2.TXT").write_text(info)
    ran = hanboot("board", "flash", "--volume", folder, file)
    assert_error(ran, 3, "is no board in BOOTSEL mode", "hold BOOTSEL")


@contextlib.contextmanager
def _mounted(folder: Path, kilobytes: int) -> Iterator[None]:
    command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting needs root")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk(file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    with _mounted(folder, 64):
        (folder / "INFO_UF2.TXT").write_text("Board-ID: RPI-RP2\n")
        ran = hanboot("board", "flash", "--volume", folder, file)
        assert_error(ran, 1, "has no room", "nothing was written")
        assert [path.name for path in folder.iterdir()] == ["INFO_UF2.TXT"]


def test_a_disk_that_fills_up(
    file: Path, tmp_path: Path, usb: Usb, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    room = os.statvfs(tmp_path)
    with _mounted(folder, 256):
        monkeypatch.setattr(os, "statvfs", lambda path: room)
        (folder / "INFO_UF2.TXT").write_text("Board-ID: RPI-RP2\n")
        ran = hanboot("board", "flash", "--volume", folder, file)
    assert_error(ran, 4, "broke off", "no space left on device", "repeat the command")


@contextlib.contextmanager
def _longest_file(octets: int) -> Iterator[None]:
    """Files of this process hold no more: what is written beyond is an error."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (octets, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def _copy_until_gone(file: Path, disk: Disk, at: int) -> None:
    """Copies to a disk that is gone after `at` octets."""

    def advance(done: int, total: int) -> None:
        if done >= at - at % (64 * 1024) and disk.folder.exists():
            disk.vanish()

    with _longest_file(at):
        octets = file.read_bytes()
        bootsel.copy(bootsel.read(disk.folder), "a.uf2", octets, advance)


def test_a_disk_that_goes_in_the_middle(file: Path, tmp_path: Path) -> None:
    with pytest.raises(flashing.LinkError) as lost:
        _copy_until_gone(file, Disk(tmp_path / "disk"), 150_000)
    assert re.match(r"after 150000 of \d+ octets", lost.value.why)
    assert lost.value.exit_code == 4


def test_a_disk_that_goes_at_the_very_end(file: Path, tmp_path: Path) -> None:
    _copy_until_gone(file, Disk(tmp_path / "disk"), file.stat().st_size - 1)


def test_a_disk_that_stays(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootsel, "_GONE_S", 0.2)
    Disk(tmp_path / "disk")
    ran = hanboot("board", "flash", "--volume", tmp_path / "disk", file)
    assert_error(ran, 4, "did not start the firmware")


def test_a_board_that_does_not_come_back(
    file: Path, tmp_path: Path, usb: Usb, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flashing, "_BACK_S", 0.5)
    with Disk(tmp_path / "disk"):
        ran = hanboot("board", "flash", "--volume", tmp_path / "disk", file)
    assert_error(ran, 3, "did not come back", "no USB serial port is there")


# --- which board


def test_two_boards(file: Path, tmp_path: Path, usb: Usb, mounts: Path) -> None:
    Disk(tmp_path / "one")
    Disk(tmp_path / "two")
    rows = [f"/dev/sda1 {tmp_path / name} vfat rw 0 0\n" for name in ("one", "two")]
    mounts.write_text("".join(rows))
    ran = hanboot("board", "flash", file)
    assert_error(ran, 3, "2 boards could be meant", str(tmp_path / "one"), str(tmp_path / "two"))
    mounts.write_text(rows[0])
    usb.plug("/dev/ttyACM0", "E6613852832F")
    ran = hanboot("board", "flash", file)
    assert_error(ran, 3, "2 boards could be meant", "usb:2e8a:0005:E6613852832F at /dev/ttyACM0")
    assert not list((tmp_path / "one").glob("*.uf2"))


def test_two_boards_of_one_usb_id(usb: Usb, ppmid: Bench) -> None:
    usb.plug(ppmid.board.port, "E6613852832F")
    usb.plug("/dev/ttyACM1", "E6613852AAAA")
    ran = hanboot("status", "--port", "usb:2e8a:0005")
    assert_error(ran, 3, "2 boards are usb:2e8a:0005", "E6613852832F", "E6613852AAAA")
    assert hanboot("status", "--port", "usb:2E8A:0005:e6613852832f").code == 0
    ran = hanboot("status", "--port", "usb:2e8a:0005:E6613852BBBB")
    assert_error(ran, 3, "plugged in: usb:2e8a:0005:E6613852832F at")
    assert_error(hanboot("status", "--port", "usb:2e8a"), 2, "names no USB device")


def test_two_boards_without_serial_numbers_of_their_own(usb: Usb) -> None:
    """As cheap bridges have them: none, or the same one."""
    for serials in (("", ""), ("0001", "0001"), ("", "0001")):
        usb.ports.clear()
        usb.plug("/dev/ttyUSB0", serials[0], 0x10C4, 0xEA60)
        usb.plug("/dev/ttyUSB1", serials[1], 0x10C4, 0xEA60)
        ran = hanboot("status", "--port", "usb:10c4:ea60")
        assert_error(ran, 3, "2 boards are usb:10c4:ea60", "/dev/serial/by-path")


def test_the_list(usb: Usb, tmp_path: Path, mounts: Path) -> None:
    usb.plug("/dev/ttyACM0", "E6613852832F")
    Disk(tmp_path / "disk")
    mounts.write_text(f"/dev/sda1 {tmp_path / 'disk'} vfat rw 0 0\n")
    ran = hanboot("board", "list")
    assert ran.out.splitlines() == [
        "usb:2e8a:0005:E6613852832F  /dev/ttyACM0  Board",
        f"{tmp_path / 'disk'}  BOOTSEL: Raspberry Pi RP2 (RPI-RP2)",
    ]


def test_two_ways_to_one_board(file: Path) -> None:
    ran = hanboot("board", "flash", "--port", "/dev/ttyACM0", "--volume", "/mnt", file)
    assert_error(ran, 2, "give one")


# --- over the console


def test_a_product_is_not_flashed_over_its_console(
    file: Path, ppmid: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = hanboot("board", "flash", "--port", ppmid.port, file)
    assert_error(ran, 1, "is no board that can be flashed", "PPMID", "1.0.0.0")
    play_product(monkeypatch)
    for more in ((), ("--replace",)):
        ran = hanboot("board", "flash", "--port", ppmid.port, file, *more)
        assert_error(ran, 1, "is a product", "no command leads to BOOTSEL", "--volume in place")


def test_the_firmware_s_part_is_the_board_s() -> None:
    header = (ROOT / "boards" / "rp2040_han" / "mpconfigboard.h").read_text()
    storage = re.search(r"FLASH_STORAGE_BYTES \((\d+) \* 1024\)", header)
    assert storage
    assert 2 * 1024 * 1024 - int(storage[1]) * 1024 == flashing.FIRMWARE_BYTES
    assert uf2.RP2040_FLASH_ADDRESS == 0x10000000
