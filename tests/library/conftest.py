"""One library for all tests of a process, as the framework is configured once; driven by HTTP."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pyotp
import pytest
from django.test import Client
from registries import entry_of, fill, make_image

from hanboot.http.listen import Listen
from hanboot.library import demo, server
from hanboot.library.accounts.secrets import ServerKey
from hanboot.library.catalogue.images import ImageStore
from hanboot.library.demo import DemoUser
from hanboot.library.library import Library
from hanboot.library.schema import prepare
from hanboot.registry.storage.database import Database
from hanboot.registry.storage.store import Registry


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


@pytest.fixture(scope="session")
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory, clock: SteppedClock) -> Iterator[Library]:
    folder: Path = tmp_path_factory.mktemp("library")
    database = Database(str(folder / "registry.db"), create=True)
    prepare(database)
    first = make_image(1, cpl_entry_id="E-1")
    made = Library(
        registry=fill(Registry(database), [entry_of(first, 1)]),
        key=ServerKey(folder / "key"),
        images=ImageStore(str(folder / "images")),
        clock=clock,
    )
    server.application(made, Listen("127.0.0.1", 0), ("testserver",))
    yield made
    database.close()


@pytest.fixture(scope="session")
def users(library: Library) -> dict[str, DemoUser]:
    return {user.name: user for user in demo.fill(library)}


@pytest.fixture
def sign_in(users: dict[str, DemoUser], clock: SteppedClock) -> Callable[[str], Browser]:
    """Signs a user of the demonstration in, by the pages."""

    def signed_in(name: str) -> Browser:
        clock.forward(61)
        user, browser = users[name], Browser()
        code = pyotp.TOTP(user.totp_secret).at(clock.now)
        browser.post("/sign-in", email=user.email, password=user.password, code=code)
        assert browser.status == 200, browser.text
        assert user.party in browser.text
        return browser

    return signed_in
