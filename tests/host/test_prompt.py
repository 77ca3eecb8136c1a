"""MicroPython's prompt, of a board that was reset a moment ago."""

from __future__ import annotations

import os
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hanboot.boards.prompt import Prompt
from hanboot.errors import LinkError

ENTERED = b"raw REPL; CTRL-B to exit\r\n>"


@contextmanager
def _board(answers: dict[int, bytes]) -> Iterator[str]:
    """The port of a board that answers the n-th Ctrl-A with `answers[n]`, and later ones with the
    last of them; it prints what it is given to run."""
    board, port = os.openpty()
    tty.setraw(port)

    def serve() -> None:
        entries = 0
        typed = b""
        while octet := os.read(board, 1):
            if octet == b"\x01":
                entries += 1
                os.write(board, answers.get(min(entries, max(answers, default=0)), b""))
                typed = b""
            elif octet == b"\x05":
                os.read(board, 2)
                os.write(board, b"R\x00")  # raw paste is known, and not to be had
            elif octet == b"\x04":
                os.write(board, b"OK" + typed + b"\x04\x04>")
                typed = b""
            elif octet == b"\x02":
                return
            elif octet not in b"\r\x03":
                typed += octet

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield os.ttyname(port)
    finally:
        os.write(port, b"\x02")
        thread.join()
        os.close(board)
        os.close(port)


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param({1: ENTERED}, id="at once"),
        pytest.param({1: b"", 2: ENTERED}, id="the first keys are lost"),
        pytest.param({1: b"", 2: ENTERED + ENTERED, 3: ENTERED}, id="the first answer is late"),
        pytest.param({1: b"ready\r\n", 2: ENTERED}, id="main.py starts in between"),
    ],
)
def test_it_is_asked_again_until_it_answers(answers: dict[int, bytes]) -> None:
    with _board(answers) as port, Prompt(port) as prompt:
        assert prompt.run("print(1)") == "print(1)"
        assert prompt.run("print(2)") == "print(2)"


def test_no_prompt_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hanboot.boards.prompt._SILENCE_S", 0.5)
    with _board({}) as port, pytest.raises(LinkError, match="no MicroPython prompt"):
        Prompt(port)
