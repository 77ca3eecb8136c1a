"""Questions to a device on a fake transport: its port, identity, history and trust anchors."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from fake_device import OCTETS, FakeDevice
from refusals import refusal

from hanboot.device.client import Device
from hanboot.device.records import SlotState
from hanboot.device.refusal import AnotherDevice, DeviceRefused
from hanboot.errors import LinkError
from hanboot.explain.reasons import Reason
from hanboot.link.transport import Lost
from hanboot.testing.fake_transport import SentRequest


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


def test_a_device_is_asked_once_who_it_is(fake: FakeDevice) -> None:
    with fake.device() as device:
        device.upload(OCTETS)
        fake.received = 0
        device.upload(OCTETS)
    assert fake.transport.requests[0].command == 0
    assert len(fake.sent(65, 0)) == 1


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
