"""The library under load: 100,000 entries, 10,000 images, 200 readers at once.

    python tests/bench/bench_library.py              SQLite, and PostgreSQL where it is
    python tests/bench/bench_library.py --small      a hundredth of it, to try the bench

Readers are in a process of their own, and ask again as soon as they have an answer. Each page is
compared, in the same run, with the framework's empty page with one query: Django with sessions as
the library has them, a view that reads one row and renders the empty frame. Nothing here is
asserted. Leaves build/bench-library.json.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import multiprocessing
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import sqlalchemy as sa

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "support"))

from postgres_cluster import Cluster, find_programs  # noqa: E402
from progress_line import say  # noqa: E402

from hanboot.http.listen import Listen, open_server  # noqa: E402
from hanboot.library import demo, server  # noqa: E402
from hanboot.library.accounts.secrets import ServerKey  # noqa: E402
from hanboot.library.images import ImageArchive  # noqa: E402
from hanboot.library.library import Library  # noqa: E402
from hanboot.library.schema import LibraryEntryRow, StoredImageRow, prepare  # noqa: E402
from hanboot.registry.entry import Entry  # noqa: E402
from hanboot.registry.fields import STORED  # noqa: E402
from hanboot.registry.storage.database import Database  # noqa: E402
from hanboot.registry.storage.history import Attribution  # noqa: E402
from hanboot.registry.storage.store import Registry  # noqa: E402

OUT = ROOT / "build" / "bench-library.json"
READERS = 200
PER_MODEL = 20
CODE = 0xFFF0
BATCH = 5000
#: A page may take so many times what the empty page takes, at the 95th percentile.
BUDGET = 3.0


# --- what is served


def open_library(folder: Path, url: str) -> Library:
    database = Database(url, create=True)
    prepare(database)
    return Library(
        registry=Registry(database),
        key=ServerKey(folder / "library.key"),
        images=ImageArchive(str(folder / "images")),
    )


def entry_of(number: int) -> Entry:
    model, version = divmod(number, PER_MODEL)
    return Entry(
        cpl_entry_id=f"L-{number:06d}",
        device_type="PPMID",
        manufacturer_code=CODE,
        device_model=0x0005_0000 + model,
        firmware_version=version + 1,
        firmware_version_text=f"{version + 1:08X}",
        image_hash=hashlib.sha256(b"%d" % number).digest(),
        status="Active",
        manufacturer="Volt Devices Ltd",
        join_option="2.4 GHz Only",
        # the last ones before it: so many steps that a plan has some
        predecessors=tuple(f"L-{number - back:06d}" for back in range(1, min(version, 5) + 1)),
    )


def fill(library: Library, entries: int, images: int) -> None:
    """Entries on the CPL and in the library; every tenth or so with an image."""
    demo.fill(library)
    stamp = "2026-01-01T00:00:00Z"
    with library.registry.changing(Attribution("bench", "to measure")) as writer:
        for first in range(0, entries, BATCH):
            batch = [entry_of(number) for number in range(first, min(first + BATCH, entries))]
            writer.add(batch)
            kept = []
            for number, entry in enumerate(batch, first):
                stored = None
                if number % (entries // images) == 0:
                    stored = library.images.put(b"image %d" % number)
                    writer.connection.execute(
                        sa.insert(StoredImageRow).values(
                            digest=stored.digest,
                            size_bytes=stored.size_bytes,
                            image_hash=entry.image_hash,
                            stored_at=stamp,
                        )
                    )
                kept.append(_row(entry, stored.digest if stored else None, stamp))
            writer.connection.execute(sa.insert(LibraryEntryRow), kept)


def _row(entry: Entry, image: bytes | None, stamp: str) -> dict[str, Any]:
    texts = {
        column.name: column.text(value)
        for column in STORED
        if (value := getattr(entry, column.name)) is not None
    }
    return {
        "state": "listed",
        "party": 1,
        "submitted_by": 1,
        "responsible": 2,
        "cpl_entry_id": entry.cpl_entry_id,
        "device_type": entry.device_type,
        "manufacturer_code": entry.manufacturer_code,
        "device_model": entry.device_model,
        "firmware_version": entry.firmware_version,
        "image_hash": entry.image_hash,
        "image": image,
        "fields": json.dumps(texts),
        "release_notes": "Keeps the time over a power cut. " * 5,
        "known_defects": "None known.",
        "procedure": "Send it at night.",
        "vulnerabilities": "",
        "extra": "{}",
        "submitted_at": stamp,
        "changed_at": stamp if entry.firmware_version % 7 else "2026-02-01T00:00:00Z",
    }


def serve(folder: Path, url: str, back: Connection) -> None:
    """The server's process: the library, and the empty page beside it."""
    library = open_library(folder, url)
    application = server.application(library, Listen("127.0.0.1", 0), ())

    from django.http import HttpRequest, HttpResponseBase

    from hanboot.library.schema import PartyRow
    from hanboot.library.web import pages, routes
    from hanboot.library.web.sessions import USER, SessionStore

    one_row = sa.select(PartyRow.name).where(PartyRow.number == 1)

    @routes.route("empty", routes.PUBLIC)
    def empty(request: HttpRequest) -> HttpResponseBase:
        with library.registry.database.reading() as connection:
            connection.execute(one_row).scalar()
        return pages.render(request, "base.html")

    sessions = []
    for _ in range(READERS):
        session = SessionStore()
        session[USER] = 2  # a user of a supplier
        session.create()
        sessions.append(session.session_key)
    listening = open_server(Listen("127.0.0.1", 0), application, 1 << 20)
    back.send((listening.bind_addr[1], sessions))
    listening.serve()


