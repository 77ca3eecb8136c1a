"""Whether a certificate is to be trusted: pinned or chained, valid at a time, for this use.

Published test certificates do not all chain: some are self-signed and name an issuer all the same,
of others the issuer is not published. Those are pinned, that is given by the user as trusted as
they are. Which policy identifiers are right depends on the environment, so they are given too.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from hanboot.errors import CheckFailed
from hanboot.trust.smki.certificate import Certificate, Usage, role_text

#: From the holder up, an issuing authority and a root.
_LONGEST_CHAIN = 3


@dataclass(frozen=True)
class CertificateCheck:
    """One check of a certificate.

    Attributes:
        name: what was checked, e.g. "validity".
        passed: whether it holds.
        text: what was found.
    """

    name: str
    passed: bool
    text: str


@dataclass(frozen=True)
class Expected:
    """What a certificate must be.

    Attributes:
        usage: what its key must be for; None takes any.
        roles: one of which must be its role; empty takes any.
        policies: one of which it must carry; empty takes any.
        at: the time at which it must be valid.
    """

    at: datetime.datetime
    usage: Usage | None = None
    roles: Collection[int] = ()
    policies: Collection[str] = ()


def check(
    certificate: Certificate,
    expected: Expected,
    trusted: Sequence[Certificate],
    between: Sequence[Certificate] = (),
) -> list[CertificateCheck]:
    """Every check, in order; those that fail too.

    Args:
        certificate: to check.
        expected: what it must be.
        trusted: authorities, or certificates that are pinned as they are.
        between: issuing authorities that are not trusted by themselves.
    """
    findings = [
        _check_chain(certificate, expected.at, trusted, between),
        _validity(certificate, expected.at),
    ]
    if expected.usage:
        findings.append(
            CertificateCheck(
                "usage",
                expected.usage in certificate.usages,
                f"its key is for {_joined(sorted(certificate.usages))}",
            )
        )
    if expected.roles:
        findings.append(
            CertificateCheck(
                "role", certificate.role in expected.roles, role_text(certificate.role)
            )
        )
    if expected.policies:
        findings.append(
            CertificateCheck(
                "policy",
                bool(set(certificate.policies) & set(expected.policies)),
                _joined(certificate.policies),
            )
        )
    return findings


def require(findings: Iterable[CertificateCheck], name: str) -> None:
    """Raises `CheckFailed` for the first check that failed."""
    for finding in findings:
        if not finding.passed:
            raise CheckFailed(
                f"{name} fails the check of its {finding.name}",
                finding.text,
                "give the right certificate, or the authorities that it chains to",
            )


def validity_text(certificate: Certificate, at: datetime.datetime) -> str:
    """Why it is not valid at `at`, or from when to when it is."""
    if at > certificate.not_after:
        return f"expired on {certificate.not_after:%Y-%m-%d}"
    if at < certificate.not_before:
        return f"is not valid before {certificate.not_before:%Y-%m-%d}"
    return f"is valid from {certificate.not_before:%Y-%m-%d} to {certificate.not_after:%Y-%m-%d}"


def _validity(certificate: Certificate, at: datetime.datetime) -> CertificateCheck:
    return CertificateCheck("validity", certificate.is_valid_at(at), validity_text(certificate, at))


def _check_chain(
    certificate: Certificate,
    at: datetime.datetime,
    trusted: Sequence[Certificate],
    between: Sequence[Certificate],
) -> CertificateCheck:
    links = [certificate]
    while len(links) <= _LONGEST_CHAIN:
        last = links[-1]
        if any(last.x509 == one.x509 for one in trusted):
            how = "pinned" if len(links) == 1 else "by " + _joined([one.name for one in links[1:]])
            return CertificateCheck("chain", True, how)
        issuer = next(
            (
                one
                for one in (*trusted, *between)
                if one.x509 != last.x509 and _issued(one, last, len(links) - 1)
            ),
            None,
        )
        if issuer is None:
            return CertificateCheck("chain", False, _why_no_issuer(last))
        if not issuer.is_valid_at(at):
            return CertificateCheck("chain", False, f"{issuer.name} {validity_text(issuer, at)}")
        links.append(issuer)
    return CertificateCheck("chain", False, f"it is longer than {_LONGEST_CHAIN} certificates")


def _issued(issuer: Certificate, certificate: Certificate, below: int) -> bool:
    """Whether it signed the certificate, and may. below: authorities between it and the holder."""
    may = issuer.path_length
    if "certificates" not in issuer.usages or may is None or may < below:
        return False
    try:
        certificate.x509.verify_directly_issued_by(issuer.x509)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _why_no_issuer(certificate: Certificate) -> str:
    if certificate.is_self_signed:
        return f"{certificate.name} is signed by its own key and is not pinned"
    return f"no certificate of its issuer {certificate.issuer} is trusted, or it did not sign it"


def _joined(texts: Iterable[str]) -> str:
    return ", ".join(texts) or "nothing"
