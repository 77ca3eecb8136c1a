"""The device client on a fake transport: uploads, verdicts, resets, and ports that go."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from fake_device import HASH, OCTETS, OTHER, SERIAL, VERSION, FakeDevice, verdict_fields

from hanboot.device.client import Device
from hanboot.device.records import FirmwareId, SlotState
from hanboot.device.refusal import AnotherDevice, DeviceRefused, Reverted
from hanboot.device.upgrade import Step, Watcher, follow, remaining, upgrade
from hanboot.errors import CheckFailed, HanbootError, LinkError, NoDevice
from hanboot.explain.reasons import Reason
from hanboot.link.smp import NoAnswer
from hanboot.link.transport import Lost
from hanboot.testing.fake_transport import SentRequest, reply


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


@pytest.mark.parametrize("question", ["identity", "verdict", "event", "progress"])
def test_a_reset_in_the_middle_of_a_question(fake: FakeDevice, question: str) -> None:
    """A board on USB that has just been plugged in, or starts what was activated."""
    command = {"identity": 0, "verdict": 1, "event": 1, "progress": 3}[question]
    usual, counter = getattr(fake, f"_65_{command}"), itertools.count()

    def go_once(request: SentRequest) -> dict[str, Any] | None:
        return fake.unplug(absent=3) if next(counter) == 0 else usual(request)

    fake.answers[65, command] = go_once
    with fake.device() as device:
        getattr(device, question)()
    assert fake.transport.opened == 2


def test_another_device_after_a_reset_in_the_middle_of_a_question(fake: FakeDevice) -> None:
    fake.answers[65, 1] = lambda request: fake.unplug(absent=1)
    with fake.device() as device:
        device.identity()
        fake.serial = bytes(8)
        with pytest.raises(AnotherDevice):
            device.verdict()


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


def test_a_port_that_stays_away_is_lost(fake: FakeDevice) -> None:
    def take(request: SentRequest) -> None:
        fake.transport.fails = True
        fake.transport.absent = 10**6

    fake.answers[1, 1] = take
    with fake.device() as device, pytest.raises(Lost):
        device.upload(OCTETS)
    assert fake.clock.now < 15


def test_a_device_is_asked_once_who_it_is(fake: FakeDevice) -> None:
    with fake.device() as device:
        device.upload(OCTETS)
        fake.received = 0
        device.upload(OCTETS)
    assert fake.transport.requests[0].command == 0
    assert len(fake.sent(65, 0)) == 1


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


# --- resets and ports


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


@pytest.mark.parametrize(
    "events",
    [
        [],
        [{"index": 0}],
        [{"index": 5}, {"index": 5}],
    ],
    ids=["none", "the same", "twice"],
)
def test_a_history_without_end(fake: FakeDevice, events: list[dict[str, int]]) -> None:
    event = {"event": 1, "reason": 0, "from": None, "to": None, "chain": bytes(32)}
    listed = [event | entry for entry in events]
    fake.answers[65, 2] = lambda request: {"events": listed, "more": True}
    with fake.device() as device, pytest.raises(LinkError, match="no end"):
        device.history()
    assert len(fake.transport.requests) < 5


def test_a_history_that_grows_while_it_is_read(fake: FakeDevice) -> None:
    event = {"event": 1, "reason": 0, "from": None, "to": None, "chain": bytes(32)}
    fake.answers[65, 2] = lambda request: {
        "events": [event | {"index": request.fields["from"]}],
        "more": True,
    }
    with fake.device() as device, pytest.raises(LinkError, match="no end"):
        device.history()


# --- the port


def test_a_device_opens_its_port_and_closes_it(fake: FakeDevice) -> None:
    with fake.device():
        assert (fake.transport.opened, fake.transport.closed) == (1, 0)
    assert fake.transport.closed == 1


@pytest.mark.parametrize(("given", "kept"), [(None, 5.0), (3.0, 3.0)])
def test_patience_is_the_transport_s_unless_it_is_given(given: float | None, kept: float) -> None:
    fake = FakeDevice()
    fake.transport.patience = 5.0
    assert Device(fake.transport, patience=given).transport.patience == kept


def test_a_typed_line_and_the_text_that_comes(fake: FakeDevice) -> None:
    texts: list[str] = []
    device = Device(fake.transport, texts.append, clock=fake.clock)
    device.type_line("balance")
    assert fake.transport.sent.endswith(b"balance\n")
    fake.transport.say(b"Balance 10.00\n")
    device.listen(0.1)
    assert texts == ["Balance 10.00"]


def test_listening_goes_on_after_the_port_was_gone(fake: FakeDevice) -> None:
    with fake.device() as device:
        fake.unplug(absent=3)
        device.listen(0.1)
        assert fake.transport.opened == 2
        fake.unplug(absent=10**6)
        with pytest.raises(Lost):
            device.listen(0.1)


def test_a_port_that_failed_once_is_opened_again(
    fake: FakeDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some ports fail once, and then stay silent until they are opened again."""
    device = fake.device()
    silent = lambda request: None  # noqa: E731
    fake.answers[65, 0] = silent
    fake.answers[0, 5] = silent
    read = fake.transport.read

    def fail() -> bytes:
        monkeypatch.setattr(fake.transport, "read", read)
        raise Lost("fake", "reset")

    opened = fake.transport.open

    def open_again() -> None:
        opened()
        fake.answers.clear()

    monkeypatch.setattr(fake.transport, "read", fail)
    monkeypatch.setattr(fake.transport, "open", open_again)
    device.reset()
    assert fake.transport.opened == 2


