"""Random releases: the oracle, written from the prose, against the decision that devices run."""

from __future__ import annotations

import dataclasses
import hashlib

import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from loose_image import assemble

from hanboot.explain.reasons import explain
from hanboot.explain.versions import device_type_text
from hanboot.image import ota_file, verify
from hanboot.image.ota_file import Image
from hanboot.image.sign import sign
from hanboot.matrix import oracle
from hanboot.matrix.reading import Trust
from hanboot.trust import keys
from hanbootloader import policy
from hanbootloader.image import ota, writer
from hanbootloader.image.manifest import KIND_ROMFS, Manifest

MANUFACTURER, SUPPLIER, STRANGER = keys.generate(), keys.generate(), keys.generate()
TRUST = Trust(MANUFACTURER.public, SUPPLIER.public)
SLOT_BYTES = 2048

VERSIONS = st.integers(0, 3)
HASHES = [hashlib.sha256(bytes([n])).digest() for n in range(3)]
COUNTERS = st.integers(0, 2)

#: Changes to a built image; most images have none.
CHANGES = st.sets(
    st.sampled_from(
        ["header", "payload", "padding", "signer", "signature", "trailer", "wrong trailer"]
    ),
    max_size=2,
)


@st.composite
def manifests(draw: st.DrawFn) -> tuple[Manifest, bytes]:
    # a few octets, a little too many, or far more than a slot holds
    little = st.integers(SLOT_BYTES - 300, SLOT_BYTES + 10).map(bytes)
    payload = draw(st.binary(min_size=1, max_size=8) | little | st.just(bytes(2 * SLOT_BYTES)))
    named = st.tuples(VERSIONS, st.none() | st.sampled_from(HASHES), st.none())
    low, high = sorted(draw(st.tuples(st.integers(1, 3), st.integers(2, 4))))
    manifest = Manifest(
        draw(st.sampled_from([1, 1, 1, 2])),
        draw(st.sampled_from([5, 5, 5, 6])),
        draw(VERSIONS),
        (low, high),
        KIND_ROMFS,
        len(payload),
        hashlib.sha256(payload).digest(),
        tuple(draw(st.lists(named, max_size=3))),
        draw(st.sampled_from([0, 0, 1, 2])),
        draw(COUNTERS),
        draw(st.booleans()),
    )
    return manifest, payload


def build(manifest: Manifest, payload: bytes, changes: set[str]) -> Image:
    """An image, signed rightly but for `changes`."""
    key = STRANGER if "signer" in changes else MANUFACTURER
    content = writer.encode_manifest(manifest)
    to_be_signed = writer.to_be_signed(content) + (b"?" if "signature" in changes else b"")
    signature = keys.canonical_signature(key.sign(to_be_signed))
    envelope = writer.encode_envelope(key.public.kid, content, signature)
    octets = bytearray(assemble(manifest, envelope, payload, b""))
    if "payload" in changes:
        octets[-1] ^= 1
    if "padding" in changes and -len(envelope) % 16:
        octets[ota.HEADER_BYTES + len(envelope)] = 1
    if "header" in changes:
        octets[14] ^= 1  # File Version
    built = ota_file.load(bytes(octets))
    for name, signer in (("trailer", SUPPLIER), ("wrong trailer", STRANGER)):
        if name in changes:
            built = ota_file.load(sign(built, signer))
    return built


@st.composite
def states(draw: st.DrawFn) -> oracle.State:
    confirmed = st.builds(oracle.Confirmed, VERSIONS, st.sampled_from(HASHES), st.booleans())
    return oracle.State(
        1,
        5,
        draw(st.integers(1, 3)),
        draw(st.sampled_from(["PPMID", "IHD", "ESME", "GSME"])),
        SLOT_BYTES,
        draw(COUNTERS),
        draw(st.none() | confirmed),
    )


def decide(state: oracle.State, built: Image) -> str:
    numbers = {device_type_text(n): n for n in (policy.PPMID, policy.IHD, policy.ESME, 0)}
    facts = policy.DeviceFacts(
        state.manufacturer_code,
        state.image_type,
        state.hardware_version,
        numbers[state.device_type],
        state.slot_bytes,
        state.security_counter,
    )
    runs = state.confirmed
    running = (
        policy.RunningFirmware(runs.file_version, runs.image_hash, runs.damaged) if runs else None
    )
    decision = verify.decide(built.octets, facts, running, TRUST.manufacturer, TRUST.supplier)
    return explain(decision.reason).name


