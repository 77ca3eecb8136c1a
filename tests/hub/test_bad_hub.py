"""Hubs that lie, hubs that compete, power that fails: the device refuses, and goes on."""

from __future__ import annotations

import pytest
from cells import finish
from home import V1, V11, Home, Household, build
from ramboard import PowerCut

from hanboot.hub.hub import OutgoingFrame
from hanboot.hub.ota import Phase
from hanbootloader import reasons
from hanbootloader.han import key_making, ota_cluster, zcl
from hanbootloader.store import ledger

HOUR, DAY = 3600, 86_400


def ready(home: Home, payload_bytes: int = 3000) -> tuple[Household, bytes]:
    device = home.ppmid()
    device.install(build(home.people, V1))
    home.offer(device, build(home.people, V11, (V1,), payload_bytes=payload_bytes))
    return device, device.board.serial


def lying(command: int, change):
    """Changes the values of a command on its way to the device; `change` may return None."""

    def meddle(frame: OutgoingFrame) -> list[OutgoingFrame]:
        parsed = zcl.parse(frame.octets)
        if frame.cluster != zcl.OTA_CLUSTER or parsed.is_global or parsed.command != command:
            return [frame]
        values = {
            name: bytes(value) if isinstance(value, memoryview) else value
            for name, value in ota_cluster.parse(command, parsed.payload).items()
        }
        changed = change(values)
        if changed is None:
            return []
        payload = changed if isinstance(changed, bytes) else ota_cluster.encode(command, changed)
        made = zcl.Frame(False, True, parsed.sequence, command, payload)
        return [OutgoingFrame(frame.cluster, made.encode())]

    return meddle


QUERY, BLOCK = ota_cluster.QUERY_NEXT_IMAGE_RESPONSE, ota_cluster.IMAGE_BLOCK_RESPONSE


def in_success(**changes):
    def change(values):
        if values["status"] != zcl.SUCCESS:
            return values
        return values | {
            name: value(values) if callable(value) else value for name, value in changes.items()
        }

    return change


LIES = {
    "size one less": (QUERY, in_success(image_size=lambda v: v["image_size"] - 1)),
    "size one more": (QUERY, in_success(image_size=lambda v: v["image_size"] + 1)),
    "size of one octet": (QUERY, in_success(image_size=1)),
    "size huge": (QUERY, in_success(image_size=0xFFFFFFFF)),
    "size none": (QUERY, in_success(image_size=0)),
    "another version": (QUERY, in_success(version=V11 + 1)),
    "another type": (QUERY, in_success(image_type=0x0006)),
    "blocks of another version": (BLOCK, in_success(version=V11 + 1)),
    "blocks of another type": (BLOCK, in_success(image_type=0x0006)),
    "blocks of another maker": (BLOCK, in_success(manufacturer=0x1234)),
    "blocks from further on": (BLOCK, in_success(offset=lambda v: v["offset"] + 1)),
    "blocks always the first": (BLOCK, in_success(offset=0)),
    "blocks empty": (BLOCK, in_success(data=b"")),
    "blocks too long": (BLOCK, in_success(data=lambda v: v["data"] + b"\0")),
    "blocks with a tail": (BLOCK, lambda v: ota_cluster.encode(BLOCK, v) + b"\0"),
    "blocks cut": (BLOCK, lambda v: ota_cluster.encode(BLOCK, v)[:-1]),
    "blocks never": (BLOCK, lambda v: None),
    "always wait": (
        BLOCK,
        lambda v: {"status": 0x97, "current_time": 0, "request_time": 3600, "block_period": 0},
    ),
    "data of another file": (BLOCK, in_success(data=lambda v: bytes(len(v["data"])))),
}


@pytest.mark.parametrize("lie", LIES)
def test_lies(home: Home, lie: str) -> None:
    """Nothing is installed, traffic has a bound, and a good hub is served afterwards."""
    device, _ = ready(home)
    home.meddle = lying(*LIES[lie])
    home.run(2 * DAY, step_ms=500)
    assert device.version == V1
    assert device.device.ledger.held() == -1
    # a block is asked for so often at most, also by a device that comes back every hour
    assert home.state(device).requests < 1500, home.state(device).requests
    home.meddle = lambda frame: [frame]
    home.offer(device, build(home.people, V11, (V1,), payload_bytes=3000))
    assert home.run(2 * HOUR, lambda: device.version == V11), lie


def test_ends_early(home: Home) -> None:
    """ABORT in every transfer, at the same place: the device comes back, and gets no further."""
    device, _ = ready(home)
    home.meddle = lying(BLOCK, lambda v: {"status": zcl.ABORT} if v.get("offset", 0) > 500 else v)
    home.run(DAY, step_ms=500)
    assert device.version == V1
    assert home.state(device).requests < 100
    home.meddle = lambda frame: [frame]
    # what has come is not fetched again
    home.offer(device, home.state(device).offer.image)
    assert home.run(2 * HOUR, lambda: device.version == V11)
    assert home.state(device).data_octets < 3000


