"""At the port is something, but no hanboot device: exit code 4, and soon enough."""

import os
import threading
import tty
from collections.abc import Callable, Iterator

import pytest
from command_line import assert_error, hanboot
from rig import ReleaseImages

from hanboot.link.smp import REPLY_S, TRIES
from hanbootloader.link import frame, smp


class Impostor:
    """Something at the end of a pseudo terminal that is no hanboot device.

    Args:
        answer: what it says to octets; to None, whenever the line is quiet.
    """

    def __init__(self, answer: Callable[[bytes | None], bytes]) -> None:
        self._answer = answer
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.port = os.ttyname(self._slave)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(0.005):
            try:
                octets: bytes | None = os.read(self._master, 4096)
            except BlockingIOError:
                octets = None
            if said := self._answer(octets):
                try:
                    os.write(self._master, said)
                except BlockingIOError:
                    continue

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        os.close(self._master)
        os.close(self._slave)


@pytest.fixture
def impostor() -> Iterator[Callable[[Callable[[bytes | None], bytes]], str]]:
    made: list[Impostor] = []

    def make(answer: Callable[[bytes | None], bytes]) -> str:
        made.append(Impostor(answer))
        return made[-1].port

    yield make
    for one in made:
        one.close()


Make = Callable[[Callable[[bytes | None], bytes]], str]


@pytest.mark.slow
def test_a_port_that_chatters_and_echoes(impostor: Make) -> None:
    requests = []
    frames = frame.FrameReader()

    def answer(octets: bytes | None) -> bytes:
        requests.extend(found for found in frames.feed(octets or b"") if not isinstance(found, str))
        return octets or os.urandom(40) + b"\n>>> \x06\x09\n"

    port = impostor(answer)
    assert_error(hanboot("status", "--port", port), 4, "no answer", f"{REPLY_S:g} s each", port)
    assert len(requests) == TRIES


@pytest.mark.parametrize(
    "answer",
    [
        lambda octets: b"",
        lambda octets: octets or b"",
        lambda octets: b"#" * 4000,
        lambda octets: b"\x06\x09AAAA\n\x04\x14",
    ],
    ids=["silent", "echo", "flood", "half frames"],
)
def test_no_answer(impostor: Make, answer: Callable[[bytes | None], bytes], monkeypatch) -> None:
    monkeypatch.setattr("hanboot.link.serial.patience", lambda port: 0.1)
    assert_error(hanboot("status", "--port", impostor(answer)), 4, "no answer")


def smp_device(body: dict[str, object] | bytes) -> Callable[[bytes | None], bytes]:
    """A device that speaks SMP, and answers every request so."""
    frames = frame.FrameReader()

    def answer(octets: bytes | None) -> bytes:
        said = b""
        for found in frames.feed(octets or b""):
            header = None if isinstance(found, str) else smp.parse_header(found)
            if header is None:
                continue
            operation, fields = header.operation + 1, {} if isinstance(body, bytes) else body
            reply = smp.encode(1, operation, header.group, header.sequence, header.command, fields)
            if isinstance(body, bytes):
                reply = reply[:2] + len(body).to_bytes(2, "big") + reply[4:8] + body
            said += frame.encode(reply)
        return said

    return answer


@pytest.mark.parametrize(
    "command", ["status", "verdict", "history", "confirm", "reset", "activate"]
)
@pytest.mark.parametrize(
    "body",
    [
        {"rc": 8},
        {"rc": "eight"},
        {"err": 5},
        {"err": {"group": "x", "rc": None}},
        {"err": {"rc": 8, "group": 65}},
        {},
        {"slots": 5, "events": 7, "cells": [{}], "more": True, "reason": "none"},
        {"slots": [{}], "events": [{"index": 1}], "more": False},
        b"\xff\xff",
        b"\x80",
    ],
    ids=repr,
)
def test_another_kind_of_smp_device(
    impostor: Make, command: str, body: dict[str, object] | bytes
) -> None:
    ran = hanboot(command, "--port", impostor(smp_device(body)))
    if ran.code == 0:
        # an answer without a reason can be right, whatever else is in it: no image was offered yet
        no_verdict = command == "verdict" and isinstance(body, dict) and "reason" not in body
        assert body in ({}, b"\x80") or no_verdict or command in ("reset", "confirm")
        return
    assert ran.code == 1 if command == "confirm" and "nothing to confirm" in ran.err else 4, ran.err
    assert len(ran.error) == 3


def test_an_upload_to_another_kind_of_device(impostor: Make, firmware: ReleaseImages) -> None:
    (file,) = firmware.files("ppmid/1.0.0")
    for body in ({"rc": 8}, {}, {"off": 10**9}, {"off": -1}, {"off": "x"}, {"off": True}):
        ran = hanboot("upload", file, "--port", impostor(smp_device(body)))
        assert ran.code == 4, (body, ran.err)
        ran = hanboot("upgrade", file, "--port", impostor(smp_device(body)))
        assert ran.code == 4, (body, ran.err)
