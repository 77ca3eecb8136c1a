"""A part of the fault campaign (`make faults`), and that the campaign sees what it should."""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import campaign
import campaign_cli
import campaign_parts
import cases
import endurance
import interpreters
import operations
import pytest
import replay
import soak
import transient_reads
from nor_faults import ERASE_KINDS, PROGRAM_KINDS, Fault
from tally import Tally

from hanbootloader import boot
from hanbootloader.store import ledger
from hanbootloader.store.doubts import Doubts
from hanbootloader.store.flash import Region
from hanbootloader.store.journal import Journal
from hanbootloader.trust.anchors import Anchors
from hanbootloader.trust.cell import Cell

JOBS = os.cpu_count() or 1
PAGE = (interpreters.ROOT / "docs" / "design" / "faults.md").read_text()

#: A place of each scenario; where the journal moves in the middle of it, where that matters.
_PLACES = (
    "small-provision",
    "small-upgrade",
    "small-upgrade/0",
    "small-upgrade/320",
    "small-revert/432",
    "small-counter/544",
    "small-no-return/112",
    "small-history",
    "small-anchor/320",
    "small-fall-back/0",
    "small-refusal/0",
    "small-short-lives/0",
    "small-migrate",
    "small-rotate/0",
    "small-rotate-staged",
    "small-rotate-revert",
    "small-rotate-back",
)


def _assert_good(tally: Tally) -> None:
    assert tally.violated == []
    assert tally.not_fired == []
    assert tally.total > 0


def _single_cases(sizes: tuple[str, ...]) -> list[str]:
    places = chain.from_iterable(map(campaign.places, sizes))
    return list(chain.from_iterable(map(campaign.single_cases, places)))


# --- a part of the campaign


def test_every_single_fault_on_the_smallest_device() -> None:
    _assert_good(campaign.run([("single", (place, 0)) for place in _PLACES], JOBS))


def test_single_faults_sampled() -> None:
    tally = Tally()
    # those of the smallest device are all played above
    for case in random.Random(1).sample(_single_cases(("", "pair-")), 600):
        campaign.count(tally, cases.run(case))
    _assert_good(tally)


def test_single_faults_of_kept_devices_sampled() -> None:
    tally = Tally()
    places = [place for _, (place, _) in campaign.kept_units()]
    names = [case for place in places for case in campaign.single_cases(place, 0)]
    for case in random.Random(1).sample(names, 300):
        campaign.count(tally, cases.run(case))
    _assert_good(tally)


def test_pairs_sampled() -> None:
    _assert_good(campaign.run(random.Random(1).sample(campaign.double_units(), 16), JOBS))


def test_triples_sampled() -> None:
    _assert_good(campaign.run(campaign.triple_units(1000, 1), JOBS))


def test_wrong_reads_sampled() -> None:
    units = random.Random(1).sample(campaign.transient_units(0.004), 60)
    _assert_good(campaign.run(units, JOBS))


def test_a_start_that_acts_on_one_wrong_read_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the second start a wrong read costs the journal's last record, or an image."""
    cases.prepare()
    start = transient_reads.starts_of("upgrade")[1]
    bits = transient_reads.bits_of(start, random.Random(1))
    sample = [bit for name in ("journal", "envelope") for bit in bits[name][::97]]
    assert {transient_reads.read_for_a_start(start, bit) for bit in sample} == {None}
    monkeypatch.setattr(Doubts, "weigh", lambda self, subject, is_failed: is_failed)
    assert len([bit for bit in sample if transient_reads.read_for_a_start(start, bit)]) > 10


@pytest.mark.parametrize("kind", ["start", "once.2"])
def test_a_wrong_read_does_not_change_why_an_image_is_given_up(kind: str) -> None:
    """Signed by a key that has a successor: the kept reason is not what one start read."""
    cases.prepare()
    assert transient_reads.replay(f"small-rotate-staged#1@393884.{kind}") is None


def test_lives_sampled() -> None:
    soaked = soak.run(1, JOBS, lives=12)
    assert soaked.violated == []
    assert soaked.lives == 12
    assert soaked.faults > soaked.upgrades > 400
    assert soaked.reverted > 40
    assert soaked.refused > 40
    assert soaked.damaged > 20


def test_flash_lasts() -> None:
    measured = endurance.measure()
    assert measured.problems() == []
    # docs/design/faults.md says so
    figures = (
        measured.journal_erases_per_upgrade,
        measured.journal_erases_per_failed_upgrade,
        ", ".join(map(str, measured.journal_sector_erases)),
        f"{measured.refusals_per_journal_erase:g}",
    )
    for figure in figures:
        assert f"| {figure} |" in PAGE
    # the journal outlasts the slots, and those 100,000 erases of each
    assert measured.worn_first == "slots"
    assert measured.upgrades_until_worn == 200_000


def test_uneven_wear_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def between_two(self: Journal, entries: list[tuple[int, bytes]], avoided: list[int]) -> None:
        self._move_to(1 - max(self._sector, 0), entries)

    monkeypatch.setattr(Journal, "_move", between_two)
    assert any("unevenly" in problem for problem in endurance.measure(100).problems())


def test_the_data_region_on_micropython() -> None:
    found = interpreters.micropython("data_region.py")
    assert len(found) > 90
    for case, fired, violation in found:
        assert fired, case
        assert violation is None, case


