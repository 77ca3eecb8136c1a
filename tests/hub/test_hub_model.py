"""A hub, a device and its supplier, in any order: what may never happen does not."""

from __future__ import annotations

import pytest
from home import SUPPLIER_EUI, V1, V2, V11, V12, Home, build
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hanboot.hub.air import Weather
from hanboot.hub.ota import Offer
from hanbootloader.han.gbcs import clock
from hanbootloader.store import ledger

#: who may follow whom
PATHWAYS = {V11: (V1,), V12: (V11,), V2: (V12,)}
MINUTE, HOUR, DAY = 60, 3600, 86_400


class Network(RuleBasedStateMachine):
    """An HCALCS: nothing starts there without a command of its supplier's."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.home = Home(self.patch, weather=Weather(loss=0.05), seed=3)
        self.device = self.home.hcalcs()
        self.device.install(build(self.home.people, V1, signed=True))
        self.images = {
            version: build(self.home.people, version, follows, signed=True, payload_bytes=1500)
            for version, follows in PATHWAYS.items()
        }
        self.last_version = V1
        self.last_counter = -1
        self.commands = 0  # that could activate something
        self.upgrades = 0

    def teardown(self) -> None:
        self.patch.undo()

    # --- what happens

    @rule(version=st.sampled_from(sorted(PATHWAYS)), at=st.sampled_from((None, 0, HOUR)))
    def offer(self, version: int, at: int | None) -> None:
        self.home.hub.offer(self.device.board.serial, Offer(self.images[version], at))

    @rule(seconds=st.sampled_from((5, MINUTE, 10 * MINUTE, 2 * HOUR)))
    def wait(self, seconds: int) -> None:
        self.home.run(seconds)

    @rule()
    def restart(self) -> None:
        self.device.restart()

    @rule(passes=st.booleans())
    def next_trial(self, passes: bool) -> None:
        self.device.trial_passes = passes

    @rule(
        version=st.sampled_from(sorted(PATHWAYS)),
        when=st.sampled_from((None, "cancel", -HOUR, 20 * MINUTE, DAY)),
    )
    def command(self, version: int, when: object) -> None:
        date: int | str | None = None
        if when == "cancel":
            date = clock.CANCELLED
        elif isinstance(when, int):
            date = self.home.utc() + when
        if when != "cancel":
            self.commands += 1
        octets = self.home.cs06(self.device, self.images[version].image_hash, date)
        self.home.send(self.device, octets)

    @rule(offset=st.sampled_from((0, 300, -DAY, 30 * DAY)))
    def clock(self, offset: int) -> None:
        self.home.settings.time_offset_s = offset

    @precondition(lambda self: self.home.messages)
    @rule()
    def replay(self) -> None:
        """The supplier's last command once more, by someone who has recorded it."""
        settled = self.home.hub.mail[self.device.board.serial].settled
        if settled:
            self.home.send(self.device, settled[-1].octets)

    # --- what may never happen

    @invariant()
    def only_along_the_pathways(self) -> None:
        version = self.device.version
        if version != self.last_version:
            self.upgrades += 1
            assert self.last_version in PATHWAYS[version], (self.last_version, version)
            self.last_version = version

    @invariant()
    def only_by_command(self) -> None:
        assert self.upgrades <= self.commands

    @invariant()
    def counters_never_go_back(self) -> None:
        counter = self.device.node.records.originator_counter(SUPPLIER_EUI)
        assert counter >= self.last_counter
        self.last_counter = counter

    @invariant()
    def something_runs(self) -> None:
        states = [slot.state for slot in self.device.device.ledger.slots]
        assert ledger.CONFIRMED in states

    @invariant()
    def reports_are_bounded(self) -> None:
        assert len(self.device.node.records.outcomes()) <= 8


TestNetwork = Network.TestCase
TestNetwork.settings = settings(max_examples=12, stateful_step_count=14, deadline=None)
