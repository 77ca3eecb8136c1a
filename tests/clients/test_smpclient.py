"""smpclient, unmodified, as a program uses it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest
from command_line import RunningBoard
from rig import ReleaseImages
from smp.image_management import IMG_MGMT_ERR
from smpclient import SMPClient
from smpclient.exceptions import SMPUploadError
from smpclient.generics import error, error_v1, success
from smpclient.requests.enumeration_management import (
    CountSupportedGroups,
    GroupDetails,
    ListSupportedGroups,
)
from smpclient.requests.image_management import ImageErase, ImageStatesRead, ImageStatesWrite
from smpclient.requests.os_management import (
    BootloaderInformationRead,
    EchoWrite,
    MCUMgrParametersRead,
    OSApplicationInfoRead,
    ResetWrite,
    TaskStatisticsRead,
)
from smpclient.transport.serial import SMPSerialTransport

from hanboot.image.ota_file import Image
from hanbootloader import reasons

_Result = TypeVar("_Result")


def talk(board: RunningBoard, say: Callable[[SMPClient], Awaitable[_Result]]) -> _Result:
    """Connects with smpclient's own settings, and does what `say` says."""

    async def session() -> _Result:
        async with SMPClient(SMPSerialTransport(), board.port) as client:
            return await say(client)

    return asyncio.run(session())


async def ask(client: SMPClient, request: Any) -> Any:
    reply = await client.request(request)
    assert success(reply), reply
    return reply


async def send(client: SMPClient, image: Image, slot: int = 0) -> list[int]:
    return [offset async for offset in client.upload(image.octets, slot)]


def test_questions(board: RunningBoard) -> None:
    async def say(client: SMPClient) -> None:
        assert (await ask(client, EchoWrite(d="hello"))).r == "hello"
        parameters = await ask(client, MCUMgrParametersRead())
        assert (parameters.buf_size, parameters.buf_count) == (1024, 1)
        assert "hanboot" in (await ask(client, OSApplicationInfoRead())).output
        assert (await ask(client, BootloaderInformationRead())).bootloader == "hanboot"
        assert (await ask(client, CountSupportedGroups())).count == 5
        assert [int(g) for g in (await ask(client, ListSupportedGroups())).groups] == [
            0,
            1,
            10,
            65,
            66,
        ]
        groups = (await ask(client, GroupDetails())).groups
        assert [(int(g.group), g.name) for g in groups][1] == (1, "img mgmt")
        (running,) = (await ask(client, ImageStatesRead())).images
        assert (running.slot, running.version, running.active) == (0, "1.0.0", True)

    talk(board, say)


def test_errors_that_it_can_read(board: RunningBoard) -> None:
    async def say(client: SMPClient) -> None:
        query = await client.request(BootloaderInformationRead(query="mode"))
        assert error(query)
        tasks = await client.request(TaskStatisticsRead())
        assert error(tasks)
        assert error_v1(tasks)
        denied = await client.request(ImageStatesWrite(hash=b"\x11" * 32))
        assert error(denied)
        assert not error_v1(denied)
        assert denied.err.rc == IMG_MGMT_ERR.NO_IMAGE

    talk(board, say)


@pytest.mark.parametrize("slot", [0, 1])
def test_an_upgrade(board: RunningBoard, firmware: ReleaseImages, slot: int) -> None:
    """Which slot it names makes no difference: there is one to write to."""
    image = firmware.image("ppmid/1.1.0")

    async def say(client: SMPClient) -> None:
        offsets = await send(client, image, slot)
        assert offsets[-1] == len(image.octets)
        # it asked for the size of the buffer, and fills it
        assert offsets[0] > 800
        # at once, while the device verifies
        states = (await ask(client, ImageStatesRead())).images
        assert [state.slot for state in states] == [0, 1]
        assert bytes(states[1].hash) == image.image_hash
        states = (await ask(client, ImageStatesWrite(hash=image.image_hash))).images
        assert states[1].pending
        await ask(client, ResetWrite())

    talk(board, say)
    board.await_confirmed(image)


def test_the_wrong_predecessor(board: RunningBoard, firmware: ReleaseImages) -> None:
    async def say(client: SMPClient) -> None:
        with pytest.raises(SMPUploadError, match="INVALID_IMAGE_HEADER"):
            await send(client, firmware.image("ppmid/2.0.0"))
        # and the line is as good as before
        assert (await ask(client, EchoWrite(d="still there"))).r == "still there"

    talk(board, say)
    assert board.last_reason() == reasons.NOT_A_PREDECESSOR


def test_an_upload_that_was_broken_off_goes_on(board: RunningBoard, long: Image) -> None:
    async def some(client: SMPClient) -> int:
        async for offset in client.upload(long.octets):
            if offset > len(long.octets) // 2:
                return offset
        raise AssertionError("it was not broken off")

    async def rest(client: SMPClient) -> list[int]:
        offsets = await send(client, long)
        await ask(client, ImageStatesWrite(hash=long.image_hash))
        await ask(client, ResetWrite())
        return offsets

    reached = talk(board, some)
    offsets = talk(board, rest)
    assert offsets[0] == reached
    assert offsets[-1] == len(long.octets)
    board.await_confirmed(long)


def test_erase(board: RunningBoard, firmware: ReleaseImages) -> None:
    async def say(client: SMPClient) -> None:
        await send(client, firmware.image("ppmid/1.1.0"))
        await ask(client, ImageErase())
        assert len((await ask(client, ImageStatesRead())).images) == 1
        held = await client.request(ImageStatesWrite(hash=firmware.image("ppmid/1.1.0").image_hash))
        assert error(held)

    talk(board, say)