# --- the readers


def read(port: int, sessions: list[str], paths: list[str], requests: int) -> dict[str, float]:
    """Latency in milliseconds of `requests` by all readers, who begin together."""
    left = iter(range(requests))
    lock, begun = threading.Lock(), threading.Barrier(len(sessions) + 1)
    taken: list[float] = []
    wrong: list[int] = []

    def reader(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
        headers = {"Cookie": f"session={sessions[number]}"}
        begun.wait()
        while True:
            with lock:
                at = next(left, None)
            if at is None:
                break
            began = time.perf_counter()
            connection.request("GET", paths[at % len(paths)], headers=headers)
            answer = connection.getresponse()
            answer.read()
            taken.append((time.perf_counter() - began) * 1e3)
            if answer.status != 200:
                wrong.append(answer.status)
        connection.close()

    threads = [threading.Thread(target=reader, args=(n,)) for n in range(len(sessions))]
    for thread in threads:
        thread.start()
    begun.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - began
    assert not wrong, f"answers of {paths[0]}: {set(wrong)}"
    taken.sort()
    return {
        "p50_ms": taken[len(taken) // 2],
        "p95_ms": taken[int(len(taken) * 0.95)],
        "per_s": len(taken) / took,
    }


def pages_of(entries: int) -> dict[str, list[str]]:
    """Addresses by what they are; many of each, so that no answer is asked for twice."""
    some = range(0, entries, max(1, entries // 997))
    models = [f"{CODE:04X}{0x0005_0000 + number // PER_MODEL:08X}" for number in some]
    return {
        "empty page": ["/empty"],
        "search, all": [f"/?page={n % 20 + 1}" for n in range(40)],
        "search, CPL Entry ID": [f"/?text=L-{n:06d}" for n in some],
        "search, hash": [f"/?text={hashlib.sha256(b'%d' % n).hexdigest()}" for n in some],
        "search, version": [f"/?text={n % PER_MODEL + 1:08X}" for n in some],
        "search, manufacturer": ["/?text=volt"],
        "changed since": ["/?changed_since=2026-01-15"],
        "entry": [f"/entries/{n + 1}" for n in some],
        "model": [f"/models/{model}" for model in models],
        "plan": [f"/plan?model={model}&version=00000001" for model in models],
    }


def memory_mb(process: int, name: str = "VmRSS") -> float:
    status = Path(f"/proc/{process}/status").read_text()
    return next(int(row.split()[1]) for row in status.splitlines() if row.startswith(name)) / 1e3


def measure(folder: Path, url: str, entries: int, images: int, requests: int) -> dict[str, Any]:
    folder.mkdir()
    began = time.monotonic()
    library = open_library(folder, url)
    fill(library, entries, images)
    library.registry.database.close()
    say(f"{entries} entries and {images} images made in {time.monotonic() - began:.0f} s")
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(folder, url, theirs), daemon=True)
    process.start()
    found: dict[str, Any] = {}
    try:
        port, sessions = ours.recv()
        pages = pages_of(entries)
        for paths in pages.values():
            read(port, sessions[:4], paths, 8)
        found["memory before, MB"] = memory_mb(process.pid or 0)
        for name, paths in pages.items():
            found[name] = read(port, sessions, paths, requests)
            ratio = found[name]["p95_ms"] / found["empty page"]["p95_ms"]
            found[name]["ratio"] = ratio
            say(
                f"{name}: p95 {found[name]['p95_ms']:.0f} ms, {found[name]['per_s']:.0f} a second, "
                f"{ratio:.2f} x the empty page" + ("" if ratio <= BUDGET else "  NOT MET")
            )
        found["memory after, MB"] = memory_mb(process.pid or 0)
        found["memory at most, MB"] = memory_mb(process.pid or 0, "VmHWM")
        say(
            f"memory of the server: {found['memory before, MB']:.0f} MB before, "
            f"{found['memory after, MB']:.0f} after, {found['memory at most, MB']:.0f} at most"
        )
    finally:
        process.kill()
        process.join()
    return found


def places(folder: Path) -> Iterator[tuple[str, str, Callable[[], None]]]:
    """Name, URL and what ends it, of each kind of database that is there."""
    yield "sqlite", str(folder / "sqlite.db"), lambda: None
    programs = find_programs()
    if programs is None:
        say("PostgreSQL is left out: it is not here; make setup-witnesses")
        return
    cluster = Cluster(programs)
    yield "postgresql", cluster.new_database(), cluster.stop


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--small", action="store_true", help="a hundredth of it")
    parser.add_argument("--requests", type=int, default=2000, help="of each page")
    given = parser.parse_args(arguments)
    entries, images = (1000, 100) if given.small else (100_000, 10_000)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, url, end in places(Path(folder)):
            try:
                say(f"{name}, {READERS} readers at once")
                found[name] = measure(Path(folder) / name, url, entries, images, given.requests)
            finally:
                end()
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(found, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
