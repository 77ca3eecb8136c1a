"""Without fcntl, termios, tty and pty, as on Windows: what runs no virtual board works."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# pyserial and mpremote have other modules for Windows; on this system they need these
_ENTRY = """
import mpremote.console, mpremote.transport_serial, serial, serial.tools.list_ports, signal, sys
for name in ("fcntl", "termios", "tty", "pty"):
    sys.modules[name] = None
del signal.SIGALRM, signal.SIGUSR1
sys.argv[0] = "hanboot"
from hanboot.cli import main
main()
"""


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _ENTRY, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("keys", "new", "man"),
        ("image", "build", "--help"),
        ("registry", "show"),
        ("board", "list"),
        ("board", "flash", "--help"),
        ("board", "deploy", "--help"),
        ("upgrade", "--help"),
    ],
    ids=" ".join,
)
def test_it_works(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = run(tmp_path, *arguments)
    # there is no registry to show: an error in words
    assert done.returncode in (0, 5), done.stderr
    assert "internal error" not in done.stderr


def test_a_port_that_is_not_there(tmp_path: Path) -> None:
    done = run(tmp_path, "status", "--port", str(tmp_path / "COM7"))
    assert done.returncode == 3, done.stderr


@pytest.mark.parametrize("arguments", [("board", "run", "virtual"), ("demo",)], ids=" ".join)
def test_a_virtual_board_is_refused_in_words(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = run(tmp_path, *arguments)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("this system runs no virtual board\n")
