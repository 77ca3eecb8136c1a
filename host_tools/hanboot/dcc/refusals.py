"""A request that is refused: with a response code, and with words for the service's log."""

from __future__ import annotations

from hanboot.errors import CheckFailed


class RequestRefused(CheckFailed):
    """A request that is refused. code: the response code."""

    def __init__(self, code: str, what: str, why: str, what_to_do: str = "") -> None:
        self.code = code
        super().__init__(what, why, what_to_do or "correct it, and send it as a new request")
