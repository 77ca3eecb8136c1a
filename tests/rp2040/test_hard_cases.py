"""What wedged a device once, on the emulated chip: an application that never stays, an envelope as
full as they come."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from chip_board import ChipBoard, ChipDevice
from chip_home import held
from home import People

from hanboot.boards import rp2040_chip
from hanboot.boards.rp2040 import Rp2040Board
from hanboot.device.client import Device
from hanboot.device.refusal import DeviceRefused
from hanboot.device.upgrade import upgrade
from hanboot.errors import LinkError
from hanboot.image import release
from hanboot.image.build import build_image
from hanboot.image.ota_file import Image
from hanboot.image.release import Predecessor
from hanbootloader import reasons

from .conftest import Maker

pytestmark = pytest.mark.slow

#: Confirms itself, and resets the board shortly afterwards.
RESETS = """
import asyncio
import machine

async def main(services):
    services.confirm()
    await asyncio.sleep_ms(50)
    machine.reset()
"""

#: `held` makes no data region.
_WITHOUT_DATA = """
import asyncio

async def main(services):
    services.confirm()
    while True:
        await asyncio.sleep_ms(50)
"""

#: Starts until a client must have been heard: one on trial, three that did not last, and those in
#: which a request was cut short.
_STARTS_MOST = 12

#: As many versions as an envelope of 2,048 bytes holds.
_PREDECESSORS = 230
_RUNNING = 0x01000000


@pytest.mark.long  # tests/e2e/test_short_lives.py has it of the virtual board
def test_an_application_that_resets_the_board(state: Path, maker: Maker, v1: Image) -> None:
    loops = maker.build("1.5 resets", RESETS, (v1,))
    after = maker.build("1.6", follows=(loops,))
    with Rp2040Board(state) as board, Device(f"virtual:{state}") as device:
        device.upload(loops.octets)
        device.wait_verified()
        starts = board.starts
        device.activate(loops.image_hash)
        device.reset()
        # by starts, not by a clock
        while True:
            try:
                device.upload(after.octets)
                break
            except LinkError:
                assert board.starts - starts < _STARTS_MOST
        upgrade(device, after.octets)
        versions = [event.target.file_version for event in device.history()]
    assert versions == [0x01000000, 0x01050000, 0x01060000]


def _naming(maker: Maker, label: str, first: int) -> Image:
    """A release that may follow so many versions, from `first` on."""
    maker.build(label, _WITHOUT_DATA)
    described = dataclasses.replace(
        release.load(maker.folder / label.replace(" ", "-")),
        predecessors=tuple(Predecessor(first + number) for number in range(_PREDECESSORS)),
    )
    return build_image(described, maker.key.public.kid, maker.key.sign)


# By the chip's own clock, and so the client waits by it, too: an answer that takes longer than a
# client waits for it is never heard.
@pytest.fixture
def board(firmware: Path, maker: Maker, tmp_path: Path) -> Iterator[ChipBoard]:
    """One that runs 1.0."""
    runs = maker.build("1.0 alone", _WITHOUT_DATA)
    people = People(manufacturer=maker.key)
    board = ChipBoard(tmp_path / "flash.bin", firmware, held=held(people, runs))
    yield board
    board.close()


@pytest.mark.long
def test_refused_by_as_many_predecessors_as_an_envelope_holds(
    board: ChipBoard, maker: Maker
) -> None:
    device = ChipDevice(board)
    with pytest.raises(DeviceRefused) as refusal:
        device.upload(_naming(maker, "2.5 many", _RUNNING + 1).octets)
    assert refusal.value.verdict.reason == reasons.NOT_A_PREDECESSOR
    board.restart(rp2040_chip.POWER)
    verdict = device.verdict()
    assert verdict is not None
    assert verdict.reason == reasons.NOT_A_PREDECESSOR
    assert verdict.accepts_total == _PREDECESSORS
    assert [found.file_version for found in verdict.accepts] == [
        _RUNNING + 1 + number for number in range(8)
    ]


@pytest.mark.long
def test_accepted_by_the_last_of_as_many(board: ChipBoard, maker: Maker) -> None:
    image = _naming(maker, "2.6 many", _RUNNING + 1 - _PREDECESSORS)
    confirmed = upgrade(ChipDevice(board), image.octets).confirmed
    assert confirmed is not None
    assert confirmed.image_hash == image.image_hash
