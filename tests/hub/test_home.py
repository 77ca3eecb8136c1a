"""A hub and devices in one home, on the device's code: how an upgrade goes, and what comes back."""

from __future__ import annotations

import pytest
from home import BROKER_EUI, SUPPLIER_EUI, V1, V2, V11, Home, build, eui_of

from hanboot.gbcs import codec
from hanboot.hub.air import Weather
from hanboot.hub.hub import Settings
from hanboot.hub.ota import Pacing, Phase, TransferEnd
from hanboot.image import ota_file
from hanbootloader import reasons
from hanbootloader.han import ota_cluster, zcl

HOUR, DAY = 3600, 86_400


def decoded(home: Home, eui: bytes) -> list[codec.Decoded]:
    """The messages of a device, in the order of their arrival."""
    return [codec.decode(octets) for sender, octets in home.messages if sender == eui]


def texts(home: Home, eui: bytes) -> list[tuple[str, dict]]:
    return [(one.use_case.name, one.values) for one in decoded(home, eui)]


def check_signed(home: Home, message: codec.Decoded) -> None:
    key, signature = home.people.signing.public, bytes(message.message.signature)
    assert key.is_signature(message.message.signed_octets(), signature)


class TestPpmid:
    """No supplier's signature; the hub gives the time; CS09 comes back."""

    def test_upgrade(self, home: Home) -> None:
        device = home.ppmid()
        device.install(build(home.people, V1))
        image = build(home.people, V11, (V1,))
        home.offer(device, image, 120)
        state = home.state(device)
        assert home.run(600, lambda: state.phase == Phase.SCHEDULED)
        assert (device.version, state.position) == (V1, len(image.octets))
        # what was sent, and no octet twice: the line is good
        assert state.data_octets == len(image.octets)
        assert not home.run(110, lambda: device.version == V11)
        assert home.run(20, lambda: device.version == V11)
        eui = device.board.serial
        assert home.run(60, lambda: decoded(home, eui))
        (alert,) = decoded(home, eui)
        assert (alert.use_case.name, alert.message.recipient) == ("CS09", BROKER_EUI)
        assert alert.values["alert_code"] == 0x8F8B
        assert (alert.values["version"], alert.values["response_code"]) == (V11, 0)
        check_signed(home, alert)
        # the hub has learnt the version by itself, and said how the transfer went
        assert home.run(HOUR, lambda: state.phase == Phase.RUNNING)
        assert (state.version, state.ended) == (V11, [TransferEnd.SUCCESS])
        ((name, values),) = texts(home, home.settings.eui)
        assert (name, values["response_code"], values["target"]) == ("CCS08", 0, eui)

    def test_trial_fails(self, home: Home) -> None:
        """The alert comes after the revert, with the version that runs."""
        device = home.ppmid()
        device.install(build(home.people, V1))
        device.trial_passes = False
        home.offer(device, build(home.people, V11, (V1,)))
        eui = device.board.serial
        assert home.run(600, lambda: decoded(home, eui))
        (alert,) = decoded(home, eui)
        assert (alert.values["version"], alert.values["response_code"]) == (V1, 1)
        assert device.version == V1

    def test_daily_report(self, home: Home) -> None:
        """The device reports its version once a day, by itself, at a time of its own."""
        for number in (1, 2):
            home.ppmid(number).install(build(home.people, V1))
        home.run(120)
        firsts = [home.hub.device(eui_of(number)).queried_at for number in (1, 2)]
        assert None not in firsts
        assert abs(firsts[0] - firsts[1]) > 1
        home.run(3 * DAY, step_ms=2000)
        for number in (1, 2):
            reported = [version for eui, version in home.hub.reports if eui == eui_of(number)]
            assert reported == [V1] * len(reported)
            assert len(reported) in (3, 4)

    def test_versions_forwarded_alone(self, monkeypatch) -> None:
        home = Home(monkeypatch, Settings(keeps_versions=False))
        device = home.ppmid()
        device.install(build(home.people, V1))
        assert home.run(HOUR, lambda: home.hub.reports)
        assert (home.hub.reports, home.state(device).version) == ([(eui_of(1), V1)], None)


