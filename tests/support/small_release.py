"""Releases of one or two small modules, which tests write, build and sign."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hanboot.image import release
from hanboot.image.build import build_image
from hanboot.image.ota_file import Image
from hanboot.trust.keys import PrivateKey

_RELEASE = """
[image]
manufacturer_code = {manufacturer_code:#06x}
image_type = 0x0005
file_version = {version:#010x}
label = "{label}"
hardware = [0x0100, 0x01FF]
security_counter = {security_counter}

[application]
sources = ["."]
entry = "app"
"""


def write(
    folder: Path,
    label: str,
    version: int,
    application: str,
    security_counter: int = 0,
    manufacturer_code: int = 0xFFF0,
) -> None:
    """Leaves RELEASE.toml and app.py in `folder`, which is made.

    Args:
        folder: for them.
        label: of the firmware.
        version: its File Version.
        application: source of app.py.
        security_counter: of the image.
        manufacturer_code: of the image.
    """
    folder.mkdir(parents=True, exist_ok=True)
    described = _RELEASE.format(
        version=version,
        label=label,
        security_counter=security_counter,
        manufacturer_code=manufacturer_code,
    )
    (folder / "RELEASE.toml").write_text(described)
    (folder / "app.py").write_text(application)


def build(
    folder: Path, key: PrivateKey, follows: Sequence[Image] = (), signer: PrivateKey | None = None
) -> Image:
    """The image of the release in `folder`.

    Args:
        folder: what `write` left, or more.
        key: that the image names.
        follows: its predecessors.
        signer: who signs it all the same; None is `key`.
    """
    described = release.with_predecessors(release.load(folder), follows)
    return build_image(described, key.public.kid, (signer or key).sign)
