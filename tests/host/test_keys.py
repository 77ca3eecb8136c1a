"""Key files: made, loaded, and everything that people give in their place."""

from __future__ import annotations

import datetime
import hashlib
import logging
import stat
from pathlib import Path

import ecdsa
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from hanboot.errors import BadFile, CheckFailed
from hanboot.trust import keys

PKCS8 = serialization.PrivateFormat.PKCS8
SEC1 = serialization.PrivateFormat.TraditionalOpenSSL
CLEAR = serialization.NoEncryption()


def private_pem(key, form=PKCS8, encryption=CLEAR) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, form, encryption)


def public_pem(key) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def certificate(key, usage: bool = True, name: str = "test") -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    flags = dict.fromkeys(
        (
            *("content_commitment", "key_encipherment", "data_encipherment", "key_cert_sign"),
            *("crl_sign", "encipher_only", "decipher_only"),
        ),
        False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.datetime(2020, 1, 1))
        .not_valid_after(datetime.datetime(2021, 1, 1))
        .add_extension(
            x509.KeyUsage(digital_signature=usage, key_agreement=not usage, **flags), True
        )
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )


@pytest.fixture
def p256():
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "key.pem"


# --- made


def test_new_pair(tmp_path):
    private, public, key = keys.new(tmp_path / "supplier")
    assert (private.name, public.name) == ("supplier.pem", "supplier.pub.pem")
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert keys.load_private(private).public == key
    assert keys.load_public(public) == key
    assert b"BEGIN PRIVATE KEY" in private.read_bytes()
    assert keys.is_development(private)
    assert keys.is_development(public)


def test_name_may_say_pem(tmp_path):
    private, public, _ = keys.new(tmp_path / "supplier.pem")
    assert (private.name, public.name) == ("supplier.pem", "supplier.pub.pem")


