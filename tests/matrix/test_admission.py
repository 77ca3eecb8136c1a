"""What runs, what became of it, and what is offered are drawn; three must agree on the reason: host
verification, the Installer of a device that receives the file, and the oracle.

The oracle gets what was drawn, and not what a parser read. The device is whole but for its trust
anchor cells: it checks the same keys with its own arithmetic.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import flows
import pytest
import ramboard
from hypothesis import event, given, settings
from hypothesis import strategies as st
from loose_image import assemble

from hanboot.explain.reasons import explain
from hanboot.image import verify
from hanboot.matrix import oracle
from hanboot.trust import keys
from hanbootloader import policy
from hanbootloader.device import Device
from hanbootloader.image import cose, ota
from hanbootloader.image.manifest import KIND_ROMFS, Manifest
from hanbootloader.image.writer import encode_envelope, encode_manifest, to_be_signed
from hanbootloader.install import Installer
from hanbootloader.reasons import Refused
from hanbootloader.store import ledger
from hanbootloader.store.slots import SlotWriter
from hanbootloader.trust import cell, p256

MANUFACTURER, SUPPLIER, STRANGER = keys.generate(), keys.generate(), keys.generate()
MODEL = (1, 5)
HARDWARE = 2
SLOT_BYTES = 4 * 4096


@dataclass(frozen=True)
class Release:
    """A release as its manufacturer wants it.

    Attributes:
        follows: indexes of the releases that it names as predecessors; of the second kind by hash.
        build: two releases that differ in it alone are two builds of one version.
    """

    version: int
    follows: tuple[tuple[int, bool], ...] = ()
    minimum: int = 0
    counter: int = 0
    build: int = 0
    model: tuple[int, int] = MODEL
    hardware: tuple[int, int] = (1, 3)


@dataclass(frozen=True)
class Damage:
    """What happened to a file between its manufacturer and the device.

    Attributes:
        what: "payload", "padding", "header", "signature" or "signer"; "" for nothing.
        supplier: whose signature follows: "", "supplier", "stranger".
    """

    what: str = ""
    supplier: str = ""


@dataclass(frozen=True)
class Built:
    """A file, and what an oracle may know of it."""

    octets: bytes
    offer: oracle.OfferedImage
    manifest: Manifest
    payload: bytes

    @property
    def image(self) -> bytes:
        """The Manufacturer Image."""
        return self.octets[ota.HEADER_BYTES :][: self.offer.image_bytes]


def build(release: Release, before: list[Built]) -> Built:
    """The file as it leaves its manufacturer; `before`: the releases that it may name."""
    payload = b"%d.%d" % (release.version, release.build)
    named = tuple(
        (before[at].offer.model[2], before[at].offer.image_hash if by_hash else None)
        for at, by_hash in release.follows
        if at < len(before)
    )
    manifest = Manifest(
        *release.model,
        release.version,
        release.hardware,
        KIND_ROMFS,
        len(payload),
        hashlib.sha256(payload).digest(),
        tuple((version, digest, None) for version, digest in named),
        release.minimum,
        release.counter,
    )
    octets = _assemble(manifest, MANUFACTURER, payload)
    model = (*release.model, release.version, release.hardware)
    rules = oracle.ManifestRules(named, release.minimum, release.counter, False)
    return _built(octets, oracle.OfferedImage(model, model, rules, 0, b""), manifest, payload)


def _assemble(manifest: Manifest, key: keys.PrivateKey, payload: bytes, more: bytes = b"") -> bytes:
    content = encode_manifest(manifest)
    signature = key.sign(to_be_signed(content) + more)
    envelope = encode_envelope(key.public.kid, content, signature)
    return assemble(manifest, envelope, payload, b"")


def _built(octets: bytes, offer: oracle.OfferedImage, manifest: Manifest, payload: bytes) -> Built:
    image = octets[ota.HEADER_BYTES :]
    envelope = image[: cose.envelope_bytes(image)]
    found = dataclasses.replace(
        offer,
        image_bytes=len(image),
        image_hash=hashlib.sha256(image).digest(),
        envelope=envelope,
    )
    return Built(octets, found, manifest, payload)


def damaged(good: Built, damage: Damage) -> Built:
    """`good`, as it arrives."""
    octets, offer = bytearray(good.octets), good.offer
    if damage.what in ("signature", "signer"):
        key, more = (STRANGER, b"") if damage.what == "signer" else (MANUFACTURER, b"?")
        octets = bytearray(_assemble(good.manifest, key, good.payload, more))
        offer = dataclasses.replace(
            offer,
            signer_known=damage.what != "signer",
            manufacturer_signature=damage.what != "signature",
        )
    padding_at = ota.HEADER_BYTES + len(offer.envelope or b"")
    if damage.what == "payload":
        octets[-1] ^= 1
        offer = dataclasses.replace(offer, payload_hash_matches=False)
    elif damage.what == "padding" and padding_at < len(octets) - len(good.payload):
        octets[padding_at] = 1
        offer = dataclasses.replace(offer, padding_is_zero=False)
    elif damage.what == "header":
        octets[14] ^= 1
        model = offer.model
        offer = dataclasses.replace(offer, model=(*model[:2], model[2] ^ 1, model[3]))
    found = _built(bytes(octets), offer, good.manifest, good.payload)
    if not damage.supplier:
        return found
    signer = SUPPLIER if damage.supplier == "supplier" else STRANGER
    octets += b"\0\x40" + signer.sign(found.image)
    octets[52:56] = len(octets).to_bytes(4, "little")
    offer = dataclasses.replace(found.offer, supplier_signature=damage.supplier == "supplier")
    return dataclasses.replace(found, octets=bytes(octets), offer=offer)


class HeldCell:
    """A trust anchor in memory, with the device's arithmetic."""

    def __init__(self, key: keys.PublicKey) -> None:
        self.kid, self._key = key.kid, key.point

    def verify_steps(self, digest: bytes, signature: bytes) -> Iterator[bool]:
        return p256.verify_steps(self._key, digest, signature)


