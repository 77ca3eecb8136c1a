"""Paths of several images to a device on a fake transport."""

from __future__ import annotations

import pytest
from fake_device import HASH, OCTETS, VERSION, FakeDevice, verdict_fields

from hanboot.device.records import FirmwareId
from hanboot.device.upgrade import Step, Watcher, follow, remaining, upgrade
from hanboot.errors import LinkError


def test_a_path_is_taken_up_where_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hanboot.device.upgrade.hash_in", lambda octets: octets * 32)
    path = [Step(name=name, octets=name.encode()) for name in "abc"]
    fake = FakeDevice()
    fake.confirmed = b"b" * 32
    with fake.device() as device:
        assert remaining(device.identity().confirmed, path) == path[2:]
    assert remaining(None, path) == path


def test_what_a_watcher_raises_ends_a_path(fake: FakeDevice) -> None:
    class Stop(Exception):
        pass

    class Once(Watcher):
        def before(self, step: Step, number: int, count: int) -> None:
            assert count == 2
            if number == 2:
                raise Stop

    path = [Step(name=name, octets=OCTETS) for name in "ab"]
    with fake.device() as device, pytest.raises(Stop):
        follow(device, path, Once())
    assert fake.resets == 1


def test_each_step_of_a_path_is_seen(fake: FakeDevice) -> None:
    seen: list[object] = []

    class Seen(Watcher):
        def before(self, step: Step, number: int, count: int) -> None:
            seen.append(("before", step.name, number, count))

        def staged(self, step: Step) -> None:
            seen.append(("staged", step.name, fake.state))

        def confirmed(self, step: Step, firmware: FirmwareId) -> None:
            seen.append(("confirmed", step.name, firmware.image_hash))

    with fake.device() as device:
        done = follow(device, [Step(name="a", octets=OCTETS)], Seen())
    assert seen == [
        ("before", "a", 1, 1),
        ("staged", "a", "staged"),
        ("confirmed", "a", HASH),
    ]
    assert [(firmware.file_version, firmware.image_hash) for firmware in done] == [(VERSION, HASH)]


@pytest.mark.parametrize(
    ("confirmed", "left"),
    [
        (None, "abc"),
        (FirmwareId(file_version=1, image_hash=None), "abc"),
        (FirmwareId(file_version=1, image_hash=b"x" * 32), "abc"),
        (FirmwareId(file_version=1, image_hash=b"a" * 32), "bc"),
        (FirmwareId(file_version=1, image_hash=b"c" * 32), ""),
    ],
    ids=str,
)
def test_what_is_left_of_a_path(
    monkeypatch: pytest.MonkeyPatch, confirmed: FirmwareId | None, left: str
) -> None:
    # b is no OTA Upgrade Image
    hashes = {b"a": b"a" * 32, b"b": None, b"c": b"c" * 32}
    monkeypatch.setattr("hanboot.device.upgrade.hash_in", hashes.get)
    path = [Step(name=name, octets=name.encode()) for name in "abc"]
    assert "".join(step.name for step in remaining(confirmed, path)) == left


def test_an_accepted_image_without_a_name_is_not_started(
    fake: FakeDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hanboot.device.client.hash_in", lambda octets: None)
    fake.verdict = verdict_fields() | {"offered": {"version": VERSION, "hash": None}}
    fake.answers[1, 1] = lambda request: {"off": len(OCTETS)}
    with fake.device() as device, pytest.raises(LinkError, match="does not name the image"):
        upgrade(device, OCTETS)
    assert fake.sent(1, 0) == []
