"""Faults of flash on the Home Area Network: an upgrade that the hub gives, counters of the party
that commands, an activation at a date.

A case has a name as elsewhere, `home-dated@12.weak.0`: the scenario, and how its operation 12
fails. The line loses nothing here: what fails is flash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

import cases
import home as homes
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from home import SUPPLIER_EUI, V1, V11, Home, Household, People
from nor_faults import Fault, FaultyFlash, PowerCut, parse_faults
from rules import Violation, must

from hanboot.gbcs import codec
from hanboot.hub.ota import Phase
from hanboot.trust.keys import PrivateKey
from hanbootloader import reasons
from hanbootloader.store import ledger
from hanbootloader.trust import private_key

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_PAYLOAD_BYTES = 5000  # more than a sector: the transfer is kept on the way

_people: list[People] = []


def _everyone() -> People:
    """The same keys in every run: what a case leaves in flash is then the same, too."""
    if not _people:
        names = ("manufacturer", "supplier", "broker", "stranger", "signing", "agreement")
        _people.append(People(*map(_Key, names)))
    return _people[0]


class _Key(PrivateKey):
    """Signs the same each time, whatever OpenSSL is there."""

    def __init__(self, name: str) -> None:
        number = int.from_bytes(name.encode(), "big")
        super().__init__(ec.derive_private_key(number, ec.SECP256R1()))

    def sign_plain(self, message: bytes) -> bytes:
        digest = hashlib.sha256(message).digest()
        return private_key.sign(self.scalar, self.public.point, digest)


class Simulation:
    """A device on a hub, up to where flash is to fail, and what may never happen to it."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.home = Home(patch, people=_everyone())
        self.device = self.prepare()
        self.version = V1

    @property
    def messages(self) -> list[codec.Decoded]:
        """What the hub has of the device."""
        eui = self.device.board.serial
        return [codec.decode(octets) for sender, octets in self.home.messages if sender == eui]

    def run(self, seconds: float, until: Callable[[], object] = lambda: False) -> bool:
        """Lets time pass, and looks at the device on the way."""

        def look() -> bool:
            self._look()
            return bool(until())

        return self.home.run(seconds, look)

    def _look(self) -> None:
        states = [slot.state for slot in self.device.device.ledger.slots]
        must(ledger.CONFIRMED in states, "something that was confirmed is there")
        version = self.device.version
        must(version in (self.version, V11), "no way leads back")
        self.version = version

    # --- of each scenario

    def prepare(self) -> Household:
        """The device before anything fails."""
        raise NotImplementedError

    def play(self) -> None:
        """What flash fails in."""
        raise NotImplementedError

    def recover(self) -> None:
        """What must still come of it."""
        raise NotImplementedError


class Upgrade(Simulation):
    """A PPMID fetches an image, starts it, and reports."""

    def prepare(self) -> Household:
        device = self.home.ppmid()
        device.install(homes.build(self.home.people, V1))
        self.image = homes.build(self.home.people, V11, (V1,), payload_bytes=_PAYLOAD_BYTES)
        return device

    def _reported(self) -> bool:
        return any(one.use_case.name == "CS09" for one in self.messages)

    def play(self) -> None:
        self.home.offer(self.device, self.image)
        self.run(_HOUR, lambda: self.device.version == V11 and self._reported())
        self.run(_MINUTE)

    def recover(self) -> None:
        must(self.run(2 * _DAY, lambda: self.device.version == V11), "the upgrade is completed")
        must(self.run(2 * _HOUR, self._reported), "its outcome is reported")
        self.run(_HOUR)
        found = {one.message.encode() for one in self.messages}
        must(len(found) == 1, "one outcome, however often it is sent")
        (report,) = (one for one in self.messages[:1])
        must(report.values["response_code"] == 0, "the report is of success")
        must(report.values["version"] == V11, "the report names what runs")


class Commanded(Simulation):
    """A load switch that holds an image for activation."""

    def prepare(self) -> Household:
        people = self.home.people
        device = self.home.hcalcs()
        device.install(homes.build(people, V1, signed=True))
        self.image = homes.build(people, V11, (V1,), signed=True, payload_bytes=1500)
        self.home.offer(device, self.image, None)
        state = self.home.state(device)
        assert self.home.run(_HOUR, lambda: state.phase == Phase.RECEIVED)
        self.home.run(_MINUTE)
        self.home.messages.clear()
        return device

    def command(self, octets: bytes, seconds: float = _HOUR) -> str:
        """Sends a command of the supplier's; "delivered", "refused" or "waiting"."""
        mail = self.home.hub.mail[self.device.board.serial]
        before = len(mail.settled)
        self.home.send(self.device, octets)
        self.run(seconds, lambda: len(mail.settled) > before)
        return mail.settled[-1].state if len(mail.settled) > before else "waiting"

    def counter(self) -> int:
        return self.device.node.records.originator_counter(SUPPLIER_EUI)

    def must_refuse_replay(self, octets: bytes) -> None:
        must(self.command(octets) == "refused", "a replay is refused")
        reason = self.device.node.mail.last_reason
        must(reason == reasons.MESSAGE_COUNTER, "for its counter")


