"""P-256 keys: made, loaded, signed and verified with.

A key identifier (kid) is what SMKI certificates carry as subject key identifier: RFC 5280 4.2.1.2
method 2, that is 0100 and the low 60 bits of the SHA-1 of the public key.

Keys made here are for development: both files say so in a line above the PEM block, which every
PEM reader passes over.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import logging
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    decode_dss_signature,
    encode_dss_signature,
)

from hanboot import files
from hanboot.errors import BadFile, CheckFailed
from hanbootloader.trust import p256

KID_BYTES = 8
SIGNATURE_BYTES = 64

#: A line above the PEM block of each file that is made here.
DEVELOPMENT = b"hanboot development key: not for devices in the field\n"

_log = logging.getLogger(__name__)

#: Asked for the passphrase of an encrypted key file.
AskPassphrase = Callable[[Path], bytes]


@dataclass(frozen=True)
class PublicKey:
    """A P-256 public key.

    Attributes:
        point: x || y, 64 octets, big-endian.
        valid: (first, last) instant of the certificate that it came in, if it did.
    """

    point: bytes
    valid: tuple[datetime.datetime, datetime.datetime] | None = None

    @property
    def kid(self) -> bytes:
        """Subject key identifier, 8 octets (RFC 5280 4.2.1.2 method 2)."""
        low = int.from_bytes(hashlib.sha1(b"\x04" + self.point).digest()[-8:], "big")
        return (low & (1 << 60) - 1 | 0b0100 << 60).to_bytes(KID_BYTES, "big")

    def is_signature(self, message: bytes, signature: bytes) -> bool:
        """Whether `signature` (r || s, 64 octets) is this key's over the SHA-256 of `message`."""
        return self.is_signature_of_hash(hashlib.sha256(message).digest(), signature)

    def is_signature_of_hash(self, digest: bytes, signature: bytes) -> bool:
        """Whether `signature` (r || s, 64 octets) is this key's over `digest`, a SHA-256."""
        encoded = encode_dss_signature(
            int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        )
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + self.point)
        try:
            key.verify(encoded, digest, ec.ECDSA(Prehashed(hashes.SHA256())))
        except InvalidSignature:
            return False
        return True


