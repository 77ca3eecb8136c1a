"""A part of the campaign on the Home Area Network, and that it sees what it should."""

from __future__ import annotations

import random

import campaign
import home_faults
import pytest
from tally import Tally

from hanbootloader.han.activation import Activations
from hanbootloader.store.han_records import HanRecords

#: Cases that once were violations, with what it was.
KEPT = {
    "home-counters@2.weak-old.0": "the node opened its records a second time, found them in doubt, "
    "and kept nothing until the next restart",
}


def test_sampled() -> None:
    units = campaign.home_units()
    # an erase or program of each kind, of each scenario
    assert len(units) > 100
    tally = Tally()
    for unit in random.Random(1).sample(units, 6):
        tally.update(campaign._run_unit(unit))
    assert tally.violated == []
    assert tally.not_fired == []
    assert tally.total > 20


@pytest.mark.parametrize(("case", "about"), KEPT.items())
def test_kept_case(case: str, about: str) -> None:
    outcome = home_faults.run(case)
    assert outcome.violation is None, f"{case}: {about}"
    assert outcome.fired == 1


def test_a_counter_that_is_not_kept_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(self: HanRecords, originator: bytes, counter: int) -> bool:
        return True

    monkeypatch.setattr(HanRecords, "raise_originator_counter", forgetful)
    found = home_faults.run("home-counters@0.not-started.0")
    assert found.violation == "the counter of each command that was done is kept"


def test_an_activation_that_leaves_no_record_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the outcome that waits, power that fails after the activation costs the report."""
    execute = Activations._execute

    def careless(self: Activations, outcome, image_hash: bytes) -> None:
        outcomes = self._records.outcomes()
        execute(self, outcome, image_hash)
        self._records.set_outcomes(outcomes)

    monkeypatch.setattr(Activations, "_execute", careless)
    found = home_faults.run("home-upgrade@0.not-started.0")
    assert found.violation == "its outcome is reported"
