"""A board that demands the CPL's signed word on an image that comes by cable."""

from __future__ import annotations

from typing import Any

import flows
import images
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from hanboot.registry.exchange.cpl_entry import encode
from hanboot.trust.keys import PrivateKey
from hanbootloader import cpl_entry, reasons
from hanbootloader.image import cbor, writer
from hanbootloader.install import Installer
from hanbootloader.link import smp
from hanbootloader.link.groups.hanboot import REASON_BASE, HanbootGroup
from hanbootloader.reasons import CPL_ENTRY, CPL_ENTRY_MISSING, NO_IMAGE_HELD, Refused
from hanbootloader.store import ledger

KEY = PrivateKey(ec.generate_private_key(ec.SECP256R1()))
STRANGER = PrivateKey(ec.generate_private_key(ec.SECP256R1()))
MODEL = (images.MANUFACTURER_CODE, images.IMAGE_TYPE, 0x0102)
SHA = b"s" * 32


def content(**changes: Any) -> bytes:
    wanted: dict[str, Any] = {
        "model": MODEL,
        "file_version": images.V1_1,
        "image_hash": images.image_hash("1.1.0"),
        "status": "Active",
        "cpl_entry_id": "PPMID-0002",
        "issued": 1_800_000_000,
    }
    return encode(**(wanted | changes))


def signed(octets: bytes, key: PrivateKey = KEY, kid: bytes = KEY.public.kid) -> bytes:
    return writer.encode_envelope(kid, octets, key.sign(writer.to_be_signed(octets)))


class Cable:
    """A device that demands the entry, and the way to it."""

    def __init__(self, key: bytes | None = KEY.public.point) -> None:
        self.board = flows.board_with("1.0.0")
        self.board.cpl_key = key
        self.restart()

    def restart(self) -> None:
        self.device = flows.start(self.board)[0]
        self.installer = Installer(self.device)

    def give(self, token: object) -> Any:
        group = HanbootGroup(self.device, self.installer)
        request = smp.Request(smp.WRITE, {"entry": memoryview(token)})  # type: ignore[arg-type]
        return flows.finish(group.commands()[9][1](request))  # type: ignore[operator]

    def refusal_of(self, token: bytes) -> int:
        with pytest.raises(smp.SmpError) as raised:
            self.give(token)
        assert raised.value.group == 65
        return raised.value.rc - REASON_BASE

    def upload(self, name: str = "1.1.0") -> int:
        """The verdict."""
        try:
            flows.send(self.installer, images.ota_image(name), sha=SHA)
            flows.verify(self.installer)
        except Refused:
            pass
        verdict = self.device.ledger.verdict()
        assert verdict is not None
        return verdict.reason

    @property
    def state(self) -> int:
        return self.device.ledger.slots[1].state

    def activation(self) -> int:
        try:
            self.installer.activate(images.image_hash("1.1.0"))
        except Refused as refused:
            return refused.reason
        return 0


def test_by_default_no_board_asks() -> None:
    cable = Cable(None)
    assert cable.give(b"whatever") == {"taken": False}
    assert (cable.upload(), cable.activation()) == (0, 0)


def test_an_image_with_its_entry_is_taken() -> None:
    cable = Cable()
    assert cable.give(signed(content())) == {"taken": True}
    assert (cable.upload(), cable.state) == (0, ledger.STAGED)
    assert cable.activation() == 0


def test_without_an_entry_nothing_begins() -> None:
    cable = Cable()
    erased = len(cable.board.flash.erased)
    with pytest.raises(Refused) as raised:
        cable.installer.begin(len(images.ota_image("1.1.0")), SHA)
    assert raised.value.reason == CPL_ENTRY_MISSING
    slot = range(24, 28)
    assert not [sector for sector in cable.board.flash.erased[erased:] if sector in slot]
    assert cable.activation() == NO_IMAGE_HELD


@pytest.mark.parametrize(
    "changes", [{"image_hash": bytes(32)}, {"file_version": images.V1_1 + 1}], ids=str
)
def test_the_entry_of_another_image_will_not_do(changes: dict[str, Any]) -> None:
    cable = Cable()
    cable.give(signed(content(**changes)))
    assert (cable.upload(), cable.state) == (CPL_ENTRY_MISSING, ledger.EMPTY)
    assert cable.activation() == NO_IMAGE_HELD
    # and the right one, given afterwards, lets the image in
    cable.give(signed(content()))
    assert (cable.upload(), cable.state) == (0, ledger.STAGED)


def test_an_activation_asked_for_early_is_not_granted() -> None:
    cable = Cable()
    cable.give(signed(content(image_hash=bytes(32))))
    flows.send(cable.installer, images.ota_image("1.1.0"))
    cable.installer.activate(images.image_hash("1.1.0"))
    flows.verify(cable.installer)
    assert cable.state == ledger.EMPTY