def test_file_changes_under_one_version(home: Home) -> None:
    """The second file is resumed into the first: fetched anew once, then taken."""
    device, _ = ready(home, 14_000)
    first = home.state(device).offer.image
    assert home.run(600, lambda: device.node.client.position > 9000)
    device.restart()
    second = build(home.people, V11, (V1,), payload_bytes=14_000, seed="second")
    assert len(first.octets) == len(second.octets)
    home.offer(device, second)
    state = home.state(device)
    assert home.run(HOUR, lambda: device.version == V11)
    running = device.device.running()
    assert running.image_hash == second.image_hash
    # once, not in a loop
    assert state.data_octets < 2.2 * len(second.octets)


def test_file_changes_into_one_that_is_refused(home: Home) -> None:
    device, _ = ready(home, 14_000)
    assert home.run(600, lambda: device.node.client.position > 9000)
    device.restart()
    octets = bytearray(home.state(device).offer.image.octets)
    octets[-1] ^= 1
    home.meddle = lying(
        BLOCK,
        in_success(data=lambda v: bytes(octets[v["offset"] :][: len(v["data"])])),
    )
    state = home.state(device)
    assert home.run(HOUR, lambda: state.reason)
    assert state.reason == reasons.PAYLOAD_HASH
    fetched = state.data_octets
    home.run(2 * DAY, step_ms=500)
    assert state.data_octets == fetched


def test_two_hubs(home: Home) -> None:
    """The first wins; the other gets NOT_AUTHORIZED, and changes nothing."""
    device, _ = ready(home)
    assert home.run(600, lambda: device.node.client.position > 500)
    other = bytes.fromhex("00db1234567890bb")
    position = device.node.client.position
    block = {
        "status": 0,
        "manufacturer": 0xFFF0,
        "image_type": 0x0005,
        "version": V11,
        "offset": position,
        "data": bytes(50),
    }
    end = {"manufacturer": 0xFFFF, "image_type": 0xFFFF, "version": 0xFFFFFFFF}
    notify = {"payload_type": 0, "jitter": 100}
    for command, values in (
        (ota_cluster.IMAGE_NOTIFY, notify),
        (BLOCK, block),
        (ota_cluster.UPGRADE_END_RESPONSE, end | {"current_time": 0, "upgrade_time": 0}),
    ):
        frame = zcl.Frame(False, True, 1, command, ota_cluster.encode(command, values))
        for is_broadcast, answers in ((False, 1), (True, 0)):
            device.radio.outbox.clear()
            device.radio.inbox.append(
                (other, zcl.OTA_CLUSTER, is_broadcast, memoryview(frame.encode()))
            )
            device.work()
            to_other = [sent for sent in device.radio.outbox if sent[0] == other]
            assert len(to_other) == answers
            for _, _, octets in to_other:
                refusal = zcl.parse_default_response(zcl.parse(octets).payload)
                assert refusal == (command, zcl.NOT_AUTHORIZED)
    assert device.node.client.position == position
    assert home.run(HOUR, lambda: device.version == V11)


def test_nothing_else_over_the_network(home: Home) -> None:
    """Clusters and commands that a device does not serve are refused, and change nothing."""
    device, _ = ready(home)
    home.run(100)
    before = bytes(device.board.flash.cells)
    for cluster in (0x0000, 0x0003, 0x0019, 0x000A, 0x0704, 0xFC00):
        for command in range(0, 256, 3):
            for is_global in (False, True):
                if is_global and command in (0x00, 0x01, 0x0B):
                    continue
                frame = zcl.Frame(is_global, True, 1, command, bytes(12)).encode()
                device.radio.inbox.append((home.settings.eui, cluster, False, memoryview(frame)))
                device.work()
    assert bytes(device.board.flash.cells) == before


def test_power_cuts(home: Home) -> None:
    """Power fails in each flash operation of a whole upgrade: it comes to its end all the same.

    The security counter, the confirmed image and the outcome are there every time.
    """
    device, eui = ready(home, 5000)
    image = home.state(device).offer.image
    start = bytes(device.board.flash.cells)
    began = device.board.flash.operations
    assert home.run(HOUR, lambda: device.version == V11)
    assert home.run(600, lambda: [one for one in home.messages if one[0] == eui])
    count = device.board.flash.operations - began
    assert count > 40
    for cut in range(0, count, 3):
        home.messages.clear()
        home.hub = home.new_hub()
        device.board.flash.cells[:] = start
        device.board.flash.cut_at = -1
        device.restart()
        home.offer(device, image)
        flash = device.board.flash
        flash.cut_at, flash.cut_bytes = flash.operations + cut, (cut * 37) % 256
        try:
            home.run(HOUR, lambda: device.version == V11 and home.messages[1:])
        except PowerCut:
            flash.cut_at = -1
            device.restart()
        flash.cut_at = -1
        assert home.run(2 * DAY, lambda: device.version == V11), cut
        found = lambda: [one for one in home.messages if one[0] == eui]  # noqa: E731
        assert home.run(2 * HOUR, found), cut
        home.run(HOUR)
        assert len(found()) == 1, cut


