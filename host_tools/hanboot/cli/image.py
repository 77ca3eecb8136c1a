"""Commands about image files: built, signed, inspected, verified. None needs a device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import click

from hanboot import files
from hanboot.cli import image_check
from hanboot.cli.arguments import FilePath, file_argument, layout_option, note_assumption
from hanboot.cli.output import Out, json_option
from hanboot.cli.settings import (
    any_registry_option,
    is_flag_given,
    option,
    passphrase_asker,
    passphrase_option,
)
from hanboot.errors import CheckFailed
from hanboot.explain.versions import version_text
from hanboot.image import ota_file, release, verify
from hanboot.image.build import build_image, unsigned
from hanboot.image.ota_file import Image, Layout
from hanboot.image.release import Predecessor, PredecessorReference, Release
from hanboot.image.sign import (
    manufacturer_to_sign,
    sign,
    with_manufacturer_signature,
    with_supplier_signature,
)
from hanboot.registry import DEFAULT_URL
from hanboot.trust import keys

_OUTPUT_HELP = "File to write, as a whole or not at all."


@click.group()
def image() -> None:
    """Build, inspect, verify and sign OTA Upgrade Images."""


image.add_command(image_check.inspect)
image.add_command(image_check.verify_file)


# --- build and attach


@image.command()
@click.argument("release_file", metavar="RELEASE.toml", type=FilePath())
@click.option("-o", "--output", type=FilePath(), help=_OUTPUT_HELP)
@option("manufacturer_key", type=FilePath(), help="Private key (PEM) that signs the envelope.")
@click.option(
    "--supplier-key",
    type=FilePath(),
    help="Private key (PEM) that signs the whole, as Authorising Remote Party.",
)
@click.option(
    "--predecessor",
    "predecessors",
    type=FilePath(),
    multiple=True,
    metavar="IMAGE",
    help="A built image that this one may follow: its hash goes into the manifest. Repeatable.",
)
@click.option(
    "--to-sign",
    type=FilePath(),
    metavar="G",
    help="Sign elsewhere: write the octets to sign to G, and the unsigned image.",
)
@click.option("--kid", metavar="HEX", help="With --to-sign: identifier of the key that will sign.")
@click.option(
    "--manufacturer-public-key",
    type=FilePath(),
    help="With --to-sign: the public key (PEM) or certificate of it, in place of --kid.",
)
@any_registry_option
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
    registry: str | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Build an image from RELEASE.toml (or the folder with it).

    A predecessor that is named by its CPL Entry ID alone gets version and hash from the registry.
    With --registry every predecessor with an ID must be what the registry says of it.

    With --to-sign no private key is needed. Sign G where the key is, e.g. by
    `openssl dgst -sha256 -sign key.pem -out G.sig G`, and put the signature in with
    `hanboot image attach`.
    """
    out = Out(as_json)
    ask = passphrase_asker(passphrase_file)
    signer: Callable[[bytes], bytes]
    if to_sign is None:
        _forbid(ctx, "requires --to-sign", "kid", "manufacturer_public_key")
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
        kid_octets, signer = _announced_kid(kid, manufacturer_public_key), unsigned
        output = output or to_sign.with_name(to_sign.name + ".unsigned")
    supplier = keys.load_private(supplier_key, ask) if supplier_key else None

    wanted = release.load(release_file, _resolver(registry))
    wanted = release.with_predecessors(wanted, [ota_file.load(file) for file in predecessors])
    _note_open_predecessors(out, wanted)
    built = build_image(wanted, kid_octets, signer)
    octets = sign(built, supplier) if supplier else built.octets
    _write(output, octets, to_sign, manufacturer_to_sign(built))

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
            ("may follow", image_check.predecessors_text(built.manifest)),
            *([("to sign", f"{to_sign}, by the key {kid_octets.hex()}")] if to_sign else []),
        ]
    )
    if to_sign:
        out.note(
            f"then: hanboot image attach {output} --signature SIGNATURE "
            "--manufacturer-public-key KEY -o F"
        )


