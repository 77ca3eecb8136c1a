"""The library as an object: the database, the server's key, where images lie, and the time."""

from __future__ import annotations

from dataclasses import dataclass, field

from hanboot.library.accounts.secrets import ServerKey
from hanboot.library.clock import Clock, utc_now
from hanboot.library.images import ImageArchive
from hanboot.registry.storage.store import Registry


@dataclass(frozen=True, kw_only=True)
class Library:
    """What views, API and commands work on.

    Attributes:
        registry: CPL and FIR entries; its database also holds the library's tables.
        key: encrypts second-factor secrets, and signs what browsers keep.
        images: the object store.
        clock: gives the time.
    """

    registry: Registry
    key: ServerKey
    images: ImageArchive
    clock: Clock = field(default=utc_now)
