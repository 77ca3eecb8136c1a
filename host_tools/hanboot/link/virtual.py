"""Boards that run on this machine: `virtual:DIR` names the one whose state lies in DIR."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from pathlib import Path

from hanboot.errors import NoDevice
from hanboot.link.deadline import Deadline
from hanboot.link.process_clock import ProcessClock, family_waited_s, waited_s

PREFIX = "virtual:"

#: A running board leaves the path of its console in the one, and keeps the other locked.
PORT_FILE = "port"
LOCK_FILE = "lock"
#: The number of the process that plays the board; another one after each reset.
PROCESS_FILE = "process"
#: What board a state folder holds: {"board", "role", "serial"}.
SETTINGS_FILE = "board.json"

#: An emulated chip is slower than the chip it plays by at most about this factor.
_EMULATED_PATIENCE = 15.0

#: Longest that a port is away (hanboot.boards.process).
_REPLUG_S = 2.0
_LOOK_S = 0.02


def folder_of(port: str) -> Path | None:
    """DIR of `virtual:DIR`; None if `port` is something else."""
    return Path(port[len(PREFIX) :]) if port.startswith(PREFIX) else None


def resolve(folder: Path) -> str:
    """The path of the console of the board that runs on `folder`.

    Raises:
        NoDevice: none does.
    """
    # its supervisor's time
    deadline = Deadline(_REPLUG_S, _clock_of(folder / LOCK_FILE, family_waited_s))
    while is_running(folder):
        with contextlib.suppress(OSError):
            return (folder / PORT_FILE).read_text().strip()
        if deadline.passed:
            break
        # a board whose port comes and goes as on USB is being reset
        time.sleep(_LOOK_S)
    raise not_running(folder)


def not_running(folder: Path) -> NoDevice:
    """The error for a folder on which no board runs."""
    return NoDevice(
        f"no virtual board runs on {folder}",
        "no process has its state open" if folder.exists() else "there is no such folder",
        f"start one: hanboot board run virtual --state {folder}",
    )


def is_running(folder: Path) -> bool:
    """Whether a board runs on this state folder."""
    # imported late: Windows has no fcntl, and runs no virtual board
    try:
        import fcntl
    except ImportError:
        return False
    try:
        with (folder / LOCK_FILE).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    # the lock is free: a port file that is left over may name another process's terminal by now
    return False


def clock(folder: Path) -> ProcessClock:
    """What to count waits for the board on `folder` by."""

    return _clock_of(folder / PROCESS_FILE, waited_s)


def _clock_of(file: Path, waited: Callable[[int], float | None]) -> ProcessClock:
    """Of the process whose number is in `file`."""

    def process() -> int | None:
        try:
            return int(file.read_text())
        except (OSError, ValueError):
            return None

    return ProcessClock(process, waited=waited)


def patience(folder: Path) -> float:
    """By what factor to wait longer than for a real device."""
    try:
        settings = json.loads((folder / SETTINGS_FILE).read_text())
    except (OSError, ValueError):
        return 1.0
    is_emulated = isinstance(settings, dict) and settings.get("board") == "rp2040"
    return _EMULATED_PATIENCE if is_emulated else 1.0
