"""Uploads to a device on a fake transport: pieces, losses, circles, and what is refused."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from fake_device import OCTETS, FakeDevice, verdict_fields
from refusals import refusal

from hanboot.device.refusal import DeviceRefused
from hanboot.errors import LinkError
from hanboot.explain.reasons import Reason
from hanboot.link.smp import NoAnswer
from hanboot.link.transport import Lost
from hanboot.testing.fake_transport import SentRequest


def test_upload_sends_all_of_it_once(fake: FakeDevice) -> None:
    progress: list[tuple[int, int]] = []
    with fake.device() as device:
        device.upload(OCTETS, lambda done, total: progress.append((done, total)))
    sent = [r.fields for r in fake.transport.requests if (r.group, r.command) == (1, 1)]
    assert b"".join(fields["data"] for fields in sent) == OCTETS
    assert "sha" in sent[0]
    assert all("sha" not in fields for fields in sent[1:])
    assert progress[-1] == (len(OCTETS), len(OCTETS))


@pytest.mark.parametrize("path", [(0,), (0, 500, 0, 500), (500, 1000, 500, 1000)], ids=str)
def test_an_upload_that_goes_in_circles_ends(fake: FakeDevice, path: tuple[int, ...]) -> None:
    offsets = itertools.cycle(path)
    fake.answers[1, 1] = lambda request: {"off": next(offsets)}
    with fake.device() as device, pytest.raises(LinkError, match="does not take the image"):
        device.upload(OCTETS)
    assert len(fake.transport.requests) < 40


def test_an_upload_that_crawls_ends(fake: FakeDevice) -> None:
    """Each round comes one octet further than the one before."""
    rounds = itertools.count(1)
    fake.answers[1, 1] = lambda request: {"off": next(rounds) if request.fields["off"] == 0 else 0}
    with fake.device() as device, pytest.raises(LinkError, match="does not take the image"):
        device.upload(OCTETS)
    assert len(fake.transport.requests) < 200


def test_a_reset_in_the_middle_of_an_upload_is_no_stall(fake: FakeDevice) -> None:
    counter = itertools.count()

    def take(request: SentRequest) -> dict[str, Any]:
        if next(counter) == 2:
            fake.received = 0
            return {"off": 0}
        return fake._1_1(request)

    fake.answers[1, 1] = take
    with fake.device() as device:
        device.upload(OCTETS)
    assert fake.received == len(OCTETS)


@pytest.mark.parametrize("offset", [None, "x", -1, len(OCTETS) + 1, True], ids=str)
def test_an_offset_that_cannot_be(fake: FakeDevice, offset: object) -> None:
    fake.answers[1, 1] = lambda request: {"off": offset}
    with fake.device() as device, pytest.raises(LinkError, match="octets that the image"):
        device.upload(OCTETS)


def test_an_upload_goes_on_after_the_port_was_gone(fake: FakeDevice) -> None:
    counter = itertools.count()

    def take(request: SentRequest) -> dict[str, Any] | None:
        if next(counter) == 1:
            fake.transport.fails = True
            fake.transport.absent = 3
            return None
        return fake._1_1(request)

    fake.answers[1, 1] = take
    with fake.device() as device:
        device.upload(OCTETS)
    assert fake.received == len(OCTETS)
    assert fake.transport.opened == 2


@pytest.mark.parametrize("place", [(65, 0), (0, 6)], ids=["identity", "parameters"])
def test_a_port_that_goes_before_the_first_piece(fake: FakeDevice, place: tuple[int, int]) -> None:
    """A board that an application resets at every start: it may go whenever it is asked."""
    counter = itertools.count()
    usual = getattr(fake, "_{}_{}".format(*place))

    def go_once(request: SentRequest) -> dict[str, Any] | None:
        return fake.unplug(absent=2) if next(counter) == 0 else usual(request)

    fake.answers[place] = go_once
    with fake.device() as device:
        device.upload(OCTETS)
    assert fake.received == len(OCTETS)
    assert fake.transport.opened == 2


def test_a_port_that_stays_away_is_lost(fake: FakeDevice) -> None:
    def take(request: SentRequest) -> None:
        fake.transport.fails = True
        fake.transport.absent = 10**6

    fake.answers[1, 1] = take
    with fake.device() as device, pytest.raises(Lost):
        device.upload(OCTETS)
    assert fake.clock.now < 15


def test_a_long_image_in_the_smallest_buffer(fake: FakeDevice) -> None:
    fake.answers[0, 6] = lambda request: {"buf_size": 64}
    octets = OCTETS * 4
    with fake.device() as device:
        device.upload(octets)
    sent = [fields["data"] for fields in fake.sent(1, 1)]
    assert b"".join(sent) == octets
    assert len(sent) > 70


@pytest.mark.parametrize("buf_size", [63, 0, -1, True, None, "1024"], ids=repr)
def test_a_buffer_that_holds_no_request(fake: FakeDevice, buf_size: object) -> None:
    fake.answers[0, 6] = lambda request: {"buf_size": buf_size}
    with fake.device() as device, pytest.raises(LinkError, match="buffer that holds no request"):
        device.upload(OCTETS)
    assert fake.sent(1, 1) == []


def test_a_device_without_parameters_takes_an_upload(fake: FakeDevice) -> None:
    fake.answers[0, 6] = lambda request: {"rc": 8}
    with fake.device() as device:
        device.upload(OCTETS)
    assert fake.received == len(OCTETS)


def test_messages_shrink_with_each_loss_and_grow_with_answers(fake: FakeDevice) -> None:
    counter = itertools.count()

    def take(request: SentRequest) -> dict[str, Any] | None:
        return None if next(counter) in (1, 2) else fake._1_1(request)

    fake.answers[1, 1] = take
    with fake.device() as device:
        device.upload(OCTETS * 4)
    sent = [len(fields["data"]) for fields in fake.sent(1, 1)]
    assert sent[1] > sent[2] > sent[3]
    assert max(sent[4:]) > sent[3]


def test_an_upload_that_is_not_answered(fake: FakeDevice) -> None:
    fake.answers[1, 1] = lambda request: None
    with fake.device() as device, pytest.raises(NoAnswer, match="was sent 4 times"):
        device.upload(OCTETS)
    assert len(fake.sent(1, 1)) == 4


@pytest.mark.parametrize("further", [0, 1], ids=["from the start", "a byte further each time"])
@pytest.mark.parametrize("is_too_often", [False, True])
def test_a_device_may_ask_again_only_so_often(
    fake: FakeDevice, further: int, is_too_often: bool
) -> None:
    """8 times without coming further, 64 times in all."""
    returns = (64 if further else 8) + is_too_often
    asked: list[int] = []
    for best in range(1, returns + 1):
        asked += [best, 0] if further else [0]

    def take(request: SentRequest) -> dict[str, Any]:
        return {"off": asked.pop(0)} if asked else fake._1_1(request)

    fake.answers[1, 1] = take
    with fake.device() as device:
        if is_too_often:
            with pytest.raises(LinkError, match="over and over"):
                device.upload(OCTETS)
        else:
            device.upload(OCTETS)
            assert fake.received == len(OCTETS)


def test_a_port_that_goes_at_every_piece_is_lost(fake: FakeDevice) -> None:
    fake.answers[1, 1] = lambda request: fake.unplug(absent=1)
    with fake.device() as device, pytest.raises(Lost):
        device.upload(OCTETS)
    assert len(fake.sent(1, 1)) == 9


@pytest.mark.parametrize(
    ("verdict", "reason"),
    [(verdict_fields(Reason.NOT_A_PREDECESSOR), Reason.NOT_A_PREDECESSOR), ({}, Reason.ACCEPTED)],
    ids=["with a verdict", "without one"],
)
def test_an_upload_that_is_refused_shows_the_verdict(
    fake: FakeDevice, verdict: dict[str, Any], reason: Reason
) -> None:
    fake.verdict = verdict
    fake.answers[1, 1] = refusal(1, 30)
    with fake.device() as device, pytest.raises(DeviceRefused) as raised:
        device.upload(OCTETS)
    assert raised.value.verdict.reason is reason


def test_a_device_that_has_no_verdicts_is_no_hanboot_device(fake: FakeDevice) -> None:
    fake.answers[1, 1] = refusal(1, 30)
    fake.answers[65, 1] = refusal(-1, 8)
    with fake.device() as device, pytest.raises(LinkError, match="gives no verdict"):
        device.upload(OCTETS)
