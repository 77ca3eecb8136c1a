"""Sample firmware for `hanboot library serve --demo`: listed, waiting, and some to submit.

The images are real: the releases of `firmware/`, built and signed with a key of the moment. They
take the way that every submission takes.
"""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from pathlib import Path

from hanboot import files
from hanboot.delivery import options
from hanboot.delivery.delivery import Delivery, header_for
from hanboot.image import release
from hanboot.image.build import build_image
from hanboot.image.ota_file import Image
from hanboot.installation import FIRMWARE
from hanboot.inventory.devices import DeviceRecord, Inventory
from hanboot.library.accounts import users
from hanboot.library.accounts.users import User
from hanboot.library.catalogue import cpl, decisions, entries, submissions
from hanboot.library.catalogue.submissions import Draft
from hanboot.library.library import Library
from hanboot.trust import keys
from hanboot.trust.keys import PrivateKey

_MODEL = {"PPMID": "00050100", "HCALCS": "00040100", "CH": "00080100"}
_COMMON = {
    "manufacturer": "Volt Devices Ltd",
    "join_option": "2.4 GHz Only",
    "contact": "firmware@volt.example",
    "release_kind": "non-commercial",
    "smets_version": "SMETS2 V5.1",
    "gbcs_version": "GBCS 4.1",
    "zigbee_vendor": "Example Radios",
    "zigbee_stack": "3.2",
    "zigbee_certificate": "ZCP-0001",
}
_NOTES = {
    "1.0.0": {
        "release_notes": "The first release.",
        "known_defects": "The credit is shown a minute late after a power cut.",
        "procedure": "None: devices leave the factory with it.",
    },
    "1.1.0": {
        "release_notes": "The credit is kept in format 2, which lasts longer in flash.",
        "known_defects": "The display flickers while a message is scrolled.",
        "procedure": "Send it at night: the display is off for two minutes. There is no way back.",
        "vulnerabilities": "Closes a denial of service by a malformed tunnel frame (1.0.0).",
    },
    "2.0.0": {
        "release_notes": "Shows tariffs with four rates; the display does not flicker any more.",
        "known_defects": "None known.",
        "procedure": "Check that the device confirmed 1.1.0 for at least one day.",
    },
}


@dataclass(frozen=True, kw_only=True)
class _Actors:
    """Users of the demonstration, by what they do."""

    maker: User
    supplier: User
    other_supplier: User
    administrator: User


def fill(library: Library, folder: Path) -> Path:
    """Makes sample firmware, with the users that `demo.fill` made.

    Args:
        folder: what a manufacturer could submit next is written into a new folder in it.

    Returns:
        that folder.
    """
    actors = _Actors(
        maker=_user(library, "volt"),
        supplier=_user(library, "north"),
        other_supplier=_user(library, "south"),
        administrator=_user(library, "secas"),
    )
    key = keys.generate()
    v100 = _build("ppmid/1.0.0", key)
    v110 = _build("ppmid/1.1.0", key, v100)
    v200 = _build("ppmid/2.0.0", key, v110)
    for number, image in enumerate((v100, v110, v200), 1):
        _list(library, actors, _draft(image, "PPMID", number))
    switch = _build("hcalcs/1.0.0", key)
    by_south = dataclasses.replace(actors, supplier=actors.other_supplier)
    _list(library, by_south, _draft(switch, "HCALCS", 1, release_kind="commercial"))
    # waits for the supplier; and a Communications Hub for the DCC
    _submit(library, actors, _draft(_build("hcalcs/1.1.0", key, switch), "HCALCS", 2))
    number = _submit(library, actors, _hub())
    decisions.authorise(library, actors.supplier, number, _revision(library, number), "")
    _install(library, (v100, 3), (v110, 2), (switch, 1))
    return _write(folder / "to-submit", _next(v200, key), key)


def _user(library: Library, name: str) -> User:
    with library.registry.database.reading() as connection:
        [found] = [
            user
            for party in users.parties(connection)
            for user in users.users_of(connection, party.number)
            if user.email == f"{name}@example.org"
        ]
    return found


