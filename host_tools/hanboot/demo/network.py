"""A home: a PPMID and a load switch on one hub, upgraded over a line that loses frames."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from hanboot.demo.bench import Bench, KeyPairs, Releases, build
from hanboot.demo.story import Story
from hanboot.device import network
from hanboot.device.provisioning import AnchorKey, provision
from hanboot.explain.reasons import Reason
from hanboot.explain.versions import version_text
from hanboot.gbcs import codec
from hanboot.gbcs.codec import Decoded
from hanboot.hub.air import Weather
from hanboot.hub.attachment import PortExchange
from hanboot.hub.hub import EPOCH_S, Settings
from hanboot.hub.ota import Offer, Pacing, Phase
from hanboot.hub.service import HubService
from hanboot.image import ota_file, sign
from hanboot.image.ota_file import Image
from hanboot.link import virtual
from hanboot.link.deadline import Deadline
from hanboot.link.process_clock import own_clock
from hanboot.trust import keys
from hanboot.trust.keys import PublicKey
from hanbootloader import reasons
from hanbootloader.han.gbcs import clock, mac, use_cases
from hanbootloader.han.gbcs.message import COMMAND, Message
from hanbootloader.trust import cell

_SUPPLIER = bytes.fromhex("90b3d51f30010000")
_BROKER = bytes.fromhex("90b3d51f30000002")
_SCHEDULE = "01:00-05:30 13:00-14:00"
_LOSS = 0.05
_SEED = 20
_WAIT_S = 60.0
_LOOK_S = 0.05
_LATER_S = 5  # from a command to the date in it
_REFUSED_WITHIN = 4096
_V110 = 0x01010000


@dataclass
class _Party:
    """A device on the network: its bench, its EUI-64 and its public keys."""

    bench: Bench
    eui: bytes
    signing: PublicKey
    agreement: PublicKey


class Home:
    """Two devices and a hub, and the keys of who commands them."""

    def __init__(self, bench: Bench, pairs: KeyPairs) -> None:
        state = bench.board.state
        self.pairs = pairs
        self.broker = keys.generate()
        self.switch = Bench(state.with_name("load-switch"), "virtual", "hcalcs")
        self.ppmid = self._provision(bench)
        self.hcalcs = self._provision(self.switch)
        self.service = HubService(
            Settings(pacing=Pacing(stall_s=2.0)), Weather(loss=_LOSS), _SEED, lambda line: None
        )
        self._counter = int(time.time() * 1000)

    def close(self) -> None:
        self.service.close()
        self.switch.close()

    def _provision(self, bench: Bench) -> _Party:
        device = bench.device
        network.make_keys(device)
        pairs = self.pairs
        supplier, broker = cell.SUPPLIER, cell.ACCESS_CONTROL_BROKER
        signing, agreeing = cell.DIGITAL_SIGNATURE, cell.KEY_AGREEMENT
        provision(
            device,
            [
                _anchor(supplier, pairs.supplier.public, signing, _SUPPLIER, "supplier"),
                _anchor(broker, self.broker.public, agreeing, _BROKER, "broker"),
                _anchor(
                    cell.MANUFACTURER,
                    pairs.manufacturer.public,
                    signing,
                    cell.ANYONE,
                    "manufacturer",
                ),
            ],
        )
        signature, agreement = network.public_keys(device)
        assert signature is not None
        assert agreement is not None
        serial = device.identity().serial
        return _Party(bench, serial, PublicKey(signature), PublicKey(agreement))

    def connect(self) -> None:
        """The hub takes the devices' ports."""
        for party in (self.ppmid, self.hcalcs):
            party.bench.device.close()
            port = f"{virtual.PREFIX}{party.bench.board.state}"
            self.service.attach(party.eui, PortExchange(port, party.eui))

    # --- what the hub is asked to do, and what it sees

    def offer(self, party: _Party, image: Image) -> None:
        # a supplier's signature says that CS06 will activate
        in_s = None if image.trailer else 0
        self.service.hub.offer(party.eui, Offer(image, in_s))

    def wait(self, holds: Callable[[], object]) -> bool:
        deadline = Deadline(_WAIT_S, own_clock())
        while not holds():
            if deadline.passed:
                return False
            time.sleep(_LOOK_S)
        return True

    def message(self, party: _Party, name: str, kind: int, since: int = 0) -> Decoded | None:
        """The first message of a device of this kind, from number `since` on."""

        def found() -> Decoded | None:
            for sender, octets in self.service.inbox[since:]:
                if sender == party.eui:
                    decoded = codec.decode(octets)
                    if (decoded.use_case.name, decoded.message.kind) == (name, kind):
                        return decoded
            return None

        self.wait(found)
        return found()

    def activate(self, party: _Party, image: Image, when: str) -> None:
        """Sends CS06, signed by the supplier and MACed by the broker."""
        self._counter += 1
        values = {"image_hash": image.image_hash, "counter": self._counter, "execution_time": when}
        use_case = use_cases.CS06_COMMAND
        payload = use_case.encode(values)
        command = Message(COMMAND, use_case.code, self._counter, _SUPPLIER, party.eui, payload)
        command.signature = self.pairs.supplier.sign_plain(command.signed_octets())
        command.mac = mac.make(self.broker.agree(party.agreement), command)
        self.service.hub.send_message(party.eui, command.encode())

    def soon(self) -> str:
        return clock.time_of(int(time.time()) - EPOCH_S + _LATER_S)


