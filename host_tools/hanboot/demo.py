"""`make demo`: a virtual PPMID refuses the upgrade that would break it, and takes the right path.

Every step is played on the device code in a real MicroPython, through the same calls as the
command line's. A step that does not go as expected fails the demo.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import shutil
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import click

from bootloader import reasons
from bootloader.image import ota
from bootloader.trust import anchors
from hanboot import explain, keys, release
from hanboot.deadline import Deadline
from hanboot.device import Device, DeviceRefused, Verdict
from hanboot.device_code import ROOT
from hanboot.errors import HanbootError
from hanboot.image import Image
from hanboot.keys import PrivateKey
from hanboot.provisioning import AnchorKey, provision
from hanboot.virtual import VirtualBoard

_PPMID = ROOT / "firmware" / "ppmid"
_ANSWER_S = 5.0
_LOOK_S = 0.02
_TRIAL_MS = 10_000
_TOP_UP = "10.00"
_USED_MOST = 0.50
_REFUSED_WITHIN = 4096


class Story:
    """Tells the steps and counts those that went as expected."""

    def __init__(self) -> None:
        self.steps = 0
        self.as_expected = 0

    def chapter(self, title: str) -> None:
        click.echo()
        click.secho(title, bold=True)

    def tell(self, text: str) -> None:
        click.echo(textwrap.indent(textwrap.fill(text, 92), "    "))

    def show(self, lines: list[str]) -> None:
        """What the device's display shows."""
        width = max(map(len, lines), default=0)
        click.secho(f"    ╭{'─' * (width + 2)}╮", fg="cyan")
        for line in lines:
            click.secho(f"    │ {line:<{width}} │", fg="cyan")
        click.secho(f"    ╰{'─' * (width + 2)}╯", fg="cyan")

    def step(self, title: str, play: Callable[[], tuple[bool, str]]) -> None:
        """Plays a step: `play` tells whether it went as expected, and what was seen."""
        self.steps += 1
        started = time.monotonic()
        try:
            good, seen = play()
        except HanbootError as error:
            good, seen = False, " / ".join(error.lines)
        self.as_expected += good
        mark = click.style("✓", fg="green") if good else click.style("✗", fg="red", bold=True)
        took = click.style(f"  {time.monotonic() - started:.1f} s", dim=True)
        click.echo(f"  {mark} {title}{took}")
        for line in seen.splitlines():
            self.tell(line)


class Bench:
    """One virtual PPMID with somebody at its console."""

    def __init__(self, state: Path) -> None:
        self._typed: list[str] = []
        self._display: list[str] = []
        self.board = VirtualBoard(state, "ppmid", _TRIAL_MS, self._on_text)
        self.board.start()
        self.device = Device(self.board.port)

    def close(self) -> None:
        self.device.close()
        self.board.stop()

    def _on_text(self, line: str) -> None:
        if line.startswith("+-"):
            self._display = []
        elif line.startswith("| "):
            self._display.append(line[2:])
        else:
            self._typed.append(line)

    def display(self, holds: str = "") -> list[str]:
        """The display, once a line of it holds `holds`."""
        deadline = Deadline(_ANSWER_S)
        while not deadline.passed:
            if any(holds in line for line in self._display):
                break
            time.sleep(_LOOK_S)
        # the rest of the picture
        time.sleep(_LOOK_S)
        return list(self._display)

    def ask(self, line: str) -> str:
        """Types `line` at the console; the application's answer."""
        self._typed = []
        self.device.smp.type_line(line)
        deadline = Deadline(_ANSWER_S)
        while not self._typed and not deadline.passed:
            time.sleep(_LOOK_S)
        return self._typed[0] if self._typed else ""

    def reconnect(self) -> None:
        self.device.close()
        self.device = Device(self.board.port)

    def upgrade(self, image: Image) -> tuple[bool, str]:
        """Uploads, activates, waits for the self-test; whether it runs then, and what does."""
        self.device.upload(image.octets)
        self.device.wait_verified()
        self.device.activate(image.image_hash)
        self.device.reset()
        identity = self.device.wait_outcome(image.image_hash)
        confirmed = identity.confirmed
        if confirmed is None:
            return False, "nothing is confirmed"
        running = explain.version_text(confirmed.file_version)
        return confirmed.image_hash == image.image_hash, f"running {running}"

    def runs(self, image: Image) -> bool:
        confirmed = self.device.identity().confirmed
        return confirmed is not None and confirmed.image_hash == image.image_hash


@dataclasses.dataclass
class Keys:
    """The demo's key pairs; a stranger has one, too."""

    manufacturer: PrivateKey
    supplier: PrivateKey
    stranger: PrivateKey


