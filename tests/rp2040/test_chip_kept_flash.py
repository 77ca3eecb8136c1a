"""A board whose flash an earlier firmware wrote goes on with today's."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import hanboot
from kept_flash import assert_holds, unpack

from hanboot.boards.rp2040 import Rp2040Board

pytestmark = pytest.mark.slow


def test_it_is_as_it_was_and_can_be_upgraded(firmware: Path, tmp_path: Path) -> None:
    kept = unpack("rp2040", tmp_path)
    with Rp2040Board(kept.state):
        # the first start makes the comb tables anew: minutes, where the machine is busy
        ran = hanboot("status", "--port", kept.port, "--retries", "20")
        assert ran.code == 0, ran.err
        for command in ("status", "verdict", "history"):
            assert_holds(kept.now(command), kept.reported[command])
        ran = hanboot("upgrade", kept.image("2.0.0"), "--port", kept.port)
        assert ran.code == 0, ran.err
        assert kept.now("status")["running"]["file_version"] == 0x02000000
        assert len(kept.now("history")) == len(kept.reported["history"]) + 1
