"""`hanboot upgrade --plan --library`: a virtual PPMID, a supplier's registry, and a library that
another process serves; then the same with a library whose images are not what they were."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import Ran, assert_error, hanboot
from library_service import Filled, Service, serving, suppliers_own, with_library
from registries import entry_of
from rig import Bench, ReleaseImages

pytestmark = pytest.mark.slow

RELEASES = ("1.0.0", "1.1.0", "2.0.0")
IDS = ("PPMID-0001", "PPMID-0002", "PPMID-0003")


def entries_of(firmware: ReleaseImages) -> list:
    images = [firmware.image(f"ppmid/{name}") for name in RELEASES]
    return [
        entry_of(
            image,
            number,
            cpl_entry_id=IDS[number],
            predecessors=IDS[number - 1 : number] if number else (),
            security_counter=image.manifest.security_counter if image.manifest else None,
        )
        for number, image in enumerate(images)
    ]


@pytest.fixture(scope="module")
def filled(firmware: ReleaseImages, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    made = Filled(tmp_path_factory.mktemp("served") / "library", entries_of(firmware))
    for number, name in enumerate(RELEASES):
        before = IDS[number - 1] if number else "N/A"
        made.listed(firmware.image(f"ppmid/{name}"), predecessors=before, device_model="00050100")
    yield made
    made.library.registry.database.close()


@pytest.fixture
def here(tmp_path: Path, firmware: ReleaseImages) -> Path:
    """The supplier's own registry, with local updates allowed, and the manufacturer's key."""
    return suppliers_own(tmp_path, entries_of(firmware), firmware.pairs.manufacturer.public_pem())


def upgrade(here: Path, url: str, token: Path, ppmid: Bench, *more: object) -> Ran:
    options = {"--manufacturer-public-key": here / "maker.pub.pem"} | {
        "--download-to": here / "images",
        "--port": ppmid.board.port,
    }
    override = ("--registry", here / "registry.db", "--override-ban", "--reason", "a test")
    library = with_library(url, token, options)
    return hanboot("upgrade", "--plan", *library, *override, *more)


def test_a_board_is_led_to_the_newest(
    service: Service, filled: Filled, here: Path, ppmid: Bench, firmware: ReleaseImages
) -> None:
    token = filled.token_file("south")
    asked = upgrade(here, service.url, token, ppmid)
    assert asked.code == 130
    assert "Wait for the evening." in asked.err
    assert ppmid.runs(firmware.image("ppmid/1.0.0"))

    done = upgrade(here, service.url, token, ppmid, "--yes")
    assert done.code == 0, done.err
    assert ppmid.runs(firmware.image("ppmid/2.0.0"))
    fetched = {path.stem for path in (here / "images").glob("*.ota")}
    assert fetched == {firmware.image(f"ppmid/{n}").image_hash.hex() for n in RELEASES[1:]}
    # the library has recorded who took what
    with filled.library.registry.database.reading() as connection:
        from hanboot.library import audit

        taken = [each for each in audit.records(connection) if each.action == "download"]
    assert [(each.actor.user, each.subject) for each in taken] == [
        ("south@example.org", "entry 2"),
        ("south@example.org", "entry 3"),
    ]


def test_images_that_are_at_hand_are_not_fetched(
    service: Service, filled: Filled, here: Path, ppmid: Bench, firmware: ReleaseImages
) -> None:
    for name in RELEASES[1:]:
        (here / f"{name}.ota").write_bytes(firmware.image(f"ppmid/{name}").octets)
    token = filled.token_file("north")
    done = upgrade(here, "http://127.0.0.1:9", token, ppmid, "--yes", here)
    assert done.code == 0, done.err
    assert ppmid.runs(firmware.image("ppmid/2.0.0"))


def test_another_manufacturers_key(
    service: Service, filled: Filled, here: Path, ppmid: Bench, firmware: ReleaseImages
) -> None:
    """What its key did not sign is not sent, though the registry lists it."""
    (here / "maker.pub.pem").write_bytes(firmware.pairs.supplier.public_pem())
    token = filled.token_file("south")
    assert_error(upgrade(here, service.url, token, ppmid, "--yes"), 1, "does not verify")
    assert ppmid.runs(firmware.image("ppmid/1.0.0"))
    assert not list((here / "images").glob("*.ota"))


def test_a_library_whose_image_was_changed(
    filled: Filled, here: Path, ppmid: Bench, firmware: ReleaseImages
) -> None:
    """Its disk was written to behind its back: it notices itself, and nothing reaches the board."""
    store = filled.folder / "images"
    (stored,) = (
        path
        for path in store.rglob("*")
        if path.is_file() and path.read_bytes() == firmware.image("ppmid/1.1.0").octets
    )
    octets = stored.read_bytes()
    stored.write_bytes(octets[:-1] + bytes([octets[-1] ^ 1]))
    try:
        with serving(filled) as service:
            token = filled.token_file("south")
            refused = upgrade(here, service.url, token, ppmid, "--yes")
        assert_error(refused, 1, "damaged", "backup")
        assert ppmid.runs(firmware.image("ppmid/1.0.0"))
    finally:
        stored.write_bytes(octets)


def test_options_without_a_plan(tmp_path: Path) -> None:
    for option in (("--library", "http://127.0.0.1:9"), ("--hash-only",)):
        refused = hanboot("upgrade", tmp_path, "--port", "virtual:none", *option)
        assert_error(refused, 2)
        assert f"{option[0]} requires --plan" in refused.err
    assert hanboot("upgrade", "--port", "virtual:none").code == 2
    assert hanboot("upgrade", "--plan", "--port", "virtual:none").code == 2
