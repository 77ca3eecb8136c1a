"""mcumgr-toolkit, unmodified, as a program uses it. It repeats a request whose reply was lost."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import RunningBoard
from mcumgr_toolkit import MCUmgrClient
from rig import ReleaseImages

from hanboot.image.ota_file import Image
from hanbootloader import reasons
from hanbootloader.link.smp import HANBOOT_GROUP

LOSSY_LINE = Path(__file__).with_name("lossy_line.py")


def connect(port: str, timeout_ms: int = 2000) -> MCUmgrClient:
    client = MCUmgrClient.serial(port, 115200, timeout_ms)
    client.use_auto_frame_size()
    return client


@pytest.fixture
def client(board: RunningBoard) -> Iterator[MCUmgrClient]:
    with connect(board.port) as connected:
        yield connected


def test_questions(client: MCUmgrClient) -> None:
    client.check_connection()
    assert client.os_echo("hello") == "hello"
    parameters = client.os_mcumgr_parameters()
    assert (parameters.buf_size, parameters.buf_count) == (1024, 1)
    assert "hanboot" in client.os_application_info()
    assert client.os_bootloader_info()["name"] == "hanboot"
    (running,) = client.image_get_state()
    assert (running.slot, running.version, running.confirmed) == (0, "1.0.0", True)
    (slots,) = client.image_slot_info()
    assert [slot.size for slot in slots.slots] == [512 * 1024] * 2


def test_enumeration(client: MCUmgrClient) -> None:
    assert client.enum_get_group_count() == 5
    assert client.enum_get_group_ids() == [0, 1, 10, 65, 66]
    assert [client.enum_get_group_id(index) for index in range(5)] == [0, 1, 10, 65, 66]
    details = client.enum_get_group_details()
    assert [(group.group, group.name) for group in details] == [
        (0, "os mgmt"),
        (1, "img mgmt"),
        (10, "enum mgmt"),
        (65, "hanboot"),
        (66, "han tunnel"),
    ]


def test_what_a_device_does_not_have_is_a_clean_error(client: MCUmgrClient) -> None:
    for question in (
        lambda: client.stats_list_groups(),
        lambda: client.settings_read("x"),
        lambda: client.os_get_datetime(),
        lambda: client.raw_command(False, HANBOOT_GROUP, 99, {}),
        lambda: client.shell_execute(["ls"]),
    ):
        with pytest.raises(RuntimeError, match="ENOTSUP"):
            question()
    assert client.os_echo("still there") == "still there"


def test_an_upgrade(board: RunningBoard, firmware: ReleaseImages) -> None:
    image = firmware.image("ppmid/1.1.0")
    advanced: list[int] = []
    # it keeps the port for itself until it is left
    with connect(board.port) as client:
        client.image_upload(image.octets, progress=lambda done, total: advanced.append(done))
        assert advanced[-1] == len(image.octets)
        held = client.image_get_state()[1]
        assert held.hash == image.image_hash
        states = client.image_set_state(image.image_hash)
        assert states[1].pending
        client.os_system_reset()
    board.await_confirmed(image)


def test_the_wrong_predecessor_and_why(client: MCUmgrClient, firmware: ReleaseImages) -> None:
    with pytest.raises(RuntimeError, match="INVALID_IMAGE_HEADER"):
        client.image_upload(firmware.image("ppmid/2.0.0").octets)
    # group 65, by the shortest way
    verdict = client.raw_command(False, HANBOOT_GROUP, 1, {})
    assert verdict["reason"] == reasons.NOT_A_PREDECESSOR
    assert verdict["accepts"] == [
        {"version": 0x01010000, "hash": firmware.image("ppmid/1.1.0").image_hash}
    ]
    (running,) = client.image_get_state()
    assert running.hash == firmware.image("ppmid/1.0.0").image_hash


def test_activation_refused(client: MCUmgrClient, firmware: ReleaseImages) -> None:
    with pytest.raises(RuntimeError, match="NO_IMAGE"):
        client.image_set_state(b"\x11" * 32)
    client.image_upload(firmware.image("ppmid/1.1.0").octets)
    client.image_erase()
    with pytest.raises(RuntimeError, match="NO_IMAGE"):
        client.image_set_state(firmware.image("ppmid/1.1.0").image_hash)


def test_its_own_upgrade_routine_wants_mcuboot(
    client: MCUmgrClient, firmware: ReleaseImages
) -> None:
    """Known, and described in docs/reference/protocol.md."""
    with pytest.raises(RuntimeError, match="not supported"):
        client.firmware_update(firmware.image("ppmid/1.1.0").octets)


def test_lost_replies(board: RunningBoard, long: Image) -> None:
    with subprocess.Popen(
        [sys.executable, str(LOSSY_LINE), board.port, "9"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as line:
        assert line.stdout is not None
        near = line.stdout.readline().strip()
        with connect(near, timeout_ms=100) as client:
            client.set_retries(10)
            client.image_upload(long.octets)
            client.image_set_state(long.image_hash)
            client.os_system_reset()
        lost, _ = line.communicate()
    assert int(lost) > 3
    board.await_confirmed(long)
