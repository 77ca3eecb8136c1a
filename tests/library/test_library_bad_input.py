"""What is handed in wrongly, twice, at once, or while something fails: an answer that says what,
why and what to do, and nothing half-listed."""

from __future__ import annotations

import errno
import io
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fsspec.implementations.local import LocalFileSystem
from library_programs import Program
from library_service import FIELDS, Filled, at_once
from registries import entry_of, make_image

from hanboot.errors import BadFile
from hanboot.files import IMAGE_MAX_BYTES
from hanboot.image.ota_file import Image
from hanboot.library import audit
from hanboot.library.catalogue import decisions, submissions
from hanboot.library.catalogue.submissions import Draft
from hanboot.library.images import ImageArchive
from hanboot.library.library import Library
from hanboot.library.refusals import Conflict, StoreFull
from hanboot.library.schema import LibraryEntryRow, StoredImageRow

AsProgram = Callable[[str], Program]
DRAFT = {"fields": {**FIELDS, "predecessors": "E-1"}}


def image(library: Library, number: int) -> Image:
    first = library.registry.entry("E-1")
    return make_image(number, [(1, first.image_hash, "E-1")], cpl_entry_id=f"B-{number}")


def counted(library: Library) -> tuple[int, int]:
    """How many entries and images there are."""
    with library.registry.database.reading() as connection:
        return tuple(
            connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for table in (LibraryEntryRow, StoredImageRow)
        )


@pytest.fixture(autouse=True)
def _left_as_it_was(library: Library) -> Iterator[None]:
    """The log unbroken, and nothing listed that other tests' checks would find."""
    yield
    with library.registry.database.writing() as connection:
        audit.verify(connection)
        connection.execute(
            sa.update(LibraryEntryRow)
            .where(LibraryEntryRow.cpl_entry_id.startswith("B-"))
            .values(state="withdrawn")
        )


def refused(caller: Program, answer: Any, status: int) -> str:
    """The words of a refusal, which has all three lines."""
    assert caller.status == status, (caller.status, caller.octets[:500])
    assert all(answer["error"][part] for part in ("what", "why", "remedy"))
    faults = [f"{each['field']}: {each['cause']}" for each in answer["faults"]]
    return " ".join([*answer["error"].values(), *faults])


# --- files


def ota_bomb() -> bytes:
    """A header that promises four gigabytes."""
    octets = bytearray(make_image(1).octets)
    octets[52:56] = b"\xff\xff\xff\xff"
    return bytes(octets)


WRONG_FILES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "image"),
    "text": (b"hello\n" * 100, "image"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(1000), "image"),
    "zeros, ten megabytes": (bytes(IMAGE_MAX_BYTES), "image"),
    "ten megabytes that were forty kilobytes": (
        zlib.compress(bytes(40 * 1024 * 1024), 9),
        "image",
    ),
    "a size of four gigabytes": (ota_bomb(), "image"),
    "one byte too long": (bytes(IMAGE_MAX_BYTES + 1), "larger than"),
    "half an image": (make_image(1).octets[:100], "image"),
}


@pytest.mark.parametrize("kind", WRONG_FILES)
def test_files_that_are_no_image(kind: str, library: Library, program: AsProgram) -> None:
    octets, words = WRONG_FILES[kind]
    before, caller = counted(library), program("volt")
    for path in ("submissions", "submissions/check"):
        answer = caller.hand_in(path, DRAFT, image=octets)
        assert words in refused(caller, answer, 422)
    assert counted(library) == before


def test_a_body_that_is_too_long(library: Library, program: AsProgram) -> None:
    caller = program("volt")
    answer = caller.hand_in("submissions", DRAFT, image=bytes(IMAGE_MAX_BYTES + 1_000_000))
    assert "too large" in refused(caller, answer, 413)


