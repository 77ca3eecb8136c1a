"""What can go wrong, as a small tree that maps to exit codes.

An error says in three lines what happened, why, and what to do about it.
"""

from __future__ import annotations


class HanbootError(Exception):
    """Something that a person can act on.

    Args:
        what: what happened, one line.
        why: the cause, one line; for a file with offset, field and clause.
        what_to_do: the remedy, one line.
        reason: reason code (`hanbootloader.reasons`), where there is one.
        offset: where `reason` was found, as `hanbootloader.reasons.Refused` counts it.
    """

    exit_code = 70

    def __init__(
        self,
        what: str,
        why: str,
        what_to_do: str,
        *,
        reason: int | None = None,
        offset: int = -1,
    ) -> None:
        super().__init__(what, why, what_to_do)
        self.what = what
        self.why = why
        self.what_to_do = what_to_do
        self.reason = reason
        self.offset = offset

    @property
    def lines(self) -> tuple[str, str, str]:
        return self.what, self.why, self.what_to_do

    def __str__(self) -> str:
        return "; ".join(self.lines)


class CheckFailed(HanbootError):
    """A device refused, or a check failed here; its own exception is `reasons.Refused`."""

    exit_code = 1


class WrongUsage(HanbootError):
    """The command line asks for what cannot be."""

    exit_code = 2


class NoDevice(HanbootError):
    """There is no device at the port, or the port cannot be had."""

    exit_code = 3


class LinkError(HanbootError):
    """The device does not answer, or not as it should."""

    exit_code = 4


class BadFile(HanbootError):
    """A local file is missing, unreadable or malformed."""

    exit_code = 5
