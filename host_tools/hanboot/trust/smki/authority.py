"""Issues certificates of SMKI's shape, for a lab: none of them is worth anything elsewhere."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID

from hanboot.trust.keys import PublicKey, point_of
from hanboot.trust.smki.certificate import HARDWARE_MODULE_NAME

#: Policies of published test certificates; those of the live environment are in no public source.
ORGANISATION_POLICY = "1.2.826.0.1.8641679.1.2.1.4"
DEVICE_POLICY = "1.2.826.0.1.1800000.1.2.1.4"
#: hwType of published device certificates, 1.2.826.0.1.8641679.1.2.2.1 in DER
_HARDWARE_TYPE = bytes.fromhex("060d2a863a0001848fb90f01020201")

#: What RFC 5280 4.1.2.5 writes for "no end".
NEVER = datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=datetime.UTC)

_NO_USAGE = dict.fromkeys(
    (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    ),
    False,
)


@dataclass(frozen=True)
class Issued:
    """A certificate and the private key of its holder, both PEM."""

    certificate: bytes
    private_key: bytes


class CertificateAuthority:
    """A certification authority.

    Args:
        name: common name, e.g. "ZA".
        role: 0x00 for a root, 0x07 for an issuing authority.
        issuer: who certifies it; None for a root.
        start: first instant of its validity, UTC.
    """

    def __init__(
        self, name: str, role: int, issuer: CertificateAuthority | None, start: datetime.datetime
    ) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, f"{role:02X}"),
                x509.NameAttribute(NameOID.COMMON_NAME, name),
            ]
        )
        self._start = start
        signer = issuer or self
        builder = signer._builder(self._name, self._key.public_key(), ORGANISATION_POLICY)
        builder = builder.not_valid_after(_years_later(start, 25)).add_extension(
            x509.BasicConstraints(ca=True, path_length=0 if issuer else 1), critical=True
        )
        usage = {**_NO_USAGE, "key_cert_sign": True, "crl_sign": True}
        builder = builder.add_extension(x509.KeyUsage(**usage), critical=True)
        self.issued = signer._issue(builder, self._key)

    def organisation(
        self, name: str, role: int, eui: bytes, usage: Literal["signature", "agreement"]
    ) -> Issued:
        """A certificate of an organisation, for ten years."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.COMMON_NAME, name),
                x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, f"{role:02X}"),
                # a BIT STRING of which no bits are unused
                x509.NameAttribute(
                    NameOID.X500_UNIQUE_IDENTIFIER, b"\0" + eui, _type=_ASN1Type.BitString
                ),
            ]
        )
        builder = self._builder(subject, key.public_key(), ORGANISATION_POLICY)
        builder = builder.not_valid_after(_years_later(self._start, 10))
        return self._issue(_for_usage(builder, usage), key)

    def device(self, eui: bytes, usage: Literal["signature", "agreement"]) -> Issued:
        """A certificate of a device, without end."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(x509.Name([]), key.public_key(), DEVICE_POLICY)
        serial = b"\x04\x08" + eui
        name = bytes((0x30, len(_HARDWARE_TYPE) + len(serial))) + _HARDWARE_TYPE + serial
        builder = builder.not_valid_after(NEVER).add_extension(
            x509.SubjectAlternativeName([x509.OtherName(HARDWARE_MODULE_NAME, name)]),
            critical=True,
        )
        return self._issue(_for_usage(builder, usage), key)

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, policy: str
    ) -> x509.CertificateBuilder:
        policies = [x509.PolicyInformation(x509.ObjectIdentifier(policy), None)]
        own = PublicKey(point_of(self._key.public_key()))
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._start)
            .add_extension(x509.CertificatePolicies(policies), critical=True)
            .add_extension(x509.SubjectKeyIdentifier(PublicKey(point_of(key)).kid), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier(own.kid, None, None),
                critical=False,
            )
        )

    def _issue(self, builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> Issued:
        certificate = builder.sign(self._key, hashes.SHA256())
        return Issued(
            certificate.public_bytes(serialization.Encoding.PEM),
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
        )


def _for_usage(
    builder: x509.CertificateBuilder, usage: Literal["signature", "agreement"]
) -> x509.CertificateBuilder:
    chosen = "digital_signature" if usage == "signature" else "key_agreement"
    return builder.add_extension(x509.KeyUsage(**{**_NO_USAGE, chosen: True}), critical=True)


def _years_later(start: datetime.datetime, years: int) -> datetime.datetime:
    # 29 February has no anniversary in most years
    day = min(start.day, 28)
    return start.replace(year=start.year + years, day=day)
