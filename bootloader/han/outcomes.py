# What the device has to report, kept in flash until the hub has it: a fact each, from which the
# message is built when it is sent (reports.py). An activation is a fact that waits for its end:
# its trial decides whether it becomes a success or a failure.

import struct

from hanbootloader.compat import const

# fmt: off
# which message reports it
RESPONSE = const(1)  # CS06 response
ALERT    = const(2)  # Future Dated Firmware Activation Alert
PPMID    = const(3)  # CS09
RECEIPT  = const(4)  # Firmware Distribution Receipt Alert
ACCEPTED = const(5)  # CS06 response: accepted, to be executed later, or cancelled

_WAITING = const(0x80)
# fmt: on

_LAYOUT = "<BBQ8sIIQ32s"


class OutcomeRecord:
    # kind: one of the above. is_waiting: for the end of the trial; code is not known yet.
    # code: activateImageResponseCode, or 0 success and 1 failure for PPMID, or the alert code's
    # place (0 good, 1 bad) for RECEIPT. counter: of the message: that of the command answered, or
    # the device's own for an alert. party: recipient. seconds: when, 0 where that is not known.
    # version: what runs. command_counter: of the CS06 that an ALERT is about.
    def __init__(
        self,
        kind: int,
        code: int,
        counter: int,
        party: bytes,
        seconds: int,
        version: int,
        command_counter: int,
        image_hash: bytes,
        is_waiting: bool = False,
    ) -> None:
        self.kind = kind
        self.code = code
        self.counter = counter
        self.party = party
        self.seconds = seconds
        self.version = version
        self.command_counter = command_counter
        self.image_hash = image_hash
        self.is_waiting = is_waiting

    def pack(self) -> bytes:
        return struct.pack(
            _LAYOUT,
            self.kind | (_WAITING if self.is_waiting else 0),
            self.code,
            self.counter,
            self.party,
            self.seconds,
            self.version,
            self.command_counter,
            self.image_hash,
        )


def unpack(octets: bytes) -> OutcomeRecord:
    fields = struct.unpack(_LAYOUT, octets)
    outcome = OutcomeRecord(fields[0] & ~_WAITING, *fields[1:])
    outcome.is_waiting = bool(fields[0] & _WAITING)
    return outcome
