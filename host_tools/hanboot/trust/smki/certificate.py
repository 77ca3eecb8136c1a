"""A certificate of SMKI's shape, and what it states about its holder.

An organisation's subject carries a role (OU, two hex digits) and its identifier
(x500UniqueIdentifier, a BIT STRING of 64 bits). A device's subject is empty, and its identifier
stands in the subject alternative name as hardwareModuleName (RFC 4108). GBCS 12, SMKI certificate
policies.
"""

from __future__ import annotations

import datetime
import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hanboot import files
from hanboot.errors import BadFile
from hanboot.trust.keys import PublicKey, point_of

Usage = Literal["signature", "agreement", "certificates"]
Kind = Literal["organisation", "device", "authority"]

#: Remote party roles (GBCS 4.4.9; 0x87 and 0x89 as in published certificates).
ROLES = {
    0x00: "root",
    0x01: "recovery",
    0x02: "supplier",
    0x03: "network operator",
    0x04: "access control broker",
    0x05: "transitional change of supplier",
    0x06: "WAN provider",
    0x07: "issuing authority",
    0x87: "XML signing of a user",
    0x89: "XML signing of the DSP",
}
SUPPLIER = 0x02
BROKER = 0x04
USER_XML = 0x87
DSP_XML = 0x89

#: id-on-hardwareModuleName, RFC 4108
HARDWARE_MODULE_NAME = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.4")
EUI_BYTES = 8
_NO_LIMIT = 255

_TWO_HEX_DIGITS = re.compile("[0-9A-Fa-f]{2}")
_DECIMAL = re.compile("[0-9]{3}")

_log = logging.getLogger(__name__)


def eui_text(eui: bytes) -> str:
    """An EUI-64 as DUIS writes it: "90-B3-D5-1F-30-01-00-00"."""
    return eui.hex("-").upper()


def parse_eui(text: str) -> bytes:
    """The 8 octets of an EUI-64, written with or without separators.

    Raises:
        ValueError: it is none.
    """
    octets = bytes.fromhex(text.replace("-", "").replace(":", ""))
    if len(octets) != EUI_BYTES:
        raise ValueError(f"{text!r} has {len(octets)} octets, an EUI-64 has 8")
    return octets


@dataclass(frozen=True)
class Certificate:
    """The content of a certificate; whether to trust it is checked elsewhere.

    Attributes:
        name: what to call it in messages, e.g. the file's name.
        kind: of its holder.
        eui: of its holder, 8 octets; None for an authority.
        role: of an organisation or authority; None for a device.
        common_name: of the subject; "" where there is none.
        key: the public key.
        usages: what the key is for.
        policies: object identifiers, dotted.
        not_before: first instant of its validity, UTC.
        not_after: last instant.
        x509: as it was read.
    """

    name: str
    kind: Kind
    eui: bytes | None
    role: int | None
    common_name: str
    key: PublicKey
    usages: frozenset[Usage]
    policies: tuple[str, ...]
    not_before: datetime.datetime
    not_after: datetime.datetime
    x509: x509.Certificate

    @property
    def issuer(self) -> str:
        """RFC 2253, e.g. "CN=Z1,OU=07": as XML signatures name it."""
        return self.x509.issuer.rfc4514_string()

    @property
    def subject(self) -> str:
        return self.x509.subject.rfc4514_string()

    @property
    def serial(self) -> int:
        return self.x509.serial_number

    @property
    def key_identifier(self) -> bytes:
        """Subject key identifier: the extension's, or the one that RFC 5280 makes of the key."""
        try:
            extension = self.x509.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        except x509.ExtensionNotFound:
            return self.key.kid
        return extension.value.digest

    @property
    def authority_key_identifier(self) -> bytes | None:
        try:
            extension = self.x509.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
        except x509.ExtensionNotFound:
            return None
        return extension.value.key_identifier

    @property
    def path_length(self) -> int | None:
        """How many authorities may stand between it and a holder (RFC 5280 4.2.1.9); None where
        it may issue none.

        An authority without a limit is taken for one that may have as many as there ever are.
        """
        try:
            found = self.x509.extensions.get_extension_for_class(x509.BasicConstraints).value
        except x509.ExtensionNotFound:
            return None
        if not found.ca:
            return None
        return _NO_LIMIT if found.path_length is None else found.path_length

    @property
    def is_self_signed(self) -> bool:
        """Whether its own key signed it, whatever issuer it names."""
        key = self.x509.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        try:
            algorithm = self.x509.signature_hash_algorithm
            if algorithm is None:
                # such as Ed25519's, which no key on P-256 made
                return False
            octets = self.x509.tbs_certificate_bytes
            key.verify(self.x509.signature, octets, ec.ECDSA(algorithm))
        except (InvalidSignature, UnsupportedAlgorithm, ValueError):
            return False
        return True

    @property
    def holder(self) -> str:
        """The holder in words: "supplier 90-B3-D5-1F-30-01-00-00"."""
        what = "device" if self.kind == "device" else role_text(self.role)
        return f"{what} {eui_text(self.eui)}" if self.eui else f"{what} {self.common_name}".strip()

    def is_valid_at(self, instant: datetime.datetime) -> bool:
        return self.not_before <= instant <= self.not_after


