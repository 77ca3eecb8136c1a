"""The registry, the plan and the gate with a device at the other end: a virtual PPMID."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from registries import KEY
from rig import Bench, ReleaseImages

from hanboot.image.ota_file import load
from hanboot.inventory.gate import permit

pytestmark = pytest.mark.slow

RELEASES = ("1.0.0", "1.1.0", "2.0.0")
REASON = ("--reason", "a test")


@pytest.fixture
def files(run: Callable[..., Result], firmware: ReleaseImages) -> dict[str, Path]:
    """The images, each entered with its row."""
    files = {}
    for name in RELEASES:
        files[name] = firmware.file(firmware.image(f"ppmid/{name}"), f"{name}.ota")
        row = {
            "device_type": "PPMID",
            "device_model": "00050100",
            "status": "Active",
            "join_option": "2.4 GHz Only",
            "zigbee_vendor": "Example Radios",
            "zigbee_stack": "3.2",
            "zigbee_certificate": "ZCP-0001",
            "contact": "firmware@displays.example",
        }
        settings = [option for pair in row.items() for option in ("--set", "=".join(pair))]
        result = run("registry", "submit", files[name], *settings, *REASON)
        assert result.exit_code == 0, result.output
    return files


def test_an_inherited_device_is_walked_to_the_newest(
    run: Callable[..., Result],
    run_json: Callable[..., Any],
    files: dict[str, Path],
    ppmid: Bench,
) -> None:
    port = ppmid.board.port
    assert run("registry", "check").exit_code == 0
    assert run("inventory", "add", "--port", port).exit_code == 0
    [before] = run_json("inventory", "list")
    assert before["FirmwareVersion"] == "01000000"

    # straight to the newest: the gate has nothing against it, the device has
    wrong = run("distribute", files["2.0.0"], "--port", port)
    assert wrong.exit_code == 1
    assert "not-a-predecessor" in wrong.stderr
    [refused] = run_json("inventory", "history")
    assert (refused["outcome"], refused["reason"]["name"]) == ("refused", "not-a-predecessor")
    assert run_json("inventory", "list")[0]["FirmwareVersion"] == "01000000"

    # what the device says is what is planned from
    state = run("status", "--port", port, "--json").stdout
    planned = run("registry", "plan", "--device-state", "-", "--json", input=state)
    ids = [step["cpl_entry_id"] for step in json.loads(planned.stdout)["steps"]]
    assert ids == ["PPMID-0002", "PPMID-0003"]
    for name in ("1.1.0", "2.0.0"):
        result = run("distribute", files[name], "--port", port)
        assert result.exit_code == 0, result.output
    [after] = run_json("inventory", "list")
    assert after["FirmwareVersion"] == "02000000"
    assert not after["Differs"]
    assert "0 devices need a step" in run("inventory", "pending").stdout
    outcomes = [record["outcome"] for record in run_json("inventory", "history")]
    assert outcomes == ["refused", "activated", "activated"]


def test_a_local_update_offline(
    run: Callable[..., Result],
    run_json: Callable[..., Any],
    files: dict[str, Path],
    ppmid: Bench,
    tmp_path: Path,
) -> None:
    port = ppmid.board.port
    assert run("inventory", "add", "--port", port).exit_code == 0
    (tmp_path / "key.pem").write_bytes(KEY.pem())
    (tmp_path / "key.pem").chmod(0o600)
    (tmp_path / "key.pub.pem").write_bytes(KEY.public_pem())
    snapshot = ("registry", "snapshot", "-o", "cpl.snapshot", "--key", "key.pem")
    local = ("distribute", files["1.1.0"], "--port", port, "--snapshot", "cpl.snapshot")
    local += ("--snapshot-key", "key.pub.pem", "--reports", "reports.jsonl")
    assert run(*snapshot).exit_code == 0
    assert "local updates are banned" in run(*local).stderr

    allow = ("registry", "settings", "--local-updates", "allowed", *REASON)
    assert run(*allow).exit_code == 0
    assert run(*snapshot).exit_code == 0
    (tmp_path / "registry.db").rename(tmp_path / "elsewhere.db")
    assert run(*local).exit_code == 0
    assert not (tmp_path / "registry.db").exists()

    # back in reach of the inventory
    (tmp_path / "elsewhere.db").rename(tmp_path / "registry.db")
    assert run_json("inventory", "list")[0]["FirmwareVersion"] == "01000000"
    assert run_json("inventory", "merge", "reports.jsonl")["updated"] == 1
    assert run_json("inventory", "list")[0]["FirmwareVersion"] == "01010000"
    assert run("inventory", "report", "--port", port, "--reports", "daily.jsonl").exit_code == 0
    assert run_json("inventory", "merge", "daily.jsonl")["differing"] == []


# --- hanboot upgrade --plan


def test_upgrade_by_a_plan(
    run: Callable[..., Result], files: dict[str, Path], ppmid: Bench
) -> None:
    """Asked before each step; a no stops, and the same command goes on from there."""
    command = ("upgrade", "--plan", files["1.0.0"].parent, "--port", ppmid.board.port)
    images = {name: load(file) for name, file in files.items()}

    silent = run(*command)
    assert silent.exit_code == 130
    assert "PPMID-0002  01010000" in silent.stdout
    assert "no way back once it is confirmed" in silent.stdout
    assert "--yes asks nothing" in silent.stderr
    assert ppmid.runs(images["1.0.0"])

    halfway = run(*command, "--json", input="y\nn\n")
    assert halfway.exit_code == 130
    assert "there is no way back from it?" in halfway.stderr
    # who answers sees the plan, though stdout is for a program
    assert "PPMID-0003  02000000" in halfway.stderr
    document = json.loads(halfway.stdout)
    assert [step["confirmed"] for step in document["steps"]] == [True, False]
    assert ppmid.runs(images["1.1.0"])

    rest = run(*command, "--yes")
    assert rest.exit_code == 0, rest.output
    assert "in 1 step" in rest.stdout
    assert ppmid.runs(images["2.0.0"])
    assert "nothing to do" in run(*command, "--yes").stdout


def test_upgrade_by_a_plan_needs_every_image_before_it_sends_one(
    run: Callable[..., Result], files: dict[str, Path], ppmid: Bench
) -> None:
    result = run("upgrade", "--plan", files["1.1.0"], "--port", ppmid.board.port, "--yes")
    assert result.exit_code == 5
    assert "the image of PPMID-0003 (02000000) is missing" in result.stderr
    assert ppmid.runs(load(files["1.0.0"]))


def test_a_refusal_names_the_way_there(
    run: Callable[..., Result], files: dict[str, Path], ppmid: Bench, tmp_path: Path
) -> None:
    port = ("--port", ppmid.board.port)
    result = run("upgrade", files["2.0.0"], *port, "--json")
    assert result.exit_code == 1
    way = "the way there: PPMID-0002 (01010000) -> PPMID-0003 (02000000)"
    assert way in result.stderr
    assert json.loads(result.stdout)["way"]["text"] == way
    assert way in run("verdict", *port).stdout

    assert run("upgrade", files["1.1.0"], files["2.0.0"], *port).exit_code == 0
    older = run("upload", files["1.1.0"], *port)
    assert "the device runs the newest already: leave it" in older.stderr
    # the refusal stays one, whatever becomes of the registry
    (tmp_path / "registry.db").write_text("this is not a database")
    broken = run("upload", files["1.1.0"], *port)
    assert broken.exit_code == 1
    assert "no way was looked for" in broken.stderr
    assert "take a later release" in broken.stderr


def test_options_of_a_plan_need_one(run: Callable[..., Result], files: dict[str, Path]) -> None:
    for options in (("--to", "PPMID-0002"), ("--yes",), ("--on", "2026-01-01")):
        result = run("upgrade", files["1.1.0"], *options, "--port", "virtual:nowhere")
        assert result.exit_code == 2
        assert "requires --plan" in result.stderr


# --- the ban binds every command


@pytest.mark.parametrize("command", [("upload",), ("upgrade",), ("upgrade", "--plan", "--yes")])
@pytest.mark.parametrize("place", ["flag", "environment"])
def test_a_ban_binds_every_command(
    run: Callable[..., Result],
    run_json: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    files: dict[str, Path],
    ppmid: Bench,
    command: tuple[str, ...],
    place: str,
) -> None:
    given: tuple[str, ...] = ()
    if place == "flag":
        given = ("--registry", "registry.db")
    else:
        monkeypatch.setenv("HANBOOT_REGISTRY", "registry.db")
    images = files.values() if "--plan" in command else [files["1.1.0"]]
    result = run(*command, *images, *given, "--port", ppmid.board.port)
    assert result.exit_code == 1, result.output
    assert "local updates are banned" in result.stderr
    assert ppmid.runs(load(files["1.0.0"]))
    [record] = run_json("inventory", "history")
    assert (record["outcome"], record["reason"]["name"]) == ("refused", "local-updates-banned")
    assert record["command"] == command[0]


def test_a_matrix_on_a_device_obeys_the_ban(
    run: Callable[..., Result],
    files: dict[str, Path],
    firmware: ReleaseImages,
    ppmid: Bench,
    tmp_path: Path,
) -> None:
    keys = ("--manufacturer-public-key", tmp_path / "manufacturer.pub.pem")
    keys[1].write_bytes(firmware.pairs.manufacturer.public_pem())
    result = run("matrix", *files.values(), *keys, *_AT_REGISTRY, "--port", ppmid.board.port)
    assert result.exit_code == 1
    assert "local updates are banned" in result.stderr


_AT_REGISTRY = ("--registry", "registry.db")


def test_an_override_is_recorded_before_it_is_sent_and_lifts_the_ban_alone(
    run: Callable[..., Result],
    run_json: Callable[..., Any],
    files: dict[str, Path],
    firmware: ReleaseImages,
    ppmid: Bench,
) -> None:
    port = ("--port", ppmid.board.port)
    override = ("--override-ban", "--author", "Ann", "--reason", "a device in the laboratory")
    result = run("upgrade", files["1.1.0"], *_AT_REGISTRY, *override, *port)
    assert result.exit_code == 0, result.output
    [record] = run_json("inventory", "history")
    assert (record["outcome"], record["cpl_entry_id"]) == ("activated", "PPMID-0002")
    changes = run_json("registry", "history")
    [lifted] = [c for c in changes if c["subject"].startswith("override ")]
    assert (lifted["author"], lifted["number"]) == ("Ann", record["override"])
    assert lifted["after"]["image_hash"] == record["hash"]
    assert run("registry", "history", "--verify").exit_code == 0

    # not on the CPL: nothing lifts that
    assert run("registry", "correct", "PPMID-0003", "status=Withdrawn", *REASON).exit_code == 0
    result = run("upgrade", files["2.0.0"], *_AT_REGISTRY, *override, *port)
    assert result.exit_code == 1
    assert "may not be distributed" in result.stderr


@pytest.fixture
def permitted(
    run: Callable[..., Result], run_json: Callable[..., Any], ppmid: Bench, tmp_path: Path
) -> Callable[..., Path]:
    """Makes permits for the PPMID, of a DSP whose permits count; and enters the PPMID."""
    (tmp_path / "dsp.pub.pem").write_bytes(KEY.public_pem())
    counts = ("registry", "settings", "--permits-from", "dsp.pub.pem", *REASON)
    assert run(*counts).exit_code == 0
    assert run("inventory", "add", "--port", ppmid.board.port).exit_code == 0
    [own] = run_json("inventory", "list")

    def make(image: Path, device: str | None = None) -> Path:
        loaded = load(image)
        octets = permit.make(
            "90-B3-D5-1F-30-01-00-00",
            [device or own["DeviceID"]],
            loaded.image_hash,
            loaded.header.file_version,
            int(time.time()),
            3600,
            KEY.public.kid,
            KEY.sign,
        )
        path = tmp_path / f"{image.stem}.permit"
        path.write_bytes(octets)
        return path

    return make


@pytest.mark.parametrize("command", ["upload", "upgrade", "distribute"])
def test_a_permit_lets_its_image_through(
    run: Callable[..., Result],
    run_json: Callable[..., Any],
    files: dict[str, Path],
    ppmid: Bench,
    permitted: Callable[..., Path],
    command: str,
) -> None:
    port = ("--port", ppmid.board.port)
    local = ("--local",) if command == "distribute" else ()
    wrong = permitted(files["2.0.0"])
    result = run(command, files["1.1.0"], *_AT_REGISTRY, *local, "--permit", wrong, *port)
    assert result.exit_code == 1, result.output
    assert "is for another image" in result.stderr
    other = permitted(files["1.1.0"], "00-00-00-00-00-00-00-09")
    result = run(command, files["1.1.0"], *_AT_REGISTRY, *local, "--permit", other, *port)
    assert result.exit_code == 1, result.output
    assert "does not name the device" in result.stderr
    assert ppmid.runs(load(files["1.0.0"]))
    given = ("--permit", wrong, "--permit", permitted(files["1.1.0"]))
    result = run(command, files["1.1.0"], *_AT_REGISTRY, *local, *given, *port)
    assert result.exit_code == 0, result.output
    outcomes = [record["outcome"] for record in run_json("inventory", "history")]
    assert outcomes == ["refused", "refused", "staged" if command == "upload" else "activated"]
    assert run("registry", "history", "--verify").exit_code == 0


def test_a_permit_lets_a_path_through(
    run: Callable[..., Result],
    run_json: Callable[..., Any],
    files: dict[str, Path],
    ppmid: Bench,
    permitted: Callable[..., Path],
) -> None:
    given = [("--permit", permitted(files[name])) for name in ("1.1.0", "2.0.0")]
    path = (files["1.1.0"], files["2.0.0"])
    options = [part for pair in given for part in pair]
    result = run("upgrade", *path, *_AT_REGISTRY, *options, "--port", ppmid.board.port)
    assert result.exit_code == 0, result.output
    assert run_json("inventory", "list")[0]["FirmwareVersion"] == "02000000"


def test_a_permit_lets_a_matrix_through(
    run: Callable[..., Result],
    files: dict[str, Path],
    firmware: ReleaseImages,
    ppmid: Bench,
    permitted: Callable[..., Path],
    tmp_path: Path,
) -> None:
    keys = ("--manufacturer-public-key", tmp_path / "manufacturer.pub.pem")
    keys[1].write_bytes(firmware.pairs.manufacturer.public_pem())
    port = ("--port", ppmid.board.port)
    allowed = [("--permit", permitted(file)) for file in files.values()]
    some = [part for pair in allowed[:-1] for part in pair]
    result = run("matrix", *files.values(), *keys, *_AT_REGISTRY, *some, *port)
    assert result.exit_code == 1
    assert "is for another image" in result.stderr
    every = [part for pair in allowed for part in pair]
    result = run("matrix", *files.values(), *keys, *_AT_REGISTRY, *every, *port)
    assert "permit" not in result.stderr
    assert result.exit_code == 0, result.output


def test_usage_of_permits(
    run: Callable[..., Result], files: dict[str, Path], permitted: Callable[..., Path]
) -> None:
    given = ("--permit", permitted(files["1.1.0"]))
    for wrong in (
        ("upload", files["1.1.0"], *given),
        ("upload", files["1.1.0"], *given, *_AT_REGISTRY, "--override-ban", *REASON),
        ("distribute", files["1.1.0"], *given, *_AT_REGISTRY),
    ):
        assert run(*wrong, "--port", "virtual:nowhere").exit_code == 2


def test_what_lies_in_the_folder_does_not_bind(
    run: Callable[..., Result], files: dict[str, Path], ppmid: Bench, tmp_path: Path
) -> None:
    (tmp_path / "hanboot.toml").write_text('registry = "registry.db"\n')
    port = ("--port", ppmid.board.port)
    assert run("upload", files["1.1.0"], *port).exit_code == 0
    override = ("--override-ban", *REASON)
    assert run("upload", files["1.1.0"], *override, *port).exit_code == 2
