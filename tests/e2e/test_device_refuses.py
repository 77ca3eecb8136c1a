"""Images that a device must not take: refused by their own reason, with exit code 1, and nothing
that runs is touched.
"""

from collections.abc import Callable, Iterator

import pytest
from command_line import hanboot
from rig import COUNTING, ROOT, Bench, ReleaseImages, States, is_topped_up, wait_for

from hanboot.device.client import Device
from hanboot.device.refusal import DeviceRefused
from hanboot.image.ota_file import Image
from hanboot.image.sign import manufacturer_to_sign, sign, with_manufacturer_signature
from hanbootloader.image import ota, writer

PPMID = ROOT / "firmware" / "ppmid"

Octets = Callable[[ReleaseImages], Image | bytes]


def over_100(firmware: ReleaseImages, **changes: object) -> Image:
    """1.1.0, which may follow 1.0.0, with something else about it."""
    before = firmware.image("ppmid/1.0.0")
    return firmware.build(PPMID / "1.1.0", before, **changes)


def by_a_stranger(firmware: ReleaseImages) -> Image:
    before = firmware.image("ppmid/1.0.0")
    return firmware.build(PPMID / "1.1.0", before, key=firmware.pairs.stranger)


def strangers_signature(firmware: ReleaseImages) -> bytes:
    """Signed by a stranger who calls himself the manufacturer."""
    content = firmware.image("ppmid/1.1.0")
    to_sign = manufacturer_to_sign(content)
    return with_manufacturer_signature(content, firmware.pairs.stranger.sign(to_sign))


def swapped_header(firmware: ReleaseImages) -> bytes:
    content, other = firmware.image("ppmid/1.1.0"), firmware.image("ppmid/2.0.0")
    header = ota.parse_header(other.octets)
    header.total_bytes = len(content.octets)
    return writer.encode_header(header) + content.octets[ota.HEADER_BYTES :]


def flipped(at: int) -> Octets:
    def make(firmware: ReleaseImages) -> bytes:
        octets = bytearray(firmware.image("ppmid/1.1.0").octets)
        octets[at] ^= 0x10
        return bytes(octets)

    return make


def supplier_is_a_stranger(firmware: ReleaseImages) -> bytes:
    return sign(firmware.image("ppmid/1.1.0"), firmware.pairs.stranger)


CASES: dict[str, tuple[str, Octets]] = {
    "too late a release": ("not-a-predecessor", lambda f: f.image("ppmid/2.0.0")),
    "what runs already": ("already-running", lambda f: f.image("ppmid/1.0.0")),
    "an IHD's": ("image-type", lambda f: f.image("ihd/1.0.0")),
    "another manufacturer's": (
        "manufacturer-code",
        lambda f: f.build(PPMID / "1.0.0", manufacturer_code=0xFFF1),
    ),
    "for other hardware": ("hardware-version", lambda f: over_100(f, hardware=(0x0200, 0x02FF))),
    "a first release": (
        "not-a-predecessor",
        lambda f: f.build(PPMID / "1.0.0", file_version=0x01000001),
    ),
    "equal version, another hash": (
        "not-a-predecessor",
        lambda f: f.build(
            PPMID / "1.1.0", f.build(PPMID / "1.0.0", label="rebuilt"), predecessors=()
        ),
    ),
    "below its minimum base": (
        "below-minimum-base",
        lambda f: f.build(
            PPMID / "1.1.0",
            f.image("ppmid/1.0.0"),
            f.build(PPMID / "1.0.0", file_version=0x01000002),
            predecessors=(),
            minimum_base_version=0x01000001,
        ),
    ),
    "one flipped bit": ("payload-hash", flipped(-100)),
    "by a stranger": ("unknown-signer", by_a_stranger),
    "by a stranger in disguise": ("manufacturer-signature", strangers_signature),
    "under another header": ("header-mismatch", swapped_header),
    "a stranger as its supplier": ("supplier-signature", supplier_is_a_stranger),
    "a truncated file": ("size-mismatch", lambda f: f.image("ppmid/1.1.0").octets[:-1]),
    "a header and nothing else": ("size-mismatch", lambda f: f.image("ppmid/1.1.0").octets[:60]),
    "octets behind its end": ("size-mismatch", lambda f: f.image("ppmid/1.1.0").octets + b"\0"),
    "another envelope": ("envelope", flipped(ota.HEADER_BYTES)),
}


