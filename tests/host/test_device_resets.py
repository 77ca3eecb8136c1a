"""Resets and trials of a device on a fake transport, and ports that go at them."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from fake_device import HASH, OCTETS, SERIAL, FakeDevice, verdict_fields

from hanboot.device.refusal import AnotherDevice, DeviceRefused, Reverted
from hanboot.device.upgrade import upgrade
from hanboot.errors import LinkError, NoDevice
from hanboot.explain.reasons import Reason
from hanboot.link.smp import NoAnswer
from hanboot.link.transport import Lost
from hanboot.testing.fake_transport import SentRequest, reply


def test_a_reset_whose_reply_is_lost_is_not_repeated(fake: FakeDevice) -> None:
    """Each reset costs a trial one of its three starts."""
    fake.state = "pending"

    def start(request: SentRequest) -> None:
        fake.resets, fake.state = fake.resets + 1, "trial"

    fake.answers[0, 5] = start
    with fake.device() as device:
        device.reset()
    assert fake.resets == 1


@pytest.mark.parametrize("state", ["pending", "confirmed"])
def test_a_reset_that_does_not_arrive_is_repeated(fake: FakeDevice, state: str) -> None:
    fake.state, counter = state, itertools.count()
    fake.answers[0, 5] = lambda request: None if next(counter) < 2 else {}
    with fake.device() as device:
        device.reset()
    assert next(counter) == 3


def test_a_reset_that_is_never_answered(fake: FakeDevice) -> None:
    fake.state, fake.answers[0, 5] = "pending", lambda request: None
    with fake.device() as device, pytest.raises(NoAnswer):
        device.reset()
    assert len(fake.sent(0, 5)) == 4


def test_an_upgrade_from_upload_to_confirmation(fake: FakeDevice) -> None:
    with fake.device() as device:
        assert upgrade(device, OCTETS).confirmed.image_hash == HASH  # type: ignore[union-attr]
    assert fake.resets == 1


def test_a_port_that_vanishes_at_every_reset(fake: FakeDevice) -> None:
    """Three starts of a trial, each of which takes the port away; then it is reverted."""
    starts = itertools.count(1)

    def crash(request: SentRequest) -> dict[str, Any] | None:
        fake.attempts = next(starts)
        if fake.attempts <= 3:
            fake.transport.fails, fake.transport.absent = True, 5
            return None
        fake.state, fake.verdict = "reverted", verdict_fields(Reason.TRIAL_CRASHED)
        del fake.answers[65, 0]
        return fake.identity()

    def on_reset() -> None:
        fake.state = "trial"
        fake.answers[65, 0] = crash

    fake.on_reset = on_reset
    with fake.device() as device, pytest.raises(DeviceRefused) as raised:
        upgrade(device, OCTETS)
    assert raised.value.verdict.reason is Reason.TRIAL_CRASHED
    assert fake.transport.opened >= 4


def test_another_device_at_the_same_name(fake: FakeDevice) -> None:
    def on_reset() -> None:
        fake.transport.fails = True
        fake.serial = b"\xaa" * 8
        fake.confirmed = HASH

    fake.on_reset = on_reset
    with fake.device() as device, pytest.raises(AnotherDevice) as raised:
        upgrade(device, OCTETS)
    assert raised.value.exit_code == 3
    assert SERIAL.hex("-") in raised.value.why
    assert (b"\xaa" * 8).hex("-") in raised.value.why


def test_a_trial_without_end(fake: FakeDevice) -> None:
    fake.on_reset = lambda: setattr(fake, "state", "trial")
    with fake.device() as device, pytest.raises(LinkError, match="neither confirmed nor"):
        upgrade(device, OCTETS)
    assert 150 <= fake.clock.now < 200


def test_a_device_that_changes_its_mind_for_ever(fake: FakeDevice) -> None:
    states = itertools.cycle(["trial", "pending"])

    def flip(request: SentRequest) -> dict[str, Any]:
        fake.state = next(states)
        return fake.identity()

    fake.on_reset = lambda: fake.answers.__setitem__((65, 0), flip)
    with fake.device() as device, pytest.raises(LinkError, match="neither confirmed nor"):
        upgrade(device, OCTETS)


def test_a_device_that_does_not_come_back(fake: FakeDevice) -> None:
    fake.on_reset = lambda: fake.answers.__setitem__((65, 0), lambda request: None)
    with fake.device() as device, pytest.raises(NoAnswer):
        upgrade(device, OCTETS)
    assert 150 <= fake.clock.now < 160


def test_a_port_that_does_not_come_back(fake: FakeDevice) -> None:
    def on_reset() -> None:
        fake.transport.fails, fake.transport.absent = True, 10**6

    fake.on_reset = on_reset
    with fake.device() as device, pytest.raises((NoDevice, Lost)):
        upgrade(device, OCTETS)
    assert fake.clock.now < 160


def test_a_reset_is_asked_for_once(fake: FakeDevice) -> None:
    with fake.device() as device:
        device.reset()
    assert (fake.resets, fake.transport.opened) == (1, 1)


def test_a_reset_that_takes_the_port_away_waits_for_the_device(fake: FakeDevice) -> None:
    fake.on_reset = lambda: fake.unplug(absent=3)
    with fake.device() as device:
        device.identity()
        device.reset()
        assert fake.transport.opened == 2
        assert len(fake.sent(65, 0)) == 3


@pytest.mark.parametrize("is_silent", [True, False], ids=["silent", "away"])
def test_a_device_that_is_gone_after_a_reset_is_lost(fake: FakeDevice, is_silent: bool) -> None:
    def on_reset() -> None:
        fake.unplug(absent=0 if is_silent else 10**6)
        fake.answers[65, 0] = lambda request: None

    fake.on_reset = on_reset
    with fake.device() as device, pytest.raises(Lost):
        device.reset()
    assert 5 <= fake.clock.now < 7


def test_another_device_after_a_reset_is_named(fake: FakeDevice) -> None:
    def on_reset() -> None:
        fake.unplug(absent=1)
        fake.serial = b"\xaa" * 8

    fake.on_reset = on_reset
    with fake.device() as device:
        device.identity()
        with pytest.raises(AnotherDevice):
            device.reset()


def test_a_device_that_is_slow_to_start_is_waited_for(fake: FakeDevice) -> None:
    """It does not answer for a while, and then its port goes once more."""
    silences = iter(range(20))

    def slow(request: SentRequest) -> dict[str, Any] | None:
        number = next(silences, None)
        if number == 10:
            fake.unplug(absent=5)
        return fake.identity() if number is None else None

    def on_reset() -> None:
        fake.confirmed, fake.state = HASH, None
        fake.answers[65, 0] = slow

    fake.on_reset = on_reset
    with fake.device() as device:
        device.reset()
        assert device.wait_outcome(HASH).confirmed


@pytest.mark.parametrize("answer_s", [0.2, 0.5, 1.5])
def test_a_device_that_is_slow_to_answer_is_waited_for(
    fake: FakeDevice, monkeypatch: pytest.MonkeyPatch, answer_s: float
) -> None:
    """It works on one question at a time, also on those that are not waited for any more."""
    fake.confirmed, fake.state = HASH, None
    waiting: list[tuple[float, bytes]] = []

    def slow(request: SentRequest) -> None:
        free = waiting[-1][0] if waiting else fake.clock.now
        waiting.append((free + answer_s, reply(request, fake.identity())))

    def read() -> bytes:
        if waiting and waiting[0][0] <= fake.clock.now:
            return waiting.pop(0)[1]
        return nothing()

    nothing = fake.transport.read
    fake.answers[65, 0] = slow
    with fake.device() as device:
        monkeypatch.setattr(fake.transport, "read", read)
        assert device.wait_outcome(HASH).confirmed
    assert fake.clock.now < 15


def test_a_first_image_is_waited_for_where_nothing_is_confirmed(fake: FakeDevice) -> None:
    fake.confirmed, fake.state = None, "trial"
    polls = itertools.count()

    def slow(request: SentRequest) -> dict[str, Any]:
        if next(polls) == 3:
            fake.confirmed, fake.state = HASH, None
        return fake.identity()

    fake.answers[65, 0] = slow
    with fake.device() as device:
        confirmed = device.wait_outcome(HASH).confirmed
    assert confirmed is not None
    assert confirmed.image_hash == HASH


@pytest.mark.parametrize(
    ("event", "verdict", "reason"),
    [
        (verdict_fields(Reason.TRIAL_CRASHED), {}, Reason.TRIAL_CRASHED),
        ({}, verdict_fields(Reason.TRIAL_HUNG), Reason.TRIAL_HUNG),
        ({}, {}, Reason.ACCEPTED),
    ],
    ids=["event", "verdict", "neither"],
)
@pytest.mark.parametrize("state", ["reverted", None])
def test_a_failed_trial_is_raised_with_what_is_known_of_it(
    fake: FakeDevice,
    state: str | None,
    event: dict[str, Any],
    verdict: dict[str, Any],
    reason: Reason,
) -> None:
    fake.state = state
    fake.answers[65, 1] = lambda request: event if "event" in request.fields else verdict
    with fake.device() as device, pytest.raises(Reverted) as raised:
        device.wait_outcome(HASH)
    assert raised.value.verdict.reason is reason


def test_a_port_that_goes_at_every_question_is_lost(fake: FakeDevice) -> None:
    fake.answers[65, 3] = lambda request: fake.unplug(absent=100)
    with fake.device() as device, pytest.raises(Lost):
        device.wait_verified()
    assert 150 <= fake.clock.now < 165


@pytest.mark.parametrize("absent", [0, 100])
def test_a_port_that_goes_at_every_start_is_lost(fake: FakeDevice, absent: int) -> None:
    def go(request: SentRequest) -> None:
        fake.clock.now += 0.3
        fake.unplug(absent)

    def on_reset() -> None:
        fake.answers[65, 0] = go

    fake.on_reset = on_reset
    with fake.device() as device, pytest.raises((Lost, NoDevice)):
        upgrade(device, OCTETS)
    assert 150 <= fake.clock.now < 165