class TestIhd:
    """As a PPMID, which goes beyond SECMP0007 (docs/reference/han.md)."""

    def test_upgrade(self, home: Home) -> None:
        device = home.ihd()
        device.install(build(home.people, V1))
        home.offer(device, build(home.people, V11, (V1,)))
        eui = device.board.serial
        assert home.run(600, lambda: device.version == V11)
        assert home.run(60, lambda: decoded(home, eui))
        (alert,) = decoded(home, eui)
        assert (alert.use_case.name, alert.message.recipient) == ("CS09", BROKER_EUI)
        assert (alert.values["version"], alert.values["response_code"]) == (V11, 0)
        check_signed(home, alert)

    def test_wrong_predecessor(self, home: Home) -> None:
        device = home.ihd()
        device.install(build(home.people, V1))
        home.offer(device, build(home.people, V2, (V11,)))
        state = home.state(device)
        assert home.run(600, lambda: state.accepts_version is not None)
        assert (state.phase, state.reason) == (Phase.REFUSED, reasons.NOT_A_PREDECESSOR)
        assert state.accepts_version == V11
        assert state.data_octets <= 4096
        assert device.version == V1

    def test_a_supplier_may_sign_it(self, home: Home) -> None:
        """The signature is not needed; where it is there, a wrong one refuses the image."""
        device = home.ihd()
        device.install(build(home.people, V1))
        image = build(home.people, V11, (V1,), signed=True)
        spoiled = bytearray(image.octets)
        spoiled[-1] ^= 1
        home.offer(device, ota_file.load(bytes(spoiled)))
        state = home.state(device)
        assert home.run(600, lambda: state.reason)
        assert (state.reason, device.version) == (reasons.SUPPLIER_SIGNATURE, V1)
        home.offer(device, image)
        assert home.run(600, lambda: device.version == V11)

    def test_the_hub_gives_the_time(self, home: Home) -> None:
        device = home.ihd()
        device.install(build(home.people, V1))
        image = build(home.people, V11, (V1,))
        home.offer(device, image, HOUR)
        assert home.run(600, lambda: home.state(device).phase == Phase.SCHEDULED)
        home.run(HOUR - 700)
        assert device.version == V1
        assert home.run(HOUR, lambda: device.version == V11)


class TestHcalcs:
    """The supplier's signature, a receipt, and activation by CS06 alone."""

    def received(self, home: Home, **more):
        device = home.hcalcs(**more)
        device.install(build(home.people, V1, signed=True))
        image = build(home.people, V11, (V1,), signed=True)
        home.offer(device, image, None)
        assert home.run(600, lambda: home.state(device).phase == Phase.RECEIVED)
        return device, image

    def test_receipt(self, home: Home) -> None:
        device, image = self.received(home)
        eui = device.board.serial
        assert home.run(60, lambda: decoded(home, eui))
        (alert,) = decoded(home, eui)
        assert (alert.message.code, alert.message.recipient) == (0x00CE, SUPPLIER_EUI)
        assert alert.values["alert_code"] == 0x8F72
        assert alert.values["image_hash"] == image.image_hash
        check_signed(home, alert)

    def test_wrong_signature(self, home: Home) -> None:
        device = home.hcalcs()
        device.install(build(home.people, V1, signed=True))
        home.people.supplier, right = home.people.stranger, home.people.supplier
        image = build(home.people, V11, (V1,), signed=True)
        home.people.supplier = right
        home.offer(device, image, None)
        state = home.state(device)
        assert home.run(600, lambda: state.reason)
        assert (state.phase, state.reason) == (Phase.REFUSED, reasons.SUPPLIER_SIGNATURE)
        assert home.run(60, lambda: decoded(home, device.board.serial))
        assert decoded(home, device.board.serial)[0].values["alert_code"] == 0x8F1C
        assert device.device.ledger.held() == -1

    def test_no_time_of_the_hub_activates(self, home: Home) -> None:
        device, image = self.received(home)
        home.offer(device, image, 0)
        home.run(2 * DAY, step_ms=2000)
        assert device.version == V1

    def test_activation(self, home: Home) -> None:
        device, image = self.received(home)
        home.run(10)
        home.messages.clear()
        counter = home.next_counter()
        home.send(device, home.cs06(device, image.image_hash, counter=counter))
        assert home.run(60, lambda: device.version == V11)
        # nothing was said before the trial's end
        assert home.run(60, lambda: texts(home, device.board.serial))
        (response,) = decoded(home, device.board.serial)
        assert response.values == {"response_code": 0, "version": V11}
        assert response.message.counter == counter
        assert (response.message.recipient, len(response.message.date_time)) == (SUPPLIER_EUI, 12)
        check_signed(home, response)
        assert home.hub.mail[device.board.serial].settled[0].state == "delivered"

    def test_reverted(self, home: Home) -> None:
        device, image = self.received(home)
        home.run(10)
        home.messages.clear()
        device.trial_passes = False
        home.send(device, home.cs06(device, image.image_hash))
        assert home.run(120, lambda: texts(home, device.board.serial))
        ((_, values),) = texts(home, device.board.serial)
        assert values == {"response_code": 3, "version": V1}

    def test_outcomes_wait_for_the_hub(self, home: Home) -> None:
        """While no frame arrives and over restarts; then once."""
        device, image = self.received(home)
        home.run(10)
        home.messages.clear()
        home.send(device, home.cs06(device, image.image_hash))
        assert home.run(60, lambda: device.version == V11)
        receive = home.hub.receive
        home.hub.receive = lambda *frame: None
        home.run(HOUR)
        device.restart()
        home.run(HOUR)
        assert home.messages == []
        home.hub.receive = receive
        assert home.run(2 * HOUR, lambda: texts(home, device.board.serial))
        home.run(2 * HOUR)
        assert len(texts(home, device.board.serial)) == 1
        assert device.node.records.outcomes() == []


