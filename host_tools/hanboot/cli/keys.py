"""Commands about keys."""

from __future__ import annotations

from pathlib import Path

import click

from hanboot.cli.output import Out, json_option
from hanboot.trust import keys as library


@click.group()
def keys() -> None:
    """Make P-256 keys."""


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
    private, public, key = library.new(name)
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
