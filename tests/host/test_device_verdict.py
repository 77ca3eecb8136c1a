"""Verdicts of a device on a fake transport, and what it activates and confirms."""

from __future__ import annotations

from typing import Any

import pytest
from fake_device import HASH, OTHER, FakeDevice, verdict_fields
from refusals import refusal

from hanboot.device.refusal import DeviceRefused
from hanboot.errors import CheckFailed, HanbootError, LinkError
from hanboot.explain.reasons import Reason
from hanboot.testing.fake_transport import SentRequest


def test_the_verdict_on_another_image_is_not_taken(fake: FakeDevice) -> None:
    """The device was reset before it came to one; the last is from before."""
    for reason in (0, Reason.PAYLOAD_HASH):
        fake.verdict = verdict_fields(reason, OTHER)
        with fake.device() as device, pytest.raises(LinkError, match="does not hold the image"):
            device.wait_verified()


def test_a_staged_image_counts_whatever_the_last_verdict_is(fake: FakeDevice) -> None:
    fake.state, fake.verdict = "staged", verdict_fields(Reason.HASH_MISMATCH, OTHER)
    with fake.device() as device:
        found = device.wait_verified()
    assert (found.reason, found.offered.image_hash) == (Reason.ACCEPTED, HASH)


@pytest.mark.parametrize("state", ["staged", "pending"])
@pytest.mark.parametrize(
    ("verdict", "minimum"),
    [
        (verdict_fields() | {"minimum_base_version": 7}, 7),
        (verdict_fields(Reason.PAYLOAD_HASH), 0),
        (verdict_fields(0, OTHER), 0),
        ({}, 0),
    ],
    ids=["on it", "a refusal from before", "on another", "none"],
)
def test_an_image_that_is_held_was_accepted(
    fake: FakeDevice, state: str, verdict: dict[str, Any], minimum: int
) -> None:
    fake.state, fake.verdict = state, verdict
    with fake.device() as device:
        found = device.wait_verified()
    assert (found.reason, found.offered.image_hash) == (Reason.ACCEPTED, HASH)
    assert found.minimum_base_version == minimum


@pytest.mark.parametrize(
    "verdict", [verdict_fields(), {}], ids=["accepted and not held", "no verdict"]
)
def test_an_image_that_is_not_held_was_not_accepted(
    fake: FakeDevice, verdict: dict[str, Any]
) -> None:
    fake.verdict = verdict
    with fake.device() as device, pytest.raises(LinkError, match="does not hold the image"):
        device.wait_verified()


@pytest.mark.parametrize(
    ("verdict", "reason"),
    [
        (verdict_fields(Reason.PAYLOAD_HASH, OTHER), Reason.PAYLOAD_HASH),
        ({}, Reason.ACCEPTED),
        (verdict_fields(0, OTHER), None),
    ],
    ids=["refused", "none", "accepted"],
)
def test_of_an_upload_that_is_not_known_the_last_verdict_counts(
    fake: FakeDevice, verdict: dict[str, Any], reason: Reason | None
) -> None:
    """Of what is no OTA Upgrade Image, or was sent by another process."""
    fake.verdict = verdict
    with fake.device() as device:
        device._uploaded = None
        if reason is None:
            assert device.wait_verified().offered.image_hash == OTHER
            return
        with pytest.raises(DeviceRefused) as raised:
            device.wait_verified()
    assert raised.value.verdict.reason is reason


@pytest.mark.parametrize("state", ["reverted", "previous", "trial"])
def test_an_image_in_another_state_is_not_staged(fake: FakeDevice, state: str) -> None:
    fake.state, fake.verdict = state, verdict_fields(0, OTHER)
    with fake.device() as device, pytest.raises(LinkError, match="does not hold the image"):
        device.wait_verified()


def test_a_refusal_is_raised_with_its_verdict(fake: FakeDevice) -> None:
    fake.verdict = verdict_fields(Reason.PAYLOAD_HASH)
    with fake.device() as device, pytest.raises(DeviceRefused) as raised:
        device.wait_verified()
    assert raised.value.verdict.reason is Reason.PAYLOAD_HASH


def test_a_verification_without_end(fake: FakeDevice) -> None:
    fake.answers[65, 3] = lambda request: {"state": "verifying", "received": 9, "total": 9}
    with fake.device() as device, pytest.raises(LinkError, match="does not come to a verdict"):
        device.wait_verified()
    assert 30 <= fake.clock.now < 40


def test_an_activation_names_the_image_and_does_not_confirm_it(fake: FakeDevice) -> None:
    with fake.device() as device:
        device.activate(HASH)
    assert fake.sent(1, 0) == [{"hash": HASH, "confirm": False}]


@pytest.mark.parametrize("has_event", [True, False])
def test_a_refused_activation_shows_the_event_before_the_verdict(
    fake: FakeDevice, has_event: bool
) -> None:
    fake.verdict = verdict_fields(Reason.NOT_A_PREDECESSOR)
    fake.event = verdict_fields(Reason.TRIAL_RUNNING) if has_event else {}
    fake.answers[1, 0] = refusal(1, 30)
    if not has_event:
        fake.answers[65, 1] = lambda request: {} if "event" in request.fields else fake.verdict
    with fake.device() as device, pytest.raises(DeviceRefused) as raised:
        device.activate(HASH)
    shown = Reason.TRIAL_RUNNING if has_event else Reason.NOT_A_PREDECESSOR
    assert raised.value.verdict.reason is shown


def test_an_image_on_trial_is_confirmed(fake: FakeDevice) -> None:
    fake.state, fake.started = "trial", 1
    with fake.device() as device:
        device.confirm()
    assert fake.sent(1, 0) == [{"confirm": True}]


@pytest.mark.parametrize("started", [-1, 0], ids=["nothing runs", "a confirmed image runs"])
def test_without_a_trial_there_is_nothing_to_confirm(fake: FakeDevice, started: int) -> None:
    fake.started = started
    with fake.device() as device, pytest.raises(CheckFailed, match="nothing to confirm"):
        device.confirm()
    assert fake.sent(1, 0) == []


@pytest.mark.parametrize(
    ("group", "rc", "what"),
    [
        (1, 32, "the device was not confirmed"),
        (0, 32, "does not take the request"),
        (1, 30, "refused"),
    ],
)
def test_a_board_that_lets_no_client_confirm_is_named(
    fake: FakeDevice, group: int, rc: int, what: str
) -> None:
    fake.state, fake.started = "trial", 1
    fake.verdict = verdict_fields(Reason.TRIAL_RUNNING)
    fake.answers[1, 0] = refusal(group, rc)
    with fake.device() as device, pytest.raises(HanbootError, match=what):
        device.confirm()


def test_a_port_that_goes_while_a_verdict_is_waited_for(fake: FakeDevice) -> None:
    fake.state, fake.verdict = "staged", verdict_fields()
    states = iter(["verifying", "", "verifying", "idle"])

    def progress(request: SentRequest) -> dict[str, Any] | None:
        state = next(states)
        if not state:
            fake.unplug(absent=5)
            return None
        return {"state": state, "received": 0, "total": 0}

    fake.answers[65, 3] = progress
    with fake.device() as device:
        assert not device.wait_verified().reason
    assert fake.transport.opened == 2
