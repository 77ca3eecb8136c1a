"""The object store: files by the SHA-256 of their bytes, on disk or wherever fsspec reaches.

The address of the store comes from the server's configuration and never from a request. A file is
written under another name first and moved when it is whole, so that a name is a promise of bytes;
`open` checks them again, because a disk is no promise.
"""

from __future__ import annotations

import errno
import hashlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from fsspec.core import url_to_fs

from hanboot.errors import BadFile
from hanboot.library.refusals import StoreFailed, StoreFull

#: DUIS 11.1 carries at most 10,240,000 bytes of firmware image.
IMAGE_MAX_BYTES = 10_240_000


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A stored file. digest: SHA-256 of all of its bytes."""

    digest: bytes
    size_bytes: int


class ImageArchive:
    """Keeps OTA Upgrade Images.

    Args:
        address: a folder, or a URL of a file system that fsspec knows.
    """

    def __init__(self, address: str) -> None:
        try:
            self._files, self._root = url_to_fs(address)
            self._files.makedirs(self._root, exist_ok=True)
        except (OSError, ValueError, ImportError) as error:
            raise BadFile(
                f"images cannot be kept in {address}",
                str(error),
                "name a folder that can be written to, or install what the URL needs",
            ) from None

    def _path(self, digest: bytes) -> str:
        name = digest.hex()
        return f"{self._root}/{name[:2]}/{name}"

    def put(self, octets: bytes) -> Stored:
        """Keeps a file; twice is as good as once.

        Raises:
            StoreFailed: it cannot be written; nothing is kept.
        """
        digest = hashlib.sha256(octets).digest()
        path = self._path(digest)
        partial = f"{path}.{uuid.uuid4().hex}.partial"
        try:
            if not self._files.exists(path):
                self._files.makedirs(self._files._parent(path), exist_ok=True)
                try:
                    with self._files.open(partial, "wb") as file:
                        file.write(octets)
                    self._files.mv(partial, path)
                except OSError:
                    if self._files.exists(partial):
                        self._files.rm_file(partial)
                    raise
        except OSError as error:
            raise _unwritten(error) from None
        return Stored(digest=digest, size_bytes=len(octets))

    def read(self, digest: bytes) -> bytes:
        """All bytes of a file, checked.

        Raises:
            StoreFailed: it is gone, or is not what it was.
        """
        try:
            with self._files.open(self._path(digest), "rb") as file:
                octets: bytes = file.read(IMAGE_MAX_BYTES + 1)
        except OSError:
            raise StoreFailed(
                "the image is not in the store any more",
                f"nothing lies under {digest.hex()}",
                "tell the administrator: it must be restored from the backup",
            ) from None
        if hashlib.sha256(octets).digest() != digest:
            raise StoreFailed(
                "the image in the store is damaged",
                f"its bytes do not have the SHA-256 {digest.hex()}",
                "tell the administrator: it must be restored from the backup",
            )
        return octets

    def digests(self) -> Iterator[bytes]:
        """Every file in the store, for the check of a backup."""
        for path in self._files.find(self._root):
            name = path.rsplit("/", 1)[-1]
            if len(name) == 64:
                yield bytes.fromhex(name)


def _unwritten(error: OSError) -> StoreFailed:
    what = "the image cannot be kept, and nothing was submitted"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreFull(
            what, "the object store is full", "the administrator must make room; then submit again"
        )
    return StoreFailed(
        what, f"the object store failed: {error}", "tell the administrator; then submit again"
    )
