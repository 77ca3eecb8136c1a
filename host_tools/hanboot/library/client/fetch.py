"""Taking an image from a library that is not trusted: resumed, bounded, checked, only then named.

The hash comes from the registry that is at hand or from a signed snapshot, never from the library:
a server that lies can at most withhold. A file gets its name only after every check; until then it
lies beside it, as what a later attempt goes on from.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

from hanboot import files
from hanboot.errors import BadFile, CheckFailed, HanbootError
from hanboot.files import IMAGE_MAX_BYTES
from hanboot.image import ota_file, verify
from hanboot.image.ota_file import Image
from hanboot.library.client.connection import Unreachable
from hanboot.library.client.remote import Remote, RemoteEntry
from hanboot.link.deadline import Deadline
from hanboot.trust.keys import PublicKey
from hanbootloader.image import ota

#: Attempts in which nothing new came, before it is given up.
_TRIES = 3
#: Of one attempt; what came by then is kept for the next.
_DOWNLOAD_S = 1800.0

#: Called with bytes done and bytes in all (0 where the other side does not say).
Progress = Callable[[int, int], None]
#: Raises what is wrong with an image.
Check = Callable[[Image], None]
#: Asks whether the notes of an entry were read; raises where the answer is no.
Acknowledge = Callable[[RemoteEntry], None]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is fetched.

    Attributes:
        name: for messages.
        image_hash: Manufacturer Image Hash, from a source other than the library.
        check: what else must hold of the image.
    """

    name: str
    image_hash: bytes
    check: Check


def fetch(
    remote: Remote,
    wanted: Wanted,
    folder: Path,
    acknowledge: Acknowledge,
    manufacturer: PublicKey | None,
    progress: Progress = lambda done, total: None,
) -> Path:
    """Fetches an image, unless the folder has it already.

    Args:
        manufacturer: whose signature the image must carry; None leaves that to the device.

    Returns:
        the file, named by its hash.

    Raises:
        CheckFailed: the library has no such image, does not hand it out, or what came is wrong.
        LinkError: the connection failed for good.
        BadFile: the file cannot be written.
    """
    path = folder / f"{wanted.image_hash.hex()}.ota"
    if _is_there(path, wanted, manufacturer):
        return path
    entry = _ready(remote, wanted, acknowledge)
    partial = folder / f".{wanted.image_hash.hex()}.partial"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        is_resumed = _size(partial) > 0
        _download(remote, entry, partial, progress)
        try:
            _check_or_remove(partial, wanted, manufacturer, entry.signature)
        except HanbootError:
            if not is_resumed:
                raise
            # its first part may have been left by something else
            _download(remote, entry, partial, progress)
            _check_or_remove(partial, wanted, manufacturer, entry.signature)
        partial.replace(path)
    except OSError as error:
        raise BadFile(
            f"the image of {wanted.name} cannot be kept",
            f"{folder}: {error.strerror or error}",
            "make room, or name another folder; the same command goes on from what is there",
        ) from None
    return path


def _is_there(path: Path, wanted: Wanted, manufacturer: PublicKey | None) -> bool:
    """Whether an earlier fetch left the image, and all still holds of it."""
    try:
        _check(files.read(path), wanted, manufacturer, None)
    except HanbootError:
        return False
    return True


def _ready(remote: Remote, wanted: Wanted, acknowledge: Acknowledge) -> RemoteEntry:
    """An entry whose image can be had now."""
    found = remote.entries_of(wanted.image_hash)
    if not found:
        raise CheckFailed(
            f"{remote.name} has no image of {wanted.name}",
            f"no listed entry has the Manufacturer Image Hash {wanted.image_hash.hex()}",
            "ask the manufacturer; it can be submitted with: hanboot library put",
        )
    refusal = None
    for each in found:
        available = remote.availability(each.number)
        if available.download == "acknowledge":
            acknowledge(available.entry)
            available = remote.acknowledge(available.entry)
        if available.download == "ready":
            return available.entry
        refusal = available.why_not
    what, why, remedy = refusal or ("it is not offered", "no cause was given", "ask its party")
    raise CheckFailed(f"the image of {wanted.name} cannot be had: {what}", why, remedy)


# --- bytes


