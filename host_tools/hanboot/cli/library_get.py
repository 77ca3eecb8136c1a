"""`hanboot library search` and `get`: what a library has, and an image from it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hanboot.cli.arguments import FilePath
from hanboot.cli.library_options import Notes, library_options, signature_options, signer
from hanboot.cli.output import Out, json_option, progress
from hanboot.cli.settings import registry_option
from hanboot.errors import WrongUsage

if TYPE_CHECKING:
    from hanboot.image.ota_file import Image
    from hanboot.library.client.remote import Remote
    from hanboot.registry.exchange.snapshot import Snapshot
    from hanboot.registry.storage.store import Registry

_SHOWN_MAX = 1000


@click.command()
@click.argument("text", default="")
@click.option("--device-type", default="", metavar="TYPE", help="Only PPMID, IHD, CH, ...")
@click.option(
    "--state", default="listed", show_default=True, help="listed, submitted, ..., or any."
)
@library_options(required=True)
@json_option
def search(text: str, device_type: str, state: str, remote: Remote, as_json: bool) -> None:
    """Find entries by CPL Entry ID, hash, version, model, manufacturer code or party."""
    out = Out(as_json)
    found = []
    for document in remote.search(text, device_type, "" if state == "any" else state):
        found.append(document)
        if len(found) == _SHOWN_MAX:
            out.note(f"only the first {_SHOWN_MAX} are shown: search for more")
            break
    out.document(found)
    for each in found:
        out.line(_row(remote, each))
    if not found:
        out.line("nothing was found")


def _row(remote: Remote, each: Any) -> str:
    try:
        image = "commercial" if each["is_commercial"] else "image" if each["image_sha256"] else "-"
        name = each["cpl_entry_id"] or "not on the CPL"
        return (
            f"{each['number']:>6}  {name:<16} {each['device_type']:<6} {each['model']}  "
            f"{each['firmware_version']}  {each['image_hash'][:16]}…  "
            f"{each['state']:<10} {image:<10} {each['party']}"
        )
    except (LookupError, TypeError, ValueError):
        remote.connection.malformed("an entry lacks what every entry has")


@click.command()
@click.argument("wanted", metavar="ID|HASH")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="Folder for the image, which is named by its hash.  [default: this folder]",
)
@click.option("--snapshot", "snapshot_file", type=FilePath(), help="Signed CPL, for --registry.")
@click.option("--snapshot-key", type=FilePath(), help="Public key that the snapshot is signed by.")
@click.option("--acknowledge", is_flag=True, help="Say beforehand that the notes are read.")
@signature_options[0]
@signature_options[1]
@registry_option
@library_options(required=True)
@json_option
def get(
    wanted: str,
    output: Path,
    snapshot_file: Path | None,
    snapshot_key: Path | None,
    acknowledge: bool,
    manufacturer_public_key: Path | None,
    hash_only: bool,
    url: str,
    remote: Remote,
    as_json: bool,
) -> None:
    """Fetch the image of a CPL entry, and check it.

    Its hash comes from --registry, or from a signed --snapshot, and never from the library; it must
    be Active there. What broke off goes on with the same command.
    """
    from hanboot.inventory.gate import check_listed
    from hanboot.library.client.fetch import Wanted, fetch

    out = Out(as_json)
    key = signer(manufacturer_public_key, hash_only)
    with _cpl(url, snapshot_file, snapshot_key) as cpl:
        entry = _entry(cpl, wanted)

        def check(image: Image) -> None:
            check_listed(cpl, image)

        asked = Wanted(name=entry.cpl_entry_id, image_hash=entry.image_hash, check=check)
        with progress(out, entry.cpl_entry_id, 0) as advance:
            path = fetch(remote, asked, output, Notes(out, acknowledge), key, advance)
    out.document(
        {
            "cpl_entry_id": entry.cpl_entry_id,
            "file": str(path),
            "hash": entry.image_hash.hex(),
            "manufacturer_signature": "valid" if key else "not checked",
        }
    )
    checked = f"signature by {key.kid.hex()}" if key else "signature left to the device"
    out.line(f"{path}: {entry.cpl_entry_id}, hash as registered, {checked}")


@contextlib.contextmanager
def _cpl(url: str, file: Path | None, key: Path | None) -> Iterator[Registry | Snapshot]:
    from hanboot.cli.registry_options import opened
    from hanboot.registry.exchange import snapshot
    from hanboot.trust import keys

    if (file is None) != (key is None):
        raise click.UsageError("--snapshot requires --snapshot-key, and the other way round")
    if file and key:
        yield snapshot.load(file, keys.load_public(key))
        return
    with opened(url) as registry:
        yield registry


def _entry(cpl: Registry | Snapshot, wanted: str) -> Any:
    """The CPL's entry of an ID or a Manufacturer Image Hash."""
    from hanboot.registry.exchange.snapshot import Snapshot
    from hanboot.registry.fields import BadValue, parse_hash

    try:
        found: Any = cpl.by_hash(parse_hash(wanted))
    except BadValue:
        if isinstance(cpl, Snapshot):
            found = [entry for entry in cpl.listed if entry.cpl_entry_id == wanted]
        else:
            found = list(cpl.find([wanted]).values())
    if not found:
        raise WrongUsage(
            f"there is no entry {wanted}",
            "neither an ID nor a hash of the registry or snapshot is this",
            "search the library, and look whether your copy of the CPL is the newest",
        )
    return found[0]