def _build(
    folder: str, key: PrivateKey, follows: tuple[Image, ...] = (), **changes: object
) -> Image:
    described = dataclasses.replace(release.load(_PPMID / folder), **changes)  # type: ignore[arg-type]
    described = release.with_predecessors(described, follows)
    return release.build(described, key.public.kid, key.sign)


def _refused(
    bench: Bench, octets: bytes, expected: int, running: Image
) -> tuple[bool, str, Verdict | None]:
    """Offers `octets`: as expected if refused for `expected` with `running` left as it was."""
    try:
        bench.device.upload(octets)
        bench.device.wait_verified()
    except DeviceRefused as refused:
        verdict = refused.verdict
        good = verdict.reason == expected and bench.runs(running)
        return good, "\n".join(refused.lines), verdict
    return False, "the device took it", None


def _flipped(image: Image) -> bytes:
    octets = bytearray(image.octets)
    octets[-100] ^= 0x10
    return bytes(octets)


def _header_swapped(image: Image, other: Image) -> bytes:
    """`image` under the OTA Header of `other`, the size made to fit."""
    header = ota.parse_header(other.octets)
    header.total_bytes = len(image.octets)
    return header.encode() + image.octets[ota.HEADER_BYTES :]


class _CableOut(Exception):
    pass


