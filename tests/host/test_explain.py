"""Reason codes in words."""

from __future__ import annotations

import dataclasses

import pytest
from samples import ROOT

from hanboot.explain.reasons import REASONS, explain, reasons_markdown
from hanboot.explain.verdicts import verdict_lines
from hanboot.explain.versions import device_type_text, hardware_text, version_text
from hanbootloader import reasons
from hanbootloader.reasons import BELOW_MINIMUM_BASE, HARDWARE_VERSION, NOT_A_PREDECESSOR


@dataclasses.dataclass
class NamedFirmware:
    file_version: int
    image_hash: bytes | None = None


@dataclasses.dataclass
class Model:
    manufacturer_code: int
    image_type: int
    hardware: tuple[int, int]


@dataclasses.dataclass
class GivenVerdict:
    reason: int
    offered: NamedFirmware
    running: NamedFirmware | None
    offset: int = -1
    minimum_base_version: int = 0
    accepts: tuple[NamedFirmware, ...] = ()
    accepts_total: int = 0
    kind: str | None = None
    offered_model: Model | None = None
    device_model: Model | None = None


def test_every_reason_is_explained():
    codes = {value for name, value in vars(reasons).items() if name.isupper()}
    assert set(REASONS) == codes
    assert len({entry.name for entry in REASONS.values()}) == len(codes)
    for entry in REASONS.values():
        for text in (entry.meaning, entry.remedy, entry.outcome):
            assert text
            assert not set(text) & set("\n|")
            assert len(text) < 120
    assert explain(NOT_A_PREDECESSOR).name == "not-a-predecessor"


def test_reason_of_a_newer_device():
    assert explain(9999).name == "reason-9999"


def test_documentation_has_the_table():
    page = ROOT / "docs" / "reference" / "decisions.md"
    assert reasons_markdown() in page.read_text()


def test_values():
    assert version_text(0x01020304) == "01020304 (1.2.3.4)"
    assert version_text(0xACDCACDC) == "ACDCACDC (172.220.172.220)"
    assert hardware_text(0x01FF) == "0x01FF (1.255)"
    assert device_type_text(5) == "PPMID"
    assert device_type_text(99) == "device type 99"


V1, V11, V2 = (
    NamedFirmware(0x01000000, b"\xab" * 32),
    NamedFirmware(0x01010000),
    NamedFirmware(0x02000000),
)


@pytest.mark.parametrize(
    ("verdict", "lines"),
    [
        (
            GivenVerdict(NOT_A_PREDECESSOR, V2, V1, accepts=(V11,), accepts_total=1),
            (
                "02000000 (2.0.0.0) was refused: not-a-predecessor",
                "01000000 (1.0.0.0) with hash abababababababab… runs, which the image does not "
                "name as firmware that it may follow",
                "install 01010000 (1.1.0.0) first",
            ),
        ),
        (
            GivenVerdict(BELOW_MINIMUM_BASE, V2, V1, -1, 0x01010000, (V11, V1), 9),
            (
                "02000000 (2.0.0.0) was refused: below-minimum-base",
                "01000000 (1.0.0.0) with hash abababababababab… runs, and the image needs at "
                "least 01010000 (1.1.0.0)",
                "install 01010000 (1.1.0.0) or 01000000 (1.0.0.0) with hash abababababababab… "
                "(or one of 7 more) first",
            ),
        ),
        (
            GivenVerdict(NOT_A_PREDECESSOR, V1, V2),
            (
                "01000000 (1.0.0.0) was refused: not-a-predecessor",
                "02000000 (2.0.0.0) runs, which the image does not name as firmware that it "
                "may follow",
                "the image names no firmware that it may follow: take another release",
            ),
        ),
        (
            # 2.0.0 never comes to 1.0.0 again
            GivenVerdict(NOT_A_PREDECESSOR, V11, V2, accepts=(V1,), accepts_total=1),
            (
                "01010000 (1.1.0.0) was refused: not-a-predecessor",
                "02000000 (2.0.0.0) runs, which the image does not name as firmware that it "
                "may follow",
                "take a later release: this one is for devices that run 01000000 (1.0.0.0) with "
                "hash abababababababab…",
            ),
        ),
        (
            GivenVerdict(NOT_A_PREDECESSOR, V2, None, accepts=(V11,), accepts_total=1),
            (
                "02000000 (2.0.0.0) was refused: not-a-predecessor",
                "no application runs, and the image may only follow firmware that it names",
                "install 01010000 (1.1.0.0) first",
            ),
        ),
        (
            GivenVerdict(HARDWARE_VERSION, V2, V1, 56),
            (
                "02000000 (2.0.0.0) was refused: hardware-version",
                "octet 56, Minimum hardware version (GBCS 11.2.2): the device's hardware version "
                "is outside the image's range",
                "take the image that is made for this hardware version",
            ),
        ),
        (
            GivenVerdict(reasons.ACCEPTED, V2, V1),
            (
                "02000000 (2.0.0.0) was accepted",
                "the image verifies and may follow what runs",
                "activate it",
            ),
        ),
    ],
)
def test_verdict_lines(verdict, lines):
    assert verdict_lines(verdict) == lines


MADE_FOR, DEVICE = Model(0x121D, 0x0006, (0x0200, 0x02FF)), Model(0xFFF0, 0x0005, (0x0102,) * 2)


@pytest.mark.parametrize(
    ("reason", "sides"),
    [
        (reasons.MANUFACTURER_CODE, "manufacturer code 0x121D, the device's is 0xFFF0"),
        (reasons.IMAGE_TYPE, "image type 0x0006, the device's is 0x0005"),
        (
            HARDWARE_VERSION,
            "it is for 0x0200 (2.0) to 0x02FF (2.255), the device is 0x0102 (1.2)",
        ),
    ],
)
def test_a_refusal_names_both_sides(reason, sides):
    meaning = explain(reason).meaning
    both = GivenVerdict(reason, V2, V1, 10, offered_model=MADE_FOR, device_model=DEVICE)
    assert verdict_lines(both)[1] == f"{meaning}: {sides}"
    # a device of an older release names none, or the header was not read
    for one in (
        dataclasses.replace(both, offered_model=None),
        dataclasses.replace(both, device_model=None),
    ):
        assert verdict_lines(one)[1].endswith(meaning)
    # where something else is wrong, the models are beside the point
    padding = dataclasses.replace(both, reason=reasons.PADDING)
    assert "0xFFF0" not in verdict_lines(padding)[1]


@pytest.mark.parametrize(
    ("offered", "line"),
    [
        (V2, "02000000 (2.0.0.0) was not activated"),
        # what is not held has a hash and no version
        (NamedFirmware(0, b"\xab" * 32), "the image with hash abababababababab… was not activated"),
        # whichever is held, and nothing is
        (NamedFirmware(0, bytes(32)), "not activated"),
        (NamedFirmware(0), "not activated"),
    ],
)
def test_what_was_not_activated(offered, line):
    verdict = GivenVerdict(reasons.NO_IMAGE_HELD, offered, V1, kind="not activated")
    assert verdict_lines(verdict)[0] == f"{line}: no-image-held"


def test_verdicts_of_every_reason_are_three_lines():
    for reason in [*REASONS, 9999]:
        for offered in (V2, NamedFirmware(0)):
            for offset in (-1, 0, 8, 0x7FFFFFFF):
                lines = verdict_lines(GivenVerdict(reason, offered, None, offset))
                assert len(lines) == 3
                assert all(line and "\n" not in line for line in lines)
