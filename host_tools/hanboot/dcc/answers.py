"""What a user of the DSP checks of an answer, besides its signature: that it is to its request.

An answer that the DSP signed to another request, earlier or of another party, can be replayed by
what is on the way.
"""

from __future__ import annotations

from typing import Any

from hanboot.duis.agreement import require_same
from hanboot.inventory.gate.permit import Permit

_REMEDY = "check the address and what is on the way to it"


def check_response(answer: dict[str, Any], asked: dict[str, Any]) -> None:
    """Checks the response to a Service Request.

    Args:
        answer: as `hanboot.duis.describe.describe` has it.
        asked: the request, likewise.

    Raises:
        CheckFailed: it answers another request, or is no response.
    """
    require_same(
        (
            ("document", "response", answer["document"]),
            (
                "RequestID",
                asked["request_id"]["text"],
                answer.get("request_id", {}).get("text"),
            ),
            (
                "service",
                asked["service_reference"],
                answer["body"].get("service_reference_variant"),
            ),
        ),
        "the answer is not to this request",
        "answer",
        _REMEDY,
    )


def check_permit(permit: Permit, asked: dict[str, Any]) -> None:
    """Checks a permit for local updates.

    Args:
        permit: which may leave out devices that were asked for, and name no others.
        asked: the request, as `hanboot.duis.describe.describe` has it.

    Raises:
        CheckFailed: it is for another party, another image, or a device that was not asked for.
    """
    devices = {one.upper() for one in asked["body"]["device_id_list"]}
    others = sorted(set(permit.devices) - devices)
    require_same(
        (
            ("party", asked["request_id"]["originator"], permit.party),
            ("hash", asked["body"]["firmware_image"].get("hash"), permit.image_hash.hex()),
            ("devices that were not asked for", "none", ", ".join(others) or "none"),
        ),
        "the permit is not for this request",
        "permit",
        _REMEDY,
    )