def _resolver(url: str | None) -> release.Resolve:
    def resolve(
        described: Release, named: Sequence[PredecessorReference]
    ) -> tuple[Predecessor, ...]:
        if url is None and all(wanted.file_version is not None for wanted in named):
            return release.as_stated(described, named)
        # imported late: most builds need no database
        from hanboot.cli.registry_options import opened
        from hanboot.registry.pathways import resolution

        with opened(url or DEFAULT_URL) as registry:
            return resolution.resolve(registry, described, named)

    return resolve


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
@file_argument
@click.option(
    "--signature",
    "signature_file",
    required=True,
    type=FilePath(),
    help="The signature: 64 octets r || s, or DER as OpenSSL makes it.",
)
@click.option(
    "--manufacturer-public-key",
    type=FilePath(),
    help="The signature is the manufacturer's, by this key (public key or certificate).",
)
@click.option(
    "--supplier-public-key",
    type=FilePath(),
    help="The signature is the supplier's, by this key (public key or certificate).",
)
@layout_option
@click.option("-o", "--output", required=True, type=FilePath(), help=_OUTPUT_HELP)
@json_option
def attach(
    file: Path,
    signature_file: Path,
    manufacturer_public_key: Path | None,
    supplier_public_key: Path | None,
    layout: Layout | None,
    output: Path,
    as_json: bool,
) -> None:
    """Put a signature that was made elsewhere into FILE, if it is right."""
    out = Out(as_json)
    if (manufacturer_public_key is None) == (supplier_public_key is None):
        raise click.UsageError(
            "give --manufacturer-public-key or --supplier-public-key, one of them"
        )
    loaded = ota_file.load(file, layout)
    note_assumption(loaded)
    octets = files.read(signature_file, files.TEXT_MAX_BYTES)
    if manufacturer_public_key:
        key = keys.load_public(manufacturer_public_key)
        message = manufacturer_to_sign(loaded)
        signature = keys.matching_signature(octets, key, message, str(signature_file))
        attached = with_manufacturer_signature(loaded, signature)
        # the key identifier in the envelope must be the key's, too
        verify.verify(ota_file.load(attached), key, None)
    else:
        assert supplier_public_key is not None
        key = keys.load_public(supplier_public_key)
        verify.check_validity(key, supplier_public_key.name, None)
        message = loaded.manufacturer_image
        signature = keys.matching_signature(octets, key, message, str(signature_file))
        attached = with_supplier_signature(loaded, signature)
    files.write(output, attached)
    _tell_signed(out, output, ota_file.load(attached, "signed"))


# --- sign


@image.command("sign")
@file_argument
@option("supplier_key", type=FilePath(), help="Private key (PEM) of the supplier.")
@click.option(
    "--to-sign",
    type=FilePath(),
    metavar="G",
    help="Sign elsewhere: write the octets to sign to G, and nothing else.",
)
@click.option(
    "--replace",
    is_flag=True,
    help="FILE is a delivery in GBCS format: its signature is the manufacturer's.",
)
@click.option(
    "--manufacturer-public-key",
    type=FilePath(),
    help="With --replace: public key (PEM) or certificate that the signature must verify with.",
)
@layout_option
@click.option("-o", "--output", type=FilePath(), help=_OUTPUT_HELP)
@passphrase_option
@json_option
@click.pass_context
def sign_command(
    ctx: click.Context,
    file: Path,
    supplier_key: Path | None,
    to_sign: Path | None,
    replace: bool,
    manufacturer_public_key: Path | None,
    layout: Layout | None,
    output: Path | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Sign FILE as the supplier (Authorising Remote Party).

    The Manufacturer Image stays as it is. A trailer that is there is replaced with --replace alone;
    with --manufacturer-public-key, too, it must carry that key's signature over OTA Header and
    Manufacturer Image (delivery option 2), which is checked first.
    """
    out = Out(as_json)
    if manufacturer_public_key and not replace:
        raise click.UsageError("--manufacturer-public-key requires --replace")
    loaded = ota_file.load(file, layout)
    note_assumption(loaded)
    if loaded.trailer and not replace:
        raise CheckFailed(
            f"{file} is signed already",
            f"its trailer carries the signature {bytes(loaded.trailer.signature).hex()[:16]}…",
            "--replace puts another in its place; it is then no longer what was signed before",
        )
    if manufacturer_public_key:
        manufacturer = keys.load_public(manufacturer_public_key)
        verify.check_validity(manufacturer, manufacturer_public_key.name, None)
        verify.check_delivered(loaded, manufacturer)
    # never sign what no device takes; the manufacturer's signature is for `verify` to check
    if loaded.manifest:
        verify.verify(loaded, None, None)
    if to_sign:
        _forbid(ctx, "signs nothing with --to-sign", "supplier_key", "output")
        files.write(to_sign, loaded.manufacturer_image)
        out.document({"to_sign": str(to_sign)})
        out.line(f"{to_sign}: {loaded.image_bytes} octets to sign")
        out.note(
            f"then: hanboot image attach {file} --signature SIGNATURE "
            "--supplier-public-key KEY -o F"
        )
        return
    if not supplier_key:
        raise click.MissingParameter(
            param_hint="'--supplier-key' (or '--to-sign')", param_type="option"
        )
    if not output:
        raise click.MissingParameter(param_hint="'-o'", param_type="option")
    key = keys.load_private(supplier_key, passphrase_asker(passphrase_file))
    signed = sign(loaded, key)
    files.write(output, signed)
    _tell_signed(out, output, ota_file.load(signed, "signed"))


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