class HeldAnchors:
    is_provisioned = True

    def __init__(self) -> None:
        self._cells = {
            cell.MANUFACTURER: HeldCell(MANUFACTURER.public),
            cell.SUPPLIER: HeldCell(SUPPLIER.public),
        }

    def cell(self, role: int) -> HeldCell:
        return self._cells[role]


def device_reason(state: oracle.State, running: Built | None, offered: Built) -> str:
    """What the Installer comes to, on a device in `state`, with what runs in its flash."""
    board = ramboard.Board(NUMBERS[state.device_type])
    board.manufacturer_code, board.image_type = MODEL
    board.hardware_version = state.hardware_version
    device = Device(board)
    device.anchors = HeldAnchors()
    device.ledger.security_counter = state.security_counter
    if running is not None:
        confirmed = state.confirmed
        assert confirmed is not None
        image = bytearray(running.image)
        # a later octet is lost in flash; what is kept of it is what was confirmed
        image[-1] ^= confirmed.damaged
        writer = SlotWriter(device.slots[0])
        writer.write(memoryview(image))
        writer.finish()
        slot = ledger.DAMAGED if confirmed.damaged else ledger.CONFIRMED
        device.ledger.slots[0] = ledger.SlotRecord(
            slot, False, confirmed.file_version, len(image), 0, confirmed.image_hash
        )
    installer = Installer(device)
    try:
        flows.send(installer, offered.octets, 700)
    except Refused as refused:
        reason = refused.reason
    else:
        flows.verify(installer)
        reason = device.ledger.verdict().reason
    assert device.ledger.verdict().reason == reason
    assert (device.ledger.held() == 1 if running else device.ledger.held() == 0) == (not reason)
    return explain(reason).name


NUMBERS = {"PPMID": policy.PPMID, "IHD": policy.IHD, "ESME": policy.ESME}


def host_reason(state: oracle.State, running: Built | None, offered: Built) -> str:
    facts = policy.DeviceFacts(
        *MODEL,
        state.hardware_version,
        NUMBERS[state.device_type],
        state.slot_bytes,
        state.security_counter,
    )
    runs = state.confirmed
    found = verify.decide(
        offered.octets,
        facts,
        policy.RunningFirmware(runs.file_version, runs.image_hash, runs.damaged) if runs else None,
        MANUFACTURER.public,
        SUPPLIER.public,
        running.image if running else None,
    )
    return explain(found.reason).name


