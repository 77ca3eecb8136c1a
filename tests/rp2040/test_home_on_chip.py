"""An image over the Home Area Network on the emulated chip, with development firmware: frames of a
hub go through the tunnel of SMP group 66, and the device's report comes back through it."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench_firmware import symbol
from chip_board import ChipBoard
from chip_home import BLOCK_BYTES, ChipHome, held
from home import BROKER_EUI, People

from hanboot.hub.ota import Phase, TransferEnd
from hanbootloader.han.gbcs.use_cases import CS09_ALERT, SUCCESS
from hanbootloader.link.smp import HANBOOT_GROUP

from .conftest import Maker

pytestmark = pytest.mark.slow

_SHOWN_MS = 8_000
_NETWORK_STATE = 7  # command of group 65
#: Of the stack, interrupts included; 656 were left. MicroPython stops at 256.
_STACK_LEFT_BYTES = 600
#: It has no data region, which `held` does not make.
_APPLICATION = """
import asyncio

async def main(services):
    services.confirm()
    services.show((services.label,))
    while True:
        await asyncio.sleep_ms(50)
"""


def test_an_image_is_transferred_verified_activated_and_reported(
    development: Path, maker: Maker, tmp_path: Path
) -> None:
    people = People(manufacturer=maker.key)
    v1 = maker.build("1.0", _APPLICATION)
    v2 = maker.build("2.0", _APPLICATION, (v1,))
    board = ChipBoard(tmp_path / "flash.bin", development, held=held(people, v1))
    stack = symbol("__StackBottom", development), symbol("__StackTop", development)
    used: list[int] = []
    board.on_end = lambda how: used.append(board.stack_used(*stack))
    home = ChipHome(board)
    board.wait_text("| 1.0", _SHOWN_MS)

    # transferred, each octet once, and verified
    home.offer(v2)
    assert home.run(lambda: home.state.phase == Phase.SCHEDULED, 30)
    assert home.state.data_octets == len(v2.octets)
    assert home.frames >= 2 * len(v2.octets) // BLOCK_BYTES
    assert home.state.ended[-1] == TransferEnd.SUCCESS

    # activated: the device restarts by itself, and the new application confirms
    assert home.run(lambda: any("| 2.0" in line for _, line in board.texts), 20)

    # reported: once a hub is heard, which need not wait for the device's own question
    home.offer(v2)
    assert home.run(lambda: home.messages, 20)
    report = home.messages[0]
    assert report.use_case is CS09_ALERT
    assert report.message.recipient == BROKER_EUI
    assert report.values["response_code"] == SUCCESS
    assert report.values["version"] == v2.header.file_version
    signature = report.message.signature
    assert signature is not None
    assert people.signing.public.is_signature(report.message.signed_octets(), bytes(signature))

    # and forgotten: the hub has it
    assert home.run(lambda: not home.device.smp.read(HANBOOT_GROUP, _NETWORK_STATE)["outcomes"], 5)
    assert len(home.messages) == 1
    used.append(board.stack_used(*stack))
    board.close()
    size = stack[1] - stack[0]
    print(f"stack used: {used} of {size} bytes")
    assert size - max(used) >= _STACK_LEFT_BYTES