class PrivateKey:
    """A P-256 key pair."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        self.public = PublicKey(point_of(key.public_key()))

    @property
    def scalar(self) -> bytes:
        """The key itself, 32 octets: for a device that is to have it."""
        return self._key.private_numbers().private_value.to_bytes(32, "big")

    def sign(self, message: bytes) -> bytes:
        """r || s, 64 octets, s the lower of the two, over the SHA-256 of `message`."""
        return canonical_signature(self.sign_plain(message))

    def sign_plain(self, message: bytes) -> bytes:
        """r || s, 64 octets, over the SHA-256 of `message`; by RFC 6979 where OpenSSL has it."""
        try:
            encoded = self._key.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
        except UnsupportedAlgorithm:
            encoded = self._key.sign(message, ec.ECDSA(hashes.SHA256()))
        return signature_from_der(encoded)

    def agree(self, peer: PublicKey) -> bytes:
        """The secret shared with the holder of `peer`: x of the point, 32 octets (ECDH)."""
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + peer.point)
        return self._key.exchange(ec.ECDH(), public)

    def pem(self) -> bytes:
        return self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    def public_pem(self) -> bytes:
        return self._key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )


def point_of(key: ec.EllipticCurvePublicKey) -> bytes:
    """x || y, 64 octets, big-endian."""
    return key.public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )[1:]


def key_at(point: bytes) -> PublicKey:
    """The key whose point is x || y.

    Raises:
        ValueError: it is no point of the curve.
    """
    ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + point)
    return PublicKey(point)


def signature_from_der(octets: bytes) -> bytes:
    """r || s of an ECDSA-Sig-Value as OpenSSL makes it.

    Raises:
        ValueError: it is none, or not of P-256.
    """
    r, s = decode_dss_signature(octets)
    if r >> 256 or s >> 256:
        raise ValueError
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def matching_signature(octets: bytes, key: PublicKey, message: bytes, name: str) -> bytes:
    """r || s of a signature made elsewhere, once it is shown to be `key`'s over `message`.

    Args:
        octets: 64 octets r || s, or DER as OpenSSL makes it.
        key: who must have made it.
        message: what was to be signed.
        name: what to call the signature in messages.

    Raises:
        BadFile: it is no signature.
        CheckFailed: it is another key's, or over something else.
    """
    candidates = [octets] if len(octets) == SIGNATURE_BYTES else []
    with contextlib.suppress(ValueError):
        candidates.append(signature_from_der(octets))
    if not candidates:
        raise BadFile(
            f"{name} is not an ECDSA signature on P-256",
            f"its {len(octets)} octets are neither r || s (64 octets) nor DER",
            "sign by: openssl dgst -sha256 -sign KEY -out SIGNATURE FILE",
        )
    for signature in candidates:
        if key.is_signature(message, signature):
            return signature
    raise CheckFailed(
        f"{name} does not match",
        f"it is not a signature by the key {key.kid.hex()} over these octets",
        "sign the octets that --to-sign wrote for this very file, with the key's private half",
    )


def canonical_signature(signature: bytes) -> bytes:
    """Of the two signatures (r, s) and (r, n - s), which verify alike, the one with the lower s.

    An envelope must carry this one (docs/reference/formats.md).
    """
    s = int.from_bytes(signature[32:], "big")
    return signature[:32] + min(s, p256.ORDER - s).to_bytes(32, "big") if s else signature


def generate() -> PrivateKey:
    return PrivateKey(ec.generate_private_key(ec.SECP256R1()))


# --- files


def new(name: Path) -> tuple[Path, Path, PublicKey]:
    """Makes a development key pair: `name`.pem, for its owner alone, and `name`.pub.pem.

    Raises:
        BadFile: one of them is there already, or cannot be written.
    """
    stem = name.with_suffix("") if name.suffix == ".pem" else name
    private, public = (stem.with_name(stem.name + ending) for ending in (".pem", ".pub.pem"))
    key = generate()
    files.create(private, DEVELOPMENT + key.pem(), 0o600)
    try:
        files.create(public, DEVELOPMENT + key.public_pem(), 0o644)
    except BadFile:
        private.unlink()
        raise
    return private, public, key.public


def is_development(path: Path) -> bool:
    """Whether `new` made the key in this file."""
    return DEVELOPMENT in files.read(path, files.TEXT_MAX_BYTES)


def no_passphrase(path: Path) -> bytes:
    """For callers without a terminal to ask at."""
    raise BadFile(
        f"{path} is encrypted",
        "there is no passphrase for it",
        "put the passphrase in a file and name it with --passphrase-file",
    )


def load_private(path: Path, ask: AskPassphrase = no_passphrase) -> PrivateKey:
    """A private key from a PEM file (PKCS #8 or SEC 1).

    Args:
        path: the file; a warning is logged if others may read it.
        ask: called if the key is encrypted.

    Raises:
        BadFile: no private P-256 key is in it, or the passphrase is wrong.
    """
    octets = _read_pem(path)
    if b"PRIVATE KEY-----" in octets:
        _check_single(path, octets)
    else:
        raise BadFile(
            f"{path} holds no private key",
            f"it holds {_contents(octets)}",
            "give the file with the private key: hanboot keys new calls it NAME.pem",
        )
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        _log.warning("%s can be read by others than its owner: chmod 600 %s", path, path)
    return PrivateKey(_private(path, octets, ask))


def load_public(path: Path, for_agreement: bool = False) -> PublicKey:
    """A public key from a PEM file: a public key, or an X.509 certificate.

    Args:
        path: the file; of several certificates in it `FILE#NAME` chooses the one whose subject
            has NAME in it.
        for_agreement: a certificate must be for key agreement, in place of signatures.

    Raises:
        BadFile: none is in it, several are, it is not of P-256, it is a private key, or a
            certificate whose key usage is another.
    """
    path, wanted = _split_name(path)
    octets = _read_pem(path)
    if b"PRIVATE KEY-----" in octets:
        raise BadFile(
            f"{path} holds a private key",
            "a public key is meant here, and a private one should not leave its place",
            "give the public half: hanboot keys new calls it NAME.pub.pem; or openssl pkey -pubout",
        )
    try:
        if b"-----BEGIN CERTIFICATE-----" in octets:
            return _from_certificate(path, octets, wanted, for_agreement)
        _check_single(path, octets)
        return PublicKey(point_of(_p256_public(path, serialization.load_pem_public_key(octets))))
    except (
        ValueError,
        # of certificates: fields are decoded as they are asked for, and fail each in its way
        TypeError,
        UnsupportedAlgorithm,
        x509.InvalidVersion,
        x509.DuplicateExtension,
    ):
        raise _malformed(path, octets) from None


def _split_name(path: Path) -> tuple[Path, str | None]:
    """FILE and NAME of `FILE#NAME`; a file that is really called so counts first."""
    text = str(path)
    if "#" not in text or path.exists():
        return path, None
    file, _, name = text.rpartition("#")
    return Path(file), name


def _from_certificate(
    path: Path, octets: bytes, wanted: str | None, for_agreement: bool
) -> PublicKey:
    certificates = x509.load_pem_x509_certificates(octets)
    subjects = [certificate.subject.rfc4514_string() for certificate in certificates]
    chosen = [
        certificate
        for certificate, subject in zip(certificates, subjects, strict=True)
        if wanted is None or wanted in subject
    ]
    if len(chosen) != 1:
        found = f"{len(chosen)} of its {len(certificates)} certificates have {wanted!r}"
        raise BadFile(
            f"{path} holds {len(certificates)} certificates, and one is wanted",
            (f"{found}: " if wanted is not None else "") + "; ".join(subjects),
            f"choose one by its subject: {path}#NAME",
        )
    (certificate,) = chosen
    _check_key_usage(path, certificate, for_agreement)
    valid = (certificate.not_valid_before_utc, certificate.not_valid_after_utc)
    return PublicKey(point_of(_p256_public(path, certificate.public_key())), valid)


def _check_single(path: Path, octets: bytes) -> None:
    count = octets.count(b"-----BEGIN ") - octets.count(b"-----BEGIN EC PARAMETERS-----")
    if count > 1:
        raise BadFile(
            f"{path} holds {count} keys, and one is wanted",
            "it is ambiguous which of them is meant",
            "put the one that is meant in a file of its own",
        )


def _p256_public(path: Path, key: object) -> ec.EllipticCurvePublicKey:
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise _wrong_kind(path, key)
    return key


def _private(path: Path, octets: bytes, ask: AskPassphrase) -> ec.EllipticCurvePrivateKey:
    encrypted = b"ENCRYPTED" in octets
    passphrase = ask(path) if encrypted else None
    try:
        key = serialization.load_pem_private_key(octets, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        if encrypted:
            raise BadFile(
                f"cannot decrypt {path}",
                "the passphrase is wrong, or the file is damaged",
                "try again with the right passphrase",
            ) from None
        raise _malformed(path, octets) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise _wrong_kind(path, key)
    return key


def _read_pem(path: Path) -> bytes:
    octets = files.read(path, files.TEXT_MAX_BYTES)
    if b"-----BEGIN " not in octets:
        raise BadFile(
            f"{path} is not PEM",
            "it holds no -----BEGIN line",
            "if it is DER: openssl x509, or openssl pkey, -inform DER makes PEM of it",
        )
    return octets


def _contents(octets: bytes) -> str:
    label = octets.split(b"-----BEGIN ", 1)[1].split(b"-----", 1)[0]
    text = "".join(filter(str.isprintable, label[:32].decode("ascii", "replace"))).lower()
    return f"an {text}" if text[:1] in tuple("aeiou") else f"a {text}"


def _malformed(path: Path, octets: bytes) -> BadFile:
    return BadFile(
        f"{path} holds no key that can be read",
        f"it looks like {_contents(octets)}, but cannot be decoded",
        "fetch or make it again; openssl pkey -in FILE -noout -text shows what is in it",
    )


def _wrong_kind(path: Path, key: object) -> BadFile:
    kind = getattr(getattr(key, "curve", None), "name", None)
    kind = f"on the curve {kind}" if kind else "not an elliptic curve key"
    return BadFile(
        f"{path} holds a key of the wrong kind",
        f"it is {kind}; GBCS signs with ECDSA on P-256",
        "give a P-256 (prime256v1, secp256r1) key: hanboot keys new NAME makes one",
    )


def _check_key_usage(path: Path, certificate: x509.Certificate, for_agreement: bool) -> None:
    # SMKI gives an organisation one certificate for signatures and one for key agreement
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except (x509.ExtensionNotFound, ValueError):
        return
    if not (usage.key_agreement if for_agreement else usage.digital_signature):
        what = "key agreement" if for_agreement else "digital signatures"
        raise BadFile(
            f"{path} is not for {what}",
            f"its key usage says so; its subject is {certificate.subject.rfc4514_string()}",
            f"give the organisation's certificate for {what} (SMKI issues two)",
        )
