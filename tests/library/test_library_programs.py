"""The way of firmware by the API, party by party; fields that are added; figures and logs."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from library_browser import Browser
from library_programs import Program
from library_service import FIELDS
from registries import CODE, make_image

from hanboot.image.ota_file import Image
from hanboot.library.library import Library
from hanboot.library.schema import SCHEMA
from hanboot.library.server import _Json
from hanboot.registry.storage.schema import DEVICE

AsProgram = Callable[[str], Program]
DIGITS = f"{CODE:04X}00070100"
MODEL = 0x0007_0100


IMAGE_TYPE = 0x0007
EVERY_FIELD = {
    **FIELDS,
    "smets_version": "SMETS V5.1",
    "zigbee_stack": "3.2-x",
    "zigbee_certificate": "ZCP-0001",
}


@pytest.fixture(scope="module")
def first(library: Library, users: dict) -> Image:
    """What the device runs: on the CPL, and in the library."""
    made = make_image(0x50, cpl_entry_id="P-50", image_type=IMAGE_TYPE)
    gone_the_way(users, made, {**EVERY_FIELD, "predecessors": "N/A"}, {})
    return made


def gone_the_way(users: dict, made: Image, fields: dict, extra: dict) -> int:
    """An entry that was submitted, authorised, listed and entered on the CPL by the API."""
    maker, supplier, reviewer = (Program(users[n].token) for n in ("volt", "north", "secas"))
    draft = {
        "fields": fields,
        "notes": {
            "release_notes": "Keeps the time.",
            "known_defects": "None known.",
            "vulnerabilities": "A secret hole.",
        },
        "extra": extra,
    }
    found = maker.hand_in("submissions/check", draft, image=made.octets)
    assert maker.status == 200, found
    submitted = maker.hand_in("submissions", draft, image=made.octets)["number"]
    assert maker.status == 201
    authorised = supplier.post(f"submissions/{submitted}/authorise", {"revision": 1})
    assert authorised["state"] == "authorised"
    body = {"revision": authorised["revision"], "accept_findings": True, "remark": "as it is"}
    reviewed = reviewer.post(f"submissions/{submitted}/review", body)
    assert reviewed["state"] == "listed", reviewed
    assert [step["step"] for step in reviewed["decisions"]] == ["authorise", "review"]
    entered = reviewer.post(f"entries/{submitted}/enter")
    assert reviewer.status == 200, entered
    return int(submitted)


@pytest.fixture(scope="module")
def number(first: Image, users: dict) -> int:
    """The one that follows it, with fields that are none of ours."""
    made = make_image(
        0x51, [(0x50, first.image_hash, "P-50")], cpl_entry_id="P-51", image_type=IMAGE_TYPE
    )
    fields = {**EVERY_FIELD, "predecessors": "P-50"}
    return gone_the_way(users, made, fields, {"tested_by": "A lab", "colour": "blue"})


def test_who_sees_what(number: int, program: AsProgram) -> None:
    for name, zigbee, vulnerability in (
        ("volt", True, True),
        ("north", False, True),
        ("metering", False, False),
        ("dcc", False, True),
        ("ssc", True, True),
        ("secas", False, False),
    ):
        for path in (
            f"entries/{number}",
            "entries?text=P-51",
            f"models/{DIGITS}",
            "changes?since=2020-01-01",
        ):
            shown = json.dumps(program(name).get(path))
            assert "P-51" in shown
            assert ("3.2-x" in shown) == zigbee, (name, path)
            assert ("A secret hole." in shown) == vulnerability, (name, path)


def test_search_and_changes(number: int, program: AsProgram) -> None:
    caller = program("metering")
    entry = caller.get(f"entries/{number}")
    for text in ("P-51", "00000051", entry["image_hash"], DIGITS, "Volt Devices"):
        found = caller.get(f"entries?text={text.replace(' ', '%20')}")["entries"]
        assert number in [each["number"] for each in found], text
    assert caller.get("entries?text=P-51&device_type=ESME")["entries"] == []
    assert caller.get("entries?text=P-51&page=2")["entries"] == []
    caller.get("entries?state=nothing")
    assert caller.status == 400
    later = caller.get(f"changes?since={entry['changed_at']}")["entries"]
    assert number in [each["number"] for each in later]
    assert caller.get("changes?since=2999-01-01")["entries"] == []


def test_what_next(number: int, program: AsProgram) -> None:
    caller = program("south")
    planned = caller.get(f"plan?model={DIGITS}&version=00000050")
    assert planned["found"], planned
    (step,) = planned["steps"]
    assert (step["cpl_entry_id"], step["library"]) == ("P-51", number)
    assert program("south").get(f"entries/{number}")["notes"]["release_notes"] == "Keeps the time."
    none = caller.get(f"plan?model={DIGITS}&version=00000099")
    assert (none["found"], none["code"]) == (False, "unknown-firmware")
    assert none["why_not"]["remedy"]


def test_download(number: int, library: Library, program: AsProgram) -> None:
    caller = program("north")
    entry = caller.get(f"entries/{number}")
    assert entry["download"] == "acknowledge"
    refusal = caller.get(f"entries/{number}/image")
    assert caller.status == 403
    assert "acknowledged" in refusal["error"]["why"]
    caller.post(f"entries/{number}/acknowledge", {"revision": entry["revision"] - 1})
    assert caller.status == 409
    ready = caller.post(f"entries/{number}/acknowledge", {"revision": entry["revision"]})
    assert ready["download"] == "ready"
    octets = caller.get(f"entries/{number}/image")
    assert caller.headers["ETag"].strip('"') == entry["image_sha256"]
    for wanted, status, part in (
        ("bytes=10-", 206, octets[10:]),
        ("bytes=10-19", 206, octets[10:20]),
        ("bytes=0-0", 206, octets[:1]),
        ("bytes=99999999-", 200, octets),
        ("bytes=5-2", 200, octets),
        ("bytes=-5", 200, octets),
        ("bytes=0-1,5-6", 200, octets),
        ("octets=1-", 200, octets),
    ):
        assert caller.get(f"entries/{number}/image", Range=wanted) == part, wanted
        assert caller.status == status, wanted
    # another user has not read them
    program("dcc").get(f"entries/{number}/image")
    refused = program("metering")
    refused.get(f"entries/{number}/image")
    assert refused.status == 403


def test_another_partys_submission(first: Image, program: AsProgram, number: int) -> None:
    """It is not there for who may not see it, whatever is asked; and decided on by none of them."""
    made = make_image(
        0x52, [(0x50, first.image_hash, "P-50")], cpl_entry_id="P-52", image_type=IMAGE_TYPE
    )
    maker, other, stranger = program("volt"), program("south"), program("metering")
    draft = {"fields": {**FIELDS, "predecessors": "P-50"}}
    waiting = maker.hand_in("submissions", draft, image=made.octets)["number"]
    for caller in (stranger, other):
        for path in (f"entries/{waiting}", f"submissions/{waiting}/check"):
            caller.get(path)
            assert caller.status == 404, path
        assert caller.get("entries?text=P-52&state=")["entries"] == []
    for path in (f"entries/{waiting}/acknowledge", f"submissions/{waiting}/withdraw"):
        other.post(path, {"revision": 1})
        assert other.status in (403, 404), path
    # a listed one of another manufacturer is not corrected
    other.hand_in(f"entries/{number}/corrections", draft)
    assert other.status == 403
    withdrawn = maker.post(f"submissions/{waiting}/withdraw", {"revision": 1, "remark": "wrong"})
    assert withdrawn["state"] == "withdrawn"


def test_a_commercial_release_shows_whom_to_ask(first: Image, program: AsProgram) -> None:
    """SECMP0009 3: it is listed, and not offered for download."""
    made = make_image(
        0x53, [(0x50, first.image_hash, "P-50")], cpl_entry_id="P-53", image_type=IMAGE_TYPE
    )
    fields = {**EVERY_FIELD, "predecessors": "P-50", "release_kind": "commercial"}
    maker = program("volt")
    waiting = maker.hand_in("submissions", {"fields": fields}, image=made.octets)["number"]
    authorised = program("north").post(f"submissions/{waiting}/authorise", {"revision": 1})
    body = {"revision": authorised["revision"], "accept_findings": True}
    program("secas").post(f"submissions/{waiting}/review", body)
    caller = program("south")
    entry = caller.get(f"entries/{waiting}")
    assert (entry["is_commercial"], entry["download"]) == (True, "no")
    assert "firmware@displays.example" in entry["why_not"]["remedy"]
    caller.post(f"entries/{waiting}/acknowledge", {"revision": entry["revision"]})
    refusal = caller.get(f"entries/{waiting}/image")
    assert caller.status == 403
    assert "commercially released" in refusal["error"]["why"]


def test_the_dcc_endorses_a_hubs_entry(program: AsProgram, users: dict) -> None:
    """Without the endorsement of this revision a Communications Hub's entry is not listed."""
    maker, reviewer, dcc = program("volt"), program("secas"), program("dcc")
    fields = {
        **FIELDS,
        "device_type": "CH",
        "join_option": "Dual Band",
        "manufacturer_code": "FFF0",
        "device_model": "000A0100",
        "firmware_version": "00000001",
        "image_hash": "cd" * 32,
        "predecessors": "N/A",
    }
    waiting = maker.hand_in("submissions", {"fields": fields})["number"]
    seen = program("north").post(f"submissions/{waiting}/authorise", {"revision": 1})["revision"]
    body = {"revision": seen, "accept_findings": True}
    refused = reviewer.post(f"submissions/{waiting}/review", body)
    assert reviewer.status == 403
    assert "endorsement" in refused["error"]["why"]
    dcc.post(f"submissions/{waiting}/endorse", {"revision": seen})
    assert dcc.status == 200
    assert reviewer.post(f"submissions/{waiting}/review", body)["state"] == "listed"


