"""`make demo`: every step as expected; and if one is not, the demo says so and fails."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from command_line import assert_error, hanboot
from rig import ROOT

from hanboot import demo
from hanboot.demo.story import Story
from hanboot.image.ota_file import Image
from hanboot.inventory.devices import Inventory
from hanboot.trust.keys import PrivateKey

LAST_LINE = re.compile(r"(\d+) steps, (\d+) as expected")


def last_line(text: str) -> tuple[int, int]:
    found = LAST_LINE.fullmatch(text.splitlines()[-1])
    assert found, text
    return int(found[1]), int(found[2])


@pytest.mark.parametrize("kind", [(), ("esp32",)], ids=["virtual", "esp32"])
def test_every_step_goes_as_expected(kind: tuple[str, ...], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hanboot.demo", *kind],
        env=os.environ | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    steps, good = last_line(done.stdout)
    assert steps == good
    assert steps >= 30
    # what the demo is for
    for reason in (
        *("not-a-predecessor", "payload-hash", "unknown-signer", "hardware-version"),
        *("header-mismatch", "trial-crashed"),
    ):
        assert reason in done.stdout
    # the act from the registry to the inventory
    assert "PPMID-0002 (01010000) -> PPMID-0003 (02000000)" in done.stdout
    assert "its history: refused, activated, activated" in done.stdout
    # the home, and the chain in short
    if not kind:
        reported = " ".join(done.stdout.split())
        assert "the hub has the reason: not-a-predecessor, it would accept 01010000" in reported
        assert "alert 8F66 after the trial: 01010000 (1.1.0.0) runs" in reported
        assert "a PPMIDAlert: ActivationSuccess, 01010000" in reported
        assert "load switch delivered" not in reported
    # there is no terminal here: no colours
    assert "\x1b" not in done.stdout
    assert done.stderr == ""
    # and nothing is left behind
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not shutil.which("make"), reason="no make here")
@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        ((), "-m hanboot.demo"),
        (("BOARD=esp32",), "-m hanboot.demo esp32"),
        (("BOARD=rp2040",), "-m hanboot.demo rp2040"),
        (("ACT=chain",), "-m hanboot.demo virtual chain"),
    ],
)
def test_make_runs_it(arguments: tuple[str, ...], command: str) -> None:
    planned = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "demo", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert planned.stdout.rstrip().endswith(command)
    assert ("build.py" in planned.stdout) == ("BOARD=rp2040" in arguments)


def test_a_home(capsys: pytest.CaptureFixture[str]) -> None:
    """Two devices on one hub, over a line that loses frames."""
    with pytest.raises(SystemExit) as ended:
        demo.main("virtual", "home")
    reported = capsys.readouterr().out
    assert ended.value.code == 0, reported
    for seen in ("not-a-predecessor", "went on from", "CS09", "8F72", "8F66", "Schedule"):
        assert seen in reported


def test_the_chain(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """From the delivery to the supplier's inbox; what a step shows is what came back.

    After a home, as in ACT=all: each has a load switch of its own.
    """

    def furnish(story: Story, bench: Any, pairs: Any, releases: Any) -> None:
        demo.network.Home(bench, pairs).close()

    monkeypatch.setattr(demo, "_ACTS", (("home", furnish),))
    monkeypatch.setattr(demo, "_MORE_ACTS", demo._MORE_ACTS[-1:])
    with pytest.raises(SystemExit) as ended:
        demo.main("virtual", "all")
    reported = " ".join(capsys.readouterr().out.split())
    assert ended.value.code == 0, reported
    for seen in (
        "E110401; nothing went to the hub",
        "in the supplier's inbox N60, delivered to the hub: Success",
        "then a CommsHubAlert: FileTransferFailure",
        "PPMID-0002 -> PPMID-0003",
        "a PPMIDAlert: ActivationSuccess, 01010000",
        "then alert 8F72 with the hash; 1.0.0 runs still",
        "I99; the device: success, 01010000",
    ):
        assert seen in reported


def test_an_unknown_act(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        demo.main("esp32", "home")
    assert ended.value.code == 2
    assert "no act home on esp32" in capsys.readouterr().err


def test_an_unknown_board(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        demo.main("esp8266")
    assert ended.value.code == 2
    assert "no board esp8266" in capsys.readouterr().err


@pytest.mark.parametrize("columns", [32, 40, 79, 80, 200])
def test_no_line_is_longer_than_the_terminal(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    story = Story()
    story.chapter("Another supplier inherits a PPMID, at a version that it never sent")
    story.step("a title of many words " * 8, lambda: (True, "and what was seen of it " * 8))
    story.show(["Balance 10.00", "x" * 33])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) < columns
    # a frame is whole, or there is none
    assert any("╭" in line for line in lines) == (columns > 44)
    assert any(line.strip() == "x" * 33 or f"│ {'x' * 33} │" in line for line in lines) == (
        columns > 37
    )


def test_a_key_for_each_act(monkeypatch: pytest.MonkeyPatch) -> None:
    acts, waits = [], []
    played = tuple((name, lambda *_, name=name: acts.append(name)) for name in ("one", "two"))
    monkeypatch.setattr(demo, "_ACTS", played)
    monkeypatch.setattr(demo, "_SHORT_ACTS", ())
    monkeypatch.setattr(demo, "_desk", lambda story: (None, None))
    monkeypatch.setattr(demo, "Bench", lambda folder, kind: SimpleNamespace(close=lambda: None))

    def wait(act: str) -> None:
        waits.append((act, list(acts)))

    with pytest.raises(SystemExit):
        demo.main(wait=wait)
    # the second act waits for its key until the first has been played
    assert waits == [("one", []), ("two", ["one"])]


def test_steps_need_a_terminal() -> None:
    assert_error(hanboot("demo", "--step"), 2, "--step waits for keys", "not a terminal")


def test_one_act_by_its_name() -> None:
    def chosen(kind: str, act: str) -> list[str]:
        return [name for name, _ in demo._chosen(kind, act)]

    assert chosen("virtual", "inherited") == ["inherited"]
    assert chosen("rp2040", "household") == chosen("rp2040", "") == ["household"]
    # where none is named, all of them, the longest in short
    assert chosen("virtual", "") == chosen("virtual", "all")
    assert (
        dict(demo._chosen("virtual", ""))["chain"] != dict(demo._chosen("virtual", "all"))["chain"]
    )
    # the chip plays one act, and does not play it in place of another
    with pytest.raises(SystemExit) as ended:
        demo._chosen("rp2040", "inherited")
    assert ended.value.code == 2


def play(capsys: pytest.CaptureFixture[str]) -> tuple[int, int, str]:
    """Steps, those as expected, and all that was printed; the demo must fail."""
    with pytest.raises(SystemExit) as ended:
        demo.main()
    reported = capsys.readouterr().out
    assert ended.value.code == 1
    return *last_line(reported), reported


def test_it_fails_if_the_wrong_upgrade_is_taken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """2.0.0 built to follow 1.0.0, too: nothing is left to be refused."""
    build, made = demo.build, {}

    def careless(folder: str, key: PrivateKey, follows: tuple[Image, ...] = (), **changes: Any):
        if folder == "2.0.0" and follows:
            follows = (*follows, made["1.0.0"])
        image = build(folder, key, follows, **changes)
        made.setdefault(folder, image)
        return image

    monkeypatch.setattr(demo, "build", careless)
    monkeypatch.setattr(demo, "_SHORT_ACTS", ())
    # nor is there any sense in waiting for the display to tell it
    monkeypatch.setattr(demo.bench, "_ANSWER_S", 0.5)
    steps, good, reported = play(capsys)
    assert good < steps
    assert "the device took it" in reported


def test_it_fails_if_an_image_is_not_tampered_with(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo.household, "_flipped", lambda image: image.octets)
    monkeypatch.setattr(demo, "_SHORT_ACTS", ())
    steps, good, _ = play(capsys)
    assert good < steps


def test_it_fails_if_the_inventory_is_not_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "_ACTS", demo._ACTS[-1:])
    monkeypatch.setattr(demo, "_SHORT_ACTS", ())
    monkeypatch.setattr(Inventory, "record", lambda self, distribution: None)
    steps, good, reported = play(capsys)
    assert good < steps
    assert "✗ the inventory after" in reported
