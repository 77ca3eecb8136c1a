"""`hanboot deliver`: the manufacturer's delivery, made and checked."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import cast

import click

from hanboot import files
from hanboot.cli.arguments import FilePath, layout_option, note_assumption
from hanboot.cli.output import Out, json_option
from hanboot.cli.settings import passphrase_asker, passphrase_option
from hanboot.delivery import options
from hanboot.delivery.delivery import SIGNED_TYPES, UNSIGNED_TYPES, Delivery, header_for
from hanboot.delivery.options import Option, Sources
from hanboot.image import ota_file, verify
from hanboot.image.ota_file import Layout
from hanboot.trust import keys

option_option = click.option(
    "--option",
    type=click.Choice(["1", "2", "3"]),
    required=True,
    help="1: separate files (recommended); 2: GBCS format; 3: one file, the hash apart.",
)
public_key_option = click.option(
    "--manufacturer-public-key",
    type=FilePath(),
    metavar="KEY",
    help="Public key (PEM) or certificate of the manufacturer.",
)


@click.group()
def deliver() -> None:
    """Make and check a manufacturer's firmware delivery.

    It holds the OTA Header, the Manufacturer Image, the manufacturer's signature over both, and
    the hash of the image (SEC Appendix AB).
    """


@deliver.command()
@click.argument("image", type=FilePath())
@option_option
@click.option(
    "--device-type",
    type=click.Choice([*SIGNED_TYPES, *UNSIGNED_TYPES], case_sensitive=False),
    required=True,
    help="Decides the size in the header: with a supplier's signature, or (PPMID, IHD) without.",
)
@click.option(
    "--manufacturer-key", type=FilePath(), metavar="KEY", help="Private key (PEM) that signs."
)
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
    help="Signature made elsewhere (r || s or DER), with --manufacturer-public-key.",
)
@public_key_option
@layout_option
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="DIR", help="New folder.")
@passphrase_option
@json_option
def pack(
    image: Path,
    option: str,
    device_type: str,
    manufacturer_key: Path | None,
    to_sign: Path | None,
    signature_file: Path | None,
    manufacturer_public_key: Path | None,
    layout: Layout | None,
    output: Path | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Make a delivery of IMAGE, as `hanboot image build` writes it or of anyone's making.

    The signature is over OTA Header and Manufacturer Image, with the size in the header that the
    supplier's file will have. A supplier's signature that IMAGE has is left out.
    """
    out = Out(as_json)
    loaded = ota_file.load(image, layout)
    note_assumption(loaded)
    # never sign what no device takes
    if loaded.manifest:
        verify.verify(loaded, None, None)
    is_signed_type = device_type.upper() in SIGNED_TYPES
    header = header_for(loaded.header, loaded.image_bytes, is_signed_type)
    signed_octets = header + loaded.manufacturer_image
    if to_sign:
        files.write(to_sign, signed_octets)
        out.document({"to_sign": str(to_sign)})
        out.line(f"{to_sign}: {len(signed_octets)} octets to sign")
        return
    if output is None:
        raise click.MissingParameter(param_hint="'-o'", param_type="option")
    if manufacturer_key and not signature_file:
        key = keys.load_private(manufacturer_key, passphrase_asker(passphrase_file))
        signature = key.sign_plain(signed_octets)
    elif signature_file and manufacturer_public_key and not manufacturer_key:
        public = keys.load_public(manufacturer_public_key)
        octets = files.read(signature_file, files.TEXT_MAX_BYTES)
        signature = keys.matching_signature(octets, public, signed_octets, str(signature_file))
    else:
        raise click.UsageError(
            "give --manufacturer-key, or --signature with --manufacturer-public-key, or --to-sign"
        )
    delivery = Delivery(
        image.name,
        header,
        loaded.manufacturer_image,
        signature,
        hashlib.sha256(loaded.manufacturer_image).digest(),
    )
    written = options.write(delivery, cast(Option, int(option)), output)
    out.document({"files": [str(path) for path in written], **delivery.describe()})
    out.pairs([*_pairs(delivery), *(("file", str(path)) for path in written)])


@deliver.command()
@click.argument("source", required=False, type=click.Path(path_type=Path))
@option_option
@public_key_option
@click.option("--header", type=FilePath(), help="Option 1: the OTA Header.")
@click.option("--manufacturer-image", type=FilePath(), help="Option 1: the Manufacturer Image.")
@click.option("--manufacturer-signature", type=FilePath(), help="Option 1: its signature, r || s.")
@click.option("--hash", "hash_file", type=FilePath(), help="The hash, as sha256sum writes it.")
@click.option(
    "-o",
    "--output",
    type=FilePath(),
    help="Write the OTA Upgrade Image; a supplier signs it: hanboot image sign --replace.",
)
@json_option
def check(
    source: Path | None,
    option: str,
    manufacturer_public_key: Path | None,
    header: Path | None,
    manufacturer_image: Path | None,
    manufacturer_signature: Path | None,
    hash_file: Path | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Check a delivery: sizes, hash, and the manufacturer's signature.

    SOURCE is the folder of one delivery, or for options 2 and 3 its file.
    """
    out = Out(as_json)
    if manufacturer_public_key is None:
        raise click.MissingParameter(param_hint="'--manufacturer-public-key'", param_type="option")
    given = Sources(header, manufacturer_image, manufacturer_signature, hash_file)
    delivery = options.read(cast(Option, int(option)), source, given)
    public = keys.load_public(manufacturer_public_key)
    verify.check_validity(public, manufacturer_public_key.name, None)
    delivery.check(public)
    if output:
        files.write(output, delivery.gbcs_file())
    out.document(
        {
            "checked": True,
            "option": int(option),
            "manufacturer_signature": "valid",
            "image": str(output) if output else None,
            **delivery.describe(),
        }
    )
    out.pairs(
        [
            *_pairs(delivery),
            ("manufacturer", f"signature valid, key {public.kid.hex()}"),
            *([("image", str(output))] if output else []),
        ]
    )
    if output and delivery.is_signed_type:
        out.note(
            f"then: hanboot image sign {output} --replace --manufacturer-public-key "
            f"{manufacturer_public_key} --supplier-key KEY -o FILE"
        )


def _pairs(delivery: Delivery) -> list[tuple[str, str]]:
    kind = "with a supplier's signature" if delivery.is_signed_type else "without one (PPMID)"
    return [
        ("file version", delivery.version_text),
        ("hash", delivery.image_hash.hex()),
        ("total image size", f"{delivery.ota_header.total_bytes} octets, {kind}"),
    ]
