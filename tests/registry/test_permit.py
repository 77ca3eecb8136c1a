"""A permit of the DSP: what it lifts a ban for, and that nothing else passes for one."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from registries import DEVICE_ID, KEY, SERIAL, WHY, FakeDevice, entry_of, fill, make_image

from hanboot.errors import BadFile
from hanboot.inventory import enrolment, gate
from hanboot.inventory.devices import Inventory
from hanboot.inventory.gate import GateRefused, Override, Permits, permit
from hanboot.registry.exchange import cpl_entry, snapshot
from hanboot.registry.storage import history
from hanboot.registry.storage.store import Registry
from hanboot.trust import keys, signed_cbor
from hanbootloader.image import cbor

NOW = 1_767_225_600.0  # 2026-01-01
HOUR = 3600
PARTY = "90-B3-D5-1F-30-01-00-00"
OTHER_DEVICE = "00-00-00-00-00-00-00-02"
FIRST, SECOND = make_image(1), make_image(2, [(1, None, None)])
STRANGER = keys.generate()


def octets_of(**change: Any) -> bytes:
    values: dict[str, Any] = {
        "party": PARTY,
        "devices": [DEVICE_ID],
        "image_hash": SECOND.image_hash,
        "file_version": 2,
        "issued": int(NOW),
        "valid_s": 24 * HOUR,
        "kid": KEY.public.kid,
        "sign": KEY.sign,
    }
    return permit.make(**(values | change))


def made(**change: Any) -> gate.Permit:
    return permit.decode(octets_of(**change), "the permit")


def refusal(
    given: gate.Permit,
    key: keys.PublicKey | None = KEY.public,
    device: str = DEVICE_ID,
    image_hash: bytes = SECOND.image_hash,
    at: float = NOW,
) -> str | None:
    try:
        gate.check_permit(given, key, device, image_hash, at)
    except GateRefused as refused:
        return refused.code
    return None


# --- what it is for


def test_a_permit_lifts_the_ban_for_what_it_names() -> None:
    assert refusal(made()) is None
    assert refusal(made(devices=[OTHER_DEVICE, DEVICE_ID])) is None
    # the clock of who checks may be a little behind
    assert refusal(made(), at=NOW - 299) is None
    assert refusal(made(), at=NOW + 24 * HOUR) is None


@pytest.mark.parametrize(
    ("change", "asked", "code"),
    [
        ({}, {"device": OTHER_DEVICE}, "permit-device"),
        ({}, {"image_hash": FIRST.image_hash}, "permit-image"),
        ({}, {"at": NOW + 24 * HOUR + 1}, "permit-time"),
        ({}, {"at": NOW - 301}, "permit-time"),
        ({}, {"key": None}, "no-permits"),
        ({}, {"key": STRANGER.public}, "permit-signature"),
        ({"kid": STRANGER.public.kid, "sign": STRANGER.sign}, {}, "permit-signature"),
        # who signs it only says that it is the DSP
        ({"sign": STRANGER.sign}, {}, "permit-signature"),
    ],
)
def test_and_for_nothing_else(change: dict[str, Any], asked: dict[str, Any], code: str) -> None:
    assert refusal(made(**change), **asked) == code


# --- its octets


def test_what_it_says() -> None:
    assert made().as_json() == {
        "party": PARTY,
        "devices": [DEVICE_ID],
        "hash": SECOND.image_hash.hex(),
        "file_version": "00000002",
        "issued": "2026-01-01T00:00:00Z",
        "valid_until": "2026-01-02T00:00:00Z",
    }


def test_every_changed_bit() -> None:
    good = octets_of()
    for at in range(len(good)):
        for bit in range(8):
            changed = bytearray(good)
            changed[at] ^= 1 << bit
            try:
                found = permit.decode(bytes(changed), "it")
            except BadFile:
                continue
            assert refusal(found) == "permit-signature", (at, bit)


@given(st.binary(max_size=200))
def test_octets_that_are_none(octets: bytes) -> None:
    with pytest.raises(BadFile):
        permit.decode(octets, "it")


def test_cut_short_or_with_more_behind() -> None:
    good = octets_of()
    for octets in (*(good[:count] for count in range(len(good))), good + bytes(1)):
        with pytest.raises(BadFile):
            permit.decode(octets, "it")


@pytest.mark.parametrize(
    "change",
    [
        {0: 2},
        {2: -1},
        {4: 1 << 33},
        {4: True},
        {4: "1"},
        {6: bytes(7)},
        {6: PARTY},
        {8: b""},
        {8: bytes(9)},
        {8: [SERIAL]},
        {10: bytes(31)},
        {12: None},
        {14: 0},
        {0: None},
    ],
    ids=str,
)
def test_content_that_is_none(change: dict[int, Any]) -> None:
    fields = made().signed.fields() | change
    octets = signed_cbor.encode(
        {key: value for key, value in fields.items() if value is not None},
        KEY.public.kid,
        KEY.sign,
    )
    with pytest.raises(BadFile):
        permit.decode(octets, "it")
    # what may be ignored is
    fields = made().signed.fields() | {13: "more"}
    more = signed_cbor.encode(fields, KEY.public.kid, KEY.sign)
    assert refusal(permit.decode(more, "it")) is None


def test_other_signed_files_are_none(registry: Registry, tmp_path: Path) -> None:
    """With one key for all of them."""
    fill(registry, [entry_of(FIRST, 1)])
    others = {
        "snapshot": snapshot.make(registry, KEY.public.kid, KEY.sign, now=NOW),
        "entry": cpl_entry.make(entry_of(FIRST, 1), KEY.public.kid, KEY.sign, NOW),
        "envelope": FIRST.octets[60 : 60 + 2 + FIRST.octets[60:].index(b"\x58\x40") + 64],
    }
    for name, octets in others.items():
        with pytest.raises(BadFile):
            permit.decode(octets, name)
    path = tmp_path / "a.permit"
    path.write_bytes(octets_of())
    with pytest.raises(BadFile):
        snapshot.load(path, KEY.public, NOW)


def test_fifty_thousand_devices() -> None:
    devices = [n.to_bytes(8, "big").hex("-").upper() for n in range(50_000)]
    octets = octets_of(devices=devices)
    assert len(octets) < permit.PERMIT_MAX_BYTES
    assert permit.decode(octets, "it").devices == tuple(devices)
    assert cbor.decode(permit.decode(octets, "it").signed.content)


# --- before an image is sent


@pytest.fixture
def banned(registry: Registry) -> Registry:
    """Local updates are banned, and permits of KEY count."""
    fill(registry, [entry_of(FIRST, 1), entry_of(SECOND, 2, [1])])
    inventory = Inventory(registry.database)
    inventory.add([enrolment.from_identity(FakeDevice((1, FIRST.image_hash)).identity(), "now")])
    with registry.changing(WHY) as writer:
        writer.set_permits_from(KEY.public)
    return registry


def changes(registry: Registry) -> list[history.Change]:
    with registry.database.reading() as connection:
        return list(history.changes(connection))


def send(registry: Registry, lift: Override | Permits | None) -> None:
    identity = FakeDevice((1, FIRST.image_hash)).identity()
    with gate.sending(registry, SECOND, identity, "upload", lift):
        pass


def good_now(**change: Any) -> gate.Permit:
    return made(**({"issued": int(time.time())} | change))


def test_what_was_permitted_is_in_the_history(banned: Registry) -> None:
    send(banned, Permits((good_now(image_hash=FIRST.image_hash), good_now())))
    [record] = Inventory(banned.database).distributions()
    assert (record.outcome, record.cpl_entry_id) == ("activated", "E-2")
    [lifted] = [change for change in changes(banned) if change.subject.startswith("permit ")]
    assert lifted.attribution.author == PARTY
    assert lifted.number == record.override
    assert lifted.after == {
        "lifts": "local-updates-banned",
        "image_hash": SECOND.image_hash.hex(),
        "file_version": "00000002",
    }


def test_what_is_not_permitted_is_recorded(banned: Registry) -> None:
    cases = {
        "local-updates-banned": None,
        "permit-device": Permits((good_now(devices=[OTHER_DEVICE]),)),
        "permit-image": Permits((good_now(image_hash=FIRST.image_hash),)),
        "permit-time": Permits((made(),)),
    }
    for code, lift in cases.items():
        with pytest.raises(GateRefused) as caught:
            send(banned, lift)
        assert caught.value.code == code
    with banned.changing(WHY) as writer:
        writer.set_permits_from(None)
    with pytest.raises(GateRefused, match="lifts no ban"):
        send(banned, Permits((good_now(),)))
    records = Inventory(banned.database).distributions()
    assert [record.reason for record in records] == [*cases, "no-permits"]
    assert {record.outcome for record in records} == {"refused"}


def test_a_permit_lifts_nothing_but_the_ban(banned: Registry) -> None:
    """The CPL and the model stand before an image whatever is permitted."""
    with banned.changing(WHY) as writer:
        held = entry_of(SECOND, 2, [1])
        writer.correct(held, dataclasses.replace(held, status="Withdrawn"))
    with pytest.raises(GateRefused, match="may not be distributed"):
        send(banned, Permits((good_now(),)))


def test_whose_permits_count_is_history_too(banned: Registry) -> None:
    subjects = [change.subject for change in changes(banned)]
    assert "setting permits_from" in subjects


def test_offline_permits_count_too(banned: Registry, tmp_path: Path) -> None:
    path = tmp_path / "cpl.snapshot"
    path.write_bytes(snapshot.make(banned, KEY.public.kid, KEY.sign))
    assert snapshot.load(path, KEY.public).permits_from == KEY.public
    with banned.changing(WHY) as writer:
        writer.set_permits_from(None)
    path.write_bytes(snapshot.make(banned, KEY.public.kid, KEY.sign))
    assert snapshot.load(path, KEY.public).permits_from is None
