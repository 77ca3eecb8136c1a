"""smpmgr, unmodified, as a person runs it: with its own line settings and with larger ones."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import RunningBoard
from rig import ReleaseImages, wait_for

from hanboot.device.client import Device
from hanboot.image.ota_file import Image
from hanbootloader import reasons

SMPMGR = Path(sys.executable).with_name("smpmgr")
LINES = {"its own lines": (), "eight lines": ("--line-buffers", "8")}

pytestmark = pytest.mark.skipif(
    not SMPMGR.exists(), reason="smpmgr is not here: it needs Python 3.11"
)


def arguments(board: RunningBoard, *given: object) -> list[str]:
    return [str(SMPMGR), "--port", board.port, *map(str, given)]


def smpmgr(board: RunningBoard, *given: object) -> str:
    """Runs smpmgr; what it prints."""
    done = subprocess.run(arguments(board, *given), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def refused(board: RunningBoard, *given: object) -> str:
    """Runs smpmgr, which must fail; what it prints."""
    done = subprocess.run(arguments(board, *given), capture_output=True, text=True)
    assert done.returncode == 1
    said = done.stdout + done.stderr
    # a clean error of the device's, and no reply that the client could not read
    assert "SMPUploadError" in said
    assert "Validation" not in said
    return said


def hash_text(image: Image) -> str:
    return image.image_hash.hex().upper()


def test_echo_and_enumeration(board: RunningBoard) -> None:
    assert "r='hello there'" in smpmgr(board, "os", "echo", "hello there")
    groups = smpmgr(board, "enum", "get-supported-groups")
    for name in ("OS_MANAGEMENT", "IMAGE_MANAGEMENT", "ENUM_MANAGEMENT", "65"):
        assert name in groups
    assert "name='os mgmt'" in smpmgr(board, "enum", "get-group-details", "0")


def test_what_a_device_does_not_have_is_a_clean_error(board: RunningBoard) -> None:
    assert "ENOTSUP" in smpmgr(board, "statistics", "get", "0")


def test_step_by_step(board: RunningBoard, firmware: ReleaseImages) -> None:
    image = firmware.image("ppmid/1.1.0")
    before = smpmgr(board, "image", "state-read")
    assert "version='1.0.0'" in before
    assert before.count("slot=") == 1

    smpmgr(board, "image", "upload", "--format", "any", firmware.file(image))
    staged = smpmgr(board, "image", "state-read")
    assert re.search(r"slot=1,\s+version='1.1.0'", staged)
    assert hash_text(image) in staged

    smpmgr(board, "image", "state-write", image.image_hash.hex())
    with Device(board.port) as device:
        assert device.identity().slot("pending")
    smpmgr(board, "os", "reset")
    board.await_confirmed(image)
    after = smpmgr(board, "image", "state-read")
    assert re.search(r"slot=0,\s+version='1.1.0'", after)
    assert "confirmed=True" in after
    assert "active=True" in after


@pytest.mark.parametrize("lines", LINES)
def test_all_in_one(board: RunningBoard, long: Image, firmware: ReleaseImages, lines: str) -> None:
    """`upgrade` asks, activates and resets at once, while the device still verifies."""
    said = smpmgr(
        *(board, *LINES[lines], "upgrade", "--format", "any", "--slot", "1"), firmware.file(long)
    )
    assert "Upgrade complete" in said
    board.await_confirmed(long)


@pytest.mark.parametrize(
    ("lines", "command"),
    [("its own lines", ("image", "upload")), ("eight lines", ("upgrade", "--slot", "1"))],
)
def test_the_wrong_predecessor(
    board: RunningBoard, firmware: ReleaseImages, lines: str, command: tuple[str, ...]
) -> None:
    file = firmware.file(firmware.image("ppmid/2.0.0"))
    said = refused(board, *LINES[lines], *command, "--format", "any", file)
    assert "INVALID_IMAGE_HEADER" in said
    assert board.last_reason() == reasons.NOT_A_PREDECESSOR
    with Device(board.port) as device:
        confirmed = device.identity().confirmed
    assert confirmed is not None
    assert confirmed.file_version == 0x01000000


def test_an_upload_that_was_killed_goes_on(
    board: RunningBoard, long: Image, firmware: ReleaseImages, tmp_path: Path
) -> None:
    file, log = firmware.file(long), tmp_path / "log"
    upgrade = ("upgrade", "--format", "any", "--slot", "1", file)
    first = subprocess.Popen(
        arguments(board, *upgrade), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    board.await_received(30)
    first.kill()
    first.wait()
    with Device(board.port) as device:
        received = device.progress().received
    assert 0 < received < len(long.octets)

    smpmgr(board, "--loglevel", "INFO", "--logfile", log, "--line-buffers", "8", *upgrade)
    offsets = [int(found) for found in re.findall(r"offset=(\d+)", log.read_text())]
    assert offsets[0] == received
    assert offsets[-1] == len(long.octets)
    board.await_confirmed(long)


def test_activation_of_what_is_not_held(board: RunningBoard) -> None:
    """An error that smpmgr prints, and returns 0 all the same."""
    assert "NO_IMAGE" in smpmgr(board, "image", "state-write", "11" * 32)


def test_erase(board: RunningBoard, firmware: ReleaseImages) -> None:
    file = firmware.file(firmware.image("ppmid/1.1.0"))
    smpmgr(board, "--line-buffers", "8", "image", "upload", "--format", "any", file)
    with Device(board.port) as device:
        device.wait_verified()
        wait_for(lambda: device.identity().slot("staged"), "a staged image")
    smpmgr(board, "image", "erase", "1")
    with Device(board.port) as device:
        assert not device.identity().slot("staged")
