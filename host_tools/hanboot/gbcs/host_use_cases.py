"""Messages of meters and hubs, which our devices neither send nor take.

Payloads are DLMS (ESME, Communications Hub function) or GBZ, ZCL in GBCS's wrapping (GSME, gas
proxy function). Each is a fixed template around its values, so it is read by writing it again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hanbootloader.han.gbcs import clock, use_cases
from hanbootloader.han.gbcs.message import ALERT, COMMAND, RESPONSE
from hanbootloader.han.gbcs.use_cases import MACED, SIGNED, UseCase
from hanbootloader.reasons import MESSAGE_PAYLOAD, Refused

Values = dict[str, Any]
#: Octets of the values, in the template's form that they call for.
Encode = Callable[[Mapping[str, Any]], bytes]
#: Values at their places; what surrounds them is for `Encode` to compare.
Extract = Callable[[bytes], Values]

#: seconds from 2000-01-01 fit four octets
_UTC_TIME_OCTETS = 4


class TemplateUseCase(UseCase):
    """A payload that is a template around values."""

    def __init__(
        self,
        name: str,
        code: int,
        kind: int,
        protection: int,
        encode: Encode,
        extract: Extract,
        alert_codes: tuple[int, ...] = (),
    ) -> None:
        super().__init__(name, code, kind, protection, alert_codes)
        self._encode = encode
        self._extract = extract

    def encode(self, values: Values) -> bytes:
        try:
            return self._encode(values)
        except (KeyError, OverflowError, TypeError) as bad:
            raise ValueError(str(bad)) from None

    def _decode(self, octets: memoryview, offset: int) -> Values:
        payload = bytes(octets)
        try:
            values = self._extract(payload)
            written = self.encode(values)
        except (ValueError, IndexError):
            raise Refused(MESSAGE_PAYLOAD, offset) from None
        if written != payload:
            pairs = zip(written, payload, strict=False)
            at = next((at for at, (one, other) in enumerate(pairs) if one != other), None)
            raise Refused(MESSAGE_PAYLOAD, offset + (at or min(len(written), len(payload))))
        return values


def _fixed(octets: bytes, length: int) -> bytes:
    if not isinstance(octets, bytes) or len(octets) != length:
        raise ValueError(f"{length} octets are wanted")
    return octets


def _written(value: int, length: int) -> bytes:
    return value.to_bytes(length, "big")


def _number(octets: bytes) -> int:
    return int.from_bytes(octets, "big")


# --- ECS52, read firmware version: DLMS get and set with list (IEC 62056-5-3)


def _encode_ecs52_command(values: Mapping[str, Any]) -> bytes:
    # class 1, OBIS 0-0:0.2.1.255, attribute 2
    head = b"\xd9\x20" + _written(values["invocation"], 3)
    return head + bytes.fromhex("00 01 01 0001 0000000201FF 02 01 00")


def _encode_ecs52_response(values: Mapping[str, Any]) -> bytes:
    head = b"\xda\x20" + _written(values["invocation"], 3)
    if values["version"] is None:
        return head + bytes.fromhex("00 00 01 00 01 01 01")
    return head + bytes.fromhex("00 00 01 09 04") + _written(values["version"], 4) + b"\x01\x01\x00"


def _extract_invocation(payload: bytes) -> Values:
    return {"invocation": _number(payload[2:5])}


def _extract_ecs52_response(payload: bytes) -> Values:
    has_version = payload[8:9] == b"\x09"
    return {
        "invocation": _number(payload[2:5]),
        "version": _number(payload[10:14]) if has_version else None,
    }


# --- GCS38, the same for gas: ZCL Metering 0x0702, attribute 0x0206 (little-endian inside)

_GCS38_COMMAND = bytes.fromhex("0109 01 01 0702 0005 00 00 00 0602")


def _encode_gcs38_response(values: Mapping[str, Any]) -> bytes:
    if values["version"] is None:
        return bytes.fromhex("0109 01 01 0702 0006 08 00 01 0602 c0")
    return bytes.fromhex("0109 01 01 0702 000c 08 00 01 0602 00 41 04") + _written(
        values["version"], 4
    )


def _extract_gcs38_response(payload: bytes) -> Values:
    return {"version": _number(payload[-4:]) if payload[7:8] == b"\x0c" else None}


# --- alerts


def _encode_dlms_alert(values: Mapping[str, Any]) -> bytes:
    return (
        b"\x0f\x20"
        + _written(values["invocation"], 3)
        + b"\x00\x02\x02\x12"
        + _written(values["alert_code"], 2)
        + b"\x09\x0c"
        + _fixed(values["date_time"], clock.DATE_TIME_OCTETS)
    )


def _encode_gbz_alert(values: Mapping[str, Any]) -> bytes:
    return (
        b"\x01\x09\x00"
        + _written(values["alert_code"], 2)
        + _written(values["seconds"], _UTC_TIME_OCTETS)
    )


def _encode_generic_alert(values: Mapping[str, Any]) -> bytes:
    return _encode_gbz_alert(values) if "seconds" in values else _encode_dlms_alert(values)


def _extract_generic_alert(payload: bytes) -> Values:
    if payload[:1] == b"\x01":
        return {"alert_code": _number(payload[3:5]), "seconds": _number(payload[5:9])}
    return {
        "invocation": _number(payload[2:5]),
        "alert_code": _number(payload[9:11]),
        "date_time": payload[13:25],
    }


def _encode_gas_receipt(values: Mapping[str, Any]) -> bytes:
    return (
        b"\x01\x09\x01"
        + _written(values["alert_code"], 2)
        + _written(values["seconds"], _UTC_TIME_OCTETS)
        + b"\x09\x20"
        + _fixed(values["image_hash"], 32)
    )


def _extract_gas_receipt(payload: bytes) -> Values:
    return {
        "alert_code": _number(payload[3:5]),
        "seconds": _number(payload[5:9]),
        "image_hash": payload[11:],
    }


_RECEIPTS = (use_cases.RECEIVED_GOOD, use_cases.RECEIVED_BAD)

# fmt: off
ECS52_COMMAND = TemplateUseCase(
    "ECS52", 0x0059, COMMAND, MACED, _encode_ecs52_command, _extract_invocation)
ECS52_RESPONSE = TemplateUseCase(
    "ECS52", 0x0059, RESPONSE, MACED, _encode_ecs52_response, _extract_ecs52_response)
GCS38_COMMAND = TemplateUseCase(
    "GCS38", 0x0084, COMMAND, MACED, lambda values: _GCS38_COMMAND, lambda payload: {})
GCS38_RESPONSE = TemplateUseCase(
    "GCS38", 0x0084, RESPONSE, MACED, _encode_gcs38_response, _extract_gcs38_response)
GAS_RECEIPT_ALERT = TemplateUseCase(
    "FDRA", 0x00CF, ALERT, SIGNED, _encode_gas_receipt, _extract_gas_receipt, _RECEIPTS)
CRITICAL_ALERT = TemplateUseCase(
    "Generic Critical Alert", 0x1000, ALERT, SIGNED, _encode_generic_alert, _extract_generic_alert)
NON_CRITICAL_ALERT = TemplateUseCase(
    "Generic Non-Critical Alert", 0x1001, ALERT, MACED,
    _encode_generic_alert, _extract_generic_alert)
# fmt: on

#: Every use case that the host reads and writes.
ALL: tuple[UseCase, ...] = (
    *use_cases.ALL,
    ECS52_COMMAND,
    ECS52_RESPONSE,
    GCS38_COMMAND,
    GCS38_RESPONSE,
    GAS_RECEIPT_ALERT,
    CRITICAL_ALERT,
    NON_CRITICAL_ALERT,
)
