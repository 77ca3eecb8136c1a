"""Comb tables against the `ecdsa` package, and what the device makes of others' signatures."""

from pathlib import Path

import ecdsa
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from hypothesis import given, settings
from hypothesis import strategies as st

from hanboot.trust import comb
from hanbootloader.trust import generator, p256

CURVE = ecdsa.NIST256p
SHA256 = ec.ECDSA(utils.Prehashed(hashes.SHA256()))
private_keys = st.integers(1, p256.ORDER - 1)
digests = st.binary(min_size=32, max_size=32)


def octets(*numbers):
    return b"".join(number.to_bytes(32, "big") for number in numbers)


def public_key(private):
    numbers = private.public_key().public_numbers()
    return octets(numbers.x, numbers.y)


def sign(private, digest):
    return octets(*utils.decode_dss_signature(private.sign(digest, SHA256)))


def check_entries(table, point, rows):
    columns = -(-256 // rows)
    assert len(table) == ((1 << rows) - 1) * 64
    for entry in range(1, 1 << rows):
        scalar = sum(1 << columns * row for row in range(rows) if entry >> row & 1)
        expected = (point * scalar).to_affine()
        assert table[(entry - 1) * 64 : entry * 64] == octets(expected.x(), expected.y())


def test_generator_table_is_what_the_tool_writes():
    written = Path(generator.__file__).read_text(encoding="utf-8")
    assert written == comb.generator_module(), "run: python -m hanboot.comb"


def test_generator_table():
    check_entries(generator.GENERATOR_TABLE, CURVE.generator, comb.GENERATOR_ROWS)


@pytest.mark.parametrize("rows", [4, 5, 6, 7, 8])
def test_key_table(rows):
    key = ecdsa.SigningKey.from_secret_exponent(0x1234567890ABCDEF << 190, CURVE).verifying_key
    table = comb.build_table(key.to_string(), rows)
    check_entries(table, key.pubkey.point, rows)
    assert table[:64] == key.to_string()


def test_table_of_minus_the_generator():
    x, y = generator.GENERATOR_TABLE[:32], generator.GENERATOR_TABLE[32:64]
    key = x + octets(p256.PRIME - int.from_bytes(y, "big"))
    check_entries(comb.build_table(key), CURVE.generator * (p256.ORDER - 1), 6)


@pytest.mark.parametrize(
    "key", [b"", bytes(64), b"\xff" * 64, generator.GENERATOR_TABLE[:63], b"\x04" + bytes(64)]
)
def test_no_table_for_what_is_no_key(key):
    with pytest.raises(ValueError, match="not a point"):
        comb.build_table(key)


@pytest.mark.parametrize("rows", [-1, 0, 1, 3, 9])
def test_no_table_that_the_device_would_not_take(rows):
    with pytest.raises(ValueError, match="rows"):
        comb.build_table(generator.GENERATOR_TABLE[:64], rows)


def test_self_test_signature_is_one():
    key = ec.EllipticCurvePublicNumbers(*p256._TEST_KEY, ec.SECP256R1()).public_key()
    signature = utils.encode_dss_signature(p256._TEST_R, p256._TEST_S)
    key.verify(signature, octets(p256._TEST_E), SHA256)


@given(private_keys, digests, st.integers(4, 8))
@settings(max_examples=40, deadline=None)
def test_signatures_of_cryptography_verify(secret, digest, rows):
    private = ec.derive_private_key(secret, ec.SECP256R1())
    key, signature = public_key(private), sign(private, digest)
    assert p256.verify(key, digest, signature) is True
    assert p256.verify(key, digest, signature, comb.build_table(key, rows)) is True


@given(private_keys, digests, st.integers(0, (64 + 32 + 64) * 8 - 1))
@settings(max_examples=150, deadline=None)
def test_no_bit_may_change(secret, digest, bit):
    private = ec.derive_private_key(secret, ec.SECP256R1())
    key = public_key(private)
    changed = bytearray(key + digest + sign(private, digest))
    changed[bit // 8] ^= 1 << bit % 8
    arguments = changed[:64], changed[64:96], changed[96:]
    assert p256.verify(*arguments) is False
    # a changed key has no table, whosever is handed in
    assert p256.verify(*arguments, comb.build_table(key, 4)) is False


@given(digests, st.integers(0, 15 * 64 * 8 - 1))
@settings(max_examples=100, deadline=None)
def test_a_damaged_table_verifies_nothing_else(digest, bit):
    private = ec.derive_private_key(0xDECAF, ec.SECP256R1())
    key, signature = public_key(private), sign(private, digest)
    table = bytearray(comb.build_table(key, 4))
    table[bit // 8] ^= 1 << bit % 8
    # its entry may not be looked up; one of the key itself is always compared
    assert p256.verify(key, digest, signature, table) in ((False,) if bit < 512 else (False, True))
    assert p256.verify(key, digest, signature[32:] + signature[:32], table) is False
