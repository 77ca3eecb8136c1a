"""CS06 and CS08 on a device: who may send them, when they are done, and what is answered."""

from __future__ import annotations

import pytest
from cells import finish
from home import SUPPLIER_EUI, V1, V11, V12, Home, Household, build

from hanboot.gbcs import codec
from hanboot.hub.ota import Phase
from hanboot.image.ota_file import Image
from hanbootloader import reasons
from hanbootloader.han.gbcs import clock
from hanbootloader.han.gbcs.message import COMMAND, Message
from hanbootloader.image.cbor import encode as cbor_encode

HOUR, DAY = 3600, 86_400


def received(home: Home, **more) -> tuple[Household, Image]:
    """An HCALCS that holds an image for activation."""
    device = home.hcalcs(**more)
    device.install(build(home.people, V1, signed=True))
    image = build(home.people, V11, (V1,), signed=True)
    home.offer(device, image, None)
    assert home.run(600, lambda: home.state(device).phase == Phase.RECEIVED)
    home.run(20)
    home.messages.clear()
    return device, image


def settle(home: Home, device: Household) -> str:
    """Lets the command under way be delivered; "delivered" or "refused"."""
    mail = home.hub.mail[device.board.serial]
    before = len(mail.settled)
    assert home.run(600, lambda: len(mail.settled) > before)
    return mail.settled[-1].state


def answers(home: Home, device: Household) -> list[tuple[int, dict]]:
    """(message code, payload) of what the device has sent, after a while."""
    home.run(60)
    found = [codec.decode(octets) for eui, octets in home.messages if eui == device.board.serial]
    return [(one.message.code, one.values) for one in found]


CHANGES = (
    ({"recipient": bytes(8)}, reasons.MESSAGE_RECIPIENT),
    ({"originator": bytes(8)}, reasons.MESSAGE_ORIGINATOR),
    ({"originator": bytes.fromhex("90b3d51f30020000")}, reasons.MESSAGE_ORIGINATOR),
    ({"payload": b"\x05\x00"}, reasons.MESSAGE_PAYLOAD),
    ({"counter": 1}, reasons.MESSAGE_COUNTER),
)


