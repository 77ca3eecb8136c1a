"""Upgrades on the emulated chip: the firmware that a Pico gets, driven as a Pico is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hanboot.boards.rp2040 import Rp2040Board
from hanboot.device.client import Device
from hanboot.device.refusal import DeviceRefused
from hanboot.device.upgrade import upgrade
from hanboot.image.ota_file import Image
from hanboot.trust import keys
from hanbootloader import reasons

from .conftest import HANGS, Maker, provision_keys

pytestmark = pytest.mark.slow


def test_provisioning(firmware: Path, maker: Maker, v1: Image, tmp_path: Path) -> None:
    with Rp2040Board(tmp_path) as board, Device(f"virtual:{tmp_path}") as device:
        assert not device.identity().provisioned
        with pytest.raises(DeviceRefused) as refused:
            device.upload(v1.octets)
        assert refused.value.verdict.reason == reasons.NOT_PROVISIONED

        provision_keys(device, maker)
        with pytest.raises(DeviceRefused) as refused:
            provision_keys(device, Maker(tmp_path, keys.generate()))
        assert refused.value.verdict.reason == reasons.ANCHORS_LOCKED

        board.power_cycle()
        identity = device.identity()
        assert identity.provisioned
        assert identity.board == "rp2040_han"
        assert identity.serial.hex() in (tmp_path / "board.json").read_text()
        assert [cell.kid for cell in device.anchors()] == [maker.key.public.kid]


def test_upgrade(state: Path, v1: Image, v2: Image) -> None:
    shown: list[str] = []
    with Rp2040Board(state, on_text=shown.append), Device(f"virtual:{state}") as device:
        upgrade(device, v2.octets)
        events = [(e.kind, e.source, e.target) for e in device.history()]
    assert [event for event, _, _ in events] == ["confirmed", "confirmed"]
    source, target = events[-1][1:]
    assert source is not None
    assert target is not None
    assert (source.image_hash, target.image_hash) == (v1.image_hash, v2.image_hash)
    # the data region outlives the upgrade
    note = "| written by 1.0"
    assert [line for line in shown if line.startswith("| ")] == ["| 1.0", note, "| 2.0", note]


def test_wrong_predecessor(state: Path, maker: Maker, v1: Image, v2: Image) -> None:
    v3 = maker.build("3.0", follows=(v2,))
    with Rp2040Board(state) as board, Device(f"virtual:{state}") as device:
        with pytest.raises(DeviceRefused) as refused:
            device.upload(v3.octets)
        assert refused.value.verdict.reason == reasons.NOT_A_PREDECESSOR
        board.power_cycle()
        verdict = device.verdict()
        assert verdict is not None
        assert verdict.reason == reasons.NOT_A_PREDECESSOR
        assert [firmware.image_hash for firmware in verdict.accepts] == [v2.image_hash]
        confirmed = device.identity().confirmed
        assert confirmed is not None
        assert confirmed.image_hash == v1.image_hash


def test_bad_signature(state: Path, maker: Maker, v1: Image) -> None:
    forged = maker.build("2.0 forged", follows=(v1,), signer=keys.generate())
    with Rp2040Board(state), Device(f"virtual:{state}") as device:
        with pytest.raises(DeviceRefused) as refused:
            upgrade(device, forged.octets)
        assert refused.value.verdict.reason == reasons.MANUFACTURER_SIGNATURE
        confirmed = device.identity().confirmed
        assert confirmed is not None
        assert confirmed.image_hash == v1.image_hash


def test_watchdog_reverts(state: Path, maker: Maker, v1: Image) -> None:
    hangs = maker.build("2.0 hangs", HANGS, (v1,))
    with Rp2040Board(state) as board, Device(f"virtual:{state}") as device:
        device.upload(hangs.octets)
        device.wait_verified()
        before = board.starts
        device.activate(hangs.image_hash)
        device.reset()
        with pytest.raises(DeviceRefused) as refused:
            device.wait_outcome(hangs.image_hash)
        assert refused.value.verdict.reason == reasons.TRIAL_HUNG
        # three starts on trial, and the one that reverts
        assert board.starts - before == 4
        assert board.cause == "watchdog"
        confirmed = device.identity().confirmed
        assert confirmed is not None
        assert confirmed.image_hash == v1.image_hash


@pytest.mark.clients
def test_unmodified_smpmgr(
    state: Path, v2: Image, smpmgr: Callable[..., str], tmp_path: Path
) -> None:
    file = tmp_path / "v2.ota"
    file.write_bytes(v2.octets)
    with Rp2040Board(state) as board:
        smpmgr(board.port, "upgrade", "--format", "any", "--slot", "1", str(file))
        with Device(f"virtual:{state}") as device:
            # it was activated while it was still being verified
            device.wait_verified()
            device.wait_outcome(v2.image_hash)
        assert v2.image_hash.hex()[:8] in smpmgr(board.port, "image", "state-read").lower()