# --- fields that are added


def test_a_field_that_an_administrator_adds(number: int, program: AsProgram) -> None:
    admin = program("secas")
    admin.post("fields", {"name": "tested_by", "heading": "Tested By"})
    # 409: the test of the pages came first
    assert admin.status in (201, 409)
    admin.post("fields", {"name": "size", "heading": "Size"})
    assert admin.status == 201
    added = [each for each in program("north").get("fields") if each["part"] == "added"]
    assert {"name": "tested_by", "heading": "Tested By", "part": "added"} in added
    for name in ("tested_by", "device_type", "release_notes"):
        admin.post("fields", {"name": name, "heading": "x"})
        assert admin.status == 409, name
    for name in ("", "Tested By", "1st", "x" * 65, "a-b"):
        admin.post("fields", {"name": name, "heading": "x"})
        assert admin.status == 400, name


def test_unknown_fields_survive(number: int, library: Library, program: AsProgram) -> None:
    """Through listing, onto the CPL, and a correction by a program that knows one of them."""
    assert program("ssc").get(f"entries/{number}")["extra"] == {
        "tested_by": "A lab",
        "colour": "blue",
    }
    on_cpl = library.registry.entry("P-51").other_fields
    assert json.loads(on_cpl or "{}") == {"tested_by": "A lab", "colour": "blue"}
    maker = program("volt")
    draft = {
        "fields": maker.get(f"entries/{number}")["fields"],
        "extra": {"tested_by": "Another lab", "size": "small"},
    }
    corrected = maker.hand_in(f"entries/{number}/corrections", draft)["number"]
    assert maker.get(f"entries/{corrected}")["extra"] == {
        "tested_by": "Another lab",
        "colour": "blue",
        "size": "small",
    }
    maker.post(f"submissions/{corrected}/withdraw", {"revision": 1})
    draft["extra"] = {"colour": ""}
    corrected = maker.hand_in(f"entries/{number}/corrections", draft)["number"]
    assert maker.get(f"entries/{corrected}")["extra"] == {"tested_by": "A lab"}
    maker.post(f"submissions/{corrected}/withdraw", {"revision": 1})
    draft["extra"] = {"x" * 300: "y"}
    refused = maker.hand_in(f"entries/{number}/corrections", draft)
    assert maker.status == 422, refused


