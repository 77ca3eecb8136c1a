"""What response codes and DCC alert codes mean.

The schema lists the codes and says nothing of them; DUIS's prose, which does, is in no public
source. What stands here without a source is a default of hanboot, and is marked so.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Code:
    """meaning: in words. is_established: whether a public source says so."""

    meaning: str
    is_established: bool


#: ResponseCode
RESPONSES = {
    "I0": Code("success", True),
    "I99": Code("acknowledged: the answer follows", True),
    "W110101": Code("distributed, but not to all devices: the lists name them", False),
    "W110401": Code("distributed, but not to all PPMIDs: the lists name them", False),
}

#: DCCAlertCode
ALERTS = {
    "N60": Code("an image reached a Communications Hub, or did not", True),
    "N61": Code("an image reached a Communications Hub, or did not", True),
}


def meaning(code: str) -> str:
    """The words for a response code, with a mark where no source gives them."""
    found = RESPONSES.get(code)
    if found is not None:
        return found.meaning if found.is_established else f"{found.meaning} (not established)"
    kind = {"I": "information", "W": "warning", "E": "error"}.get(code[:1], "code")
    return f"{kind}; its meaning is in no public source"


def alert_meaning(code: str) -> str:
    """The words for a DCC alert code."""
    found = ALERTS.get(code)
    return found.meaning if found else "its meaning is in no public source"
