"""A device at the end of a port: what a person does with it, in words of firmware."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, TypeVar

from bootloader import policy
from bootloader.link import smp
from bootloader.link.groups import hanboot as hanboot_group
from bootloader.trust import anchors
from hanboot.errors import BadFile, LinkError, Refused
from hanboot.explain import reasons as explain
from hanboot.image import ota_file as image
from hanboot.link import ports
from hanboot.link.deadline import Clock, Deadline
from hanboot.link.smp import MESSAGE_BYTES, REPLY_S, TRIES, Fields, SmpClient, SmpRefusal

_OS, _IMAGE, _HANBOOT = 0, 1, hanboot_group.GROUP

#: How long verification may take; an RP2040 needs a second for 512 KiB.
VERIFY_S = 30.0
#: How long a device may take from a reset to an answer, three trial starts included.
RESTART_S = 150.0

_STALLS = 8  # replies in a row that bring an upload no further
_POLL_S = 0.05
_RESTART_REPLY_S = 0.3
_PROBE_TRIES = 2
_PROBE_S = 1.0

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class FirmwareId:
    """Identity of a firmware: its version, and its Manufacturer Image Hash where it is known."""

    file_version: int
    image_hash: bytes | None

    def as_json(self) -> dict[str, Any]:
        return {
            "file_version": self.file_version,
            "file_version_hex": f"{self.file_version:08X}",
            "hash": self.image_hash.hex() if self.image_hash else None,
        }


@dataclass(frozen=True)
class SlotState:
    """What a slot holds. state: empty, staged, pending, trial, confirmed, previous, reverted."""

    state: str
    firmware: FirmwareId | None
    image_bytes: int = 0


@dataclass(frozen=True)
class Identity:
    """What a device says of itself. started: slot that runs, -1 for the bootloader alone."""

    board: str
    serial: bytes
    manufacturer_code: int
    image_type: int
    hardware_version: int
    device_type: int
    slot_bytes: int
    security_counter: int
    provisioned: bool
    started: int
    attempts: int
    slots: tuple[SlotState, ...]
    #: A device that does not say is taken for a product.
    tier: str = "product"
    role: str = ""
    #: Of what is installed below the application, e.g. {"hanboot": "0.1.0"}.
    versions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    #: Bytes that its line keeps while it does not read; 0 where the sender is held back.
    line_bytes: int = 0
    #: For how long it may not read.
    line_pause_ms: int = 0

    def slot(self, state: str) -> SlotState | None:
        return next((slot for slot in self.slots if slot.state == state), None)

    @property
    def running(self) -> SlotState | None:
        return self.slots[self.started] if self.started >= 0 else None

    @property
    def confirmed(self) -> FirmwareId | None:
        slot = self.slot("confirmed")
        return slot.firmware if slot else None

    @property
    def facts(self) -> policy.DeviceFacts:
        """What the decision asks about this device."""
        return policy.DeviceFacts(
            self.manufacturer_code,
            self.image_type,
            self.hardware_version,
            self.device_type,
            self.slot_bytes,
            self.security_counter,
        )


@dataclass(frozen=True)
class Verdict:
    """The device's last word on an image that was offered, with the remedy."""

    reason: int
    offset: int
    offered: FirmwareId
    running: FirmwareId | None
    minimum_base_version: int
    accepts: tuple[FirmwareId, ...]
    accepts_total: int

    def as_json(self) -> dict[str, Any]:
        texts = explain.explain(self.reason)
        return {
            "reason": {"code": self.reason, "name": texts.name},
            "offered": self.offered.as_json(),
            "running": self.running.as_json() if self.running else None,
            "accepts": [firmware.as_json() for firmware in self.accepts],
            "detail": {
                "offset": self.offset if self.offset >= 0 else None,
                "minimum_base_version": self.minimum_base_version,
                "accepts_total": self.accepts_total,
                "meaning": texts.meaning,
                "remedy": texts.remedy,
            },
        }


@dataclass(frozen=True)
class Event:
    """One entry of the upgrade history. chain: SHA-256 of the entry before."""

    index: int
    event: str
    reason: int
    source: FirmwareId | None
    target: FirmwareId | None
    chain: bytes


