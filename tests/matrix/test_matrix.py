"""The matrix of the example PPMID's releases, played on virtual boards."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
from click.testing import CliRunner

from hanboot import cli
from hanboot.boards.virtual import VirtualBoard
from hanboot.cli.matrix import _show_table
from hanboot.device.client import Device
from hanboot.device.provisioning import development_keys, provision
from hanboot.image import ota_file, release
from hanboot.image.build import build_image
from hanboot.image.ota_file import Image
from hanboot.matrix import oracle, report
from hanboot.matrix.cells import Matrix, MatrixCell, Situation, name_releases
from hanboot.trust import keys

PPMID = Path(__file__).parent.parent.parent / "firmware" / "ppmid"
NAMES = ("1.0.0", "1.1.0", "2.0.0", "2.1.0-faulty")

BASE, NAMED = "below-minimum-base", "not-a-predecessor"
SAME, CRASHED = "already-running", "reverted: trial-crashed"

#: What the example's releases say of each other, read by a person.
WANTED = {
    "no application": ("confirmed", BASE, NAMED, BASE),
    "no application after a revert of 1.0.0": ("confirmed", BASE, NAMED, BASE),
    "1.0.0": (SAME, "confirmed", NAMED, BASE),
    "1.0.0 after a revert of 1.1.0": (SAME, "confirmed", NAMED, BASE),
    "1.1.0": (NAMED, SAME, "confirmed", CRASHED),
    "1.1.0 after a revert of 2.0.0": (NAMED, SAME, "confirmed", CRASHED),
    "1.1.0 after a failed trial of 2.1.0-faulty": (NAMED, SAME, "confirmed", CRASHED),
    "1.1.0 after a revert of 2.1.0-faulty": (NAMED, SAME, "confirmed", CRASHED),
    "2.0.0": (NAMED, NAMED, SAME, CRASHED),
    "2.0.0 after a failed trial of 2.1.0-faulty": (NAMED, NAMED, SAME, CRASHED),
    "2.0.0 after a revert of 2.1.0-faulty": (NAMED, NAMED, SAME, CRASHED),
}


@dataclasses.dataclass(frozen=True)
class Played:
    code: int
    document: Any
    html: str
    junit: Xml.Element


@pytest.fixture(scope="module")
def manufacturer() -> keys.PrivateKey:
    return keys.generate()


@pytest.fixture(scope="module")
def folder(manufacturer: keys.PrivateKey, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The images, each made to follow the one before, and the key."""
    made = tmp_path_factory.mktemp("matrix")
    (made / "key.pem").write_bytes(manufacturer.public_pem())
    before: list[Image] = []
    for name in NAMES:
        described = release.with_predecessors(release.load(PPMID / name), before)
        built = build_image(described, manufacturer.public.kid, manufacturer.sign)
        (made / f"{name}.ota").write_bytes(built.octets)
        before = [built]
    return made


def run(folder: Path, *arguments: object) -> tuple[int, str, str]:
    files = [str(folder / f"{name}.ota") for name in NAMES]
    key = str(folder / "key.pem")
    result = CliRunner().invoke(
        cli.main, ["matrix", *files, "--manufacturer-public-key", key, *map(str, arguments)]
    )
    assert result.exit_code != cli.EXIT_FAULT, result.stderr
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(scope="module")
def played(folder: Path) -> Played:
    html, junit = folder / "matrix.html", folder / "matrix.xml"
    code, out, _ = run(folder, "--json", "--html", html, "--junit", junit)
    return Played(code, json.loads(out), html.read_text(), Xml.parse(junit).getroot())


def rows_of(document: Any) -> dict[str, tuple[str, ...]]:
    rows: dict[str, list[str]] = {}
    for cell in document["cells"]:
        name = cell["running"] or "no application"
        if cell["after"]:
            name += f" after a {cell['after']} of {cell['tried']}"
        text = cell["outcome"] or cell["device"]
        rows.setdefault(name, []).append(
            f"reverted: {cell['trial_reason']}" if text == "reverted" else text
        )
    return {name: tuple(row) for name, row in rows.items()}


@pytest.mark.slow
def test_every_release_against_every_other(played: Played) -> None:
    assert played.code == 0
    assert played.document["agrees"]
    assert rows_of(played.document) == WANTED
    assert all(cell["device"] == cell["oracle"] for cell in played.document["cells"])
    assert played.document["remarks"] == [
        "2.1.0-faulty never runs: wherever it was accepted it was reverted (trial-crashed)"
    ]


