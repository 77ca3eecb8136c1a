"""As many predecessors as an envelope holds (docs/reference/formats.md): the image is received, and
the verdict on it is kept."""

from __future__ import annotations

from pathlib import Path

import pytest
import small_release
from command_line import assert_error, hanboot
from rig import COUNTING, Bench, ReleaseImages

from hanboot.image.ota_file import Image
from hanboot.image.release import Predecessor
from hanbootloader import reasons

#: What runs on `ppmid`.
_RUNNING = 0x01000000


def naming(firmware: ReleaseImages, folder: Path, count: int, first: int) -> Image:
    """A release that may follow `count` versions, from `first` on."""
    small_release.write(folder, "many", 0x02000000, COUNTING, security_counter=1)
    predecessors = tuple(Predecessor(first + number) for number in range(count))
    return firmware.build(folder, predecessors=predecessors)


@pytest.mark.parametrize("count", [100, 225, 230])
def test_refused_by_the_last_of_many(
    ppmid: Bench, firmware: ReleaseImages, tmp_path: Path, count: int
) -> None:
    file = firmware.file(naming(firmware, tmp_path / "many", count, _RUNNING + 1))
    ran = hanboot("upload", file, "--port", ppmid.port)
    assert_error(ran, 1, "not-a-predecessor")
    ppmid.cut_power()
    kept = hanboot("verdict", "--port", ppmid.port, "--json").document
    assert kept["reason"]["code"] == reasons.NOT_A_PREDECESSOR
    # a verdict names eight, and says how many there are
    assert [accepted["file_version"] for accepted in kept["accepts"]] == [
        _RUNNING + 1 + number for number in range(8)
    ]
    assert kept["detail"]["accepts_total"] == count


@pytest.mark.parametrize("count", [225, 230])
def test_accepted_by_the_last_of_many(
    ppmid: Bench, firmware: ReleaseImages, tmp_path: Path, count: int
) -> None:
    image = naming(firmware, tmp_path / "many", count, _RUNNING + 1 - count)
    ran = hanboot("upgrade", firmware.file(image), "--port", ppmid.port)
    assert ran.code == 0, ran.err
    assert ppmid.runs(image)