@dataclass(frozen=True)
class AnchorCell:
    """A trust anchor cell that a device holds."""

    role: str
    kid: bytes
    sequence: int
    development: bool
    label: str


EVENTS = {1: "confirmed", 2: "reverted", 3: "fell back"}
ROLE_NAMES = {anchors.MANUFACTURER: "manufacturer", anchors.SUPPLIER: "supplier"}


class DeviceRefused(Refused):
    """The device refused an image; `verdict` says why and what it would accept.

    Args:
        verdict: the device's.
        what_to_do: a better remedy than the device's, from somebody who knows more.
    """

    def __init__(self, verdict: Verdict, what_to_do: str | None = None) -> None:
        self.verdict = verdict
        what, why, remedy = explain.verdict_lines(verdict)
        super().__init__(what, why, what_to_do or remedy)


_Given = ParamSpec("_Given")
_Answer = TypeVar("_Answer")


def _question(
    ask: Callable[Concatenate[Device, _Given], _Answer],
) -> Callable[Concatenate[Device, _Given], _Answer]:
    """Whatever a device of another kind answers, it is a LinkError."""

    @functools.wraps(ask)
    def asked(self: Device, /, *args: _Given.args, **kwargs: _Given.kwargs) -> _Answer:
        try:
            return ask(self, *args, **kwargs)
        except SmpRefusal as refusal:
            raise self._explained(refusal) from None
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise LinkError(
                "the device answers in a way that is not hanboot's",
                f"{type(error).__name__}: {error}",
                "check that the port is a hanboot device of this version",
            ) from None

    return asked