def test_added_fields_on_the_pages(
    number: int, program: AsProgram, sign_in: Callable[[str], Browser]
) -> None:
    """The administrator adds one; the form of a correction asks for it, and the entry shows it."""
    # there already, if the test of the API came first
    program("secas").post("fields", {"name": "tested_by", "heading": "Tested By"})
    admin = sign_in("secas")
    admin.post("/fields", name="colour", heading="Colour of the case")
    assert "Colour of the case" in admin.text
    admin.post("/fields", name="colour", heading="Again")
    assert admin.status == 400
    assert "unique" in admin.text
    # what the API brought under this name is there already
    assert "Colour of the case blue" in sign_in("ssc").get(f"/entries/{number}").text
    maker = sign_in("volt")
    form = maker.get(f"/entries/{number}/correct").page
    filled = dict(re.findall(r'name="([^"]+)"[^>]*? value="([^"]*)"', form))
    assert filled["extra-colour"] == "blue"
    assert 'name="extra-tested_by"' in form
    entry = program("volt").get(f"entries/{number}")
    sent = entry["fields"] | {"join_option": "2.4 GHz Only", "form": "0", "extra-colour": "red"}
    sent |= {"extra-tested_by": ""}
    maker.post(f"/entries/{number}/correct", **sent)
    assert maker.status == 200, maker.text
    corrected = program("volt").get("entries?text=P-51&state=submitted")["entries"][0]
    assert corrected["extra"] == {"colour": "red"}
    program("volt").post(f"submissions/{corrected['number']}/withdraw", {"revision": 1})