class TestRefusal:
    def test_wrong_predecessor(self, home: Home) -> None:
        """Within 4 KiB of the file, with the reason and the remedy at the hub."""
        device = home.ppmid()
        device.install(build(home.people, V1))
        image = build(home.people, V2, (V11,), payload_bytes=14_000)
        home.offer(device, image)
        state = home.state(device)
        assert home.run(600, lambda: state.reason)
        assert (state.phase, state.reason) == (Phase.REFUSED, reasons.NOT_A_PREDECESSOR)
        assert state.accepts_version == V11
        assert state.data_octets < 4096
        assert state.ended == [TransferEnd.FILE_TRANSFER_FAILURE]
        # nothing more is sent, however long
        home.run(3 * DAY, step_ms=2000)
        assert state.data_octets < 4096
        assert device.device.ledger.verdict().reason == reasons.NOT_A_PREDECESSOR

    def test_after_the_intermediate_it_is_taken(self, home: Home) -> None:
        device = home.ppmid()
        device.install(build(home.people, V1))
        v2 = build(home.people, V2, (V11,))
        home.offer(device, v2)
        assert home.run(600, lambda: home.state(device).reason)
        home.offer(device, build(home.people, V11, (V1,)))
        assert home.run(600, lambda: device.version == V11)
        home.offer(device, v2)
        assert home.run(600, lambda: device.version == V2)

    def test_it_runs_already(self, home: Home) -> None:
        """Nothing is sent; the hub drops the image, and says so once."""
        device = home.ppmid()
        image = build(home.people, V1)
        device.install(image)
        home.offer(device, image)
        state = home.state(device)
        assert home.run(600, lambda: state.ended)
        home.run(3 * DAY, step_ms=2000)
        assert (state.phase, state.offer, state.data_octets) == (Phase.RUNNING, None, 0)
        assert state.ended == [TransferEnd.IMAGE_DISCARDED]
        ((name, values),) = texts(home, home.settings.eui)
        assert (name, values["response_code"], values["version"]) == ("CCS08", 1, V1)

    def test_hardware(self, home: Home) -> None:
        """The hub compares the range in the header with the version in the query."""
        device = home.ppmid()
        device.install(build(home.people, V1))
        home.offer(device, build(home.people, V11, (V1,), hardware=(0x0200, 0x02FF)))
        state = home.state(device)
        assert home.run(600, lambda: state.ended)
        assert state.ended == [TransferEnd.HARDWARE_VERSION_MISMATCH]
        assert (state.phase, state.data_octets) == (Phase.HARDWARE, 0)

    def test_too_large(self, home: Home) -> None:
        device = home.ppmid()
        device.install(build(home.people, V1))
        home.offer(device, build(home.people, V11, (V1,), payload_bytes=30_000))
        state = home.state(device)
        assert home.run(600, lambda: state.phase == Phase.REFUSED)
        assert state.data_octets == 0


