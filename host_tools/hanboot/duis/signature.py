"""The XML signature of a DUIS document: one rule, to the letter.

An enveloped signature as the last child of the root, prefix ds, and in it one reference with
URI="" and a single transform. As no transform canonicalises, the digest is over inclusive
Canonical XML 1.0 without comments of the document without the Signature (XML Signature 4.4.3.2);
SignedInfo itself is canonicalised exclusively. The value is r || s, 64 octets, in base64.
Anything else - other algorithms, more references, attributes, a second signature anywhere - is
refused, so that what is verified is the document that is read.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import datetime
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from hanboot.duis.identifiers import RequestID
from hanboot.duis.names import DS, ds, sr
from hanboot.duis.parsing import Element, packed_text_of, text_of
from hanboot.errors import CheckFailed
from hanboot.trust.keys import PrivateKey
from hanboot.trust.smki.certificate import (
    BROKER,
    DSP_XML,
    SUPPLIER,
    USER_XML,
    Certificate,
    eui_text,
    role_text,
)
from hanboot.trust.smki.validation import validity_text

EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
ECDSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
ENVELOPED = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"

_SIGNATURE_BYTES = 64
_DIGEST_BYTES = 32

#: An element, its attributes, its children.
Form = tuple[str, dict[str, str], tuple[Any, ...]]

#: The one form of a signature.
_FORM: Form = (
    "Signature", {}, (
        ("SignedInfo", {}, (
            ("CanonicalizationMethod", {"Algorithm": EXCLUSIVE}, ()),
            ("SignatureMethod", {"Algorithm": ECDSA_SHA256}, ()),
            ("Reference", {"URI": ""}, (
                ("Transforms", {}, (("Transform", {"Algorithm": ENVELOPED}, ()),)),
                ("DigestMethod", {"Algorithm": SHA256}, ()),
                ("DigestValue", {}, ()),
            )),
        )),
        ("SignatureValue", {}, ()),
        ("KeyInfo", {}, (
            ("X509Data", {}, (
                ("X509IssuerSerial", {}, (
                    ("X509IssuerName", {}, ()),
                    ("X509SerialNumber", {}, ()),
                )),
            )),
        )),
    ),
)  # fmt: skip


@dataclass
class VerifiedSignature:
    """A signature that is right.

    Attributes:
        signer: whose it is.
        warnings: what the user should know all the same.
    """

    signer: Certificate
    warnings: list[str] = field(default_factory=list)


def signature_of(root: Element) -> Element | None:
    """The document's signature, right or wrong; None where there is none.

    Raises:
        CheckFailed: there are several, or it is not where it must be.
    """
    found = list(root.iter(ds("Signature")))
    if not found:
        return None
    if len(found) > 1:
        raise _refused(f"there are {len(found)} signatures in it, and only one may be")
    if found[0].getparent() is not root or found[0].getnext() is not None:
        raise _refused("its signature is not the last element of the root")
    return found[0]


def detach(root: Element, signature: Element) -> None:
    """Takes the signature out of the document; the text around it stays."""
    tail, before = signature.tail or "", signature.getprevious()
    if before is not None:
        before.tail = (before.tail or "") + tail
    else:
        root.text = (root.text or "") + tail
    root.remove(signature)


class _Digest:
    """A file that keeps only the SHA-256 of what is written to it."""

    def __init__(self) -> None:
        self._sha = hashlib.sha256()

    def write(self, octets: bytes) -> None:
        self._sha.update(octets)

    def digest(self) -> bytes:
        return self._sha.digest()


def _document_digest(root: Element) -> bytes:
    digest = _Digest()
    with _having_a_form():
        etree.ElementTree(root).write_c14n(digest, exclusive=False, with_comments=False)
    return digest.digest()


def _canonical(signed_info: Element) -> bytes:
    with _having_a_form():
        octets: bytes = etree.tostring(
            signed_info, method="c14n", exclusive=True, with_comments=False
        )
    return octets


@contextlib.contextmanager
def _having_a_form() -> Iterator[None]:
    """Canonical XML 1.0 has none for a namespace that is a relative URI (1.3)."""
    try:
        yield
    except etree.C14NError:
        raise _refused(
            "the document has no canonical form: a namespace in it is no absolute URI"
        ) from None


# --- verified


def verify(
    root: Element, certificates: Sequence[Certificate], at: datetime.datetime | None
) -> VerifiedSignature:
    """Checks the signature of a document and takes it out.

    Args:
        root: of a document that `parsing.parse` made; afterwards it has no signature.
        certificates: trusted as they are.
        at: when the signer's must be valid; None: now, and it is only a warning if it is not.

    Raises:
        CheckFailed: there is no signature, it is wrong, or its signer is not the right one.
    """
    signature = signature_of(root)
    if signature is None:
        raise _refused("it has no signature", "sign it: hanboot duis sign")
    _check_form(signature, _FORM)
    signed_info, value, key_info = signature
    digest_value = _base64(signed_info[2][2], "DigestValue", _DIGEST_BYTES)
    signature_value = _base64(value, "SignatureValue", _SIGNATURE_BYTES)
    octets = _canonical(signed_info)
    signer = _find(key_info[0][0], certificates)
    if not signer.key.is_signature(octets, signature_value):
        raise _refused(f"the signature is not by {signer.name}, or SignedInfo was changed")
    detach(root, signature)
    if _document_digest(root) != digest_value:
        raise _refused("the document was changed after it was signed: its digest is another")
    verified = VerifiedSignature(signer)
    _check_policy(root, verified)
    _check_validity(verified, at)
    return verified


def _check_form(element: Element, form: Form) -> None:
    name, attributes, children = form
    if element.tag != ds(name):
        raise _refused(f"in its signature stands {etree.QName(element).localname}, not {name}")
    if dict(element.attrib) != attributes:
        wanted = ", ".join(f'{key}="{text}"' for key, text in attributes.items()) or "none"
        raise _refused(f"the attributes of {name} must be {wanted}")
    if len(element) != len(children):
        raise _refused(f"{name} has {len(element)} elements in it, and must have {len(children)}")
    for child, child_form in zip(element, children, strict=True):
        _check_form(child, child_form)


def _base64(element: Element, name: str, length: int) -> bytes:
    try:
        octets = base64.b64decode(packed_text_of(element), validate=True)
    except (binascii.Error, ValueError):
        octets = b""
    if len(octets) != length:
        raise _refused(f"{name} is not {length} octets in base64")
    return octets


def _find(issuer_serial: Element, certificates: Sequence[Certificate]) -> Certificate:
    issuer = _normal(text_of(issuer_serial[0]))
    serial = text_of(issuer_serial[1])
    for one in certificates:
        if serial == str(one.serial) and issuer == _normal(one.issuer):
            return one
    raise _refused(
        f"its signer is issuer {issuer}, serial number {serial}, and no such certificate was given",
        "give the signer's certificate",
    )


def _normal(name: str) -> str:
    """A distinguished name without the spaces that some writers put after commas."""
    return re.sub(r",\s+", ",", name)


def _check_policy(root: Element, verified: VerifiedSignature) -> None:
    """Whether this signer may sign this document."""
    signer = verified.signer
    if "signature" not in signer.usages:
        raise _refused(f"{signer.name} is not for signatures")
    if root.tag == sr("Response"):
        wanted, older = DSP_XML, {BROKER}
        if signer.role not in {wanted, *older}:
            raise _refused(
                f"the DSP signs responses, and {signer.name} is {role_text(signer.role)}"
            )
    else:
        wanted, older = USER_XML, {SUPPLIER, BROKER}
        if signer.role not in {wanted, *older}:
            raise _refused(f"a user signs requests, and {signer.name} is {role_text(signer.role)}")
        originator = RequestID.of(root).originator
        if signer.eui != originator:
            whose = eui_text(signer.eui) if signer.eui else "no party's"
            raise _refused(
                f"the signer is {whose}, and the originator {eui_text(originator)}",
                "have the originator sign it",
            )
    if signer.role != wanted:
        verified.warnings.append(
            f"{signer.name} is {role_text(signer.role)}, a role for messages rather than XML"
        )


class NotValidThen(CheckFailed):
    """The signature is right, and its certificate is not valid at the time."""


def _check_validity(verified: VerifiedSignature, at: datetime.datetime | None) -> None:
    signer = verified.signer
    instant = at or datetime.datetime.now(datetime.UTC)
    if signer.is_valid_at(instant):
        return
    text = f"the certificate {signer.name} {validity_text(signer, instant)}"
    if at is not None:
        raise NotValidThen(
            "the document's signature is refused",
            f"{text}, at the time of {at:%Y-%m-%d}",
            "give the certificate of that time",
        )
    verified.warnings.append(f"{text}; give --at-time to check it at another time")


def _refused(why: str, what_to_do: str = "ask its sender to sign it again") -> CheckFailed:
    return CheckFailed("the document's signature is refused", why, what_to_do)


# --- made


def sign(root: Element, key: PrivateKey, certificate: Certificate) -> None:
    """Signs a document that has no signature.

    Raises:
        CheckFailed: it has one, or the certificate is of another key.
    """
    if signature_of(root) is not None:
        raise CheckFailed(
            "the document is signed already",
            "a signature is replaced only on request",
            "give --replace to put another in its place",
        )
    if key.public.point != certificate.key.point:
        raise CheckFailed(
            f"{certificate.name} is not of this key",
            f"the key is {key.public.kid.hex()}, the certificate's {certificate.key.kid.hex()}",
            "give the certificate that belongs to the signing key",
        )
    digest = _document_digest(root)
    signature = etree.SubElement(root, ds("Signature"), nsmap={"ds": DS})
    _build(signature, _FORM)
    signed_info, value, key_info = signature
    signed_info[2][2].text = base64.b64encode(digest).decode()
    key_info[0][0][0].text = certificate.issuer
    key_info[0][0][1].text = str(certificate.serial)
    value.text = base64.b64encode(key.sign_plain(_canonical(signed_info))).decode()
    # what is read must be what was signed, with the signer that the policy asks for
    probe = etree.fromstring(etree.tostring(root), etree.XMLParser(huge_tree=True))
    verify(probe, [certificate], certificate.not_before)


def _build(element: Element, form: Form) -> None:
    _, attributes, children = form
    for name, text in attributes.items():
        element.set(name, text)
    for child in children:
        _build(etree.SubElement(element, ds(child[0])), child)


def to_octets(root: Element) -> bytes:
    """The document as it is written."""
    octets: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8")
    return octets
