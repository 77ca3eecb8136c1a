"""The releases in firmware/ on a device: upgraded in order, tried, reverted; the data stays."""

import shutil

import pytest
from command_line import hanboot
from rig import ROOT, SILENT, Bench, ReleaseImages, States, is_topped_up, wait_for

from hanboot.device.client import Device
from hanboot.image.release import Predecessor
from hanbootloader.image import cose


def test_credit_survives_the_path(ppmid: Bench, firmware: ReleaseImages) -> None:
    for name in ("ppmid/1.1.0", "ppmid/2.0.0"):
        ran = hanboot("upgrade", *firmware.files(name), "--port", ppmid.port)
        assert ran.code == 0, ran.err
        assert ppmid.runs(firmware.image(name))
        assert is_topped_up(ppmid.credit)
    # behind a point of no return nothing older is kept: 2.0.0 keeps 1.1.0, 1.1.0 not 1.0.0
    slots = hanboot("status", "--port", ppmid.port, "--json").document["slots"]
    assert sorted(slot["state"] for slot in slots) == ["confirmed", "previous"]


def test_a_point_of_no_return(ppmid: Bench, firmware: ReleaseImages) -> None:
    hanboot("upgrade", *firmware.files("ppmid/1.1.0"), "--port", ppmid.port)
    slots = hanboot("status", "--port", ppmid.port, "--json").document["slots"]
    assert sorted(slot["state"] for slot in slots) == ["confirmed", "empty"]


def test_a_full_envelope(ppmid: Bench, firmware: ReleaseImages) -> None:
    """As many predecessors as an envelope holds, beside an application that fills the memory."""
    first = firmware.image("ppmid/1.0.0")
    named = tuple(Predecessor(0x01000000 + n, None, None) for n in range(220))
    image = firmware.build(ROOT / "firmware/ppmid/1.1.0", predecessors=named)
    assert 1950 < cose.envelope_bytes(image.manufacturer_image) <= cose.ENVELOPE_MAX_BYTES
    assert first.header.file_version == named[0].file_version
    ran = hanboot("upload", firmware.file(image), "--port", ppmid.port)
    assert ran.code == 0, ran.err
    other = firmware.build(ROOT / "firmware/ppmid/1.1.0", predecessors=named[1:])
    ran = hanboot("upload", firmware.file(other), "--port", ppmid.port, "--json")
    assert ran.code == 1
    assert ran.document["reason"]["name"] == "not-a-predecessor"
    assert len(ran.document["accepts"]) == 8


RESETS = """
import asyncio

async def main(services):
    services.confirm()
    await asyncio.sleep_ms(50)
    # as machine.reset() does on a chip: not even an exception
    __import__("ffi").open(None).func("v", "exit", "i")(64)
"""


def test_an_application_that_resets_the_board_leaves_a_way_in(
    states: States, firmware: ReleaseImages
) -> None:
    """Each of its starts ends at once: after three the link is served alone for a while."""
    image = firmware.own("resets", 0x01000000, app=RESETS)
    cure = firmware.own("cure", 0x01010000, image, app=SILENT, ballast=100_000)
    with states.bench(states.provisioned("ppmid"), trial_ms=2000) as bench:
        hanboot("upload", firmware.file(image), "--port", bench.port)
        hanboot("activate", image.image_hash.hex(), "--port", bench.port)
        hanboot("reset", "--port", bench.port)
        wait_for(lambda: len(bench.board.resets) > 4, "several starts")
        ran = hanboot("upload", firmware.file(cure), "--port", bench.port)
        assert ran.code == 0, ran.err


def test_a_self_test_that_fails_is_reverted(ppmid2: Bench, firmware: ReleaseImages) -> None:
    faulty = firmware.image("ppmid/2.1.0-faulty")
    ran = hanboot("upgrade", *firmware.files("ppmid/2.1.0-faulty"), "--port", ppmid2.port, "--json")
    assert ran.code == 1
    assert ran.document["reason"]["name"] == "trial-crashed"
    assert ran.document["offered"]["hash"] == faulty.image_hash.hex()
    assert ppmid2.runs(firmware.image("ppmid/2.0.0"))
    assert is_topped_up(ppmid2.credit)
    event = hanboot("history", "--port", ppmid2.port, "--json").document[-1]
    assert (event["event"], event["reason"]) == ("reverted", "trial-crashed")
    # it had its three starts, each reported on the console
    assert sum("SelfTestFailed" in text for text in ppmid2.texts) == 3
    assert any("undone: it failed its self-test" in text for text in ppmid2.texts)