@pytest.mark.parametrize(
    "name",
    [
        "../../../etc/passwd",
        "/etc/cron.d/x",
        "..\\..\\x",
        "a\x00b",
        "x" * 5000,
        "\u202egpj.exe",
        "%2e",
    ],
)
def test_path_names(name: str, library: Library, users: object, program: AsProgram) -> None:
    """A sender's file name is for messages alone: the store has names of its own."""
    from django.core.files.uploadedfile import SimpleUploadedFile

    caller = program("volt")
    file = SimpleUploadedFile("x", b"no image")
    file._name = name
    response = caller._client.post(
        "/api/v1/submissions",
        {"draft": '{"fields": {"device_type": "PPMID"}}', "image": file},
        headers=caller._headers,
    )
    assert response.status_code in (400, 422), response.content
    assert "passwd" not in str(list(Path(library.images._root).rglob("*")))
    assert {len(p.name) for p in Path(library.images._root).rglob("*") if p.is_file()} <= {64}


@pytest.mark.parametrize(
    "draft",
    [
        '{"fields": ',
        "[" * 100_000,
        '{"fields": ' * 5_000,
        '{"fields": {"device_type": 7}}',
        '{"fields": {"device_type": "PPMID\\u0000"}}',
        '{"fields": {"nothing": "x"}}',
        '{"unknown": 1}',
        '{"responsible": 99999999999999999999}',
        '{"notes": {"release_notes": "' + "x" * 20_001 + '"}}',
        '{"notes": {"nothing": "x"}}',
        '{"extra": {"": "x"}}',
        '{"delivery_option": 4}',
        '{"delivery_option": 1}',
        "null",
        "\xff",
    ],
)
def test_drafts_that_cannot_be_read(draft: str, library: Library, program: AsProgram) -> None:
    before, caller = counted(library), program("volt")
    file = io.BytesIO(make_image(1).octets)
    response = caller._client.post(
        "/api/v1/submissions", {"draft": draft, "image": file}, headers=caller._headers
    )
    answer = caller._keep(response)
    assert caller.status in (400, 422), caller.octets[:300]
    refused(caller, answer, caller.status)
    assert counted(library) == before


def test_many_parts(library: Library, program: AsProgram) -> None:
    caller = program("volt")
    parts = {f"part{number}": "x" for number in range(2_000)}
    caller._keep(caller._client.post("/api/v1/submissions", parts, headers=caller._headers))
    assert caller.status == 400


def test_an_image_that_is_not_what_the_draft_says(library: Library, program: AsProgram) -> None:
    before, caller = counted(library), program("volt")
    made = image(library, 21)
    for name, text in (
        ("predecessors", "N/A"),
        ("firmware_version", "00000099"),
        ("manufacturer_code", "1234"),
        ("image_hash", "00" * 32),
    ):
        draft = {"fields": DRAFT["fields"] | {name: text}}
        refused(caller, caller.hand_in("submissions", draft, image=made.octets), 422)
    assert counted(library) == before


# --- twice, and at once


def test_two_submissions_of_one_id(library: Library, program: AsProgram) -> None:
    caller, made = program("volt"), image(library, 22)
    caller.hand_in("submissions", DRAFT, image=made.octets)
    assert caller.status == 201
    before = counted(library)
    answer = caller.hand_in("submissions", DRAFT, image=made.octets)
    assert "B-22 is in the library already" in refused(caller, answer, 409)
    assert counted(library) == before


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Filled]:
    """A library of this test's own, whose functions several threads call."""
    made = Filled(tmp_path / "own", [entry_of(make_image(1, cpl_entry_id="E-1"), 1)])
    yield made
    made.library.registry.database.close()


def test_submissions_of_one_id_at_once(filled: Filled) -> None:
    made = image(filled.library, 2)
    ended = at_once(4, lambda _: filled.submitted(made, predecessors="E-1"))
    assert ended.count(None) == 1
    assert sum(isinstance(error, Conflict) for error in ended) == 3
    assert counted(filled.library) == (1, 1)


