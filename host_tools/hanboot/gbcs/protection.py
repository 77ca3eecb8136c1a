"""Signatures and MACs of messages: checked against certificates, and made.

The MAC needs a secret that only the two parties have: either the secret itself, or the private key
agreement key of one and the certificate of the other.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field

from hanboot.errors import CheckFailed, WrongUsage
from hanboot.gbcs.codec import Decoded
from hanboot.trust.keys import PrivateKey, PublicKey, matching_signature
from hanboot.trust.smki.certificate import BROKER, SUPPLIER, Certificate, eui_text, role_text
from hanboot.trust.smki.validation import validity_text
from hanbootloader.han.gbcs import mac, message, use_cases
from hanbootloader.han.gbcs.message import Message


@dataclass(frozen=True)
class Secret:
    """Where the secret of a MAC comes from: `shared`, or `key` and a certificate of the other."""

    shared: bytes | None = None
    key: PrivateKey | None = None


@dataclass
class ProtectionReport:
    """What was checked of a message.

    Attributes:
        signature: "verified", "none" or what is wrong.
        mac: "verified", "none", "not checked" or what is wrong.
        signer: certificate of the signature, once it is found.
        failures: why the message is not to be trusted, one line each; empty if it is.
        warnings: what the user should know all the same.
    """

    signature: str = "none"
    mac: str = "none"
    signer: Certificate | None = None
    failures: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def verify(
    decoded: Decoded,
    certificates: Sequence[Certificate],
    secret: Secret | None,
    at: datetime.datetime | None,
) -> ProtectionReport:
    """Checks a message as its recipient would.

    Args:
        decoded: the message.
        certificates: those of the parties, trusted as they are.
        secret: for the MAC; None leaves it unchecked, which is reported.
        at: when certificates must be valid; None: now, and it is only a warning if they are not.
    """
    report = ProtectionReport()
    _check_form(decoded, report)
    if decoded.is_signed:
        _check_signature(decoded, certificates, at, report)
    if decoded.has_mac:
        _check_mac(decoded, certificates, secret, report)
    elif secret is not None:
        report.failures.append("there is no MAC to check")
    _check_counter(decoded, report)
    return report


def _check_form(decoded: Decoded, report: ProtectionReport) -> None:
    if decoded.form == "final":
        return
    if decoded.is_signed and decoded.form.startswith("signed pre-command"):
        report.warnings.append(decoded.form)
    else:
        report.failures.append(f"{decoded.use_case.name}: {decoded.form}")


def _check_signature(
    decoded: Decoded,
    certificates: Sequence[Certificate],
    at: datetime.datetime | None,
    report: ProtectionReport,
) -> None:
    originator = decoded.message.originator
    held = [one for one in certificates if one.eui == originator]
    signers = [one for one in held if "signature" in one.usages]
    if not signers:
        report.signature = "not checked"
        why = "none given is for signatures" if held else "no certificate of it was given"
        report.failures.append(f"the originator is {eui_text(originator)}, and {why}")
        return
    signed = decoded.message.signed_octets()
    signature = bytes(decoded.message.signature or b"")
    # another role of the same party signs other things, e.g. XML
    signers.sort(key=lambda one: one.role not in (None, SUPPLIER, BROKER))
    found = next((one for one in signers if one.key.is_signature(signed, signature)), None)
    if found is None:
        report.signature = "wrong"
        report.failures.append(
            f"the signature is not by {signers[0].name} over this message: another key made it, "
            "or the message was changed"
        )
        return
    report.signature = "verified"
    report.signer = found
    _check_role(decoded, found, report)
    _check_validity(found, at, report)


def _check_role(decoded: Decoded, signer: Certificate, report: ProtectionReport) -> None:
    is_command = decoded.message.kind == message.COMMAND
    if is_command and signer.role != SUPPLIER:
        what = role_text(signer.role) if signer.role is not None else "a device"
        report.failures.append(f"a CS06 command is a supplier's, and {signer.name} is {what}")
    if not is_command and signer.kind != "device":
        report.failures.append(
            f"a device signs this, and {signer.name} is an organisation's certificate"
        )


def _check_validity(
    certificate: Certificate, at: datetime.datetime | None, report: ProtectionReport
) -> None:
    instant = at or datetime.datetime.now(datetime.UTC)
    if certificate.is_valid_at(instant):
        return
    text = f"{certificate.name} {validity_text(certificate, instant)}"
    if at is None:
        report.warnings.append(f"{text}; give --at-time to check it at another time")
    else:
        report.failures.append(f"{text}, at the time of {at:%Y-%m-%d}")


def _check_mac(
    decoded: Decoded,
    certificates: Sequence[Certificate],
    secret: Secret | None,
    report: ProtectionReport,
) -> None:
    if secret is None:
        report.mac = "not checked"
        if decoded.is_signed:
            report.warnings.append(
                "the MAC is not checked: give --shared-secret or --key-agreement-key"
            )
        else:
            report.failures.append(
                "a MAC is all that protects this message, and it is not checked: "
                "give --shared-secret or --key-agreement-key"
            )
        return
    if any(
        mac.is_right(shared, decoded.message)
        for shared in _secrets(decoded.message, certificates, secret)
    ):
        report.mac = "verified"
        return
    report.mac = "wrong"
    report.failures.append(
        "the MAC is not the one of this secret: it is of other parties, or the message was changed"
    )


def _secrets(sent: Message, certificates: Sequence[Certificate], secret: Secret) -> list[bytes]:
    """The secrets that may have made a MAC. The Access Control Broker's key stands in for a
    supplier's in commands, and originator and recipient stay what they are."""
    if secret.shared is not None:
        return [secret.shared]
    assert secret.key is not None
    parties = (sent.originator, sent.recipient)
    peers = [
        one
        for one in certificates
        if "agreement" in one.usages
        and one.key.point != secret.key.public.point
        and (one.eui in parties or (sent.kind == message.COMMAND and one.role == BROKER))
    ]
    if not peers:
        raise WrongUsage(
            "the MAC cannot be checked with that key",
            "no certificate for key agreement of the other party was given",
            "add --certificate with the device's (for a device's key: the broker's)",
        )
    return [secret.key.agree(one.key) for one in peers]