class TestWhoMayCommand:
    """Each refusal has a reason of its own, and leaves nothing behind."""

    @pytest.mark.parametrize(("changes", "reason"), CHANGES)
    def test_refused(self, home: Home, changes, reason: int) -> None:
        device, image = received(home)
        if "counter" in changes:
            home.send(device, home.cs06(device, bytes(32), counter=500))
            settle(home, device)
            home.run(20)
            home.messages.clear()
        before = bytes(device.board.flash.cells)
        home.send(device, home.cs06(device, image.image_hash, **changes))
        assert settle(home, device) == "refused"
        assert device.node.mail.last_reason == reason
        assert answers(home, device) == []
        # nothing is stored
        assert bytes(device.board.flash.cells) == before
        assert device.version == V1

    def test_other_signer(self, home: Home) -> None:
        device, image = received(home)
        home.send(device, home.cs06(device, image.image_hash, signer=home.people.stranger))
        assert settle(home, device) == "refused"
        assert device.node.mail.last_reason == reasons.MESSAGE_SIGNATURE

    def test_other_mac(self, home: Home) -> None:
        device, image = received(home)
        home.send(device, home.cs06(device, image.image_hash, maced_by=home.people.stranger))
        assert settle(home, device) == "refused"
        assert device.node.mail.last_reason == reasons.MESSAGE_MAC

    def test_trailing_octets_and_cuts(self, home: Home) -> None:
        device, image = received(home)
        good = home.cs06(device, image.image_hash)
        for bad in (good + b"\0", good[:-1], good[1:], b"\xdd", bytes(20)):
            home.send(device, bad)
            assert settle(home, device) == "refused"
            assert device.node.mail.last_reason == reasons.MESSAGE_FORMAT
        # the link is alive, and the command was never seen
        home.send(device, good)
        assert settle(home, device) == "delivered"

    def test_counter_in_the_payload(self, home: Home) -> None:
        """It must be that of the message."""
        device, image = received(home)
        command = codec.decode(home.cs06(device, image.image_hash, counter=2000))
        values = command.values | {"counter": 2001}
        payload = command.use_case.encode(values)
        home.send(device, home.cs06(device, image.image_hash, counter=2000, payload=payload))
        assert settle(home, device) == "refused"
        assert device.node.mail.last_reason == reasons.MESSAGE_PAYLOAD

    def test_other_use_cases(self, home: Home) -> None:
        """Signed and MACed as they should be: this device does not serve them."""
        device, image = received(home)
        before = bytes(device.board.flash.cells)
        for code in (0x0059, 0x0084, 0x012B):  # ECS52, GCS38, CS09
            command = Message(
                COMMAND, code, home.next_counter(), SUPPLIER_EUI, device.board.serial, b"\x05\x00"
            )
            command.signature = home.people.supplier.sign(command.signed_octets())
            home.send(device, home.with_mac(command, home.people.broker))
            assert settle(home, device) == "refused"
            assert device.node.mail.last_reason == reasons.MESSAGE_USE_CASE
        assert bytes(device.board.flash.cells) == before
        home.send(device, home.cs06(device, image.image_hash))
        assert settle(home, device) == "delivered"

    @pytest.mark.parametrize("kind", ["ppmid", "ihd"])
    def test_no_activation_where_the_hub_gives_the_time(self, home: Home, kind: str) -> None:
        device = getattr(home, kind)()
        device.install(build(home.people, V1))
        image = build(home.people, V11, (V1,))
        home.offer(device, image, DAY)
        assert home.run(600, lambda: home.state(device).phase == Phase.SCHEDULED)
        home.send(device, home.cs06(device, image.image_hash))
        assert settle(home, device) == "refused"
        assert device.node.mail.last_reason == reasons.MESSAGE_USE_CASE
        home.run(60)
        assert device.version == V1
        # a question for its version is another matter
        home.send(device, home.cs08(device))
        assert settle(home, device) == "delivered"

    def test_other_protection(self, home: Home) -> None:
        """CS06 without a signature, or without a MAC; CS08 with a signature."""
        device, image = received(home)
        before = bytes(device.board.flash.cells)
        unsigned = codec.decode(home.cs06(device, image.image_hash)).message
        unsigned.signature = b""
        no_mac = codec.decode(home.cs06(device, image.image_hash)).message
        no_mac.mac = None
        signed = codec.decode(home.cs08(device)).message
        signed.signature = home.people.supplier.sign(signed.signed_octets())
        for octets in (
            home.with_mac(unsigned, home.people.broker),
            no_mac.encode(),
            home.with_mac(signed, home.people.broker),
        ):
            home.send(device, octets)
            assert settle(home, device) == "refused"
            assert device.node.mail.last_reason == reasons.MESSAGE_PROTECTION
        assert bytes(device.board.flash.cells) == before

    def test_replay(self, home: Home) -> None:
        """Also after a restart; also of a command that was refused by its content."""
        device, _ = received(home)
        command = home.cs06(device, bytes(32))
        home.send(device, command)
        assert settle(home, device) == "delivered"
        device.restart()
        home.run(100)
        home.send(device, command)
        assert settle(home, device) == "refused"
        assert device.node.mail.last_reason == reasons.MESSAGE_COUNTER

    def test_every_bit(self, home: Home) -> None:
        """One changed bit anywhere: refused, and nothing stored."""
        device, image = received(home)
        good = home.cs06(device, image.image_hash)
        before = bytes(device.board.flash.cells)
        verdicts = set()
        for bit in range(0, 8 * len(good), 7):  # every octet, each bit in turn
            bad = bytearray(good)
            bad[bit // 8] ^= 1 << bit % 8
            results: list[int] = []
            device.node.mail.on_transfer(bytes(bad), results.append)
            while not results:
                device.node.mail.poll(device.node._now)
            assert results == [1], bit
            verdicts.add(device.node.mail.last_reason)
        assert bytes(device.board.flash.cells) == before
        assert verdicts >= {reasons.MESSAGE_FORMAT, reasons.MESSAGE_SIGNATURE, reasons.MESSAGE_MAC}

    def test_without_the_broker(self, home: Home) -> None:
        """A product refuses; a development board goes by the signature, and says so."""
        device, image = received(home, has_broker=False)
        home.send(device, home.cs06(device, image.image_hash))
        assert settle(home, device) == "refused"
        assert device.node.mail.last_reason == reasons.BROKER_MISSING
        for tier in ("stock", "partitioned"):
            device.board.tier = tier
            home.send(device, home.cs06(device, image.image_hash))
            assert settle(home, device) == "refused"
        device.board.tier = "development"
        home.send(device, home.cs06(device, image.image_hash))
        assert settle(home, device) == "delivered"
        # a message with a MAC alone has nothing to go by
        home.run(60)
        home.send(device, home.cs08(device))
        assert settle(home, device) == "refused"
        assert device.node.mail.last_reason == reasons.BROKER_MISSING


class TestOutcomes:
    """noImageHeld, hashMismatch, activationFailure: as GBCS 11.5 says."""

    def test_no_image(self, home: Home) -> None:
        device = home.hcalcs()
        device.install(build(home.people, V1, signed=True))
        home.send(device, home.cs06(device, bytes(32)))
        assert settle(home, device) == "delivered"
        assert answers(home, device) == [(0x0012, {"response_code": 1, "version": V1})]
        assert device.device.ledger.last_event()[1].reason == reasons.NO_IMAGE_HELD

    def test_mismatch(self, home: Home) -> None:
        device, _ = received(home)
        home.send(device, home.cs06(device, bytes(32)))
        assert answers(home, device) == [(0x0012, {"response_code": 2, "version": V1})]
        assert device.device.ledger.last_event()[1].reason == reasons.HASH_MISMATCH

    def test_no_longer_allowed(self, home: Home) -> None:
        """What runs has changed since the image was received: by cable, here."""
        device, image = received(home)
        held = device.device.ledger
        held.slots[held.confirmed()].file_version = V12
        home.send(device, home.cs06(device, image.image_hash))
        assert settle(home, device) == "delivered"
        ((_, values),) = answers(home, device)
        assert values["response_code"] == 3
        assert held.last_event()[1].reason == reasons.NO_LONGER_ALLOWED

    def test_read_version(self, home: Home) -> None:
        """CS08, MACed both ways, for the supplier through the broker."""
        device = home.ppmid()
        device.install(build(home.people, V1))
        home.send(device, home.cs08(device))
        assert settle(home, device) == "delivered"
        ((code, values),) = answers(home, device)
        assert (code, values) == (0x0129, {"version": V1, "response_code": 0})
        message = codec.decode(home.messages[-1][1]).message
        assert message.party == (SUPPLIER_EUI, 5)
        from hanbootloader.han.gbcs import mac

        secret = home.people.broker.agree(home.people.agreement.public)
        assert mac.is_right(secret, message)


class TestDates:
    """An activation at a date: accepted at once, done then, reported by an alert."""

    def armed(self, home: Home, in_s: int = 2 * HOUR, **more):
        device, image = received(home, **more)
        when = home.utc() + in_s
        counter = home.next_counter()
        home.send(device, home.cs06(device, image.image_hash, when, counter))
        assert settle(home, device) == "delivered"
        assert answers(home, device) == [(0x0012, {})]
        home.messages.clear()
        return device, image, when, counter

    def alert(self, home: Home, device: Household) -> dict:
        ((code, values),) = answers(home, device)
        assert code == 0x00CA
        return values

    def test_done(self, home: Home) -> None:
        device, _, when, counter = self.armed(home)
        assert not home.run(2 * HOUR - 100, lambda: device.version == V11)
        assert home.run(100, lambda: device.version == V11)
        values = self.alert(home, device)
        assert (values["alert_code"], values["counter"]) == (0x8F66, counter)
        assert values["outcome"] == {"response_code": 0, "version": V11}
        assert abs(clock.seconds_of(values["time"]) - when) < 60

    def test_reverted(self, home: Home) -> None:
        device, _, _, _ = self.armed(home)
        device.trial_passes = False
        home.run(3 * HOUR)
        values = self.alert(home, device)
        assert values["alert_code"] == 0x8F67
        assert values["outcome"] == {"response_code": 3, "version": V1}

    def test_over_restarts(self, home: Home) -> None:
        """Also one that takes longer than the activation's date."""
        device, _, _, _ = self.armed(home)
        device.restart()
        assert not home.run(HOUR, lambda: device.version == V11)
        home.households.remove(device)
        home.run(2 * HOUR)
        home.households.append(device)
        device.restart()
        assert home.run(600, lambda: device.version == V11)
        assert self.alert(home, device)["alert_code"] == 0x8F66

    def test_cancelled(self, home: Home) -> None:
        device, image, _, _ = self.armed(home)
        home.send(device, home.cs06(device, image.image_hash, clock.CANCELLED))
        assert settle(home, device) == "delivered"
        assert answers(home, device) == [(0x0012, {})]
        assert device.node.records.activation() is None
        home.run(DAY)
        assert device.version == V1
        # and given again
        home.messages.clear()
        home.send(device, home.cs06(device, image.image_hash, home.utc() + 600))
        assert home.run(700, lambda: device.version == V11)

    def test_replaced(self, home: Home) -> None:
        device, image, when, _ = self.armed(home)
        home.send(device, home.cs06(device, image.image_hash, when + DAY))
        assert settle(home, device) == "delivered"
        assert not home.run(DAY, lambda: device.version == V11)
        assert home.run(3 * HOUR, lambda: device.version == V11)

    def test_other_image_by_then(self, home: Home) -> None:
        """What is held at the date counts: another image is a mismatch."""
        device, _, _, _ = self.armed(home)
        home.offer(device, build(home.people, V12, (V1,), signed=True), None)
        assert home.run(600, lambda: home.state(device).phase == Phase.RECEIVED)
        home.run(60)
        home.messages.clear()
        home.run(2 * HOUR)
        values = self.alert(home, device)
        assert (values["alert_code"], values["outcome"]["response_code"]) == (0x8F67, 2)

    def test_past(self, home: Home) -> None:
        device, image = received(home)
        home.send(device, home.cs06(device, image.image_hash, home.utc() - 10))
        assert answers(home, device) == [(0x0012, {"response_code": 3, "version": V1})]
        assert device.device.ledger.verdict().reason == reasons.TIME_PAST
        home.run(DAY)
        assert device.version == V1

    def test_no_time(self, home: Home) -> None:
        home.settings.has_time = False
        device, image = received(home)
        home.send(device, home.cs06(device, image.image_hash, home.utc() + 600))
        assert answers(home, device) == [(0x0012, {"response_code": 3, "version": V1})]
        assert device.device.ledger.verdict().reason == reasons.TIME_UNKNOWN


class TestClock:
    """The hub's clock is not to be trusted with an activation."""

    def armed(self, home: Home, in_s: int = 5 * DAY):
        return TestDates().armed(home, in_s)

    def test_forward(self, home: Home) -> None:
        """Set past the date: not activated, and the supplier learns of it."""
        device, _, _, _ = self.armed(home)
        home.settings.time_offset_s = 10 * DAY
        home.run(3 * HOUR)
        assert device.version == V1
        values = TestDates().alert(home, device)
        assert values["alert_code"] == 0x8F67
        assert values["outcome"] == {"response_code": 3, "version": V1}
        assert device.device.ledger.verdict().reason == reasons.CLOCK_LEAPT
        # the right time again: the activation is gone, and stays so
        home.settings.time_offset_s = 0
        home.run(7 * DAY, step_ms=2000)
        assert device.version == V1

    def test_forward_for_a_moment(self, home: Home) -> None:
        """One wrong reading among right ones changes nothing."""
        device, _, _, _ = self.armed(home)
        home.settings.time_offset_s = 10 * DAY
        home.run(70)
        home.settings.time_offset_s = 0
        home.run(HOUR)
        assert device.node.records.activation() is not None
        assert home.run(5 * DAY, lambda: device.version == V11, step_ms=2000)

    def test_forward_over_a_restart(self, home: Home) -> None:
        device, _, _, _ = self.armed(home)
        home.settings.time_offset_s = 10 * DAY
        device.restart()
        home.run(3 * HOUR)
        assert device.version == V1
        assert TestDates().alert(home, device)["alert_code"] == 0x8F67

    def test_back(self, home: Home) -> None:
        """The date comes when the time that counts has come to it; once."""
        device, _, _, _ = self.armed(home, HOUR)
        home.settings.time_offset_s = -DAY
        assert not home.run(23 * HOUR, lambda: device.version == V11, step_ms=1000)
        assert home.run(3 * HOUR, lambda: device.version == V11)
        assert len(answers(home, device)) == 1
        home.messages.clear()
        home.settings.time_offset_s = -2 * DAY
        home.run(4 * DAY, step_ms=2000)
        assert answers(home, device) == []

    def test_small_corrections(self, home: Home) -> None:
        device, _, _, _ = self.armed(home, HOUR)
        home.settings.time_offset_s = 300
        assert home.run(HOUR - 200, lambda: device.version == V11)


def test_keys_are_not_in_any_reply(home: Home) -> None:
    """Whatever group 65 and the network say, no private key is in it."""
    from hanbootloader.link.console import ConsoleServer

    device = home.ppmid()
    device.board.tier = "development"
    console = ConsoleServer(device.device, device.installer, lambda: False)
    groups = console._dispatcher._groups
    from home import scalar

    from hanbootloader.link.smp import READ, Request

    replies = b""
    for commands in groups.values():
        for read, _ in commands.values():
            if read is None:
                continue
            for fields in ({}, {"usage": 0}, {"usage": 4}, {"d": "x"}):
                try:
                    reply = read(Request(READ, fields))
                    if not isinstance(reply, dict):
                        reply = finish(reply)
                except Exception:
                    continue
                replies += cbor_encode(reply)
    assert len(replies) > 500
    for key in (home.people.signing, home.people.agreement):
        assert scalar(key) not in replies
        assert key.public.point in replies