def test_reviewers_at_once(filled: Filled) -> None:
    number = filled.submitted(image(filled.library, 2), predecessors="E-1")
    decisions.authorise(filled.library, filled.user("north"), number, 1, "")
    seen, reviewer = filled.revision(number), filled.user("secas")

    def decide(which: int) -> None:
        if which % 2:
            decisions.reject(filled.library, reviewer, number, seen, "no")
        else:
            decisions.review(filled.library, reviewer, number, seen, "yes", accept_findings=True)

    ended = at_once(4, decide)
    assert ended.count(None) == 1
    assert all(isinstance(error, Conflict) for error in ended if error)
    with filled.library.registry.database.reading() as connection:
        steps = [each.action for each in audit.records(connection) if each.subject.startswith("e")]
    # one decision was recorded, not four
    assert sum(step in ("review", "reject") for step in steps) == 1


def test_a_review_of_what_changed_meanwhile(library: Library, program: AsProgram) -> None:
    maker, supplier, reviewer = program("volt"), program("north"), program("secas")
    made = image(library, 23)
    number = maker.hand_in("submissions", DRAFT, image=made.octets)["number"]
    authorised = supplier.post(f"submissions/{number}/authorise", {"revision": 1})
    assert supplier.status == 200, authorised
    answer = reviewer.post(f"submissions/{number}/review", {"revision": 1})
    assert "changed meanwhile" in refused(reviewer, answer, 409)
    assert reviewer.get(f"entries/{number}")["state"] == "authorised"
    # decided once
    body = {"revision": authorised["revision"], "remark": "no"}
    reviewer.post(f"submissions/{number}/reject", body)
    assert reviewer.status == 200
    answer = reviewer.post(f"submissions/{number}/reject", body)
    refused(reviewer, answer, 409)


# --- what fails around it


def listed(library: Library, program: AsProgram, version: int) -> tuple[int, Image]:
    made = image(library, version)
    number = program("volt").hand_in("submissions", DRAFT, image=made.octets)["number"]
    revision = program("north").post(f"submissions/{number}/authorise", {"revision": 1})["revision"]
    body = {"revision": revision, "accept_findings": True}
    entry = program("secas").post(f"submissions/{number}/review", body)
    program("south").post(f"entries/{number}/acknowledge", {"revision": entry["revision"]})
    return number, made


def test_a_deleted_object_behind_a_listed_entry(library: Library, program: AsProgram) -> None:
    number, made = listed(library, program, 24)
    caller = program("south")
    assert caller.get(f"entries/{number}/image") == made.octets
    (stored,) = (
        path
        for path in Path(library.images._root).rglob("*")
        if path.is_file() and path.read_bytes() == made.octets
    )
    stored.rename(stored.with_suffix(".away"))
    try:
        answer = caller.get(f"entries/{number}/image")
        assert "restored from the backup" in refused(caller, answer, 500)
        # the entry can be read all the same
        assert caller.get(f"entries/{number}")["state"] == "listed"
    finally:
        stored.with_suffix(".away").rename(stored)
    stored.write_bytes(made.octets[:-1])
    answer = caller.get(f"entries/{number}/image")
    assert "damaged" in refused(caller, answer, 500)
    stored.write_bytes(made.octets)
    assert caller.get(f"entries/{number}/image") == made.octets


def test_an_object_that_is_gone_before_its_review(library: Library, program: AsProgram) -> None:
    made = image(library, 25)
    number = program("volt").hand_in("submissions", DRAFT, image=made.octets)["number"]
    revision = program("north").post(f"submissions/{number}/authorise", {"revision": 1})["revision"]
    (stored,) = (
        path
        for path in Path(library.images._root).rglob("*")
        if path.is_file() and path.read_bytes() == made.octets
    )
    stored.unlink()
    reviewer = program("secas")
    answer = reviewer.post(f"submissions/{number}/review", {"revision": revision})
    refused(reviewer, answer, 500)
    assert reviewer.get(f"entries/{number}")["state"] == "authorised"


class FullDisk(LocalFileSystem):
    """A disk that takes a hundred bytes of a file, and then no more."""

    protocol = "fulldisk"

    def open(self, path: str, mode: str = "rb", **more: Any) -> Any:
        file = super().open(path, mode, **more)
        return _Filling(file) if "w" in mode else file


