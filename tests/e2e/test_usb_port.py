"""A port that goes away at every reset and comes back under another name, as on USB; and two
boards that change names meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import RunningBoard, hanboot
from rig import SILENT, Bench, ReleaseImages, States, is_topped_up, wait_for

from hanboot.device.client import Device
from hanboot.device.provisioning import provision
from hanboot.device.refusal import DeviceRefused
from hanboot.device.upgrade import upgrade
from hanboot.explain.reasons import Reason
from hanboot.image.ota_file import Image


@pytest.fixture
def usb(ppmid: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A PPMID that runs 1.0.0, on a port like USB's from its next reset on."""
    ppmid.board.is_usb = True
    return ppmid


def test_an_upgrade_of_two_steps(usb: Bench, firmware: ReleaseImages) -> None:
    ran = hanboot("upgrade", *firmware.files("ppmid/1.1.0", "ppmid/2.0.0"), "--port", usb.port)
    assert ran.code == 0, ran.err
    assert usb.runs(firmware.image("ppmid/2.0.0"))
    assert usb.board.resets.count("reset") == 2
    assert is_topped_up(usb.credit)


def test_a_trial_that_crashes_is_told_with_its_reason(usb: Bench, firmware: ReleaseImages) -> None:
    """Not as a port that was lost."""
    crash = firmware.own(
        "crashes-on-usb",
        0x05000000,
        firmware.image("ppmid/1.0.0"),
        app="async def main(services):\n    raise ValueError\n",
    )
    ran = hanboot("upgrade", firmware.file(crash), "--port", usb.port)
    assert ran.code == 1, ran.err
    assert "trial-crashed" in ran.err
    assert usb.board.starts == 5


def test_a_trial_that_is_silent(states: States, firmware: ReleaseImages) -> None:
    before = firmware.image("ppmid/1.0.0")
    silent = firmware.own("silent-on-usb", 0x05000000, before, app=SILENT)
    with Bench(states.installed("ppmid/1.0.0"), trial_ms=500) as bench:
        bench.board.is_usb = True
        with Device(bench.port) as device, pytest.raises(DeviceRefused) as raised:
            upgrade(device, silent.octets)
    assert raised.value.verdict.reason is Reason.TRIAL_UNCONFIRMED


def test_power_that_fails_in_an_upload(usb: Bench, long: Image) -> None:
    cut = threading.Event()

    def advance(done: int, total: int) -> None:
        if done > total // 2 and not cut.is_set():
            cut.set()
            usb.board.power_cycle()

    with Device(usb.port) as device:
        device.upload(long.octets, advance)
        device.wait_verified()
    assert cut.is_set()


def test_the_command_line_plays_usb(states: States, firmware: ReleaseImages) -> None:
    with RunningBoard(states.installed("ppmid/1.0.0"), "--usb") as board:
        port = f"virtual:{board.state}"
        for _ in range(2):
            assert hanboot("reset", "--port", port).code == 0
            wait_for(lambda: hanboot("status", "--port", port).code == 0, "the board")


@pytest.fixture
def swapped(
    states: States, firmware: ReleaseImages, tmp_path: Path
) -> Iterator[tuple[Bench, Bench, Path]]:
    """Two boards, and a link to the first that leads to the second once the first was reset."""
    with (
        # copies of a prepared state have one EUI-64
        Bench(states.fresh(), "ppmid") as meant,
        Bench(states.installed("ppmid/1.0.0")) as other,
    ):
        with Device(meant.port) as device:
            provision(device, firmware.pairs.anchors())
        meant.board.is_usb = True
        link = tmp_path / "ttyACM0"
        link.symlink_to(meant.board.port)
        stop = threading.Event()

        def swap() -> None:
            while not stop.wait(0.002):
                if meant.board.resets:
                    (tmp_path / "new").symlink_to(other.board.port)
                    (tmp_path / "new").replace(link)
                    return

        watcher = threading.Thread(target=swap)
        watcher.start()
        yield meant, other, link
        stop.set()
        watcher.join()


def test_another_board_under_the_same_name(
    swapped: tuple[Bench, Bench, Path], firmware: ReleaseImages
) -> None:
    meant, other, link = swapped
    serials = [bench.identity().serial.hex("-") for bench in (meant, other)]
    ran = hanboot("upgrade", *firmware.files("ppmid/1.0.0", "ppmid/1.1.0"), "--port", link)
    assert ran.code == 3, ran.err
    assert all(serial in ran.err for serial in serials)
    assert other.runs(firmware.image("ppmid/1.0.0"))