def test_power_cuts_of_an_activation_at_a_date(home: Home) -> None:
    """In each flash operation from the command to the report: done at most once, and reported."""
    device = home.hcalcs()
    device.install(build(home.people, V1, signed=True))
    image = build(home.people, V11, (V1,), signed=True, payload_bytes=2000)
    home.offer(device, image, None)
    assert home.run(HOUR, lambda: home.state(device).phase == Phase.RECEIVED)
    home.run(60)
    eui, flash = device.board.serial, device.board.flash
    start = bytes(flash.cells)

    def play(cut: int) -> None:
        home.hub = home.new_hub()
        home.messages.clear()
        flash.cells[:] = start
        flash.cut_at = -1
        device.restart()
        home.run(120)
        flash.cut_at, flash.cut_bytes = flash.operations + cut if cut >= 0 else -1, 5
        command = home.cs06(device, image.image_hash, home.utc() + 1200)
        try:
            home.send(device, command)
            home.run(HOUR)
        except PowerCut:
            flash.cut_at = -1
            device.restart()
        flash.cut_at = -1
        home.run(2 * HOUR)

    began = flash.operations
    play(-1)
    count = flash.operations - began
    assert device.version == V11
    assert count > 15
    for cut in range(count):
        play(cut)
        codes = [octets for sender, octets in home.messages if sender == eui]
        if device.version == V11:
            # the alert came, once
            assert sum(b"\x8f\x66" in octets for octets in codes) == 1, cut
        else:
            # the command was lost before it was accepted: it can be given again
            assert device.node.records.activation() is None, cut
            held = device.device.ledger.held()
            assert device.device.ledger.slots[held].state == ledger.STAGED
            home.send(device, home.cs06(device, image.image_hash))
            assert home.run(HOUR, lambda: device.version == V11), cut


class TestKeys:
    """Made once, before the device is locked; of the chip's randomness and the host's."""

    def blank(self, home: Home):
        device = Household.__new__(Household)
        import ramboard

        board = ramboard.Board()
        board.flash = ramboard.RamFlash(ramboard.SECTORS)
        device.board = board
        return board.device()

    def test_made(self, home: Home) -> None:
        device = self.blank(home)
        keys = device.network.stores.keys
        finish(key_making.make_steps(device, keys, bytes(32)))
        publics = [keys.public(usage) for usage in key_making.USAGES]
        assert len({*publics}) == 2
        # once
        with pytest.raises(reasons.Refused) as refused:
            finish(key_making.make_steps(device, keys, bytes(32)))
        assert refused.value.reason == reasons.KEYS_LOCKED

    def test_both_or_none(self, home: Home) -> None:
        """Wherever power fails, a device has none of its keys, or both: one alone stayed alone."""
        device = self.blank(home)
        keys = device.network.stores.keys
        for _ in key_making.make_steps(device, keys, bytes(32)):
            assert [keys.public(usage) for usage in key_making.USAGES] == [None, None]
        assert None not in [keys.public(usage) for usage in key_making.USAGES]

    def test_one_from_before(self, home: Home) -> None:
        """A device that an earlier version left with one key gets both."""
        device = self.blank(home)
        keys = device.network.stores.keys
        left = (b"\1" * 32, b"\2" * 64)
        keys.keep(key_making.USAGES[0], *left)
        finish(key_making.make_steps(device, keys, bytes(32)))
        publics = [keys.public(usage) for usage in key_making.USAGES]
        assert None not in publics
        assert left[1] not in publics

    def test_locked(self, home: Home) -> None:
        device = home.ppmid(has_keys=False).device
        keys = device.network.stores.keys
        for steps in (
            key_making.make_steps(device, keys, bytes(32)),
            key_making.write_steps(device, keys, [b"\1" * 32, b"\2" * 32]),
        ):
            with pytest.raises(reasons.Refused) as refused:
                finish(steps)
            assert refused.value.reason == reasons.KEYS_LOCKED

    @pytest.mark.parametrize(
        "urandom",
        [
            lambda count: bytes(count),
            lambda count: bytes(range(count)),
            lambda count: b"\1\2\3\4\4\4\4\4" * (count // 8),
        ],
    )
    def test_poor_chip(self, urandom) -> None:
        with pytest.raises(reasons.Refused) as refused:
            key_making.chip_entropy(urandom)
        assert refused.value.reason == reasons.NO_ENTROPY

    def test_certificate_request(self, home: Home) -> None:
        """OpenSSL takes it; SMKI's name of a device is in it."""
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        device = self.blank(home)
        keys = device.network.stores.keys
        finish(key_making.make_steps(device, keys, bytes(32)))
        for usage in key_making.USAGES:
            octets = finish(key_making.certificate_request_steps(device, keys, usage))
            request = x509.load_der_x509_csr(octets)
            assert request.is_signature_valid
            point = request.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
            assert point[1:] == keys.public(usage)
            names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName)
            assert names.critical
            (name,) = names.value
            assert name.type_id.dotted_string == "1.3.6.1.5.5.7.8.4"
            assert name.value.endswith(bytes(device.board.serial))
            assert not list(request.subject)
