"""The host's link on a fake transport: lost, late, foreign and endless replies; ports that go."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from hanboot.device.client import Device
from hanboot.device.records import SlotState
from hanboot.device.refusal import AnotherDevice, DeviceRefused
from hanboot.device.upgrade import Step, Watcher, follow, remaining, upgrade
from hanboot.errors import LinkError, NoDevice
from hanboot.explain.reasons import Reason
from hanboot.link.smp import NoAnswer, Retries, SmpClient, SmpRefusal
from hanboot.link.transport import Lost
from hanboot.testing.fake_transport import FakeClock, FakeTransport, Request, reply
from hanbootloader.link import smp

HASH, OTHER = b"\x11" * 32, b"\x22" * 32
VERSION = 0x01010000
SERIAL = bytes(range(8))
OCTETS = bytes(range(256)) * 12


def client(
    answer: Callable[[Request], bytes | None], **more: Any
) -> tuple[SmpClient, FakeTransport]:
    transport = FakeTransport(answer)
    transport.open()
    return SmpClient(transport, clock=transport.clock, **more), transport


# --- one request


def test_a_request_is_sent_once_where_it_is_answered() -> None:
    link, transport = client(lambda request: reply(request, {"r": "hello"}))
    assert link.write(0, 0, {"d": "hello"}) == {"r": "hello"}
    assert [r.fields for r in transport.requests] == [{"d": "hello"}]
    assert link.repeats == 0
    assert link.octets_sent == len(transport.sent)


@pytest.mark.parametrize("tries", [1, 3, 4])
def test_a_request_is_repeated_as_often_as_allowed(tries: int) -> None:
    link, transport = client(lambda request: None, retries=Retries(tries=tries, reply_s=1.5))
    with pytest.raises(NoAnswer, match=f"{tries} times, 1.5 s each"):
        link.read(65, 0)
    assert len(transport.requests) == tries
    assert link.repeats == tries
    assert tries * 1.5 <= transport.clock.now <= tries * 1.5 + 1


def test_patience_is_a_factor_on_the_wait() -> None:
    link, transport = client(lambda request: None, retries=Retries(tries=1, reply_s=1.0))
    transport.patience = 5.0
    with pytest.raises(NoAnswer):
        link.read(65, 0)
    assert 5.0 <= transport.clock.now <= 6.0


def test_the_second_try_counts() -> None:
    counter = itertools.count()
    link, _ = client(lambda request: reply(request, {}) if next(counter) else None)
    assert link.read(65, 0) == {}
    assert link.repeats == 1


def test_each_try_has_a_sequence_number_of_its_own() -> None:
    link, transport = client(lambda request: reply(request, {}))
    for _ in range(300):
        link.read(65, 0)
    numbers = [request.sequence for request in transport.requests]
    assert all((b - a) % 256 == 1 for a, b in itertools.pairwise(numbers))


@pytest.mark.parametrize(
    "other",
    [
        {"sequence": 77},
        {"group": 64},
        {"command": 9},
        {"operation": smp.READ},
        {"operation": smp.WRITE + 1},
    ],
    ids=str,
)
def test_a_foreign_reply_is_passed_over(other: dict[str, int]) -> None:
    def answer(request: Request) -> bytes:
        return reply(request, {"wrong": True}, **other) + reply(request, {"right": True})

    link, _ = client(answer)
    assert link.read(65, 0) == {"right": True}
    link, _ = client(lambda request: reply(request, {}, **other), retries=Retries(tries=2))
    with pytest.raises(NoAnswer):
        link.read(65, 0)


def test_a_late_reply_is_not_taken_for_the_next() -> None:
    """The first reply comes when the request was given up."""
    late: list[bytes] = []

    def answer(request: Request) -> bytes | None:
        if not late:
            late.append(reply(request, {"n": 1}))
            return None
        return late[0] + reply(request, {"n": 2})

    link, _ = client(answer)
    assert link.read(65, 0) == {"n": 2}


def test_text_goes_to_whom_it_is_for() -> None:
    texts: list[str] = []
    link, _ = client(lambda r: b"Balance 10.00\n" + reply(r, {}), on_text=texts.append)
    link.read(65, 0)
    assert texts == ["Balance 10.00"]


def test_half_a_line_before_is_ended() -> None:
    link, transport = client(lambda request: reply(request, {}))
    link.read(65, 0)
    assert transport.sent[:1] == b"\n"
    sent = len(transport.sent)
    link.read(65, 0)
    assert transport.sent[sent : sent + 1] != b"\n"


@pytest.mark.parametrize(
    ("fields", "group", "rc"),
    [({"rc": 8}, -1, 8), ({"err": {"group": 65, "rc": 257}}, 65, 257)],
)
def test_errors_of_both_versions(fields: dict[str, Any], group: int, rc: int) -> None:
    link, _ = client(lambda request: reply(request, fields))
    with pytest.raises(SmpRefusal) as raised:
        link.read(65, 0)
    assert (raised.value.group, raised.value.rc) == (group, rc)


@pytest.mark.parametrize(
    "fields", [{"rc": "x"}, {"rc": True}, {"err": 5}, {"err": {"group": 1}}, {"err": {}}], ids=str
)
def test_an_error_that_cannot_be_read(fields: dict[str, Any]) -> None:
    link, _ = client(lambda request: reply(request, fields))
    with pytest.raises(LinkError, match="cannot be read"):
        link.read(65, 0)


def test_a_port_that_goes_says_so() -> None:
    link, transport = client(lambda request: None)
    transport.fails = True
    with pytest.raises(Lost, match="lost fake"):
        link.read(65, 0)


# --- a device


class Played:
    """A device of a few lines.

    Attributes:
        state: of the slot that holds the image; None for none.
        confirmed: hash that runs.
        verdict: the last.
        answers: what to answer to (group, command) instead.
    """

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.transport = FakeTransport(self.answer, self.clock)
        self.serial = SERIAL
        self.state: str | None = None
        self.held = HASH
        self.confirmed = OTHER
        self.attempts = 0
        self.verdict: dict[str, Any] = {}
        self.received = 0
        self.total = 0
        self.resets = 0
        self.answers: dict[tuple[int, int], Callable[[Request], dict[str, Any] | None]] = {}
        self.on_reset: Callable[[], None] = self._confirm

    def device(self) -> Device:
        device = Device(self.transport, clock=self.clock)
        device._uploaded = HASH
        return device

    def answer(self, request: Request) -> bytes | None:
        place = (request.group, request.command)
        known = self.answers.get(place) or getattr(self, "_{}_{}".format(*place))
        fields = known(request)
        return None if fields is None else reply(request, fields)

    def identity(self) -> dict[str, Any]:
        slots: list[dict[str, Any]] = [
            {"state": "confirmed", "version": 1, "hash": self.confirmed, "bytes": 9}
        ]
        slots.append(
            {"state": self.state, "version": VERSION, "hash": self.held, "bytes": 9}
            if self.state
            else {"state": "empty"}
        )
        return {
            "board": "played",
            "serial": self.serial,
            "manufacturer_code": 0xFFF0,
            "image_type": 5,
            "hardware_version": 0x0100,
            "device_type": 5,
            "slot_bytes": 1 << 19,
            "security_counter": 0,
            "provisioned": True,
            "started": 0,
            "attempts": self.attempts,
            "slots": slots,
        }

    def _65_0(self, request: Request) -> dict[str, Any]:
        return self.identity()

    def _65_1(self, request: Request) -> dict[str, Any]:
        return self.verdict

    def _65_3(self, request: Request) -> dict[str, Any]:
        return {"state": "idle", "received": 0, "total": 0}

    def _1_1(self, request: Request) -> dict[str, Any]:
        offset = request.fields["off"]
        if offset == 0:
            self.total = request.fields["len"]
        if offset == self.received:
            self.received += len(request.fields["data"])
        if self.received == self.total:
            self.state, self.verdict = "staged", verdict_fields()
        return {"off": self.received}

    def _1_0(self, request: Request) -> dict[str, Any]:
        self.state = "pending"
        return {}

    def _0_6(self, request: Request) -> dict[str, Any]:
        return {"buf_size": 1024, "buf_count": 1}

    def _0_5(self, request: Request) -> dict[str, Any]:
        self.resets += 1
        self.on_reset()
        return {}

    def _confirm(self) -> None:
        self.confirmed, self.state = self.held, None


def verdict_fields(reason: int = 0, image_hash: bytes = HASH) -> dict[str, Any]:
    return {
        "reason": reason,
        "offset": -1,
        "offered": {"version": VERSION, "hash": image_hash},
        "running": None,
        "minimum_base_version": 0,
        "accepts": [],
        "accepts_total": 0,
    }


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    played = Played()
    monkeypatch.setattr("hanboot.device.client.hash_in", lambda octets: HASH)
    # nothing here waits for a real clock
    monkeypatch.setattr(
        "hanboot.device.client.time.sleep",
        lambda seconds: setattr(played.clock, "now", played.clock.now + seconds),
    )
    return played


def test_upload_sends_all_of_it_once(played: Played) -> None:
    progress: list[tuple[int, int]] = []
    with played.device() as device:
        device.upload(OCTETS, lambda done, total: progress.append((done, total)))
    sent = [r.fields for r in played.transport.requests if (r.group, r.command) == (1, 1)]
    assert b"".join(fields["data"] for fields in sent) == OCTETS
    assert "sha" in sent[0]
    assert all("sha" not in fields for fields in sent[1:])
    assert progress[-1] == (len(OCTETS), len(OCTETS))


@pytest.mark.parametrize("path", [(0,), (0, 500, 0, 500), (500, 1000, 500, 1000)], ids=str)
def test_an_upload_that_goes_in_circles_ends(played: Played, path: tuple[int, ...]) -> None:
    offsets = itertools.cycle(path)
    played.answers[1, 1] = lambda request: {"off": next(offsets)}
    with played.device() as device, pytest.raises(LinkError, match="does not take the image"):
        device.upload(OCTETS)
    assert len(played.transport.requests) < 40


def test_an_upload_that_crawls_ends(played: Played) -> None:
    """Each round comes one octet further than the one before."""
    rounds = itertools.count(1)
    played.answers[1, 1] = lambda request: {
        "off": next(rounds) if request.fields["off"] == 0 else 0
    }
    with played.device() as device, pytest.raises(LinkError, match="does not take the image"):
        device.upload(OCTETS)
    assert len(played.transport.requests) < 200


def test_a_reset_in_the_middle_of_an_upload_is_no_stall(played: Played) -> None:
    counter = itertools.count()

    def take(request: Request) -> dict[str, Any]:
        if next(counter) == 2:
            played.received = 0
            return {"off": 0}
        return played._1_1(request)

    played.answers[1, 1] = take
    with played.device() as device:
        device.upload(OCTETS)
    assert played.received == len(OCTETS)


@pytest.mark.parametrize("offset", [None, "x", -1, len(OCTETS) + 1, True], ids=str)
def test_an_offset_that_cannot_be(played: Played, offset: object) -> None:
    played.answers[1, 1] = lambda request: {"off": offset}
    with played.device() as device, pytest.raises(LinkError, match="octets that the image"):
        device.upload(OCTETS)


def test_an_upload_goes_on_after_the_port_was_gone(played: Played) -> None:
    counter = itertools.count()

    def take(request: Request) -> dict[str, Any] | None:
        if next(counter) == 1:
            played.transport.fails = True
            played.transport.absent = 3
            return None
        return played._1_1(request)

    played.answers[1, 1] = take
    with played.device() as device:
        device.upload(OCTETS)
    assert played.received == len(OCTETS)
    assert played.transport.opened == 2


def test_a_port_that_stays_away_is_lost(played: Played) -> None:
    def take(request: Request) -> None:
        played.transport.fails = True
        played.transport.absent = 10**6

    played.answers[1, 1] = take
    with played.device() as device, pytest.raises(Lost):
        device.upload(OCTETS)
    assert played.clock.now < 15


def test_the_verdict_on_another_image_is_not_taken(played: Played) -> None:
    """The device was reset before it came to one; the last is from before."""
    for reason in (0, Reason.PAYLOAD_HASH):
        played.verdict = verdict_fields(reason, OTHER)
        with played.device() as device, pytest.raises(LinkError, match="does not hold the image"):
            device.wait_verified()


def test_a_staged_image_counts_whatever_the_last_verdict_is(played: Played) -> None:
    played.state, played.verdict = "staged", verdict_fields(Reason.HASH_MISMATCH, OTHER)
    with played.device() as device:
        found = device.wait_verified()
    assert (found.reason, found.offered.image_hash) == (Reason.ACCEPTED, HASH)


@pytest.mark.parametrize("state", ["reverted", "previous", "trial"])
def test_an_image_in_another_state_is_not_staged(played: Played, state: str) -> None:
    played.state, played.verdict = state, verdict_fields(0, OTHER)
    with played.device() as device, pytest.raises(LinkError, match="does not hold the image"):
        device.wait_verified()


def test_a_refusal_is_raised_with_its_verdict(played: Played) -> None:
    played.verdict = verdict_fields(Reason.PAYLOAD_HASH)
    with played.device() as device, pytest.raises(DeviceRefused) as raised:
        device.wait_verified()
    assert raised.value.verdict.reason is Reason.PAYLOAD_HASH


def test_a_verification_without_end(played: Played) -> None:
    played.answers[65, 3] = lambda request: {"state": "verifying", "received": 9, "total": 9}
    with played.device() as device, pytest.raises(LinkError, match="does not come to a verdict"):
        device.wait_verified()
    assert 30 <= played.clock.now < 40


# --- resets and ports


def test_an_upgrade_from_upload_to_confirmation(played: Played) -> None:
    with played.device() as device:
        assert upgrade(device, OCTETS).confirmed.image_hash == HASH  # type: ignore[union-attr]
    assert played.resets == 1


def test_a_port_that_vanishes_at_every_reset(played: Played) -> None:
    """Three starts of a trial, each of which takes the port away; then it is reverted."""
    starts = itertools.count(1)

    def crash(request: Request) -> dict[str, Any] | None:
        played.attempts = next(starts)
        if played.attempts <= 3:
            played.transport.fails, played.transport.absent = True, 5
            return None
        played.state, played.verdict = "reverted", verdict_fields(Reason.TRIAL_CRASHED)
        del played.answers[65, 0]
        return played.identity()

    def on_reset() -> None:
        played.state = "trial"
        played.answers[65, 0] = crash

    played.on_reset = on_reset
    with played.device() as device, pytest.raises(DeviceRefused) as raised:
        upgrade(device, OCTETS)
    assert raised.value.verdict.reason is Reason.TRIAL_CRASHED
    assert played.transport.opened >= 4


def test_another_device_at_the_same_name(played: Played) -> None:
    def on_reset() -> None:
        played.transport.fails = True
        played.serial = b"\xaa" * 8
        played.confirmed = HASH

    played.on_reset = on_reset
    with played.device() as device, pytest.raises(AnotherDevice) as raised:
        upgrade(device, OCTETS)
    assert raised.value.exit_code == 3
    assert SERIAL.hex("-") in raised.value.why
    assert (b"\xaa" * 8).hex("-") in raised.value.why


def test_a_trial_without_end(played: Played) -> None:
    played.on_reset = lambda: setattr(played, "state", "trial")
    with played.device() as device, pytest.raises(LinkError, match="neither confirmed nor"):
        upgrade(device, OCTETS)
    assert 150 <= played.clock.now < 200


def test_a_device_that_changes_its_mind_for_ever(played: Played) -> None:
    states = itertools.cycle(["trial", "pending"])

    def flip(request: Request) -> dict[str, Any]:
        played.state = next(states)
        return played.identity()

    played.on_reset = lambda: played.answers.__setitem__((65, 0), flip)
    with played.device() as device, pytest.raises(LinkError, match="neither confirmed nor"):
        upgrade(device, OCTETS)


def test_a_device_that_does_not_come_back(played: Played) -> None:
    played.on_reset = lambda: played.answers.__setitem__((65, 0), lambda request: None)
    with played.device() as device, pytest.raises(NoAnswer):
        upgrade(device, OCTETS)
    assert 150 <= played.clock.now < 160


def test_a_port_that_does_not_come_back(played: Played) -> None:
    def on_reset() -> None:
        played.transport.fails, played.transport.absent = True, 10**6

    played.on_reset = on_reset
    with played.device() as device, pytest.raises((NoDevice, Lost)):
        upgrade(device, OCTETS)
    assert played.clock.now < 160


@pytest.mark.parametrize(
    "events",
    [
        [],
        [{"index": 0}],
        [{"index": 5}, {"index": 5}],
    ],
    ids=["none", "the same", "twice"],
)
def test_a_history_without_end(played: Played, events: list[dict[str, int]]) -> None:
    event = {"event": 1, "reason": 0, "from": None, "to": None, "chain": bytes(32)}
    listed = [event | entry for entry in events]
    played.answers[65, 2] = lambda request: {"events": listed, "more": True}
    with played.device() as device, pytest.raises(LinkError, match="no end"):
        device.history()
    assert len(played.transport.requests) < 5


def test_a_history_that_grows_while_it_is_read(played: Played) -> None:
    event = {"event": 1, "reason": 0, "from": None, "to": None, "chain": bytes(32)}
    played.answers[65, 2] = lambda request: {
        "events": [event | {"index": request.fields["from"]}],
        "more": True,
    }
    with played.device() as device, pytest.raises(LinkError, match="no end"):
        device.history()


# --- paths


def test_a_path_is_taken_up_where_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hanboot.device.upgrade.hash_in", lambda octets: octets * 32)
    path = [Step(name=name, octets=name.encode()) for name in "abc"]
    played = Played()
    played.confirmed = b"b" * 32
    with played.device() as device:
        assert remaining(device.identity().confirmed, path) == path[2:]
    assert remaining(None, path) == path


def test_what_a_watcher_raises_ends_a_path(played: Played) -> None:
    class Stop(Exception):
        pass

    class Once(Watcher):
        def before(self, step: Step, number: int, count: int) -> None:
            assert count == 2
            if number == 2:
                raise Stop

    path = [Step(name=name, octets=OCTETS) for name in "ab"]
    with played.device() as device, pytest.raises(Stop):
        follow(device, path, Once())
    assert played.resets == 1


def test_a_host_bug_is_not_the_device_s(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(fields: object) -> None:
        raise AttributeError("a bug")

    monkeypatch.setattr("hanboot.device.records.parse_identity", fail)
    with played.device() as device, pytest.raises(AttributeError, match="a bug"):
        device.identity()


def test_states_are_an_enumeration(played: Played) -> None:
    played.state = "trial"
    with played.device() as device:
        assert device.identity().slots[1].state is SlotState.TRIAL
