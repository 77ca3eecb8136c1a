"""`hanboot gbcs`: messages of the firmware use cases, shown, verified and signed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from hanboot import files, terminal
from hanboot.cli.arguments import FilePath, file_argument
from hanboot.cli.certificates import at_option, certificates_option, date_argument
from hanboot.cli.output import Out, json_option
from hanboot.cli.settings import passphrase_asker, passphrase_option
from hanboot.errors import BadFile, CheckFailed
from hanboot.gbcs import codec, document, protection
from hanboot.gbcs.codec import Decoded
from hanboot.gbcs.protection import ProtectionReport, Secret
from hanboot.trust import keys
from hanboot.trust.smki import certificate

_SECRET_BYTES = 32


class _Hex(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    name = "hex"

    def convert(self, value: Any, param: Any, ctx: Any) -> bytes:
        """32 octets, in hexadecimal or in a file of it."""
        text = value
        if value.startswith("@"):
            text = files.read(Path(value[1:]), files.TEXT_MAX_BYTES).decode("ascii", "replace")
        try:
            octets = bytes.fromhex(text)
        except ValueError:
            octets = b""
        if len(octets) != _SECRET_BYTES:
            self.fail("give 64 hexadecimal digits, or @FILE with them")
        return octets


shared_secret_option = click.option(
    "--shared-secret",
    type=_Hex(),
    metavar="HEX|@FILE",
    help="Secret of the MAC: x of the ECDH point. @FILE keeps it off the command line.",
)
key_agreement_option = click.option(
    "--key-agreement-key",
    type=FilePath(),
    metavar="KEY",
    help="In place of it: one party's private key (PEM); the other's certificate is given.",
)


@click.group()
def gbcs() -> None:
    """Show, verify and sign GBCS messages of the firmware use cases.

    FILE holds one message, as octets or in hexadecimal.
    """


@gbcs.command()
@file_argument
@json_option
def show(file: Path, as_json: bool) -> None:
    """Show the content of FILE. `hanboot gbcs verify` checks its signature and MAC."""
    out = Out(as_json)
    decoded = codec.load(file)
    described = document.to_document(decoded)
    out.document(described)
    out.pairs(_pairs(described), title=f"{described['use_case']} {described['kind']}")
    out.pairs(_payload_pairs(described["payload"]), title="Payload")


def _pairs(described: dict[str, Any]) -> list[tuple[str, str]]:
    pairs = [
        ("message code", f"0x{described['message_code']}"),
        ("form", described["form"]),
        ("originator", described["originator"]),
        ("recipient", described["recipient"]),
        ("counter", str(described["counter"])),
    ]
    if described["remote_party"]:
        behind = f"{described['remote_party']}, counter {described['remote_counter']}"
        pairs.append(("on behalf of", behind))
    if described["date_time"]:
        pairs.append(("date-time", described["date_time"]))
    if described["signature"]:
        pairs.append(("signature", f"r {described['signature'][:64]}"))
        pairs.append(("", f"s {described['signature'][64:]}"))
    else:
        pairs.append(("signature", "none"))
    pairs.append(("MAC", described["mac"] or "none"))
    return pairs


def _payload_pairs(payload: dict[str, Any]) -> list[tuple[str, str]]:
    if not payload:
        return [("(empty)", "")]
    pairs: list[tuple[str, str]] = []
    for name, value in payload.items():
        if name in ("response", "alert") or value is None:
            continue
        label = name.replace("_", " ")
        if isinstance(value, dict):
            pairs += _payload_pairs(value)
        elif name == "response_code":
            pairs.append((label, f"{value} ({payload['response']})"))
        elif name == "alert_code":
            text = f" ({payload['alert']})" if payload.get("alert") else ""
            pairs.append((label, f"0x{value}{text}"))
        elif name == "execution_time" and value == document.CANCELLED:
            pairs.append((label, f"{value}: cancels an activation"))
        else:
            pairs.append((label, str(value)))
    return pairs


@gbcs.command()
@file_argument
@certificates_option
@shared_secret_option
@key_agreement_option
@at_option
@passphrase_option
@json_option
def verify(
    file: Path,
    certificates: tuple[Path, ...],
    shared_secret: bytes | None,
    key_agreement_key: Path | None,
    at_time: str | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Check signature and MAC of FILE, and that its originator may send it.

    Certificates are trusted as they are given. A MAC that is not checked is reported; a message
    that has nothing but a MAC is refused then.
    """
    out = Out(as_json)
    decoded = codec.load(file)
    secret = _secret(shared_secret, key_agreement_key, passphrase_file)
    held = [certificate.load(path) for path in certificates]
    report = protection.verify(decoded, held, secret, date_argument(at_time))
    out.document(
        {
            "file": str(file),
            "use_case": decoded.use_case.name,
            "verified": not report.failures,
            "signature": report.signature,
            "signer": report.signer.holder if report.signer else None,
            "mac": report.mac,
            "failures": report.failures,
            "warnings": report.warnings,
        }
    )
    out.pairs(_report_pairs(decoded, report))
    for text in report.warnings:
        out.note(f"warning: {text}")
    if report.failures:
        raise CheckFailed(
            f"{file.name} is not verified",
            "; ".join(report.failures),
            "check which certificates and keys belong to it, or have it sent again",
        )