@pytest.mark.slow
def test_a_test_case_for_each_cell(played: Played) -> None:
    suite = played.junit.find("testsuite")
    assert suite is not None
    cases = suite.findall("testcase")
    assert suite.get("tests") == str(len(cases)) == str(len(WANTED) * len(NAMES))
    assert suite.get("failures") == "0"
    assert len({case.get("name") for case in cases}) == len(cases)
    reported = {case.get("name"): case.findtext("system-out") for case in cases}
    assert reported["2.0.0 over 1.0.0"] == NAMED
    assert reported["2.1.0-faulty over 2.0.0"] == f"accepted, {CRASHED}"


@pytest.mark.slow
def test_a_page_that_needs_no_other(played: Played) -> None:
    page = Xml.fromstring(played.html.partition("\n")[2].replace('<meta charset="utf-8">', ""))
    table = page.find(".//table")
    assert table is not None
    head, *rows = table.findall("tr")
    assert [th.text for th in head] == ["running", *NAMES]
    shown = {row[0].text: tuple((td.text or "") for td in row[1:]) for row in rows}
    assert {
        name: tuple(t.removeprefix("accepted, ") for t in row) for name, row in shown.items()
    } == WANTED
    assert "http" not in played.html
    assert "src=" not in played.html


@pytest.mark.slow
def test_on_a_device_as_far_as_it_allows(
    folder: Path, manufacturer: keys.PrivateKey, tmp_path: Path
) -> None:
    with VirtualBoard(tmp_path / "board", "ppmid", 10_000) as board:
        with Device(board.port) as device:
            provision(device, development_keys(manufacturer.public))
        code, out, _ = run(folder, "--json", "--port", board.port)
    document = json.loads(out)
    assert code == 0
    rows = rows_of(document)
    assert rows["1.0.0"] == WANTED["1.0.0"]
    # 2.0.0 is the lower version, and leads on
    assert rows["1.1.0"] == (NAMED, SAME, "confirmed", "not activated")
    assert rows["2.0.0"] == WANTED["2.0.0"]
    assert rows["2.0.0 after a failed trial of 2.1.0-faulty"] == (
        NAMED,
        NAMED,
        SAME,
        "not activated",
    )
    assert any("real device" in remark for remark in document["remarks"])


