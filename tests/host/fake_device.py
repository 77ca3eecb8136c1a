"""A device of a few lines on a fake transport, for tests of the device client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hanboot.device.client import Device
from hanboot.testing.fake_transport import FakeClock, FakeTransport, SentRequest, reply

HASH, OTHER = b"\x11" * 32, b"\x22" * 32
VERSION = 0x01010000
SERIAL = bytes(range(8))
OCTETS = bytes(range(256)) * 12

Answer = Callable[[SentRequest], "dict[str, Any] | None"]


class FakeDevice:
    """Takes an upload, starts it at a reset, and confirms it, unless a test says otherwise.

    Attributes:
        state: of the slot that holds the image; None for an empty slot.
        held: hash of that image.
        confirmed: hash of what is confirmed; None where nothing is.
        verdict, event: fields of the last; empty for none.
        answers: what to answer to (group, command) instead.
        pauses: seconds of each pause of the client.
    """

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.transport = FakeTransport(self.answer, self.clock)
        self.serial = SERIAL
        self.state: str | None = None
        self.held = HASH
        self.confirmed: bytes | None = OTHER
        self.started = 0
        self.attempts = 0
        self.verdict: dict[str, Any] = {}
        self.event: dict[str, Any] = {}
        self.pauses: list[float] = []
        self.received = 0
        self.total = 0
        self.resets = 0
        self.answers: dict[tuple[int, int], Answer] = {}
        self.on_reset: Callable[[], None] = self._confirm

    def device(self) -> Device:
        """A client of it that has uploaded the image with `HASH`."""
        device = Device(self.transport, clock=self.clock)
        device._uploaded = HASH
        return device

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.clock.now += seconds

    def unplug(self, absent: int) -> None:
        """Loses the port; `absent` attempts to open it fail."""
        self.transport.fails, self.transport.absent = True, absent

    def sent(self, group: int, command: int) -> list[dict[str, Any]]:
        """The fields of all requests of a kind."""
        requests = self.transport.requests
        return [r.fields for r in requests if (r.group, r.command) == (group, command)]

    def answer(self, request: SentRequest) -> bytes | None:
        place = (request.group, request.command)
        known = self.answers.get(place) or getattr(self, "_{}_{}".format(*place))
        fields = known(request)
        return None if fields is None else reply(request, fields)

    def identity(self) -> dict[str, Any]:
        slots = [
            _slot("confirmed" if self.confirmed else None, 1, self.confirmed),
            _slot(self.state, VERSION, self.held),
        ]
        return {
            "board": "played",
            "serial": self.serial,
            "manufacturer_code": 0xFFF0,
            "image_type": 5,
            "hardware_version": 0x0100,
            "device_type": 5,
            "slot_bytes": 1 << 19,
            "security_counter": 0,
            "provisioned": True,
            "started": self.started,
            "attempts": self.attempts,
            "slots": slots,
        }

    def _65_0(self, request: SentRequest) -> dict[str, Any]:
        return self.identity()

    def _65_1(self, request: SentRequest) -> dict[str, Any]:
        return self.event or self.verdict if "event" in request.fields else self.verdict

    def _65_3(self, request: SentRequest) -> dict[str, Any]:
        return {"state": "idle", "received": 0, "total": 0}

    def _1_1(self, request: SentRequest) -> dict[str, Any]:
        offset = request.fields["off"]
        if offset == 0:
            self.total = request.fields["len"]
        if offset == self.received:
            self.received += len(request.fields["data"])
        if self.received == self.total:
            self.state, self.verdict = "staged", verdict_fields()
        return {"off": self.received}

    def _1_0(self, request: SentRequest) -> dict[str, Any]:
        if request.fields.get("hash") == self.held:
            self.state = "pending"
        return {}

    def _0_6(self, request: SentRequest) -> dict[str, Any]:
        return {"buf_size": 1024, "buf_count": 1}

    def _0_5(self, request: SentRequest) -> dict[str, Any] | None:
        self.resets += 1
        self.on_reset()
        return None if self.transport.fails else {}

    def _confirm(self) -> None:
        if self.state == "pending":
            self.confirmed, self.state = self.held, None


def _slot(state: str | None, version: int, image_hash: bytes | None) -> dict[str, Any]:
    if state is None:
        return {"state": "empty"}
    return {"state": state, "version": version, "hash": image_hash, "bytes": 9}


def verdict_fields(reason: int = 0, image_hash: bytes = HASH) -> dict[str, Any]:
    return {
        "reason": reason,
        "offset": -1,
        "offered": {"version": VERSION, "hash": image_hash},
        "running": None,
        "minimum_base_version": 0,
        "accepts": [],
        "accepts_total": 0,
    }