def _check_counter(decoded: Decoded, report: ProtectionReport) -> None:
    # every published CS06 command carries its counter twice
    counter = decoded.values.get("counter")
    if decoded.message.kind == message.COMMAND and counter not in (None, decoded.message.counter):
        report.failures.append(
            f"the payload has the counter {counter}, the header {decoded.message.counter}"
        )


# --- made


def sign(decoded: Decoded, key: PrivateKey) -> Decoded:
    """The message signed by its originator.

    Raises:
        CheckFailed: its use case is not signed, or it is signed already.
    """
    sent = decoded.message
    if not decoded.use_case.protection & use_cases.SIGNED:
        raise CheckFailed(
            "this message is not to be signed",
            f"{decoded.use_case.name} is protected by a MAC alone",
            "give --key-agreement-key or --shared-secret",
        )
    _require_open(decoded)
    sent.signature = key.sign_plain(sent.signed_octets())
    return decoded


def attach(decoded: Decoded, octets: bytes, key: PublicKey, name: str) -> Decoded:
    """The message with a signature that was made elsewhere.

    Args:
        decoded: the message.
        octets: r || s, or DER.
        key: of the originator.
        name: what to call the signature in messages.

    Raises:
        BadFile: it is no signature.
        CheckFailed: it is another key's, or over something else.
    """
    _require_open(decoded)
    sent = decoded.message
    sent.signature = matching_signature(octets, key, sent.signed_octets(), name)
    return decoded


def add_mac(decoded: Decoded, certificates: Sequence[Certificate], secret: Secret) -> Decoded:
    """The message with its MAC.

    Raises:
        CheckFailed: its use case has none, it lacks its signature, or it has a MAC.
    """
    sent = decoded.message
    if not decoded.use_case.protection & use_cases.MACED:
        raise CheckFailed(
            "this message has no MAC",
            f"{decoded.use_case.name} as this kind of message is only signed",
            "leave the secret out",
        )
    if decoded.use_case.protection & use_cases.SIGNED and not decoded.is_signed:
        raise CheckFailed(
            "the message is not signed yet",
            "its MAC covers the signature",
            "give --signing-key too, or sign it first",
        )
    if sent.mac is not None:
        raise CheckFailed(
            "the message has a MAC already", "a MAC is never replaced", "take the one before"
        )
    secrets = _secrets(sent, certificates, secret)
    if len(secrets) != 1:
        raise WrongUsage(
            "the other party of the MAC is not clear",
            f"{len(secrets)} of the certificates given are for key agreement",
            "give only the certificate of the other party",
        )
    if sent.signature is None:
        sent.signature = b""
    sent.mac = mac.make(secrets[0], sent)
    return decoded


def _require_open(decoded: Decoded) -> None:
    if decoded.is_signed or decoded.has_mac:
        raise CheckFailed(
            "the message is protected already",
            "a signature is never replaced",
            "sign the pre-command that it was made of",
        )
