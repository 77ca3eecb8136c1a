"""Power cut in the middle of a flash operation, at ten places spread over an upgrade."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hanboot.deadline import Deadline
from hanboot.device import Device, Identity
from hanboot.errors import HanbootError
from hanboot.image import Image
from hanboot.rp2040 import Rp2040Board

from .conftest import upgrade

pytestmark = pytest.mark.slow

_CUTS = 10
_BACK_S = 180.0
_LOOK_S = 0.2


def _operations(state: Path, image: Image, log: Path) -> int:
    """Erases and programs from the start of a board to the confirmation of `image`."""
    with Rp2040Board(state, flash_log=log), Device(f"virtual:{state}") as device:
        upgrade(device, image)
    return len(log.read_text().splitlines())


def _cut(state: Path, image: Image, operation: int) -> tuple[Identity, list[str]]:
    """Identity after the cut, and what the application showed since."""
    shown: list[tuple[int, str]] = []
    with (
        Rp2040Board(
            state, on_text=lambda line: shown.append((board.starts, line)), cut_at=operation
        ) as board,
        Device(f"virtual:{state}") as device,
    ):
        steps: list[Callable[[], object]] = [
            lambda: device.upload(image.octets),
            device.wait_verified,
            lambda: device.activate(image.image_hash),
            device.reset,
        ]
        for step in steps:
            if "power" not in board.resets:
                # a step may not outlive the cut; the device must
                with contextlib.suppress(HanbootError):
                    step()
        deadline = Deadline(_BACK_S)
        while "power" not in board.resets:
            assert not deadline.passed, "the power was never cut"
            device.smp.texts(_LOOK_S)
        identity = _settled(device)
        cut_in = 1 + board.resets.index("power")
    return identity, [line for start, line in shown if start > cut_in]


def _settled(device: Device) -> Identity:
    """The identity once the device answers and nothing is on trial."""
    deadline = Deadline(_BACK_S)
    while True:
        try:
            identity = device.identity()
            if identity.started >= 0 and identity.slot("trial") is None:
                return identity
        except HanbootError:
            assert not deadline.passed
        device.smp.texts(_LOOK_S)


def test_power_loss(installed: Path, v1: Image, v2: Image, tmp_path: Path) -> None:
    def copy(name: str) -> Path:
        return Path(shutil.copytree(installed, tmp_path / name))

    operations = _operations(copy("whole"), v2, tmp_path / "flash.log")
    cuts = [1 + (operations - 1) * n // (_CUTS - 1) for n in range(_CUTS)]
    assert len(set(cuts)) == _CUTS
    states = [copy(f"cut-{cut}") for cut in cuts]
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(_cut, states, [v2] * _CUTS, cuts))
    for cut, (back, shown) in zip(cuts, outcomes, strict=True):
        assert back.confirmed is not None, f"cut at {cut}: nothing boots"
        assert back.confirmed.image_hash in (v1.image_hash, v2.image_hash), f"cut at {cut}"
        assert "| written by 1.0" in shown, f"cut at {cut}: {shown}"
