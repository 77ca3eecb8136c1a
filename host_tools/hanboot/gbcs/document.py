"""A message as a JSON document, and back: what `gbcs show --json` prints `gbcs sign` takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hanboot.errors import BadFile
from hanboot.gbcs import host_use_cases
from hanboot.gbcs.codec import KINDS, Decoded
from hanboot.trust.smki.certificate import eui_text, parse_eui
from hanbootloader.han.gbcs import clock
from hanbootloader.han.gbcs.message import COMMAND, Message
from hanbootloader.han.gbcs.use_cases import UseCase

#: activateImageResponseCode and its like, by use case and kind (GBCS 11.5 to 11.9)
_RESPONSES: dict[str, tuple[str, ...]] = {
    "CS06": ("success", "noImageHeld", "hashMismatch", "activationFailure"),
    "CS08": ("readSuccess", "readFailure"),
    "CS09": ("success", "failure"),
    "CCS08": ("success", "imageDiscarded", "hardwareVersionMismatch", "fileTransferFailure"),
}

#: alert code: its name, GBCS 16
ALERTS = {
    0x8F1B: "Firmware Verification Failed At Power On",
    0x8F1C: "Firmware Verification Failed",
    0x8F66: "Future Dated Command Successfully Actioned",
    0x8F67: "Future Dated Command Not Successfully Actioned",
    0x8F72: "Firmware Verification Successful",
    0x8F89: "Firmware Transfer Failed",
    0x8F8A: "Firmware Transfer",
    0x8F8B: "PPMID Firmware Activation",
}


def response_text(use_case: UseCase, code: int) -> str:
    """The name of a response code, e.g. "noImageHeld"."""
    names = _RESPONSES.get(use_case.name, ())
    return names[code] if code < len(names) else str(code)


def to_document(decoded: Decoded) -> dict[str, Any]:
    """The message as values that JSON has."""
    message = decoded.message
    return {
        "use_case": decoded.use_case.name,
        "message_code": f"{message.code:04X}",
        "kind": KINDS[message.kind],
        "form": decoded.form,
        "originator": eui_text(message.originator),
        "recipient": eui_text(message.recipient),
        "counter": message.counter,
        "remote_party": eui_text(message.party[0]) if message.party else None,
        "remote_counter": message.party[1] if message.party else None,
        "date_time": message.date_time.hex() or None,
        "payload": _values_to_document(decoded.use_case, decoded.values),
        "signature": _hex(message.signature),
        "mac": _hex(message.mac),
    }


def _hex(octets: bytes | memoryview | None) -> str | None:
    return bytes(octets).hex() if octets else None


def _values_to_document(use_case: UseCase, values: Mapping[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for name, value in values.items():
        document[name] = _value_to_document(use_case, name, value)
        if name == "response_code":
            document["response"] = response_text(use_case, value)
        elif name == "alert_code":
            document["alert"] = ALERTS.get(value)
    return document


def _value_to_document(use_case: UseCase, name: str, value: Any) -> Any:
    if value is None:
        return None
    if name == "outcome":
        return _values_to_document(use_case, value)
    if name == "version":
        return f"{value:08X}"
    if name == "alert_code":
        return f"{value:04X}"
    if name == "target":
        return eui_text(value)
    if name == "seconds":
        return iso_of(clock.time_of(value))
    if name in ("time", "execution_time"):
        return iso_of(value)
    return value.hex() if isinstance(value, bytes) else value


def iso_of(time: str) -> str:
    """ISO 8601 of a GeneralizedTime: "2026-03-01T10:00:00Z"."""
    return f"{time[:4]}-{time[4:6]}-{time[6:8]}T{time[8:10]}:{time[10:12]}:{time[12:]}"


def from_document(document: Any, name: str) -> Decoded:
    """The message that a document describes.

    Args:
        document: as `to_document` makes it; what follows from the rest may be missing.
        name: what to call it in messages.

    Raises:
        BadFile: something is missing or of the wrong kind.
    """
    try:
        return _from_document(document)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as bad:
        missing = isinstance(bad, KeyError)
        raise BadFile(
            f"{name} describes no GBCS message",
            f"{bad} is missing" if missing else " ".join(str(bad).split()) or "a value is wrong",
            "write it as hanboot gbcs show --json prints a message of the same use case",
        ) from None


def _from_document(document: Any) -> Decoded:
    kind = next((number for number, name in KINDS.items() if name == document["kind"]), None)
    code = document.get("message_code")
    found = [
        one
        for one in host_use_cases.ALL
        if one.name == document["use_case"]
        and one.kind == kind
        and (code is None or one.code == int(code, 16))
    ]
    if not found:
        raise ValueError(f"there is no {document['kind']} of {document['use_case']}")
    use_case = found[0]
    values = {
        key: _value_from_document(key, value)
        for key, value in document["payload"].items()
        if key not in ("response", "alert")
    }
    party = document.get("remote_party")
    message = Message(
        use_case.kind,
        use_case.code,
        _whole(document["counter"]),
        parse_eui(document["originator"]),
        parse_eui(document["recipient"]),
        use_case.encode(values),
        bytes.fromhex(document.get("date_time") or ""),
        (parse_eui(party), _whole(document["remote_counter"])) if party else None,
    )
    if len(message.date_time) not in (0, clock.DATE_TIME_OCTETS):
        raise ValueError("date_time has 12 octets, where there is one")
    if use_case.kind != COMMAND:
        message.signature = b""
    return Decoded(message, use_case, values)


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 64:
        raise ValueError(f"{value!r} is no counter")
    return value


def _value_from_document(name: str, value: Any) -> Any:
    if value is None or name in ("counter", "response_code", "invocation"):
        return value
    if name == "outcome":
        return {
            key: _value_from_document(key, inner)
            for key, inner in value.items()
            if key != "response"
        }
    if name in ("version", "alert_code"):
        return int(value, 16)
    if name == "target":
        return parse_eui(value)
    if name in ("time", "execution_time"):
        return _generalized(value)
    if name == "seconds":
        return clock.seconds_of(_generalized(value))
    return bytes.fromhex(value)


def _generalized(text: str) -> str:
    time = text.replace("-", "").replace(":", "").replace("T", "")
    if not clock.is_time(time):
        raise ValueError(f"{text} is no time like 2026-03-01T10:00:00Z")
    return time


#: The execution time that calls an activation off.
CANCELLED = iso_of(clock.CANCELLED)
