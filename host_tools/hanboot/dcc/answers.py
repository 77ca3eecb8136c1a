"""What a user of the DSP checks of an answer, besides its signature: that it is to its request.

An answer that the DSP signed to another request, earlier or of another party, can be replayed by
what is on the way.
"""

from __future__ import annotations

from typing import Any

from hanboot.duis.agreement import require_same
from hanboot.duis.names import PRE_COMMAND
from hanboot.errors import CheckFailed
from hanboot.inventory.gate.permit import Permit, check_time

_REMEDY = "check the address and what is on the way to it"
#: What response codes of a refusal begin with.
_REFUSED = "E"


def is_refusal(answer: dict[str, Any]) -> bool:
    """Whether a response refuses its request; the code is in it."""
    return bool(answer["response_code"].startswith(_REFUSED))


def check_response(answer: dict[str, Any], asked: dict[str, Any], for_permit: bool = False) -> None:
    """Checks the response to a Service Request.

    Args:
        answer: as `hanboot.duis.describe.describe` has it.
        asked: the request, likewise.
        for_permit: whether a permit was asked for: only a refusal is a response then. What is on
            the way can send the request to where it is a distribution.

    Raises:
        CheckFailed: it answers another request or another step of it, or is no response.
    """
    body = _map(answer["body"])
    require_same(
        (
            ("document", "response", answer["document"]),
            ("RequestID", _identifier(asked).get("text"), _identifier(answer).get("text")),
            ("service", asked.get("service_reference"), body.get("service_reference_variant")),
        ),
        "the answer is not to this request",
        "answer",
        _REMEDY,
    )
    if is_refusal(answer):
        return
    if for_permit:
        raise CheckFailed(
            "the request was taken for a distribution",
            f"a permit was asked for, and the answer is {answer['response_code']}",
            f"see what was distributed: hanboot duis show; {_REMEDY}",
        )
    # both steps of an activation have one RequestID
    is_first, is_of_first = asked["command_variant"] == PRE_COMMAND, "pre_command" in body
    require_same(
        (("a pre-command", _yes_or_no(is_first), _yes_or_no(is_of_first)),),
        "the answer is to another step of this request",
        "answer",
        _REMEDY,
    )


def check_permit(permit: Permit, asked: dict[str, Any], now: float | None = None) -> None:
    """Checks a permit for local updates.

    Args:
        permit: which may leave out devices that were asked for, and name no others.
        asked: the request, as `hanboot.duis.describe.describe` has it.
        now: seconds since 1970; None for the present.

    Raises:
        CheckFailed: it is for another party, another image, or a device that was not asked for; or
            it is one from before, and not valid any more.
    """
    body = _map(asked["body"])
    listed = body.get("device_id_list")
    devices = {one.upper() for one in listed if isinstance(one, str)} if listed else set()
    others = sorted(set(permit.devices) - devices)
    require_same(
        (
            ("party", _identifier(asked).get("originator"), permit.party),
            ("hash", _map(body.get("firmware_image")).get("hash"), permit.image_hash.hex()),
            ("devices that were not asked for", "none", ", ".join(others) or "none"),
        ),
        "the permit is not for this request",
        "permit",
        _REMEDY,
    )
    check_time(permit, now)


def _identifier(described: dict[str, Any]) -> dict[str, Any]:
    return _map(described.get("request_id"))


def _yes_or_no(value: bool) -> str:
    return "yes" if value else "no"


def _map(value: Any) -> dict[str, Any]:
    """A part of a described document that holds others; empty where it is a text, or not there."""
    return value if isinstance(value, dict) else {}
