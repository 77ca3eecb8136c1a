# SMP group 65, ours: what the standard groups lack.
#
#   0  identity      1  last verdict with its remedy   2  upgrade history
#   3  progress      4  trust anchors: cells that are held (read), a new one (write)
#   9  CPL entry of the image to come (write); 7 and 8 are network.py's
#
# Refusals are reason codes (bootloader/reasons.py), as errors of this group: rc = 256 + reason.

import sys

from hanbootloader import VERSION
from hanbootloader.compat import const
from hanbootloader.image.manifest import read_feature_version
from hanbootloader.install import IDLE, RECEIVING
from hanbootloader.link.smp import EINVAL, HANBOOT_GROUP, REASON_BASE, SmpError
from hanbootloader.reasons import Refused
from hanbootloader.store import ledger
from hanbootloader.verify import read_envelope

if __debug__:  # in annotations alone
    from hanbootloader.device import Device
    from hanbootloader.install import Installer
    from hanbootloader.link.smp import Request

_EVENTS_PER_REPLY = const(4)
_CELLS_PER_REPLY = const(3)

_SLOT_STATES = (
    "empty",
    "staged",
    "pending",
    "trial",
    "confirmed",
    "previous",
    "reverted",
    "damaged",
)

# of ledger.EVENT_CONFIRMED and so on
_EVENT_KINDS = (
    "",
    "confirmed",
    "reverted",
    "fell back",
    "damaged",
    "not activated",
    "not started",
)


# A firmware; None where there is none, which stored events write as zeros.
def _firmware(version: int, image_hash: "bytes | None") -> "dict[str, object] | None":
    if image_hash is None or not any(image_hash):
        return None
    return {"version": version, "hash": image_hash}


def _micropython_version() -> str:
    return ".".join([str(number) for number in sys.implementation.version[:3]])