def test_cases_end_on_micropython_as_on_cpython() -> None:
    drawn = random.Random(1).sample(_single_cases(("", "small-", "pair-")), 120)
    drawn += [campaign.draw_triple(1, number).case for number in range(40)]
    drawn += [f"soak@1.{number}" for number in range(2)]
    for case, difference in interpreters.differences(drawn, JOBS):
        assert difference is None, case


def test_a_pair_run_alone_ends_as_in_the_campaign() -> None:
    dice = random.Random(1)
    for _, (place, number, kind) in dice.sample(campaign.double_units(), 30):
        checkpoint = cases.Checkpoint(place, Fault(number, kind))
        for _ in range(5):
            outcome = checkpoint.run(campaign.draw(dice, checkpoint.operations()))
            assert cases.facts(outcome) == cases.facts(cases.run(outcome.case))


@pytest.mark.parametrize(
    ("case", "about"), json.loads((Path(__file__).parent / "kept_cases.json").read_text()).items()
)
def test_kept_case(case: str, about: str) -> None:
    outcome = cases.run(case)
    assert outcome.violation is None, f"{case}: {about}"
    assert outcome.fired == outcome.wanted, f"{case} no longer shows what it showed: {about}"


def test_the_page_names_every_kind() -> None:
    kinds = PAGE.partition("## What fails, and how")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `([a-z0-9-]+)` \|", kinds, re.M)) == {*PROGRAM_KINDS, *ERASE_KINDS}


# --- operation counts


def test_operation_counts_are_as_recorded() -> None:
    assert operations.changes() == [], (
        "The device erases or programs otherwise than before: look whether that is meant, for it "
        "is wear, time, or a step of a commit that went missing. If it is, record the counts anew: "
        "python tests/faults operations --record, and say in the commit why they changed"
    )


def test_a_change_of_operation_counts_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    place = "small-upgrade"
    assert operations.count(place) == operations.recorded()[place]
    # a commit in one step is one operation less
    monkeypatch.setattr(Region, "commit", Region.program)
    cases.forget_places()
    try:
        assert operations.count(place) != operations.recorded()[place]
    finally:
        monkeypatch.undo()
        cases.forget_places()


# --- the campaign sees what it should


def test_a_fault_that_does_not_fire_is_seen(capsys: pytest.CaptureFixture[str]) -> None:
    case = "small-upgrade@999.bits.0"
    tally = Tally()
    campaign.count(tally, cases.run(case))
    assert tally.not_fired == [case]
    assert not replay.replay(case, on_micropython=False)
    assert "NOT FIRED" in capsys.readouterr().out


def _no_settling(self: Journal, heads: object, at: int, last: bytes) -> None:
    pass


def _counts_early(self: ledger.Ledger, index: int) -> None:
    self.security_counter = self.slots[index].security_counter
    self.slots[index].state = ledger.PENDING
    self._save([])


def _trusting(device: object, index: int) -> object:
    return boot.verify.read_front(device.image(index))[1]  # type: ignore[attr-defined]


def _forgets(self: ledger.Ledger, verdict: ledger.VerdictRecord) -> None:
    pass


def _vouches_for_nothing(self: ledger.Ledger, index: int) -> None:
    return None


def _vouches_for_all(self: ledger.Ledger, index: int) -> bytes:
    return self.slots[index].image_hash


def _erases_first(self: Anchors, cell: Cell, table: bytes, place: int) -> Iterator[None]:
    """The places of old cells first, then what is to take their place."""
    for sector in (0, 5):
        if self._region.view[sector * self._region.sector_bytes + 4] == 1:
            self._region.erase(sector)
    yield from _write_place_steps(self, cell, table, place)


_write_place_steps = Anchors._write_place_steps


@pytest.mark.parametrize(
    ("where", "name", "instead", "place"),
    [
        (Journal, "_settle", _no_settling, "small-upgrade/320"),
        (Region, "commit", Region.program, "small-upgrade/112"),
        (ledger.Ledger, "activate", _counts_early, "small-counter"),
        (boot, "_verified", _trusting, "small-fall-back"),
        (ledger.Ledger, "record", _forgets, "small-upgrade"),
        (ledger.Ledger, "vouched_hash", _vouches_for_nothing, "small-rotate-back"),
        (ledger.Ledger, "vouched_hash", _vouches_for_all, "small-rotate-staged"),
        (ledger.Ledger, "keep_short_lives", _forgets, "small-short-lives"),
        (Anchors, "_write_place_steps", _erases_first, "small-migrate"),
    ],
)
def test_a_broken_device_is_seen(
    where: object, name: str, instead: object, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # what a good device does is known before: only then does a broken one count its operations
    names = list(campaign.single_cases(place))
    monkeypatch.setattr(where, name, instead)
    assert any(cases.run(case).violation for case in names)


def test_a_violation_fails_the_campaign(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def bad(options: campaign_parts.Options) -> campaign_parts.Part:
        part = campaign_parts.Part({"single_cases": 2})
        part.tally.add("small-upgrade@1.bits.0", "receive", "bits", True, None)
        part.tally.add("small-upgrade@2.bits.0", "receive", "bits", True, "the link is alive")
        return part

    monkeypatch.setitem(campaign_parts.ALL, "single", bad)
    report = tmp_path / "faults.json"
    assert campaign_cli.run(["single"], campaign_parts.Options(1), report) == 1
    assert json.loads(report.read_text())["violations"] == 1
    assert "violation: small-upgrade@2.bits.0: not so: the link is alive" in capsys.readouterr().out
