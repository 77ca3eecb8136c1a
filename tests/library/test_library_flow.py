"""The way of firmware into the library and out of it, by the pages."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from library_browser import Browser
from registries import make_image

from hanboot.errors import BadFile
from hanboot.library.library import Library

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