@pytest.mark.parametrize("there", ["supplier.pem", "supplier.pub.pem"])
def test_nothing_is_overwritten(tmp_path, there):
    (tmp_path / there).write_text("precious")
    with pytest.raises(BadFile, match="never overwritten"):
        keys.new(tmp_path / "supplier")
    assert [file.name for file in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_text() == "precious"


def test_no_folder(tmp_path):
    with pytest.raises(BadFile, match="no such file"):
        keys.new(tmp_path / "nowhere" / "supplier")


# --- signatures

_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # SEC 2, 2.4.2


def test_signature_is_right_by_another_implementation(pairs):
    key = pairs.manufacturer
    signature = key.sign(b"message")
    other = ecdsa.VerifyingKey.from_string(key.public.point, ecdsa.NIST256p)
    assert other.verify(signature, b"message", hashlib.sha256)
    assert key.public.is_signature(b"message", signature)
    assert not key.public.is_signature(b"massage", signature)
    assert not pairs.stranger.public.is_signature(b"message", signature)


def test_signature_is_that_of_rfc_6979():
    # RFC 6979 A.2.5, P-256 with SHA-256, message "sample"
    secret = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
    key = keys.PrivateKey(ec.derive_private_key(secret, ec.SECP256R1()))
    if key.sign(b"sample") != key.sign(b"sample"):
        pytest.skip("this OpenSSL does not sign deterministically")
    r = "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
    s = 0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8
    # of the two that verify, an envelope takes the lower s
    assert key.sign(b"sample").hex() == f"{r}{_ORDER - s:064x}"


@pytest.mark.parametrize(
    ("s", "canonical"),
    [
        (1, 1),
        (_ORDER // 2, _ORDER // 2),
        (_ORDER // 2 + 1, _ORDER // 2),
        (_ORDER - 1, 1),
    ],
)
def test_canonical_signature(s, canonical):
    r = b"\x07" * 32
    found = keys.canonical_signature(r + s.to_bytes(32, "big"))
    assert found == r + canonical.to_bytes(32, "big")
    assert keys.canonical_signature(found) == found


@pytest.mark.parametrize("signature", [bytes(64), b"\xff" * 64, bytes(32) + b"\x01" * 32])
def test_numbers_out_of_range_are_no_signature(pairs, signature):
    assert not pairs.manufacturer.public.is_signature(b"message", signature)


def test_signature_made_elsewhere(pairs):
    key = pairs.manufacturer
    raw = key.sign(b"message")
    der = ecdsa.util.sigencode_der(
        int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"), ecdsa.NIST256p.order
    )
    for octets in (raw, der):
        assert keys.matching_signature(octets, key.public, b"message", "sig") == raw
        with pytest.raises(CheckFailed, match="does not match"):
            keys.matching_signature(octets, pairs.stranger.public, b"message", "sig")
    for octets in (b"", raw[:63], raw + b"\0", der[:-1], b"0" * 4000):
        with pytest.raises(BadFile, match="neither r"):
            keys.matching_signature(octets, key.public, b"message", "sig")


# --- loaded


def test_kid_is_the_subject_key_identifier_of_smki(dcc):
    key = keys.load_public(dcc / "dcc-supplier-cert.pem")
    octets = (dcc / "dcc-supplier-cert.pem").read_bytes()
    extension = x509.load_pem_x509_certificate(octets).extensions.get_extension_for_class(
        x509.SubjectKeyIdentifier
    )
    assert key.kid == extension.value.digest
    assert key.valid is not None
    assert [moment.year for moment in key.valid] == [2015, 2025]
    assert not keys.is_development(dcc / "dcc-supplier-cert.pem")


@pytest.mark.parametrize("form", [PKCS8, SEC1])
def test_private_key_files(file, p256, form, caplog):
    file.write_bytes(private_pem(p256, form))
    file.chmod(0o600)
    assert keys.load_private(file).public.point
    with pytest.raises(BadFile, match="holds a private key"):
        keys.load_public(file)
    assert not caplog.records


def test_file_with_curve_parameters_first(file, p256):
    # as `openssl ecparam -genkey` writes it
    parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    file.write_bytes(parameters.encode() + private_pem(p256, SEC1))
    assert keys.load_private(file).public == keys.PrivateKey(p256).public


def test_certificate(file, p256, caplog):
    file.write_bytes(certificate(p256))
    assert keys.load_public(file).valid is not None
    assert not caplog.records
    file.write_bytes(certificate(p256, usage=False))
    with pytest.raises(BadFile, match="not for digital signatures"):
        keys.load_public(file)


def test_several_certificates(file, p256):
    """A chain, the root first, as portals and PKCS #12 exports give it."""
    other = ec.generate_private_key(ec.SECP256R1())
    chain = certificate(p256, name="root") + certificate(other, name="leaf")
    file.write_bytes(chain)
    with pytest.raises(BadFile, match="CN=root; CN=leaf"):
        keys.load_public(file)
    chosen = keys.load_public(file.with_name(f"{file.name}#CN=leaf"))
    assert chosen.point == keys.PrivateKey(other).public.point
    for name in ("nobody", "CN="):
        with pytest.raises(BadFile, match="of its 2 certificates have"):
            keys.load_public(file.with_name(f"{file.name}#{name}"))


def test_several_keys(file, p256):
    file.write_bytes(public_pem(p256) * 2)
    with pytest.raises(BadFile, match="holds 2 keys"):
        keys.load_public(file)
    file.write_bytes(private_pem(p256) * 2)
    with pytest.raises(BadFile, match="holds 2 keys"):
        keys.load_private(file)


def test_a_full_disk_leaves_no_key(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hanboot.files.os.fsync", full)
    with pytest.raises(BadFile, match="no space left"):
        keys.new(tmp_path / "supplier")
    assert not list(tmp_path.iterdir())


def test_private_key_that_others_can_read(file, p256, caplog):
    file.write_bytes(private_pem(p256))
    file.chmod(0o640)
    with caplog.at_level(logging.WARNING):
        keys.load_private(file)
    assert "can be read by others" in caplog.text


@pytest.mark.parametrize("form", [PKCS8, SEC1])
def test_encrypted_private_key(file, p256, form):
    file.write_bytes(private_pem(p256, form, serialization.BestAvailableEncryption(b"secret")))
    file.chmod(0o600)
    assert keys.load_private(file, lambda path: b"secret").public.point
    with pytest.raises(BadFile, match="passphrase is wrong"):
        keys.load_private(file, lambda path: b"guess")
    with pytest.raises(BadFile, match="--passphrase-file"):
        keys.load_private(file)


def test_wrong_kinds_of_key(file):
    for key, word in (
        (ec.generate_private_key(ec.SECP384R1()), "secp384r1"),
        (rsa.generate_private_key(65537, 1024), "not an elliptic curve key"),
    ):
        for octets in (public_pem(key), certificate(key)):
            file.write_bytes(octets)
            with pytest.raises(BadFile, match=word):
                keys.load_public(file)
        file.write_bytes(private_pem(key))
        with pytest.raises(BadFile, match=word):
            keys.load_private(file)


PEM_JUNK = b"-----BEGIN %s-----\nAAAA\n-----END %s-----\n"


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"", "no -----BEGIN line"),
        (b"\x30\x82\x01\x00", "no -----BEGIN line"),
        (b"\xff" * 300_000, "more than"),
        (b"-----BEGIN ", "cannot be decoded"),
        (PEM_JUNK % (b"PUBLIC KEY", b"PUBLIC KEY"), "a public key, but cannot be decoded"),
        (PEM_JUNK % (b"CERTIFICATE", b"CERTIFICATE"), "a certificate, but cannot"),
        (PEM_JUNK % (b"PRIVATE KEY", b"PRIVATE KEY"), "a private key"),
        (PEM_JUNK % (b"EC PRIVATE KEY", b"EC PRIVATE KEY"), "a private key"),
    ],
)
def test_not_a_key(file, octets, why):
    file.write_bytes(octets)
    with pytest.raises(BadFile, match=why):
        keys.load_public(file)
    with pytest.raises(BadFile):
        keys.load_private(file)


def test_public_where_private_is_wanted(file, p256):
    for octets in (public_pem(p256), certificate(p256)):
        file.write_bytes(octets)
        with pytest.raises(BadFile, match="holds no private key"):
            keys.load_private(file)


def test_missing_file(file):
    with pytest.raises(BadFile, match="no such file"):
        keys.load_public(file)
