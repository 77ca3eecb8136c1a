"""Commands about image files: built, inspected, verified, signed. None needs a device."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from bootloader.image.manifest import Manifest
from hanboot import errors, explain, files, keys, release, verification
from hanboot import image as library
from hanboot.cli.output import Out, json_option
from hanboot.cli.settings import is_flag_given, option, passphrase_asker, passphrase_option
from hanboot.explain import hardware_text, version_text
from hanboot.image import Image, Layout

_Command = TypeVar("_Command", bound=Callable[..., Any])


class _File(click.Path):
    """A file; whether it can be read is for the library to say, with exit code 5."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)


_output_option = click.option(
    "-o", "--output", required=True, type=_File(), help="File to write, as a whole or not at all."
)
_layout_option = click.option(
    "--layout",
    type=click.Choice(["signed", "unsigned"]),
    help="How an image that is not ours ends, where the guess is wrong.",
)


@click.group()
def image() -> None:
    """Build, inspect, verify and sign OTA Upgrade Images."""


# --- build and attach


@image.command()
@click.argument("release_file", metavar="RELEASE.toml", type=_File())
@click.option("-o", "--output", type=_File(), help="File to write, as a whole or not at all.")
@option("manufacturer_key", type=_File(), help="Private key (PEM) that signs the envelope.")
@click.option(
    "--supplier-key",
    type=_File(),
    help="Private key (PEM) that signs the whole, as Authorising Remote Party.",
)
@click.option(
    "--predecessor",
    "predecessors",
    type=_File(),
    multiple=True,
    metavar="IMAGE",
    help="A built image that this one may follow: its hash goes into the manifest. Repeatable.",
)
@click.option(
    "--to-sign",
    type=_File(),
    metavar="G",
    help="Sign elsewhere: write the octets to sign to G, and the unsigned image.",
)
@click.option("--kid", metavar="HEX", help="With --to-sign: identifier of the key that will sign.")
@click.option(
    "--manufacturer-public-key",
    type=_File(),
    help="With --to-sign: the public key (PEM) or certificate of it, in place of --kid.",
)
@passphrase_option
@json_option
@click.pass_context
def build(
    ctx: click.Context,
    release_file: Path,
    output: Path | None,
    manufacturer_key: Path | None,
    supplier_key: Path | None,
    predecessors: tuple[Path, ...],
    to_sign: Path | None,
    kid: str | None,
    manufacturer_public_key: Path | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Build an image from RELEASE.toml (or the folder with it).

    With --to-sign no private key is needed. Sign G where the key is, e.g. by
    `openssl dgst -sha256 -sign key.pem -out G.sig G`, and put the signature in with
    `hanboot image attach`.
    """
    out = Out(as_json)
    ask = passphrase_asker(passphrase_file)
    signer: Callable[[bytes], bytes]
    if to_sign is None:
        _forbid(ctx, "goes with --to-sign", "kid", "manufacturer_public_key")
        if not manufacturer_key:
            raise click.MissingParameter(
                param_hint="'--manufacturer-key' (or '--to-sign')", param_type="option"
            )
        if not output:
            raise click.MissingParameter(param_hint="'-o'", param_type="option")
        key = keys.load_private(manufacturer_key, ask)
        kid_octets, signer = key.public.kid, key.sign
    else:
        _forbid(ctx, "signs nothing with --to-sign", "manufacturer_key", "supplier_key")
        kid_octets, signer = _announced_kid(kid, manufacturer_public_key), release.unsigned
        output = output or to_sign.with_name(to_sign.name + ".unsigned")
    supplier = keys.load_private(supplier_key, ask) if supplier_key else None

    wanted = release.load(release_file)
    wanted = release.with_predecessors(wanted, [library.load(file) for file in predecessors])
    _note_open_predecessors(out, wanted)
    built = release.build(wanted, kid_octets, signer)
    octets = library.sign(built, supplier) if supplier else built.octets
    _write(output, octets, to_sign, library.manufacturer_to_sign(built))

    out.document(
        {
            "image": str(output),
            "file_version": wanted.file_version,
            "file_version_hex": f"{wanted.file_version:08X}",
            # the envelope's signature is part of what is hashed
            "hash": None if to_sign else built.image_hash.hex(),
            "octets": len(octets),
            "to_sign": str(to_sign) if to_sign else None,
        }
    )
    out.pairs(
        [
            ("image", f"{output}{', not signed yet' if to_sign else ''}"),
            ("file version", version_text(wanted.file_version)),
            *([] if to_sign else [("hash", built.image_hash.hex())]),
            ("octets", str(len(octets))),
            ("may follow", _predecessors_text(built.manifest)),
            *([("to sign", f"{to_sign}, by the key {kid_octets.hex()}")] if to_sign else []),
        ]
    )
    if to_sign:
        out.note(
            f"then: hanboot image attach {output} --signature SIGNATURE --manufacturer-key KEY -o F"
        )


def _forbid(ctx: click.Context, why: str, *names: str) -> None:
    for name in names:
        if is_flag_given(ctx, name):
            raise click.UsageError(f"--{name.replace('_', '-')} {why}")


def _announced_kid(kid: str | None, public_key: Path | None) -> bytes:
    if (kid is None) == (public_key is None):
        raise click.UsageError("--to-sign needs --kid or --manufacturer-public-key, one of them")
    if public_key:
        return keys.load_public(public_key).kid
    try:
        octets = bytes.fromhex(kid or "")
    except ValueError:
        octets = b""
    if len(octets) != keys.KID_BYTES:
        raise click.BadParameter("give 16 hex digits", param_hint="'--kid'")
    return octets


def _note_open_predecessors(out: Out, wanted: release.Release) -> None:
    for entry in wanted.predecessors:
        if entry.image_hash is None:
            out.note(
                f"note: any image of version {version_text(entry.file_version)} is a predecessor;"
                " --predecessor IMAGE names the one"
            )


def _write(output: Path, octets: bytes, to_sign: Path | None, to_be_signed: bytes) -> None:
    if to_sign is None:
        files.write(output, octets)
        return
    # both or none
    with files.writing(output, octets), files.writing(to_sign, to_be_signed):
        pass


@image.command()
@click.argument("file", type=_File())
@click.option(
    "--signature",
    "signature_file",
    required=True,
    type=_File(),
    help="The signature: 64 octets r || s, or DER as OpenSSL makes it.",
)
@click.option(
    "--manufacturer-key",
    type=_File(),
    help="The signature is the manufacturer's, by this key (public key or certificate).",
)
@click.option(
    "--supplier-key",
    type=_File(),
    help="The signature is the supplier's, by this key (public key or certificate).",
)
@_layout_option
@_output_option
@json_option
def attach(
    file: Path,
    signature_file: Path,
    manufacturer_key: Path | None,
    supplier_key: Path | None,
    layout: Layout | None,
    output: Path,
    as_json: bool,
) -> None:
    """Put a signature that was made elsewhere into FILE, if it is right."""
    out = Out(as_json)
    if (manufacturer_key is None) == (supplier_key is None):
        raise click.UsageError("give --manufacturer-key or --supplier-key, one of them")
    loaded = library.load(file, layout)
    _note_assumption(loaded)
    octets = files.read(signature_file, files.TEXT_MAX_BYTES)
    if manufacturer_key:
        key = keys.load_public(manufacturer_key)
        message = library.manufacturer_to_sign(loaded)
        signature = keys.matching_signature(octets, key, message, str(signature_file))
        attached = library.with_manufacturer_signature(loaded, signature)
        # the key identifier in the envelope must be the key's, too
        verification.verify(library.load(attached), key, None)
    else:
        assert supplier_key is not None
        key = keys.load_public(supplier_key)
        verification.check_validity(key, supplier_key.name, None)
        message = loaded.manufacturer_image
        signature = keys.matching_signature(octets, key, message, str(signature_file))
        attached = library.with_supplier_signature(loaded, signature)
    files.write(output, attached)
    _tell_signed(out, output, library.load(attached, "signed"))


# --- inspect


@image.command()
@click.argument("file", type=_File())
@_layout_option
@json_option
def inspect(file: Path, layout: Layout | None, as_json: bool) -> None:
    """Show what is in FILE: any GBCS OTA Upgrade Image, ours or not.

    Nothing is said of signatures: `hanboot image verify` checks those.
    """
    out = Out(as_json)
    loaded = library.load(file, layout)
    out.document(library.describe(loaded))
    header, trailer = loaded.header, loaded.trailer
    out.pairs(
        [
            ("manufacturer code", f"0x{header.manufacturer_code:04X}"),
            ("image type", f"0x{header.image_type:04X}"),
            ("file version", version_text(header.file_version)),
            ("stack version", f"0x{header.stack_version:04X}"),
            ("header string", library.header_text(header)),
            ("total image size", f"{header.total_bytes} octets"),
            ("hardware", _hardware_text(header.hardware)),
        ],
        title="OTA Header",
    )
    out.pairs(
        [
            ("offset", "60"),
            ("length", f"{loaded.image_bytes} octets"),
            ("SHA-256", loaded.image_hash.hex()),
        ],
        title="Manufacturer Image",
    )
    if trailer:
        signature = bytes(trailer.signature).hex()
        out.pairs(
            [
                ("Force Replace", f"0x{trailer.force_replace:02X}"),
                ("signature", f"r {signature[:64]}"),
                ("", f"s {signature[64:]}"),
            ],
            title="Trailer",
        )
    if loaded.manifest and loaded.envelope:
        signer = loaded.envelope.kid.hex() if loaded.is_signed else "not signed yet"
        out.pairs([("signer", signer), *_manifest_pairs(loaded.manifest)], title="Manifest")
    _note_assumption(loaded)


def _manifest_pairs(manifest: Manifest) -> list[tuple[str, str]]:
    pairs = [
        ("file version", version_text(manifest.file_version)),
        ("manufacturer code", f"0x{manifest.manufacturer_code:04X}"),
        ("image type", f"0x{manifest.image_type:04X}"),
        ("hardware", _hardware_text(manifest.hardware)),
        ("payload", f"ROMFS, {manifest.payload_bytes} octets"),
        ("payload SHA-256", manifest.payload_hash.hex()),
        ("may follow", _predecessors_text(manifest)),
        ("minimum base", version_text(manifest.minimum_base_version)),
        ("security counter", str(manifest.security_counter)),
        ("point of no return", "yes" if manifest.point_of_no_return else "no"),
    ]
    for name, text in (
        ("CPL Entry ID", manifest.cpl_entry_id),
        ("label", manifest.label),
        ("release notes", manifest.release_notes),
    ):
        if text is not None:
            pairs.append((name, _printable(text)))
    return pairs


def _hardware_text(hardware: tuple[int, int]) -> str:
    return f"{hardware_text(hardware[0])} to {hardware_text(hardware[1])}"


def _predecessors_text(manifest: Manifest | None) -> str:
    if manifest is None or not manifest.predecessors:
        return "N/A: only for a device that runs no application"
    return ", ".join(
        version_text(version)
        + (f" {_printable(entry)}" if entry else "")
        + (f" with hash {digest.hex()[:16]}…" if digest else "")
        for version, digest, entry in manifest.predecessors
    )


def _printable(text: str) -> str:
    """Texts of a manifest may be anybody's: nothing in them shall move a terminal's cursor."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _note_assumption(loaded: Image) -> None:
    if loaded.assumption:
        click.echo(f"note: {loaded.assumption}", err=True)


# --- verify and sign


@image.command()
@click.argument("file", type=_File())
@option("manufacturer_key", type=_File(), help="Public key (PEM) or certificate of envelopes.")
@option("supplier_key", type=_File(), help="Public key (PEM) or certificate of the supplier.")
@click.option(
    "--at-time",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"]),
    help="UTC; refuse a certificate that was not valid then, in place of a warning.",
)
@_layout_option
@passphrase_option
@json_option
@click.pass_context
def verify(
    ctx: click.Context,
    file: Path,
    manufacturer_key: Path | None,
    supplier_key: Path | None,
    at_time: datetime.datetime | None,
    layout: Layout | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Check FILE as a device would: format, hashes, signatures.

    A key on the command line demands its signature; one from the environment or hanboot.toml
    checks it where there is one.
    """
    out = Out(as_json)
    ask = passphrase_asker(passphrase_file)
    loaded = library.load(file, layout)
    _note_assumption(loaded)
    is_ours = loaded.manifest is not None
    if not is_ours and not is_flag_given(ctx, "manufacturer_key"):
        manufacturer_key = None
    if loaded.trailer is None and not is_flag_given(ctx, "supplier_key"):
        supplier_key = None
    if not manufacturer_key and not supplier_key:
        wanted = "'--manufacturer-key' or '--supplier-key'" if is_ours else "'--supplier-key'"
        raise click.MissingParameter(param_hint=wanted, param_type="option")
    manufacturer = keys.load_public(manufacturer_key, ask) if manufacturer_key else None
    supplier = keys.load_public(supplier_key, ask) if supplier_key else None

    with _refusal_as_json(out, loaded):
        for key, path in ((manufacturer, manufacturer_key), (supplier, supplier_key)):
            if key and path:
                moment = at_time.replace(tzinfo=datetime.timezone.utc) if at_time else None
                verification.check_validity(key, path.name, moment)
        found = verification.verify(loaded, manufacturer, supplier)
    out.document(found.as_json(loaded))
    out.pairs(
        [
            ("image", f"{file}: verified"),
            ("file version", version_text(loaded.header.file_version)),
            ("hash", loaded.image_hash.hex()),
            ("manufacturer", _signature_text(found.manufacturer_signature, manufacturer)),
            ("supplier", _signature_text(found.supplier_signature, supplier)),
        ]
    )


def _signature_text(state: str, key: keys.PublicKey | None) -> str:
    if state == "valid" and key:
        return f"signature valid, key {key.kid.hex()}"
    return {"none": "no signature"}.get(state, "signature not checked: no key was given")


@contextlib.contextmanager
def _refusal_as_json(out: Out, loaded: Image) -> Any:
    """With --json a refusal is a document, of the same form as a device's."""
    try:
        yield
    except errors.Refused as refused:
        reason = explain.explain(refused.reason) if refused.reason is not None else None
        out.document(
            {
                "reason": {
                    "code": reason.code if reason else None,
                    "name": reason.name if reason else "certificate-validity",
                },
                "offered": {
                    "file_version": loaded.header.file_version,
                    "file_version_hex": f"{loaded.header.file_version:08X}",
                    "hash": loaded.image_hash.hex(),
                },
                "running": None,
                "accepts": [],
                "detail": {
                    "offset": refused.offset if refused.offset >= 0 else None,
                    "meaning": refused.why,
                    "remedy": refused.what_to_do,
                },
            }
        )
        raise


@image.command()
@click.argument("file", type=_File())
@option("supplier_key", type=_File(), help="Private key (PEM) of the supplier.")
@click.option(
    "--to-sign",
    type=_File(),
    metavar="G",
    help="Sign elsewhere: write the octets to sign to G, and nothing else.",
)
@_layout_option
@click.option("-o", "--output", type=_File(), help="File to write, as a whole or not at all.")
@passphrase_option
@json_option
@click.pass_context
def sign(
    ctx: click.Context,
    file: Path,
    supplier_key: Path | None,
    to_sign: Path | None,
    layout: Layout | None,
    output: Path | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Sign FILE as the supplier (Authorising Remote Party).

    A trailer that is there is replaced. The Manufacturer Image stays as it is.
    """
    out = Out(as_json)
    loaded = library.load(file, layout)
    _note_assumption(loaded)
    # never sign what no device takes; the manufacturer's signature is for `verify` to check
    if loaded.manifest:
        verification.verify(loaded, None, None)
    if to_sign:
        _forbid(ctx, "signs nothing with --to-sign", "supplier_key", "output")
        files.write(to_sign, loaded.manufacturer_image)
        out.document({"to_sign": str(to_sign)})
        out.line(f"{to_sign}: {loaded.image_bytes} octets to sign")
        out.note(f"then: hanboot image attach {file} --signature SIGNATURE --supplier-key KEY -o F")
        return
    if not supplier_key:
        raise click.MissingParameter(
            param_hint="'--supplier-key' (or '--to-sign')", param_type="option"
        )
    if not output:
        raise click.MissingParameter(param_hint="'-o'", param_type="option")
    key = keys.load_private(supplier_key, passphrase_asker(passphrase_file))
    signed = library.sign(loaded, key)
    files.write(output, signed)
    _tell_signed(out, output, library.load(signed, "signed"))


def _tell_signed(out: Out, output: Path, signed: Image) -> None:
    out.document(
        {
            "image": str(output),
            "file_version": signed.header.file_version,
            "file_version_hex": f"{signed.header.file_version:08X}",
            "hash": signed.image_hash.hex(),
            "octets": len(signed.octets),
        }
    )
    out.pairs(
        [
            ("image", str(output)),
            ("file version", version_text(signed.header.file_version)),
            ("hash", signed.image_hash.hex()),
            ("octets", str(len(signed.octets))),
        ]
    )
