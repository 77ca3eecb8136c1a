"""A browser for the library's pages, and a clock that tests put forward."""

from __future__ import annotations

import datetime
import re

from django.test import Client


class SteppedClock:
    """A clock that tests put forward: codes of the second factor count once."""

    def __init__(self) -> None:
        self.now = datetime.datetime(2026, 3, 1, 9, tzinfo=datetime.UTC)

    def __call__(self) -> datetime.datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += datetime.timedelta(seconds=seconds)


class Browser:
    """A browser with its cookies, that sends forms as they stand in the pages."""

    def __init__(self) -> None:
        self._client = Client(enforce_csrf_checks=True)
        self.status = 0
        self.page = ""
        self.headers: dict[str, str] = {}
        self.octets = b""

    def _keep(self, response: object) -> Browser:
        self.status = response.status_code  # type: ignore[attr-defined]
        self.octets = response.content  # type: ignore[attr-defined]
        self.page = self.octets.decode(errors="replace")
        self.headers = dict(response.headers)  # type: ignore[attr-defined]
        return self

    def get(self, path: str, **headers: str) -> Browser:
        return self._keep(self._client.get(path, headers=headers))

    def post(self, path: str, form_of: str | None = None, **fields: object) -> Browser:
        """Sends a form with the token of the page at `form_of`, default: of the same address."""
        shown = self.get(form_of or path)
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', shown.page)
        token = {"csrfmiddlewaretoken": found.group(1)} if found else {}
        return self._keep(self._client.post(path, {**token, **fields}, follow=True))

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", self.page))
