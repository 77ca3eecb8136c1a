"""An image over the Home Area Network on the emulated chip, with development firmware: frames of a
hub go through the tunnel of SMP group 66. Its outcome is not played here."""

from __future__ import annotations

from pathlib import Path

import pytest
from chip_board import ChipBoard
from chip_home import BLOCK_BYTES, ChipHome, held
from home import People

from hanboot.hub.ota import Phase, TransferEnd

from .conftest import Maker

pytestmark = pytest.mark.slow

_SHOWN_MS = 8_000
#: It has no data region, which `held` does not make.
_APPLICATION = """
import asyncio

async def main(services):
    services.confirm()
    services.show((services.label,))
    while True:
        await asyncio.sleep_ms(50)
"""


def test_an_image_is_transferred_verified_and_activated(
    development: Path, maker: Maker, tmp_path: Path
) -> None:
    people = People(manufacturer=maker.key)
    v1 = maker.build("1.0", _APPLICATION)
    v2 = maker.build("2.0", _APPLICATION, (v1,))
    board = ChipBoard(tmp_path / "flash.bin", development, held=held(people, v1))
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