class HanbootGroup:
    def __init__(self, device: "Device", installer: "Installer") -> None:
        self._device = device
        self._installer = installer

    def commands(self) -> "dict[int, tuple[object, object]]":
        return {
            0: (self._identity, None),
            1: (self._verdict, None),
            2: (self._history, None),
            3: (self._progress, None),
            4: (self._anchors, self._put_anchor),
            9: (None, self._put_entry),
        }

    def _identity(self, request: "Request") -> "dict[str, object]":
        device = self._device
        facts, board = device.facts(), device.board
        return {
            "board": board.name,
            "tier": board.tier,
            "role": board.role,
            "versions": {"hanboot": VERSION, "micropython": _micropython_version()},
            "line_bytes": board.line_bytes,
            "line_pause_ms": board.line_pause_ms,
            "serial": board.serial,
            "manufacturer_code": facts.manufacturer_code,
            "image_type": facts.image_type,
            "hardware_version": facts.hardware_version,
            "device_type": facts.device_type,
            "slot_bytes": facts.slot_bytes,
            "security_counter": facts.security_counter,
            "provisioned": device.anchors.is_provisioned,
            "started": device.started,
            "attempts": device.ledger.attempts,
            "slots": [self._slot(index) for index in (0, 1)],
        }

    def _slot(self, index: int) -> "dict[str, object]":
        slot = self._device.ledger.slots[index]
        if slot.state == ledger.EMPTY:
            return {"state": _SLOT_STATES[slot.state]}
        reply: "dict[str, object]" = {
            "state": _SLOT_STATES[slot.state],
            "version": slot.file_version,
            "hash": slot.image_hash,
            "bytes": slot.image_bytes,
        }
        features = self._feature_version(index)
        if features is not None:
            reply["feature_version"] = features
        return reply

    # What the manifest in slot `index` says of it; None where it says nothing, or cannot be read.
    def _feature_version(self, index: int) -> "str | None":
        try:
            return read_feature_version(read_envelope(self._device.image(index)).content)
        except (Refused, MemoryError):
            # the rest of the identity is worth more, and needs less memory
            return None

    # The last verdict on an offered image; with `event` true, what has happened to an image since.
    def _verdict(self, request: "Request") -> "dict[str, object]":
        event = self._device.ledger.last_event()
        if request.fields.get("event") is True:
            if event is None:
                return {}
            reply = self._words(event[1])
            reply["kind"] = _EVENT_KINDS[event[0]]
            return reply
        verdict = self._device.ledger.offer()
        reply = {} if verdict is None else self._words(verdict)
        if event is not None:
            reply["event"] = {"kind": _EVENT_KINDS[event[0]], "reason": event[1].reason}
        return reply

    # A verdict, with both sides of what may not fit.
    def _words(self, verdict: ledger.VerdictRecord) -> "dict[str, object]":
        facts = self._device.facts()
        offered: "dict[str, object]" = {
            "version": verdict.offered_version,
            "hash": verdict.offered_hash,
        }
        if verdict.offered_model is not None:
            model = verdict.offered_model
            offered["manufacturer_code"], offered["image_type"] = model[:2]
            offered["hardware"] = model[2:]
        return {
            "reason": verdict.reason,
            "offset": verdict.offset,
            "offered": offered,
            "device": {
                "manufacturer_code": facts.manufacturer_code,
                "image_type": facts.image_type,
                "hardware_version": facts.hardware_version,
            },
            "running": _firmware(verdict.running_version, verdict.running_hash),
            "minimum_base_version": verdict.minimum_base_version,
            "accepts": [{"version": v, "hash": digest} for v, digest in verdict.accepts],
            "accepts_total": verdict.accepts_total,
        }

    def _history(self, request: "Request") -> "dict[str, object]":
        first = request.uint("from", 0)
        events = [event for event in self._device.ledger.history() if event.index >= first]
        return {
            "events": [
                {
                    "index": event.index,
                    "event": event.event,
                    "reason": event.reason,
                    "from": _firmware(event.from_version, event.from_hash),
                    "to": _firmware(event.to_version, event.to_hash),
                    "chain": event.chain,
                }
                for event in events[:_EVENTS_PER_REPLY]
            ],
            "more": len(events) > _EVENTS_PER_REPLY,
        }

    def _progress(self, request: "Request") -> "dict[str, object]":
        state, received, total = self._installer.progress()
        name = "idle" if state == IDLE else "receiving" if state == RECEIVING else "verifying"
        return {"state": name, "received": received, "total": total}

    def _anchors(self, request: "Request") -> "dict[str, object]":
        cells = self._device.anchors.cells()
        first = min(request.uint("from", 0), len(cells))
        return {
            "cells": [
                {
                    "role": cell.role,
                    "usage": cell.usage,
                    "kid": cell.kid,
                    "sequence": cell.sequence,
                    "development": cell.is_development,
                    "manufacturer_code": cell.scope[0],
                    "image_type": cell.scope[1],
                    "entity": cell.entity,
                    "label": cell.label.rstrip(b"\0"),
                    "fingerprint": cell.fingerprint(),
                }
                for cell in cells[first : first + _CELLS_PER_REPLY]
            ],
            "more": len(cells) > first + _CELLS_PER_REPLY,
        }

    def _put_anchor(self, request: "Request"):  # type: ignore[no-untyped-def]
        head, signature = request.byte_string("head"), request.byte_string("signature")
        if head is None:
            raise SmpError(EINVAL)
        try:
            written = yield from self._device.put_anchor_steps(
                bytes(head), None if signature is None else bytes(signature)
            )
        except Refused as refused:
            raise _error(refused)
        return {"written": written}

    def _put_entry(self, request: "Request"):  # type: ignore[no-untyped-def]
        token = request.byte_string("entry")
        if token is None:
            raise SmpError(EINVAL)
        try:
            taken = yield from self._installer.put_entry_steps(bytes(token))
        except Refused as refused:
            raise _error(refused)
        return {"taken": taken}


def _error(refused: Refused) -> SmpError:
    return SmpError(REASON_BASE + refused.reason, HANBOOT_GROUP)
