"""A virtual board for other projects' SMP clients, run as a process of its own.

Not a thread of the test's: mcumgr-toolkit keeps Python's lock while it waits for a reply.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import RunningBoard
from device_fixtures import *  # noqa: F403
from rig import COUNTING, ReleaseImages, States

from hanboot.image.ota_file import Image

HERE = Path(__file__).parent
LONG_BYTES = 60_000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("clients")


@pytest.fixture
def board(states: States) -> Iterator[RunningBoard]:
    """A PPMID that runs 1.0.0."""
    with RunningBoard(states.installed("ppmid/1.0.0")) as running:
        running.await_line("| PPMID 1.0.0")
        yield running


@pytest.fixture(scope="session")
def long(firmware: ReleaseImages) -> Image:
    """An image for that PPMID that takes a while to send."""
    before = firmware.image("ppmid/1.0.0")
    return firmware.own("takes-a-while", 0x05000000, before, app=COUNTING, ballast=LONG_BYTES)
