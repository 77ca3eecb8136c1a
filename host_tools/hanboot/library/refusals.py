"""Refusals and failures that a client must tell apart, each with its HTTP status."""

from __future__ import annotations

from hanboot.errors import BadFile, CheckFailed, HanbootError, WrongUsage
from hanboot.registry.storage.database_errors import DatabaseFailed
from hanboot.registry.storage.migration import OtherSchema


class NotFound(WrongUsage):
    """What is asked for is not there, or not for this user; which of the two is not disclosed."""


class Forbidden(CheckFailed):
    """The user's party may not do this."""


class Conflict(CheckFailed):
    """It was changed or decided meanwhile, or something is in its way."""


class StoreFailed(BadFile):
    """The object store has lost or damaged a file, or does not answer."""


class StoreFull(StoreFailed):
    """The object store has no room."""


def http_status(error: HanbootError) -> int:
    """The status that an error is answered with (RFC 9110 15; 507: RFC 4918 11.5)."""
    for kind, status in _STATUSES:
        if isinstance(error, kind):
            return status
    return 400


_STATUSES: tuple[tuple[type[HanbootError], int], ...] = (
    (NotFound, 404),
    (Conflict, 409),
    (StoreFull, 507),
    (StoreFailed, 500),
    (DatabaseFailed, 503),
    (OtherSchema, 503),
    # whatever else was checked and found not to be allowed
    (CheckFailed, 403),
)