@given(manifests(), CHANGES, states())
def test_the_oracle_says_what_the_decision_says(
    made: tuple[Manifest, bytes], changes: set[str], state: oracle.State
) -> None:
    built = build(*made, changes)
    wanted = oracle.verdict(state, TRUST.offer(built))
    event(wanted)
    assert decide(state, built) == wanted


@given(manifests(), states(), st.booleans())
def test_what_runs_already(
    made: tuple[Manifest, bytes], state: oracle.State, damaged: bool
) -> None:
    built = build(*made, set())
    runs = oracle.Confirmed(built.header.file_version, built.image_hash, damaged)
    state = dataclasses.replace(state, confirmed=runs)
    assert decide(state, built) == oracle.verdict(state, TRUST.offer(built))


@given(st.lists(manifests(), min_size=2, max_size=4), states())
def test_a_walk_through_random_releases(
    made: list[tuple[Manifest, bytes]], state: oracle.State
) -> None:
    state = dataclasses.replace(state, confirmed=None, device_type="PPMID")
    releases: list[Image] = []
    for manifest, payload in made:
        # each names the one before it, too, so that walks go further than a step
        if releases:
            before = releases[-1]
            manifest.predecessors += ((before.header.file_version, before.image_hash, None),)
        releases.append(build(manifest, payload, set()))
    steps = 0
    for built in releases:
        for offered in releases:
            wanted = oracle.verdict(state, TRUST.offer(offered))
            assert decide(state, offered) == wanted
        if oracle.verdict(state, TRUST.offer(built)) == oracle.ACCEPTED:
            state = oracle.confirm(state, TRUST.offer(built))
            steps += 1
    event(f"{steps} steps")


FOLLOWER = Manifest(
    1, 5, 2, (1, 1), KIND_ROMFS, 1, hashlib.sha256(b"x").digest(), ((1, None, None),)
)


@pytest.mark.parametrize(
    ("wanted", "changes", "version", "counter"),
    [
        (oracle.ACCEPTED, set(), 1, 0),
        ("not-a-predecessor", set(), 3, 0),
        ("security-counter", set(), 1, 1),
        ("header-mismatch", {"header"}, 1, 0),
        ("payload-hash", {"payload"}, 1, 0),
        ("unknown-signer", {"signer"}, 1, 0),
        ("manufacturer-signature", {"signature"}, 1, 0),
        (oracle.ACCEPTED, {"trailer"}, 1, 0),
        ("supplier-signature", {"wrong trailer"}, 1, 0),
    ],
)
def test_reasons_by_hand(wanted: str, changes: set[str], version: int, counter: int) -> None:
    """Both could be wrong in the same way: these are looked up in docs/reference/decisions.md."""
    runs = oracle.Confirmed(version, HASHES[0])
    state = oracle.State(1, 5, 1, "PPMID", SLOT_BYTES, counter, runs)
    built = build(FOLLOWER, b"x", changes)
    assert oracle.verdict(state, TRUST.offer(built)) == wanted
    assert decide(state, built) == wanted


def test_a_little_too_large() -> None:
    payload = bytes(SLOT_BYTES - 128)
    manifest = Manifest(
        2, 5, 1, (1, 1), KIND_ROMFS, len(payload), hashlib.sha256(payload).digest(), ()
    )
    built = build(manifest, payload, set())
    assert SLOT_BYTES < built.image_bytes <= SLOT_BYTES + ota.TRAILER_BYTES
    state = oracle.State(1, 5, 1, "PPMID", SLOT_BYTES)
    # the header leaves room for a trailer, so its other faults are seen first
    assert oracle.verdict(state, TRUST.offer(built)) == "manufacturer-code"
    assert decide(state, built) == "manufacturer-code"
    state = oracle.State(2, 5, 1, "PPMID", SLOT_BYTES)
    assert oracle.verdict(state, TRUST.offer(built)) == "too-large"
    assert decide(state, built) == "too-large"
