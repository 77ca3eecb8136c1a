"""A library filled without its pages, and served by a process of its own."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from command_line import command
from registries import fill

from hanboot.errors import CheckFailed
from hanboot.image.ota_file import Image
from hanboot.library import demo
from hanboot.library.accounts import users
from hanboot.library.accounts.secrets import ServerKey
from hanboot.library.accounts.users import User
from hanboot.library.catalogue import decisions, entries, submissions
from hanboot.library.catalogue.submissions import Draft
from hanboot.library.demo import DemoUser
from hanboot.library.images import ImageArchive
from hanboot.library.library import Library
from hanboot.library.schema import prepare
from hanboot.registry.entry import Entry
from hanboot.registry.storage.database import Database
from hanboot.registry.storage.store import Registry

FIELDS = {
    "device_type": "PPMID",
    "join_option": "2.4 GHz Only",
    "release_kind": "non-commercial",
    "zigbee_vendor": "Example Radios",
    "contact": "firmware@displays.example",
}


class Filled:
    """A library in a folder, with the demonstration's users; nothing serves it yet.

    Args:
        on_cpl: entries that its registry has.
    """

    def __init__(self, folder: Path, on_cpl: Sequence[Entry] = (), url: str = "") -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.url = url or str(folder / "registry.db")
        database = Database(self.url, create=True)
        prepare(database)
        self.library = Library(
            registry=fill(Registry(database), on_cpl),
            key=ServerKey(folder / "library.key"),
            images=ImageArchive(str(folder / "images")),
        )
        self.started = self.library.clock()
        self.users: dict[str, DemoUser] = {each.name: each for each in demo.fill(self.library)}

    def user(self, name: str) -> User:
        with self.library.registry.database.reading() as connection:
            return next(
                user
                for party in users.parties(connection)
                for user in users.users_of(connection, party.number)
                if user.email == self.users[name].email
            )

    def revision(self, number: int) -> int:
        with self.library.registry.database.reading() as connection:
            entry = entries.find(connection, number)
        assert entry is not None
        return entry.revision

    def submitted(self, image: Image | None, **fields: str) -> int:
        draft = Draft(
            fields=FIELDS | fields,
            notes={"release_notes": "Keeps the time.", "procedure": "Wait for the evening."},
            octets=image.octets if image else None,
        )
        return submissions.submit(self.library, self.user("volt"), draft)

    def listed(self, image: Image, **fields: str) -> int:
        """An entry that went the whole way."""
        number = self.submitted(image, **fields)
        decisions.authorise(self.library, self.user("north"), number, 1, "")
        revision = self.revision(number)
        decisions.review(
            self.library, self.user("secas"), number, revision, "", accept_findings=True
        )
        return number

    def token_file(self, name: str) -> Path:
        path = self.folder / f"{name}.token"
        path.touch(0o600)
        path.write_text(self.users[name].token + "\n")
        return path


class Service:
    """`hanboot library serve` as a process."""

    def __init__(self, url: str, *more: object) -> None:
        listen = ("library", "serve", "--registry", url, "--listen", "127.0.0.1:0")
        self.process = subprocess.Popen(
            command(*listen, *more), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        assert self.process.stderr is not None
        line = self.process.stderr.readline()
        assert line.startswith("serving http"), line + self.stop()
        self.url = line.split()[1].rstrip("/")

    def stop(self) -> str:
        """Ends it as Ctrl-C does; returns what stood on stderr."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        _, err = self.process.communicate()
        return err


@contextlib.contextmanager
def serving(filled: Filled, *more: object) -> Iterator[Service]:
    service = Service(filled.url, *more)
    try:
        yield service
    finally:
        err = service.stop()
        assert "Traceback" not in err, err


def suppliers_own(folder: Path, on_cpl: Sequence[Entry], public_pem: bytes) -> Path:
    """A folder with a registry of the supplier's own, and the manufacturer's public key."""
    database = Database(str(folder / "registry.db"), create=True)
    fill(Registry(database), on_cpl)
    database.close()
    (folder / "maker.pub.pem").write_bytes(public_pem)
    return folder


def with_library(url: str, token: Path, more: Mapping[str, object] | None = None) -> list[object]:
    """The options of a command that uses a library."""
    options: Iterable[tuple[str, object]] = {
        "--library": url,
        "--token-file": token,
        **(more or {}),
    }.items()
    return [part for pair in options for part in pair]


def at_once(count: int, act: Callable[[int], object]) -> list[Exception | None]:
    """Does something in so many threads, which start together; the refusal each ended with."""
    barrier = threading.Barrier(count)

    def one(number: int) -> Exception | None:
        barrier.wait()
        try:
            act(number)
        except CheckFailed as error:
            return error
        return None

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))
