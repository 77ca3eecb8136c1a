"""One library for all tests of a process, as the framework is configured once; driven by HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pyotp
import pytest
from device_fixtures import firmware, ppmid, states  # noqa: F401
from library_browser import Browser, SteppedClock
from library_programs import Program
from library_service import Filled, Service, serving
from registries import entry_of, fill, make_image

from hanboot.http.listen import Listen
from hanboot.library import demo, server
from hanboot.library.accounts.secrets import ServerKey
from hanboot.library.demo import DemoUser
from hanboot.library.images import ImageArchive
from hanboot.library.library import Library
from hanboot.library.schema import prepare
from hanboot.registry.storage.database import Database
from hanboot.registry.storage.store import Registry


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
        images=ImageArchive(str(folder / "images")),
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


@pytest.fixture
def program(users: dict[str, DemoUser], clock: SteppedClock) -> Callable[[str], Program]:
    """A program with the token of a user of the demonstration."""

    def made(name: str) -> Program:
        return Program(users[name].token)

    return made


@pytest.fixture(scope="module")
def service(filled: Filled) -> Iterator[Service]:
    """The module's library, served by a process."""
    with serving(filled) as running:
        yield running
