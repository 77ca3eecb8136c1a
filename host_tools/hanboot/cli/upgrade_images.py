"""Where the images of a plan come from: files, and a library for what they lack."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hanboot.cli.library_options import Notes
from hanboot.cli.output import Out, progress

if TYPE_CHECKING:
    from hanboot.image.ota_file import Image
    from hanboot.library.client.remote import Remote
    from hanboot.registry.entry import Entry
    from hanboot.registry.pathways.plan import Plan
    from hanboot.registry.pathways.walk import WalkStep
    from hanboot.registry.storage.store import Registry
    from hanboot.trust.keys import PublicKey


class Images:
    """Files and folders of them, in any order."""

    def __init__(self, out: Out, files: Sequence[Path], yes: bool) -> None:
        self._out = out
        self._files = files
        self._yes = yes

    def of(self, plan: Plan, registry: Registry) -> list[WalkStep]:
        """The image of each step.

        Raises:
            BadFile: one is missing.
        """
        # imported late: an upgrade without a plan needs no database
        from hanboot.registry.pathways.walk import find_images

        return find_images(plan, self._files)


class FetchedImages(Images):
    """The same, and a library for what they lack.

    Args:
        yes: whether the notes of entries are acknowledged beforehand.
        key: the manufacturer's, whose signature each fetched image must carry; None leaves that to
            the device.
        folder: for what is fetched; by default in the user's cache.
    """

    def __init__(
        self,
        out: Out,
        files: Sequence[Path],
        yes: bool,
        remote: Remote,
        key: PublicKey | None,
        folder: Path | None,
    ) -> None:
        super().__init__(out, files, yes)
        self._remote = remote
        self._key = key
        self._folder = folder or _cache()

    def of(self, plan: Plan, registry: Registry) -> list[WalkStep]:
        from hanboot.registry.pathways.walk import find_images, missing_images

        fetched = [self._fetch(step, registry) for step in missing_images(plan, self._files)]
        return find_images(plan, [*self._files, *fetched])

    def _fetch(self, step: Entry, registry: Registry) -> Path:
        from hanboot.inventory.gate import check_listed
        from hanboot.library.client.fetch import Wanted, fetch

        def check(image: Image) -> None:
            check_listed(registry, image)

        wanted = Wanted(name=step.cpl_entry_id, image_hash=step.image_hash, check=check)
        notes = Notes(self._out, self._yes, "--yes")
        with progress(self._out, step.cpl_entry_id, 0) as advance:
            return fetch(self._remote, wanted, self._folder, notes, self._key, advance)


def _cache() -> Path:
    import platformdirs

    return Path(platformdirs.user_cache_path("hanboot", appauthor=False)) / "images"