@pytest.mark.slow
def test_an_application_that_hangs_is_reverted(ppmid2: Bench, firmware: ReleaseImages) -> None:
    """By the watchdog: three starts, some eight seconds each."""
    ran = hanboot("upgrade", *firmware.files("ppmid/2.1.0-hangs"), "--port", ppmid2.port, "--json")
    assert ran.code == 1
    assert ran.document["reason"]["name"] == "trial-hung"
    assert ppmid2.runs(firmware.image("ppmid/2.0.0"))
    # after the watchdog's reset the link is served alone for a while; not after this one
    ppmid2.cut_power()
    assert is_topped_up(ppmid2.credit)


def test_an_application_that_never_confirms_is_reverted(
    states: States, firmware: ReleaseImages
) -> None:
    image = firmware.own("says-nothing", 0x05000000, firmware.image("ppmid/1.0.0"), app=SILENT)
    with states.bench(states.installed("ppmid/1.0.0"), trial_ms=400) as bench:
        ran = hanboot("upgrade", firmware.file(image), "--port", bench.port, "--json")
        assert ran.code == 1
        assert ran.document["reason"]["name"] == "trial-unconfirmed"
        assert bench.runs(firmware.image("ppmid/1.0.0"))
        assert is_topped_up(bench.credit)


def test_what_was_reverted_may_be_tried_again(ppmid2: Bench, firmware: ReleaseImages) -> None:
    for _ in range(2):
        ran = hanboot("upgrade", *firmware.files("ppmid/2.1.0-faulty"), "--port", ppmid2.port)
        assert ran.code == 1
        assert "trial-crashed" in ran.error[0]
    assert is_topped_up(ppmid2.credit)


def test_an_ihd_and_its_releases(ihd: Bench, firmware: ReleaseImages) -> None:
    ran = hanboot("upload", *firmware.files("ppmid/1.0.0"), "--port", ihd.port, "--json")
    assert ran.code == 1
    assert ran.document["reason"]["name"] == "image-type"
    assert ihd.ask("usage").startswith("Today ")

    ran = hanboot("upgrade", *firmware.files("ihd/1.1.0", "ihd/1.2.0"), "--port", ihd.port)
    assert ran.code == 0, ran.err
    assert ihd.runs(firmware.image("ihd/1.2.0"))
    assert ihd.ask("usage").startswith("Today ")
    assert hanboot("status", "--port", ihd.port, "--json").document["image_type"] == 6


def test_an_ihd_may_skip_a_release(ihd: Bench, firmware: ReleaseImages) -> None:
    ran = hanboot("upgrade", *firmware.files("ihd/1.2.0"), "--port", ihd.port)
    assert ran.code == 0, ran.err
    wait_for(lambda: any(text == "| IHD 1.2.0" for text in ihd.texts), "its display")


def test_two_devices_of_the_same_image(states: States, firmware: ReleaseImages) -> None:
    """Each has a flash, a port and a serial number of its own."""
    one, other = states.installed("ppmid/1.0.0"), states.provisioned("ppmid")
    with Bench(one) as a, Bench(other) as b:
        assert a.board.port != b.board.port
        hanboot("upgrade", *firmware.files("ppmid/1.1.0"), "--port", a.port)
        hanboot("upgrade", *firmware.files("ppmid/1.0.0"), "--port", b.port)
        assert a.runs(firmware.image("ppmid/1.1.0"))
        assert b.runs(firmware.image("ppmid/1.0.0"))


def test_what_a_device_holds_is_in_its_state_folder(
    states: States, firmware: ReleaseImages
) -> None:
    state = states.installed("ppmid/1.0.0")
    with Bench(state) as bench:
        bench.install(firmware.image("ppmid/1.1.0"))
        with Device(bench.port) as device:
            device.upload(firmware.image("ppmid/2.0.0").octets)
            device.wait_verified()
        before = hanboot("status", "--port", bench.port, "--json").document
    # stopped, moved, started: staged is staged
    moved = states.fresh()
    shutil.move(state, moved)
    with Bench(moved) as bench:
        assert hanboot("status", "--port", bench.port, "--json").document == before
        assert is_topped_up(bench.credit)
        with Device(bench.port) as device:
            device.activate(firmware.image("ppmid/2.0.0").image_hash)
    # stopped again, before any reset: pending is pending
    with Bench(moved) as bench:
        with Device(bench.port) as device:
            device.wait_outcome(firmware.image("ppmid/2.0.0").image_hash)
        assert is_topped_up(bench.credit)
        # a copy of the folder is another device with the same content
        assert hanboot("history", "--port", bench.port, "--json").document[-1]["index"] == 2
