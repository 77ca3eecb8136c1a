"""A confirmed application that ends each of its starts leaves a way in for its successor."""

from __future__ import annotations

import pytest
from rig import COUNTING, ReleaseImages, States

from hanboot.device.client import Device
from hanboot.device.upgrade import upgrade
from hanboot.errors import LinkError

#: Confirms itself, and resets the board shortly afterwards.
RESETS = """
import asyncio
import machine


async def main(services):
    services.confirm()
    await asyncio.sleep_ms(50)
    machine.reset()
"""

#: The same, but for the way in which it ends.
CRASHES = RESETS.replace("machine.reset()", 'raise ValueError("on purpose")')

#: Starts until a client must have been heard: one on trial, three that did not last, and those in
#: which a request was cut short.
_STARTS_MOST = 12


@pytest.mark.parametrize(("label", "app"), [("resets", RESETS), ("crashes", CRASHES)])
def test_an_upload_is_answered(
    states: States, firmware: ReleaseImages, label: str, app: str
) -> None:
    before = firmware.image("ppmid/1.0.0")
    looping = firmware.own(label, 0x01500000, before, app=app)
    after = firmware.own(f"after-{label}", 0x01600000, looping, app=COUNTING)
    with states.bench(states.installed("ppmid/1.0.0")) as bench:
        with Device(bench.port) as device:
            device.upload(looping.octets)
            device.wait_verified()
            starts = bench.board.starts
            device.activate(looping.image_hash)
            device.reset()
            # by starts, not by a clock
            while True:
                try:
                    device.upload(after.octets)
                    break
                except LinkError:
                    assert bench.board.starts - starts < _STARTS_MOST
            upgrade(device, after.octets)
            events = [event.target.file_version for event in device.history()]
        assert events[-2:] == [0x01500000, 0x01600000]
        assert bench.runs(after)