# --- the SSC, and devices


def test_which_devices_hold_a_stack(number: int, library: Library, program: AsProgram) -> None:
    entry = library.registry.entry("P-51")
    with library.registry.database.writing() as connection:
        for device in range(3):
            connection.execute(
                sa.insert(DEVICE).values(
                    device_id=f"00-00-00-00-00-00-01-{device:02d}",
                    device_type="PPMID",
                    manufacturer_code=CODE,
                    device_model=MODEL,
                    firmware_version=0x51,
                    image_hash=entry.image_hash,
                    state="Commissioned",
                )
            )
    caller = program("ssc")
    found = caller.get("zigbee?vendor=example&stack=3.2-X")
    counts = {each["cpl_entry_id"]: each["devices"] for each in found}
    assert (counts["P-50"], counts["P-51"]) == (0, 3)
    assert caller.get("zigbee?vendor=unknown") == []


def test_a_stack_off_the_cpl(library: Library, program: AsProgram) -> None:
    """An entry that only the library has is found, too."""
    maker, supplier, reviewer = program("volt"), program("north"), program("secas")
    fields = {
        **FIELDS,
        "device_type": "PPMID",
        "manufacturer_code": "FFF0",
        "device_model": "00070200",
        "firmware_version": "00000001",
        "image_hash": "ab" * 32,
        "predecessors": "N/A",
        "zigbee_stack": "off-the-list",
    }
    submitted = maker.hand_in("submissions", {"fields": fields})["number"]
    revision = supplier.post(f"submissions/{submitted}/authorise", {"revision": 1})["revision"]
    body = {"revision": revision, "accept_findings": True}
    assert reviewer.post(f"submissions/{submitted}/review", body)["cpl_entry_id"] is None
    (found,) = program("ssc").get("zigbee?stack=off-the-list")
    assert (found["cpl_entry_id"], found["number"]) == ("", submitted)
    # it has no image, which is said
    entry = program("south").get(f"entries/{submitted}")
    assert (entry["download"], entry["image_sha256"]) == ("no", None)
    assert entry["why_not"]["why"]


