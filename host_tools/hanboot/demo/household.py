"""A household's PPMID: the wrong upgrade, the right path, images that lie, bad days."""

from __future__ import annotations

import functools

from hanboot.demo.bench import TOP_UP, Bench, KeyPairs, Releases, build
from hanboot.demo.story import Story
from hanboot.device.refusal import DeviceRefused
from hanboot.device.upgrade import stage, start
from hanboot.explain.reasons import explain
from hanboot.image.ota_file import Image
from hanbootloader import reasons
from hanbootloader.image import ota, writer

_REFUSED_WITHIN = 4096


def play(story: Story, bench: Bench, pairs: KeyPairs, releases: Releases) -> None:
    v100, v110, v200, v210 = releases
    story.chapter("A household with a PPMID")
    _first_day(story, bench, pairs, v100)
    _wrong_upgrade(story, bench, v100, v200)
    _right_path(story, bench, v110, v200)
    _tampered(story, bench, pairs, v110, v200, v210)
    _bad_days(story, bench, v200, v210)


def _first_day(story: Story, bench: Bench, pairs: KeyPairs, v100: Image) -> None:
    story.step(
        "provisioned: the device now trusts these two keys and no others",
        lambda: (bench.provision(pairs), ""),
    )
    story.step("1.0.0 installed", lambda: bench.upgrade(v100))
    story.step(f"top-up of £{TOP_UP} typed at the device", lambda: bench.credit(f"top-up {TOP_UP}"))
    story.show(bench.display(f"Balance {TOP_UP}"))


def _wrong_upgrade(story: Story, bench: Bench, v100: Image, v200: Image) -> None:
    story.chapter("The supplier sends 2.0.0, not knowing the order")

    def play() -> tuple[bool, str]:
        before = bench.device.smp.octets_sent
        good, why, verdict = bench.offer(v200.octets, reasons.NOT_A_PREDECESSOR, v100)
        sent = bench.device.smp.octets_sent - before
        named = verdict is not None and [f.file_version for f in verdict.accepts] == [0x01010000]
        return (
            good and named and sent < _REFUSED_WITHIN,
            f"{why}\nafter {sent} octets on the line; the image has {len(v200.octets)}",
        )

    story.step("2.0.0 over 1.0.0: refused on the device", play)
    story.show(bench.display("refused"))
    story.step("the credit is untouched", lambda: bench.credit("balance"))


def _right_path(story: Story, bench: Bench, v110: Image, v200: Image) -> None:
    story.chapter("The right path: 1.1.0, then 2.0.0")
    for image in (v110, v200):
        label = image.manifest.label if image.manifest else ""
        play = functools.partial(bench.upgrade, image)
        story.step(f"{label}: uploaded, tried, confirmed", play)
        story.step("the credit is there", lambda: bench.credit("balance"))
    story.show(bench.display())


def _flipped(image: Image) -> bytes:
    octets = bytearray(image.octets)
    octets[-100] ^= 0x10
    return bytes(octets)


def _header_swapped(image: Image, other: Image) -> bytes:
    """`image` under the OTA Header of `other`, the size made to fit."""
    header = ota.parse_header(other.octets)
    header.total_bytes = len(image.octets)
    return writer.encode_header(header) + image.octets[ota.HEADER_BYTES :]


def _tampered(
    story: Story, bench: Bench, pairs: KeyPairs, v110: Image, v200: Image, v210: Image
) -> None:
    story.chapter("Images that are not what they say")
    cases = (
        ("one flipped bit", _flipped(v210), reasons.PAYLOAD_HASH),
        (
            "signed by a stranger",
            build("2.1.0-faulty", pairs.stranger, (v200,)).octets,
            reasons.UNKNOWN_SIGNER,
        ),
        (
            "for other hardware",
            build("2.1.0-faulty", pairs.manufacturer, (v200,), hardware=(0x0200, 0x02FF)).octets,
            reasons.HARDWARE_VERSION,
        ),
        ("the header of 2.1.0 on 1.1.0", _header_swapped(v110, v210), reasons.HEADER_MISMATCH),
    )
    for title, octets, reason in cases:
        name = explain(reason).name
        story.step(
            f"{title}: {name}",
            lambda octets=octets, reason=reason: bench.refuses(octets, reason, v200),  # type: ignore[misc]
        )


class _CableOut(Exception):
    pass


def _bad_days(story: Story, bench: Bench, v200: Image, v210: Image) -> None:
    story.chapter("Bad days")

    def cut() -> tuple[bool, str]:
        def pull(done: int, total: int) -> None:
            if done > total // 2:
                raise _CableOut

        reached: list[int] = []
        try:
            bench.device.upload(v210.octets, pull)
        except _CableOut:
            reached.append(bench.device.progress().received)
        bench.reconnect()
        # the first answer to the same file tells where to go on
        stage(bench.device, v210.octets, lambda done, total: reached.append(done))
        resumed = reached[1] if len(reached) > 1 else 0
        return (
            resumed == reached[0] > 0,
            f"cut after {reached[0]} octets; the same command again went on from {resumed} of "
            f"{len(v210.octets)}",
        )

    story.step("the cable is pulled in the middle of an upload of 2.1.0: resumed", cut)

    def revert() -> tuple[bool, str]:
        try:
            start(bench.device, v210.image_hash)
        except DeviceRefused as refused:
            good = refused.verdict.reason == reasons.TRIAL_CRASHED and bench.runs(v200)
            return good, "\n".join(refused.lines[:2])
        return False, "it was confirmed"

    story.step("2.1.0 fails its self-test three times: reverted to 2.0.0", revert)
    story.step("the credit is there", lambda: bench.credit("balance"))
