# What a device does with a private key on P-256: sign (FIPS 186-5, 6.4.1, deterministic as in
# RFC 6979) and agree on a secret (NIST SP 800-56A, 5.7.1.2).
#
# The verifier's arithmetic (p256) may show its numbers by its timing; this may not, so nothing of
# it is used but to check a result. One formula adds and doubles, without an exception (Renes,
# Costello and Batina, "Complete addition formulas for prime order elliptic curves", EUROCRYPT
# 2016, algorithm 4), and the sequence of additions is the same for every scalar. As MicroPython's
# numbers take a time that depends on their size, the numbers are hidden too: the scalar by a
# random multiple of n, the point by a random Z (Coron, CHES 1999), the inverse of k by a random
# factor. Those are drawn from the key and the chip's generator together, so that a poor generator
# alone gives nothing away.
#
# A signature leaves only once it verifies: a deterministic signature with one wrong bit inside
# betrays the key (Poddebniak et al., "Attacking Deterministic Signature Schemes using Fault
# Attacks", 2018).
#
# All is done in steps of some milliseconds, as generators: yield None, return the result.

import hashlib
import os

from hanbootloader.compat import const
from hanbootloader.reasons import PEER_KEY, VERIFIER_FAULT, Refused
from hanbootloader.trust import p256
from hanbootloader.trust.generator import GENERATOR_TABLE
from hanbootloader.trust.p256 import ORDER, PRIME

# fmt: off
KEY_BYTES     = const(32)
PUBLIC_BYTES  = const(64)
_DIGEST_BYTES = const(32)
_BLIND_BYTES  = const(8)   # of the multiple of n that is added to a scalar
_DIGITS       = const(80)  # of four bits: 256 of the scalar and 64 of its blind
_HASH_BLOCK   = const(64)  # of SHA-256
# fmt: on

_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B  # SEC 2 version 2, 2.4.2

# a digit d selects (d + 1) * P, so that infinity and its zeros never occur: sum of 16^i
_ALL_ONES = ((1 << 4 * _DIGITS) - 1) // 15


# Whether these 32 octets are a private key: a number from 1 to n - 1.
def is_private_key(octets: bytes) -> bool:
    return len(octets) == KEY_BYTES and 0 < int.from_bytes(octets, "big") < ORDER


# x || y of the key's public half.
def public_key_steps(key: bytes):  # type: ignore[no-untyped-def]
    scalar = _scalar(key)
    return (yield from _multiply_steps(scalar, GENERATOR_TABLE, _Blinds(key, b"public")))


# r || s over a digest of 32 octets. public: the key's, x || y.
def sign_steps(key: bytes, public: bytes, digest: bytes):  # type: ignore[no-untyped-def]
    yield from self_test_steps()  # type: ignore[no-untyped-call]
    signature = yield from _sign_steps(key, digest, _Blinds(key, digest))
    if not (yield from p256.verify_steps(public, digest, signature)):
        raise Refused(VERIFIER_FAULT)
    return signature


# The shared secret, x of the point, 32 octets; Refused(PEER_KEY) if `peer` (x || y) is no point.
def agree_steps(key: bytes, peer: bytes):  # type: ignore[no-untyped-def]
    # a point that is not on this curve would tell the key, piece by piece
    if not p256.is_public_key(peer):
        raise Refused(PEER_KEY)
    yield from self_test_steps()  # type: ignore[no-untyped-call]
    point = yield from _multiply_steps(_scalar(key), peer, _Blinds(key, peer))
    if not p256.is_public_key(point):
        raise Refused(VERIFIER_FAULT)
    return point[:KEY_BYTES]


# The same without steps.
def public_key(key: bytes) -> bytes:
    return _drain(public_key_steps(key))


def sign(key: bytes, public: bytes, digest: bytes) -> bytes:
    return _drain(sign_steps(key, public, digest))


def agree(key: bytes, peer: bytes) -> bytes:
    return _drain(agree_steps(key, peer))


def _drain(steps) -> bytes:  # type: ignore[no-untyped-def]
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]


def _scalar(key: bytes) -> int:
    if not is_private_key(key):
        raise ValueError
    return int.from_bytes(key, "big")


def _sign_steps(key: bytes, digest: bytes, blinds: "_Blinds"):  # type: ignore[no-untyped-def]
    if len(digest) != _DIGEST_BYTES:
        raise ValueError
    scalar = _scalar(key)
    e = int.from_bytes(digest, "big")
    nonces = _Nonces(key, e)
    while True:
        k = nonces.draw()
        point = yield from _multiply_steps(k, GENERATOR_TABLE, blinds)
        r = int.from_bytes(point[:KEY_BYTES], "big") % ORDER
        # s = (e + r d) / k, and all of it times a random number above and below
        blind = blinds.draw(KEY_BYTES) % (ORDER - 1) + 1
        inverse = pow(k * blind % ORDER, ORDER - 2, ORDER)
        yield
        s = (e * blind + scalar * blind % ORDER * r) % ORDER * inverse % ORDER
        if r and s:
            return r.to_bytes(KEY_BYTES, "big") + s.to_bytes(KEY_BYTES, "big")


