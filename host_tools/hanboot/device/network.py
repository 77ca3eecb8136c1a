"""A device on its Home Area Network: its keys, made or written once, and how it is doing there."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from hanboot.device.client import Device
from hanboot.errors import CheckFailed, LinkError
from hanboot.explain.reasons import Reason, explain
from hanboot.link.smp import Fields, Retries, SmpRefusal
from hanboot.trust.keys import PrivateKey
from hanbootloader.link import smp

_STATE, _KEYS = 7, 8
_ENTROPY_BYTES = 32
#: A key is made, or a request signed, within a second or so on an RP2040.
_KEYS_RETRIES = Retries(tries=2, reply_s=30.0)
#: Key usages as the device numbers them: bits of RFC 5280 4.2.1.3.
SIGNATURE, AGREEMENT = 0, 4

_STATUS = (
    "normal",
    "downloading",
    "complete",
    "waiting",
    "count-down",
    "waiting-for-more",
    "waiting-for-message",
)


@dataclass(frozen=True, kw_only=True)
class NetworkState:
    """How a device is doing on its network.

    Attributes:
        hub: EUI-64 of its OTA server, None before one was heard.
        status: ImageUpgradeStatus of the OTA cluster, in words.
        file_version: of the image under way or waiting; None where there is none.
        received, total: octets of it.
        time: seconds since 2000-01-01 UTC; None while they are not known.
        activation: the one that waits for its date: hash, time, counter.
        outcomes: reports that the hub has not taken yet.
        last_reason: why the last message was refused.
        mac: whether CS06's MAC is checked: "checked" or "not checked".
    """

    hub: bytes | None
    status: str
    file_version: int | None
    received: int
    total: int
    time: int | None
    activation: dict[str, Any] | None
    outcomes: int
    last_reason: Reason
    mac: str

    def as_json(self) -> dict[str, Any]:
        waiting = self.activation
        return {
            "hub": self.hub.hex() if self.hub else None,
            "status": self.status,
            "file_version": self.file_version,
            "received": self.received,
            "total": self.total,
            "time": self.time,
            "activation": waiting and {**waiting, "hash": waiting["hash"].hex()},
            "outcomes": self.outcomes,
            "last_reason": {"code": int(self.last_reason), "name": self.last_reason.label},
            "mac": self.mac,
        }


def state(device: Device) -> NetworkState:
    """How the device is doing.

    Raises:
        LinkError: it has no network.
    """
    fields = _request(device, smp.READ, _STATE, {})
    version = fields["version"]
    return NetworkState(
        hub=fields["server"],
        status=_STATUS[fields["status"]],
        file_version=None if version == 0xFFFFFFFF else version,
        received=fields["received"],
        total=fields["total"],
        time=fields["time"],
        activation=fields["activation"],
        outcomes=fields["outcomes"],
        last_reason=Reason(fields["reason"]),
        mac=fields["mac"],
    )


def public_keys(device: Device) -> tuple[bytes | None, bytes | None]:
    """Digital signature and key agreement key, x || y each; None where there is none."""
    fields = _request(device, smp.READ, _KEYS, {})
    return fields["signature"], fields["agreement"]


def make_keys(device: Device) -> None:
    """Has the device make its two keys, of its own random numbers and of ours.

    Raises:
        CheckFailed: it has keys, is locked, or its random numbers repeat.
    """
    entropy = secrets.token_bytes(_ENTROPY_BYTES)
    _request(device, smp.WRITE, _KEYS, {"entropy": entropy})


def write_keys(device: Device, signing: PrivateKey, agreement: PrivateKey) -> None:
    """Writes two keys that were made elsewhere.

    Raises:
        CheckFailed: the device has keys, or is locked.
    """
    _request(device, smp.WRITE, _KEYS, {"keys": [signing.scalar, agreement.scalar]})


def certificate_request(device: Device, usage: int) -> bytes:
    """The certificate request (PKCS #10, DER) for the key of `usage`; b"" where there is none."""
    fields = _request(device, smp.READ, _KEYS, {"usage": usage})
    return bytes(fields["request"])


def _request(device: Device, operation: int, command: int, fields: Fields) -> Fields:
    try:
        return device.smp.request(operation, smp.HANBOOT_GROUP, command, fields, _KEYS_RETRIES)
    except SmpRefusal as refusal:
        if refusal.group == smp.HANBOOT_GROUP and refusal.rc >= smp.REASON_BASE:
            words = explain(refusal.rc - smp.REASON_BASE)
            raise CheckFailed(
                f"the device refuses: {words.name}", words.meaning, words.remedy, reason=words.code
            ) from None
        raise LinkError(
            "the device has no Home Area Network",
            str(refusal),
            "it needs a board with a radio, or one of the tiers virtual and development",
        ) from None