class _Filling:
    def __init__(self, file: Any) -> None:
        self._file = file

    def __enter__(self) -> _Filling:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, octets: bytes) -> None:
        self._file.write(octets[:100])
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_disk_that_fills_up_during_an_upload(
    filled: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ImageArchive(str(tmp_path / "full"))
    monkeypatch.setattr(store, "_files", FullDisk())
    full = Library(registry=filled.library.registry, key=filled.library.key, images=store)
    draft = Draft(fields={**FIELDS, "predecessors": "E-1"}, octets=image(filled.library, 2).octets)
    before = counted(full)
    with pytest.raises(StoreFull, match="full"):
        submissions.submit(full, filled.user("volt"), draft)
    assert counted(full) == before
    # nothing under the name of an image, and nothing half-written beside it
    assert not [path for path in (tmp_path / "full").rglob("*") if path.is_file()]
    # with room it goes through
    assert submissions.submit(filled.library, filled.user("volt"), draft)


def test_an_object_store_by_its_url() -> None:
    """Any that fsspec knows; its address is the server's configuration."""
    store = ImageArchive("memory://library-of-a-test/images")
    made = make_image(1)
    stored = store.put(made.octets)
    assert store.read(stored.digest) == made.octets
    assert list(store.digests()) == [stored.digest]
    store._files.rm(store._path(stored.digest))
    with pytest.raises(BadFile, match="backup"):
        store.read(stored.digest)
    with pytest.raises(BadFile, match="cannot be kept"):
        ImageArchive("nothing-of-this-name://x")


@pytest.mark.parametrize("name", ["image", "images", "store", "url", "image_url"])
def test_no_request_names_a_store(name: str, library: Library, program: AsProgram) -> None:
    """An address in a request is a field that does not exist, or a text that is kept as it is."""
    caller, before = program("volt"), counted(library)
    address = "file:///etc/passwd"
    draft = {"fields": DRAFT["fields"] | {name: address}}
    refused(caller, caller.hand_in("submissions", draft, image=make_image(28).octets), 422)
    refused(caller, caller.hand_in("submissions", {**DRAFT, name: address}), 422)
    assert counted(library) == before


def test_a_full_disk_is_said(library: Library, program: AsProgram, tmp_path: Path) -> None:
    made = image(library, 26)
    files = library.images._files
    caller, before = program("volt"), counted(library)
    object.__setattr__(library.images, "_files", FullDisk())
    try:
        answer = caller.hand_in("submissions", DRAFT, image=made.octets)
        assert "full" in refused(caller, answer, 507)
    finally:
        object.__setattr__(library.images, "_files", files)
    assert counted(library) == before
    caller.hand_in("submissions", DRAFT, image=made.octets)
    assert caller.status == 201


def test_a_full_temporary_folder(
    library: Library, program: AsProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where an upload lies until it is read."""
    from django.core.files import uploadedfile

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(uploadedfile.TemporaryUploadedFile, "__init__", full)
    caller, before = program("volt"), counted(library)
    answer = caller.hand_in("submissions", DRAFT, image=image(library, 27).octets)
    assert "disk is full" in refused(caller, answer, 507)
    assert counted(library) == before


def test_a_database_that_is_full(filled: Filled) -> None:
    """The file was kept, the row was not: nothing names it, and it does no harm."""
    library = filled.library
    user, made = filled.user("volt"), image(library, 2)
    engine = library.registry.database._engine

    def limit(connection: Any, *_: object) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    draft = Draft(
        fields={**FIELDS, "predecessors": "E-1"},
        notes={"release_notes": "x" * 20_000},
        octets=made.octets,
    )
    before = counted(library)
    sa.event.listen(engine, "begin", limit)
    with pytest.raises(BadFile, match="full"):
        submissions.submit(library, user, draft)
    sa.event.remove(engine, "begin", limit)
    engine.dispose()
    assert counted(library) == before
    with library.registry.database.reading() as connection:
        audit.verify(connection)
    assert submissions.submit(library, user, draft)
