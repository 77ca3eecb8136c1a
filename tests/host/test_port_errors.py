"""A port that cannot be opened is one clear error: what, why and what to do, each said once."""

import fcntl
import os
import socket
from pathlib import Path

import pytest
from command_line import assert_error, hanboot

from hanboot.link import port_errors


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "[Errno 2] could not open port /dev/x: [Errno 2] No such file or directory: '/dev/x'",
            "No such file or directory",
        ),
        (
            "Could not open /dev/x, the port is busy or doesn't exist.\n([Errno 13] could not open "
            "port /dev/x: [Errno 13] Permission denied: '/dev/x')",
            "Permission denied",
        ),
        ("Could not open port socket://h:9: [Errno 111] Connection refused", "Connection refused"),
        ("Could not configure port: (5, 'Input/output error')", "Input/output error"),
        ("read failed: [Errno 5] Input/output error", "Input/output error"),
        ("device reports readiness to read but\n returned no data", None),
    ],
)
def test_what_the_system_said(text: str, why: str | None) -> None:
    assert port_errors.why(text) == (why or " ".join(text.split()))


def test_an_exception_without_a_text_has_its_name() -> None:
    assert port_errors.why_of(TypeError()) == "TypeError"


def lines(port: object) -> list[str]:
    ran = hanboot("status", "--port", port)
    assert_error(ran, 3)
    assert len(ran.err.splitlines()) == 3
    return ran.error


def test_a_port_that_is_not_there(tmp_path: Path) -> None:
    missing = tmp_path / "ttyACM0"
    assert lines(missing) == [
        f"cannot open {missing}",
        "No such file or directory",
        "check the cable and the name: hanboot board list shows what is there",
    ]


def test_what_is_no_serial_port(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file"):
        assert lines(path)[1:] == [
            "it is no serial port",
            "hanboot board list shows what is there",
        ]


def test_an_address_where_nothing_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"socket://127.0.0.1:{unused.getsockname()[1]}"
        what, why, remedy = lines(url)
    assert (what, why) == (f"cannot open {url}", "Connection refused")
    assert "host and port" in remedy


@pytest.mark.parametrize("url", ["socket://x", "socket://", "rfc2217://x:y", "socket://x:99999"])
def test_an_address_without_a_port(url: str) -> None:
    assert lines(url) == [
        f"cannot open {url}",
        "it names no port of a host",
        "write it as socket://HOST:PORT",
    ]


def test_a_port_in_use() -> None:
    master, slave = os.openpty()
    path = os.ttyname(slave)
    try:
        fcntl.flock(slave, fcntl.LOCK_EX)
        assert lines(path) == [
            f"{path} is in use",
            "another program has opened it",
            "close the program that holds it, and try again",
        ]
    finally:
        os.close(master)
        os.close(slave)