def _anchor(role: int, key: PublicKey, usage: int, entity: bytes, label: str) -> AnchorKey:
    return AnchorKey(role, key.kid, key.point, True, label, usage, entity)


def _is_signed(party: _Party, message: Decoded | None) -> bool:
    if message is None:
        return False
    octets = message.message.signed_octets()
    return party.signing.is_signature(octets, bytes(message.message.signature or b""))


def play(story: Story, bench: Bench, pairs: KeyPairs, releases: Releases) -> None:
    story.chapter("A home: a PPMID and a load switch on one hub")
    switch_100 = _signed("1.0.0", pairs)
    switch_110 = _signed("1.1.0", pairs, (switch_100,))
    homes: list[Home] = []

    def begin() -> tuple[bool, str]:
        homes.append(Home(bench, pairs))
        good = bench.upgrade(releases.v100)[0] and homes[0].switch.upgrade(switch_100)[0]
        answer = homes[0].switch.ask(f"schedule {_SCHEDULE}")
        homes[0].connect()
        return good and _SCHEDULE in answer, f"both run 1.0.0; the switch: {answer}"

    story.step("both make their keys, and get the broker's and the supplier's", begin)
    try:
        home = homes[0]
        _refused(story, home, releases)
        # both fetch at the same time
        home.offer(home.hcalcs, switch_110)
        _interrupted(story, home, releases)
        _received(story, home, switch_110)
        _dated(story, home, switch_110)
        _reported(story, home)
        _kept(story, home)
    finally:
        for home in homes:
            home.close()
            bench.reconnect()


def _signed(folder: str, pairs: KeyPairs, follows: tuple[Image, ...] = ()) -> Image:
    built = build(folder, pairs.manufacturer, follows, "hcalcs")
    return ota_file.load(sign.sign(built, pairs.supplier))


def _refused(story: Story, home: Home, releases: Releases) -> None:
    state = home.service.hub.device(home.ppmid.eui)

    def play() -> tuple[bool, str]:
        home.offer(home.ppmid, releases.v200)
        home.wait(lambda: state.accepts_version is not None)
        good = state.reason == reasons.NOT_A_PREDECESSOR and state.data_octets < _REFUSED_WITHIN
        accepts = version_text(state.accepts_version or 0)
        return (
            good and state.phase == Phase.REFUSED,
            f"the hub has the reason: {Reason(state.reason or 0).label}, it would accept {accepts}"
            f"\nafter {state.data_octets} of {len(releases.v200.octets)} octets of the file",
        )

    story.step("2.0.0 for the PPMID: refused before it is fetched", play)


