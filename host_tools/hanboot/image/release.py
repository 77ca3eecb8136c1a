"""A release as its RELEASE.toml describes it."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hanboot import toml_file
from hanboot.errors import BadFile
from hanboot.explain.fields import MANIFEST_FIELDS
from hanboot.explain.versions import version_text
from hanboot.image import sources
from hanboot.image.application import ENTRY
from hanboot.image.ota_file import Image
from hanboot.toml_file import TomlTable
from hanbootloader import policy, reasons
from hanbootloader.image import manifest, writer
from hanbootloader.image.manifest import KIND_ROMFS, Manifest

_log = logging.getLogger(__name__)

FILE_NAME = "RELEASE.toml"

_HEADER_STRING_BYTES = 32  # GBCS 11.2.2


@dataclass(frozen=True)
class Predecessor:
    """A firmware that a release may follow. image_hash: None for any image of that version."""

    file_version: int
    image_hash: bytes | None = None
    cpl_entry_id: str | None = None


@dataclass(frozen=True)
class PredecessorReference:
    """A predecessor as RELEASE.toml names it; what is None there, a registry may know.

    Attributes:
        place: of it in the file, for messages.
        withdrawn: it is meant though its entry is not Active.
    """

    place: str
    file_version: int | None
    image_hash: bytes | None
    cpl_entry_id: str | None
    withdrawn: bool = False

    def stated(self) -> Predecessor:
        """What the file says alone; it must hold the version."""
        assert self.file_version is not None
        return Predecessor(self.file_version, self.image_hash, self.cpl_entry_id)


@dataclass(frozen=True, kw_only=True)
class Release:
    """What RELEASE.toml says; names and values as there.

    Attributes:
        file: RELEASE.toml.
        sources: folders of the application, the first counts most.
        predecessors: empty is 'N/A', a first version.
    """

    file: Path
    manufacturer_code: int
    image_type: int
    file_version: int
    label: str | None
    hardware: tuple[int, int]
    header_string: str
    minimum_base_version: int
    security_counter: int
    point_of_no_return: bool
    cpl_entry_id: str | None
    release_notes: str | None
    feature_version: str | None
    sources: tuple[Path, ...]
    predecessors: tuple[Predecessor, ...]

    @classmethod
    def load(cls, path: Path, resolve: Resolve | None = None) -> Release:
        """Reads a RELEASE.toml, see `load`."""
        return load(path, resolve or as_stated)

    def manifest(self, payload: bytes) -> Manifest:
        """The manifest for a payload, which is a ROMFS."""
        return Manifest(
            self.manufacturer_code,
            self.image_type,
            self.file_version,
            self.hardware,
            KIND_ROMFS,
            len(payload),
            hashlib.sha256(payload).digest(),
            tuple((p.file_version, p.image_hash, p.cpl_entry_id) for p in self.predecessors),
            self.minimum_base_version,
            self.security_counter,
            self.point_of_no_return,
            self.cpl_entry_id,
            self.label,
            self.release_notes,
            self.feature_version,
        )


#: Makes predecessors of the names in a RELEASE.toml, for the release that has none yet.
Resolve = Callable[[Release, Sequence[PredecessorReference]], tuple[Predecessor, ...]]


def as_stated(release: Release, named: Sequence[PredecessorReference]) -> tuple[Predecessor, ...]:
    """Resolves without a registry.

    Raises:
        BadFile: a CPL Entry ID stands alone.
    """
    for wanted in named:
        if wanted.file_version is None:
            raise BadFile(
                f"{release.file} cannot be used",
                f"{wanted.place} names {wanted.cpl_entry_id} alone, and no registry is at hand",
                "name one with --registry, or add file_version and hash",
            )
    return tuple(wanted.stated() for wanted in named)


def load(path: Path, resolve: Resolve = as_stated) -> Release:
    """Reads a RELEASE.toml.

    Args:
        path: the file, or the folder with it.
        resolve: asked about the predecessors.

    Raises:
        BadFile: it cannot be read, or what it says cannot be built; names the key.
    """
    file = path / FILE_NAME if os.path.isdir(path) else path
    document = toml_file.load(file)
    fields, application = document.table("image"), document.table("application")
    named = [
        _named(entry, f"predecessors[{index}]")
        for index, entry in enumerate(document.tables("predecessors"))
    ]
    document.end()

    low, high = fields.uints("hardware", 16, 2)
    if low > high:
        raise fields.wrong("hardware", "must be [minimum, maximum]", [low, high])
    header_string = fields.text("header_string", None) or ""
    if not header_string.isascii() or len(header_string) > _HEADER_STRING_BYTES:
        raise fields.wrong("header_string", "must be at most 32 ASCII characters", header_string)
    release = Release(
        file=file,
        manufacturer_code=fields.uint("manufacturer_code", 16),
        image_type=fields.uint("image_type", 16),
        file_version=fields.uint("file_version", 32),
        label=fields.text("label", None),
        hardware=(low, high),
        header_string=header_string,
        minimum_base_version=fields.uint("minimum_base_version", 32, 0),
        security_counter=fields.uint("security_counter", 32, 0),
        point_of_no_return=fields.flag("point_of_no_return", False),
        cpl_entry_id=fields.text("cpl_entry_id", None),
        release_notes=fields.text("release_notes", None),
        feature_version=fields.text("feature_version", None),
        sources=_sources(application),
        predecessors=(),
    )
    fields.end()
    release = dataclasses.replace(release, predecessors=resolve(release, named))
    _check(release)
    return release


def _named(entry: TomlTable, place: str) -> PredecessorReference:
    entry_id = entry.text("cpl_entry_id", None)
    is_stated = entry_id is None or "file_version" in entry
    named = PredecessorReference(
        place,
        entry.uint("file_version", 32) if is_stated else None,
        entry.octets("hash", 32),
        entry_id,
        entry.flag("withdrawn", False),
    )
    entry.end()
    return named


def _sources(application: TomlTable) -> tuple[Path, ...]:
    folders = tuple(application.file.parent / source for source in application.texts("sources"))
    entry = application.text("entry")
    application.end()
    found = sources.collect(folders)
    if entry != ENTRY:
        raise application.wrong("entry", f'must be "{ENTRY}", which a device starts', entry)
    if f"{entry}.py" not in found:
        raise application.wrong("entry", f"names {entry}.py, which is in none of the sources")
    return folders


def _check(release: Release) -> None:
    """Refuses a release that no device could ever take."""
    # whatever the device's own parser refuses
    try:
        manifest.parse_manifest(writer.encode_manifest(release.manifest(b"?")))
    except reasons.Refused as refused:
        name, rule = MANIFEST_FIELDS[refused.offset]
        place = name if name == "predecessors" else f"image.{name}"
        raise cannot_be_built(release, f"{place} must be {rule}", f"fix {place}") from None

    seen = [(p.file_version, p.image_hash) for p in release.predecessors]
    for version, digest in seen:
        if seen.count((version, digest)) > 1:
            raise cannot_be_built(
                release,
                f"predecessors names {version_text(version)} twice",
                "remove one, or give each its hash",
            )
    below = [p for p in release.predecessors if p.file_version < release.minimum_base_version]
    if below and len(below) == len(release.predecessors):
        raise cannot_be_built(
            release,
            "every predecessor is below image.minimum_base_version, so nothing can ever take it",
            "name other predecessors, or lower image.minimum_base_version",
        )
    for entry in below:
        _log.warning(
            "%s: the predecessor %s is below image.minimum_base_version and will be refused",
            release.file,
            version_text(entry.file_version),
        )
    if not release.predecessors and policy.check_pathway(release.manifest(b"?"), None, None, 0):
        raise cannot_be_built(
            release,
            "image.minimum_base_version wants firmware before it, and no predecessors are named",
            "name the predecessors, or remove image.minimum_base_version",
        )


def with_predecessors(release: Release, images: Iterable[Image]) -> Release:
    """The release with the Manufacturer Image Hashes of `images` among its predecessors.

    An image gives its hash to the entry of its version; where that has another hash already, or
    there is none, it becomes an entry of its own.

    Raises:
        BadFile: an image is for another model, or below the minimum base version.
    """
    entries = list(release.predecessors)
    for built in images:
        header = built.header
        if built.envelope is not None and not built.is_signed:
            raise BadFile(
                f"{built.name} cannot be a predecessor yet",
                "it is not signed, and its hash changes when it is",
                "put the manufacturer's signature in first: hanboot image attach",
            )
        if (header.manufacturer_code, header.image_type) != (
            release.manufacturer_code,
            release.image_type,
        ):
            raise BadFile(
                f"{built.name} cannot be a predecessor",
                f"it is for manufacturer code 0x{header.manufacturer_code:04X}, image type "
                f"0x{header.image_type:04X}",
                "give images of the same model",
            )
        entry = Predecessor(
            header.file_version,
            built.image_hash,
            built.manifest.cpl_entry_id if built.manifest else None,
        )
        same = [i for i, e in enumerate(entries) if e.file_version == entry.file_version]
        if any(entries[i].image_hash == entry.image_hash for i in same):
            continue
        unhashed = [i for i in same if entries[i].image_hash is None]
        if unhashed:
            entries[unhashed[0]] = dataclasses.replace(
                entries[unhashed[0]], image_hash=entry.image_hash
            )
        else:
            entries.append(entry)
    extended = dataclasses.replace(release, predecessors=tuple(entries))
    _check(extended)
    return extended


def cannot_be_built(release: Release, why: str, what_to_do: str) -> BadFile:
    """The error for a release that no device could take."""
    return BadFile(f"{release.file} cannot be built", why, what_to_do)
