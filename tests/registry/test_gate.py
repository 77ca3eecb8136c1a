"""The gate, and what comes after it: an image is sent to the right device, or not at all."""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path
from typing import Any

import pytest
from registries import (
    DEVICE_ID,
    KEY,
    MODEL,
    WHY,
    FakeDevice,
    entry,
    entry_of,
    fill,
    make_image,
    same_but,
)

from hanboot.errors import LinkError
from hanboot.image import ota_file
from hanboot.image.ota_file import Image
from hanboot.inventory import enrolment, gate, reports
from hanboot.inventory.devices import Inventory
from hanboot.inventory.distribute import DistributionResult, distribute
from hanboot.inventory.gate import GateRefused
from hanboot.registry.entry import Model
from hanboot.registry.exchange import snapshot
from hanboot.registry.exchange.snapshot import Snapshot
from hanboot.registry.storage.store import Registry
from hanbootloader import policy

AT = "2026-01-01T00:00:00Z"
FIRST = make_image(1)
SECOND = make_image(2, [(1, FIRST.image_hash, "E-1")], cpl_entry_id="E-2")
SKIPPING = make_image(3, [(2, SECOND.image_hash, "E-2")])
ENTRIES = [entry_of(FIRST, 1), entry_of(SECOND, 2, [1]), entry_of(SKIPPING, 3, [2])]


@pytest.fixture
def inventory(registry: Registry) -> Inventory:
    fill(registry, ENTRIES)
    inventory = Inventory(registry.database)
    inventory.add([enrolment.from_identity(a_device().identity(), AT)])
    return inventory


def a_device(**facts: Any) -> FakeDevice:
    return FakeDevice((1, FIRST.image_hash), **facts)


def send(
    target: FakeDevice, made: Image, registry: Registry, inventory: Inventory | None
) -> DistributionResult:
    return distribute(target, made, gate.check_listed(registry, made), inventory, clock=lambda: AT)


def the_device(inventory: Inventory):
    return inventory.find([DEVICE_ID])[DEVICE_ID]


# --- sent


def test_the_inventory_is_updated_after_activation(
    registry: Registry, inventory: Inventory
) -> None:
    target = a_device()
    outcome = send(target, SECOND, registry, inventory)
    assert outcome.error is None
    assert outcome.before is not None
    assert outcome.after is not None
    assert outcome.before.file_version == 1
    assert outcome.after.image_hash == SECOND.image_hash
    held = the_device(inventory)
    assert (held.firmware_version, held.image_hash) == (2, SECOND.image_hash)
    assert not held.differs
    [record] = inventory.distributions(DEVICE_ID)
    assert (record.outcome, record.cpl_entry_id, record.reason) == ("activated", "E-2", None)


def test_a_refusal_is_recorded_with_its_reason(registry: Registry, inventory: Inventory) -> None:
    target = a_device()
    outcome = send(target, SKIPPING, registry, inventory)
    assert outcome.error is not None
    assert target.running == (1, FIRST.image_hash)
    assert the_device(inventory).firmware_version == 1
    [record] = inventory.distributions(DEVICE_ID)
    assert record.outcome == "refused"
    assert (record.reason_code, record.reason) == (17, "not-a-predecessor")
    assert "00000002" in (record.detail or "")


def test_a_broken_link_is_recorded(registry: Registry, inventory: Inventory) -> None:
    target = a_device()
    target.breaks = LinkError("it does not answer", "the cable", "plug it in")
    outcome = send(target, SECOND, registry, inventory)
    assert outcome.error is target.breaks
    [record] = inventory.distributions()
    assert (record.outcome, record.reason) == ("failed", "link")
    assert the_device(inventory).firmware_version == 1


# --- not sent


def refused_by_gate(
    registry: Registry, inventory: Inventory, made: Image = SECOND, **facts: Any
) -> str:
    """The gate's code; not an octet went to the device, and the inventory is as it was."""
    target = a_device(**facts)
    held = the_device(inventory)
    try:
        listed = gate.check_listed(registry, made)
    except GateRefused as refused:
        code = refused.code
    else:
        outcome = distribute(target, made, listed, inventory, clock=lambda: AT)
        assert isinstance(outcome.error, GateRefused)
        code = outcome.error.code
        records = inventory.distributions()
        assert [(r.outcome, r.reason) for r in records] == [("refused", code)]
    assert target.uploads == 0
    assert the_device(inventory) == held
    return code


def test_an_image_that_is_not_on_the_cpl(registry: Registry, inventory: Inventory) -> None:
    stranger = make_image(2, [(1, None, None)])
    assert refused_by_gate(registry, inventory, stranger) == "not-on-cpl"


