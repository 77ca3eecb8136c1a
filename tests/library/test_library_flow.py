"""The way of firmware into the library and out of it, by the pages."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from django.core.files.uploadedfile import SimpleUploadedFile
from library_browser import Browser
from registries import make_image

from hanboot.errors import BadFile
from hanboot.library import audit
from hanboot.library.catalogue import cpl, decisions, submissions
from hanboot.library.catalogue.submissions import Draft
from hanboot.library.library import Library
from hanboot.library.schema import LibraryEntryRow
from hanboot.registry.storage import never_in_field

SignIn = Callable[[str], Browser]


def submission_of(page: str) -> int:
    return int(page.split("<h1>Submission ")[1].split(":")[0])


def test_from_a_wrong_list_to_a_checked_download(library: Library, sign_in: SignIn) -> None:
    first = library.registry.entry("E-1")
    right = make_image(2, [(1, first.image_hash, "E-1")], cpl_entry_id="E-2")

    def form(predecessors: str) -> dict[str, object]:
        return {
            "form": "0",
            "image": SimpleUploadedFile("2.ota", right.octets),
            "responsible": asked,
            "device_type": "PPMID",
            "join_option": "2.4 GHz Only",
            "predecessors": predecessors,
            "zigbee_vendor": "Example Radios",
            "release_notes": "Keeps the time.",
            "vulnerabilities": "A secret hole.",
        }

    # the image says one list, the form another: stopped, and nothing is kept
    maker = sign_in("volt")
    found = re.search(r'value="(\d+)">Northern Energy', maker.get("/submit").page)
    assert found
    asked = found.group(1)
    maker.post("/submit", **form("N/A"))
    assert maker.status == 400
    assert "E-1 (00000001)" in maker.text, re.findall(r"errorlist.*?</ul>", maker.page, re.S)
    assert "<h1>Submission" not in maker.page

    maker.post("/submit", **form("E-1"))
    assert maker.status == 200, maker.text
    number = submission_of(maker.page)

    # it is not listed: another supplier's search does not show it
    supplier = sign_in("north")
    address = f"/submissions/{number}"
    assert sign_in("metering").get(f"/entries/{number}").status == 404
    supplier.get("/")
    assert "E-2" not in supplier.page

    # nobody reviews what no supplier answers for
    reviewer = sign_in("secas")
    reviewer.post(f"{address}/review", address, revision=1, remark="")
    assert reviewer.status == 409
    assert "must be authorised" in reviewer.text

    # the other supplier is not asked, and does not even see it
    assert sign_in("south").get(address).status == 404
    supplier.post(f"{address}/authorise", address, revision=1, remark="ours")
    assert supplier.status == 200, supplier.text
    held = revision_of(reviewer.get(address).page)
    # a review of what changed meanwhile
    reviewer.post(f"{address}/review", address, revision=held - 1, remark="")
    assert "changed meanwhile" in reviewer.text
    reviewer.post(f"{address}/review", address, revision=held, remark="as it should be")
    assert reviewer.status == 200, reviewer.text

    # the supplier: not before it has read what there is to read
    supplier.get(f"/entries/{number}")
    assert "Keeps the time." in supplier.page
    assert "A secret hole." in supplier.page
    assert "Example Radios" not in supplier.page
    assert supplier.get(f"/entries/{number}/image").status == 403
    revision = revision_of(supplier.get(f"/entries/{number}").page)
    supplier.post(
        f"/entries/{number}/acknowledge",
        f"/entries/{number}",
        revision=revision,
    )
    supplier.get(f"/entries/{number}/image")
    assert (supplier.status, supplier.octets) == (200, right.octets)
    supplier.get(f"/entries/{number}/image", range="bytes=100-")
    assert (supplier.status, supplier.octets) == (206, right.octets[100:])
    assert (
        supplier.headers["Content-Range"]
        == f"bytes 100-{len(right.octets) - 1}/{len(right.octets)}"
    )

    # the SSC sees the chipset, and nobody else the vulnerability note without the right
    assert "Example Radios" in sign_in("ssc").get(f"/entries/{number}").page
    assert "A secret hole." not in sign_in("metering").get(f"/entries/{number}").page


def revision_of(page: str) -> int:
    return int(page.split('name="revision" value="')[1].split('"')[0])


def test_a_lost_image_is_said(library: Library, sign_in: SignIn) -> None:
    """A deleted object behind an entry, or a changed one, is never handed out."""
    made = make_image(3, [(1, library.registry.entry("E-1").image_hash, "E-1")])
    stored = library.images.put(made.octets)
    path = next(
        p for p in library.images._files.find(library.images._root) if stored.digest.hex() in p
    )
    with open(path, "r+b") as file:
        file.write(b"\0")
    with pytest.raises(BadFile, match="damaged"):
        library.images.read(stored.digest)


# --- corrections


def parties(library: Library) -> dict[str, Any]:
    """The user of each party, by its name."""
    from hanboot.library.accounts import users

    with library.registry.database.reading() as connection:
        found = users.parties(connection)
        return {party.name: users.users_of(connection, party.number)[0] for party in found}


def submitted(library: Library, hardware: int, version: int, before: int = 0) -> int:
    """A version that Volt submits for a model of its own, Northern Energy to authorise.

    Args:
        before: the version that it may follow, which is on the CPL; 0: it is a first one.
    """
    by_name = parties(library)
    named = [library.registry.entry(f"F-{hardware}-{before}")] if before else []
    predecessors = [(each.firmware_version, each.image_hash, each.cpl_entry_id) for each in named]
    image = make_image(version, predecessors, hardware=(hardware, hardware))
    draft = Draft(
        fields={
            "cpl_entry_id": f"F-{hardware}-{version}",
            "device_type": "PPMID",
            "join_option": "2.4 GHz Only",
            "predecessors": named[0].cpl_entry_id if named else "N/A",
            "zigbee_vendor": "Hidden Radios",
            "zigbee_stack": "3.2",
            "zigbee_certificate": "ZCP-0001",
        },
        notes={"vulnerabilities": "A secret hole."},
        octets=image.octets,
        responsible=by_name["Northern Energy"].party.number,
    )
    return submissions.submit(library, by_name["Volt Devices Ltd"], draft)


def listed(library: Library, hardware: int, version: int = 1, before: int = 0) -> int:
    """A version of a model, listed and on the CPL."""
    by_name = parties(library)
    number = submitted(library, hardware, version, before)
    decisions.authorise(library, by_name["Northern Energy"], number, 1, "")
    decisions.review(library, by_name["SECAS"], number, 2, "")
    cpl.enter(library, by_name["SECAS"], number)
    return number


CORRECTION = {
    "form": "0",
    "predecessors": "N/A",
    "device_type": "PPMID",
    "join_option": "2.4 GHz Only",
}


def test_a_correction_is_reviewed_like_a_submission(library: Library, sign_in: SignIn) -> None:
    number = listed(library, 0x0201)
    # by the supplier that answers for it: it neither sees nor loses what is for the SSC
    supplier = sign_in("north")
    supplier.get(f"/entries/{number}/correct")
    assert "Hidden Radios" not in supplier.page
    supplier.post(
        f"/entries/{number}/correct",
        **CORRECTION,
        known_defects="Loses a minute.",
        vulnerabilities="A secret hole.",
    )
    assert supplier.status == 200, supplier.text
    made = submission_of(supplier.page)
    address = f"/submissions/{made}"
    assert "Loses a minute." not in sign_in("metering").get(f"/entries/{number}").text
    supplier.post(f"{address}/authorise", address, revision=1)
    reviewer = sign_in("secas")
    assert "Known defects" in reviewer.get(address).text.split("What it changes")[1]
    reviewer.post(f"{address}/review", address, revision=2)
    assert reviewer.status == 200, reviewer.text
    assert "withdrawn" in reviewer.get(f"/submissions/{number}").text
    corrected = sign_in("ssc").get(f"/entries/{made}")
    for text in ("Loses a minute.", "Hidden Radios", "A secret hole."):
        assert text in corrected.page


def test_a_correction_must_still_be_what_the_image_says(library: Library, sign_in: SignIn) -> None:
    number = listed(library, 0x0202)
    maker = sign_in("volt")
    maker.post(f"/entries/{number}/correct", **{**CORRECTION, "predecessors": "E-1"})
    assert maker.status == 400
    assert "the image is a first version, the row says otherwise" in maker.text
    assert "<h1>Submission" not in maker.page


def test_never_in_the_field(library: Library, sign_in: SignIn) -> None:
    """A statement takes the same way, and the registry holds it once it was reviewed."""
    number, name = listed(library, 0x0203), f"F-{0x0203}-1"
    maker = sign_in("volt")
    maker.post(f"/entries/{number}/correct", **CORRECTION, never_in_field="on", cpl_entry_id=name)
    address = f"/submissions/{submission_of(maker.page)}"
    assert "no device in the field ever ran" in maker.get(address).text

    def stated() -> bool:
        with library.registry.database.reading() as connection:
            return name in never_in_field.statements(connection)

    sign_in("north").post(f"{address}/authorise", address, revision=1)
    assert not stated()
    reviewer = sign_in("secas")
    reviewer.post(f"{address}/review", address, revision=2)
    assert reviewer.status == 200, reviewer.text
    assert stated()


def test_what_would_be_stranded_is_shown_first(library: Library, sign_in: SignIn) -> None:
    """A second first version leaves devices without a way to it: the reviewer must accept that."""
    listed(library, 0x0204)
    made = submitted(library, 0x0204, 2)
    address = f"/submissions/{made}"
    sign_in("north").post(f"{address}/authorise", address, revision=1)
    reviewer = sign_in("secas")
    finding = f"F-{0x0204}-1 (00000001) does not reach F-{0x0204}-2"
    assert finding in reviewer.get(address).text
    reviewer.post(f"{address}/review", address, revision=2)
    assert reviewer.status == 403
    assert finding in reviewer.text
    assert sign_in("metering").get(f"/entries/{made}").status == 404
    reviewer.post(f"{address}/review", address, revision=2, accept_findings="yes")
    assert reviewer.status == 200, reviewer.text
    assert sign_in("metering").get(f"/entries/{made}").status == 200


def test_a_submission_is_withdrawn_by_who_made_it(library: Library, sign_in: SignIn) -> None:
    made = submitted(library, 0x0205, 1)
    address = f"/submissions/{made}"
    maker = sign_in("volt")
    maker.post(f"{address}/withdraw", address, revision=1)
    assert "withdrawn" in maker.text
    supplier = sign_in("north")
    supplier.post(f"{address}/authorise", address, revision=2)
    assert supplier.status == 409
    assert "must be submitted" in supplier.text


def test_a_plan_records_who_saw_what_not_everyone_may_see(
    library: Library, sign_in: SignIn
) -> None:
    listed(library, 0x0206)
    number = listed(library, 0x0206, 2, before=1)
    shown = {}
    for name in ("south", "metering"):
        before = len(restricted(library))
        page = sign_in(name).get("/plan?model=FFF000050206&version=00000001").page
        assert f"F-{0x0206}-2" in page
        shown[name] = ("A secret hole." in page, restricted(library)[before:])
    assert shown["south"] == (True, [("south@example.org", f"entry {number}")])
    assert shown["metering"] == (False, [])


def restricted(library: Library) -> list[tuple[str, str]]:
    """Who saw which entry's restricted texts."""
    with library.registry.database.reading() as connection:
        found = [each for each in audit.records(connection) if each.action == "read restricted"]
    return [(each.actor.user, each.subject) for each in found]


def test_a_page_of_a_model_shows_what_is_listed_and_escapes_it(
    library: Library, sign_in: SignIn
) -> None:
    first, second = listed(library, 0x0207), listed(library, 0x0207, 2, before=1)
    waits = submitted(library, 0x0207, 3, before=2)
    with library.registry.database.writing() as connection:
        connection.execute(
            sa.update(LibraryEntryRow)
            .where(LibraryEntryRow.number == second)
            .values(release_notes="<b>{0}</b> & more")
        )
    page = sign_in("metering").get("/models/FFF000050207").page
    # the newest first
    assert re.findall(r'<h3><a href="/entries/(\d+)">', page) == [str(second), str(first)]
    assert f"entries/{waits}" not in page
    assert "&lt;b&gt;{0}&lt;/b&gt; &amp; more" in page
    assert f"F-{0x0207}-1</dd>" in page
    assert "Hidden Radios" not in page
