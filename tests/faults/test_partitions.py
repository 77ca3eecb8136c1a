"""A part of the fault campaign on the partitions of an ESP32."""

from __future__ import annotations

import random
from collections.abc import Iterator

import campaign
import cases
import partitions
import pytest
from tally import Tally

SEED = 32
#: Scenarios in which power is cut, on the smallest device.
PLACES = ("small-provision", "small-upgrade", "small-revert", "small-counter", "small-anchor")


@pytest.fixture(autouse=True)
def on_partitions() -> Iterator[None]:
    partitions.use()
    cases.forget_places()
    yield
    partitions.leave()
    cases.forget_places()


def _play(names: list[str]) -> Tally:
    tally = Tally()
    for name in names:
        campaign.count(tally, cases.run(name))
    assert tally.violated == []
    assert tally.not_fired == []
    return tally


@pytest.mark.parametrize("place", PLACES)
def test_ten_power_cuts(place: str) -> None:
    """Spread over the whole of what a device goes through, each in a way of its own."""
    _, operations = cases.plain(place)
    chance = random.Random(SEED)
    step = max(1, len(operations) // 10)
    names = []
    for number in range(step // 2, len(operations), step)[:10]:
        kinds = [kind for kind in cases.kinds_of(operations[number]) if kind != "dropped"]
        names.append(f"{place}@{number}.{chance.choice(kinds)}.0")
    assert _play(names).total == 10


def test_sampled_single_faults() -> None:
    names = []
    for place in campaign.places("") + campaign.places("small-"):
        names += campaign.single_cases(place)
    assert _play(random.Random(SEED).sample(names, 400)).total == 400
