"""The register, the plan and the gate with a device at the other end: a virtual PPMID."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from registers import KEY, ROOT

sys.path.append(str(ROOT / "tests" / "e2e"))

from rig import Bench, Firmware, Keys, States

from hanboot.registry.store import Register
from hanboot.registry.walk import plan_upgrade

pytestmark = pytest.mark.slow

RELEASES = ("1.0.0", "1.1.0", "2.0.0")
REASON = ("--reason", "a test")


@pytest.fixture(scope="module")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Firmware:
    return Firmware(Keys.generate(), tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def states(firmware: Firmware, tmp_path_factory: pytest.TempPathFactory) -> States:
    return States(tmp_path_factory.mktemp("devices"), firmware)


@pytest.fixture
def ppmid(states: States) -> Iterator[Bench]:
    """A PPMID that runs 1.0.0."""
    with Bench(states.installed("ppmid/1.0.0")) as bench:
        yield bench


@pytest.fixture
def files(run: Callable[..., Result], firmware: Firmware) -> dict[str, Path]:
    """The images, each entered with its row."""
    files = {}
    for name in RELEASES:
        files[name] = firmware.file(firmware.image(f"ppmid/{name}"), f"{name}.ota")
        row = {
            "device_type": "PPMID",
            "device_model": "00050100",
            "status": "Active",
            "join_option": "2.4 GHz Only",
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
    tmp_path: Path,
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
    with Register(str(tmp_path / "registry.db")) as register:
        steps = plan_upgrade(register, ppmid.identity(), [files["1.1.0"].parent])
    assert [step.entry.cpl_entry_id for step in steps] == ids

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