# --- evidence and operation


def test_audit(number: int, program: AsProgram) -> None:
    admin = program("secas")
    rows, after = [], 0
    while after is not None:
        page = admin.get(f"audit?after={after}&limit=100")
        rows += page["records"]
        after = page["next"]
    assert [row["number"] for row in rows] == list(range(1, len(rows) + 1))
    verified = admin.get("audit/verify")
    assert verified["rows"] == len(rows)
    assert len(verified["digest"]) == 64
    exported = admin.get("audit.csv").decode()
    assert admin.headers["Content-Type"].startswith("text/csv")
    assert exported.count("\r\n") >= len(rows) + 1
    # the export is in it
    assert admin.get(f"audit?after={len(rows)}")["records"][-1]["action"] == "export audit"


def test_who_saw_what_not_everyone_may_see(number: int, program: AsProgram) -> None:
    """By the entry, a list or the model; not where nothing of it was shown, nor the own."""
    admin = program("secas")

    def seen(name: str, path: str) -> list[str]:
        before = admin.get("audit/verify")["rows"]
        program(name).get(path)
        rows = admin.get(f"audit?after={before}")["records"]
        assert all(row["user"] == f"{name}@example.org" for row in rows)
        return [f"{row['action']} {row['subject']}" for row in rows]

    for path in (f"entries/{number}", "entries?text=P-51"):
        assert seen("dcc", path) == [f"read restricted entry {number}"]
        assert seen("ssc", path) == [f"read restricted entry {number}"]
        assert seen("metering", path) == []
        # who submitted it, and who answers for it
        assert seen("volt", path) == []
        assert seen("north", path) == []
    assert f"read restricted entry {number}" in seen("dcc", f"models/{DIGITS}")


def test_metrics(program: AsProgram) -> None:
    admin = program("secas")
    admin.get("me")
    text = admin.get("metrics").decode()
    assert "hanboot_library_entries " in text
    assert 'route="api:api/v1/me",status="200"}' in text
    # no address of a page, which may hold a token, becomes a label
    assert "hbl_" not in text
    program("north").get("metrics")


def test_health(library: Library) -> None:
    caller = Program()
    assert caller.get("/health") == b"ok\n"
    engine, mark = library.registry.database._engine, "UPDATE library_alembic_version SET "
    with engine.begin() as connection:
        connection.execute(sa.text(f"{mark} version_num = '0099'"))
    try:
        assert b"unknown schema version" in caller.get("/health")
        assert caller.status == 503
    finally:
        with engine.begin() as connection:
            connection.execute(sa.text(f"{mark} version_num = '{SCHEMA.newest}'"))
    assert caller.get("/health") == b"ok\n"


def test_logs_are_json_and_hold_no_secret(
    program: AsProgram, users: dict, caplog: pytest.LogCaptureFixture
) -> None:
    log = logging.getLogger("hanboot.library.requests")
    log.propagate = True
    with caplog.at_level(logging.INFO, log.name):
        program("north").get("entries?text=secret")
        Browser().get("/invitations/a-secret-token")
        Program("hbl_a-secret").get("me")
    lines = [_Json().format(record) for record in caplog.records if record.name == log.name]
    documents = [json.loads(line) for line in lines]
    assert [each["route"] for each in documents] == [
        "api:api/v1/entries",
        "accept_invitation",
        "api:api/v1/me",
    ]
    assert all(each["ms"] >= 0 and each["at"].endswith("Z") for each in documents)
    assert "secret" not in "".join(lines)
    assert users["north"].token not in "".join(lines)