def _build(folder: str, key: PrivateKey, *follows: Image, **changes: object) -> Image:
    described = release.load(FIRMWARE / folder)
    described = dataclasses.replace(described, **changes)  # type: ignore[arg-type]
    described = release.with_predecessors(described, follows)
    return build_image(described, key.public.kid, key.sign)


def _next(after: Image, key: PrivateKey) -> Image:
    return _build(
        "ppmid/2.0.0",
        key,
        after,
        file_version=0x02000100,
        label="2.0.1",
        cpl_entry_id="PPMID-0004",
        release_notes="https://example.com/ppmid/2.0.1",
        predecessors=(),
    )


def _draft(image: Image, kind: str, number: int, **more: str) -> Draft:
    label = image.manifest.label if image.manifest else ""
    own = {
        "cpl_entry_id": f"{kind}-{number:04d}",
        "device_type": kind,
        "device_model": _MODEL[kind],
        "model_name": {"PPMID": "Volt Display", "HCALCS": "Volt Switch"}[kind],
    }
    if image.manifest is not None and not image.manifest.predecessors:
        own["predecessors"] = "N/A"
    return Draft(
        fields=_COMMON | own | more,
        notes=_NOTES.get(label or "", {}) if kind == "PPMID" else {},
        octets=image.octets,
        file_name=f"{kind}-{label}.ota",
    )


def _hub() -> Draft:
    """A Communications Hub's entry, which names its image by its hash alone."""
    own = {
        "cpl_entry_id": "CH-0001",
        "device_type": "CH",
        "manufacturer_code": "FFF0",
        "device_model": _MODEL["CH"],
        "firmware_version": "01000000",
        "image_hash": hashlib.sha256(b"an example of a Communications Hub").hexdigest(),
        "predecessors": "N/A",
        "join_option": "Dual Band",
        "model_name": "Volt Hub",
    }
    return Draft(fields=_COMMON | own, notes={"procedure": "The DCC distributes it."})


def _submit(library: Library, actors: _Actors, draft: Draft) -> int:
    asked = dataclasses.replace(draft, responsible=actors.supplier.party.number)
    return submissions.submit(library, actors.maker, asked)


def _list(library: Library, actors: _Actors, draft: Draft) -> None:
    number = _submit(library, actors, draft)
    decisions.authorise(library, actors.supplier, number, _revision(library, number), "")
    decisions.review(library, actors.administrator, number, _revision(library, number), "")
    cpl.enter(library, actors.administrator, number)


def _revision(library: Library, number: int) -> int:
    with library.registry.database.reading() as connection:
        entry = entries.find(connection, number)
    assert entry is not None
    return entry.revision


def _install(library: Library, *running: tuple[Image, int]) -> None:
    """Devices in the inventory, so many of each image."""
    kinds = {0x0005: "PPMID", 0x0004: "HCALCS"}
    devices: list[DeviceRecord] = []
    for image, count in running:
        kind = kinds[image.header.image_type]
        for _ in range(count):
            devices.append(
                DeviceRecord(
                    device_id=f"00-DB-12-34-00-00-00-{len(devices):02X}",
                    device_type=kind,  # type: ignore[arg-type]
                    manufacturer_code=image.header.manufacturer_code,
                    device_model=int(_MODEL[kind], 16),
                    firmware_version=image.header.file_version,
                    image_hash=image.image_hash,
                )
            )
    Inventory(library.registry.database).add(devices)


def _write(folder: Path, image: Image, key: PrivateKey) -> Path:
    """One release in every form that the library takes, and the key to check it with."""
    folder.mkdir()
    files.write(folder / "PPMID-2.0.1.ota", image.octets)
    files.write(folder / "manufacturer-public.pem", key.public_pem())
    content = image.manufacturer_image
    header = header_for(image.header, image.image_bytes, signed_type=False)
    delivery = Delivery(
        "2.0.1", header, content, key.sign_plain(header + content),
        hashlib.sha256(content).digest(),
    )  # fmt: skip
    for option in (1, 2, 3):
        options.write(delivery, option, folder / f"option-{option}")
    return folder