def _report_pairs(decoded: Decoded, report: ProtectionReport) -> list[tuple[str, str]]:
    signer = f", by {report.signer.holder} ({report.signer.name})" if report.signer else ""
    return [
        ("message", f"{decoded.use_case.name} {codec.KINDS[decoded.message.kind]}"),
        ("signature", report.signature + signer),
        ("MAC", report.mac),
    ]


def _secret(shared: bytes | None, key: Path | None, passphrase_file: Path | None) -> Secret | None:
    if shared and key:
        raise click.UsageError("give --shared-secret or --key-agreement-key, one of them")
    if shared:
        return Secret(shared=shared)
    if key:
        return Secret(key=keys.load_private(key, passphrase_asker(passphrase_file)))
    return None


@gbcs.command()
@file_argument
@click.option("--signing-key", type=FilePath(), metavar="KEY", help="Private key (PEM) that signs.")
@click.option(
    "--to-sign",
    type=FilePath(),
    metavar="G",
    help="Sign elsewhere: write the octets to sign to G, and nothing else.",
)
@click.option(
    "--signature",
    "signature_file",
    type=FilePath(),
    help="Put in a signature made elsewhere (r || s or DER), with the signer's --certificate.",
)
@certificates_option
@shared_secret_option
@key_agreement_option
@click.option("-o", "--output", type=FilePath(), help="File to write; default: standard output.")
@click.option("--binary", is_flag=True, help="Write octets, not hexadecimal.")
@passphrase_option
def sign(
    file: Path,
    signing_key: Path | None,
    to_sign: Path | None,
    signature_file: Path | None,
    certificates: tuple[Path, ...],
    shared_secret: bytes | None,
    key_agreement_key: Path | None,
    output: Path | None,
    binary: bool,
    passphrase_file: Path | None,
) -> None:
    """Sign FILE, add its MAC, or both, in this order.

    FILE is a pre-command or another message that is not protected yet, or a JSON document as
    `hanboot gbcs show --json` prints it, of which signature and mac are left out.
    """
    decoded = _load_open(file)
    if to_sign:
        files.write(to_sign, decoded.message.signed_octets())
        return
    secret = _secret(shared_secret, key_agreement_key, passphrase_file)
    if not (signing_key or signature_file or secret):
        raise click.UsageError("give --signing-key, --signature, --to-sign, or the secret of a MAC")
    if binary and not output:
        raise click.UsageError("--binary requires -o")
    held = [certificate.load(path) for path in certificates]
    if signature_file:
        _attach(decoded, signature_file, held)
    elif signing_key:
        key = keys.load_private(signing_key, passphrase_asker(passphrase_file))
        decoded = protection.sign(decoded, key)
    if secret:
        decoded = protection.add_mac(decoded, held, secret)
    octets = decoded.message.encode()
    if not output:
        terminal.echo(octets.hex().upper())
    else:
        files.write(output, octets if binary else octets.hex().upper().encode() + b"\n")


def _load_open(file: Path) -> Decoded:
    octets = files.read(file, files.TEXT_MAX_BYTES)
    if not octets.lstrip().startswith(b"{"):
        return codec.load(file)
    try:
        return document.from_document(json.loads(octets), file.name)
    except (ValueError, RecursionError) as bad:
        raise BadFile(
            f"{file.name} is not JSON",
            " ".join(str(bad).split()),
            "write it as hanboot gbcs show --json prints a message",
        ) from None


def _attach(decoded: Decoded, signature_file: Path, held: list[certificate.Certificate]) -> None:
    signers = [
        one for one in held if "signature" in one.usages and one.eui == decoded.message.originator
    ]
    if len(signers) != 1:
        raise click.UsageError("--signature needs --certificate of the originator, for signatures")
    protection.attach(
        decoded,
        files.read(signature_file, files.TEXT_MAX_BYTES),
        signers[0].key,
        signature_file.name,
    )