def _interrupted(story: Story, home: Home, releases: Releases) -> None:
    hub = home.service.hub
    state = hub.device(home.ppmid.eui)

    def cut() -> tuple[bool, str]:
        size = len(releases.v110.octets)
        home.offer(home.ppmid, releases.v110)
        home.wait(lambda: state.position > size * 2 // 3)
        home.ppmid.bench.board.power_cycle()
        cut_at = state.position
        fetched = state.data_octets
        # it goes back to the last whole sector; a request that was under way goes forward once more
        home.wait(lambda: state.position < cut_at)
        resumed_at = state.position
        home.wait(lambda: state.phase in (Phase.SCHEDULED, Phase.RUNNING))
        good = 0 < resumed_at <= cut_at and state.data_octets < fetched + size - resumed_at + 1500
        return good, f"cut after {cut_at} of {size} octets, went on from {resumed_at}"

    story.step(
        f"1.1.0 over a line that loses {_LOSS:.0%} of its frames; power fails in the middle", cut
    )


def _received(story: Story, home: Home, image: Image) -> None:
    def play() -> tuple[bool, str]:
        alert = home.message(home.hcalcs, "FDRA", 3)
        good = _is_signed(home.hcalcs, alert) and alert is not None
        return (
            good and alert is not None and alert.values["image_hash"] == image.image_hash,
            "alert 8F72 to the supplier, with the hash; nothing starts before CS06",
        )

    story.step(
        "1.1.0 for the load switch: received meanwhile, its supplier's signature is right", play
    )


def _dated(story: Story, home: Home, image: Image) -> None:
    party = home.hcalcs

    def command(when: str) -> bool:
        since = len(home.service.inbox)
        home.activate(party, image, when)
        response = home.message(party, "CS06", 2, since)
        return _is_signed(party, response) and response is not None and not response.values

    def cancelled() -> tuple[bool, str]:
        when = clock.time_of(int(time.time()) - EPOCH_S + 3600)
        good = command(when) and command(clock.CANCELLED)
        return good, "accepted, then cancelled: each answered by a signed response"

    story.step("CS06 for in an hour; cancelled", cancelled)

    def given_again() -> tuple[bool, str]:
        since = len(home.service.inbox)
        good = command(home.soon())
        alert = home.message(party, "CS06", 3, since)
        done = alert is not None and alert.values["alert_code"] == use_cases.FUTURE_DATED_DONE
        outcome = alert.values["outcome"] if alert else {}
        version = outcome.get("version", 0)
        return (
            good and done and _is_signed(party, alert) and version == _V110,
            f"alert 8F66 after the trial: {version_text(version)} runs",
        )

    story.step(f"given again, for in {_LATER_S} seconds: done at its date", given_again)


def _reported(story: Story, home: Home) -> None:
    def play() -> tuple[bool, str]:
        alert = home.message(home.ppmid, "CS09", 3)
        good = _is_signed(home.ppmid, alert)
        values = alert.values if alert else {}
        version = values.get("version", 0)
        sent = sum(
            air.sent for attached in home.service.attached for air in (attached.up, attached.down)
        )
        lost = sum(
            air.lost for attached in home.service.attached for air in (attached.up, attached.down)
        )
        return (
            good and values["response_code"] == 0 and version == _V110,
            f"CS09, signed by the device, after its trial: {version_text(version)} runs\n"
            f"{lost} of {sent} frames were lost",
        )

    story.step("the PPMID has reported by itself meanwhile", play)


def _kept(story: Story, home: Home) -> None:
    def play() -> tuple[bool, str]:
        home.service.close()
        home.switch.reconnect()
        answer = home.switch.ask("schedule")
        return _SCHEDULE in answer, answer

    story.step("the load switch has its schedule still", play)