@pytest.mark.parametrize(
    "change",
    [
        {"status": "Withdrawn"},
        {"status": "Cancelled"},
        {"expires_on": datetime.date(2020, 1, 1)},
        {"listed_on": datetime.date(2099, 1, 1)},
    ],
)
def test_an_entry_that_is_not_active(
    registry: Registry, inventory: Inventory, change: dict[str, Any]
) -> None:
    with registry.changing(WHY) as writer:
        writer.correct(ENTRIES[1], same_but(ENTRIES[1], **change))
    assert refused_by_gate(registry, inventory) == "not-active"


def test_a_header_that_was_swapped(registry: Registry, inventory: Inventory) -> None:
    """The Manufacturer Image is on the CPL; the header in front of it says another version."""
    octets = bytearray(SECOND.octets)
    octets[14] ^= 1
    changed = ota_file.load(bytes(octets))
    assert changed.image_hash == SECOND.image_hash
    assert refused_by_gate(registry, inventory, changed) == "header-differs"


@pytest.mark.parametrize(
    "facts",
    [
        {"manufacturer_code": 1},
        {"image_type": 6},
        {"hardware_version": 0x0101},
        {"device_type": policy.ESME},
    ],
)
def test_a_device_that_does_not_fit(
    registry: Registry, inventory: Inventory, facts: dict[str, Any]
) -> None:
    assert refused_by_gate(registry, inventory, **facts) == "inventory-differs"
    # and where the inventory agrees with the device, the CPL does not
    target = a_device(**facts)
    outcome = send(target, SECOND, registry, None)
    assert isinstance(outcome.error, GateRefused)
    assert outcome.error.code == "does-not-fit"
    assert target.uploads == 0


def test_a_device_that_is_not_in_the_inventory(registry: Registry, inventory: Inventory) -> None:
    assert refused_by_gate(registry, inventory, serial=bytes(8)) == "not-in-inventory"


def test_a_device_that_is_not_commissioned(registry: Registry, inventory: Inventory) -> None:
    serial = bytes.fromhex("00000000000000ff")
    other = enrolment.from_identity(a_device(serial=serial).identity(), AT)
    inventory.add([dataclasses.replace(other, state="Suspended")])
    assert refused_by_gate(registry, inventory, serial=serial) == "not-commissioned"


# --- local updates


def test_local_updates_are_banned_until_they_are_allowed(
    registry: Registry, inventory: Inventory
) -> None:
    with pytest.raises(GateRefused, match="banned"):
        gate.check_local(registry)
    with registry.changing(WHY) as writer:
        writer.set("local_updates", "allowed")
    gate.check_local(registry)


def offline(registry: Registry, path: Path) -> Snapshot:
    path.write_bytes(snapshot.make(registry, KEY.public.kid, KEY.sign))
    return snapshot.load(path, KEY.public)


def test_offline_the_same_gate_stands(
    registry: Registry, inventory: Inventory, tmp_path: Path
) -> None:
    with pytest.raises(GateRefused) as caught:
        gate.check_local(offline(registry, tmp_path / "banned"))
    assert caught.value.code == "local-updates-banned"
    with registry.changing(WHY) as writer:
        writer.set("local_updates", "allowed")
        writer.correct(ENTRIES[2], same_but(ENTRIES[2], status="Withdrawn"))
    cpl = offline(registry, tmp_path / "allowed")
    gate.check_local(cpl)

    for made in (make_image(2), SKIPPING):
        with pytest.raises(GateRefused) as caught:
            gate.check_listed(cpl, made)
        assert caught.value.code == "not-on-cpl"

    # sent, and reported to the inventory afterwards
    path = tmp_path / "reports"
    target = a_device()
    outcome = distribute(
        target,
        SECOND,
        gate.check_listed(cpl, SECOND),
        None,
        lambda report: reports.append(path, [report]),
    )
    assert outcome.error is None
    assert the_device(inventory).firmware_version == 1
    merged = reports.merge_into(inventory, reports.read(path))
    assert (merged.updated, merged.differing) == (1, ())
    assert the_device(inventory).firmware_version == 2
    assert gate.identity_model(target.identity()) == Model(0xFFF0, MODEL)


def test_one_image_for_several_models(registry: Registry, inventory: Inventory) -> None:
    second = same_but(ENTRIES[1], cpl_entry_id="E-2b", device_model=MODEL + 1)
    fill(registry, [second, entry(9, device_model=MODEL + 1)])
    outcome = send(a_device(), SECOND, registry, inventory)
    assert outcome.distribution.cpl_entry_id == "E-2"
