"""`hanboot image inspect` and `verify`: what is in a file, and whether it is right."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator
from pathlib import Path

import click

from hanboot import errors
from hanboot.cli.arguments import FilePath, file_argument, layout_option, note_assumption
from hanboot.cli.output import Out, json_option
from hanboot.cli.settings import is_flag_given, option
from hanboot.explain.reasons import explain
from hanboot.explain.versions import hardware_text, version_text
from hanboot.image import foreign, ota_file, verify
from hanboot.image.describe import describe, header_text, payload_files
from hanboot.image.ota_file import Image, Layout
from hanboot.trust import keys
from hanbootloader.image.manifest import Manifest


@click.command()
@file_argument
@layout_option
@json_option
def inspect(file: Path, layout: Layout | None, as_json: bool) -> None:
    """Show what is in FILE: any GBCS OTA Upgrade Image, ours or not.

    Nothing is said of signatures: `hanboot image verify` checks those.
    """
    out = Out(as_json)
    try:
        loaded = ota_file.load(file, layout)
    except errors.BadFile as error:
        # a file that is not there, or too long, has nothing to read
        if error.reason is not None:
            _show_foreign(out, foreign.read(ota_file.read(file)), error)
        raise
    out.document(describe(loaded))
    header, trailer = loaded.header, loaded.trailer
    out.pairs(
        [
            ("manufacturer code", f"0x{header.manufacturer_code:04X}"),
            ("image type", f"0x{header.image_type:04X}"),
            ("file version", version_text(header.file_version)),
            ("stack version", f"0x{header.stack_version:04X}"),
            ("header string", _printable(header_text(header))),
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
        held = [(path, f"{length} octets") for path, length in payload_files(loaded)]
        out.pairs(held, title="Files")
    note_assumption(loaded)
    if loaded.assumption:
        for remark in foreign.read(loaded.octets).remarks:
            out.note(f"note: {remark}")


def _show_foreign(out: Out, reading: foreign.Reading, error: errors.BadFile) -> None:
    """What can be read of a file that no device would take, before it is said what is wrong."""
    what, why, remedy = error.lines
    problem = {"what": what, "why": why, "remedy": remedy, "exit_code": error.exit_code}
    out.document({"error": problem, "reading": reading.as_json()})
    if reading.header:
        title = "OTA Header" if reading.offset == 0 else f"OTA Header, at octet {reading.offset}"
        names = [(name.replace("_", " "), str(value)) for name, value in reading.header.items()]
        out.pairs(names, title=title)
    for name, offset, length in reading.parts:
        out.line(f"{name}: {length} octets at {offset} (inferred)")
    for remark in reading.remarks:
        out.line(f"remark: {remark}")


def _manifest_pairs(manifest: Manifest) -> list[tuple[str, str]]:
    pairs = [
        ("file version", version_text(manifest.file_version)),
        ("manufacturer code", f"0x{manifest.manufacturer_code:04X}"),
        ("image type", f"0x{manifest.image_type:04X}"),
        ("hardware", _hardware_text(manifest.hardware)),
        ("payload", f"ROMFS, {manifest.payload_bytes} octets"),
        ("payload SHA-256", manifest.payload_hash.hex()),
        ("may follow", predecessors_text(manifest)),
        ("minimum base", version_text(manifest.minimum_base_version)),
        ("security counter", str(manifest.security_counter)),
        ("point of no return", "yes" if manifest.point_of_no_return else "no"),
    ]
    for name, text in (
        ("CPL Entry ID", manifest.cpl_entry_id),
        ("label", manifest.label),
        ("release notes", manifest.release_notes),
        ("features", manifest.feature_version),
    ):
        if text is not None:
            pairs.append((name, _printable(text)))
    return pairs


def _hardware_text(hardware: tuple[int, int]) -> str:
    return f"{hardware_text(hardware[0])} to {hardware_text(hardware[1])}"


def predecessors_text(manifest: Manifest | None) -> str:
    if manifest is None or not manifest.predecessors:
        return "N/A: only for a device that runs no application"
    return ", ".join(
        version_text(version)
        + (f" {_printable(entry)}" if entry else "")
        + (f" with hash {digest.hex()[:16]}…" if digest else "")
        for version, digest, entry in manifest.predecessors
    )


def _printable(text: str) -> str:
    """Texts in a file may be anybody's: nothing in them shall move a terminal's cursor."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


# --- verify


@click.command("verify")
@file_argument
@option(
    "manufacturer_public_key", type=FilePath(), help="Public key (PEM) or certificate of envelopes."
)
@option(
    "supplier_public_key", type=FilePath(), help="Public key (PEM) or certificate of the supplier."
)
@click.option(
    "--at-time",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"]),
    help="UTC; refuse a certificate that was not valid then, in place of a warning.",
)
@layout_option
@json_option
@click.pass_context
def verify_file(
    ctx: click.Context,
    file: Path,
    manufacturer_public_key: Path | None,
    supplier_public_key: Path | None,
    at_time: datetime.datetime | None,
    layout: Layout | None,
    as_json: bool,
) -> None:
    """Check FILE as a device would: format, hashes, signatures.

    A key on the command line demands its signature; one from the environment or hanboot.toml
    checks it where there is one.
    """
    out = Out(as_json)
    loaded = ota_file.load(file, layout)
    note_assumption(loaded)
    is_ours = loaded.manifest is not None
    if not is_ours and not is_flag_given(ctx, "manufacturer_public_key"):
        manufacturer_public_key = None
    if loaded.trailer is None and not is_flag_given(ctx, "supplier_public_key"):
        supplier_public_key = None
    if not manufacturer_public_key and not supplier_public_key:
        wanted = (
            "'--manufacturer-public-key' or '--supplier-public-key'"
            if is_ours
            else "'--supplier-public-key'"
        )
        raise click.MissingParameter(param_hint=wanted, param_type="option")
    manufacturer = keys.load_public(manufacturer_public_key) if manufacturer_public_key else None
    supplier = keys.load_public(supplier_public_key) if supplier_public_key else None

    with _refusal_as_json(out, loaded):
        for key, path in ((manufacturer, manufacturer_public_key), (supplier, supplier_public_key)):
            if key and path:
                moment = at_time.replace(tzinfo=datetime.UTC) if at_time else None
                verify.check_validity(key, path.name, moment)
        found = verify.verify(loaded, manufacturer, supplier)
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
def _refusal_as_json(out: Out, loaded: Image) -> Iterator[None]:
    """With --json a refusal is a document, of the same form as a device's."""
    try:
        yield
    except errors.CheckFailed as refused:
        reason = explain(refused.reason) if refused.reason is not None else None
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
