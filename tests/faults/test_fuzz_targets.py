"""The targets of the fuzzer, without atheris: good inputs, those that crashed one once, and some
changes of them, the same in every run."""

from __future__ import annotations

import random

import fuzz
import fuzz_targets
import pytest

from hanbootloader.link.groups.os import OsGroup
from hanbootloader.reasons import Refused

#: Changed inputs for each target; one for a device costs a hundred times what others do.
CHANGES = {"commands": 40, "network": 40}
_OTHERS = 1500


def test_every_target_has_a_share() -> None:
    assert set(fuzz.SHARES) == set(fuzz_targets.TARGETS) == set(fuzz_targets.seeds())


@pytest.mark.parametrize("target", fuzz.SHARES)
def test_inputs(target: str) -> None:
    dice = random.Random(target)
    inputs = list(fuzz_targets.beginnings(target))
    assert inputs
    play(target, inputs)
    play(target, [changed(dice, inputs) for _ in range(CHANGES.get(target, _OTHERS))])


def changed(dice: random.Random, inputs: list[bytes]) -> bytes:
    octets = bytearray(dice.choice(inputs)[:1400])
    for _ in range(dice.randrange(1, 9)):
        at = dice.randrange(len(octets) + 1)
        octets[at : at + dice.choice((0, 1, 1, 4))] = dice.randbytes(dice.choice((0, 1, 1, 4)))
    return bytes(octets)


#: What a target raises, whatever is wrong.
SEEN = (AssertionError, ArithmeticError, AttributeError, TypeError, LookupError, Refused)


# A target that lets something pass would find nothing: each sees what a wrong reader would do.
@pytest.mark.parametrize(
    ("target", "module", "name", "wrong"),
    [
        ("cbor", fuzz_targets.cbor, "decode", lambda octets, strict=True: [octets]),
        ("cbor", fuzz_targets.cbor, "encode", lambda value: b""),
        ("envelope", fuzz_targets.cose.Envelope, "digest", lambda envelope: bytes(32)),
        ("envelope", fuzz_targets.cose, "envelope_bytes", lambda head: 100),
        ("manifest", fuzz_targets.manifest, "_hash", lambda value, key: bytes(32)),
        ("reader", fuzz_targets.policy, "check_header", lambda *facts: None),
        ("frames", fuzz_targets.frame, "_marker_at", lambda octets: -1),
        ("commands", OsGroup, "_echo", lambda group, request: {}),
        ("commands", fuzz_targets.cbor, "decode", lambda *octets: 1 / 0),
    ],
)
def test_faults_are_seen(monkeypatch, target: str, module, name: str, wrong) -> None:
    inputs = list(fuzz_targets.beginnings(target))
    fuzz_targets.prepare()
    monkeypatch.setattr(module, name, wrong)
    with pytest.raises(SEEN):
        play(target, inputs)


def play(target: str, inputs: list[bytes]) -> None:
    for octets in inputs:
        fuzz_targets.TARGETS[target](octets)
