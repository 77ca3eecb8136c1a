"""The CPL as a signed file, for a gate that is offline.

A COSE_Sign1 (RFC 9052 4.2), as the envelope of our images is one, around deterministic CBOR:

    {0: 1, 2: issued, 4: valid until, 6: local updates allowed, 8: [entry, ...], 1: source,
     3: key of permits}
    entry = [CPL Entry ID, device type, manufacturer code, device model, firmware version, hash]

Times are seconds since 1970, UTC. Only entries that are Active are listed, so nothing else passes.
As in a manifest, odd keys may be ignored and an unknown even key is refused.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hanboot import files
from hanboot.errors import BadFile, CheckFailed
from hanboot.registry.entry import DEVICE_TYPES, DeviceType, Entry
from hanboot.registry.storage.store import Registry
from hanboot.trust import signed_cbor
from hanboot.trust.keys import PublicKey, key_at
from hanboot.trust.signed_cbor import FORMAT, SignedCbor
from hanbootloader.reasons import Refused

#: 100,000 entries are 9 MB.
SNAPSHOT_MAX_BYTES = 64 * 1024 * 1024
#: How long a snapshot is good for by default.
VALID_DAYS = 7

_ISSUED, _VALID_UNTIL, _LOCAL, _ENTRIES, _SOURCE, _PERMIT_KEY = 2, 4, 6, 8, 1, 3
_OUR_FORMAT = 1
_DAY_S = 86_400


@dataclass(frozen=True)
class SnapshotEntry:
    """What a gate must know of an entry."""

    cpl_entry_id: str
    device_type: DeviceType
    manufacturer_code: int
    device_model: int
    firmware_version: int
    image_hash: bytes
    status: str = "Active"

    def status_on(self, day: datetime.date) -> str:
        return self.status


@dataclass(frozen=True)
class Snapshot:
    """The Active entries of a CPL at one time.

    Attributes:
        issued, valid_until: seconds since 1970.
        permits_from: whose permits lift a ban of local updates; None lifts none.
    """

    issued: int
    valid_until: int
    local_updates: str
    source: str
    listed: tuple[SnapshotEntry, ...]
    permits_from: PublicKey | None = None

    @property
    def name(self) -> str:
        return f"the snapshot of {_date(self.issued)}"

    def by_hash(self, image_hash: bytes) -> list[SnapshotEntry]:
        return [entry for entry in self.listed if entry.image_hash == image_hash]


# --- made


def make(
    registry: Registry,
    kid: bytes,
    sign: Callable[[bytes], bytes],
    valid_days: int = VALID_DAYS,
    now: float | None = None,
) -> bytes:
    """A signed snapshot of what is Active now.

    Args:
        kid: identifier of the key, 8 octets.
        sign: gives r || s over the SHA-256 of what it is called with.
    """
    issued = int(time.time() if now is None else now)
    day = datetime.datetime.fromtimestamp(issued, datetime.UTC).date()
    active = (entry for own, _ in registry.by_model() for entry in own if entry.is_active(day))
    permits_from = registry.permits_from()
    fields = {
        FORMAT: _OUR_FORMAT,
        _ISSUED: issued,
        _VALID_UNTIL: issued + valid_days * _DAY_S,
        _LOCAL: registry.setting("local_updates") == "allowed",
        _ENTRIES: [_row(entry) for entry in active],
        _SOURCE: registry.database.name,
    }
    if permits_from:
        fields[_PERMIT_KEY] = permits_from.point
    return signed_cbor.encode(fields, kid, sign)


def _row(entry: Entry) -> list[object]:
    return [
        entry.cpl_entry_id,
        entry.device_type,
        entry.manufacturer_code,
        entry.device_model,
        entry.firmware_version,
        entry.image_hash,
    ]


# --- read


def load(path: Path, key: PublicKey, now: float | None = None) -> Snapshot:
    """Reads a snapshot, once its signature is found right.

    Raises:
        BadFile: it cannot be read, or is none.
        CheckFailed: the signature is wrong, or it is not valid any more.
    """
    octets = files.read(path, SNAPSHOT_MAX_BYTES)
    try:
        signed = signed_cbor.decode(octets)
    except (Refused, ValueError):
        raise _malformed(path) from None
    if not signed.is_signed_by(key):
        raise CheckFailed(
            f"{path} is not signed by the given key",
            f"it names the key {signed.kid.hex()}, the given one is {key.kid.hex()}"
            if signed.kid != key.kid
            else "the signature is wrong: it was changed or damaged",
            "fetch the snapshot again, or give the key of who made it: --snapshot-key",
        )
    snapshot = _parse(path, signed)
    moment = time.time() if now is None else now
    if not snapshot.issued <= moment + _DAY_S or moment > snapshot.valid_until:
        raise CheckFailed(
            f"{path} is not valid now",
            f"it is good from {_date(snapshot.issued)} to {_date(snapshot.valid_until)}",
            "fetch a newer one: hanboot registry snapshot makes it",
        )
    return snapshot


def _parse(path: Path, signed: SignedCbor) -> Snapshot:
    try:
        fields = signed.fields_of(_OUR_FORMAT, _ENTRIES, str(path))
        return Snapshot(
            int(fields[_ISSUED]),
            int(fields[_VALID_UNTIL]),
            "allowed" if fields[_LOCAL] is True else "banned",
            str(fields.get(_SOURCE, "")),
            tuple(_listed(row) for row in fields[_ENTRIES]),
            key_at(fields[_PERMIT_KEY]) if _PERMIT_KEY in fields else None,
        )
    except (Refused, LookupError, TypeError, ValueError, AttributeError):
        raise _malformed(path) from None


def _listed(row: list[Any]) -> SnapshotEntry:
    listed = SnapshotEntry(*row)
    if listed.device_type not in DEVICE_TYPES or len(listed.image_hash) != 32:
        raise ValueError
    return listed


def _malformed(path: Path) -> BadFile:
    return BadFile(
        f"{path} is no snapshot of a CPL",
        "it is not a COSE_Sign1 around a list of entries",
        "hanboot registry snapshot makes one",
    )


def _date(seconds: int) -> str:
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.strftime("%Y-%m-%d %H:%MZ")
