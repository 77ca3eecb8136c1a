"""Requests on a fake transport: lost, late, foreign and unreadable replies; waits; log lines."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from hanboot.errors import LinkError
from hanboot.link.deadline import Deadline, StallTimer
from hanboot.link.line import Line
from hanboot.link.smp import NoAnswer, Retries, SmpClient, SmpRefusal
from hanboot.link.transport import Lost
from hanboot.testing.fake_transport import FakeClock, FakeTransport, SentRequest, reply
from hanbootloader.link import frame, smp


def client(
    answer: Callable[[SentRequest], bytes | None], **more: Any
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
    def answer(request: SentRequest) -> bytes:
        return reply(request, {"wrong": True}, **other) + reply(request, {"right": True})

    link, _ = client(answer)
    assert link.read(65, 0) == {"right": True}
    link, _ = client(lambda request: reply(request, {}, **other), retries=Retries(tries=2))
    with pytest.raises(NoAnswer):
        link.read(65, 0)


def test_a_late_reply_is_not_taken_for_the_next() -> None:
    """The first reply comes when the request was given up."""
    late: list[bytes] = []

    def answer(request: SentRequest) -> bytes | None:
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
    "fields",
    [
        {"rc": "x"},
        {"rc": True},
        {"err": 5},
        {"err": {"group": 1}},
        {"err": {"group": "1", "rc": 5}},
        {"err": {}},
    ],
    ids=str,
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


@pytest.mark.parametrize(
    ("refusal", "text"),
    [
        (SmpRefusal(-1, 8), "SMP error 8"),
        (SmpRefusal(0, 8), "SMP error 8 of group 0"),
        (SmpRefusal(65, 257), "SMP error 257 of group 65"),
    ],
    ids=str,
)
def test_an_error_names_its_group(refusal: SmpRefusal, text: str) -> None:
    assert str(refusal) == text


def test_a_request_without_fields_is_an_empty_map() -> None:
    link, transport = client(lambda request: reply(request, {}))
    link.read(65, 0)
    link.write(65, 0)
    assert [(r.operation, r.fields) for r in transport.requests] == [
        (smp.READ, {}),
        (smp.WRITE, {}),
    ]


def test_frames_that_are_no_smp_are_passed_over() -> None:
    link, _ = client(lambda request: frame.encode(bytes(20)) + reply(request, {"right": True}))
    assert link.read(65, 0) == {"right": True}


@pytest.mark.parametrize("body", [b"\x80", b"\x01", b"\xff", b""], ids=bytes.hex)
def test_a_body_that_is_no_map_is_an_error_that_shows_it(body: bytes) -> None:
    def answer(request: SentRequest) -> bytes:
        header = smp.SmpHeader(1, smp.READ_RESPONSE, len(body), 65, request.sequence, 0)
        return frame.encode(header.encode() + body)

    link, _ = client(answer)
    with pytest.raises(LinkError, match="cannot be read") as raised:
        link.read(65, 0)
    assert raised.value.why.endswith(body.hex())


def test_opening_again_closes_first_and_forgets_half_a_message() -> None:
    link, transport = client(lambda request: reply(request, {"n": 1}))
    link.read(65, 0)
    half = frame.encode(bytes(200))
    transport.say(half[: len(half) // 2])
    link.texts(0.1)
    link.reopen()
    assert (transport.opened, transport.closed) == (2, 1)
    sent = len(transport.sent)
    assert link.read(65, 0) == {"n": 1}
    assert transport.sent[sent : sent + 1] == b"\n"


def test_a_line_is_typed_with_its_end() -> None:
    link, transport = client(lambda request: reply(request, {}))
    link.read(65, 0)
    sent = len(transport.sent)
    link.type_line("balance")
    assert transport.sent[sent:] == b"balance\n"


def test_a_board_in_download_mode_is_named_until_it_answers() -> None:
    rom = b"waiting for download\n"
    link, transport = client(lambda request: rom, retries=Retries(tries=1))
    with pytest.raises(NoAnswer, match="is in download mode"):
        link.read(65, 0)
    transport.answer = lambda request: reply(request, {})
    link.read(65, 0)
    transport.answer = lambda request: None
    with pytest.raises(NoAnswer, match="no answer"):
        link.read(65, 0)


def test_pauses_are_those_of_the_line_and_no_others() -> None:
    pauses: list[float] = []
    link, _ = client(lambda request: reply(request, {}), sleep=pauses.append)
    link.write(65, 0, {"data": bytes(400)})
    assert pauses == []
    link.line = Line(keeps_bytes=128, pause_s=0.5)
    link.write(65, 0, {"data": bytes(400)})
    assert len(pauses) >= 3
    assert all(pause > 0.5 for pause in pauses)


def test_what_is_sent_again_is_sent_line_by_line_behind_a_new_line() -> None:
    pauses: list[float] = []
    counter = itertools.count()
    link, transport = client(
        lambda request: reply(request, {}) if next(counter) else None, sleep=pauses.append
    )
    link.write(65, 0, {"data": bytes(400)})
    assert pauses
    assert b"\n\n" in transport.sent


def test_log_lines_show_what_went_and_never_what_was_in_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    counter = itertools.count()

    def answer(request: SentRequest) -> bytes | None:
        if not next(counter):
            return frame.encode(bytes(20))
        return reply(request, {"secret": "a"})

    link, _ = client(answer, retries=Retries(tries=2, reply_s=1.5))
    with caplog.at_level("DEBUG", "hanboot.link.smp"):
        link.write(65, 4, {"secret": "b"})
    assert [record.getMessage() for record in caplog.records] == [
        "to fake: write group 65 command 4 sequence 1, 18 bytes",
        "from fake: no SMP, 20 bytes",
        "fake: no reply in 1.5 s",
        "to fake: write group 65 command 4 sequence 2, 18 bytes",
        "from fake: write response group 65 command 4 sequence 2, 18 bytes",
    ]


# --- waits


def test_a_deadline_passes_once_its_seconds_have() -> None:
    clock = FakeClock()
    deadline = Deadline(2.0, clock)
    assert (deadline.left, deadline.passed) == (2.0, False)
    clock.now = 1.5
    assert (deadline.left, deadline.passed) == (0.5, False)
    clock.now = 3.0
    assert (deadline.left, deadline.passed) == (0.0, True)


def test_a_state_that_lasts_is_a_stall_and_one_that_changes_is_not() -> None:
    clock = FakeClock()
    timer = StallTimer(10.0, 99, clock)
    stalled = []
    for state in "aabbb":
        clock.now += 6.0
        stalled.append(timer.stalled(state))
    assert stalled == [False, False, False, False, True]


def test_only_so_many_changes_are_progress() -> None:
    timer = StallTimer(10.0, 3, FakeClock())
    assert [timer.stalled(state) for state in "aabbccd"] == [*[False] * 6, True]