def check(
    releases: list[Release],
    runs: int | None,
    is_damaged: bool,
    offered: int,
    damage: Damage,
    device: tuple[str, int, int],
) -> str:
    """The one reason; device: type, hardware version, security counter."""
    built: list[Built] = []
    for release in releases:
        built.append(build(release, built))
    running = None if runs is None else built[runs % len(built)]
    confirmed = None
    if running is not None:
        offer = running.offer
        confirmed = oracle.Confirmed(
            offer.model[2], offer.image_hash, is_damaged, envelope=offer.envelope
        )
    device_type, hardware, counter = device
    state = oracle.State(*MODEL, hardware, device_type, SLOT_BYTES, counter, confirmed)
    arriving = damaged(built[offered % len(built)], damage)
    wanted = oracle.verdict(state, arriving.offer)
    assert host_reason(state, running, arriving) == wanted
    assert device_reason(state, running, arriving) == wanted
    return wanted


RELEASES = st.lists(
    st.builds(
        Release,
        st.integers(1, 3),
        st.lists(st.tuples(st.integers(0, 2), st.booleans()), max_size=2).map(tuple),
        st.sampled_from([0, 0, 0, 1, 2]),
        st.integers(0, 2),
        st.integers(0, 1),
        st.sampled_from([MODEL, MODEL, MODEL, MODEL, (2, 5), (1, 6)]),
        st.sampled_from([(1, 3), (2, 2), (1, 1)]),
    ),
    min_size=1,
    max_size=3,
)
DAMAGES = st.builds(
    Damage,
    st.sampled_from(["", "", "", "payload", "padding", "header", "signature", "signer"]),
    st.sampled_from(["", "", "supplier", "stranger"]),
)
#: Another device type, hardware version or counter is a refusal more often than not.
DEVICES = st.tuples(
    st.sampled_from(["PPMID", "PPMID", "IHD", "ESME"]),
    st.sampled_from([HARDWARE, HARDWARE, HARDWARE, 1]),
    st.sampled_from([0, 0, 1]),
)

FIRST = Release(1)
SECOND = Release(2, ((0, False),))
REBUILT = Release(1, build=1)
PPMID = ("PPMID", HARDWARE, 0)


@given(RELEASES, st.none() | st.integers(0, 2), st.booleans(), st.integers(0, 2), DAMAGES, DEVICES)
@settings(max_examples=150, deadline=None)
def test_host_device_and_oracle_agree(
    releases: list[Release],
    runs: int | None,
    is_damaged: bool,
    offered: int,
    damage: Damage,
    device: tuple[str, int, int],
) -> None:
    event(check(releases, runs, is_damaged, offered, damage, device))


@pytest.mark.parametrize(
    ("releases", "runs", "is_damaged", "offered", "damage", "wanted"),
    [
        ([FIRST, SECOND], 0, False, 1, Damage(), "accepted"),
        ([FIRST, SECOND], 1, False, 0, Damage(), "not-a-predecessor"),
        ([FIRST], 0, False, 0, Damage(), "already-running"),
        # signed as what runs is the same image, whatever became of its payload or padding
        ([FIRST], 0, False, 0, Damage("payload"), "already-running"),
        ([FIRST], 0, False, 0, Damage("padding"), "already-running"),
        # nothing of it is known to be the running image's
        ([FIRST], 0, False, 0, Damage("signature"), "not-a-predecessor"),
        ([FIRST], 0, False, 0, Damage("header"), "header-mismatch"),
        # a damaged image may be installed over itself, and nothing else of its version
        ([FIRST], 0, True, 0, Damage(), "accepted"),
        ([FIRST], 0, True, 0, Damage("", "stranger"), "supplier-signature"),
        ([FIRST, REBUILT], 0, True, 1, Damage(), "not-a-predecessor"),
        # whether it is the damaged one would be known by its hash, which comes after the signature
        ([FIRST, REBUILT], 0, True, 1, Damage("signature"), "manufacturer-signature"),
        ([FIRST, REBUILT], 0, True, 1, Damage("signer"), "unknown-signer"),
        ([FIRST, REBUILT], 0, True, 1, Damage("payload"), "not-a-predecessor"),
        ([FIRST], None, False, 0, Damage(), "accepted"),
        ([FIRST], None, False, 0, Damage("payload"), "payload-hash"),
    ],
)
def test_reasons_by_hand(
    releases: list[Release],
    runs: int | None,
    is_damaged: bool,
    offered: int,
    damage: Damage,
    wanted: str,
) -> None:
    """All three could be wrong in the same way: these are looked up in decisions.md."""
    assert check(releases, runs, is_damaged, offered, damage, PPMID) == wanted
