"""Runs a board as a process on this machine, with power and reset.

What is hardware on a real board is here: the supply, the reset line, and the console, which is a
pseudo terminal. The process gets the flash as a file in the state folder. When it ends, it is
started again, as a chip starts again after a reset. What the process runs, `virtual` and `rp2040`
say.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import secrets
import selectors
import signal
import socket
import subprocess
import threading
import tty
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from hanboot.boards.roles import FLASH_BYTES, ROLES
from hanboot.boards.watchdog import ProcessWatchdog
from hanboot.errors import BadFile, HanbootError, NoDevice
from hanboot.link.virtual import (
    LOCK_FILE,
    PORT_FILE,
    PROCESS_FILE,
    SETTINGS_FILE,
    clock,
    is_running,
    not_running,
)

if TYPE_CHECKING:
    from typing import Self

#: Octets for a terminal that is not read; what comes beyond is dropped, as USB does.
_BACKLOG_BYTES = 64 * 1024

#: How often to look whether the watchdog bites, or a start has come.
_LOOK_S = 0.25

#: From the last octet to the port's end, and from there to the next port; real hosts take longer.
_USB_LAST_WORD_S = 0.02
_USB_GONE_S = 0.2

_CUT_POWER = signal.SIGUSR1

#: Of boards/virtual/mapped.py.
_RESET_EXIT = 64

_MODEL = re.compile("[0-9A-F]{4}:[0-9A-F]{4}:[0-9A-F]{4}")


class BoardProcess(ABC):
    """One board on a state folder, running in a thread of its own.

    Args:
        state: folder with the flash; made if it is not there.
        role: one of ROLES; None takes what the folder holds, or "ppmid".
        on_text: called with each line of text that the device writes.

    Raises:
        BadFile: the folder holds a device of another role, or another board.
    """

    #: What `board.json` calls this board, and what people do.
    kind: str
    name: str
    #: Bytes of its flash.
    flash_bytes = FLASH_BYTES

    def __init__(
        self,
        state: Path,
        role: str | None = None,
        on_text: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.state = state
        self._on_text = on_text
        self._lock: IO[str] | None = None
        self._claim(role)
        #: Of the latest reset: power, reset, watchdog or crash.
        self.cause = "power"
        self._process: subprocess.Popen[bytes] | None = None
        self._board_side: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._started = threading.Event()
        self._wake_read, self._wake_write = os.pipe()
        self._master, self._slave = os.openpty()
        self._outgoing = bytearray()
        self._text = bytearray()
        #: Whether the console goes away at every reset and comes back, perhaps under another
        #: path, as the port of a board on USB does.
        self.is_usb = False
        #: Starts since `start`: one, and one more for every reset.
        self.starts = 0
        #: Causes of the resets since `start`, in order.
        self.resets: list[str] = []
        #: Path of the console.
        self.port = os.ttyname(self._slave)

    @abstractmethod
    def _prepare(self) -> None:
        """Makes ready what every start needs."""

    @abstractmethod
    def _command(self) -> tuple[list[str], dict[str, str]]:
        """Program and environment of the next start."""

    def _cause_of(self, code: int) -> str | None:
        """Why the process ended: reset or watchdog; None if it should not have."""
        return {-signal.SIGALRM: "watchdog", _RESET_EXIT: "reset"}.get(code)

    def _new_flash(self) -> bytes:
        """What a board's flash holds as it comes: erased, it is all ones."""
        return b"\xff" * self.flash_bytes

    def _new_serial(self) -> bytes:
        """An EUI-64 of our own making: locally administered."""
        return bytes((0x02,)) + secrets.token_bytes(7)

    # --- the state folder

    def _claim(self, role: str | None) -> None:
        try:
            self.state.mkdir(parents=True, exist_ok=True)
            self._lock = (self.state / LOCK_FILE).open("a")
        except OSError as error:
            raise BadFile(
                f"{self.state} cannot hold a board's state",
                error.strerror or str(error),
                "give another folder with --state",
            ) from None
        try:
            self._take_state(self._lock, role)
        except HanbootError:
            self._lock.close()
            raise

    def _take_state(self, lock: IO[str], role: str | None) -> None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise NoDevice(
                f"{self.state} is in use",
                "a board already runs on it",
                "talk to that one, or give another folder with --state",
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        settings = self._settings(role)
        self.role: str = settings["role"]
        self._serial: str = settings["serial"]
        #: Manufacturer code, image type and hardware version in hex, with colons; "" for the
        #: example's own.
        self._model: str = settings.get("model", "")
        self.flash = self.state / "flash.bin"
        if not self.flash.exists():
            self.flash.write_bytes(self._new_flash())
        size = self.flash.stat().st_size
        if size == FLASH_BYTES < self.flash_bytes:
            # a board of the state before had less of it; erased flash is all ones
            with self.flash.open("ab") as file:
                file.write(b"\xff" * (self.flash_bytes - size))
        elif size != self.flash_bytes:
            raise BadFile(
                f"{self.flash} is not the flash of a board",
                f"it holds {size} bytes, not {self.flash_bytes}",
                "give another folder with --state, or remove the file to begin with blank flash",
            )

    def _settings(self, role: str | None) -> dict[str, Any]:
        file = self.state / SETTINGS_FILE
        if not file.exists():
            serial = self._new_serial()
            settings: dict[str, Any] = {
                "board": self.kind,
                "role": role or ROLES[0],
                "serial": serial.hex(),
            }
            if model := self._new_model():
                settings["model"] = model
            file.write_text(json.dumps(settings) + "\n")
        try:
            settings = json.loads(file.read_text())
            known = settings["role"] in ROLES and len(bytes.fromhex(settings["serial"])) == 8
            known = known and _is_model(settings.get("model", ""))
            kind = settings["board"]
        except (OSError, ValueError, KeyError, TypeError):
            known = False
        if not known:
            raise BadFile(
                f"{file} cannot be read",
                'it should hold {"board": text, "role": "ppmid", "ihd" or "hcalcs", '
                '"serial": 16 hex digits}',
                "give another folder with --state, or remove this one",
            )
        if kind != self.kind:
            raise BadFile(
                f"{self.state} holds another board",
                f"it was made by board run {kind}, not {self.kind}",
                "give another folder with --state",
            )
        if role not in (None, settings["role"]):
            raise BadFile(
                f"{self.state} holds a device of another kind",
                f"it was made as {settings['role']}, not {role}",
                f"use --role {settings['role']}, or another folder with --state",
            )
        return settings

    def _new_model(self) -> str:
        """What a new device is; "" for the example's own."""
        return ""

    # --- power

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Switches the board on and leaves its port in the state folder."""
        self._prepare()
        self._plug_in()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Switches the board off; the state stays."""
        with contextlib.suppress(OSError):
            (self.state / PORT_FILE).unlink()
        self._stopping.set()
        self._wake()
        if self._thread:
            self._thread.join()
        for descriptor in (self._master, self._slave, self._wake_read, self._wake_write):
            with contextlib.suppress(OSError):
                os.close(descriptor)
        if self._lock:
            self._lock.close()

    def power_cycle(self) -> None:
        """Cuts the supply at this very instant; returns when it is back."""
        if self._process:
            self._started.clear()
            self._process.kill()
            while not self._started.wait(_LOOK_S) and self._thread and self._thread.is_alive():
                continue

    def _plug_in(self) -> None:
        """Makes the console ready, and leaves its path in the state folder."""
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        # into place at once: a client may be looking
        partial = self.state / f".{PORT_FILE}"
        partial.write_text(self.port + "\n")
        partial.replace(self.state / PORT_FILE)

    def _replug(self) -> None:
        """The console of a board on USB after a reset: gone for a while, then there anew."""
        # what the device wrote last has left it by then
        self._stopping.wait(_USB_LAST_WORD_S)
        with contextlib.suppress(OSError):
            (self.state / PORT_FILE).unlink()
        os.close(self._master)
        os.close(self._slave)
        self._outgoing.clear()
        self._stopping.wait(_USB_GONE_S)
        self._master, self._slave = os.openpty()
        self.port = os.ttyname(self._slave)
        if not self._stopping.is_set():
            self._plug_in()

    def _wake(self) -> None:
        os.write(self._wake_write, b"!")

    # --- the loop

    def _run(self) -> None:
        self._watchdog = ProcessWatchdog(self.flash, lambda: clock(self.state))
        while not self._stopping.is_set():
            self._start_process()
            self._relay()
            self._end_process()
            if self.is_usb and not self._stopping.is_set():
                self._replug()

    def _start_process(self) -> None:
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        out_read, out_write = os.pipe()
        command, environment = self._command()
        self._watchdog.start()
        self._process = subprocess.Popen(
            command,
            stdin=theirs.fileno(),
            stdout=out_write,
            stderr=out_write,
            env=environment,
            start_new_session=True,
        )
        (self.state / PROCESS_FILE).write_text(f"{self._process.pid}\n")
        theirs.close()
        os.close(out_write)
        self._board_side, self._board_output = ours, out_read
        self.starts += 1
        self._started.set()

    def _end_process(self) -> None:
        assert self._process is not None
        assert self._board_side is not None
        if self._stopping.is_set():
            self._process.kill()
        code = self._process.wait()
        self._board_side.close()
        os.close(self._board_output)
        cause = "power" if code == -signal.SIGKILL else self._cause_of(code)
        self.cause = cause or "crash"
        self.resets.append(self.cause)
        if cause is None:
            # the device's own code must never end otherwise; do not spin if it does
            self._stopping.wait(1.0)

    def _relay(self) -> None:
        """Carries octets between console and process until one of them ends."""
        assert self._process is not None
        assert self._board_side is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._board_output, selectors.EVENT_READ)
            selector.register(self._wake_read, selectors.EVENT_READ)
            selector.register(self._master, selectors.EVENT_READ)
            while not self._stopping.is_set():
                events = selectors.EVENT_READ
                if self._outgoing:
                    events |= selectors.EVENT_WRITE
                selector.modify(self._master, events)
                for key, mask in selector.select(_LOOK_S):
                    if key.fd == self._board_output and not self._from_board():
                        return
                    if key.fd == self._master:
                        self._at_terminal(mask)
                if self._watchdog.bites():
                    # the kernel's signal of an alarm: what ended it is seen from the process's end
                    os.kill(self._process.pid, signal.SIGALRM)

    def _from_board(self) -> bool:
        octets = os.read(self._board_output, 4096)
        self._outgoing += octets
        del self._outgoing[: max(0, len(self._outgoing) - _BACKLOG_BYTES)]
        self._text += octets
        *lines, rest = self._text.split(b"\n")
        self._text = bytearray(rest[-1024:])
        for line in lines:
            # lines of SMP begin with a control character
            if not line.startswith((b"\x06", b"\x04")):
                self._on_text(line.decode(errors="replace"))
        return bool(octets)

    def _at_terminal(self, mask: int) -> None:
        assert self._board_side is not None
        if mask & selectors.EVENT_READ:
            with contextlib.suppress(BlockingIOError, OSError):
                octets = os.read(self._master, 4096)
                # a process that is about to end takes nothing more: its octets are lost
                self._board_side.sendall(octets)
        if mask & selectors.EVENT_WRITE:
            with contextlib.suppress(BlockingIOError, OSError):
                sent = os.write(self._master, self._outgoing)
                del self._outgoing[:sent]


def _is_model(text: object) -> bool:
    return isinstance(text, str) and (not text or _MODEL.fullmatch(text) is not None)


def run_until_stopped(board: BoardProcess, announce: Callable[[str], None]) -> None:
    """Runs `board` in the foreground until SIGINT or SIGTERM; `cut_power` works meanwhile.

    Args:
        board: not yet started.
        announce: called with the port once it can be opened.
    """
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    signal.signal(_CUT_POWER, lambda *_: board.power_cycle())
    # the port comes first, however soon the device writes
    announced, on_text = threading.Event(), board._on_text

    def show(line: str) -> None:
        announced.wait()
        on_text(line)

    board._on_text = show
    with board:
        try:
            announce(board.port)
        finally:
            announced.set()
        stop.wait()


def cut_power(state: Path) -> None:
    """Cuts the supply of the board that another process runs on the folder, and gives it back.

    Raises:
        NoDevice: no board runs on it.
    """
    if not is_running(state):
        raise not_running(state)
    os.kill(int((state / LOCK_FILE).read_text()), _CUT_POWER)
