"""A device at the end of a transport: what a person does with it, in words of firmware."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from hanboot.device import records
from hanboot.device.records import (
    AnchorCell,
    HistoryEvent,
    Identity,
    SlotState,
    UploadProgress,
    UploadState,
    Verdict,
)
from hanboot.device.refusal import NO_VERDICT, AnotherDevice, DeviceRefused, Reverted
from hanboot.errors import BadFile, CheckFailed, HanbootError, LinkError, NoDevice
from hanboot.explain.reasons import Reason
from hanboot.link.deadline import Clock, Deadline, StallTimer
from hanboot.link.line import MESSAGE_BYTES, Line, MessageSize, message_bytes
from hanboot.link.serial import BAUD, SerialTransport
from hanboot.link.smp import Fields, NoAnswer, Retries, SmpClient, SmpRefusal
from hanboot.link.transport import Lost, Transport
from hanbootloader.link import smp

if TYPE_CHECKING:
    from typing import Self

_OS, _IMAGE, _HANBOOT = smp.OS_GROUP, smp.IMAGE_GROUP, smp.HANBOOT_GROUP

#: How long verification may take; an RP2040 needs a second for 512 KiB.
VERIFY_S = 30.0
#: How long a device may take from one sign of life to the next while it starts and is on trial.
RESTART_S = 150.0
#: How long a port may be gone in the middle of an upload: a board on USB that was reset.
REAPPEAR_S = 5.0

#: Signs of life of one trial: three starts, each with a few changes of state.
_CHANGES_MOST = 64
#: How often a device may ask for what it had already, without coming further than before.
_RETURNS_MOST = 8
#: The same, even if it comes a little further each time.
_RETURNS_IN_ALL = 64
#: A device's journal keeps some hundred events.
_HISTORY_MOST = 4096

#: The least that parameters can say: one frame of a short request.
_BUF_LEAST = 64

_POLL_S = 0.05
_RESTARTING = Retries(tries=1, reply_s=0.3)
#: By how much longer the next answer is waited for, or a slow device would never be heard.
_LONGER = 2.0
_PROBE = Retries(tries=2, reply_s=1.0)
#: A new trust anchor: its comb table is computed, its sectors are erased.
_ANCHOR = Retries(reply_s=10.0)
#: Trust anchors of a device: five at most, a few more in a later one.
_ANCHORS_MOST = 32

#: Called with octets taken so far and in all.
Progress = Callable[[int, int], None]

_Answer = TypeVar("_Answer")


def no_progress(done: int, total: int) -> None:
    """For callers that watch no transfer."""


class Device:
    """Talks to one device, and to no other: the first identity that answers is held.

    Every request raises `LinkError` if the device does not answer or its reply cannot be used.

    Args:
        port: as `--port` takes it, or a transport, which is opened here.
        on_text: called with each line of text that the device writes.
        retries: how long to wait for replies and how often to ask.
        baud: speed of a real line.
        patience: factor on every wait; None takes what the transport is known to need.
        clock: that waits are counted by, in seconds; None takes the transport's.

    Raises:
        NoDevice: the port cannot be opened.

    >>> from hanboot import Device
    >>> Device("virtual:there-is-none")
    Traceback (most recent call last):
        ...
    hanboot.errors.NoDevice: no virtual board runs on there-is-none; there is no such folder; ...
    """

    def __init__(
        self,
        port: str | Transport,
        on_text: Callable[[str], None] = lambda line: None,
        *,
        retries: Retries | None = None,
        baud: int = BAUD,
        patience: float | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.transport = SerialTransport(port, baud) if isinstance(port, str) else port
        if patience is not None:
            self.transport.patience = patience
        self._clock = clock or self.transport.clock
        self.smp = SmpClient(self.transport, on_text=on_text, retries=retries, clock=self._clock)
        self._serial: bytes | None = None
        #: Manufacturer Image Hash of what was uploaded last.
        self._uploaded: bytes | None = None
        self.transport.open()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.transport.close()

    # --- questions

    def identity(self, retries: Retries | None = None) -> Identity:
        """What the device is, runs and holds.

        Raises:
            AnotherDevice: it is not the device that answered first.
        """
        return self._over_resets(lambda: self._ask_identity(retries))

    def _ask_identity(self, retries: Retries | None) -> Identity:
        identity = records.parse_identity(
            self._explained(lambda: self.smp.request(smp.READ, _HANBOOT, 0, {}, retries))
        )
        if self._serial is None:
            self._serial = identity.serial
            self.smp.line = Line(identity.line_bytes, identity.line_pause_ms / 1000)
        if self._serial != identity.serial:
            raise AnotherDevice(self.transport.name, self._serial, identity.serial)
        return identity

    def probe(self) -> Identity | None:
        """The identity; None if no hanboot device answers, without waiting for long."""
        try:
            return self._ask_identity(_PROBE)
        except LinkError:
            return None

    def hold(self, serial: bytes | None) -> None:
        """Takes `serial` for the device that is meant, as if it had answered; None: whichever."""
        self._serial = serial

    def verdict(self) -> Verdict | None:
        """The last verdict on an offered image; None if the device never gave one."""
        return records.parse_verdict(self._read(1))

    def event(self) -> Verdict | None:
        """What has happened to an image since the last verdict; None if nothing has.

        A device that knows no events answers with its last word.
        """
        return records.parse_verdict(self._read(1, {"event": True}))

    def history(self) -> list[HistoryEvent]:
        """The events that the device keeps, oldest first."""
        events: list[HistoryEvent] = []
        more = True
        while more:
            first = events[-1].index + 1 if events else 0
            found, more = records.parse_history(self._read(2, {"from": first}))
            for event in found:
                if event.index < first or len(events) >= _HISTORY_MOST:
                    raise _endless_history(f"event {event.index} follows event {first - 1}")
                first = event.index + 1
                events.append(event)
            if more and not found:
                raise _endless_history(f"it has more after event {first - 1}, and sends none")
        return events

    def anchors(self) -> list[AnchorCell]:
        """The trust anchor cells that the device holds."""
        cells: list[AnchorCell] = []
        more = True
        while more:
            found, more = records.parse_anchors(self._read(4, {"from": len(cells)}))
            cells += found
            more = more and bool(found) and len(cells) < _ANCHORS_MOST
        return cells

    def progress(self) -> UploadProgress:
        """How far an upload is."""
        return records.parse_progress(self._read(3))

    # --- its console

    def type_line(self, text: str) -> None:
        """Types a line for the application, as a person at a terminal would."""
        self.smp.type_line(text)

    def listen(self, seconds: float) -> None:
        """Hands lines of text to `on_text` for a while; a port that goes is opened again."""
        try:
            self.smp.texts(seconds)
        except Lost as lost:
            self._await_reappearance(lost)

    # --- upgrading

    def upload(self, octets: bytes, progress: Progress = no_progress) -> None:
        """Sends an OTA Upgrade Image; returns once the device has received all of it.

        Args:
            octets: the whole file.
            progress: called with octets taken so far and in all.

        Raises:
            DeviceRefused: with the verdict.
            LinkError: the link broke; the same call again goes on where it stopped.
        """
        if self._serial is None:
            self.identity()
        self._uploaded = hash_in(octets)
        sha = hashlib.sha256(octets).digest()
        returns = _Returns()
        size = MessageSize(self._over_resets(self._message_bytes))
        offset = 0

        def piece(most: int) -> Fields:
            request: Fields = {"off": offset}
            if offset == 0:
                request |= {"len": len(octets), "sha": sha}
            return request | {"data": octets[offset : offset + _room(request, most)]}

        while True:
            try:
                reply = self._write_piece(_IMAGE, 1, piece, size)
            except Lost as lost:
                if not returns.is_allowed():
                    raise
                # a board on USB that was reset: it answers offset 0 with where to go on
                self._await_reappearance(lost)
                offset = 0
                continue
            offset = returns.check(offset, _offset_wanted(reply, len(octets)))
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
        while self._through_resets(self.progress).state is UploadState.VERIFYING:
            if deadline.passed:
                raise LinkError(
                    "the device does not come to a verdict",
                    f"it has been verifying for {VERIFY_S:.0f} s",
                    "reset it and upload again",
                )
            self.smp.texts(_POLL_S * self.transport.patience)
        verdict, wanted = self._through_resets(self.verdict), self._uploaded
        if wanted is None:
            if verdict is None or verdict.reason:
                raise DeviceRefused(verdict or NO_VERDICT)
            return verdict
        # the last verdict may be on another image, from before a power cut
        on_it = verdict if verdict and verdict.offered.image_hash == wanted else None
        identity = self._through_resets(self.identity)
        held = identity.slot_with(wanted)
        if held and held.firmware and held.state in (SlotState.STAGED, SlotState.PENDING):
            if on_it and not on_it.reason:
                return on_it
            return Verdict(
                reason=Reason.ACCEPTED, offered=held.firmware, running=identity.confirmed
            )
        if on_it and on_it.reason:
            raise DeviceRefused(on_it)
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
        try:
            self._write(_IMAGE, 0, {"hash": image_hash, "confirm": False})
        except DeviceRefused as refused:
            raise DeviceRefused(self.event() or refused.verdict) from None

    def confirm(self) -> None:
        """Confirms the running image in the application's place.

        Raises:
            CheckFailed: nothing is on trial, or the board, as a product's, lets no client do it.
        """
        running = self.identity().running
        if running is None or running.state is not SlotState.TRIAL:
            raise CheckFailed(
                "nothing to confirm",
                "no image is on trial",
                "hanboot status shows what runs",
            )
        try:
            self.smp.write(_IMAGE, 0, {"confirm": True})
        except SmpRefusal as refusal:
            if (refusal.group, refusal.rc) != (_IMAGE, smp.CONFIRMATION_DENIED):
                raise self._error_of(refusal) from None
            raise CheckFailed(
                "the device was not confirmed",
                "its board does not let a client do it: an image is confirmed by its own self-test",
                "wait for it: hanboot status shows whether the trial has ended",
            ) from None

    def reset(self) -> None:
        """Resets the device; a verification that is under way is finished first.

        The reply can get lost while the device resets, for example behind a network. Another reset
        would then cost a trial one of its starts: it is sent again only while what was to start
        still waits for it.
        """
        has_pending = self._has_pending()
        allowed = self.smp.retries
        for _ in range(allowed.tries):
            try:
                self._write(_OS, 5, {}, Retries(tries=1, reply_s=allowed.reply_s))
                return
            except Lost as lost:
                # the port of a board on USB may go before the reply has come
                self._await_reappearance(lost)
                return
            except NoAnswer:
                if has_pending and not self._has_pending():
                    return
        raise self.smp.no_answer(_OS, 5, allowed)

    def _has_pending(self) -> bool:
        return any(slot.state is SlotState.PENDING for slot in self.identity().slots)

    def wait_outcome(self, wanted: bytes) -> Identity:
        """Waits after a reset until the image with hash `wanted` is confirmed.

        Raises:
            Reverted: the trial failed.
            LinkError: neither happened in time.
        """
        timer = StallTimer(RESTART_S * self.transport.patience, _CHANGES_MOST, self._clock)
        while True:
            identity = self._await_identity(RESTART_S)
            confirmed = identity.confirmed
            if confirmed and confirmed.image_hash == wanted:
                return identity
            held = identity.slot_with(wanted)
            if held is None or held.state is SlotState.REVERTED:
                event = self._through_resets(self.event)
                raise Reverted(event or self._through_resets(self.verdict) or NO_VERDICT)
            if timer.stalled((held.state, identity.started, identity.attempts)):
                raise LinkError(
                    "the new firmware is neither confirmed nor reverted",
                    f"nothing has changed for {RESTART_S:.0f} s: it is {held.state}",
                    "hanboot status shows where it stands; hanboot reset starts it again",
                )
            with contextlib.suppress(Lost):
                self.smp.texts(_POLL_S * 4)

    # --- resets in the middle

    def _through_resets(self, ask: Callable[[], _Answer]) -> _Answer:
        """Asks again if the port went: a device resets while it is waited for."""
        deadline = self._deadline(RESTART_S)
        while True:
            try:
                return ask()
            except Lost:
                if deadline.passed:
                    raise
            self._await_identity(RESTART_S)

    def _over_resets(self, ask: Callable[[], _Answer]) -> _Answer:
        """Asks again if the port went and came back: a board on USB that was reset.

        For questions alone: what changes the device is not sent twice without a look at it.
        """
        returns = _Returns()
        while True:
            try:
                return ask()
            except Lost as lost:
                if not returns.is_allowed():
                    raise
                self._await_reappearance(lost)

    def _await_identity(self, seconds: float) -> Identity:
        """Asks for the identity until the device answers, opening the port again if it went."""
        deadline = self._deadline(seconds)
        asked = _RESTARTING
        while True:
            try:
                # it may be between reset and start: ask often rather than wait long
                return self._ask_identity(asked)
            except NoAnswer:
                if deadline.passed:
                    raise
                reply_s = min(asked.reply_s * _LONGER, self.smp.retries.reply_s)
                asked = dataclasses.replace(asked, reply_s=reply_s)
            except Lost:
                if deadline.passed:
                    raise
                self._reopen(deadline)

    def _await_reappearance(self, lost: Lost) -> None:
        """Raises `lost` unless the same device answers again within `REAPPEAR_S`."""
        deadline = self._deadline(REAPPEAR_S)
        try:
            self._reopen(deadline)
            self._await_identity(max(deadline.left, _RESTARTING.reply_s))
        except AnotherDevice:
            raise
        except (LinkError, NoDevice):
            raise lost from None

    def _reopen(self, deadline: Deadline) -> None:
        while True:
            try:
                self.smp.reopen()
                return
            except NoDevice:
                if deadline.passed:
                    raise
            # a USB port goes away for a moment when its device resets
            time.sleep(_POLL_S)

    def _deadline(self, seconds: float) -> Deadline:
        return Deadline(seconds * self.transport.patience, self._clock)

    # --- provisioning

    def put_anchor(self, head: bytes, signature: bytes | None = None) -> bool:
        """Has the device take a trust anchor cell; it computes the comb table itself.

        Args:
            head: as `hanbootloader.trust.cell.encode_head` makes it.
            signature: of a cell that is held, r || s, once the device is provisioned.

        Returns:
            Whether it was written; one that is held already is not.

        Raises:
            DeviceRefused: the cell is not taken.
        """
        if self._serial is None:
            self.identity()
        request: Fields = {"head": head}
        if signature is not None:
            request["signature"] = signature
        return bool(self._write(_HANBOOT, 4, request, _ANCHOR)["written"])

    def put_cpl_entry(self, token: bytes) -> bool:
        """Gives the CPL's word on the image to come, for a board that demands it.

        Args:
            token: as `hanboot registry cpl-entry` writes it.

        Returns:
            Whether the board asks for one.

        Raises:
            DeviceRefused: it is not signed by the board's key, or for another model.
        """
        return self._write(_HANBOOT, 9, {"entry": token}, _ANCHOR).get("taken") is True

    # --- requests

    def _read(self, command: int, fields: Fields | None = None) -> Fields:
        return self._over_resets(
            lambda: self._explained(lambda: self.smp.read(_HANBOOT, command, fields))
        )

    def _write(
        self, group: int, command: int, fields: Fields, retries: Retries | None = None
    ) -> Fields:
        return self._explained(lambda: self.smp.request(smp.WRITE, group, command, fields, retries))

    def _message_bytes(self) -> int:
        """The longest message that the device's parameters allow."""
        try:
            reported = self.smp.read(_OS, 6).get("buf_size")
        except SmpRefusal:
            return MESSAGE_BYTES
        if type(reported) is not int or reported < _BUF_LEAST:
            raise LinkError(
                "the device reports a buffer that holds no request",
                f"buf_size is {reported!r}",
                "check that the port is a hanboot device",
            )
        return min(message_bytes(reported), MESSAGE_BYTES)

    def _write_piece(
        self, group: int, command: int, piece: Callable[[int], Fields], size: MessageSize
    ) -> Fields:
        """A request with as much data as fits: less, and more slowly, after each loss."""
        allowed = self.smp.retries
        once = Retries(tries=1, reply_s=allowed.reply_s)
        for losses in range(allowed.tries):
            fields = piece(size.bytes)
            try:
                reply = self._explained(
                    functools.partial(
                        self.smp.request, smp.WRITE, group, command, fields, once, losses
                    )
                )
            except NoAnswer:
                size.lost()
                continue
            size.answered()
            return reply
        raise self.smp.no_answer(group, command, allowed)

    def _explained(self, request: Callable[[], Fields]) -> Fields:
        try:
            return request()
        except SmpRefusal as refusal:
            raise self._error_of(refusal) from None

    def _error_of(self, refusal: SmpRefusal) -> HanbootError:
        if refusal.group == _IMAGE:
            return DeviceRefused(self._last_verdict() or NO_VERDICT)
        if refusal.group == _HANBOOT and refusal.rc > smp.REASON_BASE:
            reason = Reason(refusal.rc - smp.REASON_BASE)
            return DeviceRefused(Verdict(reason=reason))
        return LinkError(
            "the device does not take the request",
            str(refusal),
            "check that it runs a hanboot of this version: hanboot status",
        )

    def _last_verdict(self) -> Verdict | None:
        try:
            return records.parse_verdict(self.smp.read(_HANBOOT, 1))
        except SmpRefusal:
            # it speaks SMP, and has no verdicts
            raise LinkError(
                "the device refused, and gives no verdict",
                "it does not answer group 65 command 1",
                "check that the port is a hanboot device",
            ) from None


