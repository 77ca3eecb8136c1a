"""An SMP client: one request at a time, repeated where a reply is lost.

Frames and headers are the device's own code (`hanbootloader.link`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from hanboot.errors import LinkError
from hanboot.link.deadline import Clock, Deadline
from hanboot.link.line import Line
from hanboot.link.transport import Transport
from hanbootloader.image import cbor
from hanbootloader.link import frame, smp
from hanbootloader.reasons import Refused

_log = logging.getLogger(__name__)

#: What a request that the device answers at once may take. The first octets of an upload and a
#: new trust anchor make it erase flash, which is well within.
REPLY_S = 2.0
TRIES = 4

#: A device's reply is one message of at most its own buffer; the reader drops what is longer.
_FRAME_BYTES = 4096

#: What the ROM of an ESP32 prints when it waits for esptool.
_DOWNLOAD_MODE = "waiting for download"

#: What log records call them.
_OPERATIONS = {
    smp.READ: "read",
    smp.READ_RESPONSE: "read response",
    smp.WRITE: "write",
    smp.WRITE_RESPONSE: "write response",
}

Fields = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Retries:
    """How long to wait for a reply, and how often to ask.

    Attributes:
        tries: how often a request is sent.
        reply_s: seconds to wait for each reply, before a transport's patience.
    """

    tries: int = TRIES
    reply_s: float = REPLY_S


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


class NoAnswer(LinkError):
    """A request was sent as often as allowed, and no reply came."""


class SmpClient:
    """Speaks SMP version 2 over a transport, which must be open.

    Args:
        transport: what carries the octets.
        on_text: called with each line of text that the device writes between replies.
        retries: how long and how often; None takes `REPLY_S` and `TRIES`.
        clock: that waits are counted by; None takes the transport's.
        sleep: called with the seconds of each pause in the middle of a request.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        on_text: Callable[[str], None] = lambda line: None,
        retries: Retries | None = None,
        clock: Clock | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._sleep = sleep
        self._transport = transport
        self._clock = clock or transport.clock
        self._on_text = on_text
        #: How long to wait and how often to ask, where a request says nothing else.
        self.retries = retries or Retries()
        self._sequence = 0
        self._is_fresh = True
        self._is_in_download_mode = False
        self._frames = frame.FrameReader(_FRAME_BYTES)
        #: What the device's line takes; who learns of it puts it here.
        self.line = Line()
        #: Requests that had to be sent again.
        self.repeats = 0
        #: Octets written to the line.
        self.octets_sent = 0

    def reopen(self) -> None:
        """Opens the transport again; what was received of a message is forgotten.

        Raises:
            NoDevice: it cannot be opened.
        """
        self._transport.close()
        self._transport.open()
        self._is_fresh = True
        self._frames = frame.FrameReader(_FRAME_BYTES)

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
        retries: Retries | None = None,
        losses: int = 0,
    ) -> Fields:
        """Sends a request, again if no reply comes, and returns the fields of the reply.

        Again is slower: line by line, with longer pauses each time.

        Args:
            losses: how often it, or one like it, was lost before.

        Raises:
            SmpRefusal: the device answered with an error.
            NoAnswer: no reply came.
            LinkError: the transport is gone, or the reply cannot be read.
        """
        allowed = retries or self.retries
        reply_s = allowed.reply_s * self._transport.patience
        for attempt in range(allowed.tries):
            self._sequence = (self._sequence + 1) & 0xFF
            message = smp.encode(1, operation, group, self._sequence, command, fields)
            self._note("to", message)
            self._send(frame.encode(message), losses + attempt)
            reply = self._await_reply(operation + 1, group, command, reply_s)
            if reply is not None:
                return _checked(reply)
            _log.debug("%s: no reply in %g s", self._transport.name, reply_s)
            self.repeats += 1
        raise self.no_answer(group, command, allowed)

    def no_answer(self, group: int, command: int, allowed: Retries) -> NoAnswer:
        """The error for a request that was sent as often as `allowed`."""
        if self._is_in_download_mode:
            return NoAnswer(
                f"the board at {self._transport.name} is in download mode",
                f"its ROM says {_DOWNLOAD_MODE!r}, and starts nothing",
                "press its EN (reset) button without BOOT, or plug it in again",
            )
        reply_s = allowed.reply_s * self._transport.patience
        return NoAnswer(
            f"no answer from {self._transport.name}",
            f"group {group} command {command} was sent {allowed.tries} times, {reply_s:g} s each",
            "check that the device runs hanboot and that the port is its console",
        )

    def texts(self, seconds: float) -> None:
        """Listens for `seconds`, for the lines of text alone."""
        deadline = Deadline(seconds, self._clock)
        while not deadline.passed:
            for _ in self._messages():
                pass

    def type_line(self, text: str) -> None:
        """Types a line, as a person at a terminal would."""
        self._send(text.encode() + b"\n")

    def _await_reply(
        self, operation: int, group: int, command: int, reply_s: float
    ) -> Fields | None:
        deadline = Deadline(reply_s, self._clock)
        while not deadline.passed:
            for message in self._messages():
                self._note("from", message)
                header = smp.parse_header(message)
                # a reply to a request that was given up is passed over
                if header is None or header.sequence != self._sequence:
                    continue
                if (header.operation, header.group, header.command) == (operation, group, command):
                    return self._body(message)
        return None

    def _note(self, direction: str, message: bytes | memoryview) -> None:
        """Logs what a message is and how long; never what is in it: that can be a key."""
        header = smp.parse_header(message)
        if header is None:
            _log.debug("%s %s: no SMP, %d bytes", direction, self._transport.name, len(message))
            return
        _log.debug(
            "%s %s: %s group %d command %d sequence %d, %d bytes",
            direction,
            self._transport.name,
            _OPERATIONS.get(header.operation, header.operation),
            header.group,
            header.command,
            header.sequence,
            len(message),
        )

    def _messages(self) -> Iterator[memoryview]:
        """The messages that arrive in the time of one read; lines of text go to `on_text`."""
        octets = self._transport.read()
        # a message is good until the next octets are taken
        found = [
            each if isinstance(each, str) else bytes(each) for each in self._frames.feed(octets)
        ]
        for each in found:
            if isinstance(each, str):
                self._is_in_download_mode |= _DOWNLOAD_MODE in each
                self._on_text(each)
            else:
                self._is_in_download_mode = False
                yield memoryview(each)

    def _body(self, message: memoryview) -> Fields:
        try:
            fields = cbor.decode(message[smp.HEADER_BYTES :], strict=False)
        except Refused as refused:
            raise self._unreadable(f"not CBOR at octet {refused.offset}", message) from None
        if not isinstance(fields, dict):
            raise self._unreadable("its body is not a CBOR map", message)
        return fields

    def _unreadable(self, why: str, message: memoryview) -> LinkError:
        return LinkError(
            f"{self._transport.name} sent a reply that cannot be read",
            f"{why}: {bytes(message).hex()}",
            "check that the device runs a hanboot of this version",
        )

    def _send(self, octets: bytes, losses: int = 0) -> None:
        if losses or self._is_fresh:
            # end whatever half line was left behind, perhaps by another program
            octets = b"\n" + octets
            self._is_fresh = False
        for piece, pause_s in self.line.bursts(octets, losses):
            self.octets_sent += len(piece)
            self._transport.write(piece)
            if pause_s:
                self._sleep(pause_s)


def _checked(reply: Fields) -> Fields:
    """The reply, unless it is an error: `err` of SMP version 2, or `rc` of either version."""
    error = reply["err"] if "err" in reply else {"group": -1, "rc": reply.get("rc", 0)}
    group, rc = (error.get("group"), error.get("rc")) if isinstance(error, dict) else (None, None)
    if type(group) is not int or type(rc) is not int:
        raise LinkError(
            "the device reports an error that cannot be read",
            f"{error!r} is not a group and a code",
            "check that the port is a hanboot device",
        )
    if rc:
        raise SmpRefusal(group, rc)
    return reply
