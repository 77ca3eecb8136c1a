"""The signed snapshot: what is in it, and that nothing else passes for one."""

from __future__ import annotations

from pathlib import Path

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from registries import KEY, entry, fill

from hanboot.errors import BadFile, CheckFailed
from hanboot.registry.exchange import cpl_entry, snapshot
from hanboot.registry.storage.database import Database
from hanboot.registry.storage.store import Registry
from hanboot.trust import keys
from hanbootloader import cpl_entry as device_side
from hanbootloader.image import cbor

NOW = 1_767_225_600.0  # 2026-01-01


@pytest.fixture
def octets(registry: Registry) -> bytes:
    fill(registry, [entry(1), entry(2, [1]), entry(3, [2], status="Withdrawn")])
    return snapshot.make(registry, KEY.public.kid, KEY.sign, now=NOW)


@pytest.fixture
def path(tmp_path: Path, octets: bytes) -> Path:
    path = tmp_path / "cpl.snapshot"
    path.write_bytes(octets)
    return path


def test_what_is_active_is_in_it(path: Path) -> None:
    loaded = snapshot.load(path, KEY.public, NOW)
    assert [listed.cpl_entry_id for listed in loaded.listed] == ["E-1", "E-2"]
    assert loaded.by_hash(entry(2).image_hash)[0].cpl_entry_id == "E-2"
    assert loaded.by_hash(entry(3).image_hash) == []
    assert loaded.local_updates == "banned"


def test_an_active_entry_for_a_device() -> None:
    active = entry(2, [1])
    token = cpl_entry.make(active, KEY.public.kid, KEY.sign, NOW)
    model = (0xFFF0, 5, 0x0100)
    steps = device_side.check_steps(token, KEY.public.point, model)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found = end.value
            break
    assert (found.file_version, found.image_hash) == (active.firmware_version, active.image_hash)
    with pytest.raises(CheckFailed, match="not Active"):
        cpl_entry.make(entry(3, [2], status="Withdrawn"), KEY.public.kid, KEY.sign, NOW)


def test_anyone_can_read_it(octets: bytes) -> None:
    """By a CBOR library and the Sig_structure of RFC 9052 4.4 alone."""
    tagged = cbor2.loads(octets)
    protected, unprotected, content, signature = tagged.value
    assert (tagged.tag, cbor2.loads(protected), unprotected) == (18, {1: -7}, {4: KEY.public.kid})
    message = cbor2.dumps(["Signature1", protected, b"", content])
    assert KEY.public.is_signature(message, signature)
    assert cbor2.loads(content)[8][0] == ["E-1", "PPMID", 0xFFF0, 0x50100, 1, entry(1).image_hash]


@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_no_bit_can_change(tmp_path_factory: pytest.TempPathFactory, at: int, bit: int) -> None:
    with Registry(Database(":memory:", create=True)) as registry:
        fill(registry, [entry(1)])
        octets = bytearray(snapshot.make(registry, KEY.public.kid, KEY.sign, now=NOW))
    octets[at % len(octets)] ^= 1 << bit
    path = tmp_path_factory.mktemp("changed") / "cpl.snapshot"
    path.write_bytes(octets)
    with pytest.raises((CheckFailed, BadFile)):
        snapshot.load(path, KEY.public, NOW)


def test_cut_short_and_longer(path: Path, octets: bytes) -> None:
    for changed in (b"", octets[:-1], octets[:20], octets + b"\0", b"\0" * 100):
        path.write_bytes(changed)
        with pytest.raises(BadFile, match="no snapshot"):
            snapshot.load(path, KEY.public, NOW)


def test_another_key(path: Path) -> None:
    with pytest.raises(CheckFailed, match="not signed by"):
        snapshot.load(path, keys.generate().public, NOW)


@pytest.mark.parametrize("days", [-2, 7.1, 365])
def test_not_for_ever(path: Path, days: float) -> None:
    with pytest.raises(CheckFailed, match="not valid now"):
        snapshot.load(path, KEY.public, NOW + days * 86_400)


def test_a_later_format(path: Path) -> None:
    for content, error in (
        ({0: 2, 2: 0, 4: 1, 6: False, 8: []}, "later format"),
        ({0: 1, 2: 0, 4: 1 << 40, 6: False, 8: [], 10: "a rule"}, "later format"),
        ({0: 1, 2: 0, 4: 1 << 40, 6: False, 8: [[1, 2, 3]]}, "no snapshot"),
        ({0: 1}, "no snapshot"),
        ([1], "no snapshot"),
    ):
        encoded = cbor.encode(content)
        protected = cbor.encode({1: -7})
        message = cbor2.dumps(["Signature1", protected, b"", encoded])
        parts = [protected, {4: KEY.public.kid}, encoded, KEY.sign(message)]
        path.write_bytes(b"\xd2" + cbor.encode(parts))
        with pytest.raises(BadFile, match=error):
            snapshot.load(path, KEY.public, NOW)
