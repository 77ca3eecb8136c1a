"""What to do about a refusal, with a registry at hand: the real way, or that there is none."""

from __future__ import annotations

import datetime

import pytest
from registries import CODE, MODEL, FakeDevice, entry, entry_of, fill, make_image

from hanboot.device.refusal import DeviceRefused
from hanboot.image.ota_file import Image
from hanboot.inventory.distribute import distribute
from hanboot.inventory.gate import check_listed
from hanboot.registry.entry import Entry
from hanboot.registry.pathways.plan import NoPlan, Plan
from hanboot.registry.pathways.remedy import Remedy, way_to_refused
from hanboot.registry.storage.store import Registry

DAY = datetime.date(2026, 1, 1)

V1 = make_image(1)
V2 = make_image(2, [(1, V1.image_hash, None)])
V3 = make_image(3, [(2, V2.image_hash, None)])
V4 = make_image(4, [(3, V3.image_hash, None)])
ROWS = [entry_of(V1, 1), entry_of(V2, 2, [1]), entry_of(V3, 3, [2]), entry_of(V4, 4, [3])]


def refused(registry: Registry, running: Entry | None, offered: Image) -> Remedy | None:
    """A device that runs an entry refuses an image; the way that is left."""
    start = running or entry(99)
    device = FakeDevice(start.identity, security_counter=start.counter)
    with pytest.raises(DeviceRefused) as caught:
        device.upload(offered.octets)
    return way_to_refused(registry, device.identity(), caught.value.verdict, DAY)


def test_the_way_there(registry: Registry) -> None:
    fill(registry, ROWS)
    way = refused(registry, ROWS[0], V4)
    assert way is not None
    assert way.text == "the way there: E-2 (00000002) -> E-3 (00000003) -> E-4 (00000004)"
    assert way.as_json()["there"]["found"]


def test_no_way_back_to_an_older_one(registry: Registry) -> None:
    """The device would name 1, to which a device that runs 3 never comes again."""
    fill(registry, ROWS)
    way = refused(registry, ROWS[2], V2)
    assert way is not None
    assert isinstance(way.there, NoPlan)
    assert way.text.startswith("no safe way leads there: ")
    assert way.text.endswith("; to the newest leads E-4 (00000004)")
    assert "E-1" not in way.text


def test_the_newest_is_left_alone(registry: Registry) -> None:
    fill(registry, ROWS)
    way = refused(registry, ROWS[3], V2)
    assert way is not None
    assert way.text.endswith("the device runs the newest already: leave it")


def test_a_dead_end(registry: Registry) -> None:
    lost = make_image(2, [(1, V1.image_hash, None)], label="lost")
    rows = [*ROWS, entry_of(lost, 9, [1])]
    fill(registry, rows)
    way = refused(registry, rows[-1], V4)
    assert way is not None
    assert "no Active entry names E-9" in way.text
    assert way.text.endswith("leave the device as it is")


def test_an_image_that_is_not_listed(registry: Registry) -> None:
    fill(registry, ROWS[:3])
    way = refused(registry, ROWS[0], V4)
    assert way is not None
    assert isinstance(way.there, Plan)
    assert way.text == (
        "first E-2 (00000002) -> E-3 (00000003); the registry does not list the image itself"
    )


def test_a_security_counter_that_is_too_low(registry: Registry) -> None:
    risen = make_image(3, [(2, V2.image_hash, None)], label="risen", security_counter=2)
    low = make_image(4, [(3, risen.image_hash, None)], label="low", security_counter=1)
    rows = [
        *ROWS[:2],
        entry_of(risen, 3, [2], security_counter=2),
        entry_of(low, 4, [3], security_counter=1),
    ]
    fill(registry, rows)
    way = refused(registry, rows[2], low)
    assert way is not None
    assert "below the device's" in way.text


@pytest.mark.parametrize(
    "offered",
    [
        make_image(9, hardware=(0x0200, 0x0200)),
        V1,  # already running
        make_image(9, [(8, None, None)]),  # nothing of it is listed
    ],
)
def test_where_the_order_is_not_it(registry: Registry, offered: Image) -> None:
    fill(registry, ROWS)
    assert refused(registry, ROWS[0], offered) is None


def test_a_model_that_is_not_listed(registry: Registry) -> None:
    fill(registry, [entry(1, manufacturer_code=CODE + 1, device_model=MODEL)])
    assert refused(registry, None, V2) is None


def test_distribute_records_it(registry: Registry) -> None:
    from hanboot.inventory.devices import DeviceRecord, Inventory

    fill(registry, ROWS)
    held = Inventory(registry.database)
    held.add([DeviceRecord("00-00-00-00-00-00-00-01", "PPMID", CODE, MODEL, *ROWS[2].identity)])
    outcome = distribute(FakeDevice(ROWS[2].identity), V2, check_listed(registry, V2, DAY), held)
    assert outcome.error is not None
    assert "no safe way leads there" in outcome.error.what_to_do
    [sent] = held.distributions()
    assert sent.detail is not None
    assert "no safe way leads there" in sent.detail
