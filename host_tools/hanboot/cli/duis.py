"""`hanboot duis`: Service Requests and responses, built, signed, verified and shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hanboot.cli import duis_request
from hanboot.cli.arguments import FilePath, file_argument
from hanboot.cli.certificates import at_option, certificates_option, date_argument
from hanboot.cli.duis_request import needs_lxml, write_document
from hanboot.cli.output import Out, json_option
from hanboot.cli.settings import passphrase_asker, passphrase_option
from hanboot.trust import keys
from hanboot.trust.smki import certificate

_DEVICES_SHOWN = 5


@click.group()
def duis() -> None:
    """Build, sign, verify and show DUIS documents of the firmware services."""


duis.add_command(duis_request.request)


@duis.command()
@file_argument
@click.option(
    "--signing-key", type=FilePath(), required=True, metavar="KEY", help="Private key (PEM)."
)
@click.option(
    "--certificate",
    "certificate_file",
    type=FilePath(),
    required=True,
    metavar="CERT",
    help="Its certificate, which the signature names.",
)
@click.option("--replace", is_flag=True, help="Take out the signature that is there.")
@click.option("-o", "--output", type=FilePath(), help="File to write; default: standard output.")
@passphrase_option
@needs_lxml
def sign(
    file: Path,
    signing_key: Path,
    certificate_file: Path,
    replace: bool,
    output: Path | None,
    passphrase_file: Path | None,
) -> None:
    """Sign the document in FILE: a user its request, the DSP its response."""
    from hanboot.duis import parsing, signature

    root = parsing.load(file)
    found = signature.signature_of(root)
    if found is not None and replace:
        signature.detach(root, found)
    key = keys.load_private(signing_key, passphrase_asker(passphrase_file))
    signature.sign(root, key, certificate.load(certificate_file))
    write_document(root, output)


@duis.command()
@file_argument
@certificates_option
@at_option
@click.option(
    "--schema",
    "schema_folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder with DUIS*.xsd: the document must be valid, too.",
)
@json_option
@needs_lxml
def verify(
    file: Path,
    certificates: tuple[Path, ...],
    at_time: str | None,
    schema_folder: Path | None,
    as_json: bool,
) -> None:
    """Check the signature of FILE, and that its signer may sign it.

    Certificates are trusted as they are given. A request must be signed by its originator, a
    response by the DSP.
    """
    from hanboot.duis import describe, parsing, precommand, schema, signature

    out = Out(as_json)
    root = parsing.load(file)
    if schema_folder:
        schema.DuisSchema(schema_folder).check(root, file.name)
    described = describe.describe(root)
    held = [certificate.load(path) for path in certificates]
    verified = signature.verify(root, held, date_argument(at_time))
    precommand.check_signed(root)
    out.document(
        {
            "file": str(file),
            "verified": True,
            "document": described["document"],
            "kind": described["kind"],
            "signer": {
                "name": verified.signer.name,
                "holder": verified.signer.holder,
                "serial": str(verified.signer.serial),
            },
            "schema": "valid" if schema_folder else "not checked",
            "warnings": verified.warnings,
        }
    )
    out.pairs(
        [
            ("document", f"{described['kind']} ({described['document']})"),
            ("signature", f"verified, by {verified.signer.holder} ({verified.signer.name})"),
            ("schema", "valid" if schema_folder else "not checked: give --schema DIR"),
        ]
    )
    for text in verified.warnings:
        out.note(f"warning: {text}")


@duis.command()
@file_argument
@json_option
@needs_lxml
def show(file: Path, as_json: bool) -> None:
    """Show the content of FILE. `hanboot duis verify` checks its signature."""
    from hanboot.duis import describe, parsing

    out = Out(as_json)
    described = describe.describe(parsing.load(file))
    out.document(described)
    signer = described["signature"]
    out.pairs(
        [
            *_header_pairs(described),
            (
                "signature",
                f"by {signer['issuer']}, serial number {signer['serial']} (not checked)"
                if signer
                else "none",
            ),
        ],
        title=_title(described),
    )
    out.pairs(_body_pairs("", described["body"]), title=described["kind"])


def _title(described: dict[str, Any]) -> str:
    if described["document"] == "response":
        return f"Response {described['response_code']}: {described['response']}"
    service = described["service"] or "of another service"
    return f"Request {described['service_reference']}: {service}"


def _header_pairs(described: dict[str, Any]) -> list[tuple[str, str]]:
    pairs = [("schema version", str(described["schema_version"]))]
    for name in ("request_id", "response_id"):
        if name in described:
            pairs.append((name.replace("_id", " ID"), described[name]["text"]))
    if "command_variant" in described:
        pairs.append(("command variant", str(described["command_variant"])))
    else:
        pairs.append(("date and time", described["response_date_time"]))
    return pairs


def _body_pairs(name: str, value: Any, depth: int = 0) -> list[tuple[str, str]]:
    """Names and values in the order of the document, what is inside indented, lists cut short."""
    label = "  " * depth + name.replace("_", " ")
    if isinstance(value, dict):
        pairs = [(label, "")] if name else []
        for key, inner in value.items():
            pairs += _body_pairs(key, inner, depth + 1 if name else depth)
        return pairs
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [pair for inner in value for pair in _body_pairs(name, inner, depth)]
    if isinstance(value, list):
        more = f" and {len(value) - _DEVICES_SHOWN} more" if len(value) > _DEVICES_SHOWN else ""
        return [(label, f"{len(value)}: {', '.join(value[:_DEVICES_SHOWN])}{more}")]
    if isinstance(value, bool):
        return [(label, "yes" if value else "no")]
    return [] if value is None else [(label, str(value))]
