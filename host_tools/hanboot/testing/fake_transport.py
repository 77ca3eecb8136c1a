"""A transport whose other end is a function: for tests of the link and of what stands on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hanboot.errors import NoDevice
from hanboot.link.transport import Lost, Transport
from hanbootloader.image import cbor
from hanbootloader.link import frame, smp

Fields = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class SentRequest:
    """What the host asked. operation: `smp.READ` or `smp.WRITE`."""

    operation: int
    group: int
    command: int
    sequence: int
    fields: Fields


#: Octets of an answer as they come on the line; None where nothing comes.
Answer = Callable[[SentRequest], "bytes | None"]


class FakeClock:
    """Seconds that pass while a client waits for a `FakeTransport`, and at no other time."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class FakeTransport(Transport):
    """Hands each request to `answer`, and what that gives back to the host.

    Args:
        answer: called with every request.
        clock: moved on by `read_s` for every read that finds nothing.

    Attributes:
        requests: all of them, in order.
        sent: every octet that was written.
        opened, closed: how often it was opened, and closed.
        fails: raised by the next reads and writes, as an unplugged port does; None for none.
        absent: how many attempts to open it fail.
    """

    name = "fake"
    clock: FakeClock
    read_s = 0.02

    def __init__(self, answer: Answer, clock: FakeClock | None = None) -> None:
        self.answer = answer
        self.clock = clock or FakeClock()
        self.requests: list[SentRequest] = []
        self.sent = b""
        self.opened = 0
        self.closed = 0
        self.fails = False
        self.absent = 0
        self._frames = frame.FrameReader(4096)
        self._arriving: list[bytes] = []

    def open(self) -> None:
        if self.absent:
            self.absent -= 1
            self.clock.now += self.read_s
            raise NoDevice("cannot open fake", "it is not there", "plug it in")
        self.opened += 1
        self.fails = False
        self._arriving.clear()

    def close(self) -> None:
        self.closed += 1

    def read(self) -> bytes:
        if self._arriving:
            return self._arriving.pop(0)
        if self.fails:
            raise Lost(self.name, "unplugged")
        self.clock.now += self.read_s
        return b""

    def write(self, octets: bytes) -> None:
        if self.fails:
            raise Lost(self.name, "unplugged")
        self.sent += octets
        for found in self._frames.feed(octets):
            if isinstance(found, str):
                continue
            message = bytes(found)
            header = smp.parse_header(message)
            assert header is not None
            fields = cbor.decode(message[smp.HEADER_BYTES :], False)
            assert isinstance(fields, dict)
            request = SentRequest(
                operation=header.operation,
                group=header.group,
                command=header.command,
                sequence=header.sequence,
                fields=fields,
            )
            self.requests.append(request)
            answer = self.answer(request)
            if answer:
                self._arriving.append(answer)

    def say(self, octets: bytes) -> None:
        """Lets octets arrive that no request asked for."""
        self._arriving.append(octets)


def reply(request: SentRequest, fields: Fields, **other: int) -> bytes:
    """The octets of a reply to `request`; `other` changes sequence, group, command, operation."""
    return frame.encode(
        smp.encode(
            1,
            other.get("operation", request.operation + 1),
            other.get("group", request.group),
            other.get("sequence", request.sequence),
            other.get("command", request.command),
            fields,
        )
    )
