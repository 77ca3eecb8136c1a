"""MicroPython's prompt at the end of a port, through mpremote."""

from __future__ import annotations

import ast
import base64
import contextlib
import io
from collections.abc import Callable, Iterator
from typing import Any

import serial
from mpremote.transport import TransportError
from mpremote.transport_serial import SerialTransport

from hanboot.errors import LinkError
from hanboot.link.deadline import Clock, Deadline
from hanboot.link.port_errors import why_of
from hanboot.link.serial import check_free, clock, patience, resolve

try:
    from termios import error as _TerminalError  # noqa: N812
except ImportError:  # Windows
    _TerminalError = OSError  # type: ignore[misc, assignment]

_BREAKS = (serial.SerialException, OSError, _TerminalError, TypeError)

#: Longest that a prompt may be silent.
_SILENCE_S = 10.0
#: In that time it is interrupted so many times.
_TRIES = 5
_LOOK_S = 0.05
#: So long after the last octet no more come of an answer, which is no longer than that.
_SETTLED_S = 0.2
_ANSWER_BYTES = 256
_WRITE_BYTES = 512


class Failed(Exception):
    """What was typed ended with an exception on the board. text: its last line."""

    def __init__(self, text: str) -> None:
        lines = text.strip().splitlines()
        super().__init__(lines[-1] if lines else "unknown")


class Prompt:
    """Interrupts what runs on `port`, and types for it.

    Args:
        port: path, pyserial URL, `usb:…` or `virtual:DIR`.

    Raises:
        NoDevice: the port cannot be opened.
        LinkError: there is no prompt.
    """

    def __init__(self, port: str) -> None:
        self._port = port
        self._patience = patience(port)
        # its own error if it is in use or missing, in our words
        check_free(port)
        with self._explained(), contextlib.redirect_stdout(io.StringIO()):
            # mpremote prints what it did not expect
            self._transport: Any = SerialTransport(resolve(port))
            if self._transport.is_pty:
                self._count_by(clock(port))
            try:
                self._interrupt()
            except TransportError:
                self.close()
                raise LinkError(
                    f"no MicroPython prompt at {port}",
                    "nothing there answered Ctrl-C and Ctrl-A as MicroPython does",
                    f"close what else uses {port}; a product has no prompt, only BOOTSEL",
                ) from None
            except _BREAKS:
                self.close()
                raise

    def _interrupt(self) -> None:
        """Types Ctrl-C and Ctrl-A until there is the prompt.

        A board that was reset a moment ago loses what comes before MicroPython looks at its
        console, and may start main.py between the two keys.

        Raises:
            TransportError: none of the tries had an answer.
        """
        tries = 0
        while not self._transport.in_raw_repl:
            tries += 1
            try:
                self._enter(_SILENCE_S / _TRIES)
            except TransportError:
                if tries == _TRIES:
                    raise
        if tries > 1:
            # answers to the tries before may still be coming
            self._be_silent_for(_SETTLED_S)
            for _ in range(_TRIES * _ANSWER_BYTES):
                if not self._transport.serial.read(1):
                    break
            self._enter(_SILENCE_S)
        self._be_silent_for(_SILENCE_S)

    def _enter(self, silence_s: float) -> None:
        self._be_silent_for(silence_s)
        self._transport.enter_raw_repl(soft_reset=False, timeout_overall=silence_s * self._patience)

    def _be_silent_for(self, silence_s: float) -> None:
        """How long the board may be silent from now on, before a read gives up."""
        if self._transport.is_pty:
            self._silence_s = silence_s * self._patience
        else:
            self._transport.serial.timeout = silence_s * self._patience

    def _count_by(self, clock: Clock) -> None:
        """Has reads of a board that runs here wait by its clock, not by the machine's."""
        line = self._transport.serial
        line.timeout = _LOOK_S
        read = line.read

        def patient(size: int = 1) -> bytes:
            octets = b""
            deadline = Deadline(self._silence_s, clock)
            while len(octets) < size and not deadline.passed:
                octets += read(size - len(octets))
            return octets

        line.read = patient

    def __enter__(self) -> Prompt:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(*_BREAKS, TransportError):
            if self._transport.in_raw_repl:
                self._transport.exit_raw_repl()
        self.close()

    def close(self) -> None:
        with contextlib.suppress(*_BREAKS):
            self._transport.close()

    def run(self, code: str) -> str:
        """What `code` prints on the board.

        Raises:
            Failed: it ended with an exception.
            LinkError: the port is gone, or the board stands still.
        """
        with self._explained():
            output, error = self._transport.exec_raw(code, timeout=_SILENCE_S * self._patience)
            if error:
                raise Failed(error.decode(errors="replace"))
            return str(output.decode(errors="replace")).replace("\r\n", "\n")

    def literal(self, code: str) -> Any:
        """The value of the literal that `code` prints."""
        output = self.run(code).strip()
        try:
            return ast.literal_eval(output)
        except (SyntaxError, ValueError):
            raise LinkError(
                f"the prompt at {self._port} does not answer as MicroPython",
                f"it printed {output[:80]!r}",
                "check that nothing else writes to the console, and repeat the command",
            ) from None

    def write_file(self, path: str, octets: bytes, advance: Callable[[int], None]) -> None:
        """Writes a file on the board. advance: called with octets written of it so far.

        Raises:
            Failed: the board has no room, or no such folder.
        """
        self.run(f"from binascii import a2b_base64 as a\nf=open({path!r},'wb')\nw=f.write")
        for start in range(0, len(octets), _WRITE_BYTES):
            piece = octets[start : start + _WRITE_BYTES]
            # shorter than mpremote's own way, which escapes octet by octet
            self.run(f"w(a({base64.b64encode(piece).decode()!r}))")
            advance(start + len(piece))
        self.run("f.close()")

    def leave(self, code: str) -> None:
        """Runs code that ends in a reset, and so gives no answer."""
        with contextlib.suppress(*_BREAKS, TransportError):
            self._transport.exec_raw_no_follow(code)
        self._transport.in_raw_repl = False

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except TransportError as error:
            raise LinkError(
                f"the prompt at {self._port} does not answer",
                " ".join(str(error).split()),
                "reset the board and repeat the command",
            ) from None
        except _BREAKS as error:
            raise LinkError(
                f"lost {self._port}",
                why_of(error),
                "plug it in again and repeat the command",
            ) from None