@pytest.fixture(scope="module")
def device(states: States) -> Iterator[Bench]:
    """One device for all of them: none may leave a trace."""
    with states.bench(states.installed("ppmid/1.0.0")) as bench:
        yield bench


@pytest.mark.parametrize("case", CASES)
def test_refused_by_its_own_reason(case: str, device: Bench, firmware: ReleaseImages) -> None:
    reason, make = CASES[case]
    offered = make(firmware)
    running = firmware.image("ppmid/1.0.0")
    before = device.board.starts
    ran = hanboot("upload", firmware.file(offered), "--port", device.port, "--json")
    assert ran.code == 1, ran.err
    assert ran.document["reason"]["name"] == reason
    assert ran.document.keys() == {"reason", "offered", "running", "accepts", "detail"}
    assert ran.document["running"]["hash"] == running.image_hash.hex()
    # what, why, what to do
    assert reason in ran.error[0]
    assert all(ran.error)
    # and the same, asked again
    assert hanboot("verdict", "--port", device.port, "--json").document == ran.document
    assert device.runs(running)
    assert device.board.starts == before


def test_and_then_the_right_one_is_taken(device: Bench, firmware: ReleaseImages) -> None:
    ran = hanboot("upgrade", *firmware.files("ppmid/1.1.0"), "--port", device.port)
    assert ran.code == 0, ran.err
    assert is_topped_up(device.credit)


# --- the remedy


def test_the_refusal_names_what_would_be_accepted(ppmid: Bench, firmware: ReleaseImages) -> None:
    needed = firmware.image("ppmid/1.1.0")
    ran = hanboot("upgrade", *firmware.files("ppmid/2.0.0"), "--port", ppmid.port, "--json")
    assert ran.code == 1
    assert ran.document["accepts"] == [
        {
            "file_version": 0x01010000,
            "file_version_hex": "01010000",
            "hash": needed.image_hash.hex(),
        }
    ]
    assert "1.1.0" in ran.error[2]
    assert ran.document["detail"]["accepts_total"] == 1
    # on the display, too
    wait_for(lambda: ppmid.texts[-1] == "| Update 2.0.0 refused: needs 1.1.0 first", "the display")


def test_a_refusal_survives_a_power_cut(ppmid: Bench, firmware: ReleaseImages) -> None:
    ran = hanboot("upload", *firmware.files("ppmid/2.0.0"), "--port", ppmid.port, "--json")
    ppmid.cut_power()
    assert hanboot("verdict", "--port", ppmid.port, "--json").document == ran.document
    text = hanboot("verdict", "--port", ppmid.port).out
    assert "not-a-predecessor" in text
    assert "1.1.0" in text
    wait_for(lambda: ppmid.texts[-1].startswith("| Update 2.0.0 refused"), "the display")


def test_few_octets_are_sent_for_nothing(ppmid: Bench, firmware: ReleaseImages) -> None:
    image = firmware.own(
        "long", 0x05000000, firmware.image("ppmid/1.1.0"), app=COUNTING, ballast=400_000
    )
    with Device(ppmid.port) as device:
        with pytest.raises(DeviceRefused):
            device.upload(image.octets)
        assert len(image.octets) > 400_000
        assert device.smp.octets_sent <= 4096


# --- a device that cannot take any


def test_a_blank_device_takes_nothing(blank: Bench, firmware: ReleaseImages) -> None:
    ran = hanboot("upload", *firmware.files("ppmid/1.0.0"), "--port", blank.port, "--json")
    assert ran.code == 1
    assert ran.document["reason"]["name"] == "not-provisioned"
    assert "board provision" in ran.error[2]


@pytest.mark.parametrize(
    ("held", "wanted", "reason"),
    [(False, None, "no-image-held"), (True, "11" * 32, "hash-mismatch")],
)
def test_activation_refused(
    ppmid: Bench, firmware: ReleaseImages, held: bool, wanted: str | None, reason: str
) -> None:
    if held:
        hanboot("upload", *firmware.files("ppmid/1.1.0"), "--port", ppmid.port)
    ran = hanboot("activate", *([wanted] if wanted else []), "--port", ppmid.port, "--json")
    assert ran.code == 1
    assert ran.document["reason"]["name"] == reason
    assert ppmid.runs(firmware.image("ppmid/1.0.0"))


def test_the_port_is_of_the_kind_that_the_test_is_run_on(
    ppmid: Bench, request: pytest.FixtureRequest
) -> None:
    assert ppmid.board.is_usb is ("[usb" in request.node.name)