class _Returns:
    """Counts how often a device asks for octets that it had already."""

    def __init__(self) -> None:
        self._best = 0
        self._since_best = 0
        self._in_all = 0

    def check(self, sent: int, wanted: int) -> int:
        """The offset to go on from, `wanted`.

        Raises:
            LinkError: the upload gets nowhere.
        """
        if wanted > self._best:
            self._best, self._since_best = wanted, 0
        # back to an earlier offset is a reset of the device; again and again is not
        if wanted <= sent and not self.is_allowed():
            raise LinkError(
                "the device does not take the image",
                f"it asks for the octets from offset {wanted} over and over",
                "reset it and upload again",
            )
        return wanted

    def is_allowed(self) -> bool:
        """Counts one more return; whether that is not too many."""
        self._since_best += 1
        self._in_all += 1
        return self._since_best <= _RETURNS_MOST and self._in_all <= _RETURNS_IN_ALL


def _offset_wanted(reply: Fields, total: int) -> int:
    wanted = reply.get("off")
    if type(wanted) is not int or not 0 <= wanted <= total:
        raise LinkError(
            "the device wants octets that the image does not have",
            f"it asked for offset {wanted!r} of {total}",
            "check that the device runs hanboot",
        )
    return wanted


def _endless_history(why: str) -> LinkError:
    return LinkError(
        "the device's history has no end",
        why,
        "check that the port is a hanboot device",
    )


def hash_in(octets: bytes) -> bytes | None:
    """Manufacturer Image Hash of the OTA Upgrade Image `octets`; None if they are no such."""
    # imported late: status and its like need no image
    from hanboot.image import ota_file

    try:
        return ota_file.load(octets).image_hash
    except BadFile:
        return None


def _room(request: Fields, most: int) -> int:
    """Octets of data that fit a message of `most` with the other fields."""
    empty = len(smp.encode(1, smp.WRITE, 0, 0, 0, request | {"data": b""}))
    return most - empty - 2  # the length of an octet string of 256 or more
