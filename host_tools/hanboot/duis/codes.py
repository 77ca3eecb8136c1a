"""What response codes and DCC alert codes mean, and which of them the service gives.

The schema lists the codes without their meanings; DUIS's prose, which has them, is in no public
source. All that hanboot puts in its place stands in this file, for a lab to change: what has no
source is marked so in `RESPONSES` and `ALERTS`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Code:
    """meaning: in words. is_established: whether a public source gives it."""

    meaning: str
    is_established: bool


# What the service answers with. Every one of these is hanboot's choice.
# fmt: off
NOT_AUTHENTICATED = "E100"     # the signature is wrong, or its signer is not the originator
NO_SUCH_PARTY     = "E2"
EXPIRED           = "E3"       # the signature is right, and its certificate is not valid now
WRONG_ROLE        = "E1"       # the party may not send this service
NOT_ITS_DEVICE    = "E4"       # another party's device, or none
NOT_COMMISSIONED  = "E5"
WRONG_VARIANT     = "E11"      # command variant and service do not go together
WRONG_TARGET      = "E13"
COUNTER_USED      = "E17"      # not above the last of this originator
NO_KEYS           = "E20"      # the device's certificates are not here
NOT_DELIVERED     = "E21"      # later: the device's hub could not be given the command
NOT_SERVED        = "E12"      # a service other than those of firmware

NO_PRE_COMMAND    = "E40"      # no pre-command of this RequestID was given out
OTHER_COMMAND     = "E41"      # the signed pre-command is another than was given out
NOT_SIGNED        = "E42"      # its signature is not the originator's

NOT_FOUND         = "E080201"  # 8.2: nothing is known of it

#: of 11.1 and 11.4
NOT_LISTED        = {"11.1": "E110101", "11.4": "E110401"}  # not on the CPL, or not Active
IMAGE_DIFFERS     = {"11.1": "E110102", "11.4": "E110402"}  # a hash that was given, or the header
NO_DEVICE         = {"11.1": "E110103", "11.4": "E110403"}  # none of the devices can take it
WRONG_LAYOUT      = {"11.1": "E110105", "11.4": "E110405"}  # malformed, or the wrong signature
SOME_DEVICES      = {"11.1": "W110101", "11.4": "W110401"}  # not an error: lists say which
# fmt: on

# DCCAlertCode: how an image came to its Communications Hub. Public words on SECMP0007 name both, in
# this order: delivered, and failed.
IMAGE_DELIVERED = "N60"
IMAGE_NOT_DELIVERED = "N61"

#: Device types of which these two are sent. The same words name ESME and GSME, the only ones that
#: firmware could go to when they came; that those which SECMP0007 added are reported alike is
#: hanboot's choice.
DELIVERY_REPORTED = ("ESME", "GSME", "HCALCS", "PPMID", "IHD")

#: DCCAlertCode of an alert whose own is in no public source (CS09, CCS08, mismatch, suspension):
#: the schema's catch-all.
ANY_ALERT = "N999"

#: ResponseCode
RESPONSES = {
    "I0": Code("success", True),
    "I99": Code("acknowledged: the answer follows", True),
    "W110101": Code("distributed, but not to all devices: the lists name them", False),
    "W110401": Code("distributed, but not to all PPMIDs: the lists name them", False),
    "E1": Code("the party may not send this service", False),
    "E2": Code("the originator is not known", False),
    "E3": Code("the certificate of the request's signer has expired, or is not valid yet", False),
    "E4": Code("the device is not the originator's", False),
    "E5": Code("the device is not commissioned", False),
    "E11": Code("service, command variant and address do not go together", False),
    "E12": Code("the service is not served", False),
    "E13": Code("the target is not the Access Control Broker", False),
    "E17": Code("the originator counter was used before", False),
    "E20": Code("the device's certificates are not known", False),
    "E21": Code("the device's Communications Hub could not be given the command", False),
    "E40": Code("no pre-command was given out for this RequestID", False),
    "E41": Code("the signed pre-command is not the one that was given out", False),
    "E42": Code("the pre-command is not signed by its originator", False),
    "E100": Code("the request's signature is wrong, or not its originator's", False),
    "E080201": Code("nothing is known of it", False),
    "E110101": Code("the image is not on the CPL, or not Active", False),
    "E110102": Code("the image is not the one announced, or its header was changed", False),
    "E110103": Code("none of the devices can take it: the lists say why", False),
    "E110105": Code("the image is malformed, or lacks the supplier's signature", False),
    "E110401": Code("the image is not on the CPL, or not Active", False),
    "E110402": Code("the image is not the one announced, or its header was changed", False),
    "E110403": Code("none of the PPMIDs can take it: the lists say why", False),
    "E110405": Code("the image is malformed, or has a supplier's signature", False),
}

#: DCCAlertCode
ALERTS = {
    IMAGE_DELIVERED: Code("the image was delivered to the Communications Hub", True),
    IMAGE_NOT_DELIVERED: Code("the image was not delivered to the Communications Hub", True),
    ANY_ALERT: Code("the alert itself says what it is", False),
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
