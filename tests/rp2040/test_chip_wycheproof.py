"""Every Wycheproof vector, and the forgeries that MicroPython's big integers invite, on the chip.

Takes long: `make test-wycheproof` runs it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import bench_firmware
import pytest
import wycheproof
from chip_board import ChipBoard
from cryptography.hazmat.primitives.asymmetric import ec
from wycheproof import Group, Vector

from hanboot.trust import comb
from hanbootloader.trust import p256

pytestmark = pytest.mark.long

_SHARDS = 4
_START_MS = 300
_ANSWER_MS = 10_000
_WITH_TABLE, _WITHOUT = b"v", b"w"

#: Without its table a key takes thrice as long: of so many vectors one is asked that way, too.
_ONE_IN = 10


def _forgeries() -> Group:
    """Signatures that a verifier accepts once it takes MicroPython's pow(s, -1, n), 0, for an
    inverse, or infinity for a point."""
    secret = 0x1234567
    numbers = ec.derive_private_key(secret, ec.SECP256R1()).public_key().public_numbers()
    key = numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")
    vectors = []
    for number in range(4):
        r, s = (
            int.from_bytes(hashlib.sha256(b"%d %d" % (number, part)).digest(), "big") % p256.ORDER
            for part in (0, 1)
        )
        signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
        digest = hashlib.sha256(b"never signed").digest()
        # u1 * G + u2 * Q is infinity whatever s is
        at_infinity = (-r * secret % p256.ORDER).to_bytes(32, "big")
        vectors += [
            Vector(2 * number, digest, signature, False),
            Vector(2 * number + 1, at_infinity, signature, False),
        ]
    return Group(key, comb.build_table(key), tuple(vectors))


@pytest.fixture(scope="session")
def measured_firmware(firmware: Path) -> Path:
    bench_firmware.build()
    return bench_firmware.UF2


@pytest.fixture
def board(measured_firmware: Path, tmp_path: Path) -> Iterator[ChipBoard]:
    board = ChipBoard(tmp_path / "flash.bin", measured_firmware)
    board.run_for(_START_MS)
    board.to_chip.put(b"verify\n", board.chip.time_ms)
    yield board
    board.close()


def _give_key(board: ChipBoard, group: Group) -> None:
    board.to_chip.put(b"k" + group.key + group.table, board.chip.time_ms)


def _verdict(board: ChipBoard, vector: Vector, how: bytes) -> bool:
    board.texts.clear()
    length = bytes([len(vector.signature)])
    board.to_chip.put(how + vector.digest + length + vector.signature, board.chip.time_ms)
    board.wait_text("bench verdict", _ANSWER_MS)
    return board.texts[-1][1] == "bench verdict True"


@pytest.mark.parametrize("shard", range(_SHARDS))
def test_vectors(board: ChipBoard, shard: int) -> None:
    wrong = []
    asked = 0
    for group in wycheproof.groups():
        vectors = [vector for vector in group.vectors if vector.number % _SHARDS == shard]
        if vectors:
            _give_key(board, group)
        for vector in vectors:
            asked += 1
            for how in (_WITH_TABLE, _WITHOUT) if asked % _ONE_IN == 0 else (_WITH_TABLE,):
                if _verdict(board, vector, how) is not vector.is_valid:
                    wrong.append((vector.number, how))
    assert asked
    assert wrong == []


def test_forgeries(board: ChipBoard) -> None:
    group = _forgeries()
    _give_key(board, group)
    for vector in group.vectors:
        assert not _verdict(board, vector, _WITH_TABLE)
        assert not _verdict(board, vector, _WITHOUT)