@pytest.mark.slow
def test_a_disagreement(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rightly = oracle.verdict

    def wrongly(state: oracle.State, offer: oracle.OfferedImage) -> str:
        found = rightly(state, offer)
        return "not-a-predecessor" if found == BASE else found

    monkeypatch.setattr(oracle, "verdict", wrongly)
    code, out, err = run(folder, "--junit", tmp_path / "m.xml")
    assert code == 1
    assert f"{BASE} (!)" in out
    assert "cells disagree" in err
    assert f"oracle: {NAMED}" in err
    suite = Xml.parse(tmp_path / "m.xml").getroot().find("testsuite")
    assert suite is not None
    failures = suite.findall("testcase/failure")
    assert suite.get("failures") == str(len(failures)) != "0"


def test_texts_of_an_image_are_anybodys(manufacturer: keys.PrivateKey) -> None:
    described = dataclasses.replace(release.load(PPMID / "1.0.0"), label="<b>\x1b[2J&")
    built = build_image(described, manufacturer.public.kid, manufacturer.sign)
    (hostile,) = name_releases([built, ota_file.load(built.octets)])
    cell = MatrixCell(
        situation=Situation(None),
        offered=hostile,
        device="accepted",
        decision="accepted",
        oracle="envelope",
        faults=("<i>",),
    )
    matrix = Matrix([hostile], [cell], ["<u>"])
    page = report.html(matrix)
    assert "<b>" not in page
    assert "<i>" not in page
    assert "<u>" not in page
    assert "\x1b" not in page
    assert Xml.fromstring(report.junit(matrix)).find(".//failure") is not None


def test_equal_labels_are_told_apart(manufacturer: keys.PrivateKey) -> None:
    described = release.load(PPMID / "1.0.0")
    built = [
        build_image(changed, manufacturer.public.kid, manufacturer.sign)
        for changed in (described, dataclasses.replace(described, security_counter=1))
    ]
    names = {made.name for made in name_releases(built)}
    assert len(names) == 2
    assert all(name.startswith("1.0.0 ") for name in names)


def test_no_key(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HANBOOT_MANUFACTURER_PUBLIC_KEY", raising=False)
    result = CliRunner().invoke(cli.main, ["matrix", str(folder / "1.0.0.ota")])
    assert result.exit_code == 2
    assert "--manufacturer-public-key" in result.stderr


def test_images_that_never_ran_are_no_success(folder: Path, tmp_path: Path) -> None:
    """2.0.0 alone: no device without an application takes it."""
    key, junit = str(folder / "key.pem"), tmp_path / "m.xml"
    command = ["matrix", str(folder / "2.0.0.ota"), "--manufacturer-public-key", key]
    result = CliRunner().invoke(cli.main, [*command, "--junit", str(junit), "--json"])
    assert result.exit_code == 1
    assert "never started" in result.stderr
    document = json.loads(result.stdout)
    assert document["never_ran"] == ["2.0.0"]
    assert document["evidence"].keys() == {"date", "version", "command", "board", "keys"}
    suite = Xml.parse(junit).getroot().find("testsuite")
    assert suite is not None
    assert (suite.get("skipped"), suite.get("failures")) == ("1", "0")
    assert suite.find("testcase/skipped") is not None
    named = {entry.get("name") for entry in suite.findall("properties/property")}
    assert {"date", "hanboot", "board", "command", "2.0.0, SHA-256"} <= named
    allowed = CliRunner().invoke(cli.main, [*command, "--allow-unreached", "2.0.0"])
    assert allowed.exit_code == 0, allowed.stderr


@pytest.mark.parametrize("option", ["--html", "--junit"])
def test_where_a_report_goes_is_checked_first(folder: Path, tmp_path: Path, option: str) -> None:
    code, _, err = run(folder, option, tmp_path / "nowhere" / "report")
    assert (code, "running" in err) == (5, False)
    assert run(folder, option, tmp_path)[0] == 5


def test_a_report_overwrites_nothing_that_was_given(folder: Path, tmp_path: Path) -> None:
    image = folder / "1.0.0.ota"
    before = image.read_bytes()
    (tmp_path / "link").symlink_to(image)
    same = tmp_path / "same"
    for options in (["--html", image], ["--junit", tmp_path / "link"]):
        assert run(folder, *options)[0] == 2
    assert run(folder, "--html", same, "--junit", same)[0] == 2
    assert image.read_bytes() == before
    assert not same.exists()


def test_a_name_that_is_allowed_and_not_there(folder: Path) -> None:
    code, _, err = run(folder, "--allow-unreached", "9.9.9")
    assert code == 2
    assert "the matrix calls them" in err


@pytest.mark.slow
def test_a_manufacturer_s_own_code_plays(manufacturer: keys.PrivateKey, tmp_path: Path) -> None:
    described = dataclasses.replace(
        release.load(PPMID / "1.0.0"),
        manufacturer_code=0x1234,
        image_type=0xABCD,
        hardware=(0x0302, 0x03FF),
    )
    built = build_image(described, manufacturer.public.kid, manufacturer.sign)
    (tmp_path / "own.ota").write_bytes(built.octets)
    (tmp_path / "key.pem").write_bytes(manufacturer.public_pem())
    result = CliRunner().invoke(
        cli.main,
        [
            *("matrix", str(tmp_path / "own.ota"), "--json", "--role", "ppmid"),
            *("--manufacturer-public-key", str(tmp_path / "key.pem")),
        ],
    )
    assert result.exit_code == 0, result.stderr
    cells = json.loads(result.stdout)["cells"]
    assert [cell["outcome"] or cell["device"] for cell in cells] == [
        *("confirmed", "already-running"),
        "confirmed",  # after a revert
    ]


def test_a_hostile_label_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """An image's label is shown in a table, and moves no cursor."""
    described = release.load(PPMID / "1.0.0")
    key = keys.generate()
    built = build_image(
        dataclasses.replace(described, label="\x1b[2J[red]\u202e"), key.public.kid, key.sign
    )
    _show_table(Matrix(name_releases([built])))
    shown = capsys.readouterr().out
    assert "[2J[red]" in shown
    assert "\x1b[2J" not in shown
    assert "\u202e" not in shown
