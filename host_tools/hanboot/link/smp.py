"""An SMP client over a serial port: one request at a time, repeated where a reply is lost.

Frames and headers are the device's own code (`bootloader.link`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, cast

import serial

from bootloader.image import cbor
from bootloader.link import frame, smp
from bootloader.reasons import Refused
from hanboot.errors import LinkError
from hanboot.link.deadline import Clock, Deadline

#: What a request that the device answers at once may take. The first octets of an upload and a
#: new trust anchor make it erase flash, which is well within.
REPLY_S = 2.0
TRIES = 4

#: Octets of a message that fill whole lines of 93 octets, with length and CRC: 11 * 93 - 4.
MESSAGE_BYTES = 1019

Fields = dict[str, Any]


class SmpRefusal(Exception):
    """The device answered, with an error.

    Attributes:
        group: group of the error; -1 for an error of SMP itself.
        rc: its code.
    """

    def __init__(self, group: int, rc: int) -> None:
        super().__init__(f"SMP error {rc}" + (f" of group {group}" if group >= 0 else ""))
        self.group = group
        self.rc = rc


class SmpClient:
    """Speaks SMP version 2 on an open port.

    Args:
        port: as `hanboot.link.ports.open_port` gives it.
        on_text: called with each line of text that the device writes between replies.
        patience: factor on every wait for a reply.
        clock: that waits are counted by.
    """

    def __init__(
        self,
        port: serial.Serial,
        on_text: Callable[[str], None] = lambda line: None,
        patience: float = 1.0,
        clock: Clock = time.monotonic,
    ) -> None:
        self._port = port
        self._clock = clock
        self._on_text = on_text
        self._patience = patience
        self._sequence = 0
        self._is_fresh = True
        self._frames = frame.FrameReader(4096)
        #: Requests that had to be sent again.
        self.repeats = 0
        #: Octets written to the line.
        self.octets_sent = 0

    def close(self) -> None:
        self._port.close()

    def read(self, group: int, command: int, fields: Fields | None = None) -> Fields:
        return self.request(smp.READ, group, command, fields or {})

    def write(self, group: int, command: int, fields: Fields | None = None) -> Fields:
        return self.request(smp.WRITE, group, command, fields or {})

    def request(
        self,
        operation: int,
        group: int,
        command: int,
        fields: Fields,
        tries: int = TRIES,
        reply_s: float = REPLY_S,
    ) -> Fields:
        """Sends a request, up to `tries` times, and returns the fields of the reply.

        Raises:
            SmpRefusal: the device answered with an error.
            LinkError: no reply, or the port is gone.
        """
        reply_s *= self._patience
        for attempt in range(tries):
            self._sequence = (self._sequence + 1) & 0xFF
            message = smp.encode(1, operation, group, self._sequence, command, fields)
            self._send(frame.encode(message), after_loss=attempt > 0)
            reply = self._await_reply(operation + 1, group, command, reply_s)
            if reply is not None:
                return _checked(reply)
            self.repeats += 1
        raise LinkError(
            f"no answer from {self._port.port}",
            f"group {group} command {command} was sent {tries} times, {reply_s:g} s each",
            "check that the device runs hanboot and that the port is its console",
        )

    def texts(self, seconds: float) -> None:
        """Listens for `seconds`, for the lines of text alone."""
        deadline = Deadline(seconds, self._clock)
        while not deadline.passed:
            for found in self._receive():
                if isinstance(found, str):
                    self._on_text(found)

    def type_line(self, text: str) -> None:
        """Types a line, as somebody at a terminal would."""
        self._send(text.encode() + b"\n")

    def _await_reply(
        self, operation: int, group: int, command: int, reply_s: float
    ) -> Fields | None:
        deadline = Deadline(reply_s, self._clock)
        while not deadline.passed:
            for found in self._receive():
                if isinstance(found, str):
                    self._on_text(found)
                    continue
                header = smp.parse_header(found)
                # a reply to a request that was given up is passed over
                if header is None or header.sequence != self._sequence:
                    continue
                if (header.operation, header.group, header.command) == (operation, group, command):
                    return self._body(found)
        return None

    def _body(self, message: memoryview) -> Fields:
        try:
            fields = cbor.decode(message[smp.HEADER_BYTES :], strict=False)
        except Refused as refused:
            raise LinkError(
                f"{self._port.port} sent a reply that cannot be read",
                f"not CBOR at octet {refused.offset}: {bytes(message).hex()}",
                "check that the device runs a hanboot of this version",
            ) from None
        return cast(Fields, fields) if isinstance(fields, dict) else {}

    def _send(self, octets: bytes, after_loss: bool = False) -> None:
        if after_loss or self._is_fresh:
            # end whatever half line was left behind, perhaps by another program
            octets = b"\n" + octets
            self._is_fresh = False
        self.octets_sent += len(octets)
        try:
            self._port.write(octets)
        except (serial.SerialException, OSError) as error:
            raise self._gone(error) from None

    def _receive(self) -> list[Any]:
        try:
            octets = self._port.read(max(1, self._port.in_waiting))
        except (serial.SerialException, OSError, TypeError) as error:
            raise self._gone(error) from None
        # a message is good until the next octets are taken
        return [
            f if isinstance(f, str) else memoryview(bytes(f)) for f in self._frames.feed(octets)
        ]

    def _gone(self, error: Exception) -> LinkError:
        return LinkError(
            f"lost {self._port.port}",
            str(error) or type(error).__name__,
            "plug it in again and repeat the command: an upload goes on where it stopped",
        )


def _checked(reply: Fields) -> Fields:
    error = reply["err"] if "err" in reply else {"group": -1, "rc": reply.get("rc", 0)}
    try:
        group, rc = int(error["group"]), int(error["rc"])
    except (LookupError, TypeError, ValueError):
        raise LinkError(
            "the device reports an error that cannot be read",
            f"{error!r} is not a group and a code",
            "check that the port is a hanboot device",
        ) from None
    if rc:
        raise SmpRefusal(group, rc)
    return reply
