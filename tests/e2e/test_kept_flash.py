"""Devices that an earlier hanboot provisioned and upgraded go on with today's."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import hanboot
from kept_flash import KeptFlash, assert_holds, unpack
from rig import Bench, is_topped_up, wait_for

#: State of the slot that does not run, and the reason of the last verdict.
HELD = {
    "upgraded": ("empty", "accepted"),
    "staged": ("staged", "accepted"),
    "reverted": ("reverted", "trial-crashed"),
    "refused": ("empty", "not-a-predecessor"),
}


@pytest.mark.parametrize("name", HELD)
def test_it_is_as_it_was_and_can_be_upgraded(name: str, tmp_path: Path) -> None:
    kept = unpack(name, tmp_path)
    with Bench(kept.state) as bench:
        for command in ("status", "verdict", "history"):
            assert_holds(kept.now(command), kept.reported[command])
        other, reason = HELD[name]
        assert sorted(slot["state"] for slot in kept.now("status")["slots"]) == sorted(
            ("confirmed", other)
        )
        assert kept.now("verdict")["reason"]["name"] == reason
        ran = hanboot("upgrade", kept.image("2.0.0"), "--port", kept.port)
        assert ran.code == 0, ran.err
        _assert_went_on(kept, 0x02000000)
        assert is_topped_up(bench.credit)


def test_what_was_pending_starts(tmp_path: Path) -> None:
    kept = unpack("pending", tmp_path)
    assert "pending" in [slot["state"] for slot in kept.reported["status"]["slots"]]
    with Bench(kept.state) as bench:
        wait_for(lambda: len(kept.now("history")) > len(kept.reported["history"]), "an outcome")
        _assert_went_on(kept, 0x02000000)
        assert is_topped_up(bench.credit)
        ran = hanboot("upgrade", kept.image("2.1.0"), "--port", kept.port)
        assert ran.code == 0, ran.err
        assert kept.now("status")["running"]["file_version"] == 0x02010000


def _assert_went_on(kept: KeptFlash, version: int) -> None:
    """One more event: from what ran to `version`, chained to the events before."""
    before, history = kept.reported["history"], kept.now("history")
    assert_holds(history[: len(before)], before)
    [event] = history[len(before) :]
    assert event["event"] == "confirmed"
    assert_holds(event["from"], kept.reported["status"]["running"])
    assert event["to"]["file_version"] == version
    assert_holds(kept.now("status")["running"], event["to"])
