"""The model answers what a board answered; and the command says where an answer differs."""

from __future__ import annotations

import pytest
from command_line import assert_error, hanboot
from rig import wait_for
from stock_board import StockBoard

from hanboot.boards.esp32 import selfcheck
from hanboot.boards.esp32.model import blank_flash


def test_the_model_answers_as_expected() -> None:
    ran = hanboot("board", "selfcheck", "--json")
    assert ran.code == 0
    assert ran.document["differ"] == 0
    assert len(ran.document["answers"]) > 50
    assert {answer["source"] for answer in ran.document["answers"]} == {
        "seen on an emulated chip",
        "read in source",
    }


@pytest.mark.slow
def test_the_same_from_a_board(tmp_path) -> None:
    """Over its prompt: here a process on the same model, so all but the builds' modules agrees."""
    flash = tmp_path / "flash.bin"
    flash.write_bytes(blank_flash())
    with StockBoard(flash, is_esp32=True) as board:
        ran = hanboot("board", "selfcheck", "--port", board.port)
        # and it is the device again
        wait_for(lambda: board.starts == 2, "a start")
    assert "'VfsRom' in dir(vfs)" in ran.out
    assert ran.out.count("DIFFERS") == 1
    assert ran.code == 1


@pytest.mark.slow
def test_a_board_without_the_partition(tmp_path) -> None:
    with StockBoard(tmp_path / "flash.bin") as board:
        ran = hanboot("board", "selfcheck", "--port", board.port)
    assert_error(ran, 1, "cannot be asked", "esp32", "hanboot board flash --chip esp32")


def test_a_difference_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [selfcheck.Answer("p.ioctl(4, 0)", "3", "2", "ran")]
    monkeypatch.setattr(selfcheck, "ask_model", lambda: answers)
    ran = hanboot("board", "selfcheck")
    assert ran.code == 1
    assert "3   DIFFERS: 2 was expected" in ran.out