def role_text(role: int | None) -> str:
    if role is None:
        return "no role"
    return ROLES.get(role, f"role 0x{role:02X}")


def load(path: Path) -> Certificate:
    """A certificate from a file, PEM or DER.

    Raises:
        BadFile: none is in it, it is malformed, or not of SMKI's shape.
    """
    octets = files.read(path, files.TEXT_MAX_BYTES)
    try:
        if b"-----BEGIN " in octets:
            certificate = x509.load_pem_x509_certificate(octets)
        else:
            certificate = x509.load_der_x509_certificate(octets)
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion):
        raise _bad(path, "it is neither PEM nor DER of an X.509 certificate") from None
    try:
        return describe(certificate, path.name)
    except ValueError as bad:
        raise _bad(path, " ".join(str(bad).split()) or "it cannot be decoded") from None


def _bad(path: Path, why: str) -> BadFile:
    return BadFile(
        f"{path} holds no certificate of SMKI's shape",
        why,
        "give an organisation's, a device's or an authority's certificate, with a key on P-256",
    )


def describe(certificate: x509.Certificate, name: str) -> Certificate:
    """The content of `certificate`.

    Raises:
        ValueError: it is not of SMKI's shape; the message is the cause.
    """
    try:
        return _describe(certificate, name)
    except (TypeError, UnsupportedAlgorithm, x509.DuplicateExtension) as bad:
        # fields are decoded as they are asked for, and fail each in its way
        raise ValueError(str(bad) or "it cannot be decoded") from None


def _describe(certificate: x509.Certificate, name: str) -> Certificate:
    for named in (certificate.issuer, certificate.subject):
        named.rfc4514_string()
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("its key is not on P-256 (prime256v1)")
    role = _role(certificate, name)
    usages = _usages(certificate)
    kind, eui = _holder(certificate, usages)
    common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return Certificate(
        name=name,
        kind=kind,
        eui=eui,
        role=role,
        common_name=str(common[0].value) if common else "",
        key=PublicKey(
            point_of(key), (certificate.not_valid_before_utc, certificate.not_valid_after_utc)
        ),
        usages=usages,
        policies=_policies(certificate),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        x509=certificate,
    )


def _role(certificate: x509.Certificate, name: str) -> int | None:
    units = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    if not units:
        return None
    if len(units) > 1:
        raise ValueError(f"it has {len(units)} roles (OU), and one is all there may be")
    text = str(units[0].value)
    if _TWO_HEX_DIGITS.fullmatch(text):
        return int(text, 16)
    # an old certificate of the DSP has its role in decimal
    role = int(text) if _DECIMAL.fullmatch(text) else 0x100
    if role > 0xFF:
        raise ValueError(f"its role (OU) is {text[:40]!r}, not two hex digits")
    _log.warning(
        "%s writes its role as %s, not as two hex digits: read as 0x%02X", name, text, role
    )
    return role


def _holder(certificate: x509.Certificate, usages: frozenset[Usage]) -> tuple[Kind, bytes | None]:
    if "certificates" in usages:
        return "authority", None
    identifiers = certificate.subject.get_attributes_for_oid(NameOID.X500_UNIQUE_IDENTIFIER)
    if len(identifiers) > 1:
        raise ValueError(f"it has {len(identifiers)} x500UniqueIdentifiers, and one holder at most")
    if identifiers:
        value = identifiers[0].value
        # a BIT STRING: how many bits are unused, then the bits
        if not isinstance(value, bytes) or len(value) != 1 + EUI_BYTES or value[0]:
            raise ValueError("its x500UniqueIdentifier is not a BIT STRING of 64 bits")
        return "organisation", value[1:]
    return "device", _device_eui(certificate)


def _device_eui(certificate: x509.Certificate) -> bytes:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        raise ValueError("it names neither an organisation nor a device") from None
    others = [name for name in names if isinstance(name, x509.OtherName)]
    if len(others) != 1 or others[0].type_id != HARDWARE_MODULE_NAME:
        raise ValueError("its subject alternative name is not one hardwareModuleName")
    octets = others[0].value
    # SEQUENCE { hwType OID, hwSerialNum OCTET STRING of 8 }, all of it short
    is_sequence = len(octets) > 4 and octets[0] == 0x30 and octets[1] == len(octets) - 2
    end = 4 + octets[3] if is_sequence and octets[2] == 0x06 else 0
    if not end or octets[end : end + 2] != b"\x04\x08" or len(octets) != end + 2 + EUI_BYTES:
        raise ValueError("its hardwareModuleName holds no EUI-64")
    return octets[end + 2 :]


def _usages(certificate: x509.Certificate) -> frozenset[Usage]:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        raise ValueError("it has no key usage") from None
    found: set[Usage] = set()
    if usage.digital_signature:
        found.add("signature")
    if usage.key_agreement:
        found.add("agreement")
    if usage.key_cert_sign:
        found.add("certificates")
    return frozenset(found)


def _policies(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        policies = certificate.extensions.get_extension_for_class(x509.CertificatePolicies).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(policy.policy_identifier.dotted_string for policy in policies)