def main() -> None:
    """Plays the demo; exit status 1 if any step did not go as expected."""
    folder = Path(tempfile.mkdtemp(prefix="hanboot-demo-"))
    story = Story()
    try:
        _play(story, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    click.echo()
    colour = "green" if story.as_expected == story.steps else "red"
    click.secho(f"{story.steps} steps, {story.as_expected} as expected", fg=colour, bold=True)
    sys.exit(story.as_expected != story.steps)


def _play(story: Story, folder: Path) -> None:
    story.chapter("A manufacturer's desk")
    pairs = Keys(keys.generate(), keys.generate(), keys.generate())
    kids = {key.public.kid for key in (pairs.manufacturer, pairs.supplier, pairs.stranger)}
    story.step(
        "keys made: manufacturer, supplier, and a stranger's",
        lambda: (len(kids) == 3, ", ".join(kid.hex() for kid in sorted(kids))),
    )
    v100 = _build("1.0.0", pairs.manufacturer)
    v110 = _build("1.1.0", pairs.manufacturer, (v100,))
    v200 = _build("2.0.0", pairs.manufacturer, (v110,))
    v210 = _build("2.1.0-faulty", pairs.manufacturer, (v200,))
    story.step(
        "three releases built: 1.0.0, 1.1.0 (may follow 1.0.0), 2.0.0 (may follow 1.1.0 alone)",
        lambda: (
            v110.manifest is not None and v110.manifest.predecessors[0][1] == v100.image_hash,
            "1.1.0 moves the prepayment credit to a new record; 2.0.0 reads nothing but that one.",
        ),
    )

    story.chapter("A household with a PPMID")
    bench = Bench(folder / "household")
    try:
        _first_day(story, bench, pairs, v100)
        _wrong_upgrade(story, bench, v100, v200)
        _right_path(story, bench, v110, v200)
        _tampered(story, bench, pairs, v110, v200, v210)
        _bad_days(story, bench, v200, v210)
    finally:
        bench.close()
    _without_the_control(story, folder, pairs, v100)


def _provisioned(bench: Bench, pairs: Keys) -> bool:
    provision(
        bench.device,
        [
            AnchorKey(role, key.public.kid, key.public.point, True, "demo")
            for role, key in (
                (anchors.MANUFACTURER, pairs.manufacturer),
                (anchors.SUPPLIER, pairs.supplier),
            )
        ],
    )
    return bench.device.identity().provisioned


def _first_day(story: Story, bench: Bench, pairs: Keys, v100: Image) -> None:
    story.step(
        "provisioned: the device now believes these two keys and no others",
        lambda: (_provisioned(bench, pairs), ""),
    )
    story.step("1.0.0 installed", lambda: bench.upgrade(v100))
    story.step(
        f"top-up of £{_TOP_UP} typed at the device", lambda: _credit(bench, f"top-up {_TOP_UP}")
    )
    story.show(bench.display())


def _credit(bench: Bench, line: str) -> tuple[bool, str]:
    """Types `line`; as expected if the credit is the top-up, less what the demo's minute uses."""
    answer = bench.ask(line)
    top_up = float(_TOP_UP)
    return top_up - _USED_MOST <= _pounds(answer) <= top_up, answer


def _pounds(answer: str) -> float:
    """The amount in an answer such as "Balance 10.00"; below zero where there is none."""
    found = re.search(r"-?\d+\.\d\d", answer)
    return float(found.group()) if found else -1.0


def _wrong_upgrade(story: Story, bench: Bench, v100: Image, v200: Image) -> None:
    story.chapter("The supplier sends 2.0.0, not knowing the order")

    def play() -> tuple[bool, str]:
        before = bench.device.smp.octets_sent
        good, why, verdict = _refused(bench, v200.octets, reasons.NOT_A_PREDECESSOR, v100)
        sent = bench.device.smp.octets_sent - before
        named = verdict is not None and [f.file_version for f in verdict.accepts] == [0x01010000]
        return (
            good and named and sent < _REFUSED_WITHIN,
            f"{why}\nafter {sent} octets on the line; the image has {len(v200.octets)}",
        )

    story.step("2.0.0 over 1.0.0: refused on the device", play)
    story.show(bench.display("refused"))
    story.step("the credit is untouched", lambda: _credit(bench, "balance"))


def _right_path(story: Story, bench: Bench, v110: Image, v200: Image) -> None:
    story.chapter("The right path: 1.1.0, then 2.0.0")
    for image in (v110, v200):
        label = image.manifest.label if image.manifest else ""
        play = functools.partial(bench.upgrade, image)
        story.step(f"{label}: uploaded, tried, confirmed", play)
        story.step("the credit is there", lambda: _credit(bench, "balance"))
    story.show(bench.display())


def _tampered(
    story: Story, bench: Bench, pairs: Keys, v110: Image, v200: Image, v210: Image
) -> None:
    story.chapter("Images that are not what they say")
    cases = (
        ("one flipped bit", _flipped(v210), reasons.PAYLOAD_HASH),
        (
            "signed by a stranger",
            _build("2.1.0-faulty", pairs.stranger, (v200,)).octets,
            reasons.UNKNOWN_SIGNER,
        ),
        (
            "for other hardware",
            _build("2.1.0-faulty", pairs.manufacturer, (v200,), hardware=(0x0200, 0x02FF)).octets,
            reasons.HARDWARE_VERSION,
        ),
        ("the header of 2.1.0 on 1.1.0", _header_swapped(v110, v210), reasons.HEADER_MISMATCH),
    )
    for title, octets, reason in cases:
        name = explain.explain(reason).name
        story.step(
            f"{title}: {name}",
            lambda octets=octets, reason=reason: _refused(bench, octets, reason, v200)[:2],  # type: ignore[misc]
        )


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
            reached.append(bench.device.progress()[1])
        bench.reconnect()
        # the first answer to the same file tells where to go on
        bench.device.upload(v210.octets, lambda done, total: reached.append(done))
        bench.device.wait_verified()
        resumed = reached[1] if len(reached) > 1 else 0
        return (
            resumed == reached[0] > 0,
            f"cut after {reached[0]} octets; the same command again went on from {resumed} of "
            f"{len(v210.octets)}",
        )

    story.step("the cable is pulled in the middle of an upload of 2.1.0: resumed", cut)

    def revert() -> tuple[bool, str]:
        bench.device.activate(v210.image_hash)
        bench.device.reset()
        try:
            bench.device.wait_outcome(v210.image_hash)
        except DeviceRefused as refused:
            good = refused.verdict.reason == reasons.TRIAL_CRASHED and bench.runs(v200)
            return good, "\n".join(refused.lines[:2])
        return False, "it was confirmed"

    story.step("2.1.0 fails its self-test three times: reverted to 2.0.0", revert)
    story.step("the credit is there", lambda: _credit(bench, "balance"))


def _without_the_control(story: Story, folder: Path, pairs: Keys, v100: Image) -> None:
    story.chapter("What the control prevents: another PPMID, its 2.0.0 built to follow 1.0.0")
    wrong = _build(
        "2.0.0",
        pairs.manufacturer,
        (v100,),
        predecessors=(),
    )
    bench = Bench(folder / "neighbour")
    try:
        story.step("provisioned", lambda: (_provisioned(bench, pairs), ""))
        story.step("1.0.0 installed", lambda: bench.upgrade(v100))
        story.step(f"top-up of £{_TOP_UP}", lambda: _credit(bench, f"top-up {_TOP_UP}"))

        def damage() -> tuple[bool, str]:
            installed, running = bench.upgrade(wrong)
            answer = bench.ask("balance")
            return installed and _pounds(answer) == 0, f"{running}\n{answer}"

        story.step("2.0.0 installed over 1.0.0: the credit is lost", damage)
        story.show(bench.display())
    finally:
        bench.close()


if __name__ == "__main__":
    main()
