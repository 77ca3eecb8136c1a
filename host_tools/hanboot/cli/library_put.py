"""`hanboot library put`: hand in firmware."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hanboot import files
from hanboot.cli.arguments import FilePath
from hanboot.cli.library_options import library_options
from hanboot.cli.output import Out, json_option
from hanboot.cli.registry_options import pairs
from hanboot.errors import BadFile

if TYPE_CHECKING:
    from hanboot.library.client.remote import Remote

_ELEMENTS = ("header", "signature", "image_hash", "manufacturer_key")


@click.command()
@click.argument("image", type=FilePath(), required=False)
@click.option("--field", "fields", multiple=True, metavar="NAME=TEXT", help="E.g. device_type=IHD.")
@click.option(
    "--note",
    "notes",
    multiple=True,
    metavar="NAME=TEXT",
    help="release_notes, known_defects, procedure or vulnerabilities; @FILE reads the text.",
)
@click.option("--extra", "extras", multiple=True, metavar="NAME=TEXT", help="Any other field.")
@click.option("--corrects", type=click.IntRange(1), metavar="NUMBER", help="Entry to correct.")
@click.option("--never-in-field", is_flag=True, help="With --corrects: no device ever ran it.")
@click.option("--responsible", type=click.IntRange(1), help="Number of the supplier that is asked.")
@click.option(
    "--delivery-option",
    type=click.IntRange(1, 3),
    help="IMAGE and the elements below are a manufacturer's delivery.",
)
@click.option("--header", type=FilePath(), help="Of delivery option 1: the OTA Header.")
@click.option("--signature", type=FilePath(), help="Of option 1: the manufacturer's signature.")
@click.option("--hash-file", "image_hash", type=FilePath(), help="Of a delivery: the hash.")
@click.option("--manufacturer-key", type=FilePath(), help="Public key to check a delivery with.")
@click.option("--check", "check_only", is_flag=True, help="Check it there, and hand nothing in.")
@library_options(required=True)
@json_option
def put(
    image: Path | None,
    fields: tuple[str, ...],
    notes: tuple[str, ...],
    extras: tuple[str, ...],
    corrects: int | None,
    never_in_field: bool,
    responsible: int | None,
    delivery_option: int | None,
    header: Path | None,
    signature: Path | None,
    image_hash: Path | None,
    manufacturer_key: Path | None,
    check_only: bool,
    remote: Remote,
    as_json: bool,
) -> None:
    """Submit IMAGE, or an entry that only names its hash; what is left out is taken from the image.

    It is listed once a supplier has authorised it and the administrator has reviewed it.
    """
    if check_only and corrects:
        raise click.UsageError("--check is for new entries; the page of a correction shows it")
    out = Out(as_json)
    elements = dict(
        zip(_ELEMENTS, (header, signature, image_hash, manufacturer_key), strict=True), image=image
    )
    read = {
        name: (path.name, files.read(path)) for name, path in elements.items() if path is not None
    }
    draft = {
        "fields": pairs(fields),
        "notes": {name: _note(text) for name, text in pairs(notes).items()},
        "extra": pairs(extras),
        "delivery_option": delivery_option,
        "responsible": responsible,
        "never_in_field": never_in_field,
    }
    if check_only:
        _show(out, remote.hand_in("submissions/check", draft, read))
        return
    path = f"entries/{corrects}/corrections" if corrects else "submissions"
    answer = remote.hand_in(path, draft, read)
    number = answer.get("number") if isinstance(answer, dict) else None
    if not isinstance(number, int):
        remote.connection.malformed("it does not say which entry it made")
    out.document({"number": number})
    out.line(f"entry {number} was submitted; a supplier is to authorise it")


def _note(text: str) -> str:
    if not text.startswith("@"):
        return text
    path = Path(text[1:])
    try:
        return files.read(path, files.TEXT_MAX_BYTES).decode()
    except UnicodeDecodeError:
        raise BadFile(f"cannot read {path}", "it is not UTF-8", "save it as UTF-8") from None


def _show(out: Out, answer: Any) -> None:
    checked = answer if isinstance(answer, dict) else {}
    out.document(checked)
    differences: Sequence[Any] = checked.get("differences") or []
    findings: Sequence[Any] = checked.get("findings") or []
    for text in differences:
        out.line(f"differs: {text}")
    for each in findings:
        out.line(f"{each.get('severity')}: {each.get('text')}")
    if not differences and not findings:
        out.line("nothing was found; nothing was handed in")
