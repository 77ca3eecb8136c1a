"""Commands about keys."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hanboot import files
from hanboot.cli.arguments import FilePath
from hanboot.cli.output import Out, json_option
from hanboot.cli.settings import option, passphrase_asker, passphrase_option
from hanboot.trust.keys import load_private
from hanboot.trust.keys import new as new_pair
from hanbootloader.trust import cell

if TYPE_CHECKING:
    from hanboot.device.provisioning import AnchorKey


@click.group()
def keys() -> None:
    """Make and show P-256 keys, and name their successors."""


@keys.command()
@click.argument("name", type=click.Path(path_type=Path))
@json_option
def new(name: Path, as_json: bool) -> None:
    """Make a development key pair: NAME.pem, private, and NAME.pub.pem.

    Nothing is overwritten. Devices and tools say of these keys that they are for development.
    """
    out = Out(as_json)
    if not name.name or name.name == "..":
        raise click.BadParameter(f"{name} is not a name for a file", param_hint="NAME")
    private, public, key = new_pair(name)
    out.document(
        {"private_key": str(private), "public_key": str(public), "kid": key.kid.hex()},
    )
    out.pairs(
        [
            ("private key", f"{private} (yours alone; never send it)"),
            ("public key", str(public)),
            ("key identifier", key.kid.hex()),
        ]
    )


_ROLES = {
    "manufacturer": (cell.MANUFACTURER, cell.DIGITAL_SIGNATURE),
    "supplier": (cell.SUPPLIER, cell.DIGITAL_SIGNATURE),
    "access-control-broker": (cell.ACCESS_CONTROL_BROKER, cell.KEY_AGREEMENT),
}


@keys.command()
@click.argument("file", type=FilePath())
@click.option("--role", type=click.Choice(list(_ROLES)), default="manufacturer", show_default=True)
@click.option("--sequence", type=click.IntRange(0, 0xFFFFFFFF), default=1, show_default=True)
@click.option("--label", help="Of the cell. Default: as board provision calls it.")
@json_option
def show(file: Path, role: str, sequence: int, label: str | None, as_json: bool) -> None:
    """Print the identifier of the public key in FILE and the fingerprint of its trust anchor cell.

    The cell is the one that `board provision` writes; `board anchors show` prints what a board
    holds. Sequence and label are parts of it.
    """
    # only here: what talks to devices takes long to import
    from hanboot.device.provisioning import encode_cell, fingerprint
    from hanboot.device.records import fingerprint_text

    out = Out(as_json)
    anchor = _anchor(file, role, label)
    digest = fingerprint(encode_cell(anchor, sequence))
    out.document(
        {
            "kid": anchor.kid.hex(),
            "role": role,
            "sequence": sequence,
            "label": anchor.label,
            "development": anchor.development,
            "fingerprint": digest.hex(),
        }
    )
    out.pairs(
        [
            ("key identifier", anchor.kid.hex()),
            ("as", f"{role}, sequence {sequence}, label {anchor.label}"),
            ("fingerprint", fingerprint_text(digest)),
        ]
    )


@keys.command()
@click.argument("file", type=FilePath())
@click.option("--role", type=click.Choice(list(_ROLES)), default="manufacturer", show_default=True)
@click.option(
    "--sequence",
    type=click.IntRange(1, 0xFFFFFFFE),
    required=True,
    help="Above that of the cell that it succeeds: hanboot board anchors show.",
)
@click.option("--label", help="What to call it, at most 24 bytes. Default: from the file's name.")
@click.option(
    "--manufacturer-code",
    type=click.IntRange(0, 0xFFFF),
    default=cell.ANY,
    help="Of the devices that take it. Default: any.",
)
@click.option(
    "--image-type",
    type=click.IntRange(0, 0xFFFF),
    default=cell.ANY,
    help="Of the devices that take it. Default: any.",
)
@option("manufacturer_key", type=FilePath(), help="Private key (PEM) that devices hold.")
@click.option(
    "--supplier-key", type=FilePath(), help="Private key (PEM) of the supplier, for its own cell."
)
@click.option("-o", "--output", required=True, type=FilePath())
@passphrase_option
@json_option
def successor(
    file: Path,
    role: str,
    sequence: int,
    label: str | None,
    manufacturer_code: int,
    image_type: int,
    manufacturer_key: Path | None,
    supplier_key: Path | None,
    output: Path,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Name the public key in FILE the successor of a key that devices hold, and sign that.

    Give the private key that devices hold: the one that is succeeded, or the manufacturer's.
    `hanboot board anchors update` gives the file that this writes to a device.
    """
    from hanboot.device.provisioning import encode_cell, fingerprint
    from hanboot.device.records import fingerprint_text
    from hanboot.trust import successor as successors

    out = Out(as_json)
    signing = supplier_key or manufacturer_key
    if signing is None:
        raise click.UsageError("give the private key that signs: --manufacturer-key KEY.pem")
    anchor = _anchor(file, role, label)
    head = encode_cell(anchor, sequence, (manufacturer_code, image_type))
    signer = load_private(signing, passphrase_asker(passphrase_file))
    update = successors.make(head, signer)
    files.write(output, update.encode())
    digest = fingerprint(head)
    out.document(
        {
            "file": str(output),
            "role": role,
            "kid": anchor.kid.hex(),
            "sequence": sequence,
            "signed_by": signer.public.kid.hex(),
            "fingerprint": digest.hex(),
        }
    )
    out.pairs(
        [
            ("successor", f"{anchor.kid.hex()} as {role}, sequence {sequence}"),
            ("signed by", signer.public.kid.hex()),
            ("fingerprint", fingerprint_text(digest)),
            ("next", f"hanboot board anchors update {output}"),
        ]
    )


def _anchor(file: Path, role: str, label: str | None) -> AnchorKey:
    from hanboot.device.provisioning import anchor_key

    number, usage = _ROLES[role]
    return anchor_key(number, file, usage, label)