def _download(remote: Remote, entry: RemoteEntry, partial: Path, progress: Progress) -> None:
    left = _TRIES
    while True:
        before = _size(partial)
        try:
            _attempt(remote, entry, partial, progress)
            return
        except Unreachable:
            # as long as something comes, it goes on
            left = _TRIES if _size(partial) > before else left - 1
            if left == 0:
                raise


def _attempt(remote: Remote, entry: RemoteEntry, partial: Path, progress: Progress) -> None:
    first = _size(partial)
    path = f"entries/{entry.number}/image"
    with remote.connection.download(path, first) as (answer, pieces):
        if answer.status == 206:
            start, total = _range(answer.headers.get("Content-Range", ""))
            if start != first:
                _wrong(remote, entry, f"it sends bytes from {start} on, asked for from {first} on")
        else:
            first, total = 0, answer.length or 0
        if total > IMAGE_MAX_BYTES:
            _wrong(remote, entry, f"it announces {total} bytes, more than any image has")
        done, deadline = first, Deadline(_DOWNLOAD_S)
        with _opened(partial, first) as file:
            for piece in pieces:
                if deadline.passed:
                    raise _broke_off(remote, done, total)
                done += len(piece)
                if done > (total or IMAGE_MAX_BYTES):
                    partial.unlink(missing_ok=True)
                    _wrong(remote, entry, f"it sends more than {total or IMAGE_MAX_BYTES} bytes")
                file.write(piece)
                progress(done, total)
    if total and done < total:
        raise _broke_off(remote, done, total)


def _broke_off(remote: Remote, done: int, total: int) -> Unreachable:
    return Unreachable(
        f"{remote.name} broke off",
        f"{done} of {total or 'unknown'} bytes came",
        "try again: the same command goes on from there",
    )


def _opened(partial: Path, first: int) -> BinaryIO:
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | (0 if first else os.O_TRUNC), 0o600)
    file = os.fdopen(descriptor, "wb")
    file.seek(first)
    return file


def _size(partial: Path) -> int:
    return partial.stat().st_size if partial.exists() else 0


def _range(text: str) -> tuple[int, int]:
    """(first, total) of a Content-Range; (-1, 0) if it is none."""
    unit, _, rest = text.partition(" ")
    span, _, total = rest.partition("/")
    first, _, last = span.partition("-")
    if unit != "bytes" or not all(part.isdecimal() for part in (first, last, total)):
        return -1, 0
    return int(first), int(total)


def _wrong(remote: Remote, entry: RemoteEntry, why: str) -> NoReturn:
    raise CheckFailed(
        f"what {remote.name} sends as {entry.title} is not its image",
        why,
        "nothing of it was kept; tell the library's administrator",
    )


# --- checks


def _check(
    octets: bytes, wanted: Wanted, manufacturer: PublicKey | None, delivered: bytes | None
) -> None:
    """Everything that must hold of what came.

    Args:
        delivered: the manufacturer's signature over OTA Header and Manufacturer Image, where it
            came apart from the image.
    """
    try:
        image = ota_file.load(octets)
    except HanbootError as error:
        raise _not_the_image(wanted, f"it is no OTA Upgrade Image: {error.lines[1]}") from None
    if image.image_hash != wanted.image_hash:
        raise _not_the_image(wanted, f"its Manufacturer Image Hash is {image.image_hash.hex()}")
    wanted.check(image)
    if manufacturer is None:
        return
    if image.manifest is None and delivered is not None:
        signed = image.octets[: ota.HEADER_BYTES] + image.manufacturer_image
        if not manufacturer.is_signature(signed, delivered):
            raise CheckFailed(
                f"the image of {wanted.name} does not carry this manufacturer's signature",
                f"it is not by {manufacturer.kid.hex()} over OTA Header and Manufacturer Image",
                "check the key, and ask the manufacturer",
            )
        return
    verify.verify(image, manufacturer, None)


def _check_or_remove(
    partial: Path, wanted: Wanted, manufacturer: PublicKey | None, delivered: bytes | None
) -> None:
    try:
        _check(files.read(partial), wanted, manufacturer, delivered)
    except HanbootError:
        # nothing good can be made of it
        partial.unlink()
        raise


def _not_the_image(wanted: Wanted, why: str) -> CheckFailed:
    return CheckFailed(
        f"what came is not the image of {wanted.name}",
        f"{why}; the registry says {wanted.image_hash.hex()}",
        "it was not kept; ask the library's administrator, or get it from the manufacturer",
    )
