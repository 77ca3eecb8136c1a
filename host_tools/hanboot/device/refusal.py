"""A device's refusal as an error, and a device that is not the one that was meant."""

from __future__ import annotations

from hanboot.device.records import Verdict
from hanboot.errors import CheckFailed, NoDevice
from hanboot.explain.reasons import Reason
from hanboot.explain.verdicts import verdict_lines

#: In place of a verdict that a device should have and does not.
NO_VERDICT = Verdict(reason=Reason.ACCEPTED)


class DeviceRefused(CheckFailed):
    """The device refused an image; `verdict` says why and what it would accept.

    Args:
        verdict: the device's.
        what_to_do: a better remedy than the device's, from a registry that knows more.
    """

    def __init__(self, verdict: Verdict, what_to_do: str | None = None) -> None:
        self.verdict = verdict
        what, why, remedy = verdict_lines(verdict)
        super().__init__(what, why, what_to_do or remedy)


class Reverted(DeviceRefused):
    """An image that was started on trial was given up; `verdict` says why."""


class AnotherDevice(NoDevice):
    """The port leads to another device than before.

    Args:
        name: of the port.
        meant: serial of the device that answered first.
        found: serial of the one that answers now.
    """

    def __init__(self, name: str, meant: bytes, found: bytes) -> None:
        super().__init__(
            f"{name} leads to another device now",
            f"{meant.hex('-')} answered before, {found.hex('-')} answers now",
            "find the device's port with hanboot board list, and repeat the command there; "
            "usb:VID:PID:SERIAL always names the same board",
        )
        self.meant = meant
        self.found = found
