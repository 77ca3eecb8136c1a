"""A permit: the DSP's signed word that a party may update devices locally, with one image.

SECMP0007's working group asked for a screening of who may update locally. A party sends the DSP
the request with which it would have an image distributed; the DSP screens it as such, and in place
of distributing signs what it found: party, devices, hash, and how long that is good for. Where a
registry bans local updates, such a permit lifts the ban for what it names, and for nothing else.

A COSE_Sign1 around deterministic CBOR, signed with the DSP's key for XML:

    {0: 1, 2: issued, 4: valid until, 6: party, 8: devices, 10: hash, 12: file version}

Times are seconds since 1970, UTC; a party is an EUI-64, devices are EUI-64s one after the other.
As in a manifest, odd keys may be ignored and an unknown even key is refused. Manifest, snapshot and
CPL entry have an array or a number at 8, so none passes for another.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hanboot import files
from hanboot.errors import BadFile
from hanboot.inventory.gate.checks import GateRefused
from hanboot.trust import signed_cbor
from hanboot.trust.keys import PublicKey
from hanboot.trust.signed_cbor import FORMAT, SignedCbor
from hanbootloader.reasons import Refused

#: 50,000 devices, and what is around them.
PERMIT_MAX_BYTES = 512 * 1024
#: By how much the clock of who checks may be behind the DSP's.
_SKEW_S = 300
_EUI_BYTES = 8
_HASH_BYTES = 32

_ISSUED, _VALID_UNTIL, _PARTY, _DEVICES, _HASH, _VERSION = 2, 4, 6, 8, 10, 12
_OUR_FORMAT = 1


@dataclass(frozen=True)
class Permit:
    """What a permit says; its signature was not checked yet.

    Attributes:
        name: of the file.
        issued, valid_until: seconds since 1970.
        party: who may update, as the inventory writes EUI-64s.
        devices: that may be updated, written alike.
        image_hash: Manufacturer Image Hash of the image.
    """

    name: str
    issued: int
    valid_until: int
    party: str
    devices: tuple[str, ...]
    image_hash: bytes
    file_version: int
    signed: SignedCbor

    def as_json(self) -> dict[str, Any]:
        return {
            "party": self.party,
            "devices": list(self.devices),
            "hash": self.image_hash.hex(),
            "file_version": f"{self.file_version:08X}",
            "issued": _time_text(self.issued),
            "valid_until": _time_text(self.valid_until),
        }


# --- made


def make(
    party: str,
    devices: Sequence[str],
    image_hash: bytes,
    file_version: int,
    issued: int,
    valid_s: int,
    kid: bytes,
    sign: Callable[[bytes], bytes],
) -> bytes:
    """
    Args:
        party, devices: EUI-64s as the inventory writes them.
        issued: seconds since 1970.
        valid_s: for how long.
        kid: identifier of the key, 8 octets.
        sign: gives r || s over the SHA-256 of what it is called with.
    """
    fields = {
        FORMAT: _OUR_FORMAT,
        _ISSUED: issued,
        _VALID_UNTIL: issued + valid_s,
        _PARTY: _octets(party),
        _DEVICES: b"".join(map(_octets, devices)),
        _HASH: image_hash,
        _VERSION: file_version,
    }
    return signed_cbor.encode(fields, kid, sign)


def _octets(eui: str) -> bytes:
    return bytes.fromhex(eui.replace("-", ""))


# --- read


def load(path: Path) -> Permit:
    """
    Raises:
        BadFile: it cannot be read, or is none.
    """
    return decode(files.read(path, PERMIT_MAX_BYTES), str(path))


def decode(octets: bytes, name: str) -> Permit:
    """
    Raises:
        BadFile: the octets are no permit. `name` is for the message.
    """
    try:
        signed = signed_cbor.decode(octets)
        fields = signed.fields_of(_OUR_FORMAT, _VERSION, name)
        issued, until, version = (_count(fields[key]) for key in (_ISSUED, _VALID_UNTIL, _VERSION))
        return Permit(
            name,
            issued,
            until,
            _eui_text(_fixed(fields[_PARTY], _EUI_BYTES)),
            tuple(_devices(fields[_DEVICES])),
            _fixed(fields[_HASH], _HASH_BYTES),
            version,
            signed,
        )
    except (Refused, LookupError, TypeError, ValueError, AttributeError):
        raise BadFile(
            f"{name} is no permit",
            "it is not a COSE_Sign1 around party, devices, hash and validity",
            "the DSP issues permits: hanboot dcc submit --permit",
        ) from None


def _count(value: Any) -> int:
    # a time of the year 2242 at most: later ones have no text
    if type(value) is not int or not 0 <= value < 1 << 33:
        raise ValueError
    return value


def _fixed(value: Any, count: int) -> bytes:
    if not isinstance(value, bytes) or len(value) != count:
        raise ValueError
    return value


def _devices(value: Any) -> list[str]:
    if not isinstance(value, bytes) or not value or len(value) % _EUI_BYTES:
        raise ValueError
    return [_eui_text(value[at : at + _EUI_BYTES]) for at in range(0, len(value), _EUI_BYTES)]


def _time_text(seconds: int) -> str:
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _eui_text(eui: bytes) -> str:
    return eui.hex("-").upper()


# --- checked


def check_signer(permit: Permit, keys: Sequence[PublicKey]) -> None:
    """
    Raises:
        GateRefused: it is signed by none of these keys.
    """
    if any(permit.signed.is_signed_by(key) for key in keys):
        return
    is_named = any(permit.signed.kid == key.kid for key in keys)
    raise GateRefused(
        "permit-signature",
        f"{permit.name} is not signed by the DSP",
        "the signature is wrong: it was changed or damaged"
        if is_named
        else f"it names the key {permit.signed.kid.hex()}, the DSP's is "
        + " or ".join(key.kid.hex() for key in keys),
        "have the DSP issue it again: hanboot dcc submit --permit",
    )


def check_permit(
    permit: Permit,
    key: PublicKey | None,
    device_id: str,
    image_hash: bytes,
    now: float | None = None,
) -> None:
    """Whether a permit lifts a ban for an image and a device, now.

    Args:
        key: whose permits count; None: no one's do.
        now: seconds since 1970; None for the present.

    Raises:
        GateRefused: it does not.
    """
    if key is None:
        raise GateRefused(
            "no-permits",
            f"{permit.name} lifts no ban",
            "the registry names no DSP whose permits count",
            "its owner can: hanboot registry settings --permits-from CERTIFICATE",
        )
    check_signer(permit, [key])
    if permit.image_hash != image_hash:
        raise GateRefused(
            "permit-image",
            f"{permit.name} is for another image",
            f"it names {permit.image_hash.hex()}, the image has {image_hash.hex()}",
            "ask the DSP for a permit for this image: hanboot dcc submit --permit",
        )
    if device_id not in permit.devices:
        raise GateRefused(
            "permit-device",
            f"{permit.name} does not name the device {device_id}",
            f"it names {permit.devices[0]}"
            + (f" and {len(permit.devices) - 1} more" if len(permit.devices) > 1 else ""),
            "ask the DSP for a permit for this device: hanboot dcc submit --permit",
        )
    check_time(permit, now)


def check_time(permit: Permit, now: float | None = None) -> None:
    """
    Args:
        now: seconds since 1970; None for the present.

    Raises:
        GateRefused: it is not valid yet, or not any more.
    """
    moment = time.time() if now is None else now
    if not permit.issued <= moment + _SKEW_S or moment > permit.valid_until:
        raise GateRefused(
            "permit-time",
            f"{permit.name} is not valid now",
            f"it is good from {_time_text(permit.issued)} to {_time_text(permit.valid_until)}",
            "ask the DSP for a new one: hanboot dcc submit --permit",
        )
