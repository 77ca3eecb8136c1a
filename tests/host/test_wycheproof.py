"""Project Wycheproof's ECDSA vectors for P-256, SHA-256 and r || s, on both interpreters.

Each vector is verified twice: with the key's comb table and without.
"""

import os
import struct
import subprocess
from pathlib import Path

import pytest
import wycheproof

from hanbootloader.trust import p256

ROOT = Path(__file__).parents[2]
MICROPYTHON = ROOT / ".toolchain/bin/micropython"

# Reads, for each group, key, table, number of vectors, and of each vector digest, length of the
# signature and signature. Prints two verdicts for each vector.
DEVICE_SIDE = """
import struct, sys
from hanbootloader.trust import p256
file = open(sys.argv[1], "rb")
while True:
    head = file.read(64 + 4032 + 2)
    if not head:
        break
    key, table = head[:64], head[64:-2]
    for _ in range(struct.unpack("<H", head[-2:])[0]):
        digest = file.read(32)
        signature = file.read(file.read(1)[0])
        print(p256.verify(key, digest, signature, table), p256.verify(key, digest, signature))
"""


@pytest.fixture(scope="module")
def groups():
    return wycheproof.groups()


def test_on_cpython(groups):
    wrong = [
        vector.number
        for group in groups
        for vector in group.vectors
        if p256.verify(group.key, vector.digest, vector.signature, group.table)
        is not vector.is_valid
        or p256.verify(group.key, vector.digest, vector.signature) is not vector.is_valid
    ]
    assert wrong == []


@pytest.mark.skipif(not MICROPYTHON.exists(), reason="MicroPython is missing; run: make setup")
def test_on_micropython(groups, tmp_path):
    script, data = tmp_path / "verify.py", tmp_path / "vectors.bin"
    script.write_text(DEVICE_SIDE)
    with data.open("wb") as file:
        for group in groups:
            file.write(group.key + group.table + struct.pack("<H", len(group.vectors)))
            for vector in group.vectors:
                file.write(vector.digest + bytes([len(vector.signature)]) + vector.signature)
    run = subprocess.run(
        [MICROPYTHON, script, data],
        env={**os.environ, "MICROPYPATH": str(ROOT / "host_tools")},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    said = run.stdout.splitlines()
    expected = [vector for group in groups for vector in group.vectors]
    assert len(said) == len(expected), run.stderr
    wrong = [
        vector.number
        for vector, line in zip(expected, said, strict=True)
        if line != f"{vector.is_valid} {vector.is_valid}"
    ]
    assert wrong == []
