"""`hanboot board provision`, as it goes on a line of real boards."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from command_line import assert_error, hanboot
from rig import Bench, Firmware, Keys, States

from hanboot.boards import device_code
from hanboot.boards.roles import FLASH_BYTES
from hanboot.boards.virtual import VirtualBoard
from hanboot.cli import board as commands
from hanboot.device.client import Device
from hanboot.device.provisioning import provision
from hanboot.trust import keys


@pytest.fixture
def arguments(pairs: Keys, tmp_path: Path) -> list[object]:
    given: list[object] = []
    for name, key in (("manufacturer", pairs.manufacturer), ("supplier", pairs.supplier)):
        path = tmp_path / f"{name}.pub.pem"
        path.write_bytes(key.public_pem())
        given += [f"--{name}-public-key", path]
    return given


def _cells(bench: Bench) -> list[str]:
    with Device(bench.port) as device:
        return sorted(cell.role for cell in device.anchors())


def test_unplugged_between_two_cells(
    states: States, arguments: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    board = VirtualBoard(states.fresh(), "ppmid")
    board.start()

    def unplugging(device: Device, wanted: Any, on_cell: Any) -> None:
        provision(device, wanted, lambda key, outcome: board.stop())

    monkeypatch.setattr(commands, "provision", unplugging)
    ran = hanboot("board", "provision", *arguments, "--port", board.port)
    assert_error(ran, 4, "lost", "plug it in again and repeat the command")
    monkeypatch.undo()
    with Bench(board.state) as again:
        # the supplier's is there, and locks nothing
        assert _cells(again) == ["supplier"]
        assert not again.identity().provisioned
        ran = hanboot("board", "provision", *arguments, "--port", again.port)
        assert ran.code == 0, ran.err
        assert _cells(again) == ["manufacturer", "supplier"]


@pytest.mark.parametrize("held", ["noise", "zeros", "another program"])
def test_flash_that_held_something_else(
    held: str, states: States, firmware: Firmware, arguments: list[object]
) -> None:
    """A board that ran something else before it was flashed: nothing of it counts."""
    state = states.fresh()
    state.mkdir()
    program = Path(device_code.micropython()).read_bytes()
    content = {
        "noise": random.Random(1).randbytes(FLASH_BYTES),
        "zeros": bytes(FLASH_BYTES),
        "another program": (program * (FLASH_BYTES // len(program) + 1))[:FLASH_BYTES],
    }[held]
    (state / "flash.bin").write_bytes(content)
    with Bench(state, "ppmid") as bench:
        identity = bench.identity()
        assert not identity.provisioned
        assert [slot.state for slot in identity.slots] == ["empty", "empty"]
        assert hanboot("board", "provision", *arguments, "--port", bench.port).code == 0
        bench.install(firmware.image("ppmid/1.0.0"))
        assert bench.runs(firmware.image("ppmid/1.0.0"))


def test_another_product(blank: Bench, arguments: list[object]) -> None:
    ran = hanboot("board", "provision", "--role", "ihd", *arguments, "--port", blank.port)
    assert_error(ran, 1, "is no IHD", "it is PPMID", "nothing was written")
    assert _cells(blank) == []
    ran = hanboot("board", "provision", "--role", "ppmid", *arguments, "--port", blank.port)
    assert ran.code == 0


def test_a_device_with_other_keys(ppmid: Bench, arguments: list[object], tmp_path: Path) -> None:
    other = tmp_path / "other.pub.pem"
    other.write_bytes(keys.generate().public_pem())
    ran = hanboot("board", "provision", "--manufacturer-public-key", other, "--port", ppmid.port)
    assert_error(ran, 1, "anchors-locked")
    # the same once more is no fault
    assert hanboot("board", "provision", *arguments, "--port", ppmid.port).code == 0
