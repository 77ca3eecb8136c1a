"""Times as the library keeps them: UTC, ISO 8601 to the second, which sort as text."""

from __future__ import annotations

import datetime
from collections.abc import Callable

_FORM = "%Y-%m-%dT%H:%M:%SZ"

#: Gives the time; tests put their own in its place.
Clock = Callable[[], datetime.datetime]


def utc_now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def text(moment: datetime.datetime) -> str:
    """The text of a moment, which must know its time zone."""
    return moment.astimezone(datetime.UTC).strftime(_FORM)


def parse(stored: str) -> datetime.datetime:
    """The moment of a text that `text` made."""
    return datetime.datetime.strptime(stored, _FORM).replace(tzinfo=datetime.UTC)