# scalar * point as x || y, for 0 < scalar < n and a point x || y of the curve.
def _multiply_steps(scalar: int, point: "bytes | memoryview", blinds: "_Blinds"):  # type: ignore[no-untyped-def]
    # a multiple from 2^62 to 2^63, so that the sum has one length, and a first digit above 0
    multiple = blinds.draw(_BLIND_BYTES) >> 1 | 1 << 8 * _BLIND_BYTES - 2
    scalar += multiple * ORDER - _ALL_ONES
    table = _multiples(point, blinds.draw(KEY_BYTES) % (PRIME - 1) + 1)
    yield
    total = table[scalar >> 4 * (_DIGITS - 1)]
    for digit in range(_DIGITS - 2, -1, -1):
        for _ in range(4):
            total = _add(total, total)
        total = _add(total, table[scalar >> 4 * digit & 15])
        yield
    x, y, z = total
    inverse = pow(z, PRIME - 2, PRIME)
    yield
    if z * inverse % PRIME != 1:
        raise Refused(VERIFIER_FAULT)
    x = x * inverse % PRIME
    y = y * inverse % PRIME
    return x.to_bytes(KEY_BYTES, "big") + y.to_bytes(KEY_BYTES, "big")


# 1 to 16 times the point, with a Z that cannot be predicted.
def _multiples(point: "bytes | memoryview", z: int) -> "list[tuple[int, int, int]]":
    x = int.from_bytes(point[:KEY_BYTES], "big") * z % PRIME
    y = int.from_bytes(point[KEY_BYTES:PUBLIC_BYTES], "big") * z % PRIME
    multiples = [(x, y, z)]
    for _ in range(15):
        multiples.append(_add(multiples[-1], multiples[0]))
    return multiples


# The sum of two points (X : Y : Z), x = X / Z, y = Y / Z; the same or opposite ones, too.
def _add(one: "tuple[int, int, int]", other: "tuple[int, int, int]") -> "tuple[int, int, int]":
    p = PRIME
    x1, y1, z1 = one
    x2, y2, z2 = other
    xx = x1 * x2 % p
    yy = y1 * y2 % p
    zz = z1 * z2 % p
    xy = (x1 * y2 + x2 * y1) % p
    yz = (y1 * z2 + y2 * z1) % p
    xz = (x1 * z2 + x2 * z1) % p
    m = 3 * (xz - _B * zz % p)
    below = yy - m
    above = yy + m
    w = 3 * (_B * xz % p - 3 * zz - xx)
    t = 3 * (xx - zz)
    return (
        (xy * above - yz * w) % p,
        (above * below + t * w) % p,
        (yz * below + xy * t) % p,
    )


# --- numbers


def _hmac(key: bytes, message: bytes) -> bytes:
    # FIPS 198-1, 4; a key here is never longer than a block
    key = key + bytes(_HASH_BLOCK - len(key))
    inner = hashlib.sha256(bytes([octet ^ 0x36 for octet in key]) + message).digest()
    return hashlib.sha256(bytes([octet ^ 0x5C for octet in key]) + inner).digest()


# k by RFC 6979, 3.2, for SHA-256 and a digest as long as n.
class _Nonces:
    def __init__(self, key: bytes, e: int) -> None:
        seed = key + (e % ORDER).to_bytes(KEY_BYTES, "big")
        self._value = b"\x01" * _DIGEST_BYTES
        self._key = bytes(_DIGEST_BYTES)
        self._update(b"\x00" + seed)
        self._update(b"\x01" + seed)

    def _update(self, more: bytes) -> None:
        self._key = _hmac(self._key, self._value + more)
        self._value = _hmac(self._key, self._value)

    def draw(self) -> int:
        k = 0
        while not 0 < k < ORDER:
            self._value = _hmac(self._key, self._value)
            k = int.from_bytes(self._value, "big")
            # what comes before the next, should this one be refused
            self._update(b"\x00")
        return k


# Numbers that hide others: to predict them takes both the key and the chip's randomness.
class _Blinds:
    def __init__(self, key: bytes, purpose: bytes) -> None:
        self._key = _hmac(key, os.urandom(_DIGEST_BYTES) + purpose)
        self._drawn = 0

    # a number of so many octets, 32 at most
    def draw(self, count: int) -> int:
        self._drawn += 1
        return int.from_bytes(_hmac(self._key, bytes((self._drawn,)))[:count], "big")


# --- known answer: RFC 6979 A.2.5, message "sample" with SHA-256. It takes every path there is.

_TEST_KEY = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
_TEST_DIGEST = 0xAF2BDBE1AA9B6EC1E2ADE1D694F41FC71A831D0268E9891562113D8A62ADD1BF
_TEST_R = 0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716
_TEST_S = 0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8

_passed: "bool | None" = None


# Refused(VERIFIER_FAULT) unless the known answer comes out. Asked once, remembered.
def self_test_steps():  # type: ignore[no-untyped-def]
    global _passed
    if _passed is None:
        key = _TEST_KEY.to_bytes(KEY_BYTES, "big")
        digest = _TEST_DIGEST.to_bytes(_DIGEST_BYTES, "big")
        signature = yield from _sign_steps(key, digest, _Blinds(key, digest))
        expected = _TEST_R.to_bytes(KEY_BYTES, "big") + _TEST_S.to_bytes(KEY_BYTES, "big")
        _passed = signature == expected
    if not _passed:
        raise Refused(VERIFIER_FAULT)