WEATHERS = (
    Weather(loss=0.05),
    Weather(loss=0.3, delay_s=0.5),
    Weather(duplicates=0.5, reorder=0.3, delay_s=0.3),
    Weather(loss=0.1, duplicates=0.2, reorder=0.2, delay_s=1.5),
)


@pytest.mark.parametrize("weather", WEATHERS)
@pytest.mark.parametrize("seed", [1, 2])
def test_bad_line(monkeypatch, weather: Weather, seed: int) -> None:
    home = Home(monkeypatch, weather=weather, seed=seed)
    device = home.ppmid()
    device.install(build(home.people, V1))
    home.offer(device, build(home.people, V11, (V1,), payload_bytes=2500))
    assert home.run(DAY, lambda: device.version == V11), home.state(device)
    assert home.run(HOUR, lambda: decoded(home, device.board.serial))
    home.run(HOUR)
    assert len(decoded(home, device.board.serial)) == 1


@pytest.mark.parametrize("share", [0.15, 0.5, 0.85, 0.99])
def test_restart_in_the_middle(monkeypatch, share: float) -> None:
    """The transfer goes on at the last whole sector: at most 4 KiB are fetched twice."""
    home = Home(monkeypatch)
    device = home.ppmid()
    device.install(build(home.people, V1))
    image = build(home.people, V11, (V1,), payload_bytes=14_000)
    home.offer(device, image)
    state = home.state(device)
    size = len(image.octets)
    assert home.run(600, lambda: device.node.client.position > share * size)
    fetched = state.data_octets
    device.restart()
    # the device asks by itself, a while after its start
    assert home.run(600, lambda: device.version == V11)
    assert state.data_octets - size <= min(fetched, 4096 + 60 + 50)


def test_pacing(monkeypatch) -> None:
    """The hub holds the transfer back, and then asks for a pause between blocks."""
    home = Home(monkeypatch, Settings(pacing=Pacing(block_period_ms=500, hold_s=300)))
    device = home.ppmid()
    device.install(build(home.people, V1))
    image = build(home.people, V11, (V1,), payload_bytes=2000)
    home.offer(device, image)
    assert not home.run(299, lambda: home.state(device).data_octets)
    began = home.ms
    assert home.run(600, lambda: device.node.client.status > ota_cluster.DOWNLOADING)
    assert home.ms - began >= 500 * (len(image.octets) // 50)


def test_attributes(home: Home) -> None:
    """A hub reads how far a client is."""
    device = home.ppmid()
    device.install(build(home.people, V1))
    image = build(home.people, V11, (V1,))
    home.offer(device, image)
    assert home.run(600, lambda: device.node.client.position > 1000)
    node = device.node
    read = zcl.Frame(True, True, 9, zcl.READ_ATTRIBUTES, zcl.encode_read(tuple(range(0x000E))))
    hub = home.settings.eui
    device.radio.inbox.append((hub, zcl.OTA_CLUSTER, False, memoryview(read.encode())))
    device.radio.outbox.clear()
    node.poll()
    answer = zcl.parse(device.radio.outbox[0][2])
    values = zcl.parse_read_response(answer.payload)
    assert values[ota_cluster.UPGRADE_SERVER_ID] == hub
    assert values[ota_cluster.FILE_OFFSET] == node.client.position
    assert values[ota_cluster.CURRENT_FILE_VERSION] == V1
    assert values[ota_cluster.IMAGE_UPGRADE_STATUS] == ota_cluster.DOWNLOADING
    assert values[ota_cluster.DOWNLOADED_FILE_VERSION] == 0xFFFFFFFF
    assert values[ota_cluster.IMAGE_TYPE_ID] == 0x0005
    assert ota_cluster.IMAGE_STAMP not in values
