"""`hanboot smki`: certificates shown, checked, and made for a lab."""

from __future__ import annotations

import datetime
import re
from pathlib import Path
from typing import Any

import click

from hanboot.cli.arguments import FilePath, file_argument
from hanboot.cli.certificates import at_option, date_argument
from hanboot.cli.output import Out, counted, json_option
from hanboot.errors import CheckFailed
from hanboot.trust.smki import certificate, lab, validation
from hanboot.trust.smki.certificate import Certificate

_TWO_HEX_DIGITS = re.compile("[0-9A-Fa-f]{2}")


@click.group()
def smki() -> None:
    """Show and check certificates of SMKI's shape, and make some for a lab."""


@smki.command("new-test-pki")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@json_option
def new_test_pki(folder: Path, as_json: bool) -> None:
    """Make a folder of keys and certificates for a lab.

    NAME.pem is a certificate, NAME.key.pem its private key, for you alone. Names that end in -ds
    are for signatures, in -ka for key agreement, in -xml for signatures of DUIS documents.
    """
    out = Out(as_json)
    made = [certificate.load(path) for path in lab.new(folder)]
    out.document(
        {
            "folder": str(folder),
            "certificates": [
                {**_describe(one), "private_key": str(folder / _key_name(one))} for one in made
            ],
        }
    )
    out.pairs([(one.name, one.holder) for one in made], title=f"{folder}")
    out.note(
        f"{counted(len(made), 'certificate')}, each with its key: for a lab, never for the field"
    )


def _key_name(certificate: Certificate) -> str:
    return certificate.name.removesuffix(".pem") + ".key.pem"


@smki.command()
@file_argument
@json_option
def show(file: Path, as_json: bool) -> None:
    """Show the content of the certificate in FILE. `hanboot smki check` checks it."""
    out = Out(as_json)
    loaded = certificate.load(file)
    described = _describe(loaded)
    out.document(described)
    role = (
        f"0x{loaded.role:02X} ({certificate.role_text(loaded.role)})"
        if loaded.role is not None
        else ""
    )
    out.pairs(
        [
            ("kind", loaded.kind),
            ("EUI-64", described["eui"] or "none"),
            ("role", role or "none"),
            ("common name", loaded.common_name or "none"),
            ("subject", loaded.subject or "empty"),
            ("issuer", loaded.issuer + (" (but self-signed)" if _is_odd(loaded) else "")),
            ("serial number", str(loaded.serial)),
            ("key usage", ", ".join(described["usage"]) or "none"),
            ("key identifier", described["key_identifier"]),
            ("issuer's key", described["authority_key_identifier"] or "not named"),
            ("policy", ", ".join(loaded.policies) or "none"),
            ("valid", f"{described['not_before']} to {described['not_after']}"),
        ]
    )


def _is_odd(certificate: Certificate) -> bool:
    return certificate.is_self_signed and certificate.issuer != certificate.subject


def _describe(one: Certificate) -> dict[str, Any]:
    authority = one.authority_key_identifier
    return {
        "name": one.name,
        "kind": one.kind,
        "eui": certificate.eui_text(one.eui) if one.eui else None,
        "role": one.role,
        "role_name": certificate.role_text(one.role) if one.role is not None else None,
        "common_name": one.common_name or None,
        "subject": one.subject,
        "issuer": one.issuer,
        "self_signed": one.is_self_signed,
        # far above what JSON readers keep exactly
        "serial": str(one.serial),
        "usage": sorted(one.usages),
        "key_identifier": one.key_identifier.hex(),
        "authority_key_identifier": authority.hex() if authority else None,
        "policies": list(one.policies),
        "not_before": f"{one.not_before:%Y-%m-%dT%H:%M:%SZ}",
        "not_after": f"{one.not_after:%Y-%m-%dT%H:%M:%SZ}",
    }


@smki.command()
@file_argument
@click.option(
    "--issuer",
    "issuers",
    type=FilePath(),
    multiple=True,
    metavar="CERT",
    help="Certificate of an authority that is trusted. Repeatable.",
)
@click.option(
    "--between",
    type=FilePath(),
    multiple=True,
    metavar="CERT",
    help="Issuing authority that is trusted only if it chains to an --issuer. Repeatable.",
)
@click.option(
    "--pinned",
    type=FilePath(),
    multiple=True,
    metavar="CERT",
    help="Certificate trusted as it is, where no chain exists. Repeatable.",
)
@click.option(
    "--usage",
    type=click.Choice(["signature", "agreement"]),
    help="What its key must be for.",
)
@click.option("--role", metavar="HEX", help="Its role, two hex digits, e.g. 02 for a supplier.")
@click.option(
    "--policy",
    "policies",
    multiple=True,
    metavar="OID",
    help="Policy identifier that it must carry, or one of several.",
)
@at_option
@json_option
def check(
    file: Path,
    issuers: tuple[Path, ...],
    between: tuple[Path, ...],
    pinned: tuple[Path, ...],
    usage: certificate.Usage | None,
    role: str | None,
    policies: tuple[str, ...],
    at_time: str | None,
    as_json: bool,
) -> None:
    """Check the certificate in FILE: chain or pin, validity, and what it is for.

    It must chain to an --issuer, or be --pinned. Policy identifiers differ by environment, and
    those of the live one are in no public source: give the ones that you expect.
    """
    out = Out(as_json)
    loaded = certificate.load(file)
    expected = validation.Expected(
        date_argument(at_time) or datetime.datetime.now(datetime.UTC),
        usage,
        () if role is None else (_role(role),),
        policies,
    )
    trusted = [certificate.load(path) for path in (*issuers, *pinned)]
    findings = validation.check(
        loaded, expected, trusted, [certificate.load(path) for path in between]
    )
    out.document(
        {
            "file": str(file),
            "holder": loaded.holder,
            "passed": all(one.passed for one in findings),
            "checks": [
                {"name": one.name, "passed": one.passed, "text": one.text} for one in findings
            ],
        }
    )
    out.pairs(
        [(one.name, f"{'ok' if one.passed else 'FAILED'}: {one.text}") for one in findings],
        title=loaded.holder,
    )
    failed = [one for one in findings if not one.passed]
    if failed:
        raise CheckFailed(
            f"{file.name} is not to be trusted for this",
            "; ".join(f"{one.name}: {one.text}" for one in failed),
            "give the right certificate, its authority with --issuer, or --pinned and --at-time",
        )


def _role(text: str) -> int:
    if not _TWO_HEX_DIGITS.fullmatch(text):
        raise click.BadParameter("give two hex digits", param_hint="'--role'")
    return int(text, 16)
