"""Why a request is refused, and the response code for it.

The codes are the schema's; which of them means what is in no public source. This table is hanboot's
choice, in one place, for a lab to change: the words travel to people by other ways (logs).
"""

from __future__ import annotations

from hanboot.errors import CheckFailed

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


class RequestRefused(CheckFailed):
    """A request that is refused. code: the response code."""

    def __init__(self, code: str, what: str, why: str, what_to_do: str = "") -> None:
        self.code = code
        super().__init__(what, why, what_to_do or "correct it, and send it as a new request")