class Counters(Commanded):
    """Commands that name another image: nothing starts, their counters are kept."""

    def play(self) -> None:
        self.done: list[bytes] = []
        for number in range(3):
            octets = self.home.cs06(self.device, bytes((number,)) * 32)
            if self.command(octets) == "delivered":
                self.done.append(octets)
            self.run(_MINUTE)

    def recover(self) -> None:
        self.run(2 * _HOUR)
        mail = self.home.hub.mail[self.device.board.serial]
        done = {letter.octets for letter in mail.settled if letter.state == "delivered"}
        done.update(self.done)
        must(len(done) >= len(self.done), "what was done stays done")
        self.device.restart()
        self.run(_MINUTE)
        highest = max((codec.decode(octets).message.counter for octets in done), default=-1)
        must(self.counter() >= highest, "the counter of each command that was done is kept")
        for octets in sorted(done):
            self.must_refuse_replay(octets)
        must(self.device.version == V1, "nothing was activated")
        good = self.home.cs06(self.device, self.image.image_hash)
        must(self.command(good) == "delivered", "the next command is taken")
        must(self.run(_HOUR, lambda: self.device.version == V11), "and done")


class Dated(Commanded):
    """A command with a date: done then, once, and reported."""

    def play(self) -> None:
        self.octets = self.home.cs06(self.device, self.image.image_hash, self.home.utc() + 1200)
        self.command(self.octets)
        self.run(_HOUR)

    def _alerts(self) -> list[codec.Decoded]:
        return [one for one in self.messages if one.message.kind == 3]

    def recover(self) -> None:
        self.run(3 * _HOUR)
        if self.device.version == V11:
            must(self.run(_DAY, self._alerts), "what was done is reported")
            alerts = {one.message.encode() for one in self._alerts()}
            must(len(alerts) == 1, "once")
            (alert,) = self._alerts()[:1]
            must(alert.values["alert_code"] == 0x8F66, "as a success")
            self.must_refuse_replay(self.octets)
            return
        # the command, or its date, was lost: that is reported, or nothing of it was taken
        must(self.device.node.records.activation() is None, "nothing waits for a date that is past")
        good = self.home.cs06(self.device, self.image.image_hash)
        must(self.command(good) == "delivered", "the command can be given again")
        must(self.run(_HOUR, lambda: self.device.version == V11), "and is done")


SCENARIOS: dict[str, type[Simulation]] = {
    "home-upgrade": Upgrade,
    "home-counters": Counters,
    "home-dated": Dated,
}


_plain: dict[str, list[tuple[str, str, bool]]] = {}


def plain(name: str) -> list[tuple[str, str, bool]]:
    """The operations of a scenario in which nothing fails: (scenario, operation, changes cells)."""
    if name not in _plain:
        found: list[tuple[str, str, bool]] = []
        with pytest.MonkeyPatch.context() as patch:
            simulation = _begin(name, [], patch)
            flash = simulation.device.board.flash
            flash.watcher = lambda what, start, changes: found.append((name, what, changes))
            simulation.play()
            flash.watcher = None
            simulation.recover()
        _plain[name] = found
    return _plain[name]


def names(scenario: str, number: int) -> Iterator[str]:
    """The cases of a scenario in which operation `number` fails: in each way."""
    for kind in cases.kinds_of(plain(scenario)[number]):
        yield f"{scenario}@{number}.{kind}.0"


def _begin(name: str, faults: list[Fault], patch: pytest.MonkeyPatch) -> Simulation:
    simulation = SCENARIOS[name](patch)
    board = simulation.device.board
    board.flash = FaultyFlash(bytearray(board.flash.cells))
    simulation.device.restart()
    # from here on
    board.flash.faults, board.flash.operations = faults, 0
    return simulation


def run(case: str) -> cases.CaseResult:
    """Plays a case; violations are in its outcome."""
    name, _, text = case.partition("@")
    faults = parse_faults(text)
    outcome = cases.CaseResult(case, len(faults))
    with pytest.MonkeyPatch.context() as patch:
        simulation = _begin(name, faults, patch)
        flash = simulation.device.board.flash
        flash.on_fault = lambda fault: outcome.phases.append(name)
        try:
            _play(simulation)
        except Violation as violation:
            outcome.violation = violation.args[0]
    return outcome


def _play(simulation: Simulation) -> None:
    try:
        simulation.play()
    except PowerCut:
        simulation.device.board.flash.restart()
        simulation.device.restart()
    simulation.recover()