class Device:
    """Talks to the device on `port`.

    Args:
        port: path, pyserial URL or `virtual:DIR`.
        on_text: called with each line of text that the device writes.
        patience: factor on every wait; None takes what the port is known to need.
        clock: that waits are counted by.
    """

    def __init__(
        self,
        port: str,
        on_text: Callable[[str], None] = lambda line: None,
        patience: float | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self._port = port
        self._clock = clock
        self._on_text = on_text
        self._patience = ports.patience(port) if patience is None else patience
        self._client = self._open()
        #: Manufacturer Image Hash of what was uploaded last.
        self._uploaded: bytes | None = None

    def _open(self) -> SmpClient:
        return SmpClient(ports.open_port(self._port), self._on_text, self._patience, self._clock)

    def _deadline(self, seconds: float) -> Deadline:
        return Deadline(seconds * self._patience, self._clock)

    def __enter__(self) -> Device:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

    @property
    def smp(self) -> SmpClient:
        return self._client

    # --- questions

    @_question
    def identity(self, tries: int = TRIES, reply_s: float = REPLY_S) -> Identity:
        fields = self._client.request(smp.READ, _HANBOOT, 0, {}, tries, reply_s)
        slots = tuple(_slot(entry) for entry in fields.pop("slots"))
        known = {field.name for field in dataclasses.fields(Identity)}
        return Identity(slots=slots, **{k: v for k, v in fields.items() if k in known})

    def probe(self) -> Identity | None:
        """The identity; None if nothing of ours answers, without waiting for long."""
        try:
            return self.identity(_PROBE_TRIES, _PROBE_S)
        except LinkError:
            return None

    @_question
    def verdict(self) -> Verdict | None:
        """The last verdict; None if the device never gave one."""
        fields = self._client.read(_HANBOOT, 1)
        if not fields:
            return None
        return Verdict(
            fields["reason"],
            fields["offset"],
            _firmware(fields["offered"]) or FirmwareId(0, None),
            _firmware(fields["running"]),
            fields["minimum_base_version"],
            tuple(FirmwareId(f["version"], f["hash"]) for f in fields["accepts"]),
            fields["accepts_total"],
        )

    @_question
    def history(self) -> list[Event]:
        """The events that the device keeps, oldest first."""
        events: list[Event] = []
        more = True
        while more:
            first = events[-1].index + 1 if events else 0
            fields = self._client.read(_HANBOOT, 2, {"from": first})
            events += [_event(entry) for entry in fields["events"]]
            more = fields["more"]
        return events

    @_question
    def anchors(self) -> list[AnchorCell]:
        return [
            AnchorCell(
                ROLE_NAMES.get(cell["role"], str(cell["role"])),
                cell["kid"],
                cell["sequence"],
                cell["development"],
                cell["label"].decode(errors="replace"),
            )
            for cell in self._client.read(_HANBOOT, 4)["cells"]
        ]

    @_question
    def progress(self) -> tuple[str, int, int]:
        """State of an upload (idle, receiving, verifying), octets received and in all."""
        fields = self._client.read(_HANBOOT, 3)
        return fields["state"], fields["received"], fields["total"]

    # --- upgrading

    def upload(self, octets: bytes, progress: Progress = lambda done, total: None) -> None:
        """Sends an OTA Upgrade Image; returns once the device has received all of it.

        Args:
            octets: the whole file.
            progress: called with octets taken so far and in all.

        Raises:
            DeviceRefused: with the verdict.
            LinkError: the link broke; the same call again goes on where it stopped.
        """
        sha = hashlib.sha256(octets).digest()
        self._uploaded = hash_in(octets)
        offset, stalls = 0, 0
        while True:
            request: Fields = {"off": offset}
            if offset == 0:
                request |= {"len": len(octets), "sha": sha}
            request["data"] = octets[offset : offset + _room(request)]
            reply = self._ask(_IMAGE, 1, request)
            taken = reply.get("off")
            if type(taken) is not int or not 0 <= taken <= len(octets):
                raise LinkError(
                    "the device wants octets that the image does not have",
                    f"it asked for offset {taken} of {len(octets)}",
                    "check that the device runs hanboot",
                )
            # back to an earlier offset is a reset of the device; again and again is not
            stalls = 0 if taken > offset else stalls + 1
            if stalls > _STALLS:
                raise LinkError(
                    "the device does not take the image",
                    f"it asks for the octets from offset {taken} over and over",
                    "reset it and upload again",
                )
            offset = taken
            progress(offset, len(octets))
            if offset == len(octets):
                return

    def wait_verified(self) -> Verdict:
        """Waits for the verdict on what was uploaded.

        Raises:
            DeviceRefused: it was not accepted.
            LinkError: there is none: the device was reset before it came to one.
        """
        deadline = self._deadline(VERIFY_S)
        while self.progress()[0] == "verifying":
            if deadline.passed:
                raise LinkError(
                    "the device does not come to a verdict",
                    f"it has been verifying for {VERIFY_S:.0f} s",
                    "reset it and upload again",
                )
            self._client.texts(_POLL_S * self._patience)
        verdict, wanted = self.verdict(), self._uploaded
        if wanted is None:
            if verdict is None or verdict.reason:
                raise DeviceRefused(verdict or _NO_VERDICT)
            return verdict
        # the last verdict may be on another image, from before a power cut
        on_it = verdict is not None and verdict.offered.image_hash == wanted
        identity = self.identity()
        for slot in identity.slots:
            held = slot.firmware
            if slot.state in ("staged", "pending") and held and held.image_hash == wanted:
                if verdict is not None and on_it and not verdict.reason:
                    return verdict
                return Verdict(0, -1, held, identity.confirmed, 0, (), 0)
        if verdict is not None and on_it and verdict.reason:
            raise DeviceRefused(verdict)
        raise LinkError(
            "the device does not hold the image",
            "it was reset before it came to a verdict",
            "upload the image again",
        )

    def activate(self, image_hash: bytes) -> None:
        """Has the image with this Manufacturer Image Hash start at the next reset.

        Raises:
            DeviceRefused: no image is held, another one is, or it is not allowed any more.
        """
        self._ask(_IMAGE, 0, {"hash": image_hash, "confirm": False})

    def confirm(self) -> None:
        """Confirms the running image in the application's place.

        Raises:
            Refused: nothing is on trial.
        """
        running = self.identity().running
        if running is None or running.state != "trial":
            raise Refused(
                "nothing to confirm",
                "no image is on trial",
                "hanboot status shows what runs",
            )
        self._client.write(_IMAGE, 0, {"confirm": True})

    def reset(self) -> None:
        self._ask(_OS, 5, {})

    def wait_outcome(self, wanted: bytes) -> Identity:
        """Waits after a reset until the image with hash `wanted` is confirmed.

        Raises:
            DeviceRefused: it was reverted.
            LinkError: neither happened in time.
        """
        deadline = self._deadline(RESTART_S)
        while not deadline.passed:
            identity = self._wait_back()
            confirmed = identity.confirmed
            if confirmed and confirmed.image_hash == wanted:
                return identity
            state = next(
                (s.state for s in identity.slots if s.firmware and s.firmware.image_hash == wanted),
                "gone",
            )
            if state in ("reverted", "gone"):
                raise DeviceRefused(self.verdict() or _NO_VERDICT)
            self._client.texts(_POLL_S * 4)
        raise LinkError(
            "the new firmware is neither confirmed nor reverted",
            f"nothing happened for {RESTART_S:.0f} s",
            "hanboot status shows where it stands; hanboot reset starts it again",
        )

    def _wait_back(self) -> Identity:
        """Asks for the identity until the device answers, opening the port again if it went."""
        deadline = self._deadline(RESTART_S)
        while True:
            try:
                # it may be between reset and start: ask often rather than wait long
                return self.identity(tries=1, reply_s=_RESTART_REPLY_S)
            except LinkError:
                if deadline.passed:
                    raise
            self._reopen(deadline)

    def _reopen(self, deadline: Deadline) -> None:
        self._client.close()
        while True:
            try:
                self._client = self._open()
                return
            except Exception:
                if deadline.passed:
                    raise
            # a USB port goes away for a moment when its device resets
            time.sleep(_POLL_S)

    # --- provisioning

    def provision(self, head: bytes, table: bytes, signature: bytes | None = None) -> None:
        """Writes a trust anchor cell.

        Args:
            head: as `bootloader.trust.cell_writer.encode_head` makes it.
            table: the key's comb table.
            signature: of a cell that is held, r || s, once the device is provisioned.

        Raises:
            DeviceRefused: the cell is not taken.
        """
        request: Fields = {"head": head}
        if signature is not None:
            request["signature"] = signature
        self._ask(_HANBOOT, 4, request)
        offset = 0
        while offset < len(table):
            request = {"off": offset}
            request["data"] = table[offset : offset + _room(request)]
            self._ask(_HANBOOT, 5, request)
            offset += len(request["data"])
        self._ask(_HANBOOT, 6, {})

    def _ask(self, group: int, command: int, fields: Fields) -> Fields:
        try:
            return self._client.write(group, command, fields)
        except SmpRefusal as refusal:
            raise self._explained(refusal) from None

    def _explained(self, refusal: SmpRefusal) -> Exception:
        if refusal.group == _IMAGE:
            return DeviceRefused(self.verdict() or _NO_VERDICT)
        if refusal.group == _HANBOOT and refusal.rc >= hanboot_group.REASON_BASE:
            reason = refusal.rc - hanboot_group.REASON_BASE
            return DeviceRefused(Verdict(reason, -1, FirmwareId(0, None), None, 0, (), 0))
        return LinkError(
            "the device does not take the request",
            str(refusal),
            "check that it runs a hanboot of this version: hanboot status",
        )


_NO_VERDICT = Verdict(0, -1, FirmwareId(0, None), None, 0, (), 0)


def hash_in(octets: bytes) -> bytes | None:
    """Manufacturer Image Hash of the OTA Upgrade Image `octets`; None if they are no such."""
    try:
        return image.load(octets).image_hash
    except BadFile:
        return None


def _room(request: Fields) -> int:
    """Octets of data that fit a message beside the other fields."""
    empty = len(smp.encode(1, smp.WRITE, 0, 0, 0, request | {"data": b""}))
    return MESSAGE_BYTES - empty - 2  # the length of an octet string of 256 or more


def _firmware(fields: Fields | None) -> FirmwareId | None:
    return FirmwareId(fields["version"], fields["hash"]) if fields else None


def _slot(fields: Fields) -> SlotState:
    if fields["state"] == "empty":
        return SlotState("empty", None)
    return SlotState(fields["state"], _firmware(fields), fields["bytes"])


def _event(fields: Fields) -> Event:
    return Event(
        fields["index"],
        EVENTS.get(fields["event"], str(fields["event"])),
        fields["reason"],
        _firmware(fields["from"]),
        _firmware(fields["to"]),
        fields["chain"],
    )