def test_a_port_that_is_away_is_looked_for_with_pauses(fake: FakeDevice) -> None:
    with fake.device() as device:
        fake.unplug(absent=3)
        device.listen(0.1)
    assert len(fake.pauses) == 3
    assert all(pause >= 0.05 for pause in fake.pauses)


# --- identity, history, anchors


def event_fields(index: int) -> dict[str, Any]:
    return {
        "index": index,
        "event": 1,
        "reason": 0,
        "from": None,
        "to": None,
        "chain": bytes(32),
    }


@pytest.mark.parametrize("count", [0, 1, 16, 17, 4096])
def test_all_of_a_history_is_read(fake: FakeDevice, count: int) -> None:
    def page(request: SentRequest) -> dict[str, Any]:
        first = request.fields["from"]
        last = min(first + 16, count)
        return {"events": [event_fields(i) for i in range(first, last)], "more": last < count}

    fake.answers[65, 2] = page
    with fake.device() as device:
        assert [event.index for event in device.history()] == list(range(count))


def test_a_history_is_not_read_without_end(fake: FakeDevice) -> None:
    def page(request: SentRequest) -> dict[str, Any]:
        first = request.fields["from"]
        return {"events": [event_fields(i) for i in range(first, first + 15)], "more": True}

    fake.answers[65, 2] = page
    with fake.device() as device, pytest.raises(LinkError, match="no end") as raised:
        device.history()
    assert "event 4096 follows event 4095" in raised.value.why


def cell_fields(sequence: int) -> dict[str, Any]:
    return {
        "role": 0,
        "kid": bytes(8),
        "sequence": sequence,
        "development": True,
        "label": b"",
    }


@pytest.mark.parametrize(
    ("held", "claims_more", "asked"),
    [(0, False, 1), (0, True, 1), (1, False, 1), (2, False, 2), (2, True, 3), (99, True, 32)],
)
def test_trust_anchors_are_asked_for_one_reply_after_the_other(
    fake: FakeDevice, held: int, claims_more: bool, asked: int
) -> None:
    """claims_more: the device says so of its last reply, too."""

    def one(request: SentRequest) -> dict[str, Any]:
        first = request.fields["from"]
        cells = [cell_fields(first)] if first < held else []
        return {"cells": cells, "more": claims_more or first + 1 < held}

    fake.answers[65, 4] = one
    with fake.device() as device:
        assert [cell.sequence for cell in device.anchors()] == list(range(min(held, 32)))
    assert len(fake.sent(65, 4)) == asked


@pytest.mark.parametrize("signature", [None, b"\7" * 64], ids=["first", "successor"])
@pytest.mark.parametrize("written", [True, False])
def test_a_trust_anchor_is_sent_with_its_signature_if_it_has_one(
    fake: FakeDevice, signature: bytes | None, written: bool
) -> None:
    fake.answers[65, 4] = lambda request: {"written": written}
    with fake.device() as device:
        assert device.put_anchor(b"head", signature) is written
        device.put_anchor(b"head")
    wanted: dict[str, Any] = {"head": b"head"}
    assert fake.sent(65, 4) == [wanted | ({"signature": signature} if signature else {}), wanted]
    # nothing is sent before it is known to which device, and that is asked once
    assert fake.transport.requests[0].command == 0
    assert len(fake.sent(65, 0)) == 1


@pytest.mark.parametrize(
    ("taken", "is_demanded"), [({"taken": True}, True), ({"taken": False}, False), ({}, False)]
)
def test_a_cpl_entry_is_sent_and_says_whether_it_is_demanded(
    fake: FakeDevice, taken: dict[str, Any], is_demanded: bool
) -> None:
    fake.answers[65, 9] = lambda request: taken
    with fake.device() as device:
        assert device.put_cpl_entry(b"token") is is_demanded
    assert fake.sent(65, 9) == [{"entry": b"token"}]


# --- refusals


def refusal(group: int, rc: int) -> Callable[[SentRequest], dict[str, Any]]:
    return lambda request: {"err": {"group": group, "rc": rc}}


@pytest.mark.parametrize(
    ("group", "rc", "reason"),
    [(65, 256 + int(Reason.TRIAL_RUNNING), Reason.TRIAL_RUNNING), (65, 257, Reason(1))],
)
def test_an_error_with_a_reason_is_a_refusal(
    fake: FakeDevice, group: int, rc: int, reason: Reason
) -> None:
    fake.answers[65, 4] = refusal(group, rc)
    with fake.device() as device, pytest.raises(DeviceRefused) as raised:
        device.put_anchor(b"head")
    assert raised.value.verdict.reason is reason


@pytest.mark.parametrize(("group", "rc"), [(65, 3), (65, 256), (0, 300), (-1, 300)])
def test_any_other_error_is_no_refusal(fake: FakeDevice, group: int, rc: int) -> None:
    fake.answers[65, 4] = refusal(group, rc)
    with fake.device() as device, pytest.raises(LinkError, match="does not take the request"):
        device.put_anchor(b"head")


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


# --- a confirmation by the client


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


# --- resets


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


# --- paths


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


def test_a_host_bug_is_not_the_device_s(fake: FakeDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(fields: object) -> None:
        raise AttributeError("a bug")

    monkeypatch.setattr("hanboot.device.records.parse_identity", fail)
    with fake.device() as device, pytest.raises(AttributeError, match="a bug"):
        device.identity()


def test_states_are_an_enumeration(fake: FakeDevice) -> None:
    fake.state = "trial"
    with fake.device() as device:
        assert device.identity().slots[1].state is SlotState.TRIAL


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