def wrong_tokens() -> dict[str, bytes]:
    fields = cbor.decode(content())
    assert isinstance(fields, dict)
    good = signed(content())
    high = good[:-32] + (ORDER - int.from_bytes(good[-32:], "big")).to_bytes(32, "big")
    tokens = {
        "a stranger's key": signed(content(), STRANGER, STRANGER.public.kid),
        "a stranger's key under the right name": signed(content(), STRANGER),
        "another name": signed(content(), KEY, STRANGER.public.kid),
        "withdrawn": signed(content(status="Withdrawn")),
        "another maker": signed(content(model=(1, *MODEL[1:]))),
        "another image type": signed(content(model=(MODEL[0], 1, MODEL[2]))),
        "another hardware": signed(content(model=(*MODEL[:2], 0x0103))),
        "nothing": b"",
        "cut short": good[:-1],
        "more after it": good + b"\0",
        "too long": signed(content(cpl_entry_id="x" * 400)),
        "the higher s": high,
        "no map": signed(cbor.encode([0] * 30)),
        "keys out of order": signed(b"\xa2\x02\x01\x00\x01" + bytes(24)),
        "the envelope of an image": images.manufacturer_image("1.1.0")[:400],
        "a manifest, by the same key": signed(
            writer.encode_manifest(images.Release(images.V1_1).manifest())
        ),
        "a snapshot, by the same key": signed(
            cbor.encode({0: 1, 2: 1, 4: 2, 6: False, 8: [], 1: "source of the entries"})
        ),
    }
    for key in (0, 2, 4, 6, 8, 10, 12):
        without = {name: value for name, value in fields.items() if name != key}
        tokens[f"no key {key}"] = signed(cbor.encode(without))
        for value in (None, True, -1, 1 << 32, "Active ", b"", []):
            tokens[f"{key}: {value!r}"] = signed(cbor.encode(fields | {key: value}))
    tokens["an unknown even key"] = signed(cbor.encode(fields | {14: 0}))
    tokens["a text as key"] = signed(cbor.encode(fields | {"a": 0}))
    for at in range(0, len(good), 5):
        tokens[f"bit of octet {at}"] = good[:at] + bytes((good[at] ^ 1,)) + good[at + 1 :]
    return tokens


ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def test_what_is_no_entry_is_refused() -> None:
    cable = Cable()
    for name, token in wrong_tokens().items():
        assert (name, cable.refusal_of(token)) == (name, CPL_ENTRY)
    assert cable.upload() == CPL_ENTRY_MISSING


def test_a_refused_entry_leaves_the_one_before() -> None:
    cable = Cable()
    cable.give(signed(content()))
    cable.refusal_of(signed(content(), STRANGER))
    assert cable.upload() == 0


def test_an_unknown_odd_key_is_passed_over() -> None:
    fields = cbor.decode(content())
    assert isinstance(fields, dict)
    assert Cable().give(signed(cbor.encode(fields | {5: "later"}))) == {"taken": True}


@pytest.mark.parametrize(
    "key",
    [b"", bytes(64), b"\xff" * 64, KEY.public.point[:63]],
    ids=["empty", "zero", "beyond the field", "cut off"],
)
def test_a_board_with_no_point_for_a_key_takes_nothing(key: bytes) -> None:
    cable = Cable(key)
    assert cable.refusal_of(signed(content())) == CPL_ENTRY
    assert cable.upload() == CPL_ENTRY_MISSING


def test_a_restart_forgets() -> None:
    cable = Cable()
    cable.give(signed(content()))
    cable.restart()
    assert cable.upload() == CPL_ENTRY_MISSING


# --- what comes over the network


def network_begins(cable: Cable, octets: bytes, until: int) -> None:
    assert cable.installer.begin(len(octets), SHA, 0, False) == 0
    flows.finish(cable.installer.write_steps(0, memoryview(octets)[:until], False))


def test_the_network_needs_none() -> None:
    cable, octets = Cable(), images.ota_image("1.1.0")
    network_begins(cable, octets, len(octets))
    flows.verify(cable.installer)
    assert (cable.state, cable.activation()) == (ledger.STAGED, 0)


def test_one_octet_by_cable_is_by_cable() -> None:
    cable, octets = Cable(), images.ota_image("1.1.0")
    network_begins(cable, octets, len(octets) - 1)
    flows.finish(cable.installer.write_steps(len(octets) - 1, memoryview(octets)[-1:]))
    flows.verify(cable.installer)
    assert cable.state == ledger.EMPTY
    verdict = cable.device.ledger.verdict()
    assert verdict is not None
    assert verdict.reason == CPL_ENTRY_MISSING


def test_octets_that_come_too_late_spoil_nothing() -> None:
    cable, octets = Cable(), images.ota_image("1.1.0")
    network_begins(cable, octets, len(octets))
    flows.finish(cable.installer.write_steps(0, memoryview(octets)))
    flows.verify(cable.installer)
    assert cable.state == ledger.STAGED


def test_the_cable_does_not_go_on_with_the_network_s_file() -> None:
    cable, octets = Cable(), images.ota_image("1.1.0")
    network_begins(cable, octets, 1000)
    with pytest.raises(Refused) as raised:
        cable.installer.begin(len(octets), SHA)
    assert raised.value.reason == CPL_ENTRY_MISSING
    # nor the network with the cable's
    cable.give(signed(content()))
    cable.installer.begin(len(octets), SHA)
    flows.finish(cable.installer.write_steps(0, memoryview(octets)[:1000]))
    assert cable.installer.begin(len(octets), SHA, 0, False) == 0


def test_no_number_of_the_format_moves() -> None:
    assert (cpl_entry.IMAGE_HASH, cpl_entry.STATUS, cpl_entry.ENTRY_MAX_BYTES) == (10, 12, 512)
    assert (reasons.CPL_ENTRY_MISSING, reasons.CPL_ENTRY) == (80, 81)
